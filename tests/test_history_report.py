"""What `livetag history` prints: lists for people and scripts, and the map of hours."""

import contextlib
import csv
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TextIO

import pytest
from rich.cells import cell_len
from rich.text import Text

from livetag.events import EventEnd, EventStart, Gap
from livetag.history import HistoryWriter, Run
from livetag.history_map import MOST_DAYS, shade
from livetag.history_query import History, Query
from livetag.history_report import (
    CSV_COLUMNS,
    PRINTERS,
    print_csv,
    print_json,
    print_summary,
    print_text,
)
from livetag.records import iso_time
from livetag.sinks.csv_log import COLUMNS
from livetag.yamnet.labels import ClassMap, Label


class Print(Protocol):
    """One of the printers."""

    def __call__(self, out: TextIO, history: History, query: Query) -> bool: ...


DAY_WIDTH = len("Sun 2026-11-22 ")
DOG = 69
SILENCE = 494


class Terminal(io.StringIO):
    """As wide as COLUMNS says."""

    def isatty(self) -> bool:
        return True


class Home:
    """A history that a test fills: local times, and what was heard."""

    def __init__(self, path: Path, labels: ClassMap) -> None:
        self.path = path
        self._labels = labels

    def run(
        self, begin: datetime, end: datetime, *heard: tuple[datetime, str], alert: bool = True
    ) -> None:
        """One run from begin to end, with sounds of three seconds."""
        origin = begin.timestamp()
        run = Run("USB Microphone", "0.2.0", "", "", 0.48, "{}")
        writer = HistoryWriter(self.path, run, clock=lambda: origin)
        for when, name in heard:
            writer.event(self.event(when, name, origin, alert))
        writer.heard(end.timestamp() - origin)
        writer.close()

    def event(
        self, when: datetime, name: str, origin: float, alert: bool, group: str = ""
    ) -> EventEnd:
        known = {label.name: label for label in self._labels}
        label = known.get(name, Label(1, "/m/0ytgt", name))
        began = when.timestamp()
        start = EventStart(label, began, began - origin, 0.9, 0.5, -30.0, alert, group)
        return EventEnd(start, began + 3.0, began + 3.0 - origin, 0.97, 0.9, 7, -30.0, alert)

    def write(self, *records: EventEnd | Gap) -> None:
        run = Run("USB Microphone", "0.2.0", "", "", 0.48, "{}")
        writer = HistoryWriter(self.path, run, clock=NOON.timestamp)
        for record in records:
            if isinstance(record, Gap):
                writer.gap(record)
            else:
                writer.event(record)
        writer.heard(3_600.0)
        writer.close()

    def printed(
        self, printer: Print, query: Query | None = None, out: io.StringIO | None = None
    ) -> str:
        """What is written to `out`, or to a file."""
        out = io.StringIO() if out is None else out
        with History(self.path) as history:
            printer(out, history, query or Query())
        return out.getvalue()

    def map_rows(self, query: Query | None = None) -> dict[str, str]:
        """The map: each day's 24 cells, of two characters each."""
        lines = self.printed(print_summary, query).splitlines()
        days = [line for line in lines if re.match(r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d ", line)]
        return {line[: DAY_WIDTH - 1]: line[DAY_WIDTH : DAY_WIDTH + 48] for line in days}


@pytest.fixture
def home(tmp_path: Path, labels: ClassMap, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Home(tmp_path / "history.sqlite", labels)


@pytest.fixture
def clock_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the machine's time zone."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change a process's time zone")

    def set_zone(zone: str) -> None:
        patch.setenv("TZ", zone)
        time.tzset()

    with monkeypatch.context() as patch:
        yield set_zone
    time.tzset()


NOON = datetime(2026, 11, 22, 12, 0)


def at(hour: int, minute: int = 0, day: int = 22) -> datetime:
    return datetime(2026, 11, day, hour, minute)


def test_text_is_a_line_for_each_event_and_gap_in_their_order(home: Home) -> None:
    origin = NOON.timestamp()
    home.write(
        Gap(origin + 100.0, 100.0, 0.21, "overflow"),
        home.event(at(12, 5), "Speech", origin, alert=False),
        home.event(at(12, 1), "Dog", origin, alert=True, group="pets"),
    )
    assert home.printed(print_text).splitlines() == [
        f"{iso_time(origin + 60.0)}     3.0 s  0.97 ! Dog (group pets)",
        f"{iso_time(origin + 100.0)}     0.2 s        lost (overflow)",
        f"{iso_time(origin + 300.0)}     3.0 s  0.97   Speech",
    ]


def test_a_gap_of_an_instant_is_in_milliseconds(home: Home) -> None:
    home.write(Gap(NOON.timestamp(), 0.0, 0.012, "overflow"))
    assert home.printed(print_text).endswith("     12 ms        lost (overflow)\n")


def test_text_says_what_withheld_an_alert(home: Home) -> None:
    start = EventStart(
        Label(DOG, "", "Dog"), NOON.timestamp(), 0.0, 0.9, 0.5, -30.0, False, "", "cooldown"
    )
    home.write(EventEnd(start, NOON.timestamp() + 754.0, 754.0, 0.9, 0.9, 1, -30.0, False))
    assert home.printed(print_text).endswith("     12:34  0.90   Dog (no alert: cooldown)\n")


def test_a_crafted_name_keeps_to_its_line_and_moves_no_cursor(home: Home) -> None:
    home.write(home.event(NOON, "a\n\x1b[2J[red]b", NOON.timestamp(), alert=True))
    assert home.printed(print_text).endswith("! a??[2J[red]b\n")
    summary = home.printed(print_summary)
    assert "\na??[2J[red]b " in summary
    assert "\x1b" not in summary


def test_csv_is_the_event_log_and_more(home: Home) -> None:
    origin = NOON.timestamp()
    home.write(
        home.event(NOON, "Smoke detector, smoke alarm", origin, alert=True),
        Gap(origin + 10.0, 10.0, 1.0, "overflow"),
        home.event(at(12, 1), "Dog", origin, alert=False, group="pets"),
    )
    assert CSV_COLUMNS[: len(COLUMNS)] == COLUMNS
    alarm, dog = csv.DictReader(io.StringIO(home.printed(print_csv)), strict=True)
    assert alarm["label"] == "Smoke detector, smoke alarm"
    assert (alarm["start"], alarm["end"]) == (iso_time(origin), iso_time(origin + 3.0))
    assert (alarm["alert"], alarm["source"], alarm["run"]) == ("1", "USB Microphone", "1")
    assert (dog["alert"], dog["group"], dog["index"], dog["start_s"]) == ("0", "pets", "69", "60.0")
    assert (dog["peak_score"], dog["mean_score"], dog["threshold"]) == ("0.97", "0.9", "0.5")
    assert (dog["windows"], dog["level_dbfs"], dog["withheld"]) == ("7", "-30.0", "")


def test_json_is_an_object_for_each_event_and_gap(home: Home) -> None:
    origin = NOON.timestamp()
    home.write(
        Gap(origin + 10.0, 10.0, 0.21, "overflow"),
        home.event(at(12, 1), "Dog", origin, alert=True, group="pets"),
    )
    gap, dog = map(json.loads, home.printed(print_json).splitlines())
    assert gap == {
        "type": "gap",
        "time": iso_time(origin + 10.0),
        "start_s": 10.0,
        "lost_seconds": 0.21,
        "reason": "overflow",
        "source": "USB Microphone",
        "run": 1,
    }
    assert dog == {
        "type": "event",
        "time": iso_time(origin + 60.0),
        "end_time": iso_time(origin + 63.0),
        "start_s": 60.0,
        "end_s": 63.0,
        "label": "Dog",
        "index": DOG,
        "mid": "/m/0bt9lr",
        "peak_score": 0.97,
        "mean_score": 0.9,
        "threshold": 0.5,
        "alert": True,
        "source": "USB Microphone",
        "level_dbfs": -30.0,
        "group": "pets",
        "windows": 7,
        "run": 1,
    }


@pytest.mark.parametrize(
    ("printer", "expected"),
    [
        (print_text, ""),
        (print_json, ""),
        (print_csv, ",".join(CSV_COLUMNS) + "\n"),
        (print_summary, ""),
    ],
)
def test_where_nothing_was_heard_a_printer_says_so_to_its_caller(
    printer: Print, expected: str, home: Home
) -> None:
    home.run(at(12), at(13), (at(12, 30), "Dog"))
    out = io.StringIO()
    with History(home.path) as history:
        assert not printer(out, history, Query(since=at(13).timestamp()))
        assert out.getvalue() == expected
        assert printer(out, history, Query())


@pytest.mark.parametrize("form", PRINTERS)
def test_each_form_has_a_printer_of_its_own_that_says_whether_there_was_anything(
    form: str, home: Home
) -> None:
    home.run(at(8), at(9), (at(8, 5), "Dog"))
    out = io.StringIO()
    with History(home.path) as history:
        assert PRINTERS[form](out, history, Query(classes={DOG})) is True
        assert PRINTERS[form](io.StringIO(), history, Query(classes={SILENCE})) is False
    first = out.getvalue().splitlines()[0]
    begins = {"json": "{", "csv": "start,", "text": iso_time(at(8, 5).timestamp())}
    assert first.startswith(begins.get(form, "2026-11-22 08:00 to "))
    assert len(set(PRINTERS.values())) == 4


def test_the_summary_has_a_row_for_each_label_those_with_alerts_first(home: Home) -> None:
    home.run(at(8), at(9), (at(8, 1), "Speech"), (at(8, 2), "Speech"), alert=False)
    home.run(at(9), at(18), (at(17, 30), "Smoke detector, smoke alarm"))
    lines = home.printed(print_summary).splitlines()
    assert lines[:2] == [
        "2026-11-22 08:00 to 2026-11-22 18:00, listened for 10:00:00",
        "3 events, 1 alert",
    ]
    assert [" ".join(line.split()) for line in lines[3:6]] == [
        "label events alerts total longest peak last heard",
        "Smoke detector, smoke alarm 1 1 3 s 3 s 0.97 2026-11-22 17:30",
        "Speech 2 - 6 s 3 s 0.97 2026-11-22 08:02",
    ]


@pytest.mark.parametrize(
    ("seconds", "listed", "summed_up"), [(4.96, "5.0 s", "5 s"), (59.96, "1:00", "1:00")]
)
def test_an_event_is_as_long_in_the_summary_as_in_the_list(
    seconds: float, listed: str, summed_up: str, home: Home
) -> None:
    began = NOON.timestamp()
    dog = home.event(NOON, "Dog", began, alert=False)
    home.write(replace(dog, end_time=began + seconds, end_s=seconds))
    assert home.printed(print_text).splitlines()[0].split("  0.97")[0].endswith(f"  {listed}")
    (row,) = [line for line in home.printed(print_summary).splitlines() if "Dog " in line]
    assert row.count(f" {summed_up} ") == 2


def test_a_reader_that_has_seen_enough_ends_no_program(home: Home) -> None:
    home.run(at(8), at(9), (at(8, 1), "Dog"))
    reader, writer = os.pipe()
    os.close(reader)
    out = os.fdopen(writer, "w", buffering=1, encoding="utf-8")
    with History(home.path) as history, pytest.raises(BrokenPipeError):
        print_summary(out, history, Query())
    with contextlib.suppress(BrokenPipeError):
        out.close()


def test_a_long_table_is_cut_and_says_what_is_missing(home: Home, labels: ClassMap) -> None:
    names = [label.name for label in labels][:30]
    home.run(at(8), at(9), *((at(8, number), name) for number, name in enumerate(names)))
    text = home.printed(print_summary)
    assert "\nand 10 more, with 10 events\n" in text
    out = io.StringIO()
    with History(home.path) as history:
        print_summary(out, history, Query(), most_labels=None)
    assert " more, with" not in out.getvalue()
    assert len(out.getvalue().splitlines()) == len(text.splitlines()) + 10 - 1


def test_the_map_shows_the_hours_in_which_sounds_began(home: Home) -> None:
    home.run(
        at(6, day=21),
        at(18),
        *((at(8, minute, day=21), "Dog") for minute in range(16)),
        (at(17, 59), "Dog"),
        (at(17, 58), "Speech"),
    )
    rows = home.map_rows(Query(classes={DOG}))
    assert list(rows) == ["Sat 2026-11-21", "Sun 2026-11-22"]
    assert rows["Sat 2026-11-21"] == " ·" * 6 + "  " * 2 + "██" + "  " * 15
    assert rows["Sun 2026-11-22"] == "  " * 17 + "░░" + " ·" * 6


def test_the_header_of_the_map_stands_over_its_columns(home: Home) -> None:
    home.run(at(0), at(18), (at(14), "Dog"))
    lines = home.printed(print_summary, Query(classes={DOG})).splitlines()
    header = next(line for line in lines if line.endswith("total"))
    row = next(line for line in lines if "██" in line)
    assert header.index("14") == row.index("██")
    assert "Events by hour: Dog" in lines
    assert re.search(r"██ 1 +· not listening", lines[-1])


def test_where_nothing_is_chosen_the_map_counts_all_but_silence(home: Home) -> None:
    home.run(at(0), at(23, 59), (at(3), "Silence"), (at(5), "Speech"), (at(6), "Dog"))
    assert home.map_rows()["Sun 2026-11-22"] == "  " * 5 + "████" + "  " * 17
    (row,) = home.map_rows(Query(classes={SILENCE})).values()
    assert row.index("█") == 2 * 3


def test_silence_alone_makes_an_empty_map(home: Home) -> None:
    home.run(at(0), at(23, 59), (at(3), "Silence"))
    assert home.map_rows() == {"Sun 2026-11-22": "  " * 24}


def test_the_map_shows_the_last_31_days(home: Home) -> None:
    begin, end = datetime(2026, 9, 1), datetime(2026, 11, 22, 0, 0)
    home.run(begin, end, (begin, "Dog"), (end - timedelta(days=MOST_DAYS), "Speech"))
    rows = home.map_rows()
    assert len(rows) == MOST_DAYS
    first, *_, last = rows
    assert (first, last) == ("Thu 2026-10-22", "Sat 2026-11-21")  # it ended as the next day began
    assert rows[first].startswith("██")
    assert sum(row.count("█") for row in rows.values()) == 2


def test_both_hours_that_the_end_of_summer_time_makes_are_in_one_cell(
    home: Home, clock_in: Callable[[str], None]
) -> None:
    clock_in("Europe/Berlin")
    day = datetime(2026, 10, 25)
    twice = day.replace(hour=2, minute=30)
    home.run(
        day,
        day + timedelta(hours=23, minutes=59),
        (twice, "Dog"),
        (twice.replace(fold=1), "Dog"),
        (day.replace(hour=3), "Dog"),
    )
    text = home.printed(print_summary, Query(classes={DOG}))
    assert home.map_rows(Query(classes={DOG})) == {"Sun 2026-10-25": "  " * 2 + "██▓▓" + "  " * 20}
    assert "▓▓ 1  ██ 2" in text


def test_the_hour_that_summer_time_skips_is_no_hour_of_listening(
    home: Home, clock_in: Callable[[str], None]
) -> None:
    clock_in("Europe/Berlin")
    day = datetime(2026, 3, 29)
    home.run(day, day + timedelta(hours=23, minutes=59), (day.replace(hour=3), "Dog"))
    (row,) = home.map_rows().values()
    assert row == "  " * 2 + " ·" + "██" + "  " * 20


def test_hours_are_right_where_the_time_zone_is_off_by_a_quarter(
    home: Home, clock_in: Callable[[str], None]
) -> None:
    clock_in("Asia/Kathmandu")
    home.run(at(7), at(9), (at(7, 59), "Dog"), (at(8, 1), "Dog"), (at(8, 50), "Dog"))
    (row,) = home.map_rows().values()
    assert row == " ·" * 7 + "▓▓██" + " ·" * 15


def test_shades_tell_few_from_none_and_grow_to_the_busiest() -> None:
    for busiest in (1, 2, 3, 7, 100, 100_000):
        shades = [shade(count, busiest) for count in range(busiest + 1)]
        assert shades == sorted(shades)
        assert shades[0] == 0
        assert shades[1] >= 1
        assert shades[-1] == 4


def test_the_legend_names_every_count_once(home: Home) -> None:
    home.run(at(0), at(23), *((at(8, minute), "Dog") for minute in range(60)), (at(9), "Dog"))
    legend = home.printed(print_summary).splitlines()[-1]
    ranges = re.findall(r"([░▒▓█])\1 (\d+)-(\d+)", legend)
    assert [shade for shade, _, _ in ranges] == list("░▒▓█")
    edges = [(int(low), int(high)) for _, low, high in ranges]
    assert edges[0][0] == 1
    assert edges[-1][1] == 60
    assert [low for low, _ in edges[1:]] == [high + 1 for _, high in edges[:-1]]


@pytest.mark.parametrize("width", [80, 70, 60, 40])
def test_no_line_is_wider_than_the_terminal(
    width: int, home: Home, labels: ClassMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = sorted((label.name for label in labels), key=len)[-3:]
    home.run(at(0), at(23), *((at(8, minute), name) for minute, name in enumerate(longest)))
    monkeypatch.setenv("COLUMNS", str(width))
    written = home.printed(print_summary, out=Terminal())
    lines = Text.from_ansi(written).plain.splitlines()
    assert max(map(cell_len, lines)) <= width
    if width == 80:
        assert any("… " in line for line in lines)
        assert sum("0.97" in line and line.rstrip().endswith("2026-11-22 08:02") for line in lines)
    if width >= 60:
        assert any(line.startswith("Sun 2026-11-22") and "█" in line for line in lines)
        assert any("not listening" in line for line in lines)


@pytest.mark.parametrize("width", [20, 200])
def test_in_a_file_nothing_is_cut_however_wide_the_terminal_is(
    width: int, home: Home, labels: ClassMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = max((label.name for label in labels), key=len)
    home.run(at(0), at(23), (at(8), longest))
    monkeypatch.setenv("COLUMNS", str(width))
    lines = home.printed(print_summary).splitlines()
    (row,) = [line.rstrip() for line in lines if line.startswith(longest)]
    assert row.endswith(" 0.97  2026-11-22 08:00")
    assert max(map(len, lines)) < 120


def test_a_terminal_that_knows_ascii_only_gets_ascii(home: Home) -> None:
    home.run(at(6), at(18), *((at(8, minute), "Dog") for minute in range(40)), (at(9), "Dog"))
    home.run(at(18), at(19), (at(18), "Smoke detector, smoke alarm and more"))
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    with History(home.path) as history:
        assert print_summary(out, history, Query(classes={1, DOG}))
    out.flush()
    text = raw.getvalue().decode("ascii")
    assert " -" * 6 + "  " * 2 + "##.." in text
    assert re.search(r"## \d+-40 +- not listening", text)


def test_colours_are_the_terminal_s_own_and_none_with_no_color(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.run(at(6), at(18), *((at(8, minute), "Dog") for minute in range(40)), (at(9), "Dog"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    codes = set(re.findall(r"\x1b\[([0-9;]*)m", home.printed(print_summary)))
    assert {"31", "32"} <= codes
    assert not [code for code in codes if re.search(r"\b[34]8\b", code)]
    monkeypatch.setenv("NO_COLOR", "1")
    codes = set(re.findall(r"\x1b\[([0-9;]*)m", home.printed(print_summary)))
    assert not [code for code in codes if re.search(r"\b[349][0-7]\b", code)]
