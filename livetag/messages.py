"""What the monitor says: on standard error, or on the dashboard while that covers it.

Nothing said ends the listening, or holds it up: text goes through a relay (`livetag.relay`), and
only a recording waits for whoever reads it.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime

from rich.console import Console

from livetag.relay import MOST_CHARACTERS, Relay, last_words, relayed_stderr
from livetag.screen import LEAVES_SCREEN, Screen
from livetag.state import MonitorState
from livetag.text import counted, printable_lines

_WAIT_SECONDS = 0.25
_HURRIED_SECONDS = 0.5
_KEPT = 100


class Messages:
    """Says what happens. Messages that the dashboard hides are kept, to be said once it is gone."""

    def __init__(
        self,
        console: Console,
        screen: Screen | None,
        notice: Callable[[str, float], None],
        may_wait: bool,
        stop: threading.Event,
    ) -> None:
        """`screen`: the dashboard's, where there is one; `notice` has a message shown there.

        `may_wait`: wait for whoever reads what is said, until `stop` is set.
        """
        self._console = console
        self._screen = screen
        self._notice = notice
        self._may_wait = may_wait
        self._stop = stop
        self._relay: Relay | None = None
        self._hidden: deque[str] = deque(maxlen=_KEPT)

    @contextlib.contextmanager
    def relayed(self) -> Iterator[None]:
        """Let what is said, and the dashboard, go through a relay."""
        with relayed_stderr() as self._relay:
            if self._screen is not None:
                self._screen.relay = self._relay
            yield

    @property
    def covered(self) -> bool:
        """Whether the dashboard hides what is printed."""
        return self._screen is not None and self._screen.is_open

    def tell(self, message: str) -> None:
        """Say, with the time, what happens: on stderr, or on the dashboard and later on stderr."""
        message = f"{datetime.now().astimezone():%H:%M:%S} {message}"
        if self.covered:
            self._notice(message, time.monotonic())
            self._hidden.append(message)
        else:
            self.say(message)

    def say(self, message: str) -> None:
        self.print(f"livetag: {message}")

    def print(self, line: str) -> None:
        """Write a line that is no message of livetag's own."""
        with contextlib.suppress(OSError):  # what cannot be said must not end the listening
            self._console.print(printable_lines(line), markup=False, soft_wrap=True)
        self._wait_for_reader(MOST_CHARACTERS // 2)

    def say_hidden(self) -> None:
        """Say what the dashboard hid, now that it is gone."""
        while self._hidden:
            self.say(self._hidden.popleft())

    def wait(self) -> None:
        """A recording waits until all is read; a microphone does not."""
        self._wait_for_reader(0)

    def hurry(self) -> None:
        """Give what was said a moment to be written: the terminal is about to be another's."""
        if self._relay is not None:
            self._relay.drain(_HURRIED_SECONDS)

    def last_words(self) -> None:
        """Say what was hidden, and that livetag has stopped, on the terminal as it was.

        For a handler of signals: nothing else is said after it.
        """
        text = "".join(f"livetag: {message}\n" for message in (*self._hidden, "stopped"))
        last_words(f"{LEAVES_SCREEN}{text}" if self.covered else text, _HURRIED_SECONDS)

    def _wait_for_reader(self, most_waiting: int) -> None:
        while self._relay is not None and self._relay.waiting > most_waiting:
            if not self._may_wait or self._stop.is_set():
                return
            self._relay.drain(_WAIT_SECONDS)


def summary(state: MonitorState) -> str:
    """What the monitor has heard, in a line, as it ends."""
    lost = f"{state.lost_seconds:.2f} s" if state.gaps else "no"
    held_back = f", {counted(state.unclipped, 'clip')} not kept (never_with)"
    return (
        f"heard {state.source_name} for {state.heard_s:.1f} s: "
        f"{counted(state.windows, 'window')}, {counted(state.events, 'event')}, "
        f"{counted(state.alerts, 'alert')}, {lost} audio lost"
        f"{held_back if state.unclipped else ''}"
    )
