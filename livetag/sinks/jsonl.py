"""The record log: one JSON object a line for each start, late alert, end and gap."""

import re
from pathlib import Path

from livetag.events import EventAlert, EventEnd, EventStart, Gap, Item, Record
from livetag.logfile import LogFile, LogFormat
from livetag.records import as_json
from livetag.sinks.base import EVERYTHING, Selection

FORMAT = LogFormat(first_line=re.compile(r"\{"))


class JsonLinesSink:
    """Appends to a log of JSON lines, the objects of `--json`."""

    takes: tuple[type, ...] = (EventStart, EventAlert, EventEnd, Gap)

    def __init__(
        self,
        path: Path,
        source: str,
        selection: Selection = EVERYTHING,
        max_megabytes: float | None = None,
        opened_at: float | None = None,
    ) -> None:
        """Open the log. Raises `UsageError` where the file is something else, or `LivetagError`."""
        self.name = str(path)
        self._source = source
        self._selection = selection
        self._file = LogFile(path, FORMAT, max_megabytes, opened_at)

    def write(self, item: Item) -> None:
        match item:
            case EventStart() | EventAlert() | EventEnd() | Gap() if self._selection.wants(item):
                self._file.write(as_json(item, self._source), _began(item))

    def close(self) -> None:
        self._file.close()


def _began(record: Record) -> float:
    """The UNIX time at which began what a record tells of."""
    return record.start.time if isinstance(record, EventAlert | EventEnd) else record.time
