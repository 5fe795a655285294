"""Hours: what they hold, and what is refused."""

from datetime import datetime

import pytest

from livetag.errors import UsageError
from livetag.hours import Hours


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("22:00-07:00", ["22:00", "23:59", "00:00", "06:59"], ["07:00", "12:00", "21:59"]),
        ("09:30-17:00", ["09:30", "16:59"], ["09:29", "17:00", "00:00"]),
        ("00:00-24:00", ["00:00", "12:00", "23:59"], []),
        ("23:59-00:00", ["23:59"], ["23:58", "00:00"]),
        ("18:00-24:00", ["18:00", "23:59"], ["17:59", "00:00"]),
    ],
)
def test_hours_hold_their_first_minute_and_not_their_last(
    text: str, inside: list[str], outside: list[str]
) -> None:
    hours = Hours.parse(text)
    for clock, wanted in [(at, True) for at in inside] + [(at, False) for at in outside]:
        hour, minute = map(int, clock.split(":"))
        for second in (0, 59):
            local = datetime(2026, 11, 22, hour, minute, second)
            assert (local.timestamp() in hours) == wanted, clock


def test_hours_are_written_as_they_are_read() -> None:
    assert str(Hours.parse(" 7:05 - 9:00 ")) == "07:05-09:00"
    for text in ("22:00-07:00", "00:00-24:00"):
        assert str(Hours.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "night", "22-7", "22:00", "22:00-07:00 daily", "-22:00-07:00"),
        *("24:00-07:00", "22:60-07:00", "07:00-24:01", "07:00-25:00", "08:00-08:00"),
    ],
)
def test_what_is_no_part_of_the_day_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"hours: .* is no part of the day, as 22:00-07:00 is"):
        Hours.parse(text)
