"""The folder of clips: what its files are called, how they get there, and how long they are kept.

A clip is a sound and a JSON sidecar with one name, which begins with the local time of the event:
names sort by time, but for the hour that is there twice when summer time ends. Files with other
names, links and folders are never counted, changed or removed.
"""

import contextlib
import errno
import itertools
import json
import os
import re
import stat
import tempfile
import time
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from livetag.disk import sync_folder
from livetag.errors import LivetagError, UsageError
from livetag.records import iso_time

_STEM = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}_[a-z0-9]+(?:-[a-z0-9]+)*"
_CLIP = re.compile(rf"({_STEM})\.(?:flac|wav|json)", re.ASCII)
_PART = re.compile(rf"\.{_STEM}\.(?:flac|wav|json)\.part", re.ASCII)
_SUFFIXES = (".flac", ".wav", ".json")
_TIME_LENGTH = len("2026-11-22T08-00-12.480")
_LONGEST_SLUG = 60
_PART_SECONDS = 60.0  # a part this old is of a livetag that crashed, not of one that writes now


def clip_name(unix_time: float, label: str) -> str:
    """What a clip's files are called, without suffix: `2026-11-22T08-00-12.480_dog`.

    In local time and without colons, which Windows refuses. Of the label only lower-case ASCII
    letters and digits remain, with hyphens between: no name leads out of the folder.
    """
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-")
    return f"{_in_name(iso_time(unix_time))}_{slug or 'sound'}"


def make_folder(folder: Path) -> None:
    """Make the folder where it is missing, for its owner alone, and try whether it can be written.

    Raises `UsageError` where the path is no folder, `LivetagError` where it cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{folder} is no folder: name another for the clips") from error
    except OSError as error:
        raise LivetagError(f"the folder {folder} cannot be written: {error.strerror}") from error


def store(folder: Path, name: str, suffix: str, sound: bytes, fields: Mapping[str, Any]) -> None:
    """Write a sound, and its sidecar with these fields and `file`, each whole or not at all.

    A name that is taken gets `-2`, `-3` and so on. The sound is there first: a crash leaves no
    sidecar without it. Both are on the disk itself when this returns. Raises `OSError`, and then
    leaves nothing behind.
    """
    for number in itertools.count(1):
        with contextlib.suppress(FileExistsError):
            free = name if number == 1 else f"{name}-{number}"
            _store(folder / f"{free}.json", folder / f"{free}{suffix}", sound, fields)
            return


def _store(sidecar: Path, sound: Path, content: bytes, fields: Mapping[str, Any]) -> None:
    sound_is_there = False
    try:
        # The sidecar's part claims the name: another livetag may write to the same folder.
        with _whole(sidecar) as sidecar_file:
            if any(os.path.lexists(sidecar.with_suffix(suffix)) for suffix in _SUFFIXES):
                raise FileExistsError(errno.EEXIST, "the name is taken", sidecar.stem)
            fields = {**fields, "file": sound.name}
            sidecar_file.write(f"{json.dumps(fields, indent=2)}\n".encode())
            with _whole(sound) as sound_file:
                sound_file.write(content)
            sound_is_there = True
    except BaseException:
        if sound_is_there:  # it would be there twice when it is tried again
            with contextlib.suppress(OSError):
                sound.unlink()
        raise
    sync_folder(sidecar.parent)


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A new file that gets its name once it is on the disk, and is gone where that fails."""
    part = path.with_name(f".{path.name}.part")
    file = part.open("xb")  # which follows no link, and leaves alone what is there
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def keep_within(folder: Path, days: float, megabytes: float, now: float) -> None:
    """Remove the clips that are older than so many days, then the oldest that are too many bytes.

    A clip is as old as its name says, against the UNIX time `now`; a megabyte is 1e6 bytes. The
    newest clip stays even where it alone is too large: its length bounds it, and otherwise the
    folder would stay empty. Parts that a crash left behind are removed, too. A file that may not
    be removed now, as one that is being played on Windows, is tried again the next time. Raises
    `OSError` where the folder cannot be read or changed.
    """
    clips = _clips(folder)
    total = sum(size for files in clips.values() for size in files.values())
    oldest = (datetime.fromtimestamp(now) - timedelta(days=days)).isoformat(timespec="milliseconds")
    newest = max(clips, default="")
    for name in sorted(clips):
        too_old = name[:_TIME_LENGTH] < _in_name(oldest)
        too_much = total > megabytes * 1e6 and name != newest
        if not (too_old or too_much):
            break
        total -= sum(size for path, size in clips[name].items() if _removed(path))


def _clips(folder: Path) -> dict[str, dict[Path, int]]:
    """Each clip's files, the sidecar first, with their bytes. Parts of a crash go meanwhile."""
    clips: dict[str, dict[Path, int]] = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.suffix != ".json"):
        clip, part = _CLIP.fullmatch(path.name), _PART.fullmatch(path.name)
        if not (clip or part):
            continue
        with contextlib.suppress(FileNotFoundError):  # another livetag has removed it
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                continue
            if clip:
                clips.setdefault(clip[1], {})[path] = status.st_size
            elif time.time() - status.st_mtime > _PART_SECONDS:
                _removed(path)
    return clips


def _removed(path: Path) -> bool:
    with contextlib.suppress(PermissionError):
        path.unlink(missing_ok=True)
        return True
    return False


def _in_name(iso: str) -> str:
    return iso[:_TIME_LENGTH].replace(":", "-")
