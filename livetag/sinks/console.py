"""Alerts, or JSON records, on standard output. The monitor prints here alone."""

import json
from collections import deque
from typing import Any, TextIO

from livetag.events import EventEnd, EventStart, Gap, Record
from livetag.sinks.base import iso_time, rounded, score

_MOST_HELD = 1_000


class ConsoleSink:
    """One line for each alert as it starts; with `as_json` one object for each record.

    With `held`, lines wait for `close`: the dashboard covers the terminal they would go to.
    """

    name = "standard output"

    def __init__(self, stream: TextIO, source: str, as_json: bool, held: bool = False) -> None:
        self._stream = stream
        self._source = source
        self._as_json = as_json
        self._held: deque[str] | None = deque(maxlen=_MOST_HELD) if held else None

    def write(self, record: Record) -> None:
        if self._as_json:
            self._print(json.dumps(as_object(record, self._source), separators=(",", ":")))
        elif isinstance(record, EventStart) and record.alert:
            self._print(f"{iso_time(record.time)}  {record.label.name}  {record.score:.2f}")

    def close(self) -> None:
        held, self._held = self._held, None
        for line in held or ():
            self._print(line)

    def _print(self, line: str) -> None:
        if self._held is not None:
            self._held.append(line)
        else:
            print(line, file=self._stream, flush=True)


def as_object(record: Record, source: str) -> dict[str, Any]:
    """A record as the JSON object that users' scripts read."""
    match record:
        case EventStart():
            return {"type": "event_start", **_start_fields(record, source)}
        case EventEnd():
            return {
                "type": "event_end",
                **_start_fields(record.start, source),
                "end_time": iso_time(record.end_time),
                "end_s": rounded(record.end_s),
                "peak_score": score(record.peak_score),
                "mean_score": score(record.mean_score),
                "windows": record.windows,
            }
        case Gap():
            return {
                "type": "gap",
                "time": iso_time(record.time),
                "start_s": rounded(record.start_s),
                "lost_seconds": rounded(record.lost_seconds),
                "reason": record.reason,
            }


def _start_fields(start: EventStart, source: str) -> dict[str, Any]:
    return {
        "time": iso_time(start.time),
        "start_s": rounded(start.start_s),
        "label": start.label.name,
        "index": start.label.index,
        "mid": start.label.mid,
        "score": score(start.score),
        "threshold": score(start.threshold),
        "alert": start.alert,
        "source": source,
    }
