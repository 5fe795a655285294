"""The cache folder: the user's own, not a link, and its files opened with care.

Whoever can write to the cache chooses the network that runs. So the folder and its files have to
belong to the user (or to root: an administrator may have filled it for all), must not be writable
by everybody, and must not be links to elsewhere. Folders that lead to the cache may be links. That
a file's content is the right one, its readers know by its hash.
"""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from livetag import files
from livetag.errors import ModelError

_FETCH_PREFIX = ".fetch-"
_ADVICE = "LIVETAG_CACHE_DIR names another folder."


def check_cache(cache: Path) -> bool:
    """Whether there is a cache. Raises `ModelError` where it is there and is not safe to use."""
    try:
        info = cache.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise _unusable(cache, error) from error
    if stat.S_ISLNK(info.st_mode):
        raise ModelError(
            f"the cache {cache} is a link, which could lead to somebody else's files: name the "
            f"folder itself with LIVETAG_CACHE_DIR={cache.resolve()}"
        )
    if not stat.S_ISDIR(info.st_mode):
        raise ModelError(f"the cache {cache} is no folder. {_ADVICE}")
    wrong = _not_our_own(info)
    if wrong:
        raise ModelError(
            f"the cache {cache} {wrong}, who could put another model there: mend that with chown "
            f"or chmod, or remove it. {_ADVICE}"
        )
    return True


@contextlib.contextmanager
def cache_lock(cache: Path, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the cache for this process alone; makes the folder. Raises `ModelError`.

    `say` is told where another process holds it, for as long as it likes.
    """
    import filelock

    try:
        if not check_cache(cache):
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_cache(cache)
        file = cache / "lock"
        if file.is_symlink():
            raise ModelError(f"{file} is a link: remove it")
        lock = filelock.FileLock(file)
        try:
            lock.acquire(timeout=0.0)
        except filelock.Timeout:
            say("Another livetag fetches or compiles the model: waiting for it.")
            lock.acquire()
    except (OSError, NotImplementedError) as error:  # the latter where there is no locking
        raise _unusable(cache, error) from error
    try:
        _clear_leftovers(cache)
        yield
    finally:
        lock.release()


def _clear_leftovers(cache: Path) -> None:
    """Remove what somebody who held the lock, and was killed, has not finished."""
    for path in cache.iterdir():
        if path.name.startswith(_FETCH_PREFIX):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(files.WRITING_PREFIX):
            path.unlink(missing_ok=True)


def read_cached(cache: Path, name: str, most_bytes: int) -> bytes:
    """All of a file in the cache. Raises `OSError` where it is missing, or not safe to use."""
    with _opened(cache, name, most_bytes) as file:
        return files.content(file, cache / name, most_bytes)


def cached_sha256(cache: Path, name: str, most_bytes: int) -> str:
    """The hash of a file in the cache, in hexadecimal. Raises as `read` does."""
    with _opened(cache, name, most_bytes) as file:
        return files.sha256(file, cache / name, most_bytes)


def _opened(cache: Path, name: str, most_bytes: int) -> BinaryIO:
    if not check_cache(cache):
        raise FileNotFoundError(str(cache))
    for folder in Path(name).parents:
        if (cache / folder).is_symlink():
            raise OSError(f"{cache / folder} is a link")
    file = files.open_regular(cache / name, most_bytes, follow_link=False)
    wrong = _not_our_own(os.fstat(file.fileno()))
    if wrong:
        file.close()
        raise PermissionError(f"{cache / name} {wrong}")
    return file


def write_cached(target: Path, content: bytes) -> None:
    """Write a file of the cache that is there whole or not at all."""
    files.write_whole(target, content, 0o644)  # others may read what an administrator has filled


@contextlib.contextmanager
def temporary_folder(cache: Path) -> Iterator[Path]:
    """A folder on the cache's disk, so that a finished file moves into place in one step."""
    with tempfile.TemporaryDirectory(prefix=_FETCH_PREFIX, dir=cache) as name:
        yield Path(name)


def _not_our_own(info: os.stat_result) -> str:
    """What lets others change a file or a folder; empty for nothing. Windows has its own ways."""
    if not hasattr(os, "geteuid"):
        return ""
    if info.st_uid not in (os.geteuid(), 0):
        return f"belongs to another user (uid {info.st_uid})"
    if info.st_mode & stat.S_IWOTH:
        return "may be written to by anybody"
    return ""


def _unusable(cache: Path, error: BaseException) -> ModelError:
    reason = getattr(error, "strerror", None) or error
    return ModelError(f"the cache {cache} cannot be used: {reason}. {_ADVICE}")
