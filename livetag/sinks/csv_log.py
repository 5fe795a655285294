"""The event log: one CSV row for each event as it ends, appended and flushed."""

import csv
import io

from livetag.events import EventEnd
from livetag.log_format import LogFormat, row_of
from livetag.records import iso_time, rounded, score
from livetag.sinks.base import TextLogSink

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
_LINE_END = "\r\n"  # what `csv` puts in quotes where a name holds it; none of it is written


class CsvSink(TextLogSink[EventEnd]):
    """Appends to a log, each of whose files has the header once."""

    log_format = LogFormat(header=",".join(COLUMNS), is_whole=row_of(len(COLUMNS)))

    def _line(self, record: EventEnd) -> str:
        return _row(record, self._source)


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
