"""Words for people: numbers with their nouns or units, and text that stays on its line."""

import math

import pytest

from livetag.text import counted, decibels, duration, milliseconds, printable, printable_lines


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 alerts"), (1, "1 alert"), (2, "2 alerts"), (1_234, "1,234 alerts")],
)
def test_numbers_agree_with_their_nouns(number: int, text: str) -> None:
    assert counted(number, "alert") == text


def test_a_plural_can_be_of_its_own() -> None:
    assert [counted(n, "class", "classes") for n in (1, 2)] == ["1 class", "2 classes"]


@pytest.mark.parametrize("text", ["", "Dog", "Baby cry, infant cry", "名前 “Ü” 🐕"])
def test_what_can_be_printed_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    "char", ["\n", "\r", "\t", "\x00", "\x1b", "\x9b", "\u2028", "\udce9", "\u202e"]
)
def test_what_would_break_or_turn_a_line_is_a_question_mark(char: str) -> None:
    assert printable(f"a{char}b{char}") == "a?b?"
    assert printable_lines(f"a{char}\nb") == ("a\n\nb" if char == "\n" else "a?\nb")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0 s"),
        (59.99, "59 s"),
        (60, "1:00"),
        (187, "3:07"),
        (7_387, "2:03:07"),
        (4 * 86_400 + 7_387, "4 d 02:03"),
    ],
)
def test_a_duration_is_told_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("dbfs", "text"),
    [
        (-20.0, " -20.0"),
        (0.0, "   0.0"),
        (-143.9, "-143.9"),
        (-150.0, "  -inf"),
        (-math.inf, "  -inf"),
    ],
)
def test_a_level_takes_six_columns(dbfs: float, text: str) -> None:
    assert decibels(dbfs) == text


@pytest.mark.parametrize(
    ("seconds", "places", "text"),
    [(None, 1, "- ms"), (0.0, 0, "0 ms"), (0.00416, 1, "4.2 ms"), (1.2344, 0, "1234 ms")],
)
def test_a_short_time_is_told_in_milliseconds(
    seconds: float | None, places: int, text: str
) -> None:
    assert milliseconds(seconds, places) == text
