"""A scan: each recording that is not done yet is done, and their results become what was asked."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from livetag.errors import LivetagError, UsageError
from livetag.scan.analysis import annotation_path
from livetag.scan.folder import Output
from livetag.scan.job import Job
from livetag.scan.listing import Recording
from livetag.scan.merged_file import FORCE
from livetag.scan.remote import is_address
from livetag.scan.worker import Broken, Done, Report, Task
from livetag.text import counted


class Engine(Protocol):
    """Whoever has tasks done."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Report]:
        """Yield what becomes of each task. Raises `LivetagError` where the scan cannot go on."""
        ...


class Scan:
    """A job and its recordings. A context manager: entered, its output is its own."""

    def __init__(self, job: Job, recordings: Sequence[Recording], output: Output) -> None:
        self._job = job
        self._recordings = recordings
        self._output = output
        self._done: set[Recording] = set()
        self._reasons: dict[Recording, str] = {}
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Raises `UsageError` where the output is another's, and `LivetagError`.

        Also where annotations cannot be written, but for a scan that goes on: there, that is each
        recording's error.
        """
        if self._job.annotations and any(is_address(one.path) for one in self._recordings):
            raise UsageError("annotations go beside recordings of this machine, not to addresses")
        self._output.check(self._recordings)
        if self._job.annotations and not self._output.begun:
            self._check_folders()
            if not self._job.replace:
                self._check_annotations()
        begun = self._undo.enter_context(self._output.open())
        self._done = {one for one in self._recordings if begun and self._output.has(one)}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._undo.close()

    @property
    def left(self) -> list[Recording]:
        """The recordings that are not done, the largest first: no worker is left with one."""
        left = (one for one in self._recordings if one not in self._done)
        return sorted(left, key=lambda recording: -recording.size)

    @property
    def state(self) -> Path | str:
        """The folder that knows what is done: a path, or an fsspec address."""
        return self._output.state

    @property
    def done(self) -> int:
        """How many recordings are done."""
        return len(self._done)

    def run(self, engine: Engine) -> Iterator[Report]:
        """Have everything done that is not; yield what becomes of it."""
        output = self._output
        tasks = []
        for one in self.left:
            if one.unusable:
                self._reasons[one] = f"{one.path} cannot be read: {one.unusable}"
                yield Broken(one, self._reasons[one])
            else:
                result, mark = output.result(one), output.mark(one)
                tasks.append(Task(one, result, output.temporary, mark))
        for report in engine.run(tasks):
            if isinstance(report, Done):
                self._done.add(report.recording)
            elif isinstance(report, Broken):
                self._reasons[report.recording] = report.reason
            yield report

    def finish(self) -> None:
        """Make the results what was asked for, in the order of the recordings.

        Raises `InputError`, with all that could not be read, where the output file would lose
        what it holds of a recording that has changed; it stays as it is.
        """
        done = [one for one in self._recordings if one in self._done]
        left = [one for one in self._recordings if one not in self._done]
        self._output.finish(done, {one.name: self._reasons.get(one, "") for one in left})

    def _check_folders(self) -> None:
        there = (Path(one.path).parent for one in self._recordings if not one.unusable)
        shut = [folder for folder in dict.fromkeys(there) if not os.access(folder, os.W_OK)]
        if shut:
            others = f" (nor {counted(len(shut) - 1, 'other folder')})" if len(shut) > 1 else ""
            raise LivetagError(
                f"{shut[0]} cannot be written{others}, and annotations go beside recordings: scan "
                "without them, or a copy"
            )

    def _check_annotations(self) -> None:
        paths = (
            annotation_path(recording, kind)
            for recording in self._recordings
            for kind in self._job.annotations
        )
        # Not of pathlib: no file can have a name that is too long, and that is for later.
        there = [path for path in paths if os.path.exists(path)]  # noqa: PTH110
        if there:
            others = f" (and {counted(len(there) - 1, 'other file')})" if len(there) > 1 else ""
            raise UsageError(f"{there[0]} is there already{others}: {FORCE} replaces it")
