"""Times as users write them: local unless they say otherwise, and never guessed."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from livetag.errors import UsageError
from livetag.times import parse_beginning, parse_time

NOW = 1_795_365_912.48


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's clock is in Berlin: UTC+1, in summer UTC+2."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change a process's time zone")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


def unix(*fields: int) -> float:
    return datetime(*fields, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22", (2026, 11, 21, 23)),
        ("2026-11-22T08:00", (2026, 11, 22, 7)),
        ("2026-11-22 08:00:30", (2026, 11, 22, 7, 0, 30)),
        ("2026-07-22T08:00:00", (2026, 7, 22, 6)),
        ("2026-11-22T08:00:00Z", (2026, 11, 22, 8)),
        ("2026-11-22T08:00:00.000+05:30", (2026, 11, 22, 2, 30)),
        (" 2026-11-22T08:00 ", (2026, 11, 22, 7)),
    ],
)
def test_a_time_is_local_unless_it_has_an_offset(text: str, expected: tuple[int, ...]) -> None:
    assert parse_time(text, NOW) == parse_time(text, NOW, ago=False) == unix(*expected)


def test_milliseconds_count() -> None:
    assert parse_time("2026-11-22T08:00:00.250Z", NOW) == unix(2026, 11, 22, 8) + 0.25


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1_800),
        ("24h", 86_400),
        ("7d", 604_800),
        ("2W", 1_209_600),
        ("1.5 h", 5_400),
        ("0s", 0),
    ],
)
def test_a_duration_is_that_long_ago(text: str, seconds: float) -> None:
    assert parse_time(text, NOW) == NOW - seconds


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "24", "-24h", "7 days", "1e3h", "٣h", "inf", "nan", "2026-13-01", "08:00"],
)
def test_anything_else_is_an_error_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no time: write it as 2026-11-22, .* 24h"):
        parse_time(text, NOW)


def test_where_only_points_in_time_make_sense_a_duration_is_an_error() -> None:
    with pytest.raises(UsageError, match="'24h' is no time") as caught:
        parse_time("24h", NOW, ago=False)
    assert "how long ago" not in str(caught.value)


@pytest.mark.parametrize("text", ["0998-06-01", "9002-01-01", "9999-12-31T23:59:59"])
def test_a_recording_begins_where_all_its_dates_can_be_told(text: str) -> None:
    with pytest.raises(UsageError, match=rf"'{text}' is no time at which a .* from 1000 to 9000"):
        parse_beginning(text, NOW)
    assert parse_beginning("2026-11-22T08:00:00Z", NOW) == unix(2026, 11, 22, 8)
    with pytest.raises(UsageError, match="'24h' is no time: write it as"):
        parse_beginning("24h", NOW)


@pytest.mark.usefixtures("berlin")
def test_a_time_that_cannot_be_told_is_not_called_none() -> None:
    with pytest.raises(UsageError, match="'0001-01-01' is a time that this system cannot tell"):
        parse_time("0001-01-01", NOW)


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59-23:00", "9" * 400 + "d"])
def test_a_time_that_no_clock_shows_is_an_error_or_a_number(text: str) -> None:
    """Systems differ in the years they can tell; none may crash."""
    try:
        seconds = parse_time(text, NOW)
    except UsageError:
        return
    assert math.isfinite(seconds)
