"""Text for standard error, written by a thread of its own: whoever gives it never waits.

A terminal that is stopped (Ctrl-S), a pipe that nobody reads: what writes there waits for as long
as that lasts. What listens must not.
"""

import contextlib
import errno
import io
import os
import select
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator

MOST_CHARACTERS = 1_000_000
"""May wait; what comes then is left out."""
_PATIENCE_SECONDS = 1.0


class Relay(io.TextIOBase):
    """A text stream to a file descriptor.

    `gone`: nobody is there to read it any more, nor will be: a terminal that was closed.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        """`descriptor` stays the caller's: what is written goes to a duplicate."""
        self.gone = False
        self._encoding = encoding
        self._descriptor = os.dup(descriptor)
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._changed = threading.Condition()
        self._texts: deque[str] = deque()
        self._characters = 0  # of those, and of the one that is being written
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
        self._thread.start()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._changed:
            if text and not self.gone and self._characters < MOST_CHARACTERS:
                self._texts.append(text)
                self._characters += len(text)
                self._changed.notify_all()
        return len(text)

    @property
    def waiting(self) -> int:
        """How many characters are not written yet."""
        return self._characters

    def drain(self, seconds: float) -> None:
        """Wait until all is written, but no longer than so."""
        give_up = time.monotonic() + seconds
        with self._changed:
            while self._characters and (left := give_up - time.monotonic()) > 0.0:
                self._changed.wait(left)

    def end(self, seconds: float) -> None:
        """Drain, and write nothing more."""
        self.drain(seconds)
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if not self.waiting:  # otherwise it is stuck
            self._thread.join(seconds)

    def _run(self) -> None:
        while (text := self._next()) is not None:
            try:
                self._write(text)
            except OSError:
                self.gone = not self._is_file  # a disk that is full may have room again
            with self._changed:
                self._characters -= len(text)
                if self.gone:
                    self._texts.clear()
                    self._characters = 0
                self._changed.notify_all()
        os.close(self._descriptor)

    def _next(self) -> str | None:
        with self._changed:
            while not (self._texts or self._ending):
                self._changed.wait()
            return None if self._ending else self._texts.popleft()

    def _write(self, text: str) -> None:
        data = text.replace("\n", os.linesep).encode(self._encoding, "backslashreplace")
        while data and not self._ending:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                if error.errno != errno.EAGAIN:  # somebody else has made it non-blocking
                    raise
                select.select([], [self._descriptor], [], 1.0)


@contextlib.contextmanager
def relayed_stderr(patience_seconds: float = _PATIENCE_SECONDS) -> Iterator[Relay | None]:
    """Let `sys.stderr` be a relay to where it writes; None, and as it was, where that is no file.

    At the end, what waits is written, if that takes no longer than `patience_seconds`.
    """
    before = sys.stderr
    try:
        before.flush()
        relay = Relay(before.fileno(), before.encoding)
    except (OSError, ValueError, AttributeError):  # closed, or what stands in for it
        yield None
        return
    sys.stderr = relay
    try:
        yield relay
    finally:
        sys.stderr = before
        relay.end(patience_seconds)


def last_words(text: str, seconds: float) -> None:
    """Write on stderr before the process is left, whatever else is being written; wait no longer.

    For a handler of signals: what it has interrupted may be just this.
    """
    stderr: object = sys.stderr
    with contextlib.suppress(Exception):
        sys.stderr.write(text)
        sys.stderr.flush()
        if isinstance(stderr, Relay):
            stderr.drain(seconds)
