"""Lines of a terminal: each exactly as wide as it is to be, whatever is put on it."""

import pytest
from rich.cells import cell_len
from rich.segment import Segment

from livetag.lines import ASCII, BOLD, PLAIN, TITLE, Line, Lines

WIDTHS = [1, 2, 7, 40, 80]
LONG = ["麦克风 " * 30, "a name of great length " * 20, "Ü" * 99, "two\nlines\x1b[2J"]


def text_of(line: Line) -> str:
    return "".join(segment.text for segment in line)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("text", ["", "Dog", *LONG])
def test_every_line_is_exactly_as_wide_as_the_terminal(width: int, text: str) -> None:
    draw = Lines(width)
    for line in (
        draw.fit([(text, PLAIN), (text, BOLD)]),
        draw.spread([(text, PLAIN)], [(text, BOLD)]),
        draw.rule(text, text),
        draw.columns_rule(text, text),
        *draw.columns([draw.fit([])], [[Segment("Dog " * 40)]], 2),
    ):
        assert cell_len(text_of(line)) == width


def test_pieces_keep_their_styles_and_lose_their_control_characters() -> None:
    line = Lines(8).fit([("a\nb", TITLE), ("\x1b", BOLD), Segment("c", PLAIN)])
    assert line[:3] == [Segment("a?b", TITLE), Segment("?", BOLD), Segment("c", PLAIN)]
    assert text_of(line) == "a?b?c   "


def test_what_stands_at_the_right_is_left_out_where_it_has_no_room() -> None:
    left, right = [("livetag", TITLE)], [("ends", PLAIN)]
    assert text_of(Lines(12).spread(left, right)) == "livetag ends"
    assert text_of(Lines(11).spread(left, right)) == "livetag    "
    assert text_of(Lines(4).spread(left, right)) == "live"


def test_a_rule_has_a_title_at_either_end() -> None:
    assert text_of(Lines(24).rule("Classes", "lately")) == "── Classes ─── lately ──"
    assert text_of(Lines(24, ASCII).rule("Classes", "lately")) == "-- Classes --- lately --"


def test_columns_stand_below_their_titles() -> None:
    draw = Lines(31)
    assert (draw.left_width, draw.right_width) == (11, 16)
    left: list[Line] = [[Segment(" Dog"), Segment("  2 s")], [Segment(" Siren")]]
    right: list[Line] = [[Segment(" 12:00 Dog")]]
    lines = [draw.columns_rule("Now", "Alerts"), *draw.columns(left, right, 3)]
    assert [text_of(line).rstrip() for line in lines] == [
        "── Now ───────── Alerts ───────",
        " Dog  2 s      12:00 Dog",
        " Siren",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("Dog", 5, "Dog  "),
        ("Whistle", 7, "Whistle"),
        ("Whistling", 7, "Whistl…"),
        ("Baby cry", 6, "Baby… "),
        ("麦克风", 6, "麦克风"),
        ("麦克风", 5, "麦克…"),
        ("麦克风", 4, "麦… "),
        ("Dog", 1, "…"),
    ],
)
def test_text_that_is_cut_ends_with_an_ellipsis(text: str, width: int, cut: str) -> None:
    assert Lines(80).cut(text, width) == cut
    assert Lines(80, ASCII).cut(text, width) == cut.replace("…", "~")
