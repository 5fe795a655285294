"""How the processes of workers are started.

On Linux they are forked from a process that has imported what they need and done nothing else, so
that each is at work at once. Elsewhere libraries of the system do not bear to be forked, and each
worker is a new Python.
"""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Iterator

if sys.platform == "linux":
    CONTEXT = multiprocessing.get_context("forkserver")
else:
    CONTEXT = multiprocessing.get_context("spawn")
"""What workers are made by."""


def prepare() -> None:
    """Have the process that is to be forked start to import, while this one goes on."""
    if sys.platform == "linux":
        from multiprocessing.forkserver import ensure_running

        CONTEXT.set_forkserver_preload(["livetag.scan.worker"])
        with interrupts_held():
            ensure_running()


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
