"""Reads a history: its events and gaps one by one, and counts that SQLite makes of them.

However long a history is, no query holds more of it in memory than one row and its answer.
"""

import sqlite3
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Self, TypeVar

from livetag.errors import InputError, LivetagError
from livetag.history_file import connect, explain, is_begun

QUARTER_SECONDS = 900
"""A quarter of an hour: every time zone's offset is a multiple of it."""
_EARLIEST, _LATEST = -60e9, 253_402_000_000.0  # UNIX seconds, of the years 68 and 9999
_LARGEST = 1e12  # of any other number
_TIMES = {"start", "end", "last_start"}
LONG_GAP_SECONDS = 600.0  # without audio, and livetag was not listening


@dataclass(frozen=True)
class Query:
    """Which events: those that started from `since` to before `until`, in UNIX seconds.

    Of some `classes` (by index) or some `groups` (by name) alone, where either is given.
    """

    since: float = -inf
    until: float = inf
    classes: Set[int] | None = None
    groups: Set[str] | None = None
    alerts_only: bool = False

    def where(self) -> tuple[str, list[Any]]:
        """The condition in SQL, and its parameters."""
        condition = "events.start >= ? AND events.start < ?"
        values: list[Any] = [self.since, self.until]
        if self.classes is not None or self.groups is not None:
            either = []
            for column, chosen in (("class_index", self.classes), ("group_name", self.groups)):
                if chosen is not None:
                    either.append(f"{column} IN ({', '.join('?' * len(chosen))})")
                    values += chosen
            condition += f" AND ({' OR '.join(either)})"
        if self.alerts_only:
            condition += " AND alert"
        return condition, values


@dataclass(frozen=True, slots=True)
class HeardEvent:
    """An event of the history. `level_dbfs`: None for digital silence. `run`, `source`: whose."""

    start: float
    end: float
    start_s: float
    end_s: float
    index: int
    mid: str
    label: str
    group: str
    withheld: str
    peak_score: float
    mean_score: float
    windows: int
    threshold: float
    level_dbfs: float | None
    run: int
    source: str
    alert: bool


@dataclass(frozen=True, slots=True)
class HeardGap:
    """A gap of the history. `run`, `source`: whose."""

    start: float
    start_s: float
    lost_seconds: float
    reason: str
    run: int
    source: str


@dataclass(frozen=True, slots=True)
class Summary:
    """All events of one label or, where `is_group`, of one group."""

    name: str
    events: int
    alerts: int
    total_seconds: float
    longest_seconds: float
    highest_score: float
    mean_peak_score: float
    last_start: float
    is_group: bool


def _columns(kind: Any) -> list[tuple[str, tuple[type, ...]]]:
    """The names of a row's values, and the types that SQLite may have for each."""
    allowed: dict[Any, tuple[type, ...]] = {int: (int,), bool: (int,), str: (str,)}
    allowed |= {float: (float, int), float | None: (float, int, NoneType)}
    return [(field.name, allowed[field.type]) for field in fields(kind)]


_COLUMNS: dict[type[Any], list[tuple[str, tuple[type, ...]]]] = {
    kind: _columns(kind) for kind in (HeardEvent, HeardGap, Summary)
}
Row = TypeVar("Row", HeardEvent, HeardGap, Summary)
Span = tuple[float, float]
"""From, to: UNIX seconds."""


class History:
    """A history that is there, to be read. Its methods raise `LivetagError` where that fails."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises `InputError` where there is none, `UsageError` for something else."""
        if not path.exists():
            raise _nothing_at(path)
        self._path = path
        self._connection = connect(path)
        self._connection.text_factory = lambda text: text.decode("utf-8", "replace")
        try:
            with self._reading():
                self._connection.execute("PRAGMA query_only = ON")
                self._connection.execute("BEGIN")  # all its answers are of one moment
                if not is_begun(self._connection, path):
                    raise _nothing_at(path)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def groups(self) -> set[str]:
        """The names of the groups that any event is of."""
        rows = self._rows("SELECT DISTINCT group_name FROM events WHERE group_name != ''", [])
        return {name for (name,) in rows}

    def events(self, query: Query) -> Iterator[HeardEvent]:
        """The events, in the order of their starts."""
        condition, values = query.where()
        for row in self._rows(
            'SELECT start, "end", start_s, end_s, class_index, mid, label, group_name, withheld,'
            " peak_score, mean_score, windows, threshold, level_dbfs, run_id, source, alert"
            f" FROM events JOIN runs ON runs.id = run_id WHERE {condition}"
            " ORDER BY events.start, events.id",
            values,
        ):
            yield self._made(HeardEvent, row)

    def gaps(self, query: Query) -> Iterator[HeardGap]:
        """The gaps that started in the query's time, in their order."""
        for row in self._rows(
            "SELECT start, start_s, lost_seconds, reason, run_id, source"
            " FROM gaps JOIN runs ON runs.id = run_id"
            " WHERE start >= ? AND start < ? ORDER BY start, gaps.id",
            [query.since, query.until],
        ):
            yield self._made(HeardGap, row)

    def summary(self, query: Query) -> Iterator[Summary]:
        """One for each label, and for each group: those with most alerts first, then events."""
        condition, values = query.where()
        name = "CASE group_name WHEN '' THEN label ELSE group_name END"
        for row in self._rows(
            f"SELECT {name} AS name, count(*) AS events, sum(alert) AS alerts,"
            ' sum("end" - start), max("end" - start), max(peak_score), avg(peak_score),'
            " max(start), group_name <> '' AS is_group"
            f" FROM events WHERE {condition} GROUP BY name, is_group"
            " ORDER BY alerts DESC, events DESC, name",
            values,
        ):
            yield self._made(Summary, row)

    def quarters(self, query: Query) -> Iterator[tuple[int, int]]:
        """How many events started in each quarter of an hour that had any: its start, the number.

        Quarters add up to hours of any time zone.
        """
        condition, values = query.where()
        for quarter, events in self._rows(
            f"SELECT CAST(start / {QUARTER_SECONDS} AS INTEGER) * {QUARTER_SECONDS} AS quarter,"
            f" count(*) FROM events WHERE {condition} GROUP BY quarter ORDER BY quarter",
            values,
        ):
            if not query.since - QUARTER_SECONDS <= quarter <= _LATEST:
                raise self._damaged()
            yield quarter, events

    def listening(self, since: float = -inf, until: float = inf) -> list[Span]:
        """When livetag was listening: spans apart from each other, in their order."""
        spans: list[Span] = []
        for begin, end in self._rows(_LISTENING, [until, since, LONG_GAP_SECONDS]):
            if end is None:
                continue
            if not (isinstance(begin, float) and isinstance(end, float)):
                raise self._damaged()
            if max(begin, since) < min(end, until):
                if begin < _EARLIEST or end > _LATEST:
                    raise self._damaged()
                _append(spans, max(begin, since), min(end, until))
        return spans

    def _rows(self, statement: str, values: list[Any]) -> Iterator[Any]:
        with self._reading():
            # No `yield from`: to close this would close the cursor, which may outlive its database.
            for row in self._connection.execute(statement, values):  # noqa: UP028
                yield row

    def _made(self, kind: type[Row], row: Any) -> Row:
        """A row as what it is of, when each value has the type and the size that it must have."""
        for value, (name, kinds) in zip(row, _COLUMNS[kind], strict=True):
            if not isinstance(value, kinds):
                raise self._damaged()
            if isinstance(value, float):
                low, high = (_EARLIEST, _LATEST) if name in _TIMES else (-_LARGEST, _LARGEST)
                if not low <= value <= high:
                    raise self._damaged()
        if bool in (field.type for field in fields(kind)):
            row = [*row[:-1], bool(row[-1])]  # which SQLite has as a number
        return kind(*row)

    def _damaged(self) -> LivetagError:
        return LivetagError(
            f"the history {self._path} cannot be read: it is damaged, and holds what livetag does"
            " not write"
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:  # in what SQLite has to say of a damaged file
            raise self._damaged() from error
        except sqlite3.Error as error:
            raise LivetagError(
                f"the history {self._path} cannot be read: {explain(error)}"
            ) from error


_LISTENING = """
WITH heard AS (SELECT * FROM runs WHERE started < ?1 AND heard_until > ?2),
edges AS (
    SELECT id AS run, started AS stop, started AS go FROM heard
    UNION ALL
    SELECT run_id, gaps.start, gaps.start + lost_seconds
    FROM gaps JOIN heard ON heard.id = run_id WHERE lost_seconds >= ?3
    UNION ALL
    SELECT id, heard_until, heard_until FROM heard
)
SELECT go, lead(stop) OVER (PARTITION BY run ORDER BY stop, go) FROM edges ORDER BY go
"""
"""From a run's start, or the end of a long gap, to the next long gap or the run's end.

A run's last row has no end: NULL.
"""


def _append(spans: list[Span], begin: float, end: float) -> None:
    """Add a span that begins no earlier than those before it; with the last, if they touch."""
    if spans and begin <= spans[-1][1]:
        begin, last_end = spans.pop()
        end = max(end, last_end)
    spans.append((begin, end))


def _nothing_at(path: Path) -> InputError:
    return InputError(f"there is no history at {path} yet: `livetag monitor --history` keeps one")
