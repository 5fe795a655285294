"""Alerts, or JSON records, on standard output. The monitor prints here alone."""

import errno
import os
from collections import deque
from collections.abc import Callable
from typing import TextIO

from livetag.events import EventAlert, EventEnd, EventStart, Gap, Item, Pace
from livetag.records import as_json, iso_time

_MOST_HELD = 1_000


class ConsoleSink:
    """One line for each alert as it starts; with `as_json` one object for each record.

    While the dashboard is `covering` the terminal that they would go to, lines wait: for the next
    one when it does no more, or for `close`.
    """

    name = "standard output"
    takes = (EventStart, EventAlert, EventEnd, Gap, Pace)

    def __init__(
        self,
        stream: TextIO,
        source: str,
        as_json: bool,
        covering: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stream = stream
        # Below Python's buffers, which do not tell what of them was written when that fails.
        self._raw = getattr(getattr(stream, "buffer", None), "raw", None)
        self._source = source
        self._as_json = as_json
        self._covering = covering
        self._held: deque[str] = deque(maxlen=_MOST_HELD)
        self._unwritten = b""

    def writes(self, item: Item) -> bool:
        if self._as_json:
            return isinstance(item, self.takes)
        return isinstance(item, EventAlert) or (isinstance(item, EventStart) and item.alert)

    def write(self, item: Item) -> None:
        match item:
            case EventStart() | EventAlert() | EventEnd() | Gap() | Pace() if self._as_json:
                self._print(as_json(item, self._source))
            case EventStart(alert=True) | EventAlert():
                self._print(f"{iso_time(item.time)}  {item.label.name}  {item.score:.2f}")

    def retry(self) -> None:
        """Go on within the line that could not be written to its end."""
        while self._raw is not None and self._unwritten:
            written = self._raw.write(self._unwritten)
            if written is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            self._unwritten = self._unwritten[written:]

    def reopen(self) -> None:
        """Standard output is what it was given as."""

    def close(self) -> None:
        self._release()

    def _print(self, line: str) -> None:
        self._held.append(line)
        if not self._covering():
            self._release()

    def _release(self) -> None:
        while self._held:
            self._take(self._held.popleft())
        self.retry()

    def _take(self, line: str) -> None:
        if self._raw is None:
            print(line, file=self._stream, flush=True)
        else:
            text = f"{line}{os.linesep}"
            self._unwritten += text.encode(self._stream.encoding, self._stream.errors or "strict")
