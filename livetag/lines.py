"""Lines of a terminal, built to a width out of pieces of text. They know nothing of what they show.

A line is exact, so that a frame costs little and fits any terminal. Only the terminal's own sixteen
colours are used: they suit its background, dark or light.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from livetag.text import printable

Line = list[Segment]
Piece = tuple[str, Style]

PLAIN = Style.null()
BOLD = Style(bold=True)
DIM = Style(dim=True)
ALERT = Style(color="red", bold=True)
TITLE = Style(color="blue", bold=True)


@dataclass(frozen=True)
class Glyphs:
    """Characters to draw with; ASCII is for terminals that know no others.

    `eighths` and `spark`: from an empty cell to a full one, to the right and upwards.
    """

    eighths: str
    spark: str
    mark: str
    threshold: str
    rule: str
    dot: str
    ellipsis: str


UNICODE = Glyphs(" ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█", "│", "┊", "─", "·", "…")
ASCII = Glyphs("    ####", " ..::!!|#", "|", ":", "-", "|", "~")


@dataclass(frozen=True)
class Lines:
    """Builds lines of exactly `width` cells; control characters in their pieces become `?`."""

    width: int
    glyphs: Glyphs = UNICODE

    @property
    def left_width(self) -> int:
        """Of the left one of two columns side by side: two fifths."""
        return max(0, self.width - 3) * 2 // 5

    @property
    def right_width(self) -> int:
        """Of the right one, which ends before the screen's edge."""
        return self.width - self.left_width - 4

    def fit(self, pieces: Iterable[Segment | Piece]) -> Line:
        """Pieces in a row: what is too long is cut, what is too short filled up.

        A `Segment` is taken as it is.
        """
        line = [
            piece if isinstance(piece, Segment) else Segment(printable(piece[0]), piece[1])
            for piece in pieces
        ]
        return Segment.adjust_line_length(line, self.width)

    def spread(self, left: list[Piece], right: list[Piece]) -> Line:
        """One list at the left edge, the other at the right, if there is room for both."""
        used = sum(cell_len(text) for text, _ in (*left, *right))
        if used >= self.width:
            return self.fit(left)
        return self.fit([*left, (" " * (self.width - used), PLAIN), *right])

    def rule(self, left: str, right: str) -> Line:
        """A rule with a title at either end."""
        line = self.glyphs.rule
        middle = max(0, self.width - cell_len(left) - cell_len(right) - 8)
        return self.fit(
            [
                (f"{line * 2} ", DIM),
                (left, TITLE),
                (f" {line * middle} ", DIM),
                (right, TITLE),
                (f" {line * 2}", DIM),
            ]
        )

    def columns_rule(self, left: str, right: str) -> Line:
        """A rule with a title for each of two columns."""
        line = self.glyphs.rule
        pieces: list[Piece] = []
        for title, room in ((left, self.left_width + 3), (right, self.width)):
            rest = max(0, room - cell_len(title) - 4)
            pieces += [(f"{line * 2} ", DIM), (title, TITLE), (f" {line * rest}", DIM)]
        return self.fit(pieces)

    def columns(self, left: list[Line], right: list[Line], rows: int) -> list[Line]:
        """Two lists side by side, in so many rows; the right one is cut where it is too wide."""
        lines = []
        begin = self.left_width + 3
        for row in range(rows):
            first = left[row] if row < len(left) else []
            second = right[row] if row < len(right) else []
            used = Segment.get_line_length(first)
            space = Segment(" " * (begin - used))
            lines.append(self.fit([*first, space, *second]))
        return lines

    def cut(self, text: str, width: int) -> str:
        """Text in exactly `width` cells; an ellipsis says that there was more."""
        if cell_len(text) > width:
            text = set_cell_size(text, width - 1).rstrip() + self.glyphs.ellipsis
        return set_cell_size(text, width)
