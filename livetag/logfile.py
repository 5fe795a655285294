"""`LogFile`: a text file that records are appended to, and that another follows by date or size.

A file that somebody moves or removes meanwhile is followed by a new one of its name.

A path may hold `strftime`'s codes for numbers, in the machine's time zone: `events-%Y-%m-%d.csv` is
a new file each day, `%Y/%m/events.csv` one each month, in a folder that is made for it. A percent
sign itself is `%%`. Codes stand for digits alone, so that no date leads out of the folder.
"""

import contextlib
import re
import time
from pathlib import Path

from livetag.appendfile import AppendFile
from livetag.disk import sync_folder
from livetag.errors import LivetagError, UsageError
from livetag.log_format import LogFormat, RefusedError

CODES = ("%Y", "%m", "%d", "%H", "%j", "%G", "%V")
"""Year, month, day, hour, day of the year; ISO 8601's year and week. Nothing is shorter than an
hour: the file would be another for each record."""

_CODE = re.compile(r"%.?", re.DOTALL)
_BYTES_PER_MEGABYTE = 1_000_000
_LATE_SECONDS = 2 * 86_400.0


class LogFile:
    """Appends records to the file that a pattern names at their time.

    Records come by the end of what they tell of, and carry its start: one that began yesterday may
    come after today's first. The log never goes back for it; it goes to the newer file. Only a time
    more than two days before the newest, which no event can explain, is a clock that was set, and
    is followed.

    With `max_megabytes` (of 1,000,000 bytes), a file that a record would make larger is followed by
    `events.2.csv`, then `events.3.csv`. A later run goes on with the last that is there. A record
    is never split: one that is larger on its own has a file to itself.
    """

    def __init__(
        self,
        pattern: Path,
        log_format: LogFormat,
        max_megabytes: float | None = None,
        opened_at: float | None = None,
        synced: bool = True,
    ) -> None:
        """Open the first file, the one for `opened_at` (UNIX time; None: now).

        `synced`: each record is on the disk itself when `write` returns, where no power failure
        takes it; otherwise the operating system has it, and brings it there when it sees fit.

        Raises `UsageError` where the pattern holds a code that is none of `CODES`, or the file is
        something else, and `LivetagError` where it cannot be written.
        """
        check_codes(pattern)
        self._pattern = pattern
        self._suffix = "" if "%" in pattern.suffix else pattern.suffix
        self._format = log_format
        self._synced = synced
        self.max_megabytes = max_megabytes
        self._newest = time.time() if opened_at is None else opened_at
        self._base = self._base_at(self._newest)
        self._number = 1
        try:
            self._make_folders(self._base)
            self._number = self._last_number(self._base)
            self._file = self._opened(self.path)
        except RefusedError as error:
            raise UsageError(error.strerror) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise LivetagError(f"the log {self.path} cannot be written: {reason}") from error

    @property
    def path(self) -> Path:
        """The file that is written at present."""
        return self._numbered(self._base, self._number)

    def write(self, record: str, at: float) -> None:
        """Append a record of the UNIX time `at`; in the file when this returns.

        `record` comes without its line's end. Text that is no UTF-8 is written as escapes. Raises
        `OSError`, also where a file that the log has come to holds something else; nothing of the
        record is in any file then, and it may be written again.
        """
        data = f"{record}\n".encode("utf-8", "backslashreplace")
        self._follow_date(at)
        self.reopen()
        while self._is_full_for(len(data)):
            self._turn_to(self._base, self._number + 1)
        self._file.append(data)

    def reopen(self) -> None:
        """Begin a new file where the one that is written no longer has its name. Raises `OSError`.

        It was moved or removed, or its folder was; that is made again only where a date names it.
        """
        if not self._file.is_at(self.path):
            self._begin(self._base, self._number)

    def close(self) -> None:
        self._file.close()

    def _follow_date(self, at: float) -> None:
        if self._newest - _LATE_SECONDS < at < self._newest:
            return
        base = self._base_at(at)
        if base != self._base:
            self._begin(base)
        self._newest = at

    def _is_full_for(self, length: int) -> bool:
        most = self.max_megabytes  # another thread may change it
        if most is None:
            return False
        size = self._file.size
        header = len(self._format.header_line)
        return size > header and size + length > most * _BYTES_PER_MEGABYTE

    def _begin(self, base: Path, number: int | None = None) -> None:
        """Go on in the folder of a base: with the last file there, or that of a number."""
        try:
            self._make_folders(base)
            number = number or self._last_number(base)
        except OSError as error:
            raise self._naming(base, error) from error
        self._turn_to(base, number)

    def _turn_to(self, base: Path, number: int) -> None:
        """Open another file and close this one; where that fails, this one stays."""
        path = self._numbered(base, number)
        try:
            following = self._opened(path)
        except RefusedError:
            raise
        except OSError as error:
            raise self._naming(path, error) from error
        finished, self._file = self._file, following
        self._base, self._number = base, number
        with contextlib.suppress(OSError):  # of a disk that is gone
            finished.close()

    def _opened(self, path: Path) -> AppendFile:
        """A file to append to: with its header where it is new, its last line whole otherwise."""
        torn, missing = None, self._format.header_line
        if path.is_file() and path.stat().st_size:
            self._format.check(path)
            torn, missing = self._format.mended(path)
        file = AppendFile(path, self._synced, torn)
        try:
            file.append(missing)
        except OSError:
            with contextlib.suppress(OSError):
                file.close()
            raise
        return file

    def _naming(self, path: Path, error: OSError) -> OSError:
        """The error with the file in its message, where the user knows its pattern alone."""
        said = error.strerror or str(error)
        return OSError(error.errno, said if path == self._pattern else f"{path}: {said}")

    def _base_at(self, at: float) -> Path:
        """The path for a UNIX time, without a number."""
        return Path(*(_expanded(part, at) for part in self._pattern.parts))

    def _make_folders(self, base: Path) -> None:
        """Make the folders that dates name, and those below; the others are the user's to make."""
        named = [set(_CODE.findall(part)) - {"%%"} for part in self._pattern.parts]
        for depth in range(1, len(base.parts)):
            folder = Path(*base.parts[:depth])
            if any(named[:depth]) and not folder.is_dir():
                folder.mkdir(exist_ok=True)
                if self._synced:
                    sync_folder(folder.parent)

    def _numbered(self, base: Path, number: int) -> Path:
        if number == 1:
            return base
        stem = base.name.removesuffix(self._suffix)
        return base.with_name(f"{stem}.{number}{self._suffix}")

    def _last_number(self, base: Path) -> int:
        """The number of the last file that is there; 1 for none."""
        if self.max_megabytes is None:
            return 1
        stem = base.name.removesuffix(self._suffix)
        name = re.compile(rf"{re.escape(stem)}\.([1-9][0-9]{{0,8}}){re.escape(self._suffix)}")
        found = (name.fullmatch(path.name) for path in base.parent.iterdir())
        return max((int(match[1]) for match in found if match), default=1)


def check_codes(pattern: Path) -> None:
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
