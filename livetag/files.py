"""Files from outside, opened with care: regular ones, of a size that has a bound. And whole ones.

A pipe would make whoever opens it wait, a device never ends, and the size that a file claims need
not be the one it has. Rooms that take whole files read them through here.
"""

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

_PIECE_BYTES = 1 << 20
# Where the system has them: a pipe is opened without waiting for somebody at its other end; a link
# as the last part of the path is an error; on Windows, line ends are left as they are.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def open_regular(path: Path, most_bytes: int, follow_link: bool = True) -> BinaryIO:
    """Open a file to be read. Raises `OSError` for anything but a regular file of such a size.

    `follow_link`: whether the path itself may be a link. The folders that lead there may.
    """
    try:
        if not follow_link and path.is_symlink():
            raise OSError(errno.ELOOP, "it is a link", str(path))
        descriptor = os.open(path, _FLAGS if follow_link else _FLAGS | _NO_LINK)
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, "no file can have this name", str(path)) from error
    file = os.fdopen(descriptor, "rb")
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if info.st_size > most_bytes:
        file.close()
        raise _too_large(path, most_bytes)
    return file


def read_regular(path: Path, most_bytes: int) -> bytes:
    """All of a file. Raises `OSError` as `open_regular` does."""
    with open_regular(path, most_bytes) as file:
        return content(file, path, most_bytes)


def sha256_of(path: Path, most_bytes: int) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises `OSError` as `open_regular` does."""
    with open_regular(path, most_bytes) as file:
        return sha256(file, path, most_bytes)


def content(file: BinaryIO, path: Path, most_bytes: int) -> bytes:
    """What is left of an open file, which may hold more than it claimed."""
    found = file.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise _too_large(path, most_bytes)
    return found


def sha256(file: BinaryIO, path: Path, most_bytes: int) -> str:
    """The hash of what is left of an open file, in hexadecimal."""
    digest = hashlib.sha256()
    left = most_bytes
    while piece := file.read(_PIECE_BYTES):
        left -= len(piece)
        if left < 0:
            raise _too_large(path, most_bytes)
        digest.update(piece)
    return digest.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all; where it is a link, what it leads to.

    Raises `OSError`.
    """
    path = path.resolve()
    part = path.with_name(f".livetag-{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _too_large(path: Path, most_bytes: int) -> OSError:
    size = f"{most_bytes >> 20:,} MiB" if most_bytes >= 1 << 20 else f"{most_bytes >> 10:,} KiB"
    return OSError(errno.EFBIG, f"it is larger than {size}", str(path))
