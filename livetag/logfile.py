"""`LogFile`: a text file that records are appended to, and that another follows by date or size.

A file that somebody moves or removes meanwhile is followed by a new one of its name.
"""

import contextlib
import time
from pathlib import Path

from livetag.appendfile import AppendFile
from livetag.errors import LivetagError, UsageError
from livetag.log_format import LogFormat, RefusedError
from livetag.log_name import LogName

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
        self._name = LogName(pattern)
        self._format = log_format
        self._synced = synced
        self.max_megabytes = max_megabytes
        self._newest = time.time() if opened_at is None else opened_at
        self._base = self._name.base_at(self._newest)
        self._number = 1
        try:
            self._name.make_folders(self._base, synced)
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
        return self._name.numbered(self._base, self._number)

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
        base = self._name.base_at(at)
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
            self._name.make_folders(base, self._synced)
            number = number or self._last_number(base)
        except OSError as error:
            raise self._naming(base, error) from error
        self._turn_to(base, number)

    def _turn_to(self, base: Path, number: int) -> None:
        """Open another file and close this one; where that fails, this one stays."""
        path = self._name.numbered(base, number)
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
        return OSError(error.errno, said if path == self._name.pattern else f"{path}: {said}")

    def _last_number(self, base: Path) -> int:
        """Of the file to go on with. Numbers mean nothing where size does not."""
        return 1 if self.max_megabytes is None else self._name.last_number(base)
