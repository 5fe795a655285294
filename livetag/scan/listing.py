"""Which recordings a scan is of: files, folders, patterns and lists, in their order, each once."""

import glob
import hashlib
import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from livetag.audio.endings import AUDIO_ENDINGS, UNREADABLE_ENDINGS
from livetag.errors import InputError, UsageError
from livetag.scan.remote import find, is_address
from livetag.text import counted


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording as it was when it was listed.

    `name` is what results call it, `place` where it is below the folder that was named. `unusable`:
    why it cannot be read, or nothing.
    """

    name: str
    path: str
    place: str
    size: int = 0
    modified_ns: int = 0
    unusable: str = ""

    @property
    def key(self) -> str:
        """The same for the same file of the same size and time, and for no other."""
        told = f"{self.name}\0{self.size}\0{self.modified_ns}"
        return hashlib.sha256(told.encode()).hexdigest()[:32]


def list_recordings(
    paths: Sequence[str], lists: Sequence[str] = (), say: Callable[[str], None] = lambda _: None
) -> list[Recording]:
    """What paths name, then what lists of paths name; `-` is a list on standard input.

    A file that has several names is there once: by the first of them that is no link, if any is.
    `say` is told, once, of files that were found and are of kinds that cannot be read. Raises
    `InputError` for a list that cannot be read, and where there is nothing.
    """
    found = _Files()
    left_out: set[str] = set()
    for path in (*paths, *(path for name in lists for path in _read_list(name))):
        if is_address(path):
            for recording in _at_address(path, left_out):
                found.add(recording, recording.path)
        else:
            for file, place in _expanded(path, left_out):
                found.add_file(file, place)
    left_out -= found.files
    if left_out:
        files = f"{counted(len(left_out), 'file')} of kinds that cannot be read"
        say(f"left out: {files} ({_kinds(left_out)}); convert them, to FLAC say")
    if not found.recordings:
        where = ", ".join([*paths, *lists]) or "an empty list"
        raise InputError(f"there is no recording in {where}: name files, folders or patterns")
    return found.recordings


class _Files:
    """Recordings in the order in which they are named, each file once.

    Where a link comes before what it leads to, the latter counts: links come and go, and what a
    scan knows of a recording, it knows by its name.
    """

    def __init__(self) -> None:
        self._found: dict[str, Recording] = {}
        self._links: set[str] = set()

    @property
    def recordings(self) -> list[Recording]:
        return list(self._found.values())

    @property
    def files(self) -> set[str]:
        """Their own names."""
        return set(self._found)

    def add(self, recording: Recording, real: str, is_link: bool = False) -> None:
        """`real`: the file's own name. `is_link`: it was named by another, or below a link."""
        if real in self._links and not is_link:
            self._links.remove(real)
            del self._found[real]
        if real not in self._found:
            self._found[real] = recording
            if is_link:
                self._links.add(real)

    def add_file(self, file: Path, place: str) -> None:
        recording = _looked_at(file, place)
        if recording.unusable:
            self.add(recording, os.path.abspath(file))  # noqa: PTH100, as it takes any name
        else:
            real, plain = os.path.realpath(file), os.path.abspath(file)  # noqa: PTH100
            self.add(recording, real, is_link=real != plain)


def check_places(recordings: Iterable[Recording]) -> None:
    """Raise `UsageError` where the results of two recordings would be one file."""
    taken: dict[str, str] = {}
    for recording in recordings:
        other = taken.setdefault(recording.place, recording.name)
        if other != recording.name:
            raise UsageError(
                f"the results of {other} and {recording.name} would both be called "
                f"{recording.place}: name the folder above them, or one file as the output"
            )


def _read_list(name: str) -> list[str]:
    """A path a line; where there are null characters (`find -print0`), they part the paths."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"the list {name} cannot be read: {error.strerror or error}") from error
    text = os.fsdecode(data)
    lines = text.split("\0") if "\0" in text else text.replace("\r\n", "\n").split("\n")
    return [path for path in lines if path]


def _is_known(file: str | Path, left_out: set[str]) -> bool:
    """Whether a file that was found is called as a recording; of other kinds it is left out."""
    ending = Path(file).suffix.lower()
    if ending in UNREADABLE_ENDINGS:
        left_out.add(os.path.realpath(file))
    return ending in AUDIO_ENDINGS


def _kinds(files: Iterable[str]) -> str:
    """How many there are of each kind, in words."""
    endings = Counter(sorted(Path(file).suffix.lower() for file in files))
    return ", ".join(f"{ending} {count:,}" for ending, count in endings.most_common())


def _at_address(address: str, left_out: set[str]) -> Iterator[Recording]:
    """What an fsspec address names; of many files, those with a known ending."""
    for file in find(address):
        if file.address == address or _is_known(file.address, left_out):
            yield Recording(file.address, file.address, file.place, file.size, file.version)


def _expanded(path: str, left_out: set[str]) -> Iterator[tuple[Path, str]]:
    """The files that a path names, each with its place."""
    if os.path.lexists(path) or not glob.has_magic(path):
        is_folder = os.path.isdir(path)  # noqa: PTH112, as a name may be one that no file can have
        yield from _below(Path(path), left_out) if is_folder else [(Path(path), Path(path).name)]
        return
    matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207, as paths may be absolute
    unread = list(_unlisted(path))
    if not matches and not unread:
        raise InputError(f"nothing matches {path}")
    for match in map(Path, matches):
        if match.is_dir():
            yield from _below(match, left_out)
        elif _is_known(match, left_out):
            yield match, match.name
    for folder in unread:
        yield folder, folder.name


def _unlisted(pattern: str) -> Iterator[Path]:
    """The folders that a pattern looks into and that cannot be listed: glob is silent on them."""
    folders: set[str] = set()
    while glob.has_magic(pattern):
        above, last = os.path.split(pattern)
        if glob.has_magic(last):
            looked_into = os.path.join(".", pattern if last == "**" else above, "")  # noqa: PTH118
            folders.update(glob.glob(looked_into, recursive=True))  # noqa: PTH207
        pattern = above
    for folder in sorted(folders):
        try:
            os.scandir(folder).close()
        except OSError:
            yield Path(folder)


def _below(folder: Path, left_out: set[str]) -> Iterator[tuple[Path, str]]:
    """The recordings in a folder and those below it, in the order of their names.

    Links to folders are not followed; what is hidden, as macOS's `._` files, is left out. Folders
    that cannot be listed come last.
    """
    unread: list[Path] = []
    for parent, folders, files in os.walk(
        folder, onerror=lambda error: unread.append(Path(error.filename))
    ):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in (Path(parent, name) for name in sorted(files) if not name.startswith(".")):
            if _is_known(file, left_out):
                yield file, str(file.relative_to(folder))
    for path in unread:
        yield path, str(path.relative_to(folder))


def _looked_at(path: Path, place: str) -> Recording:
    name = str(path).encode("utf-8", "backslashreplace").decode()  # where no text holds it
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            os.scandir(path).close()  # says again why it cannot be listed
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Recording(name, str(path), place, unusable=reason)
    if not stat.S_ISREG(info.st_mode):
        return Recording(name, str(path), place, unusable="it is no file")
    return Recording(name, str(path), place, info.st_size, info.st_mtime_ns)
