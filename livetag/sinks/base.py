"""What every sink is, and how records are written as text."""

from datetime import datetime
from typing import Protocol

from livetag.events import Record


class Sink(Protocol):
    """Something that records are written to. Its methods raise `OSError` where that fails."""

    name: str

    def write(self, record: Record) -> None:
        """Take one record, and have it on its way out when this returns."""
        ...

    def close(self) -> None: ...


def iso_time(unix_time: float) -> str:
    """ISO 8601 in the machine's time zone, with milliseconds and offset."""
    return datetime.fromtimestamp(unix_time).astimezone().isoformat(timespec="milliseconds")


def rounded(seconds: float) -> float:
    """Seconds to the millisecond, as records carry them."""
    return round(seconds, 3)


def score(value: float) -> float:
    """Scores to four places: the runtimes agree to more, readers need less."""
    return round(value, 4)
