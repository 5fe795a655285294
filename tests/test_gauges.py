"""Gauges on a line: each tells its numbers, in characters alone, and is as wide as it is to be."""

import math

import numpy as np
import pytest
from rich.style import Style

from livetag.gauges import BAR, bar, curve, meter
from livetag.lines import ASCII, UNICODE, Line


def text_of(line: Line) -> str:
    return "".join(segment.text for segment in line)


def style_of(line: Line, text: str) -> Style:
    (style,) = [segment.style for segment in line if text in segment.text]
    assert style is not None
    return style


def bar_of(score: float, threshold: float = 0.5, width: int = 20) -> str:
    return text_of(bar(score, threshold, width, BAR, UNICODE))


# --- The meter ----------------------------------------------------------------------------------


def test_a_meter_goes_from_60_decibels_below_full_scale_to_full_scale() -> None:
    assert text_of(meter(-30.0, -12.0, 20, UNICODE)) == "██████████·····│····"
    assert text_of(meter(-60.0, -60.0, 20, UNICODE)) == "·" * 20
    assert text_of(meter(0.0, 0.0, 20, UNICODE)) == "█" * 19 + "│"
    assert text_of(meter(-30.0, -12.0, 20, ASCII)) == "##########||||||||||"


def test_what_is_off_a_meter_s_ends_is_shown_at_them() -> None:
    assert text_of(meter(-math.inf, -math.inf, 20, UNICODE)) == "·" * 20
    assert text_of(meter(6.0, 6.0, 20, UNICODE)) == text_of(meter(0.0, 0.0, 20, UNICODE))


@pytest.mark.parametrize(
    ("peak_dbfs", "colour"), [(-20.0, "green"), (-9.0, "yellow"), (0.0, "red")]
)
def test_a_peak_has_the_colour_of_where_it_is(peak_dbfs: float, colour: str) -> None:
    found = style_of(meter(-40.0, peak_dbfs, 40, UNICODE), "│").color
    assert found is not None
    assert found.name == colour


@pytest.mark.parametrize("width", [4, 17, 60])
def test_a_meter_keeps_its_width(width: int) -> None:
    levels = [-math.inf, *np.linspace(-70.0, 3.0, 40).tolist()]
    lines = [meter(rms, peak, width, UNICODE) for rms in levels for peak in levels]
    assert {len(text_of(line)) for line in lines} == {width}


# --- The bar ------------------------------------------------------------------------------------


def test_a_bar_is_its_score_to_an_eighth_of_a_cell() -> None:
    assert bar_of(0.25) == "█████     ┊         "
    assert bar_of(0.75) == "██████████┊████     "
    assert bar_of(0.2563) == "█████▏    ┊         "
    assert bar_of(0.294) == "█████▉    ┊         "


def test_a_score_beyond_its_range_is_drawn_as_its_end() -> None:
    assert bar_of(7.0) == bar_of(1.0) == "█" * 10 + "┊" + "█" * 9
    assert bar_of(-1.0) == bar_of(0.0) == " " * 10 + "┊" + " " * 9


def test_a_threshold_inside_a_bar_stands_out_from_it() -> None:
    """On a full cell the mark is drawn reversed: it would be lost in the bar otherwise."""
    inside, outside = (bar(score, 0.5, 20, BAR, UNICODE) for score in (0.75, 0.25))
    assert style_of(inside, "┊").reverse
    assert not style_of(outside, "┊").reverse


@pytest.mark.parametrize("threshold", [0.001, 0.5, 1.0])
def test_a_bar_keeps_its_width_wherever_the_threshold_is(threshold: float) -> None:
    for width in (1, 13, 60):
        texts = [bar_of(score, threshold, width) for score in (0.0, 0.3, 0.5, 0.99, 1.0)]
        assert {len(text) for text in texts} == {width}
        assert {text.count("┊") for text in texts} == {1}


# --- The curve ----------------------------------------------------------------------------------


def test_a_curve_rises_with_the_scores() -> None:
    scores = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 1.0], np.float32)
    assert curve(scores, 6, 6, UNICODE) == " ▁▂▄▆█"
    assert curve(scores, 6, 6, ASCII) == " ..:!#"


def test_a_cell_of_several_windows_has_the_highest_score() -> None:
    scores = np.zeros(60, np.float32)
    scores[[11, 30]] = 1.0, 0.5
    assert curve(scores, 60, 6, UNICODE) == " █ ▄  "


def test_a_curve_that_has_just_begun_is_at_the_right() -> None:
    assert curve(np.ones(3, np.float32), 12, 4, UNICODE) == "   █"
    assert curve(np.empty(0, np.float32), 12, 4, UNICODE) == "    "


def test_a_curve_may_be_wider_than_it_has_windows_and_have_no_room_at_all() -> None:
    assert curve(np.ones(2, np.float32), 2, 6, UNICODE) == "██████"
    assert curve(np.ones(2, np.float32), 2, 0, UNICODE) == ""
