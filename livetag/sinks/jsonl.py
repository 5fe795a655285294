"""The record log: one JSON object a line for each record."""

import json
import re

from livetag.events import EventAlert, EventEnd, EventStart, Gap, Pace, Record
from livetag.log_format import LogFormat
from livetag.records import as_json
from livetag.sinks.base import TextLogSink


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


class JsonLinesSink(TextLogSink[Record]):
    """Appends to a log of JSON lines, the objects of `--json`."""

    takes = (EventStart, EventAlert, EventEnd, Gap, Pace)
    log_format = LogFormat(first_line=re.compile(r'\{"'), is_whole=_is_json)

    def _line(self, record: Record) -> str:
        return as_json(record, self._source)
