"""The record log: one object a line, the same that `--json` prints."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livetag.errors import LivetagError, UsageError
from livetag.events import EventAlert, EventEnd, EventStart, Gap, Level, Pace, Record
from livetag.records import as_object
from livetag.sinks.base import EVERYTHING, Selection
from livetag.sinks.jsonl import JsonLinesSink
from livetag.yamnet.labels import Label

UNIX_TIME = 1_795_365_912.48
START = EventStart(Label(69, "/m/0bt9lr", "Dog"), UNIX_TIME, 12.48, 0.97, 0.5, -31.26, False)
LATE = EventAlert(START, START.label, UNIX_TIME + 0.48, 12.96, 0.98)
END = EventEnd(START, UNIX_TIME + 2.88, 15.36, 0.99, 0.95, 6, -28.04, True)
GAP = Gap(UNIX_TIME, 20.0, 0.2100004, "overflow")
PACE = Pace(UNIX_TIME, 30.0, 3.2, 0.96, 2, degraded=True)
RECORDS: tuple[Record, ...] = (START, LATE, END, GAP, PACE)


def written(path: Path, *records: Record, selection: Selection = EVERYTHING) -> list[Any]:
    sink = JsonLinesSink(path, "demo", selection)
    for record in records:
        sink.write(record)
    sink.close()
    return objects(path)


def objects(path: Path) -> list[dict[str, Any]]:
    def refused(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refused) for line in lines]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "records.jsonl"


def test_each_record_is_an_object_on_a_line_of_its_own(log: Path) -> None:
    assert written(log, *RECORDS) == [as_object(record, "demo") for record in RECORDS]
    assert log.read_text().count("\n") == len(RECORDS)
    assert b'{"type":"event_start","time":' in log.read_bytes()


def test_every_kind_of_record_is_taken_and_nothing_else_is_written(log: Path) -> None:
    assert {type(record) for record in RECORDS} == set(JsonLinesSink.takes)
    sink = JsonLinesSink(log, "demo")
    sink.write(Level(1.0, -30.0, -20.0, False))
    sink.close()
    assert log.read_bytes() == b""


def test_an_alert_that_came_late_is_written_where_alerts_alone_are(log: Path) -> None:
    alerts = Selection(alerts_only=True)
    unheard = replace(END, alert=False)
    kinds = [found["type"] for found in written(log, *RECORDS, unheard, selection=alerts)]
    assert kinds == ["event_alert", "event_end", "gap", "pace"]


def test_only_classes_that_are_selected_are_written_and_gaps_and_pace_always(log: Path) -> None:
    kinds = [found["type"] for found in written(log, *RECORDS, selection=Selection(classes={70}))]
    assert kinds == ["gap", "pace"]


def test_digital_silence_has_no_level_and_its_line_is_json(log: Path) -> None:
    silent = replace(START, level_dbfs=float("-inf"))
    late, end = replace(LATE, start=silent), replace(END, start=silent, level_dbfs=float("-inf"))
    assert [found["level_dbfs"] for found in written(log, silent, late, end)] == [None] * 3


@pytest.mark.parametrize("source", ["two\nlines", 'a "quoted"\ttab', "caf\udce9", "\u2028", "ü"])
def test_a_source_of_any_name_is_on_one_line_and_read_back(source: str, log: Path) -> None:
    sink = JsonLinesSink(log, source)
    sink.write(END)
    sink.close()
    (found,) = objects(log)
    assert found["source"] == source


def test_records_are_in_the_file_of_the_start_they_tell_of(tmp_path: Path) -> None:
    year_s = 366 * 86_400.0
    sink = JsonLinesSink(tmp_path / "%Y.jsonl", "demo", opened_at=UNIX_TIME)
    for record in (
        START,
        replace(LATE, time=UNIX_TIME + year_s),
        replace(END, end_time=UNIX_TIME + year_s),
        replace(GAP, time=UNIX_TIME + year_s),
    ):
        sink.write(record)
    sink.close()
    kinds = {path.name: [found["type"] for found in objects(path)] for path in tmp_path.iterdir()}
    assert kinds == {
        "2026.jsonl": ["event_start", "event_alert", "event_end"],
        "2027.jsonl": ["gap"],
    }


@pytest.mark.parametrize(("missing", "kept"), [(20, 1), (2, 1), (1, 2), (0, 2)])
def test_a_second_run_appends_and_every_line_is_whole(missing: int, kept: int, log: Path) -> None:
    written(log, START, END)
    content = log.read_bytes()
    log.write_bytes(content[: len(content) - missing])
    sink = JsonLinesSink(log, "demo")
    sink.write(GAP)
    sink.close()
    old: list[Record] = [START, END]
    expected = [*old[:kept], GAP]
    assert objects(log) == [as_object(record, "demo") for record in expected]


def test_a_file_that_is_something_else_is_refused_and_stays_as_it_is(log: Path) -> None:
    log.write_text("start,end\n")
    with pytest.raises(UsageError, match=r"records\.jsonl is not a log of livetag's"):
        JsonLinesSink(log, "demo")
    assert log.read_text() == "start,end\n"


def test_a_log_that_grew_too_large_is_followed_by_another(log: Path) -> None:
    sink = JsonLinesSink(log, "demo", max_megabytes=0.001)
    for _ in range(10):
        sink.write(END)
    sink.close()
    files = list(log.parent.iterdir())
    assert max(file.stat().st_size for file in files) <= 1_000
    assert sum(len(objects(file)) for file in files) == 10


def test_the_first_file_is_of_the_time_at_which_the_log_opens(tmp_path: Path) -> None:
    JsonLinesSink(tmp_path / "%Y", "demo", opened_at=1e9).close()
    assert [path.name for path in tmp_path.iterdir()] == ["2001"]


def test_a_log_that_cannot_be_opened_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(LivetagError, match=r"records\.jsonl cannot be written: No such file"):
        JsonLinesSink(tmp_path / "no folder" / "records.jsonl", "demo")
