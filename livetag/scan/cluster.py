"""Workers of a Dask cluster: the only room that imports distributed (the extra `cluster`).

A worker needs livetag, and whatever reads the recordings' addresses. The model comes with the job.
"""

import copy
import threading
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Self

from livetag.errors import LivetagError, UsageError, not_installed
from livetag.scan.worker import Broken, Done, Failed, RecordingWork, Report, Task

_AHEAD = 4
"""Bundles for each thread of the cluster that the scheduler knows of: it sees the others later."""
_BUNDLE_BYTES = 8 << 20
_BUNDLE_TASKS = 100
"""A bundle is of so much, seconds of work each, or of one recording that has more."""
_ANSWER_SECONDS = 30.0

_of_this_thread = threading.local()


def check_installed() -> None:
    """Raise `UsageError` where distributed is missing."""
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise not_installed("--engine dask needs distributed", "cluster") from error


class Cluster:
    """A Dask scheduler and its workers. A context manager: left, it has no task of ours any more.

    A task whose worker dies is given to another one; after four deaths, its recording is broken.
    """

    def __init__(self, work: RecordingWork, scheduler: str) -> None:
        """Raises `UsageError` where nobody answers."""
        import distributed

        self._work = work
        try:
            self._client = distributed.Client(scheduler, timeout=_ANSWER_SECONDS)
        except (OSError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {scheduler}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def run(self, tasks: Iterable[Task]) -> Iterator[Report]:
        """Yield what becomes of each task, in the order in which that is known.

        Raises `LivetagError` where the scan cannot go on.
        """
        import distributed

        # As a task of its own, the scheduler can have it made again where its worker is gone.
        with warnings.catch_warnings():  # the model has 15 MB, and goes once
            warnings.filterwarnings("ignore", "Sending large graph")
            work = self._client.submit(_same, self._work, pure=False)
        left = _bundled(tasks)
        doing: dict[Any, list[Task]] = {}
        finished = distributed.as_completed()

        def submit(bundles: Iterable[list[Task]]) -> None:
            for bundle in bundles:
                future = self._client.submit(_do, work, bundle, pure=False)
                doing[future] = bundle
                finished.add(future)

        threads = sum(self._client.nthreads().values())
        submit(islice(left, _AHEAD * max(threads, 1)))
        while doing:
            future = next(finished)
            bundle = doing.pop(future)
            try:
                yield from _reports(future)
            except distributed.KilledWorker:
                if len(bundle) == 1:
                    yield _broken(bundle[0])
                else:  # one of them is to blame
                    submit([task] for task in bundle)
            submit(islice(left, 1))


def _bundled(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Tasks in bundles: many short recordings are as much to the scheduler as a long one."""
    bundle: list[Task] = []
    size = 0
    for task in tasks:
        bundle.append(task)
        size += task.recording.size
        if size >= _BUNDLE_BYTES or len(bundle) == _BUNDLE_TASKS:
            yield bundle
            bundle, size = [], 0
    if bundle:
        yield bundle


def _reports(future: Any) -> Iterator[Report]:
    """What became of a bundle. Raises `KilledWorker`, and `LivetagError` for all else."""
    import distributed

    try:
        reports: list[Done | Broken | Failed] = future.result()
    except distributed.KilledWorker:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise LivetagError(f"a Dask worker cannot do its task: {reason}") from error
    for report in reports:
        if isinstance(report, Failed):
            raise type(report.error)(f"on a Dask worker: {report.error}")
        yield report


def _broken(task: Task) -> Broken:
    recording = task.recording
    return Broken(recording, f"{recording.path}: its workers died: is memory short?")


def _same(work: RecordingWork) -> RecordingWork:
    return work


def _do(work: RecordingWork, tasks: list[Task]) -> list[Done | Broken | Failed]:
    """Do tasks on a worker, with this thread's own model."""
    if getattr(_of_this_thread, "given", None) is not work:
        _of_this_thread.given, _of_this_thread.work = work, copy.copy(work)
    return [_of_this_thread.work(task, lambda *_: None) for task in tasks]
