"""Points in time as users write them: `2026-11-22T08:00:00`, `2026-11-22`, or `24h` ago."""

import math
import re
from datetime import UTC, datetime

from livetag.errors import UsageError

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_EARLIEST_YEAR, _LATEST_YEAR = 1_000, 9_000  # far from where calendars end
_EARLIEST = datetime(_EARLIEST_YEAR, 1, 2, tzinfo=UTC).timestamp()
_LATEST = datetime(_LATEST_YEAR + 1, 1, 2, tzinfo=UTC).timestamp()
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE | re.ASCII)


def parse_time(text: str, now: float, ago: bool = True) -> float:
    """The UNIX time in seconds that `text` names.

    Either ISO 8601, local time where no offset is given and midnight where no time is, or, with
    `ago`, how long before `now` in seconds, minutes, hours, days (of 24 hours) or weeks: `90s`,
    `30m`, `24h`, `7d`, `2w`. Raises `UsageError` for anything else.
    """
    text = text.strip()
    match = _AGO.fullmatch(text) if ago else None
    try:
        if match:
            seconds = float(match[1]) * _UNIT_SECONDS[match[2].lower()]
            if not math.isfinite(seconds):
                raise OverflowError
            return now - seconds
        named = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        examples = "2026-11-22, 2026-11-22T08:00 or 2026-11-22T08:00:00+01:00"
        if ago:
            examples += "; or 30m, 24h or 7d for how long ago"
        raise UsageError(f"{text!r} is no time: write it as {examples}") from error
    try:
        return named.timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{text!r} is a time that this system cannot tell") from error


def parse_beginning(text: str, now: float) -> float:
    """The UNIX time in seconds at which a recording began; dates can be told of all in it.

    Raises `UsageError`.
    """
    began = parse_time(text, now, ago=False)
    if not _EARLIEST <= began < _LATEST:
        raise UsageError(
            f"{text!r} is no time at which a recording began: years from {_EARLIEST_YEAR} to "
            f"{_LATEST_YEAR} can be told"
        )
    return began
