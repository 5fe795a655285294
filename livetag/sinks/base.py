"""What every sink is, which events it may be asked to leave out, and what text logs share."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

from livetag.events import EventAlert, EventEnd, EventStart, Gap, Item, Record
from livetag.logfile import LogFile, LogFormat

R = TypeVar("R", bound=Record)


class Sink(Protocol):
    """Something that items are written to. Its methods raise `OSError` where that fails.

    Each sink has a thread of its own that calls it: what is slow here holds up nobody else.
    """

    name: str

    @property
    def takes(self) -> tuple[type, ...]:
        """The kinds of items that `write` is given; others it never sees."""
        ...

    def write(self, item: Item) -> None:
        """Take one item, and have it on its way out when this returns."""
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
            case Gap():
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
    ) -> None:
        """Open the file. Raises `UsageError` where it cannot be added to, or `LivetagError`."""
        self.name = str(path)
        self._source = source
        self._selection = selection
        self._file = LogFile(path, self.log_format, max_megabytes, opened_at)

    def write(self, item: Item) -> None:
        """Write a record's line, in the file of the time at which what it tells of began."""
        if not isinstance(item, self.takes):
            return
        record = cast(R, item)
        if self._selection.wants(record):
            start = record.start if isinstance(record, EventAlert | EventEnd) else record
            self._file.write(self._line(record), start.time)

    def close(self) -> None:
        self._file.close()

    def _line(self, record: R) -> str:
        raise NotImplementedError
