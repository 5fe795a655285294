"""The history as a sink: each event and gap as a row of the database, committed as it ends."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livetag.events import EventEnd, EventStart, Gap, Item, Level
from livetag.history import HistoryWriter, Run, explain, is_locked
from livetag.sinks.base import EVERYTHING, Selection


class HistorySink:
    """Writes one run's events to a history. Levels tell it that the run goes on in silence.

    While another program keeps the history locked, `write` waits: its thread has nothing else to
    do, and what comes meanwhile waits in its queue.
    """

    takes = (EventStart, EventEnd, Gap, Level)

    def __init__(self, path: Path, run: Run, selection: Selection = EVERYTHING) -> None:
        """Open the history. Raises `UsageError` where the file is something else.

        Raises `LivetagError` where it cannot be opened or written.
        """
        self.name = str(path)
        self._selection = selection
        self._writer = HistoryWriter(path, run)

    def write(self, item: Item) -> None:
        with _as_os_error():
            while True:
                try:
                    self._write(item)
                    return
                except sqlite3.OperationalError as error:
                    if not is_locked(error):
                        raise

    def _write(self, item: Item) -> None:
        match item:
            case Level():
                self._writer.heard(item.end_s)
            case EventStart():
                self._writer.date(item.start_s, item.time)
            case EventEnd() if self._selection.wants(item):
                self._writer.event(item)
            case Gap():
                self._writer.date(item.start_s, item.time)
                self._writer.gap(item)

    def close(self) -> None:
        with _as_os_error():
            self._writer.close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(errno.EIO, explain(error)) from error
