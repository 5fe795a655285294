"""The signals of a monitor, and what each asks for.

Ctrl-C and SIGTERM ask for the end; a second one does not wait for it. SIGHUP asks to read the
configuration again, or for the end where the terminal that livetag had is gone. Ctrl-Z, and another
size of the terminal, are for whoever draws there. Handlers only take note; main does the rest.
"""

import _thread
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)
HANG_UP: int | None = getattr(signal, "SIGHUP", None)  # Windows has none of these
SUSPEND: int | None = getattr(signal, "SIGTSTP", None)
RESIZE: int | None = getattr(signal, "SIGWINCH", None)
_OUTPUT_IN_BACKGROUND: int | None = getattr(signal, "SIGTTOU", None)
_TERMINAL = "/dev/tty"  # POSIX's name for that which may send signals


def interrupt_when_hung_up() -> None:
    """Let a terminal that goes interrupt, as Ctrl-C does; but not where `nohup` has it ignored."""
    if HANG_UP is not None and signal.getsignal(HANG_UP) == signal.SIG_DFL:
        signal.signal(HANG_UP, signal.default_int_handler)


class Signals:
    """What signals have asked for, and nobody has done yet. For the main thread alone."""

    def __init__(self) -> None:
        self._had_terminal = has_terminal()
        self._noted: set[int] = set()
        self._ending = False
        self._stop = threading.Event()
        self._end_at_once: Callable[[], None] = _interrupt
        self._patience_seconds = 0.0

    def interrupt(self) -> None:
        """While there is no monitor to stop: let what would end it interrupt, as Ctrl-C does.

        A hang-up that asks to read the configuration again is kept for the monitor.
        """
        for number in _heeded():
            signal.signal(number, self._interrupt)

    @contextlib.contextmanager
    def heeded(
        self,
        stop: threading.Event,
        end_at_once: Callable[[], None],
        patience_seconds: float,
        draws: bool = False,
    ) -> Iterator[None]:
        """Let the first Ctrl-C or SIGTERM set `stop`, and a second one call `end_at_once`.

        That is for good: also when this is left. An alarm calls it, too, where the end takes longer
        than `patience_seconds`. `draws`: on a terminal, which has to be left as it was before the
        process is stopped.
        """
        self._stop, self._end_at_once = stop, end_at_once
        self._patience_seconds = patience_seconds
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers: dict[int, signal._HANDLER] = dict.fromkeys(_heeded(), self._note)
        if draws and SUSPEND and signal.getsignal(SUSPEND) == signal.SIG_DFL:
            handlers[SUSPEND] = self._note
        if draws and RESIZE:
            handlers[RESIZE] = self._note
        if _OUTPUT_IN_BACKGROUND:  # where `stty tostop` is set, a message would stop the process
            handlers[_OUTPUT_IN_BACKGROUND] = signal.SIG_IGN
        previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, 0.0)
            for number, handler in previous.items():
                if number not in ENDING or not self._ending:
                    signal.signal(number, handler)

    def asked_to_reload(self) -> bool:
        """Whether SIGHUP has come, for the configuration; for the end, `stop` is set."""
        if not self._taken(HANG_UP):
            return False
        if self._hung_up():
            self._end()
            return False
        return True

    def asked_to_suspend(self) -> bool:
        """Whether Ctrl-Z was pressed: `suspend` is to be called, with the terminal as it was."""
        return self._taken(SUSPEND)

    def asked_to_redraw(self) -> bool:
        """Whether the terminal has another size."""
        return self._taken(RESIZE)

    def _taken(self, number: int | None) -> bool:
        if number not in self._noted:
            return False
        self._noted.discard(number)
        return True

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in ENDING and self._ending:
            self._end_at_once()
        elif number in ENDING:
            self._end()
        else:
            self._noted.add(number)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if number in ENDING or self._hung_up():
            _interrupt()
        self._noted.add(number)

    def _hung_up(self) -> bool:
        return self._had_terminal and not has_terminal()

    def _end(self) -> None:
        self._ending = True
        # Not here: what is interrupted may hold the event's lock.
        _thread.start_new_thread(self._stop.set, ())
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, lambda *_: self._end_at_once())
            signal.setitimer(signal.ITIMER_REAL, self._patience_seconds)


def has_terminal() -> bool:
    """Whether the process has a terminal that controls it: one that is gone controls nobody."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDONLY | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True


def suspend() -> None:
    """Stop the process, as Ctrl-Z does; return when it goes on.

    Where no shell could let it go on, the system does not stop it.
    """
    if SUSPEND is not None:
        handler = signal.signal(SUSPEND, signal.SIG_DFL)
        signal.raise_signal(SUSPEND)
        signal.signal(SUSPEND, handler)


def end_as_the_system_does() -> None:
    """Let a further signal end the process as it is: Python would show a traceback."""
    _handle(signal.SIG_DFL)


def end_anyway() -> None:
    """Let a further signal change nothing: the program has come to its end, and its exit code."""
    _handle(signal.SIG_IGN)


def _handle(handler: signal.Handlers) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in ENDING:
            signal.signal(number, handler)


def _heeded() -> list[int]:
    """All that ask a monitor for something; but not SIGHUP where it is ignored, as `nohup` has it.

    SIGINT is heeded all the same: shells have it ignored by what scripts start with `&`.
    """
    numbers: list[int] = [*ENDING]
    if HANG_UP and signal.getsignal(HANG_UP) != signal.SIG_IGN:
        numbers.append(HANG_UP)
    return numbers


def _interrupt() -> None:
    raise KeyboardInterrupt
