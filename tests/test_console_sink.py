"""What stands on standard output: lines that people read, objects that their scripts read."""

import io
import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from livetag.events import EventEnd, EventStart, Gap, Record
from livetag.sinks.base import iso_time
from livetag.sinks.console import ConsoleSink
from livetag.yamnet.labels import Label

DOG = Label(69, "/m/0bt9lr", "Dog")
UNIX_TIME = 1_795_365_912.4804  # 2026-11-22T16:45:12.480 in UTC
START = EventStart(DOG, UNIX_TIME, 12.48, 0.97128, 0.5, alert=True)
UNASKED = EventStart(Label(0, "/m/09x0r", "Speech"), UNIX_TIME, 12.48, 0.97, 0.5, alert=False)
END = EventEnd(START, UNIX_TIME + 2.88, 15.36, 0.99004, 0.95, 6)
GAP = Gap(UNIX_TIME, 20.0, 0.2100004, "overflow")


@pytest.fixture(params=["UTC0", "CET-1", "IST-5:30", "EST5"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system's zone cannot be changed")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield {
        "UTC0": "16:45:12.480+00:00",
        "CET-1": "17:45:12.480+01:00",
        "IST-5:30": "22:15:12.480+05:30",
        "EST5": "11:45:12.480-05:00",
    }[request.param]
    monkeypatch.undo()
    time.tzset()


def printed(records: list[Record], as_json: bool) -> list[str]:
    stream = io.StringIO()
    sink = ConsoleSink(stream, "USB Audio", as_json)
    for record in records:
        sink.write(record)
    sink.close()
    return stream.getvalue().splitlines()


def objects(records: list[Record]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed(records, as_json=True)]


def test_an_alert_is_one_line_and_nothing_else_is_any() -> None:
    (line,) = printed([START, UNASKED, GAP, END], as_json=False)
    assert line == f"{iso_time(UNIX_TIME)}  Dog  0.97"


def test_times_have_milliseconds_and_the_offset_of_the_zone(zone: str) -> None:
    text = iso_time(UNIX_TIME)
    assert text == f"2026-11-22T{zone}"
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(UNIX_TIME, abs=0.001)


def test_a_start_is_an_object_with_all_that_scripts_rely_on() -> None:
    (start,) = objects([START])
    expected = {
        "type": "event_start",
        "time": iso_time(UNIX_TIME),
        "start_s": 12.48,
        "label": "Dog",
        "index": 69,
        "mid": "/m/0bt9lr",
        "score": 0.9713,
        "threshold": 0.5,
        "source": "USB Audio",
    }
    assert start.items() >= expected.items()


def test_an_end_holds_its_start_and_what_came_of_it() -> None:
    (end,) = objects([END])
    (start,) = objects([START])
    assert end.items() >= (start | {"type": "event_end"}).items()
    expected = {"end_s": 15.36, "peak_score": 0.99, "mean_score": 0.95, "windows": 6}
    assert end.items() >= expected.items()


def test_a_gap_is_an_object() -> None:
    (gap,) = objects([GAP])
    expected = {
        "type": "gap",
        "time": iso_time(UNIX_TIME),
        "start_s": 20.0,
        "lost_seconds": 0.21,
        "reason": "overflow",
    }
    assert gap.items() >= expected.items()


def test_with_json_events_that_alert_nobody_are_told_and_marked() -> None:
    assert [(o["label"], o["alert"]) for o in objects([UNASKED, START])] == [
        ("Speech", False),
        ("Dog", True),
    ]


class Watched(io.StringIO):
    """A stream that remembers what had been flushed."""

    flushed = ""

    def flush(self) -> None:
        self.flushed = self.getvalue()


@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_is_on_its_way_when_write_returns(as_json: bool) -> None:
    stream = Watched()
    ConsoleSink(stream, "demo", as_json).write(START)
    assert stream.flushed.endswith("\n")


def test_held_lines_come_out_at_the_end_in_order() -> None:
    stream = io.StringIO()
    sink = ConsoleSink(stream, "demo", as_json=True, held=True)
    for record in (START, GAP, END):
        sink.write(record)
    assert stream.getvalue() == ""
    sink.close()
    kinds = [json.loads(line)["type"] for line in stream.getvalue().splitlines()]
    assert kinds == ["event_start", "gap", "event_end"]
