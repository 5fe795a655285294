"""The history as a sink: each event and gap as a row of the database, committed as it ends."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livetag.errors import LivetagError, UsageError
from livetag.events import EventEnd, EventStart, Gap, Item, Level
from livetag.history import HistoryWriter, Run
from livetag.history_file import explain, is_locked
from livetag.sinks.base import EVERYTHING, Selection


class HistorySink:
    """Writes one run's events to a history. Levels tell it that the run goes on in silence.

    While another program keeps the history locked, its methods raise `BlockingIOError`.
    """

    takes = (EventStart, EventEnd, Gap, Level)

    def __init__(
        self, path: Path, run: Run, selection: Selection = EVERYTHING, synced: bool = True
    ) -> None:
        """Open the history. Raises `UsageError` where the file is something else.

        Raises `LivetagError` where it cannot be opened or written. `synced`: what is written is on
        the disk itself when `write` returns.
        """
        self.name = str(path)
        self._selection = selection
        self._writer = HistoryWriter(path, run, synced=synced)
        self._unwritten: Item | None = None

    def writes(self, item: Item) -> bool:
        return isinstance(item, Gap) or (isinstance(item, EventEnd) and self._selection.wants(item))

    def write(self, item: Item) -> None:
        self._unwritten = item
        self.retry()

    def retry(self) -> None:
        with _as_os_error():
            match self._unwritten:
                case Level() as level:
                    self._writer.heard(level.end_s)
                case EventStart() as start:
                    self._writer.date(start.start_s, start.time)
                case EventEnd() as end if self._selection.wants(end):
                    self._writer.event(end)
                case Gap() as gap:
                    self._writer.date(gap.start_s, gap.time)
                    self._writer.gap(gap)
                case None:
                    self._writer.reopen()
        self._unwritten = None

    def reopen(self) -> None:
        with _as_os_error():
            self._writer.reopen()

    def close(self) -> None:
        with _as_os_error():
            self._writer.close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except UsageError as error:  # another file of the same name
        raise OSError(errno.EEXIST, str(error)) from error
    except (sqlite3.Error, LivetagError) as error:
        cause = error if isinstance(error, sqlite3.Error) else error.__cause__
        if isinstance(cause, OSError):
            raise OSError(cause.errno, cause.strerror) from error
        if isinstance(cause, sqlite3.Error) and is_locked(cause):
            raise BlockingIOError(errno.EAGAIN, explain(cause)) from error
        reason = explain(cause) if isinstance(cause, sqlite3.Error) else str(error)
        raise OSError(errno.EIO, reason) from error
