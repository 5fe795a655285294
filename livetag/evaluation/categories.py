"""What is told apart: YAMNet's classes themselves, or categories that stand for some of them.

A label of a data set names a class by its AudioSet name or mid, or a category of a map.
"""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livetag.errors import UsageError
from livetag.evaluation.metrics import FloatArray
from livetag.evaluation.tables import read_rows
from livetag.yamnet.labels import ClassMap, Label

MAP_COLUMNS = ("category", "yamnet_labels")
SEPARATOR = "|"
"""Between the classes of a category, and the labels of a clip: AudioSet's names hold commas."""


@dataclass(frozen=True, slots=True)
class Category:
    """One of the things told apart, and the YAMNet classes that name it: one or more."""

    name: str
    classes: tuple[Label, ...]


class Categories:
    """The categories in order. One with several classes scores as the highest of them does."""

    advice = "the map has to have each"
    """What to do where labels are none of them."""

    def __init__(self, categories: Iterable[Category], source: str) -> None:
        """`source`: where they come from, for messages."""
        self._categories = list(categories)
        self._source = source
        self._rows = {category.name.casefold(): row for row, category in enumerate(self)}

    def __len__(self) -> int:
        return len(self._categories)

    def __getitem__(self, row: int) -> Category:
        return self._categories[row]

    def __iter__(self) -> Iterator[Category]:
        return iter(self._categories)

    def row(self, label: str) -> int | None:
        """The row of the category that a data set's label names.

        None for a mid that is no class of YAMNet's: AudioSet has such classes, which YAMNet leaves
        out. Raises `UsageError` for anything else that names no category.
        """
        row = self._rows.get(label.strip().casefold())
        if row is None:
            near = difflib.get_close_matches(label.casefold(), self._rows, n=3)
            names = " or ".join(repr(self[self._rows[name]].name) for name in near)
            hint = f"; did you mean {names}?" if near else ""
            raise UsageError(f"{self._source} has no category {label[:80]!r}{hint}")
        return row

    def named_by(self, label: str) -> list[str]:
        """The names of the categories that a label means: its own, or those with such a class."""
        key = label.strip().casefold()
        if key in self._rows:
            return [self[self._rows[key]].name]
        return [
            category.name
            for category in self
            if any(key in {one.name.casefold(), one.mid.casefold()} for one in category.classes)
        ]

    def scores(self, classes: FloatArray) -> FloatArray:
        """The categories' scores, float32[categories], of the classes', float32[521]."""
        return np.array(
            [max(classes[label.index] for label in one.classes) for one in self], np.float32
        )


class YamnetClasses(Categories):
    """Each of YAMNet's classes for itself."""

    advice = "--map says which classes other names stand for"

    def __init__(self, labels: ClassMap) -> None:
        super().__init__((Category(label.name, (label,)) for label in labels), "YAMNet")
        self._labels = labels

    def row(self, label: str) -> int | None:
        try:
            return self._labels.find(label).index
        except UsageError:
            if is_mid(label):
                return None
            raise

    def scores(self, classes: FloatArray) -> FloatArray:
        return classes


def is_mid(label: str) -> bool:
    """Whether this is an identifier of AudioSet's, known to YAMNet or not: `/m/09x0r`."""
    return label.strip().startswith(("/m/", "/t/", "/g/"))


def read_map(path: Path, labels: ClassMap) -> Categories:
    """Read a map: CSV with the columns category and yamnet_labels, the latter separated by `|`.

    Other columns do not matter, and a category may come again with the same classes, so that a
    table of recordings can be a map. Raises `UsageError` where it is none, `InputError` where it
    cannot be read.
    """
    rows = read_rows(path)
    _, header = next(rows, (0, []))
    if not set(MAP_COLUMNS) <= set(header):
        raise UsageError(f"{path} is no map: it has not the columns {' and '.join(MAP_COLUMNS)}")
    found: dict[str, Category] = {}
    for line, cells in rows:
        try:
            category = _category(dict(zip(header, cells, strict=False)), labels)
            if found.setdefault(category.name.casefold(), category) != category:
                raise UsageError(f"{category.name!r} stood for other classes before")
        except UsageError as error:
            raise UsageError(f"{path}, line {line}: {error}") from error
    if not found:
        raise UsageError(f"{path} has no categories")
    return Categories(found.values(), str(path))


def _category(row: dict[str, str], labels: ClassMap) -> Category:
    name, names = (row.get(column, "") for column in MAP_COLUMNS)
    classes = tuple(labels.find(text) for text in names.split(SEPARATOR) if text.strip())
    if not name or not classes:
        raise UsageError("a category and its YAMNet classes are wanted")
    return Category(name, classes)
