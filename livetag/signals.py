"""The signals that end a monitor, and how they are heeded."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def _heeded_signals() -> list[int]:
    """All that end the monitor; but not SIGHUP where it is ignored, as `nohup` has it.

    SIGINT is heeded all the same: shells have it ignored by what scripts start with `&`.
    """
    asked = (signal.SIGINT, signal.SIGTERM)
    return [n for n in STOP_SIGNALS if n in asked or signal.getsignal(n) != signal.SIG_IGN]


def interrupt_on_signals() -> None:
    """Let each signal that ends the monitor interrupt as Ctrl-C does."""
    for number in _heeded_signals():
        signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def stopped_by_signals(stop: threading.Event, patience_seconds: float) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set `stop`; a second one interrupts at once.

    An alarm interrupts, too, where the end takes longer than `patience_seconds`: main may be stuck
    in writing to a terminal that nobody reads.
    """
    alarms = hasattr(signal, "setitimer")

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        interrupt_on_signals()
        if alarms:
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, patience_seconds)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, on_signal) for number in _heeded_signals()}
    try:
        yield
    finally:
        if alarms:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in previous.items():
            signal.signal(number, handler)
