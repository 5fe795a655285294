"""DCASE's event lists, of one recording or many, and which of two lists are of the same one.

- file, onset, offset, label: as `livetag monitor --dcase` writes it
- onset, offset, label: where the list is of one recording
- file: a recording without events
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from livetag.errors import InputError
from livetag.evaluation.categories import Categories
from livetag.evaluation.suffixes import LISTS, recording_name
from livetag.evaluation.tables import read_rows

_THE_ONE = ""
"""The recording of a list that names none."""


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """A sound and when it was heard, in seconds of its recording."""

    onset_s: float
    offset_s: float
    label: str


EventLists = dict[str, list[ListedEvent]]
"""The events of each recording, by its name without folder and extension."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What was to be heard in one recording, and what is said to have been."""

    reference: list[ListedEvent]
    estimated: list[ListedEvent]


def read_lists(path: Path) -> EventLists:
    """Read one list, or all `.txt`, `.tsv`, `.csv` and `.ann` of a folder. Raises `InputError`."""
    found: EventLists = {}
    if path.is_dir():
        for one in sorted(path.iterdir()):
            if one.suffix.lower() in LISTS and not one.name.startswith("."):
                _read(one, recording_name(one.name), found)
        if not found:
            raise InputError(f"{path} has no event lists: .txt, .tsv, .csv or .ann")
    else:
        _read(path, _THE_ONE, found)
    return found


def _read(path: Path, recording: str, found: EventLists) -> None:
    named = False
    for line, cells in read_rows(path, tabs=True):
        if {"onset", "event_onset"} & {cell.lower() for cell in cells}:
            continue  # a header
        try:
            name, event = _parsed(cells)
        except ValueError as error:
            raise InputError(
                f"{path}, line {line} is no event: onset, offset and label are wanted, after the "
                "name of the recording where a list is of several"
            ) from error
        named = named or name is not None
        events = found.setdefault(recording if name is None else recording_name(name), [])
        events += [event] if event else []
    if not named:  # its recording may have no events
        found.setdefault(recording, [])


def _parsed(cells: list[str]) -> tuple[str | None, ListedEvent | None]:
    """The recording's name, if there is one, and the event. Raises `ValueError`."""
    if len([cell for cell in cells if cell]) == 1 and cells[0]:
        return cells[0], None
    name = cells[0] if len(cells) == 4 else None
    onset, offset, label = cells[-3:]
    onset_s, offset_s = float(onset), float(offset)
    if len(cells) > 4 or not label or not isfinite(offset_s) or not 0.0 <= onset_s <= offset_s:
        raise ValueError
    return name, ListedEvent(onset_s, offset_s, label)


def paired(reference: EventLists, estimated: EventLists) -> tuple[list[Pair], int]:
    """What both say of each recording of the reference; one that `estimated` lacks has no events.

    And how many recordings `estimated` has besides. Where each has one recording and either has no
    name, they are the same one. Raises `InputError` where no recording is in both.
    """
    if len(reference) == len(estimated) == 1 and _THE_ONE in {*reference, *estimated}:
        estimated = dict(zip(reference, estimated.values(), strict=True))
    if not reference.keys() & estimated.keys():
        raise InputError(
            f"no recording is in both lists: the reference has {_some(reference)}, the other has "
            f"{_some(estimated)}"
        )
    pairs = [Pair(events, estimated.get(name, [])) for name, events in reference.items()]
    return pairs, len(estimated.keys() - reference.keys())


def _some(lists: EventLists) -> str:
    names = [repr(name) for name in sorted(lists) if name][:3]
    return ", ".join(names) + (", ..." if len(lists) > 3 else "") if names else "one without a name"


def mapped(pairs: list[Pair], categories: Categories) -> list[Pair]:
    """The events of the categories alone, named by them.

    Events of one category that overlap, or touch, are one: "Dog" and "Bark" at once are one dog.
    """
    names: dict[str, list[str]] = {}

    def renamed(events: Iterable[ListedEvent]) -> list[ListedEvent]:
        by_name: EventLists = {}
        for event in events:
            if event.label not in names:
                names[event.label] = categories.named_by(event.label)
            for name in names[event.label]:
                by_name.setdefault(name, []).append(event)
        return [one for name, own in by_name.items() for one in _merged(own, name)]

    return [Pair(renamed(pair.reference), renamed(pair.estimated)) for pair in pairs]


def _merged(events: list[ListedEvent], name: str) -> Iterator[ListedEvent]:
    events = sorted(events, key=lambda event: event.onset_s)
    onset_s, offset_s = events[0].onset_s, events[0].offset_s
    for event in events[1:]:
        if event.onset_s > offset_s:
            yield ListedEvent(onset_s, offset_s, name)
            onset_s = event.onset_s
            offset_s = event.offset_s
        offset_s = max(offset_s, event.offset_s)
    yield ListedEvent(onset_s, offset_s, name)
