"""The 521 AudioSet classes: index, mid and display name, and how a user may name one."""

import csv
import difflib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from livetag.errors import LivetagError, UsageError
from livetag.files import read_regular
from livetag.resources import CLASS_MAP_PATH

_CLASSES = 521
_MOST_BYTES = 1 << 20  # the published one has 14 kB
_MOST_NAME_CHARACTERS = 80  # of a name that is no class, in a message


@dataclass(frozen=True)
class Label:
    """One class: its row in the scores, its AudioSet identifier and its display name."""

    index: int
    mid: str
    name: str

    def __str__(self) -> str:
        return self.name


class ClassMap:
    """The classes in the order of the scores; looks a label up by name, mid or index."""

    def __init__(self, labels: list[Label]) -> None:
        self._labels = labels
        self._by_key = {str(label.index): label for label in labels}
        self._by_key |= {label.mid.casefold(): label for label in labels}
        self._by_key |= {label.name.casefold(): label for label in labels}

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Label:
        return self._labels[index]

    def __iter__(self) -> Iterator[Label]:
        return iter(self._labels)

    def find(self, text: str) -> Label:
        """The label that `text` names: a display name in any case, a mid or an index.

        Raises `UsageError` with the nearest names where there is none.
        """
        label = self._by_key.get(text.strip().casefold())
        if label is not None:
            return label
        near = self._near(text)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        named = repr(text[:_MOST_NAME_CHARACTERS])
        raise UsageError(f"no class is called {named}{hint} (yamnet_class_map.csv lists them all)")

    def _near(self, text: str, count: int = 3) -> list[str]:
        """Names with `text` as a word, then those spelt like it, then those that hold it."""
        wanted = text.strip().casefold()
        names = [label.name for label in self._labels]
        holding = sorted((n for n in names if wanted and wanted in n.casefold()), key=len)
        word = re.compile(rf"\b{re.escape(wanted)}\b") if wanted else None
        with_word = [name for name in holding if word and word.search(name.casefold())]
        parts = {
            part.strip().casefold(): name for name in reversed(names) for part in name.split(",")
        }
        whole = {name.casefold(): name for name in names}
        spelt = difflib.get_close_matches(wanted, [*whole, *parts], n=count, cutoff=0.6)
        alike = [whole.get(match) or parts[match] for match in spelt]
        both = [name for name in alike if name in with_word]
        return list(dict.fromkeys([*both, *with_word, *alike, *holding]))[:count]


def read_class_map(path: Path) -> ClassMap:
    """Read a class map: CSV with the columns index, mid, display_name, in index order."""
    try:
        text = read_regular(path, _MOST_BYTES).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        labels = [Label(int(row["index"]), row["mid"], row["display_name"]) for row in rows]
        named = all(label.mid and label.name for label in labels)
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise LivetagError(f"the class map {path} cannot be read: {error!r}") from error
    if [label.index for label in labels] != list(range(len(labels))) or not labels or not named:
        raise LivetagError(f"the class map {path} has missing or unordered rows: reinstall livetag")
    return ClassMap(labels)


@lru_cache(maxsize=1)
def class_map() -> ClassMap:
    """The published class map that ships with livetag. Raises `LivetagError` for another."""
    labels = read_class_map(CLASS_MAP_PATH)
    if len(labels) != _CLASSES:
        raise LivetagError(f"{CLASS_MAP_PATH} has {len(labels)} classes: reinstall livetag")
    return labels
