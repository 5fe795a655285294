"""Files at fsspec's addresses (`s3://bucket/a.flac`): listed, copied here, and written there.

The only room that imports fsspec (the extra `cluster`). What a scheme needs beside it, as s3fs, is
for whoever uses it to install.
"""

import contextlib
import glob
import hashlib
import posixpath
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from livetag.errors import InputError, UsageError


class Found(NamedTuple):
    """A file: its address, where it is below what was named, its size, and what changes with it."""

    address: str
    place: str
    size: int
    version: int


def is_address(path: str) -> bool:
    """Whether a path is an address, and no path of this machine's."""
    return "://" in path


def filesystem(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises `UsageError` where it has none."""
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(
            f"{address} is read with fsspec: pip install 'livetag[cluster]'"
        ) from error
    try:
        found, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{address} cannot be read: {error}") from error
    return found, str(path)


def find(address: str) -> Iterator[Found]:
    """What an address names: a file, all files in a folder and below it, or those of a pattern.

    In the order of their names. Raises `InputError` where there is nothing.
    """
    system, root = filesystem(address)
    try:
        if glob.has_magic(root):
            paths = {path: posixpath.basename(path) for path in system.glob(root)}
        elif system.isdir(root):
            paths = {path: posixpath.relpath(path, root) for path in system.find(root)}
        else:
            paths = {root: posixpath.basename(root)}
        for path in sorted(paths):
            size = int(system.info(path)["size"])
            version = int(hashlib.sha256(str(system.ukey(path)).encode()).hexdigest()[:15], 16)
            yield Found(system.unstrip_protocol(path), paths[path], size, version)
    except OSError as error:
        raise InputError(f"{address} cannot be listed: {error.strerror or error}") from error


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """A file of this machine's that holds what is at an address; a path's is the file itself.

    Raises `InputError` where it cannot be had.
    """
    if not is_address(path):
        yield Path(path)
        return
    system, remote = filesystem(path)
    with tempfile.TemporaryDirectory(prefix="livetag-") as folder:
        copy = Path(folder, posixpath.basename(remote) or "recording")
        try:
            system.get_file(remote, str(copy))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
        yield copy


def upload(file: Path, address: str) -> None:
    """Have a file at an address, whole or not at all. Raises `OSError`."""
    system, path = filesystem(address)
    being_written = f"{path}.{uuid.uuid4().hex}.partial"
    system.makedirs(posixpath.dirname(path), exist_ok=True)
    system.put_file(str(file), being_written)
    system.mv(being_written, path)
