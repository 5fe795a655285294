"""The event log: one CSV row for each event as it ends, appended and flushed."""

import csv
from pathlib import Path
from typing import TextIO

from livetag.errors import LivetagError, UsageError
from livetag.events import EventEnd, Record
from livetag.sinks.base import iso_time, rounded, score

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


class CsvSink:
    """Appends to a log, which gets its header when it is new."""

    def __init__(self, path: Path, source: str) -> None:
        """Open the log. Raises `UsageError` where the file is something else, or `LivetagError`."""
        self.name = str(path)
        self._source = source
        try:
            self._file = _open_log(path)
        except OSError as error:
            raise LivetagError(f"the log {path} cannot be written: {error.strerror}") from error
        self._writer = csv.writer(self._file, lineterminator="\n")

    def write(self, record: Record) -> None:
        if not isinstance(record, EventEnd):
            return
        start = record.start
        self._writer.writerow(
            (
                iso_time(start.time),
                iso_time(record.end_time),
                rounded(start.start_s),
                rounded(record.end_s),
                start.label.index,
                start.label.mid,
                start.label.name,
                score(record.peak_score),
                score(record.mean_score),
                score(start.threshold),
                self._source,
            )
        )
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _open_log(path: Path) -> TextIO:
    header = ",".join(COLUMNS)
    last_line = b""
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as existing:
            first_line = existing.readline(1_000).strip().decode("utf-8", "replace")
            existing.seek(max(0, path.stat().st_size - 4_096))
            last_line = existing.read().rpartition(b"\n")[2]
        if first_line != header:
            raise UsageError(
                f"{path} is not a log of livetag's (its first line differs): name another --csv"
            )
        header = ""
    file = path.open("a", newline="", encoding="utf-8", errors="backslashreplace")
    if last_line:  # a row cut short by a crash keeps its line to itself
        file.write('"\n' if last_line.count(b'"') % 2 else "\n")
    if header:
        file.write(header + "\n")
    file.flush()
    return file
