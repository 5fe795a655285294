"""The dashboard's place: a terminal's alternate screen, while livetag is in its foreground.

A shell may take the terminal back (Ctrl-Z, `bg`, `&`): nothing is drawn then. A terminal that is
stopped is waited for, without waiting: frames are left out. One that is gone is not drawn on again.
"""

import contextlib
import os
import sys

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.live import Live

from livetag.relay import Relay

LEAVES_SCREEN = "\x1b[?25h\x1b[?1049l"
"""Shows the cursor, and the terminal as it was: for when nothing else can be done any more."""
_LEAVING_SECONDS = 0.5  # until it is written; a terminal that is stopped is not waited for


class Screen:
    """Draws frames on a console. `relay` is what it writes to, where it does not wait.

    `is_open`: the dashboard covers the terminal at this moment. Any thread may look.
    """

    def __init__(self, console: Console) -> None:
        self.relay: Relay | None = None
        self._console = console
        self._live: Live | None = None

    @property
    def is_open(self) -> bool:
        return self._live is not None

    def wants_frame(self) -> bool:
        """Whether a frame would be seen. Leaves the terminal where it is the shell's."""
        if not _in_foreground():
            self.close()
            return False
        return self.relay is None or not (self.relay.gone or self.relay.waiting)

    def draw(self, frame: RenderableType) -> None:
        """Draw a frame, at the size that the terminal has now."""
        with contextlib.suppress(OSError):  # a console that is no terminal keeps its own size
            size = os.get_terminal_size(sys.stderr.fileno())
            if size.columns and size.lines:  # a serial line may not know its size
                self._console.size = ConsoleDimensions(*size)
        with contextlib.suppress(OSError):  # a terminal that is gone: the sinks go on
            if self._live is None:
                self._live = Live(
                    console=self._console,
                    screen=True,
                    auto_refresh=False,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                self._live.start()
            self._live.update(frame, refresh=True)

    def close(self) -> None:
        """Leave the terminal as it was before the first frame.

        It is open until that is written: what goes to the terminal meanwhile would be lost.
        """
        if self._live is None:
            return
        try:
            with contextlib.suppress(OSError):
                self._live.stop()
            if self.relay is not None:
                self.relay.drain(_LEAVING_SECONDS)
        finally:
            self._live = None


def _in_foreground() -> bool:
    """Whether the terminal that stderr is has us in its foreground, or is not the one we have."""
    if not hasattr(os, "tcgetpgrp"):
        return True
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except OSError:
        return True
