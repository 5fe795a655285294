"""What stands on standard output: lines that people read, objects that their scripts read."""

import errno
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from livetag.events import (
    Anchor,
    EventAlert,
    EventEnd,
    EventStart,
    Explanation,
    Gap,
    Item,
    Level,
    Pace,
    Record,
)
from livetag.records import as_object, iso_time
from livetag.sinks.console import ConsoleSink
from livetag.yamnet.labels import Label

DOG = Label(69, "/m/0bt9lr", "Dog")
UNIX_TIME = 1_795_365_912.4804
START = EventStart(DOG, UNIX_TIME, 12.48, 0.97128, 0.5, -31.2, alert=True)
UNASKED = replace(START, label=Label(0, "/m/09x0r", "Speech"), alert=False)
WITHHELD = replace(START, alert=False, withheld="cooldown 41 s")
LATE = EventAlert(WITHHELD, DOG, UNIX_TIME + 41.0, 53.48, 0.876)
END = EventEnd(START, UNIX_TIME + 2.88, 15.36, 0.99004, 0.95, 6, -20.0, alert=True)
GAP = Gap(UNIX_TIME, 20.0, 0.21, "overflow")
PACE = Pace(UNIX_TIME, 30.0, 3.2, 0.96, 2, degraded=True)


def printed(records: list[Record], as_json: bool) -> list[str]:
    stream = io.StringIO()
    sink = ConsoleSink(stream, "USB Audio", as_json)
    for record in records:
        sink.write(record)
    sink.close()
    return stream.getvalue().splitlines()


def test_an_alert_is_one_line_and_nothing_else_is_any() -> None:
    (line,) = printed([START, UNASKED, GAP, PACE, END], as_json=False)
    assert line == f"{iso_time(UNIX_TIME)}  Dog  0.97"


def test_what_withheld_an_alert_is_over_and_its_line_has_the_time_and_score_of_then() -> None:
    (line,) = printed([WITHHELD, LATE, replace(END, start=WITHHELD)], as_json=False)
    assert line == f"{iso_time(UNIX_TIME + 41.0)}  Dog  0.88"


def test_a_late_alert_of_a_group_names_the_member_that_is_heard_then() -> None:
    late = replace(LATE, start=replace(WITHHELD, group="pets"), label=Label(70, "/m/x", "Bark"))
    (line,) = printed([late], as_json=False)
    assert line == f"{iso_time(UNIX_TIME + 41.0)}  Bark  0.88"


def test_with_json_every_record_is_one_object_a_line_alert_or_not() -> None:
    records: list[Record] = [START, UNASKED, GAP, WITHHELD, LATE, PACE, END]
    lines = printed(records, as_json=True)
    assert [json.loads(line) for line in lines] == [as_object(r, "USB Audio") for r in records]
    assert all(", " not in line and '": ' not in line for line in lines)


def test_with_json_digital_silence_is_null_and_not_a_word_that_no_json_has() -> None:
    (line,) = printed([replace(START, level_dbfs=float("-inf"))], as_json=True)
    assert '"level_dbfs":null' in line


def test_a_label_stays_one_line_with_json() -> None:
    (line,) = printed([replace(START, group="two\nlines", withheld="while “Ü”")], as_json=True)
    assert (json.loads(line)["group"], json.loads(line)["withheld"]) == ("two\nlines", "while “Ü”")
    assert line.isascii()  # whatever standard output can encode


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_no_record_is_not_printed(as_json: bool) -> None:
    stream = io.StringIO()
    sink = ConsoleSink(stream, "demo", as_json)
    time = Anchor(0.0, UNIX_TIME).time_at(0.0)
    others: tuple[Item, ...] = (
        Level(1.0, -20.0, -10.0, clipped=False),
        Explanation(DOG, time, 1.0, 0.27, "0.27 of 0.30"),
    )
    for item in others:
        assert not isinstance(item, sink.takes)
        sink.write(item)
    assert stream.getvalue() == ""


class Watched(io.StringIO):
    """A stream that remembers what had been flushed."""

    flushed = ""

    def flush(self) -> None:
        self.flushed = self.getvalue()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("record", [START, LATE])
def test_a_line_is_on_its_way_when_write_returns(record: Record, as_json: bool) -> None:
    stream = Watched()
    ConsoleSink(stream, "demo", as_json).write(record)
    assert stream.flushed.endswith("\n")


# --- Held ---------------------------------------------------------------------------------------


def test_held_lines_come_out_at_the_end_in_order() -> None:
    stream = io.StringIO()
    sink = ConsoleSink(stream, "demo", as_json=True, covering=lambda: True)
    for record in (START, GAP, END):
        sink.write(record)
    assert stream.getvalue() == ""
    sink.close()
    kinds = [json.loads(line)["type"] for line in stream.getvalue().splitlines()]
    assert kinds == ["event_start", "gap", "event_end"]


def test_of_held_lines_the_latest_thousand_are_kept() -> None:
    stream = io.StringIO()
    sink = ConsoleSink(stream, "demo", as_json=True, covering=lambda: True)
    for number in range(1_500):
        sink.write(replace(GAP, start_s=float(number)))
    sink.close()
    kept = [json.loads(line)["start_s"] for line in stream.getvalue().splitlines()]
    assert kept == [float(number) for number in range(500, 1_500)]


def test_held_lines_come_out_with_the_next_one_when_nothing_covers_them() -> None:
    stream = io.StringIO()
    covered = True
    sink = ConsoleSink(stream, "demo", as_json=True, covering=lambda: covered)
    sink.write(START)
    sink.write(GAP)
    covered = False
    assert stream.getvalue() == ""
    sink.write(END)
    kinds = [json.loads(line)["type"] for line in stream.getvalue().splitlines()]
    assert kinds == ["event_start", "gap", "event_end"]
    covered = True
    sink.write(GAP)
    assert stream.getvalue().count("\n") == 3
    sink.close()
    assert stream.getvalue().count("\n") == 4


def test_a_sink_that_holds_nothing_back_prints_nothing_more_as_it_closes() -> None:
    stream = io.StringIO()
    sink = ConsoleSink(stream, "demo", as_json=False)
    sink.write(START)
    sink.close()
    assert stream.getvalue().count("\n") == 1


# --- What fails ---------------------------------------------------------------------------------


class Pipe:
    """Standard output as a pipe that nobody reads, until `read`."""

    def __init__(self, blocking: bool = True) -> None:
        self.reading, writing = os.pipe()
        os.set_blocking(writing, blocking)
        self.stream = os.fdopen(writing, "w", encoding="utf-8", errors="backslashreplace")

    def read(self) -> bytes:
        """All that is in it now."""
        os.set_blocking(self.reading, False)
        content = b""
        while True:
            try:
                content += os.read(self.reading, 65_536)
            except BlockingIOError:
                return content


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe(blocking=False)
    yield made
    made.stream.close()
    os.close(made.reading)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("held", [False, True])
def test_a_full_disk_is_raised_and_nothing_is_left_for_when_the_stream_goes(held: bool) -> None:
    stream = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115
    sink = ConsoleSink(stream, "demo", as_json=False, covering=lambda: held)
    if held:
        sink.write(START)  # no line goes out yet
    first: Callable[[], None] = sink.close if held else lambda: sink.write(START)
    for attempt in (first, sink.retry):
        with pytest.raises(OSError, match="No space left") as caught:
            attempt()
        assert caught.value.errno == errno.ENOSPC
    stream.close()


def test_a_line_that_a_full_disk_cut_short_is_gone_on_with(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "out.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        sink = ConsoleSink(stream, "demo", as_json=True)
        sink.write(START)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, before[1]))
        try:
            attempts: list[Callable[[], None]] = [lambda: sink.write(END), sink.retry]
            for attempt in attempts:
                with pytest.raises(OSError, match="File too large"):
                    attempt()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not path.read_text().endswith("\n")
        sink.retry()
        sink.write(GAP)
        sink.close()
    kinds = [json.loads(line)["type"] for line in path.read_text().splitlines()]
    assert kinds == ["event_start", "event_end", "gap"]


@pytest.mark.parametrize("held", [False, True])
def test_a_pipe_that_takes_nothing_now_gets_each_line_once_and_whole(
    pipe: Pipe, held: bool
) -> None:
    """Another program at the same pipe may have made it one that does not wait."""
    sink = ConsoleSink(pipe.stream, "demo", as_json=True, covering=lambda: held)
    gaps = [replace(GAP, start_s=float(number)) for number in range(1_000)]
    written = 0
    content = b""
    for gap in gaps:
        try:
            sink.write(gap)
        except BlockingIOError:
            content += pipe.read()
            sink.retry()
            written += 1
    while True:
        try:
            sink.close()
            break
        except BlockingIOError:
            content += pipe.read()
            written += 1
    content += pipe.read()
    assert written > 0
    starts = [json.loads(line)["start_s"] for line in content.decode().splitlines()]
    assert starts == [float(number) for number in range(1_000)]


def test_a_reader_that_has_gone_away_is_a_broken_pipe() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream, pytest.raises(BrokenPipeError):
        ConsoleSink(stream, "demo", as_json=True).write(START)


@pytest.mark.parametrize(
    ("as_json", "expected"),
    [(False, [True, False, False, True, False]), (True, [True] * 5)],
)
def test_what_is_printed_is_what_counts_as_lost_where_it_is_not(
    as_json: bool, expected: list[bool]
) -> None:
    sink = ConsoleSink(io.StringIO(), "demo", as_json)
    items: list[Item] = [START, UNASKED, END, LATE, GAP]
    assert [sink.writes(item) for item in items] == expected
    assert not sink.writes(Level(1.0, -20.0, -10.0, clipped=False))
