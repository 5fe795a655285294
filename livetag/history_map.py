"""The map of hours: a row a day, a column an hour, the darker the more was heard.

It is drawn in blocks and in the terminal's own sixteen colours; where the terminal knows ASCII
only, in that. Hours are local ones: of the two that summer time's end makes, both are in one cell.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from datetime import time as clock
from itertools import groupby
from math import ceil, sqrt
from typing import Self

from rich.console import Console
from rich.text import Text

from livetag.history_query import QUARTER_SECONDS, History, Query, Span

MOST_DAYS = 31
Hour = tuple[date, int]

_SHADES = 4
_STYLES = ("", "green", "green", "yellow", "red")
_BLOCKS, _OFF = " ░▒▓█", "·"
_ASCII_BLOCKS, _ASCII_OFF = " .:*#", "-"
_DAY_WIDTH = len("Sun 2026-11-22 ")
_TOTAL_WIDTH = len(" 123,456")


@dataclass(frozen=True)
class HourMap:
    """How many events started in each hour of some days, and in which livetag was listening."""

    days: list[date]
    counts: Counter[Hour]
    heard: set[Hour]

    @classmethod
    def of(cls, history: History, query: Query, spans: list[Span], last_start: float) -> Self:
        """The query's events over the days of `spans`, the last `MOST_DAYS` of them.

        `last_start`: of the last event that is to be seen.
        """
        ends = [end - 1e-3 for _, end in spans]  # a span to midnight is none of the next day
        last = _hour(max([last_start, *ends]))[0]
        since = datetime.combine(last - timedelta(MOST_DAYS - 1), clock()).timestamp()
        counts: Counter[Hour] = Counter()
        for quarter, events in history.quarters(replace(query, since=max(since, query.since))):
            counts[_hour(quarter)] += events
        heard = {hour for begin, end in spans for hour in _hours(max(begin, since), end)}
        first = min(day for day, _ in [*counts, *heard, (last, 0)])
        days = [first + timedelta(number) for number in range((last - first).days + 1)]
        return cls(days, counts, heard)


def _hour(unix_time: float) -> Hour:
    local = datetime.fromtimestamp(unix_time)
    return local.date(), local.hour


def _hours(begin: float, end: float) -> set[Hour]:
    """The local hours that a span touches."""
    first = int(begin // QUARTER_SECONDS) * QUARTER_SECONDS
    return {_hour(max(quarter, begin)) for quarter in range(first, ceil(end), QUARTER_SECONDS)}


def shade(count: int, busiest: int) -> int:
    """From 0 for none to 4 for the busiest hour: by the square root, so that few are seen, too."""
    return ceil(_SHADES * sqrt(count / busiest)) if count else 0


def draw(console: Console, hours: HourMap, title: str) -> None:
    """Print the map, as wide as the console allows: two cells an hour, or one."""
    ascii_only = console.options.ascii_only
    blocks, off = (_ASCII_BLOCKS, _ASCII_OFF) if ascii_only else (_BLOCKS, _OFF)
    wide = 2 if console.width >= _DAY_WIDTH + 48 + _TOTAL_WIDTH else 1
    busiest = max(hours.counts.values(), default=0)
    _print(console, Text(title, "bold"))
    every = 4 // wide
    names = "".join(f"{hour:02}".ljust(every * wide) for hour in range(0, 24, every))
    _print(console, Text(f"{'':{_DAY_WIDTH}}{names} {'total':>{_TOTAL_WIDTH - 1}}", "dim"))
    for day in hours.days:
        row = Text(f"{day:%a} {day} ")
        for hour in range(24):
            count = hours.counts[day, hour]
            if count or (day, hour) in hours.heard:
                level = shade(count, busiest)
                row.append(blocks[level] * wide, _STYLES[level])
            else:
                row.append(off.rjust(wide), "dim")
        total = sum(hours.counts[day, hour] for hour in range(24))
        row.append(f"{total or '':>{_TOTAL_WIDTH}}")
        _print(console, row)
    legend = _legend(busiest, blocks, off)
    indent = _DAY_WIDTH if _DAY_WIDTH + legend.cell_len <= console.width else 0
    _print(console, Text(" " * indent) + legend)


def _legend(busiest: int, blocks: str, off: str) -> Text:
    """What each shade means: the counts that get it."""
    text = Text()
    counts = range(1, busiest + 1)
    for level, group in groupby(counts, key=lambda count: shade(count, busiest)):
        low, *more = group
        numbers = f"{low}-{more[-1]}" if more else f"{low}"
        text.append(blocks[level] * 2, _STYLES[level]).append(f" {numbers}  ")
    return text.append(off, "dim").append(" not listening")


def _print(console: Console, line: Text) -> None:
    console.print(line, no_wrap=True, overflow="crop")
