"""What a scan's results hold: the columns of each product, and the row of an event or a window."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from livetag.events import EventEnd, Scores
from livetag.records import level, rounded, score
from livetag.yamnet.labels import ClassMap

Product = Literal["events", "windows", "embeddings"]
Row = tuple[Any, ...]


class Column(NamedTuple):
    """One column; `kind` is `str`, `int`, `float`, `bool`, or `np.ndarray` for an embedding."""

    name: str
    kind: type


_PLACE = (Column("file", str), Column("start_s", float), Column("end_s", float))
_CLASS = (Column("index", int), Column("mid", str), Column("label", str))

COLUMNS: dict[Product, tuple[Column, ...]] = {
    "events": (
        *_PLACE,
        *_CLASS,
        Column("group", str),
        Column("peak_score", float),
        Column("mean_score", float),
        Column("threshold", float),
        Column("windows", int),
        Column("level_dbfs", float),
        Column("alert", bool),
    ),
    "windows": (*_PLACE, *_CLASS, Column("score", float)),
    "embeddings": (*_PLACE, Column("embedding", np.ndarray)),
}


def event_row(file: str, end: EventEnd) -> Row:
    start = end.start
    return (
        file,
        rounded(start.start_s),
        rounded(end.end_s),
        start.label.index,
        start.label.mid,
        start.label.name,
        start.group,
        score(end.peak_score),
        score(end.mean_score),
        score(start.threshold),
        end.windows,
        level(end.level_dbfs),
        end.alert,
    )


def window_rows(file: str, window: Scores, floor: float, labels: ClassMap) -> Iterator[Row]:
    """A row for each class whose score is at or above the floor, in the classes' order."""
    start_s, end_s = rounded(window.start_s), rounded(window.end_s)
    for index in np.flatnonzero(window.scores >= np.float32(floor)).tolist():
        label = labels[index]
        value = score(float(window.scores[index]))
        yield file, start_s, end_s, label.index, label.mid, label.name, value


def embedding_row(file: str, window: Scores) -> Row:
    return file, rounded(window.start_s), rounded(window.end_s), window.embedding


class Table(Protocol):
    """A result being written. Each method raises `OSError` where that fails."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None: ...

    def add(self, row: Row) -> None: ...

    def close(self) -> None:
        """Write what is not yet; the file is whole when this returns."""
        ...

    @classmethod
    def merge(cls, parts: Sequence[Path], path: Path, columns: Sequence[Column]) -> None:
        """Write one table that holds the rows of others, in their order; memory is bounded."""
        ...
