"""The event log: rows that any CSV reader takes, and a file that is never spoilt."""

import csv
from pathlib import Path

import pytest

from livetag.errors import LivetagError, UsageError
from livetag.events import EventEnd, EventStart, Gap
from livetag.records import iso_time
from livetag.sinks.base import Selection
from livetag.sinks.csv_log import CsvSink
from livetag.yamnet.labels import Label

HEADER = "start,end,start_s,end_s,index,mid,label,peak_score,mean_score,threshold,source"
UNIX_TIME = 1_795_365_912.48


def ended(
    name: str = "Dog", start_s: float = 12.48, index: int = 69, alert: bool = True
) -> EventEnd:
    label = Label(index, "/m/0bt9lr", name)
    at = UNIX_TIME + start_s - 12.48
    start = EventStart(label, at, start_s, 0.97, 0.30000001192, -31.26, alert)
    return EventEnd(start, at + 2.88, start_s + 2.88, 0.99004, 0.95, 6, -28.04, alert)


def logged(path: Path, *records: EventEnd, source: str = "demo") -> None:
    sink = CsvSink(path, source)
    for record in records:
        sink.write(record)
    sink.close()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.csv"


def test_an_event_is_a_row_as_it_ends(log: Path) -> None:
    logged(log, ended())
    header, row, rest = log.read_bytes().decode().split("\n")
    assert header == HEADER
    start, end = iso_time(UNIX_TIME), iso_time(UNIX_TIME + 2.88)
    assert row == f"{start},{end},12.48,15.36,69,/m/0bt9lr,Dog,0.99,0.95,0.3,demo"
    assert rest == ""


def test_starts_and_gaps_are_no_rows(log: Path) -> None:
    sink = CsvSink(log, "demo")
    sink.write(ended().start)
    sink.write(Gap(UNIX_TIME, 1.0, 0.2, "overflow"))
    sink.close()
    assert rows(log) == []


def test_a_row_is_in_the_file_when_write_returns(log: Path) -> None:
    sink = CsvSink(log, "demo")
    assert log.read_text() == f"{HEADER}\n"
    sink.write(ended())
    assert len(rows(log)) == 1
    sink.close()


def test_a_second_run_appends_under_the_same_header(log: Path) -> None:
    logged(log, ended("Dog"))
    logged(log, ended("Siren"))
    assert log.read_text().count(HEADER) == 1
    assert [row["label"] for row in rows(log)] == ["Dog", "Siren"]


def test_an_empty_file_gets_the_header(log: Path) -> None:
    log.touch()
    logged(log, ended())
    assert log.read_text().startswith(f"{HEADER}\n")


@pytest.mark.parametrize(
    "name", ["Smoke detector, smoke alarm", 'A "quoted" name', "two\nlines", "\r"]
)
def test_a_name_with_commas_or_quotes_stays_one_field(name: str, log: Path) -> None:
    logged(log, ended(name), source="Mic, left; ü")
    (row,) = rows(log)
    assert (row["label"], row["source"]) == (name, "Mic, left; ü")


def test_a_source_whose_name_is_no_text_is_logged_all_the_same(log: Path) -> None:
    """A file's name may hold any bytes; Python carries those that are no UTF-8 as surrogates."""
    logged(log, ended(), source="caf\udce9.wav")
    (row,) = rows(log)
    assert row["source"].startswith("caf")


@pytest.mark.parametrize(
    "content", ["time,label\n1,Dog\n", f"{HEADER},more\n", f"{HEADER[:-3]}\n", "\xff\xfe", "\n\n"]
)
def test_a_file_that_is_something_else_is_refused_and_stays_as_it_is(
    content: str, log: Path
) -> None:
    log.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=r"events\.csv is not a log of livetag's"):
        CsvSink(log, "demo")
    assert log.read_bytes() == content.encode("latin-1")


@pytest.mark.parametrize("name", ["Siren", "Smoke detector, smoke alarm"])
def test_a_row_cut_short_by_a_crash_is_cut_off(name: str, log: Path) -> None:
    logged(log, ended("Dog"), ended(name))
    content = log.read_text()
    log.write_text(content[: content.rindex(name) + 3])
    logged(log, ended("Bell"), ended("Smash, crash"))
    labels = [row["label"] for row in rows(log)]
    assert labels == ["Dog", "Bell", "Smash, crash"]


def test_only_events_that_are_selected_are_rows(log: Path) -> None:
    sink = CsvSink(log, "demo", Selection(alerts_only=True, classes={69, 70}))
    sink.write(ended("Bark", index=70))
    sink.write(ended("Dog", alert=False))
    sink.write(ended("Speech", index=0))
    sink.close()
    assert [row["label"] for row in rows(log)] == ["Bark"]


def test_each_file_has_the_header_and_a_row_is_in_that_of_its_start(tmp_path: Path) -> None:
    """The second event ends a year later."""
    first, year_s = ended("Dog"), 366 * 86_400.0
    sink = CsvSink(tmp_path / "%Y.csv", "demo", opened_at=UNIX_TIME)
    long = EventEnd(first.start, UNIX_TIME + year_s, year_s, 0.9, 0.9, 6, -28.0, True)
    for record in (first, long, ended("Siren", 12.48 + year_s)):
        sink.write(record)
    sink.close()
    labels = {path.name: [row["label"] for row in rows(path)] for path in tmp_path.iterdir()}
    assert labels == {"2026.csv": ["Dog", "Dog"], "2027.csv": ["Siren"]}


def test_rows_of_a_log_that_grew_too_large_are_all_there(log: Path) -> None:
    names = [f"sound {number}" for number in range(50)]
    for some in (names[:25], names[25:]):
        sink = CsvSink(log, "demo", max_megabytes=0.001)
        for name in some:
            sink.write(ended(name))
        sink.close()
    count = len(list(log.parent.iterdir()))
    files = [log, *(log.with_name(f"events.{number}.csv") for number in range(2, count + 1))]
    assert len(files) > 5
    assert max(file.stat().st_size for file in files) <= 1_000
    assert [row["label"] for file in files for row in rows(file)] == names


def test_the_first_file_is_of_the_time_at_which_the_log_opens(tmp_path: Path) -> None:
    CsvSink(tmp_path / "%Y", "demo", opened_at=1e9).close()
    assert [path.name for path in tmp_path.iterdir()] == ["2001"]


def test_a_log_that_cannot_be_opened_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(
        LivetagError, match=r"events\.csv cannot be written: No such file"
    ) as caught:
        CsvSink(tmp_path / "no folder" / "events.csv", "demo")
    assert caught.value.exit_code == 1
    with pytest.raises(LivetagError, match="Is a directory"):
        CsvSink(tmp_path, "demo")
