"""What every sink is, which events it may be asked to leave out, and what text logs share."""

import errno
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

from livetag.events import EventAlert, EventEnd, EventStart, Gap, Item, Pace, Record
from livetag.log_format import LogFormat
from livetag.logfile import LogFile

R = TypeVar("R", bound=Record)


class LeftOutError(OSError):
    """Records that a sink could not write and keeps no longer: how many, and why."""

    def __init__(self, records: int, reason: str) -> None:
        super().__init__(errno.EIO, reason)
        self.records = records


class Sink(Protocol):
    """Something that items are written to. Its methods raise `OSError` where that fails.

    Each sink has a thread of its own that calls it: what is slow here holds up nobody else. An item
    is taken once `write` was called with it: what could not be written of it, the sink keeps, and
    writes in `retry`, which is called until it succeeds before anything else is written.

    A sink of audio is given it all the same meanwhile, lest what it makes of it have holes. It
    keeps what it makes, within bounds, and raises `LeftOutError` for what is beyond them; so it
    does in `close` for what it could not write at all.

    `BlockingIOError` says that another holds what is needed, as a lock: it is no failure.
    """

    name: str

    @property
    def takes(self) -> tuple[type, ...]:
        """The kinds of items that `write` is given; others it never sees."""
        ...

    def write(self, item: Item) -> None:
        """Take one item, and have it on its way out when this returns."""
        ...

    def writes(self, item: Item) -> bool:
        """Whether anything of this item is to be written: what is lost with others is nothing.

        Of those others it is given the last of each kind alone, where they wait in a row.
        """
        ...

    def retry(self) -> None:
        """Write what a failed `write` or `retry` left; open again what has to be."""
        ...

    def reopen(self) -> None:
        """Open files again by their names: others may have moved them away."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Selection:
    """Which events a sink wants: alerts alone, or those of some classes alone (by index)."""

    alerts_only: bool = False
    classes: Set[int] | None = None

    def wants(self, record: Record) -> bool:
        """Whether a record is to be written. Gaps always are."""
        match record:
            case Gap() | Pace():
                return True
            case EventAlert():
                return self._wants_class(record.start)
            case EventStart():
                return self._wants_class(record) and (record.alert or not self.alerts_only)
            case EventEnd():
                return self._wants_class(record.start) and (record.alert or not self.alerts_only)

    def _wants_class(self, start: EventStart) -> bool:
        return self.classes is None or start.label.index in self.classes


EVERYTHING = Selection()


class TextLogSink(Generic[R]):
    """A text file with a line for each record that is wanted; what it takes are of type R."""

    takes: tuple[type, ...] = (EventEnd,)
    log_format: LogFormat

    def __init__(
        self,
        path: Path,
        source: str,
        selection: Selection = EVERYTHING,
        max_megabytes: float | None = None,
        opened_at: float | None = None,
        synced: bool = True,
    ) -> None:
        """Open the file. Raises `UsageError` where it cannot be added to, or `LivetagError`.

        `synced`: each record is on the disk itself when `write` returns.
        """
        self.name = str(path)
        self._source = source
        self._selection = selection
        self._file = LogFile(path, self.log_format, max_megabytes, opened_at, synced)
        self._unwritten: tuple[str, float] | None = None

    def writes(self, item: Item) -> bool:
        return isinstance(item, self.takes) and self._selection.wants(cast(R, item))

    def write(self, item: Item) -> None:
        """Write a record's line, in the file of the time at which what it tells of began."""
        if self.writes(item):
            record = cast(R, item)
            start = record.start if isinstance(record, EventAlert | EventEnd) else record
            self._unwritten = self._line(record), start.time
            self.retry()

    def retry(self) -> None:
        if self._unwritten is None:
            self._file.reopen()
        else:
            self._file.write(*self._unwritten)
            self._unwritten = None

    def reopen(self) -> None:
        self._file.reopen()

    def go_on(self, selection: Selection, max_megabytes: float | None) -> None:
        """Have what is written from now on, and files' size, be of another configuration."""
        self._selection = selection
        self._file.max_megabytes = max_megabytes

    def close(self) -> None:
        self._file.close()

    def _line(self, record: R) -> str:
        raise NotImplementedError
