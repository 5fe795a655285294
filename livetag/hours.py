"""Hours: the part of the day in which a rule's events are alerts."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from livetag.errors import UsageError

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of the day, in the machine's local time; over midnight where it ends before it begins.

    `begin` and `end` are minutes of the day; the end is not part of it.
    """

    begin: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `22:00-07:00`. Raises `UsageError`."""
        match = _HOURS.fullmatch(text.strip())
        if match:
            numbers = [int(number) for number in match.groups()]
            begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
            if begin != end and end <= _DAY_MINUTES:
                return cls(begin, end)
        raise UsageError(f"hours: {text!r} is no part of the day, as 22:00-07:00 is")

    def __contains__(self, unix_time: float) -> bool:
        local = datetime.fromtimestamp(unix_time)
        minute = local.hour * 60 + local.minute
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end

    def __str__(self) -> str:
        begin, end = (f"{at // 60:02}:{at % 60:02}" for at in (self.begin, self.end))
        return f"{begin}-{end}"
