"""Disks: what is written reaches them, so that it outlives a power failure, and has room there."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path


def sync_file(descriptor: int) -> None:
    """Have the disk take what was written to a file, and its size. Raises `OSError`."""
    # A file's other dates may come later; where there is no such call, they come with the rest.
    getattr(os, "fdatasync", os.fsync)(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the disk take the names of the files in a folder, where the system can do that."""
    # Windows opens no folder, and some network file systems sync none: the files are there.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_room(folder: Path, size: int) -> None:
    """Raise `OSError` where a file of so many bytes cannot be written in a folder.

    That is tried, and leaves nothing: what a file system says of its room is not always so.
    """
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        if file.write(bytes(size)) < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
