"""Words for people: numbers with their nouns, and text that stays on its line."""

import pytest

from livetag.text import counted, printable, printable_lines


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
