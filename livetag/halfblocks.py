"""Pictures in a terminal: two pixels a character, one above the other, in the colours there are.

A terminal of 24 bits gets the map "magma", others what comes near it: colours that rise in
lightness, so that it does not matter which of them a person sees. Where there is no colour, or no
block, characters are denser instead.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

from livetag.lines import Line

FloatArray = npt.NDArray[np.float32]

MAGMA = (  # matplotlib's, at 16 equal steps
    *("#000004", "#0b0924", "#20114b", "#3b0f70", "#57157e", "#721f81", "#8c2981", "#a8327d"),
    *("#c43c75", "#de4968", "#f1605d", "#fa7f5e", "#fe9f6d", "#febf84", "#fddea0", "#fcfdbf"),
)
_OF_256 = tuple(
    f"color({number})" for number in (16, 17, 53, 54, 90, 126, 162, 168, 203, 209, 215, 222, 230)
)
_OF_16 = ("black", "blue", "magenta", "bright_red", "bright_yellow", "bright_white")
_SHADES, _ASCII_SHADES = " ░▒▓█", " .:*#"
_UPPER_HALF = "▀"

Colours = tuple[str, ...]
NO_COLOURS: Colours = ()


def colours_of(console: Console) -> Colours:
    """The colours, dark to bright, that a console can show; none where it shows none."""
    if console.no_color or console.color_system is None or console.options.ascii_only:
        return NO_COLOURS
    return {"truecolor": MAGMA, "256": _OF_256}.get(console.color_system, _OF_16)


def drawn(pixels: FloatArray, colours: Colours, ascii_only: bool = False) -> list[Line]:
    """float32[2 * n, width], 0 for dark and 1 for bright, the top row first, as n lines."""
    if not colours:
        shades = np.array(list(_ASCII_SHADES if ascii_only else _SHADES))
        denser = np.maximum(pixels[0::2], pixels[1::2])
        return [[Segment("".join(row))] for row in shades[_levels(denser, len(shades))].tolist()]
    levels = _levels(pixels, len(colours))
    pairs = levels[0::2] * len(colours) + levels[1::2]
    return [_line(row, colours) for row in pairs]


def spectrum_pixels(cells: FloatArray, lines: int) -> FloatArray:
    """float32[2 * lines, width] to be drawn, of float32[width, bands]: low frequencies below."""
    pixels: FloatArray = cells.reshape(len(cells), 2 * lines, -1).mean(axis=2).T[::-1]
    return pixels


def _levels(values: FloatArray, count: int) -> npt.NDArray[np.intp]:
    """Which of `count` equal parts of 0 to 1 each value is in."""
    return np.clip((values * count).astype(np.intp), 0, count - 1)


def _line(pairs: npt.NDArray[np.intp], colours: Colours) -> Line:
    """A line of pixel pairs, equal ones in a row as one segment: a frame has few of them."""
    changes = np.flatnonzero(np.diff(pairs)) + 1
    edges = [0, *changes.tolist(), len(pairs)]
    line = []
    for begin, end in pairwise(edges):
        upper, lower = divmod(int(pairs[begin]), len(colours))
        text = " " if upper == lower else _UPPER_HALF
        line.append(Segment(text * (end - begin), _style(colours[upper], colours[lower])))
    return line


@cache
def _style(upper: str, lower: str) -> Style:
    return Style(color=upper, bgcolor=lower)
