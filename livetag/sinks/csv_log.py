"""The event log: one CSV row for each event as it ends, appended and flushed."""

import csv
import io
from pathlib import Path

from livetag.events import EventEnd, Item
from livetag.logfile import LogFile, LogFormat
from livetag.records import iso_time, rounded, score
from livetag.sinks.base import EVERYTHING, Selection

COLUMNS = (
    "start",
    "end",
    "start_s",
    "end_s",
    "index",
    "mid",
    "label",
    "peak_score",
    "mean_score",
    "threshold",
    "source",
)
FORMAT = LogFormat(header=",".join(COLUMNS), quoted=True)

_LINE_END = "\r\n"  # what `csv` puts in quotes where a name holds it; none of it is written


class CsvSink:
    """Appends to a log, each of whose files has the header once."""

    takes: tuple[type, ...] = (EventEnd,)

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
        if isinstance(item, EventEnd) and self._selection.wants(item):
            self._file.write(_row(item, self._source), item.start.time)

    def close(self) -> None:
        self._file.close()


def _row(end: EventEnd, source: str) -> str:
    start = end.start
    row = io.StringIO(newline="")
    csv.writer(row, lineterminator=_LINE_END).writerow(
        (
            iso_time(start.time),
            iso_time(end.end_time),
            rounded(start.start_s),
            rounded(end.end_s),
            start.label.index,
            start.label.mid,
            start.label.name,
            score(end.peak_score),
            score(end.mean_score),
            score(start.threshold),
            source,
        )
    )
    return row.getvalue().removesuffix(_LINE_END)
