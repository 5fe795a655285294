"""The picture as an image: PNG or SVG. The only room that imports matplotlib.

As the visualisation notebook of YAMNet has it: waveform, log-mel spectrogram, and the scores of the
top classes, over one time axis.
"""

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from livetag.errors import not_installed
from livetag.plot.axes import frequency_marks, time_marks
from livetag.plot.overview import Overview, Row
from livetag.plot.palette import ALERT, EVENT, WAVEFORM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_COLUMNS = 1_600  # about the pixels of a panel: what lies in one is combined before it is drawn
_WIDTH_INCHES, _DOTS_AN_INCH = 14.0, 150
_WAVEFORM_INCHES, _SPECTRUM_INCHES, _ROW_INCHES, _REST_INCHES = 1.4, 2.6, 0.26, 1.2
_PADDING: Any = {"w_pad": 0.12, "h_pad": 0.1, "hspace": 0.0}  # inches, and none of the height
_BAR_ROWS = 10  # beside so many is the scale of the scores' colours, and not beside 521
_MOST_MARKS = 14
_MANY_ROWS = 30  # with more, times stand above them, too
_LEAST_LINE = 0.01  # of the amplitude: what is drawn of samples that are all the same
_EVENT_FRAME: Any = {"edgecolors": EVENT, "linewidth": 0.8}
_ALERT_FRAME: Any = {"edgecolors": ALERT, "linewidth": 2.0}
_STYLE: Any = {
    "font.size": 10.0,
    "font.family": "sans-serif",
    "svg.hashsalt": "livetag",  # names in the file are not random
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def check_matplotlib() -> None:
    """Raise `UsageError` where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise not_installed("pictures need matplotlib", "plot") from error


def image(seen: Overview, rows: list[Row], form: str) -> bytes:
    """A recording's picture as a whole file; `form` is "png" or "svg"."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    scores_inches = _ROW_INCHES * max(3, len(rows))
    heights = (_WAVEFORM_INCHES, _SPECTRUM_INCHES, scores_inches)
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters without a font
        size = _WIDTH_INCHES, sum(heights) + _REST_INCHES
        figure = Figure(size, dpi=_DOTS_AN_INCH, layout=ConstrainedLayoutEngine(**_PADDING))
        panels: Any = figure.subplots(
            3, 2, sharex="col", width_ratios=(1.0, 0.012), height_ratios=heights
        )
        (waveform, beside), (spectrum, loudness), (scores, score) = panels
        beside.set_axis_off()
        waveform.set_title(seen.title, loc="left", parse_math=False, fontweight="bold")
        _draw_waveform(waveform, seen)
        figure.colorbar(_draw_spectrum(spectrum, seen), cax=loudness, label="log mel")
        score.set_axis_off()
        share = min(1.0, _BAR_ROWS / len(rows))
        scale = score.inset_axes((0.0, 1.0 - share, 1.0, share))
        figure.colorbar(_draw_scores(scores, seen, rows), cax=scale, label="score")
        _draw_rules(scores, seen, rows)
        marks = time_marks(seen.seconds, _MOST_MARKS)
        scores.set_xticks([at_s for at_s, _ in marks], [text for _, text in marks])
        scores.set_xlim(0.0, seen.seconds)
        spectrum.tick_params(labelbottom=len(rows) > _MANY_ROWS)
        file = io.BytesIO()
        figure.savefig(file, format=form, metadata={"Date": None} if form == "svg" else None)
    return file.getvalue()


def _draw_waveform(axes: "Axes", seen: Overview) -> None:
    below, above = seen.envelope.cells(_COLUMNS).T
    above = np.maximum(above, _LEAST_LINE * seen.amplitude - below)
    edges = np.linspace(0.0, seen.seconds, _COLUMNS + 1)
    axes.stairs(above, edges, baseline=-below, fill=True, color=WAVEFORM, linewidth=0.6)
    axes.axhline(0.0, color=WAVEFORM, linewidth=0.6)
    axes.set_ylim(-seen.amplitude, seen.amplitude)
    axes.set_ylabel("amplitude")


def _draw_spectrum(axes: "Axes", seen: Overview) -> "AxesImage":
    bands = seen.params.mel_bands
    low, high = seen.spectrum_range
    drawn = axes.imshow(
        seen.log_mel.cells(_COLUMNS).T,
        extent=(0.0, seen.seconds, -0.5, bands - 0.5),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        vmin=low,
        vmax=high,
    )
    marks = frequency_marks(seen.params)
    axes.set_yticks([band for band, _ in marks], [text for _, text in marks])
    return drawn


def _draw_scores(axes: "Axes", seen: Overview, rows: list[Row]) -> "AxesImage":
    drawn = axes.imshow(
        seen.scores.cells(_COLUMNS)[:, [row.label.index for row in rows]].T,
        extent=(0.0, seen.seconds, len(rows) - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
        cmap="Blues",
        vmin=0.0,
        vmax=1.0,
    )
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.alerting else "normal")
    for between in range(1, len(rows)):
        axes.axhline(between - 0.5, color="white", linewidth=1.0)
    return drawn


def _draw_rules(axes: "Axes", seen: Overview, rows: list[Row]) -> None:
    """Frame events, underline what met its threshold, and write that at the end of the row."""
    from matplotlib.patheffects import withStroke

    if not any(row.threshold for row in rows):
        return
    axes.set_title(
        "frame: event (thick: alert)    underlined: threshold met    right: threshold",
        loc="right",
        fontsize="small",
        color="0.35",
    )
    cells = seen.scores.cells(_COLUMNS)
    edges = np.linspace(0.0, seen.seconds, _COLUMNS + 1)
    for at, row in enumerate(rows):
        threshold = row.threshold or 1.0
        begins, ends = _runs(cells[:, row.label.index] >= threshold)
        met = axes.hlines([at + 0.36] * len(begins), edges[begins], edges[ends], EVENT, lw=1.2)
        met.set_path_effects([withStroke(linewidth=3.0, foreground="white")])
        for alert, frame in ((False, _EVENT_FRAME), (True, _ALERT_FRAME)):
            spans = [
                (event.start.start_s, event.end_s - event.start.start_s)
                for event in row.events
                if event.alert == alert
            ]
            axes.broken_barh(spans, (at - 0.44, 0.88), facecolors="none", zorder=3, **frame)
        right = axes.annotate(
            f"{threshold:.2f}",
            (1.0, at),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            annotation_clip=False,
        )
        right.set(verticalalignment="center", fontsize="small")


def _runs(on: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where the runs of what is on begin and end."""
    changes = np.flatnonzero(np.diff(on, prepend=False, append=False))
    return changes[0::2], changes[1::2]
