"""How the processes of workers are started.

The command's are forked, on Linux, from a process that has imported most of what they need and done
nothing else, so that each is at work at once. Elsewhere libraries of the system do not bear to be
forked; and a program that uses the library may have such a process of its own, with other imports.
There, each worker is a new Python.
"""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

    Starter = ForkServerContext | SpawnContext


def new_pythons() -> "SpawnContext":
    """What starts workers that have nothing in common with this process."""
    return multiprocessing.get_context("spawn")


def forked() -> "Starter":
    """What starts workers by forking.

    The process that is to be forked begins to import, while this one goes on. Where it has no place
    for its socket, whose path may have 107 bytes, workers are started without it.
    """
    if sys.platform == "linux":
        from multiprocessing.forkserver import ensure_running

        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["livetag.scan.worker"])
        with contextlib.suppress(OSError), interrupts_held():
            ensure_running()
            return context
    return new_pythons()


def end_if_importing() -> None:
    """End this process, quietly, where it is a new worker that imports the program as yet.

    What that program scans is its first process's to do, which notices: see `livetag.scan.pool`.
    """
    # What multiprocessing itself knows it by, since no process can be started meanwhile.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C waiting; a process that is started meanwhile never hears of it.

    Its Python would show a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
