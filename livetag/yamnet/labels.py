"""The 521 AudioSet classes: index, mid and display name, and how a user may name one."""

import csv
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from livetag.errors import LivetagError, UsageError
from livetag.resources import CLASS_MAP_PATH


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
        raise UsageError(f"no class is called {text!r}{hint} (yamnet_class_map.csv lists them all)")

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
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        labels = [Label(int(row["index"]), row["mid"], row["display_name"]) for row in rows]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise LivetagError(f"the class map {path} cannot be read: {error!r}") from error
    if [label.index for label in labels] != list(range(len(labels))) or not labels:
        raise LivetagError(f"the class map {path} has missing or unordered rows: reinstall livetag")
    return ClassMap(labels)


@lru_cache(maxsize=1)
def class_map() -> ClassMap:
    """The published class map that ships with livetag."""
    return read_class_map(CLASS_MAP_PATH)
