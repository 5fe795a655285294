"""What every sink is, and which events it may be asked to leave out."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Protocol

from livetag.events import EventAlert, EventEnd, EventStart, Gap, Item, Record


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
