"""What the files of one kind of log have in common, and whether a file that is there is one.

A file may be appended to where it begins as its kind does. A crash may have cut its last line
short; then a record has to begin on a line of its own all the same.
"""

import csv
import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_LONGEST_LINE = 65_536


class RefusedError(OSError):
    """A file that holds something else. The message is in `strerror`, as in any `OSError`."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EEXIST, message)


@dataclass(frozen=True)
class LogFormat:
    """One kind of log.

    `header`: the first line of each file, if they have one. `first_line`: what the first line of a
    file that is appended to has to match. `is_whole`: whether a last line that lacks its end lacks
    nothing else. `one_stream`: times count from a stream's start, so that nothing is appended to
    another run's records.
    """

    header: str = ""
    first_line: re.Pattern[str] = re.compile("")
    is_whole: Callable[[str], bool] = lambda _: False
    one_stream: bool = False

    @property
    def header_line(self) -> bytes:
        """What a new file begins with; nothing where there is no header."""
        return f"{self.header}\n".encode() if self.header else b""

    def check(self, path: Path) -> None:
        """Raise `RefusedError` where a file holds what no record may be appended to."""
        with path.open("rb") as file:
            beginning = file.read(_LONGEST_LINE)
        if self.header_line.startswith(beginning):  # no more than the header, or part of it
            return
        if self.one_stream:
            raise RefusedError(
                f"{path} is there already, and its times are another stream's: "
                "name another file, or remove it"
            )
        first_line = beginning.partition(b"\n")[0].strip().decode("utf-8", "replace")
        if (self.header and first_line != self.header) or not self.first_line.match(first_line):
            raise RefusedError(
                f"{path} is not a log of livetag's (its first line differs): name another file"
            )

    def mended(self, path: Path) -> tuple[tuple[int, int] | None, bytes]:
        """From where to where half a line is that a crash left, and what is to stand there instead.

        None where there is none to be cut off.
        """
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            begin = _after_last_newline(file, end)
            file.seek(begin)
            last_line = file.read(_LONGEST_LINE)
        if begin == end:
            return None, b""
        if self.is_whole(last_line.decode("utf-8", "replace")):
            return None, b"\n"
        return (begin, end), b"" if begin else self.header_line


def row_of(columns: int, delimiter: str = ",") -> Callable[[str], bool]:
    """Tells whether a line is a row of so many columns, the last of which is not empty."""

    def is_whole(line: str) -> bool:
        try:
            (row,) = csv.reader([line], delimiter=delimiter, strict=True)
        except (csv.Error, ValueError):
            return False
        return len(row) == columns and row[-1] != ""

    return is_whole


def _after_last_newline(file: BinaryIO, end: int) -> int:
    """Where the last line before `end` begins."""
    while end:
        begin = max(0, end - _LONGEST_LINE)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
