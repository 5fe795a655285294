"""Where results go, part by part, so that a scan that was killed goes on where it was.

Each recording's result is a file of its own, which has its name when it is whole, and not before.
For one output file, these are parts in a folder beside it, merged at the end; they stay as long as
there are recordings that could not be read. For an output folder, they are the results; a hidden
folder in it knows which of them are of this job.

    NAME.parts/job.json          what the parts are of
    NAME.parts/merged.json       which recordings NAME holds
    NAME.parts/tmp/              what is being written
    NAME.parts/ab/ab01...csv     parts, named by recording, size and time
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from livetag.disk import sync_file, sync_folder
from livetag.errors import LivetagError, UsageError
from livetag.scan.job import Job
from livetag.scan.listing import Recording, check_places
from livetag.scan.merged_file import JOB, MERGED, MergedFile, as_note, check_job, parsed

_LOCK, _TEMPORARY = "lock", "tmp"
_FOLDER_CHARACTERS = 2  # of a key: no folder gets too large


class Output(Protocol):
    """Where a scan's results go. Raises `OSError` where they cannot be written."""

    @property
    def state(self) -> Path | str:
        """The folder that knows what is done: a path, or an fsspec address."""
        ...

    @property
    def begun(self) -> bool:
        """Whether a scan has been here that did not end, or whose results are these."""
        ...

    @property
    def temporary(self) -> Path | None:
        """The folder for results that are not whole yet; None for whatever folder a worker has."""
        ...

    def check(self, recordings: Sequence[Recording]) -> None:
        """Raise `UsageError` where results cannot go there."""
        ...

    def open(self) -> contextlib.AbstractContextManager[bool]:
        """Have it for this process alone, and for this job: whether that was begun before.

        Raises `UsageError` where it is another scan's at this moment, or of another job, unless
        that is to be replaced; `LivetagError` where it cannot be written.
        """
        ...

    def result(self, recording: Recording) -> Path | str:
        """Where a recording's result goes: a path, or an fsspec address."""
        ...

    def has(self, recording: Recording) -> bool:
        """Whether it is there: of this recording as it is now, and of this job."""
        ...

    def mark(self, recording: Recording) -> Path | str | None:
        """An empty file that says that it is there; None where its name says it."""
        ...

    def finish(self, recordings: Sequence[Recording], unread: Mapping[str, str]) -> None:
        """All results that there can be are there, those of these recordings: in their order.

        `unread`: why the others, which another try may read, have none, by their names. Raises
        `InputError` where the output would lose what it holds of one of them.
        """
        ...


class _LocalOutput:
    """A place of this machine's, and the folder that knows what of it is done."""

    def __init__(self, path: Path, state: Path, job: Job) -> None:
        self.state = state
        self.temporary = state / _TEMPORARY
        self._path = path
        self._job = job

    @property
    def begun(self) -> bool:
        return self.state.exists()

    def open(self) -> contextlib.AbstractContextManager[bool]:
        return _opened(self.state, self._job)


class FileOutput(_LocalOutput, MergedFile):
    """One file, merged of parts."""

    def __init__(self, path: Path, job: Job) -> None:
        _LocalOutput.__init__(self, path, path.with_name(f"{path.name}.parts"), job)
        MergedFile.__init__(self, str(path), job.replace)

    def check(self, recordings: Sequence[Recording]) -> None:
        if self._path.is_dir():
            raise UsageError(f"{self._path} is a folder: name it {self._path}/, or another file")
        if not self._path.parent.is_dir():
            raise UsageError(f"{self._path.parent} is no folder: make it first")
        self.check_replaceable(recordings)

    def result(self, recording: Recording) -> Path:
        return self.state / recording.key[:_FOLDER_CHARACTERS] / f"{recording.key}.{self._job.form}"

    def has(self, recording: Recording) -> bool:
        return _is_whole(self.result(recording))

    def mark(self, recording: Recording) -> None:
        """The part's name says it."""

    def finish(self, recordings: Sequence[Recording], unread: Mapping[str, str]) -> None:
        self.merge(recordings, unread)

    def _is_there(self) -> bool:
        return self._path.exists()

    def _read(self, note: str) -> bytes | None:
        return _read(self.state / note)

    def _write(self, note: str, told: bytes) -> None:
        _write(self.state, note, told)

    @contextlib.contextmanager
    def _merged(self, recordings: Sequence[Recording]) -> Iterator[Path]:
        merged = self.temporary / f"merged.{self._job.form}"
        parts = [self.result(recording) for recording in recordings]
        self._job.table.merge(parts, merged, self._job.columns)
        with merged.open("rb+") as file:
            sync_file(file.fileno())
        yield merged

    def _put(self, merged: Path) -> None:
        merged.replace(self._path)
        sync_folder(self._path.parent)

    def _remove_parts(self) -> None:
        for part in self.state.iterdir():
            if part.is_dir():
                shutil.rmtree(part)
        (self.state / MERGED).unlink()
        shutil.rmtree(self.state)


class FolderOutput(_LocalOutput):
    """A result for each recording, in the same tree."""

    def __init__(self, path: Path, job: Job) -> None:
        super().__init__(path, path / ".livetag-scan", job)

    def check(self, recordings: Sequence[Recording]) -> None:
        if self._path.exists() and not self._path.is_dir():
            raise UsageError(
                f"{self._path} is a file, and its ending none of .csv, .jsonl, .parquet and .npz: "
                "name another output"
            )
        check_places(recordings)
        for recording in recordings:
            result = self.result(recording)
            if not self.begun and result.exists():
                raise UsageError(f"{result} is there already: name another folder")

    def result(self, recording: Recording) -> Path:
        return self._path / f"{recording.place}.{self._job.form}"

    def has(self, recording: Recording) -> bool:
        return self.mark(recording).exists() and _is_whole(self.result(recording))

    def finish(self, recordings: Sequence[Recording], unread: Mapping[str, str]) -> None:
        """Each result is where it belongs."""

    def mark(self, recording: Recording) -> Path:
        return self.state / recording.key[:_FOLDER_CHARACTERS] / recording.key


def _is_whole(result: Path) -> bool:
    """Results get their names when they are whole; a power failure may leave one empty."""
    try:
        return result.stat().st_size > 0
    except OSError:
        return False


@contextlib.contextmanager
def _opened(state: Path, job: Job) -> Iterator[bool]:
    import filelock

    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(state / _LOCK)
        lock.acquire(timeout=0.0)
    except filelock.Timeout as error:
        raise UsageError(f"another livetag writes to {state} at this moment") from error
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LivetagError(f"{state} cannot be written: {reason}") from error
    try:
        yield _claim(state, job.described(), job.replace)
    finally:
        lock.release()


def _claim(state: Path, now: dict[str, Any], replace: bool) -> bool:
    """Have the folder be of this job, and empty of what is half written; whether it was before."""
    before = parsed(_read(state / JOB))
    names = {path.name for path in state.iterdir()}
    if before is None and not names <= {_LOCK, _TEMPORARY}:
        raise UsageError(f"{state} is there already, and is no scan's: move it away")
    check_job(str(state), before, now, replace)
    for name in names:
        if name == _TEMPORARY or (before != now and len(name) == _FOLDER_CHARACTERS):
            shutil.rmtree(state / name)
    if before != now:
        (state / MERGED).unlink(missing_ok=True)
    (state / _TEMPORARY).mkdir()
    _write(state, JOB, as_note(now))
    return before == now


def _read(note: Path) -> bytes | None:
    try:
        return note.read_bytes()
    except FileNotFoundError:
        return None


def _write(state: Path, note: str, told: bytes) -> None:
    """Have a note, whole, on the disk before anything that comes later."""
    being_written = state / _TEMPORARY / note
    with being_written.open("wb") as file:
        file.write(told)
        file.flush()
        sync_file(file.fileno())
    being_written.replace(state / note)
    sync_folder(state)
