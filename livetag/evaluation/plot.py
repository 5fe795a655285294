"""The picture of an evaluation: each class's metrics, drawn with matplotlib, imported here."""

import io
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from livetag.errors import UsageError, not_installed
from livetag.evaluation.metrics import Summary
from livetag.evaluation.report import Report
from livetag.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("png", "svg", "pdf")
_MOST_ROWS = 50
"""Where there are more classes, so many are drawn: half of them the best, half the worst."""
_DPI = 150
_ROW_INCHES = 0.22


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    positives: int
    average_precision: float
    lwlrap: float
    d_prime: float


def picture_format(path: Path) -> str:
    """The format that a name asks for. Raises `UsageError`, also where matplotlib is missing."""
    found = path.suffix.lower().removeprefix(".")
    if found not in FORMATS:
        endings = ", ".join(f".{name}" for name in FORMATS)
        raise UsageError(f"{path}: a plot's name ends with one of {endings}")
    try:
        import matplotlib as _  # noqa: F401
    except ModuleNotFoundError as error:
        raise not_installed("--plot needs matplotlib", "evaluate") from error
    return found


def draw(report: Report, file_format: str) -> bytes:
    """The picture, in the format of `picture_format`. Raises `UsageError` where there is nothing.

    A row for each class with positives and negatives, the best average precision first: left, what
    ends at 1, with the balanced means as lines; right, d-prime, with an arrow where it is infinite.
    """
    from matplotlib.figure import Figure

    rows = _rows(report)
    if not rows:
        raise UsageError("there is nothing to plot: no class has positives and negatives")
    shown, left_out = _chosen(rows)
    figure = Figure(figsize=(9.0, 1.2 + _ROW_INCHES * len(shown)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _draw_ratios(left, shown, report.summary)
    _draw_d_primes(right, shown, report.summary)
    names = [f"{printable(row.name)}  ({row.positives:,})" for row in shown]
    left.set_yticks(range(len(shown)), names, parse_math=False)
    left.set_ylim(len(shown) - 0.4, -0.6)
    for axes in (left, right):
        axes.grid(axis="y", color="0.92")
        axes.tick_params(labelsize=8)
        if left_out:
            axes.axhline(len(shown) / 2 - 0.5, color="black", linewidth=0.8)
    title = f"{report.summary.clips:,} recordings, {report.precision}; dashed: balanced means"
    between = f"; {left_out:,} classes between the best and the worst left out" if left_out else ""
    figure.suptitle(title + between, fontsize=9)
    content = io.BytesIO()
    figure.savefig(content, format=file_format, dpi=_DPI)
    return content.getvalue()


def _rows(report: Report) -> list[_Row]:
    """The classes that have every metric, the best average precision first."""
    rows = [
        _Row(category.name, one.positives, one.average_precision, one.lwlrap, one.d_prime)
        for category, one in report.rows
        if one.average_precision is not None and one.lwlrap is not None and one.d_prime is not None
    ]
    return sorted(rows, key=lambda row: -row.average_precision)


def _chosen(rows: list[_Row]) -> tuple[list[_Row], int]:
    """The rows that are drawn, and how many are not."""
    if len(rows) <= _MOST_ROWS:
        return rows, 0
    half = _MOST_ROWS // 2
    return [*rows[:half], *rows[-half:]], len(rows) - _MOST_ROWS


def _draw_ratios(axes: "Axes", rows: list[_Row], summary: Summary) -> None:
    places = range(len(rows))
    precisions, lwlraps = [row.average_precision for row in rows], [row.lwlrap for row in rows]
    axes.plot(precisions, places, "o", color="C0", markersize=5, label="average precision")
    axes.plot(lwlraps, places, "D", color="C1", markersize=6, fillstyle="none", label="lwlrap")
    _draw_mean(axes, summary.mean_average_precision, "C0")
    _draw_mean(axes, summary.mean_lwlrap, "C1")
    axes.set_xlim(-0.02, 1.02)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize=8)


def _draw_d_primes(axes: "Axes", rows: list[_Row], summary: Summary) -> None:
    finite = [row.d_prime for row in rows if isfinite(row.d_prime)]
    least, most = min([0.0, *finite]), max([1.0, *finite])
    margin = 0.1 * (most - least)
    for place, row in enumerate(rows):
        marker = "o" if isfinite(row.d_prime) else ">" if row.d_prime > 0 else "<"
        end = min(max(row.d_prime, least - margin), most + margin)
        axes.plot(end, place, marker, color="C2", markersize=5)
    _draw_mean(axes, summary.mean_d_prime, "C2")
    axes.set_xlim(least - 1.5 * margin, most + 1.5 * margin)
    note = "" if len(finite) == len(rows) else " (arrow: infinite)"
    axes.set_title(f"d-prime{note}", fontsize=8, loc="left")


def _draw_mean(axes: "Axes", mean: float | None, color: str) -> None:
    if mean is not None and isfinite(mean):
        axes.axvline(mean, color=color, linestyle="--", linewidth=1)
