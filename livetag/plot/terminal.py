"""The picture in a terminal: as wide and as high as that is, in the colours it has, or in none.

What colour says is said without it, too: scores are bars, and events stand in brackets.
"""

from collections.abc import Iterator
from typing import TextIO

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from livetag.events import EventEnd
from livetag.halfblocks import colours_of, drawn, spectrum_pixels
from livetag.lines import ALERT, ASCII, DIM, TITLE, UNICODE, Line
from livetag.plot.axes import frequency_names, time_marks
from livetag.plot.overview import Overview, Row

_MOST_WAVEFORM_LINES, _LEAST_WAVEFORM_LINES = 4, 2
_SPECTRUM_LINES = (16, 8, 4)  # lines that each show as many mel bands as the others
_LEGEND = "[ ] event, ! ] alert; at the right: threshold"
_LEAST_LINE = 1e-3  # of the peak
_MARK_WIDTH = 12  # of the time axis, at the least
_LEAST_WIDTH = 10
_THRESHOLD_WIDTH = len(" of 0.50")

_WAVEFORM = Style(color="cyan")
_SCORE = Style(color="green")
_BLOCKS, _ASCII_BLOCKS = " ▄▀█", " ###"  # no half of a cell, the lower, the upper, both


def print_picture(out: TextIO, seen: Overview, rows: list[Row]) -> None:
    """Print a recording's picture, and nothing wider than the terminal.

    All of it is seen at once there, unless the classes alone are too many. What is no terminal
    gets it as high as it can be.
    """
    console = Console(file=out, highlight=False, markup=False, emoji=False)
    lines = _Painter(console, seen, rows).lines()
    cut = (Segment.adjust_line_length(line, console.width, pad=False) for line in lines)
    with console.capture() as captured:  # rich would end the program where `out` is a closed pipe
        console.print(Segments(part for line in cut for part in (*line, Segment.line())), end="")
    out.write(captured.get())


class _Painter:
    """Builds the lines for one console."""

    def __init__(self, console: Console, seen: Overview, rows: list[Row]) -> None:
        self._seen = seen
        self._rows = rows
        self._ascii = console.options.ascii_only
        self._glyphs = ASCII if self._ascii else UNICODE
        self._colours = colours_of(console)
        self._with_rules = any(row.threshold is not None for row in rows)
        beside = _THRESHOLD_WIDTH if self._with_rules else 1
        longest = max(cell_len(row.name) for row in rows)
        self._names = min(longest, max(_LEAST_WIDTH, console.width - beside - 3 * _LEAST_WIDTH))
        self._width = max(_LEAST_WIDTH, console.width - self._names - 1 - beside)
        self._legend_at = max(0, min(self._names + 1, console.width - len(_LEGEND)))
        self._waveform_lines, self._spectrum_lines = _MOST_WAVEFORM_LINES, _SPECTRUM_LINES[0]
        if console.file.isatty():
            others = len(rows) + 3 + self._with_rules  # title, time, and the shell's next line
            self._fit(console.height - others)

    def _fit(self, lines: int) -> None:
        """Have waveform and spectrogram take so many lines at the most, and what they need."""
        room = lines - _LEAST_WAVEFORM_LINES
        fitting = (each for each in _SPECTRUM_LINES if each <= room)
        self._spectrum_lines = next(fitting, _SPECTRUM_LINES[-1])
        left = max(_LEAST_WAVEFORM_LINES, lines - self._spectrum_lines)
        self._waveform_lines = min(_MOST_WAVEFORM_LINES, left)

    def lines(self) -> Iterator[Line]:
        yield [Segment(self._seen.title, TITLE)]
        names = frequency_names(self._seen.params, self._spectrum_lines)
        yield from self._beside(["waveform"], self._waveform())
        yield from self._beside(names, self._spectrum())
        yield from (self._row(row) for row in self._rows)
        yield self._axis()
        if self._with_rules:
            yield [Segment(" " * self._legend_at + _LEGEND, DIM)]

    def _beside(self, names: list[str], pictures: list[Line]) -> Iterator[Line]:
        """Lines of a picture, with names at their left."""
        for at, line in enumerate(pictures):
            name = names[at] if at < len(names) else ""
            yield [Segment(self._name(name), DIM), *line]

    def _name(self, text: str) -> str:
        """Text at the right end of the column of names, and a space after it."""
        if cell_len(text) > self._names:
            text = set_cell_size(text, self._names - 1) + self._glyphs.ellipsis
        return " " * (self._names - cell_len(text)) + text + " "

    def _waveform(self) -> list[Line]:
        """The waveform, as high as its peak: a pixel is on where samples reach into it."""
        pixels = 2 * self._waveform_lines
        below, above = self._seen.envelope.cells(self._width).T / (self._seen.peak or 1.0)
        tops = np.linspace(1.0, -1.0, pixels, endpoint=False)[:, np.newaxis]
        below = np.maximum(below, _LEAST_LINE - above)  # samples that are all the same are a line
        on = (above > tops - 2 / pixels) & (-below < tops)
        blocks = np.array(list(_ASCII_BLOCKS if self._ascii else _BLOCKS))
        texts = blocks[2 * on[0::2] + on[1::2]]
        return [[Segment("".join(line), _WAVEFORM)] for line in texts.tolist()]

    def _spectrum(self) -> list[Line]:
        """The spectrogram, high frequencies at the top."""
        low, high = self._seen.spectrum_range
        cells = (self._seen.log_mel.cells(self._width) - low) / (high - low)
        return drawn(spectrum_pixels(cells, self._spectrum_lines), self._colours, self._ascii)

    def _row(self, row: Row) -> Line:
        """A class: a bar for the highest score of each part of the time, events in brackets."""
        scores = self._seen.scores.cells(self._width)[:, row.label.index]
        levels = np.ceil(scores * 8 - 0.4).astype(int)
        chars = [self._glyphs.spark[level] for level in levels.tolist()]
        styles = [_SCORE] * self._width
        for event in row.events:
            self._mark(event, chars, styles)
        line = [Segment(self._name(row.name), Style(bold=row.alerting))]
        line += [Segment(char, style) for char, style in zip(chars, styles, strict=True)]
        if row.threshold is not None:
            line.append(Segment(f" of {row.threshold:.2f}", DIM))
        return line

    def _mark(self, event: EventEnd, chars: list[str], styles: list[Style]) -> None:
        """Mark where an event begins and ends, and whether it is an alert."""
        cells_a_second = self._width / self._seen.seconds
        begin = min(int(event.start.start_s * cells_a_second), self._width - 1)
        end = min(max(begin + 1, round(event.end_s * cells_a_second)), self._width)
        chars[end - 1] = "]"
        chars[begin] = "!" if event.alert else "["
        if event.alert:
            styles[begin:end] = [ALERT] * (end - begin)

    def _axis(self) -> Line:
        text = ""
        for at_s, mark in time_marks(self._seen.seconds, self._width // _MARK_WIDTH):
            place = round(at_s / self._seen.seconds * self._width)
            if place + len(mark) <= self._width:
                text = text.ljust(place) + mark
        return [Segment(self._name("") + text, DIM)]
