"""Where results go that are to be at an fsspec address, where all workers of a cluster reach it.

As in `livetag.scan.folder`, parts lie beside the output, and a folder knows which results it has.
Nothing there keeps two scans apart: object stores have no locks.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from livetag.errors import writing
from livetag.scan.job import Job
from livetag.scan.listing import Recording, check_places
from livetag.scan.merged_file import JOB, MERGED, MergedFile, as_note, check_job, parsed
from livetag.scan.remote import filesystem, upload


class RemoteOutput(MergedFile):
    """One file, where the address ends as the job's form, or a folder with a result for each."""

    temporary = None

    def __init__(self, address: str, job: Job) -> None:
        self._address = address.rstrip("/")
        super().__init__(self._address, job.replace)
        self._job = job
        self._system, self._path = filesystem(self._address)
        self._is_file = address.lower().endswith(f".{job.form}")
        ending = ".parts" if self._is_file else "/.livetag-scan"
        self.state = f"{self._address}{ending}"
        self._state_path = f"{self._path}{ending}"
        self._there: set[str] = set()

    def check(self, recordings: Sequence[Recording]) -> None:
        """Raise `UsageError` where results cannot go there."""
        if self._is_file:
            self.check_replaceable(recordings)
        else:
            check_places(recordings)

    @property
    def begun(self) -> bool:
        """Whether a scan has been here that did not end, or whose results are these."""
        return bool(self._system.exists(self._state_path))

    @contextlib.contextmanager
    def open(self) -> Iterator[bool]:
        """Have the folder of parts be of this job; whether it was. Raises as `check_job` does."""
        with writing(self.state):
            begun = self._claim()
        yield begun

    def _claim(self) -> bool:
        before = parsed(self._read(JOB))
        now = self._job.described()
        check_job(self.state, before, now, self._job.replace)
        if before == now:
            found = self._system.find(self._state_path)
            self._there = {path.rpartition("/")[2] for path in found}
        elif before is not None:
            self._system.rm(self._state_path, recursive=True)
        self._system.makedirs(self._state_path, exist_ok=True)
        self._write(JOB, as_note(now))
        return before == now

    def result(self, recording: Recording) -> str:
        """The address of a recording's result."""
        if self._is_file:
            return self._in_state(recording)
        return f"{self._address}/{recording.place}.{self._job.form}"

    def has(self, recording: Recording) -> bool:
        """Whether its result is there: of this recording as it is now, and of this job."""
        return self._name(recording) in self._there

    def mark(self, recording: Recording) -> str | None:
        """The address of an empty file that says that it is there; None where its name says it."""
        return None if self._is_file else self._in_state(recording)

    def finish(self, recordings: Sequence[Recording], unread: Mapping[str, str]) -> None:
        """Merge the parts, here; then they go, unless another try may add to them."""
        if self._is_file:
            self.merge(recordings, unread)

    def _is_there(self) -> bool:
        return bool(self._system.exists(self._path))

    def _read(self, note: str) -> bytes | None:
        try:
            return bytes(self._system.cat_file(f"{self._state_path}/{note}"))
        except FileNotFoundError:
            return None

    def _write(self, note: str, told: bytes) -> None:
        self._system.pipe_file(f"{self._state_path}/{note}", told)

    @contextlib.contextmanager
    def _merged(self, recordings: Sequence[Recording]) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="livetag-") as folder:
            parts = []
            for recording in recordings:
                name = self._name(recording)
                parts.append(Path(folder, name))
                self._system.get_file(f"{self._state_path}/{name[:2]}/{name}", str(parts[-1]))
            merged = Path(folder, "merged")
            self._job.table.merge(parts, merged, self._job.columns)
            yield merged

    def _put(self, merged: Path) -> None:
        upload(merged, self._address)

    def _remove_parts(self) -> None:
        merged, job = (f"{self._state_path}/{note}" for note in (MERGED, JOB))
        parts = set(self._system.find(self._state_path)) - {merged, job}
        if parts:
            self._system.rm(sorted(parts))
        self._system.rm_file(merged)
        self._system.rm(self._state_path, recursive=True)

    def _in_state(self, recording: Recording) -> str:
        return f"{self.state}/{recording.key[:2]}/{self._name(recording)}"

    def _name(self, recording: Recording) -> str:
        return f"{recording.key}.{self._job.form}"
