"""`AppendFile`: an open file that takes each record to its end, or nothing of it."""

import contextlib
import os
import stat
from pathlib import Path

from livetag.disk import sync_file, sync_folder


class AppendFile:
    """Appends to a file, which may also be a pipe or a device.

    Nothing is kept back in this process. A record that cannot be written to its end, since the disk
    is full, is cut off again: the file holds whole records, and each once.
    """

    def __init__(self, path: Path, synced: bool, torn: tuple[int, int] | None = None) -> None:
        """Open the file, or make it. Raises `OSError`.

        `synced`: a record is on the disk itself when `append` returns. `torn`: from where to where
        half a record is found; it is cut off before anything is appended.
        """
        is_new = not path.exists()
        self._file = path.open("ab", buffering=0)
        self._regular = stat.S_ISREG(self._status().st_mode)
        self._synced = synced and self._regular
        self._torn = torn
        if is_new and self._synced:
            sync_folder(path.parent)

    @property
    def size(self) -> int:
        """In bytes; 0 for what is no regular file."""
        return self._status().st_size

    def is_at(self, path: Path) -> bool:
        """Whether the path still leads to this file. Raises `OSError` where that is not known."""
        try:
            return os.path.samestat(path.stat(), self._status())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def append(self, record: bytes) -> None:
        """Write a record. Raises `OSError`, and has written nothing then."""
        self._cut_back()
        if not record:
            return
        begin = self.size
        written = 0
        try:
            while written < len(record):
                written += self._file.write(record[written:]) or 0
            if self._synced:
                sync_file(self._file.fileno())
        except OSError:
            if self._regular and written:
                self._torn = begin, begin + written
                with contextlib.suppress(OSError):  # or before the next record
                    self._cut_back()
            raise

    def close(self) -> None:
        """Close the file. Raises `OSError`."""
        try:
            self._cut_back()
        finally:
            self._file.close()

    def _cut_back(self) -> None:
        """Remove half a record, unless another process has written behind it."""
        if self._torn is not None and self.size == self._torn[1]:
            self._file.truncate(self._torn[0])
        self._torn = None

    def _status(self) -> os.stat_result:
        return os.fstat(self._file.fileno())
