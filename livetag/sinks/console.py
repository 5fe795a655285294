"""Alerts, or JSON records, on standard output. The monitor prints here alone."""

import contextlib
from collections import deque
from typing import TextIO

from livetag.events import EventAlert, EventEnd, EventStart, Gap, Item
from livetag.records import as_json, iso_time

_MOST_HELD = 1_000


class ConsoleSink:
    """One line for each alert as it starts; with `as_json` one object for each record.

    With `held`, lines wait for `close`: the dashboard covers the terminal they would go to.
    """

    name = "standard output"
    takes = (EventStart, EventAlert, EventEnd, Gap)

    def __init__(self, stream: TextIO, source: str, as_json: bool, held: bool = False) -> None:
        self._stream = stream
        self._source = source
        self._as_json = as_json
        self._held: deque[str] | None = deque(maxlen=_MOST_HELD) if held else None

    def write(self, item: Item) -> None:
        match item:
            case EventStart() | EventAlert() | EventEnd() | Gap() if self._as_json:
                self._print(as_json(item, self._source))
            case EventStart(alert=True) | EventAlert():
                self._print(f"{iso_time(item.time)}  {item.label.name}  {item.score:.2f}")

    def close(self) -> None:
        held, self._held = self._held, None
        for line in held or ():
            self._print(line)

    def _print(self, line: str) -> None:
        if self._held is not None:
            self._held.append(line)
        else:
            try:
                print(line, file=self._stream, flush=True)
            except OSError:
                with contextlib.suppress(OSError):
                    self._stream.close()  # or what it still holds would be tried again at the end
                raise
