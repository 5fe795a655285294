"""Workers on this machine: processes that share nothing, and are started again when they die."""

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import TYPE_CHECKING, Self

from livetag.errors import LivetagError
from livetag.scan.processes import interrupts_held, new_pythons
from livetag.scan.worker import Broken, Failed, Going, Ready, Report, Task, Work, serve

if TYPE_CHECKING:
    from livetag.scan.processes import Starter

_AHEAD = 2
"""Tasks that a worker knows of: while one report is on its way, the next task is being done."""
_ENDING_SECONDS = 5.0
_SERVER_IS_GONE = 255
"""The exit code of all workers, for multiprocessing, where what they are forked from has died."""


def default_workers() -> int:
    """As many as there are cores for this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """Hands tasks to workers. A context manager: left, no worker is there any more.

    A worker that dies takes with it the recording that it was at, and nothing else. Where the
    process dies that they are forked from, all of them count as dead.
    """

    def __init__(self, work: Work, workers: int, starter: "Starter | None" = None) -> None:
        """`starter`: of `livetag.scan.processes`; by default, what starts new Pythons."""
        self._work = work
        self._most = workers
        self._starter = starter or new_pythons()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.tell_to_end(at_once=kind is not None)
        for worker in self._workers:
            worker.end()

    def run(self, tasks: Iterable[Task]) -> Iterator[Report]:
        """Yield what becomes of each task, in the order in which that is known.

        Raises the `LivetagError` of a worker that says that the scan cannot go on, and one where a
        worker cannot begin.
        """
        waiting = deque(tasks)
        while waiting or any(worker.tasks for worker in self._workers):
            self._hand_out(waiting)
            ready = wait([end for worker in self._workers for end in worker.ends])
            for worker in list(self._workers):
                if any(end in ready for end in worker.ends):
                    yield from self._take(worker, waiting)

    def _hand_out(self, waiting: deque[Task]) -> None:
        """Give each worker a task, and only then each a second one."""
        for most in range(1, _AHEAD + 1):
            while waiting:
                free = [worker for worker in self._workers if len(worker.tasks) < most]
                if most == 1 and not free and len(self._workers) < self._most:
                    free.append(self._new_worker())
                    self._workers.append(free[0])
                if not free:
                    break
                free[0].give(waiting.popleft())

    def _new_worker(self) -> "_Worker":
        with contextlib.suppress(EOFError, OSError):
            return _Worker(self._work, self._starter)
        self._starter = new_pythons()  # what is forked may have been ended, or its socket removed
        try:
            return _Worker(self._work, self._starter)
        except OSError as error:
            raise LivetagError(f"no worker can be started: {error.strerror or error}") from error

    def _take(self, worker: "_Worker", waiting: deque[Task]) -> Iterator[Report]:
        """What a worker tells, its death included."""
        alive = worker.is_alive  # before its last words are read
        for report in worker.reports():
            if isinstance(report, Failed):
                raise report.error
            yield report
        if alive:
            return
        self._workers.remove(worker)
        worker.check_began()
        if worker.tasks:
            recording = worker.tasks.popleft().recording
            yield Broken(recording, f"{recording.path}: its worker {worker.how_it_ended()}")
        waiting.extendleft(reversed(worker.tasks))


class _Worker:
    """A worker's process, and the tasks it has been given and has not done."""

    def __init__(self, work: Work, starter: "Starter") -> None:
        self._pipe, theirs = starter.Pipe()
        self._began = False
        self.tasks: deque[Task] = deque()
        self._process: BaseProcess = starter.Process(
            target=serve, args=(theirs, work), name="livetag scan", daemon=True
        )
        with interrupts_held():
            self._process.start()
        theirs.close()

    @property
    def ends(self) -> tuple[Connection | int, ...]:
        """What is ready when there is something to take."""
        return self._pipe, self._process.sentinel

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def give(self, task: Task) -> None:
        self.tasks.append(task)
        with contextlib.suppress(OSError):  # of one that is dead, which will be noticed
            self._pipe.send(task)

    def reports(self) -> Iterator[Report | Failed]:
        """What it has told until now."""
        with contextlib.suppress(EOFError, OSError):
            while self._pipe.poll():
                report: Ready | Report | Failed = self._pipe.recv()
                if isinstance(report, Ready):
                    self._began = True
                    continue
                if not isinstance(report, Going):
                    self.tasks.popleft()
                yield report

    def check_began(self) -> None:
        """Raise `LivetagError` where it ended by itself before it began: so would all others."""
        self._process.join()
        if not self._began and 0 <= (self._process.exitcode or 0) < _SERVER_IS_GONE:
            raise LivetagError(
                "the scan's workers cannot begin: each imports the program that scans, which has "
                'to be a file whose own work begins below `if __name__ == "__main__":`'
            )

    def how_it_ended(self) -> str:
        self._process.join()
        code = self._process.exitcode or 0
        if code < 0:
            return f"was ended by signal {-code}: is memory short?"
        return f"ended with status {code}"

    def tell_to_end(self, at_once: bool) -> None:
        """Let it end, or have it end: what it has not finished leaves no result."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        if at_once:
            self._process.terminate()

    def end(self) -> None:
        """Wait until it is gone, and not for long."""
        self._process.join(_ENDING_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()
