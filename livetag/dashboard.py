"""The live screen: `MonitorState` to rich segments. Pure: it reads no clock and prints nothing.

This is what stands where, and how it is said; `lines` builds each line to its width.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from livetag.events import EventStart, Explanation, Pace
from livetag.gauges import BAR, bar, curve, meter
from livetag.halfblocks import NO_COLOURS, Colours, colours_of
from livetag.lines import ALERT, ASCII, BOLD, DIM, PLAIN, TITLE, UNICODE, Glyphs, Line, Lines
from livetag.records import called
from livetag.spectrum_panel import panel, panel_height
from livetag.state import MonitorState
from livetag.text import decibels, duration, milliseconds, printable

_ALARM = ALERT + Style(reverse=True)
_STALLED_AFTER_S = 1.0
_OPENING_S = 5.0
_TWO_COLUMNS_WIDTH = 64  # from which on an alert's name has room beside what sounds
_RULE_WIDTH = 9  # of a rule, beside its titles


@dataclass(frozen=True)
class Dashboard:
    """Draws one state, `top` classes at the most, at whatever size the terminal has.

    `explain`: what was no alert is listed, too. `spectrogram`: there is one, where it has room.
    """

    state: MonitorState
    top: int
    explain: bool = False
    spectrogram: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = ASCII if options.ascii_only else UNICODE
        height = options.height or console.height
        lines = self.lines(options.max_width, height, glyphs, colours_of(console))
        for number, line in enumerate(lines):
            if number:
                yield Segment.line()
            yield from line

    def lines(
        self,
        width: int,
        height: int,
        glyphs: Glyphs = UNICODE,
        colours: Colours = NO_COLOURS,
    ) -> list[Line]:
        """Exactly `height` lines, none wider than `width` cells. `colours`: of the spectrogram."""
        state = self.state
        draw = Lines(width, glyphs)
        notices = state.notices if height >= 12 else []
        spectrogram = self._spectrogram(draw, height, colours)
        fixed = 5 + len(notices) + len(spectrogram)  # header, level, two rules, footer
        classes = max(1, min(self.top, (height - fixed) * 2 // 3))
        listed = max(0, height - fixed - classes)
        lines = [
            self._header(draw),
            self._level(draw),
            *spectrogram,
            draw.rule("Top classes", "last half minute"),
            *self._classes(draw, classes),
            *self._events(draw, listed),
            *([Segment(draw.cut(printable(notice), width), ALERT)] for notice in notices),
            self._footer(draw),
        ]
        return lines[:height]

    def _header(self, draw: Lines) -> Line:
        state = self.state
        left = [(" livetag ", TITLE)]
        if self._is_stalled():  # first: a narrow terminal cuts what is last
            left.append((f" NO AUDIO for {duration(state.silent_s)} ", _ALARM))
        if state.pace is not None:
            left += [(" ", PLAIN), (f" DEGRADED: {_slowed(state.pace)} ", _ALARM)]
        rate = f"{state.rate_hz / 1000:g} kHz"
        left += [(f" {state.source_name}", BOLD), (f"  {rate}", PLAIN)]
        return draw.spread(left, [("Ctrl-C ends ", DIM)])

    def _is_stalled(self) -> bool:
        """Whether audio fails to come: when it has begun, sooner than while a device opens."""
        state = self.state
        patience = _OPENING_S if state.level is None else _STALLED_AFTER_S
        return bool(state.trouble) or state.silent_s >= patience

    def _level(self, draw: Lines) -> Line:
        """The loudness and the held peak, as a meter and in numbers."""
        state = self.state
        rms = -np.inf if state.level is None or self._is_stalled() else state.level.rms_dbfs
        label, after = " Level  ", f"{decibels(rms)} dBFS  peak {decibels(state.peak_dbfs)} "
        clip = "CLIP " if state.clipping else "     "
        room = max(4, draw.width - len(label) - len(after) - len(clip) - 2)
        gauge = meter(rms, state.peak_dbfs, room, draw.glyphs)
        return draw.fit([(label, PLAIN), *gauge, ("  ", PLAIN), (after, PLAIN), (clip, ALERT)])

    def _spectrogram(self, draw: Lines, height: int, colours: Colours) -> list[Line]:
        """The spectrogram, as high as the screen allows, below a rule."""
        lines = panel_height(height) if self.spectrogram else 0
        if not lines:
            return []
        state, ascii_only = self.state, draw.glyphs is ASCII
        return [
            draw.rule("Spectrogram", "last half minute"),
            *panel(state.spectrum, state.params, draw.width, lines, colours, ascii_only),
        ]

    def _classes(self, draw: Lines, count: int) -> list[Line]:
        """A row a class: name, bar with its threshold, score, and the last half minute."""
        state = self.state
        name_width = max(12, min(36, draw.width * 3 // 10))
        curve_width = max(0, min(62, (draw.width - name_width - 12) * 2 // 5))
        bar_width = max(0, min(60, draw.width - name_width - curve_width - 12))
        history = state.history()
        lines = []
        for index in state.top(count):
            score = float(history[-1, index])
            threshold = state.thresholds[index]
            alerting = index in state.alerting and score >= threshold
            style = ALERT if alerting else BAR
            name_style = ALERT if alerting else BOLD if score >= threshold else PLAIN
            marker = "!" if index in state.alerting else " "
            recent = curve(history[:, index], state.history_windows, curve_width, draw.glyphs)
            lines.append(
                draw.fit(
                    [
                        (f"{marker}{draw.cut(state.labels[index].name, name_width)} ", name_style),
                        *bar(score, threshold, bar_width, style, draw.glyphs),
                        (f" {score:4.2f}  ", name_style),
                        (recent, style),
                    ]
                )
            )
        return lines + [draw.fit([])] * (count - len(lines))

    def _events(self, draw: Lines, rows: int) -> list[Line]:
        """What sounds now beside the alerts; on a narrow screen these alone, whole."""
        state = self.state
        sounding = f"Sounding now ({len(state.sounding)})"
        alerts = f"Alerts ({state.alerts}){', or why not' if self.explain else ''}"
        if draw.width < _TWO_COLUMNS_WIDTH:
            lines = [draw.fit(line) for line in self._alerts(draw, draw.width - 1, rows)]
            fits = len(alerts) + len(sounding) + _RULE_WIDTH <= draw.width
            rule = draw.rule(alerts, sounding if fits else "")
            return [rule, *lines, *[draw.fit([])] * (rows - len(lines))]
        columns = self._sounding(draw, rows), self._alerts(draw, draw.right_width, rows)
        return [draw.columns_rule(sounding, alerts), *draw.columns(*columns, rows)]

    def _sounding(self, draw: Lines, rows: int) -> list[Line]:
        """Events that go on, alerts first, then the youngest; each with its age."""
        state = self.state
        events = sorted(
            state.sounding.values(), key=lambda event: (not event.alert, -event.start_s)
        )
        lines, width = [], draw.left_width
        for event in events[:rows]:
            age = duration(state.sounding_for(event)).rjust(7)
            name = draw.cut(called(event), max(1, width - len(age) - 2))
            mark, style = ("!", ALERT) if event.alert else (" ", PLAIN)
            lines.append([Segment(f"{mark}{name} {age}", style)])
        return lines

    def _alerts(self, draw: Lines, width: int, rows: int) -> list[Line]:
        """The latest alerts, newest first, with local time and score; and why others were none.

        An alert whose sound goes on is marked; what was no alert is dim.
        """
        lines = []
        for event in self._newest(rows):
            clock = datetime.fromtimestamp(event.time).strftime("%H:%M:%S")
            if isinstance(event, Explanation):
                note, style = f"({event.why})", DIM
            else:
                note = f"{event.score:4.2f}"
                style = ALERT if event in self.state.sounding.values() else PLAIN
            name = draw.cut(called(event), max(1, width - len(note) - 12))
            lines.append([Segment(f" {clock}  {name} {note}", style)])
        return lines

    def _newest(self, count: int) -> list[EventStart | Explanation]:
        """The latest alerts, and where it is asked for what was none, newest first."""
        told: list[EventStart | Explanation] = list(self.state.latest_alerts)
        if self.explain:
            told += self.state.explanations
        return sorted(told, key=lambda event: -event.time)[:count]

    def _footer(self, draw: Lines) -> Line:
        state = self.state
        rate = state.windows_per_second
        parts = [
            f"{'-' if rate is None else f'{rate:.1f}'} windows/s",
            f"{milliseconds(state.compute_s, 1)} each",
            f"latency {milliseconds(state.latency_s)}",
        ]
        lost = f"lost {state.lost_seconds:.1f} s" if state.gaps else "lost nothing"
        dot = f" {draw.glyphs.dot} "
        return draw.fit(
            [
                (f" {dot.join(parts)}{dot}", DIM),
                (lost, ALERT if state.gaps else DIM),
                (f"{dot}up {duration(state.uptime_s)}", DIM),
            ]
        )


def _slowed(pace: Pace) -> str:
    """What there is less of while analysis cannot keep up."""
    frames = f", frames {pace.frame_factor} times as long" if pace.frame_factor > 1 else ""
    return f"a window every {pace.hop_seconds:g} s{frames}"


def render(
    state: MonitorState, top: int, explain: bool = False, spectrogram: bool = False
) -> Dashboard:
    """The state as something rich prints."""
    return Dashboard(state, top, explain, spectrogram)
