"""Pictures in a terminal: two pixels a character, in the colours there are, or in none."""

import io

import numpy as np
import pytest
from rich.console import Console

from livetag.events import FloatArray
from livetag.halfblocks import MAGMA, NO_COLOURS, colours_of, drawn


def console(depth: str | None, encoding: str = "utf-8", no_color: bool = False) -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(file=file, force_terminal=True, color_system=depth, no_color=no_color)  # type: ignore[arg-type]


@pytest.fixture
def ramp() -> FloatArray:
    """Two rows: rising to the right, and falling."""
    rising = np.linspace(0.0, 1.0, 12, dtype=np.float32)
    return np.stack((rising, rising[::-1]))


@pytest.mark.parametrize(
    ("depth", "colours"),
    [("truecolor", len(MAGMA)), ("256", 13), ("standard", 6), (None, 0)],
)
def test_a_console_gets_the_colours_that_it_can_show(depth: str | None, colours: int) -> None:
    assert len(colours_of(console(depth))) == colours


def test_no_colours_are_for_no_color_and_for_ascii() -> None:
    assert colours_of(console("truecolor", no_color=True)) == NO_COLOURS
    assert colours_of(console("truecolor", encoding="ascii")) == NO_COLOURS


def test_a_character_has_the_colour_of_the_pixel_above_and_of_the_one_below(
    ramp: FloatArray,
) -> None:
    (line,) = drawn(ramp, MAGMA)
    assert "".join(segment.text for segment in line) == "▀" * 12
    first, last = line[0].style, line[-1].style
    assert first is not None
    assert last is not None
    assert (first.color, first.bgcolor) == (last.bgcolor, last.color)
    assert first.color is not None
    assert (first.color.name, last.color and last.color.name) == (MAGMA[0], MAGMA[-1])


def test_equal_characters_in_a_row_are_one_segment() -> None:
    pixels = np.array([[0.0] * 30 + [1.0] * 30] * 2, np.float32)
    (line,) = drawn(pixels, MAGMA)
    assert [segment.text for segment in line] == [" " * 30, " " * 30]


def test_without_colour_what_is_brighter_is_denser(ramp: FloatArray) -> None:
    pixels = np.stack((ramp[0], np.zeros(12, np.float32)))
    for ascii_only, order in ((False, " ░▒▓█"), (True, " .:*#")):
        ((segment,),) = drawn(pixels, NO_COLOURS, ascii_only)
        assert segment.style is None
        places = [order.index(char) for char in segment.text]
        assert places == sorted(places)
        assert set(places) == set(range(5))


def test_values_beyond_the_range_are_drawn_as_its_ends() -> None:
    ((segment,),) = drawn(np.array([[-3.0, 7.0]] * 2, np.float32), NO_COLOURS)
    assert segment.text == " █"
