"""Which records a sink asks for."""

import pytest

from livetag.events import EventAlert, EventEnd, EventStart, Gap, Record
from livetag.sinks.base import EVERYTHING, Selection
from livetag.yamnet.labels import Label

DOG, SPEECH = Label(69, "/m/0bt9lr", "Dog"), Label(0, "/m/09x0r", "Speech")
GAP = Gap(1_000.0, 1.0, 0.5, "overflow")


def start(label: Label = DOG, alert: bool = True) -> EventStart:
    return EventStart(label, 1_000.0, 1.0, 0.9, 0.5, -30.0, alert)


def end(begun: EventStart, alert: bool) -> EventEnd:
    return EventEnd(begun, 1_003.0, 4.0, 0.9, 0.8, 6, -25.0, alert)


def of(label: Label) -> list[Record]:
    """An alert, an event that is none, and one that comes to be one while it goes on."""
    alert, quiet = start(label), start(label, alert=False)
    late = EventAlert(quiet, label, 1_002.0, 3.0, 0.8)
    return [alert, end(alert, True), quiet, end(quiet, False), quiet, late, end(quiet, True)]


ALERTS = [True, True, False, False, False, True, True]


def wanted(selection: Selection, records: list[Record]) -> list[bool]:
    return [selection.wants(record) for record in records]


@pytest.mark.parametrize("label", [DOG, SPEECH])
def test_without_a_choice_everything_is_wanted(label: Label) -> None:
    assert wanted(EVERYTHING, of(label)) == [True] * 7


def test_alerts_alone_are_what_the_user_was_told_of_also_late() -> None:
    assert wanted(Selection(alerts_only=True), of(DOG)) == ALERTS


def test_classes_alone_are_those_of_the_label_that_was_heard() -> None:
    selection = Selection(classes=frozenset({DOG.index}))
    assert wanted(selection, of(DOG)) == [True] * 7
    assert wanted(selection, of(SPEECH)) == [False] * 7


def test_alerts_of_some_classes_have_to_be_both() -> None:
    selection = Selection(alerts_only=True, classes=frozenset({DOG.index}))
    assert wanted(selection, of(DOG)) == ALERTS
    assert wanted(selection, of(SPEECH)) == [False] * 7


def test_no_class_at_all_is_not_every_class() -> None:
    assert wanted(Selection(classes=frozenset()), of(DOG)) == [False] * 7


@pytest.mark.parametrize("classes", [None, frozenset[int]()])
def test_gaps_are_always_wanted(classes: frozenset[int] | None) -> None:
    """Whoever reads the log has to know that nothing was heard then."""
    assert Selection(alerts_only=True, classes=classes).wants(GAP)
