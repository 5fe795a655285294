"""Records as other programs read them: what every kind holds, times, rounded numbers."""

import json
import math
import time
import typing
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from livetag.events import EventAlert, EventEnd, EventStart, Explanation, Gap, Pace, Record
from livetag.records import (
    as_json,
    as_object,
    called,
    iso_time,
    level,
    rounded,
    said_of_pace,
    score,
)
from livetag.yamnet.labels import Label

DOG = Label(69, "/m/0bt9lr", "Dog")
UNIX_TIME = 1_795_365_912.4804  # 2026-11-22T16:45:12.480 in UTC
START = EventStart(DOG, UNIX_TIME, 12.4800001, 0.97128, 0.5, -31.26, alert=True)
WITHHELD = replace(START, alert=False, withheld="cooldown 41 s")
GROUPED = replace(START, group="pets")
BARK = Label(70, "/m/05tny_", "Bark")
LATE = EventAlert(WITHHELD, BARK, UNIX_TIME + 41.0, 53.4800001, 0.87654)
END = EventEnd(START, UNIX_TIME + 2.88, 15.3600001, 0.99004, 0.95, 6, -20.04, alert=True)
GAP = Gap(UNIX_TIME, 20.0000004, 0.2100004, "overflow")
PACE = Pace(UNIX_TIME, 31.0000004, 3.2100004, 0.96000001, 4, degraded=True)
EVERY_KIND = (START, LATE, END, GAP, PACE)


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


# --- Objects ------------------------------------------------------------------------------------


def test_a_start_has_all_that_scripts_rely_on() -> None:
    assert as_object(START, "USB Audio") == {
        "type": "event_start",
        "time": iso_time(UNIX_TIME),
        "start_s": 12.48,
        "label": "Dog",
        "index": 69,
        "mid": "/m/0bt9lr",
        "score": 0.9713,
        "threshold": 0.5,
        "alert": True,
        "source": "USB Audio",
        "level_dbfs": -31.3,
    }


def test_a_late_alert_is_its_start_and_when_it_came_to_alert() -> None:
    start, late = as_object(WITHHELD, "mic"), as_object(LATE, "mic")
    assert late == start | {
        "type": "event_alert",
        "alert": True,
        "alert_label": "Bark",
        "alert_time": iso_time(UNIX_TIME + 41.0),
        "alert_s": 53.48,
        "alert_score": 0.8765,
    }
    assert start["withheld"] == "cooldown 41 s"  # which tells why it is late


def test_an_end_is_its_start_and_what_came_of_it() -> None:
    assert as_object(END, "mic") == as_object(START, "mic") | {
        "type": "event_end",
        "end_time": iso_time(UNIX_TIME + 2.88),
        "end_s": 15.36,
        "peak_score": 0.99,
        "mean_score": 0.95,
        "windows": 6,
        "level_dbfs": -20.0,
    }


@pytest.mark.parametrize("told", [False, True])
def test_whether_the_user_was_told_is_what_an_end_says_of_alert(told: bool) -> None:
    end = replace(END, start=WITHHELD, alert=told)
    assert as_object(end, "mic")["alert"] is told
    assert as_object(replace(end, start=START), "mic")["alert"] is told


def test_a_gap_has_when_how_long_and_why() -> None:
    assert as_object(GAP, "mic") == {
        "type": "gap",
        "time": iso_time(UNIX_TIME),
        "start_s": 20.0,
        "lost_seconds": 0.21,
        "reason": "overflow",
    }


def test_a_gap_that_goes_on_says_so() -> None:
    ongoing = as_object(replace(GAP, ongoing=True), "mic")
    assert ongoing == as_object(GAP, "mic") | {"ongoing": True}


def test_a_change_of_pace_has_when_and_how_closely_it_is_listened_from_then_on() -> None:
    assert as_object(PACE, "mic") == {
        "type": "pace",
        "time": iso_time(UNIX_TIME),
        "start_s": 31.0,
        "behind_s": 3.21,
        "hop_seconds": 0.96,
        "frame_factor": 4,
        "degraded": True,
    }


@pytest.mark.parametrize(
    ("key", "told", "untold"), [("group", GROUPED, START), ("withheld", WITHHELD, START)]
)
def test_what_does_not_apply_to_an_event_is_left_out(
    key: str, told: EventStart, untold: EventStart
) -> None:
    for start, expected in ((told, True), (untold, False)):
        records = (start, replace(LATE, start=start), replace(END, start=start))
        assert [key in as_object(record, "mic") for record in records] == [expected] * 3


def test_every_kind_of_record_has_an_object_of_its_own_kind() -> None:
    assert {type(record) for record in EVERY_KIND} == set(typing.get_args(Record))
    kinds = [as_object(record, "mic")["type"] for record in EVERY_KIND]
    assert kinds == ["event_start", "event_alert", "event_end", "gap", "pace"]


@pytest.mark.parametrize("dbfs", [-31.26, 0.0, -math.inf])
def test_every_object_is_json_also_where_nothing_was_to_be_heard(dbfs: float) -> None:
    silent = replace(START, level_dbfs=dbfs)
    for record in (silent, replace(LATE, start=silent), replace(END, level_dbfs=dbfs), GAP):
        written = as_object(record, 'a "source"\n\ud800')
        assert json.loads(json.dumps(written, allow_nan=False)) == written


@pytest.mark.parametrize("source", ["two\nlines", "\u2028", "caf\udce9", 'a "b"\t'])
def test_a_line_of_json_is_one_line_without_spaces_or_an_end(source: str) -> None:
    for record in EVERY_KIND:
        line = as_json(record, source)
        assert json.loads(line) == as_object(record, source)
        assert len(line.splitlines()) == 1
        assert line.isascii()
    assert ", " not in as_json(GAP, "mic")


# --- Names for people ---------------------------------------------------------------------------


def test_an_event_is_called_by_its_label_and_a_group_s_by_both() -> None:
    near = Explanation(BARK, UNIX_TIME, 20.0, 0.27, "0.27 of 0.30", "pets")
    assert [called(one) for one in (START, GROUPED, near)] == ["Dog", "pets: Dog", "pets: Bark"]


@pytest.mark.parametrize("group", ["two\nlines", "\x1b[2J", "a\rb", "a\x9bb"])
def test_a_name_that_would_break_a_screen_is_called_without_what_does(group: str) -> None:
    name = called(replace(START, group=group, label=replace(DOG, name="Dog\n")))
    assert name.isprintable()
    assert name.endswith(": Dog?")


# --- The pace for people ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pace", "said"),
    [
        (
            replace(PACE, frame_factor=1),
            "analysis is 3.2 s behind: a window every 0.96 s, not every 0.48 s",
        ),
        (
            PACE,
            "analysis is 3.2 s behind: a window every 0.96 s, not every 0.48 s; "
            "the dashboard is drawn 4 times less often",
        ),
        (
            replace(PACE, hop_seconds=0.48),
            "analysis is 3.2 s behind: the dashboard is drawn 4 times less often",
        ),
        (
            replace(PACE, behind_s=0.08, frame_factor=1),
            "analysis keeps up better: a window every 0.96 s, not every 0.48 s",
        ),
        (
            Pace(UNIX_TIME, 60.0, 0.08, 0.48, 1, degraded=False),
            "analysis keeps up again: a window every 0.48 s, as set",
        ),
    ],
)
def test_what_is_said_of_the_pace_is_how_it_differs_from_the_usual_one(
    pace: Pace, said: str
) -> None:
    assert said_of_pace(pace, 0.48) == said


# --- Numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dbfs", "told"), [(-31.26, -31.3), (-0.04, 0.0), (-151.0, -151.0), (-math.inf, None)]
)
def test_a_level_has_one_place_and_digital_silence_is_null(dbfs: float, told: float | None) -> None:
    assert level(dbfs) == told


def test_seconds_have_three_places_and_scores_four() -> None:
    assert (rounded(0.1 + 0.2), rounded(86_400.12349), rounded(0.0)) == (0.3, 86_400.123, 0.0)
    assert (score(0.99996), score(0.30000001192092896), score(0.97128)) == (1.0, 0.3, 0.9713)


def test_times_have_milliseconds_and_the_offset_of_the_zone(zone: str) -> None:
    text = iso_time(UNIX_TIME)
    assert text == f"2026-11-22T{zone}"
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(UNIX_TIME, abs=0.001)


def test_a_time_on_the_second_has_its_milliseconds_too() -> None:
    assert ".000" in iso_time(1_795_365_912.0)
