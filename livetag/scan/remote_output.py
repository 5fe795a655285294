"""Where results go that are to be at an fsspec address, where all workers of a cluster reach it.

As in `livetag.scan.folder`, parts lie beside the output, and a folder knows which results it has.
Nothing there keeps two scans apart: object stores have no locks.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from livetag.errors import LivetagError
from livetag.scan.folder import MERGED, check_job, check_replaceable, names_of
from livetag.scan.job import Job
from livetag.scan.listing import Recording, check_places
from livetag.scan.remote import filesystem, upload

_JOB = "job.json"


class RemoteOutput:
    """One file, where the address ends as the job's form, or a folder with a result for each."""

    temporary = None

    def __init__(self, address: str, job: Job) -> None:
        self._address = address.rstrip("/")
        self._job = job
        self._system, self._path = filesystem(self._address)
        self._is_file = self._address.lower().endswith(f".{job.form}")
        ending = ".parts" if self._is_file else "/.livetag-scan"
        self.state = f"{self._address}{ending}"
        self._state_path = f"{self._path}{ending}"
        self._there: set[str] = set()

    def check(self, recordings: Sequence[Recording]) -> None:
        """Raise `UsageError` where results cannot go there."""
        if not self._is_file:
            check_places(recordings)
        elif self._system.exists(self._path) and not self._job.replace:
            check_replaceable(self._address, self.begun, self._read(MERGED), recordings)

    @property
    def begun(self) -> bool:
        """Whether a scan has been here that did not end, or whose results are these."""
        return bool(self._system.exists(self._state_path))

    @contextlib.contextmanager
    def open(self) -> Iterator[bool]:
        """Have the folder of parts be of this job; whether it was. Raises as `check_job` does."""
        try:
            begun = self._claim()
        except OSError as error:
            reason = error.strerror or error
            raise LivetagError(f"{self.state} cannot be written: {reason}") from error
        yield begun

    def _claim(self) -> bool:
        before = self._read(_JOB)
        now = self._job.described()
        check_job(self.state, before, now, self._job.replace)
        if before == now:
            found = self._system.find(self._state_path)
            self._there = {path.rpartition("/")[2] for path in found}
        elif before is not None:
            self._system.rm(self._state_path, recursive=True)
        self._system.makedirs(self._state_path, exist_ok=True)
        self._write(_JOB, now)
        return before == now

    def _read(self, name: str) -> dict[str, Any] | None:
        path = f"{self._state_path}/{name}"
        if not self._system.exists(path):
            return None
        return dict(json.loads(self._system.cat_file(path)))

    def _write(self, name: str, told: dict[str, Any]) -> None:
        self._system.pipe_file(f"{self._state_path}/{name}", json.dumps(told, indent=2).encode())

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

    def finish(self, recordings: Sequence[Recording], whole: bool) -> None:
        """Merge the parts, here; then they go, unless another try may add to them."""
        if not self._is_file:
            return
        with tempfile.TemporaryDirectory(prefix="livetag-") as folder:
            parts = []
            for recording in recordings:
                name = self._name(recording)
                parts.append(Path(folder, name))
                self._system.get_file(f"{self._state_path}/{name[:2]}/{name}", str(parts[-1]))
            merged = Path(folder, "merged")
            self._job.table.merge(parts, merged, self._job.columns)
            if not whole:
                self._write(MERGED, names_of(recordings))
            upload(merged, self._address)
        if whole:
            self._system.rm(self._state_path, recursive=True)

    def _in_state(self, recording: Recording) -> str:
        return f"{self.state}/{recording.key[:2]}/{self._name(recording)}"

    def _name(self, recording: Recording) -> str:
        return f"{recording.key}.{self._job.form}"
