"""Workers of a Dask cluster: the only room that imports distributed (the extra `cluster`).

A worker needs livetag, and whatever reads the recordings' addresses. The model comes with the job.
"""

import copy
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Self

from livetag.errors import LivetagError, UsageError
from livetag.scan.worker import Broken, Done, Failed, RecordingWork, Report, Task

_AHEAD = 4
"""Tasks for each thread of the cluster that the scheduler knows of: it sees the others later."""
_ANSWER_SECONDS = 30.0

_of_this_thread = threading.local()


class Cluster:
    """A Dask scheduler and its workers. A context manager: left, it has no task of ours any more.

    A task whose worker dies is given to another one; after four deaths, its recording is broken.
    """

    def __init__(self, work: RecordingWork, scheduler: str) -> None:
        """Raises `UsageError` where distributed is missing, or nobody answers."""
        try:
            import distributed
        except ImportError as error:
            raise UsageError("Dask is missing: pip install 'livetag[cluster]'") from error
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
        work = self._client.submit(_same, self._work, pure=False)
        left = iter(tasks)
        doing: dict[Any, Task] = {}
        finished = distributed.as_completed()

        def submit(count: int) -> None:
            for task in islice(left, count):
                future = self._client.submit(_do, work, task, pure=False)
                doing[future] = task
                finished.add(future)

        threads = sum(self._client.nthreads().values())
        submit(_AHEAD * max(threads, 1))
        while doing:
            future = next(finished)
            task = doing.pop(future)
            submit(1)
            yield self._report(future, task)

    def _report(self, future: Any, task: Task) -> Report:
        import distributed

        try:
            report: Done | Broken | Failed = future.result()
        except distributed.KilledWorker:
            path = task.recording.path
            return Broken(task.recording, f"{path}: its workers died: is memory short?")
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise LivetagError(f"a Dask worker cannot do its task: {reason}") from error
        if isinstance(report, Failed):
            raise report.error
        return report


def _same(work: RecordingWork) -> RecordingWork:
    return work


def _do(work: RecordingWork, task: Task) -> Done | Broken | Failed:
    """Do a task on a worker, with this thread's own model."""
    if getattr(_of_this_thread, "given", None) is not work:
        _of_this_thread.given, _of_this_thread.work = work, copy.copy(work)
    done: Done | Broken | Failed = _of_this_thread.work(task, lambda _: None)
    return done
