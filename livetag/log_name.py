"""The names of a log's files: dates in the place of a pattern's codes, and numbers.

A path may hold `strftime`'s codes for numbers, in the machine's time zone: `events-%Y-%m-%d.csv` is
a new file each day, `%Y/%m/events.csv` one each month, in a folder that is made for it. A percent
sign itself is `%%`. Codes stand for digits alone, so that no date leads out of the folder.

Where one date has several files, they are `events.csv`, `events.2.csv`, `events.3.csv`.
"""

import re
import time
from pathlib import Path

from livetag.disk import sync_folder
from livetag.errors import UsageError

CODES = ("%Y", "%m", "%d", "%H", "%j", "%G", "%V")
"""Year, month, day, hour, day of the year; ISO 8601's year and week. Nothing is shorter than an
hour: the file would be another for each record."""

_CODE = re.compile(r"%.?", re.DOTALL)


class LogName:
    """What the files of one log are called. A path without a number is a base."""

    def __init__(self, pattern: Path) -> None:
        """Raises `UsageError` where the pattern holds a code that is none of `CODES`."""
        check_codes(pattern)
        self.pattern = pattern
        self._suffix = "" if "%" in pattern.suffix else pattern.suffix
        parts = pattern.parts
        dated = (depth for depth, part in enumerate(parts) if set(_CODE.findall(part)) - {"%%"})
        self._dated_depth = next(dated, len(parts) - 1)

    def base_at(self, at: float) -> Path:
        """The path for a UNIX time, without a number."""
        return Path(*(_expanded(part, at) for part in self.pattern.parts))

    def users_folder(self, base: Path) -> Path:
        """The folder that is the user's to make: the one above what dates name, or the file's."""
        return Path(*base.parts[: self._dated_depth])

    def make_folders(self, base: Path, synced: bool) -> None:
        """Make the folders that dates name, and those below. Raises `OSError`.

        `synced`: they are on the disk itself when this returns.
        """
        for depth in range(self._dated_depth + 1, len(base.parts)):
            folder = Path(*base.parts[:depth])
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                if synced:
                    sync_folder(folder.parent)

    def numbered(self, base: Path, number: int) -> Path:
        """The path of a base's first file, or of the second and so on."""
        if number == 1:
            return base
        stem = base.name.removesuffix(self._suffix)
        return base.with_name(f"{stem}.{number}{self._suffix}")

    def last_number(self, base: Path) -> int:
        """The number of the last file that is there; 1 for none. Raises `OSError`."""
        stem = base.name.removesuffix(self._suffix)
        name = re.compile(rf"{re.escape(stem)}\.([1-9][0-9]{{0,8}}){re.escape(self._suffix)}")
        found = (name.fullmatch(path.name) for path in base.parent.iterdir())
        return max((int(match[1]) for match in found if match), default=1)


def check_codes(pattern: Path) -> None:
    """Raise `UsageError` where a pattern holds a code that is none of `CODES`."""
    for code in _CODE.findall(str(pattern)):
        if code not in (*CODES, "%%"):
            raise UsageError(
                f"{pattern}: {code!r} is no date: there are {', '.join(CODES)}, as in "
                "events-%Y-%m-%d.csv; a percent sign itself is written %%"
            )


def _expanded(part: str, at: float) -> str:
    """One part of a pattern at a UNIX time. Code by code: a name may hold what no locale can."""
    local = time.localtime(at)
    return _CODE.sub(lambda code: "%" if code[0] == "%%" else time.strftime(code[0], local), part)
