"""The live screen: `MonitorState` to rich segments. Pure: it reads no clock and prints nothing.

Every line is built to the width it has, so that a frame costs little and fits any terminal. But for
the spectrogram, only the terminal's own sixteen colours are used: they suit its background, dark or
light.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from livetag.events import EventStart, Explanation, FloatArray, Pace
from livetag.halfblocks import NO_COLOURS, Colours, Line, colours_of
from livetag.records import called
from livetag.spectrum_panel import panel, panel_height
from livetag.state import MonitorState
from livetag.text import decibels, duration, milliseconds, printable

_PLAIN = Style.null()
_BOLD = Style(bold=True)
_DIM = Style(dim=True)
_REVERSE = Style(reverse=True)
_BAR = Style(color="green")
_LOUD = Style(color="yellow")
_ALERT = Style(color="red", bold=True)
_ALARM = Style(color="red", bold=True, reverse=True)
_TITLE = Style(color="blue", bold=True)

_FLOOR_DBFS = -60.0
_LOUD_DBFS = -12.0
_HOT_DBFS = -3.0
_STALLED_AFTER_S = 1.0
_OPENING_S = 5.0


@dataclass(frozen=True)
class _Glyphs:
    """Characters to draw with; the second set is for terminals that know ASCII only."""

    eighths: str
    spark: str
    mark: str
    threshold: str
    rule: str
    dot: str
    ellipsis: str


_UNICODE = _Glyphs(" ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█", "│", "┊", "─", "·", "…")
_ASCII = _Glyphs("    ####", " ..::!!|#", "|", ":", "-", "|", "~")


@dataclass(frozen=True)
class Dashboard:
    """Draws one state, `top` classes at the most, at whatever size the terminal has."""

    state: MonitorState
    top: int
    explain: bool = False
    spectrogram: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = _ASCII if options.ascii_only else _UNICODE
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
        glyphs: _Glyphs = _UNICODE,
        colours: Colours = NO_COLOURS,
    ) -> list[Line]:
        """Exactly `height` lines, none wider than `width` cells.

        `colours`: of the spectrogram, where it is asked for and has room.
        """
        state = self.state
        draw = _Painter(width, glyphs, self.explain)
        notices = state.notices if height >= 12 else []
        spectrogram = draw.spectrogram(state, height, colours) if self.spectrogram else []
        fixed = 5 + len(notices) + len(spectrogram)  # header, level, two rules, footer
        classes = max(1, min(self.top, (height - fixed) * 2 // 3))
        listed = max(0, height - fixed - classes)
        lines = [
            draw.header(state),
            draw.level(state),
            *spectrogram,
            draw.rule("Top classes", "last half minute"),
            *draw.classes(state, classes),
            draw.columns_rule(
                f"Sounding now ({len(state.sounding)})",
                f"Alerts ({state.alerts}){', or why not' if self.explain else ''}",
            ),
            *draw.columns(
                draw.sounding(state, listed, draw.column_width),
                draw.alerts(state, listed, draw.column_width),
                listed,
            ),
            *(draw.notice(notice) for notice in notices),
            draw.footer(state),
        ]
        return lines[:height]


class _Painter:
    """Builds lines for one width; `explain`: what was no alert is listed, too."""

    def __init__(self, width: int, glyphs: _Glyphs, explain: bool) -> None:
        self.width = width
        self._explain = explain
        self.column_width = (width - 3) // 2
        self._glyphs = glyphs

    def header(self, state: MonitorState) -> Line:
        rate = f"{state.rate_hz / 1000:g} kHz"
        left = [(" livetag ", _TITLE)]
        if self._stalled(state):  # first: a narrow terminal cuts what is last
            left.append((f" NO AUDIO for {duration(state.silent_s)} ", _ALARM))
        if state.pace is not None:
            left += [(" ", _PLAIN), (f" DEGRADED: {_slowed(state.pace)} ", _ALARM)]
        left += [(f" {state.source_name}", _BOLD), (f"  {rate}", _PLAIN)]
        return self.spread(left, [("Ctrl-C ends ", _DIM)])

    def _stalled(self, state: MonitorState) -> bool:
        """Whether audio fails to come: when it has begun, sooner than while a device opens."""
        patience = _OPENING_S if state.level is None else _STALLED_AFTER_S
        return bool(state.trouble) or state.silent_s >= patience

    def level(self, state: MonitorState) -> Line:
        """A meter from -60 to 0 dBFS: the bar is the loudness (RMS), the mark the held peak."""
        heard = state.level is not None and not self._stalled(state)
        rms = state.level.rms_dbfs if state.level and heard else -np.inf
        label, after = " Level  ", f"{decibels(rms)} dBFS  peak {decibels(state.peak_dbfs)} "
        clip = "CLIP " if state.clipping else "     "
        room = max(4, self.width - len(label) - len(after) - len(clip) - 2)
        filled, peak = self._place(rms, room), self._place(state.peak_dbfs, room)
        loud, hot = self._place(_LOUD_DBFS, room), self._place(_HOT_DBFS, room)
        cells: Line = []
        full, empty = self._glyphs.eighths[-1], self._glyphs.dot
        for begin, end, style in ((0, loud, _BAR), (loud, hot, _LOUD), (hot, room, _ALERT)):
            bar = max(0, min(filled, end) - begin)
            text = full * bar + empty * (end - begin - bar)
            if begin <= peak - 1 < end:
                at = peak - 1 - begin
                text = text[:at] + self._glyphs.mark + text[at + 1 :]
            cells.append(Segment(text[:bar], style))
            cells.append(Segment(text[bar:], style if begin <= peak - 1 < end else _DIM))
        return self.fit([(label, _PLAIN), *cells, ("  ", _PLAIN), (after, _PLAIN), (clip, _ALERT)])

    def _place(self, dbfs: float, room: int) -> int:
        share = (max(dbfs, _FLOOR_DBFS) - _FLOOR_DBFS) / -_FLOOR_DBFS
        return min(room, round(share * room))

    def spectrogram(self, state: MonitorState, height: int, colours: Colours) -> list[Line]:
        """The spectrogram, as high as the screen allows, below a rule."""
        lines = panel_height(height)
        if not lines:
            return []
        ascii_only = self._glyphs is _ASCII
        return [
            self.rule("Spectrogram", "last half minute"),
            *panel(state.spectrum, state.params, self.width, lines, colours, ascii_only),
        ]

    def classes(self, state: MonitorState, count: int) -> list[Line]:
        """A row a class: name, bar with its threshold, score, and the last half minute."""
        name_width = max(12, min(36, self.width * 3 // 10))
        spark_width = max(0, min(62, (self.width - name_width - 12) * 2 // 5))
        bar_width = max(0, min(60, self.width - name_width - spark_width - 12))
        history = state.history()
        lines = []
        for index in state.top(count):
            score = float(history[-1, index])
            threshold = state.thresholds[index]
            alerting = index in state.alerting and score >= threshold
            style = _ALERT if alerting else _BAR
            name_style = _ALERT if alerting else _BOLD if score >= threshold else _PLAIN
            marker = "!" if index in state.alerting else " "
            lines.append(
                self.fit(
                    [
                        (f"{marker}{self._cut(state.labels[index].name, name_width)} ", name_style),
                        *self._bar(score, threshold, bar_width, style),
                        (f" {score:4.2f}  ", name_style),
                        (self._spark(history[:, index], state.history_windows, spark_width), style),
                    ]
                )
            )
        return lines + [self.fit([])] * (count - len(lines))

    def _bar(self, score: float, threshold: float, width: int, style: Style) -> Line:
        """A bar to an eighth of a cell, with a mark where the threshold is."""
        eighths = round(min(max(score, 0.0), 1.0) * width * 8)
        whole, rest = divmod(eighths, 8)
        text = self._glyphs.eighths[-1] * whole
        if rest and whole < width:
            text += self._glyphs.eighths[rest]
        text = text.ljust(width)
        at = min(width - 1, int(threshold * width))
        inside = at < len(text.rstrip())
        return [
            Segment(text[:at], style),
            Segment(self._glyphs.threshold, style + _REVERSE if inside else _DIM),
            Segment(text[at + 1 :], style),
        ]

    def _spark(self, scores: FloatArray, windows: int, width: int) -> str:
        """The highest score in each of `width` equal parts of the last half minute."""
        padded = np.zeros(windows, np.float32)
        padded[windows - len(scores) :] = scores
        edges = np.linspace(0, windows, width + 1).astype(int)
        begins = np.minimum(edges[:-1], windows - 1)
        peaks = np.maximum.reduceat(padded, begins)
        levels = np.ceil(np.clip(peaks, 0.0, 1.0) * 8 - 0.4).astype(int)
        return "".join(self._glyphs.spark[level] for level in levels.tolist())

    def sounding(self, state: MonitorState, rows: int, width: int) -> list[Line]:
        """Events that go on, alerts first, then the youngest; each with its age."""
        events = sorted(
            state.sounding.values(), key=lambda event: (not event.alert, -event.start_s)
        )
        lines = []
        for event in events[:rows]:
            age = duration(state.sounding_for(event)).rjust(7)
            name = self._cut(called(event), max(1, width - len(age) - 2))
            mark, style = ("!", _ALERT) if event.alert else (" ", _PLAIN)
            lines.append([Segment(f"{mark}{name} {age}", style)])
        return lines

    def alerts(self, state: MonitorState, rows: int, width: int) -> list[Line]:
        """The latest alerts, newest first, with local time and score; and why others were none.

        An alert whose sound goes on is marked; what was no alert is dim.
        """
        lines = []
        for event in _newest(state, rows, self._explain):
            clock = datetime.fromtimestamp(event.time).strftime("%H:%M:%S")
            if isinstance(event, Explanation):
                note, style = f"({event.why})", _DIM
            else:
                note = f"{event.score:4.2f}"
                style = _ALERT if event in state.sounding.values() else _PLAIN
            name = self._cut(called(event), max(1, width - len(note) - 12))
            lines.append([Segment(f" {clock}  {name} {note}", style)])
        return lines

    def notice(self, text: str) -> Line:
        return [Segment(self._cut(printable(text), self.width), _ALERT)]

    def footer(self, state: MonitorState) -> Line:
        rate = state.windows_per_second
        parts = [
            f"{'-' if rate is None else f'{rate:.1f}'} windows/s",
            f"{milliseconds(state.compute_s, 1)} each",
            f"latency {milliseconds(state.latency_s)}",
        ]
        lost = f"lost {state.lost_seconds:.1f} s" if state.gaps else "lost nothing"
        dot = f" {self._glyphs.dot} "
        return self.fit(
            [
                (f" {dot.join(parts)}{dot}", _DIM),
                (lost, _ALERT if state.gaps else _DIM),
                (f"{dot}up {duration(state.uptime_s)}", _DIM),
            ]
        )

    def rule(self, left: str, right: str) -> Line:
        line = self._glyphs.rule
        middle = max(0, self.width - cell_len(left) - cell_len(right) - 8)
        return self.fit(
            [
                (f"{line * 2} ", _DIM),
                (left, _TITLE),
                (f" {line * middle} ", _DIM),
                (right, _TITLE),
                (f" {line * 2}", _DIM),
            ]
        )

    def columns_rule(self, left: str, right: str) -> Line:
        line = self._glyphs.rule
        pieces: list[tuple[str, Style]] = []
        for title, room in ((left, self.column_width + 3), (right, self.width)):
            rest = max(0, room - cell_len(title) - 4)
            pieces += [(f"{line * 2} ", _DIM), (title, _TITLE), (f" {line * rest}", _DIM)]
        return self.fit(pieces)

    def columns(self, left: list[Line], right: list[Line], rows: int) -> list[Line]:
        """Two lists side by side."""
        lines = []
        for row in range(rows):
            first = left[row] if row < len(left) else []
            second = right[row] if row < len(right) else []
            used = Segment.get_line_length(first)
            space = Segment(" " * (self.column_width + 3 - used))
            lines.append(self.fit([*first, space, *second]))
        return lines

    def spread(self, left: list[tuple[str, Style]], right: list[tuple[str, Style]]) -> Line:
        """One list at the left edge, the other at the right, if there is room for both."""
        used = sum(cell_len(text) for text, _ in (*left, *right))
        if used >= self.width:
            return self.fit(left)
        return self.fit([*left, (" " * (self.width - used), _PLAIN), *right])

    def fit(self, pieces: Iterable[Segment | tuple[str, Style]]) -> Line:
        """Pieces as one line of exactly the painter's width."""
        line = [
            piece if isinstance(piece, Segment) else Segment(printable(piece[0]), piece[1])
            for piece in pieces
        ]
        return Segment.adjust_line_length(line, self.width)

    def _cut(self, text: str, width: int) -> str:
        """Text in exactly `width` cells."""
        if cell_len(text) > width:
            text = set_cell_size(text, width - 1).rstrip() + self._glyphs.ellipsis
        return set_cell_size(text, width)


def _slowed(pace: Pace) -> str:
    """What there is less of while analysis cannot keep up."""
    frames = f", frames {pace.frame_factor} times as long" if pace.frame_factor > 1 else ""
    return f"a window every {pace.hop_seconds:g} s{frames}"


def _newest(state: MonitorState, count: int, explain: bool) -> list[EventStart | Explanation]:
    """The latest alerts, and where it is asked for what was none, newest first."""
    told: list[EventStart | Explanation] = list(state.latest_alerts)
    if explain:
        told += state.explanations
    return sorted(told, key=lambda event: -event.time)[:count]


def render(
    state: MonitorState, top: int, explain: bool = False, spectrogram: bool = False
) -> Dashboard:
    """The state as something rich prints."""
    return Dashboard(state, top, explain, spectrogram)
