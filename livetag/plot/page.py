"""The picture as a web page: zoom, hover, and the sound with a cursor across the picture.

One file that needs no other and no network: plotly.js stands in it, and the sound. The only room
that imports plotly, of which it takes the script; `assets/plot_page.html` is the rest of the page.
"""

import base64
import html
import json
import re
from typing import Any

import numpy as np

from livetag.errors import not_installed
from livetag.events import EventEnd, FloatArray
from livetag.halfblocks import MAGMA
from livetag.plot.axes import SHORT_S, band_centres_hz, clock, frequency_marks
from livetag.plot.overview import Overview, Row
from livetag.plot.palette import ALERT, EVENT, WAVEFORM
from livetag.plot.track import MOST_COLUMNS
from livetag.records import called, rounded
from livetag.resources import ASSETS_DIR

TEMPLATE = ASSETS_DIR / "plot_page.html"
_PLACE = re.compile("@@([a-z]+)@@")
_MIDNIGHT = np.datetime64("1970-01-01", "ms")
"""Where a recording begins on the time axis: plotly tells dates as hours, minutes and seconds."""
_WAVEFORM_PIXELS, _SPECTRUM_PIXELS, _ROW_PIXELS, _GAP_PIXELS, _AXIS_PIXELS = 120, 260, 26, 22, 50
_MOST_BAR_PIXELS = 260  # of a scale of colours: of many rows, it is beside the first
_LEGEND = (
    "Frames are events, thick ones alerts; point at the triangle at the start of one to read of "
    "it. The numbers at the right are thresholds."
)
_Y_AXES = "yaxis", "yaxis2", "yaxis3"
_BLUES = [[0.0, "#f7fbff"], [0.25, "#c6dbef"], [0.5, "#6baed6"], [0.75, "#2171b5"], [1, "#08306b"]]


def check_plotly() -> None:
    """Raise `UsageError` where plotly is missing."""
    try:
        import plotly  # noqa: F401
    except ImportError as error:
        raise not_installed("pages need plotly", "plot") from error


def page(seen: Overview, rows: list[Row], sound: bytes, note: str = "") -> bytes:
    """The whole page. `sound`: as Ogg Vorbis, or nothing; `note`: a word on it."""
    from plotly.offline import get_plotlyjs

    # Within a script's element, no text may look like its end.
    figure = json.dumps(_figure(seen, rows), separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "title": html.escape(seen.title),
        "note": html.escape(note),
        "legend": _LEGEND if rows[0].threshold is not None else "",
        "sound": f"data:audio/ogg;base64,{base64.b64encode(sound).decode()}" if sound else "",
        "figure": figure,
        "plotly": get_plotlyjs(),
    }
    template = TEMPLATE.read_text(encoding="utf-8")
    return _PLACE.sub(lambda match: parts[match[1]], template).encode()


def _figure(seen: Overview, rows: list[Row]) -> dict[str, Any]:
    """What plotly.js draws: data and layout."""
    panels, height = _panels(len(rows))
    marks = frequency_marks(seen.params)
    hertz = enumerate(band_centres_hz(seen.params))
    axes: tuple[dict[str, Any], ...] = (
        {"range": [-seen.amplitude, seen.amplitude], "title": {"text": "amplitude"}},
        {
            "range": [-0.5, seen.params.mel_bands - 0.5],
            "tickvals": [band for band, _ in marks],
            "ticktext": [text for _, text in marks],
            "labelalias": {str(band): f"{hz:,.0f} Hz" for band, hz in hertz},
        },
        {
            "range": [len(rows) - 0.5, -0.5],
            "tickvals": list(range(len(rows))),
            "ticktext": [row.name for row in rows],
        },
    )
    layout: dict[str, Any] = {
        "height": height + _AXIS_PIXELS,
        "margin": {"l": 60, "r": 70, "t": 10, "b": _AXIS_PIXELS - 10},
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": "zoom",
        "xaxis": _time_axis(seen.seconds),
        "annotations": _thresholds(rows),
    }
    for name, panel, axis in zip(_Y_AXES, panels, axes, strict=True):
        shared = {"fixedrange": True, "automargin": True, "zeroline": False, "showgrid": False}
        layout[name] = {"domain": panel, **shared, **axis}
    bars = [_bar(panel, height) for panel in panels]
    data = [*_waveform(seen), _spectrum(seen, bars[1]), _scores(seen, rows, bars[2])]
    return {"data": data + _events(seen, rows), "layout": layout}


def _panels(rows: int) -> tuple[list[tuple[float, float]], int]:
    """Each panel's place from the bottom, 0, to the top, 1; and the height of all in pixels."""
    heights = np.array([_WAVEFORM_PIXELS, _SPECTRUM_PIXELS, _ROW_PIXELS * rows])
    bottoms = np.cumsum(heights[::-1] + _GAP_PIXELS)[::-1] - heights - _GAP_PIXELS
    height = int(bottoms[0] + heights[0])
    tops = (bottoms + heights) / height
    return list(zip((bottoms / height).tolist(), tops.tolist(), strict=True)), height


def _time_axis(seconds: float) -> dict[str, Any]:
    """Hours, minutes and seconds; finer the closer one looks."""
    clock = "%-H:%M:%S" if seconds >= 3_600 else "%-M:%S"
    places = 5 if seconds < SHORT_S else 2
    return {
        "type": "date",
        "anchor": "y3",
        "range": [_time(0.0), _time(seconds)],
        "hoverformat": f"{clock}.%{places}f",
        "tickformatstops": [
            {"dtickrange": [None, 999], "value": f"{clock}.%{places}f"},
            {"dtickrange": [1_000, None], "value": clock},
        ],
        "showgrid": False,
        "showspikes": True,
        "spikemode": "across",
        "spikesnap": "cursor",
        "spikethickness": 1,
    }


def _waveform(seen: Overview) -> list[dict[str, Any]]:
    """The band between the lowest and the highest samples, as two lines filled between."""
    below, above = seen.envelope.cells(MOST_COLUMNS).T
    line = {
        "type": "scatter",
        "mode": "lines",
        "line": {"width": 0.5, "color": WAVEFORM},
        **_columns(seen),
    }
    lower = {**line, "y": _packed(-below), "hoverinfo": "skip"}
    hover = "%{x}<br>up to %{y:.3f}<extra></extra>"
    return [
        lower,
        {
            **line,
            "y": _packed(above),
            "fill": "tonexty",
            "fillcolor": WAVEFORM,
            "hovertemplate": hover,
        },
    ]


def _spectrum(seen: Overview, bar: dict[str, Any]) -> dict[str, Any]:
    low, high = seen.spectrum_range
    return {
        **_heatmap(seen, seen.log_mel.cells(MOST_COLUMNS), bar, "log mel"),
        "yaxis": "y2",
        "colorscale": [[at / (len(MAGMA) - 1), colour] for at, colour in enumerate(MAGMA)],
        "zmin": low,
        "zmax": high,
        "hovertemplate": "%{x}<br>%{y}: log mel %{z:.1f}<extra></extra>",
    }


def _scores(seen: Overview, rows: list[Row], bar: dict[str, Any]) -> dict[str, Any]:
    values = seen.scores.cells(MOST_COLUMNS)[:, [row.label.index for row in rows]]
    return {
        **_heatmap(seen, values, bar, "score"),
        "yaxis": "y3",
        "colorscale": _BLUES,
        "zmin": 0,
        "zmax": 1,
        "ygap": 1,
        "hovertemplate": "%{x}<br>%{y}: %{z:.2f}<extra></extra>",
    }


def _bar(panel: tuple[float, float], height: int) -> dict[str, Any]:
    """The scale of a panel's colours, from its top on; `height`: of all panels, in pixels."""
    bottom, top = panel
    pixels = min(round((top - bottom) * height), _MOST_BAR_PIXELS)
    place = {"x": 1.04, "y": top, "yanchor": "top", "len": pixels, "lenmode": "pixels"}
    return {**place, "thickness": 10, "outlinewidth": 0}


def _heatmap(seen: Overview, values: FloatArray, bar: dict[str, Any], title: str) -> dict[str, Any]:
    named = {**bar, "title": {"text": title}}
    return {"type": "heatmap", "z": _packed(values.T), "colorbar": named, **_columns(seen)}


def _events(seen: Overview, rows: list[Row]) -> list[dict[str, Any]]:
    """A frame around each event, thick around alerts, and a mark at its start that tells of it."""
    numbered = [(at, event) for at, row in enumerate(rows) for event in row.events]
    drawn: list[dict[str, Any]] = []
    for alert, colour, width in ((False, EVENT, 1), (True, ALERT, 3)):
        events = [(at, event) for at, event in numbered if event.alert == alert]
        starts = [_time(event.start.start_s) for _, event in events]
        x: list[str | None] = []
        y: list[float | None] = []
        for begin, (at, event) in zip(starts, events, strict=True):
            end = _time(event.end_s)
            x += [begin, end, end, begin, begin, None]
            y += [at - 0.44, at - 0.44, at + 0.44, at + 0.44, at - 0.44, None]
        frame = {"mode": "lines", "line": {"color": colour, "width": width}, "hoverinfo": "skip"}
        mark = {
            "mode": "markers",
            "marker": {"symbol": "triangle-right", "size": 9, "color": colour},
            "hoverinfo": "text",
            "text": [_told(event, seen.seconds) for _, event in events],
        }
        drawn.append({"type": "scatter", "yaxis": "y3", "x": x, "y": y, **frame})
        places = [at for at, _ in events]
        drawn.append({"type": "scatter", "yaxis": "y3", "x": starts, "y": places, **mark})
    return drawn


def _told(event: EventEnd, seconds: float) -> str:
    """An event in words, for the box that hovering shows."""
    ends = rounded(event.start.start_s), rounded(event.end_s)  # as in the monitor's records
    begin, end = (clock(at_s, seconds, places=2) for at_s in ends)
    kind = "alert" if event.alert else "event"
    name = html.escape(called(event.start))
    return f"{name}: {kind}<br>{begin} to {end}, up to {event.peak_score:.2f}"


def _thresholds(rows: list[Row]) -> list[dict[str, Any]]:
    """Each row's threshold, at its right end."""
    beside = {"xref": "paper", "x": 1.0, "yref": "y3", "xanchor": "left", "showarrow": False}
    return [
        {**beside, "y": at, "text": f"{row.threshold:.2f}", "font": {"size": 10}}
        for at, row in enumerate(rows)
        if row.threshold is not None
    ]


def _columns(seen: Overview) -> dict[str, Any]:
    """Where the columns stand on the time axis."""
    width_ms = seen.seconds * 1_000 / MOST_COLUMNS
    return {"x0": _time(width_ms / 2_000), "dx": width_ms}


def _time(seconds: float) -> str:
    """A place on the time axis."""
    return str(_MIDNIGHT + np.timedelta64(round(seconds * 1e6), "us"))


def _packed(values: FloatArray) -> dict[str, str]:
    """float32 values as plotly.js reads them: base64 of their bytes, a third of their text."""
    content = np.ascontiguousarray(values, "<f4")
    shape = ", ".join(map(str, content.shape))
    return {"dtype": "f4", "bdata": base64.b64encode(content.tobytes()).decode(), "shape": shape}
