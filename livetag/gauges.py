"""Gauges on a line of a terminal: a meter of loudness, a bar with its threshold, a curve.

Each takes numbers, and fills just the cells that it is given; a bar has its mark, always.
"""

import numpy as np
from rich.segment import Segment
from rich.style import Style

from livetag.events import FloatArray
from livetag.lines import ALERT, DIM, Glyphs, Line

BAR = Style(color="green")
_LOUD = Style(color="yellow")
_REVERSE = Style(reverse=True)

_FLOOR_DBFS = -60.0
_LOUD_DBFS = -12.0
_HOT_DBFS = -3.0


def meter(rms_dbfs: float, peak_dbfs: float, width: int, glyphs: Glyphs) -> Line:
    """From -60 to 0 dBFS: the bar is the loudness (RMS), the mark the peak."""
    filled, peak = _place(rms_dbfs, width), _place(peak_dbfs, width)
    loud, hot = _place(_LOUD_DBFS, width), _place(_HOT_DBFS, width)
    cells: Line = []
    full, empty = glyphs.eighths[-1], glyphs.dot
    for begin, end, style in ((0, loud, BAR), (loud, hot, _LOUD), (hot, width, ALERT)):
        bar = max(0, min(filled, end) - begin)
        text = full * bar + empty * (end - begin - bar)
        if begin <= peak - 1 < end:
            at = peak - 1 - begin
            text = text[:at] + glyphs.mark + text[at + 1 :]
        cells.append(Segment(text[:bar], style))
        cells.append(Segment(text[bar:], style if begin <= peak - 1 < end else DIM))
    return cells


def _place(dbfs: float, width: int) -> int:
    share = (max(dbfs, _FLOOR_DBFS) - _FLOOR_DBFS) / -_FLOOR_DBFS
    return min(width, round(share * width))


def bar(score: float, threshold: float, width: int, style: Style, glyphs: Glyphs) -> Line:
    """A score from 0 to 1, to an eighth of a cell, with a mark where the threshold is."""
    eighths = round(min(max(score, 0.0), 1.0) * width * 8)
    whole, rest = divmod(eighths, 8)
    text = glyphs.eighths[-1] * whole
    if rest and whole < width:
        text += glyphs.eighths[rest]
    text = text.ljust(width)
    at = min(width - 1, int(threshold * width))
    inside = at < len(text.rstrip())
    return [
        Segment(text[:at], style),
        Segment(glyphs.threshold, style + _REVERSE if inside else DIM),
        Segment(text[at + 1 :], style),
    ]


def curve(scores: FloatArray, windows: int, width: int, glyphs: Glyphs) -> str:
    """The last of so many windows' scores, float32[n] from 0 to 1: the highest in each cell.

    Where there are fewer, it begins at the right.
    """
    padded = np.zeros(windows, np.float32)
    padded[windows - len(scores) :] = scores
    edges = np.linspace(0, windows, width + 1).astype(int)
    begins = np.minimum(edges[:-1], windows - 1)
    peaks = np.maximum.reduceat(padded, begins)
    levels = np.ceil(np.clip(peaks, 0.0, 1.0) * 8 - 0.4).astype(int)
    return "".join(glyphs.spark[level] for level in levels.tolist())
