"""The configuration read again: what counts at once, what from the next start, what is told."""

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from livetag import reload
from livetag.errors import LivetagError, UsageError
from livetag.reload import FROM_NEXT_START, Change, Reading, Readings, Reloader, SinkChange
from livetag.rules import Rules
from livetag.schema import KEYS, Config, convert
from livetag.sinks.base import Sink

SINK_KEYS = {"csv", "jsonl", "audacity", "raven", "dcase", "history", "clips", "sink"}
RULE_KEYS = {
    *("threshold", "release", "confirm", "sure", "short", "short_threshold", "hold_seconds"),
    *("max_seconds", "cooldown_seconds", "unless", "min_level_dbfs", "hours"),
    *("alert", "watch", "ignore", "groups", "rule"),
}
SHOWN_KEYS = {"top", "explain", "spectrogram"}


class Files:
    """A configuration that a test changes, and the sinks that were asked for with it."""

    def __init__(self, **values: Any) -> None:
        self.now = convert(values, "the test")
        self.asked: list[Config] = []
        self.adopted: list[Config] = []
        self.error: LivetagError | None = None
        self.reloader = Reloader(self.now, self._read, self._change_sinks)
        self.gone, self.new = cast(Sink, object()), cast(Sink, object())

    def have(self, **values: Any) -> None:
        self.now = convert(values, "the test")

    def _read(self) -> Config:
        return self.now

    def reload(self) -> Change:
        change = self.reloader()
        change.adopt()
        return change

    def _change_sinks(self, config: Config, rules: Rules) -> SinkChange:
        if self.error is not None:
            raise self.error
        self.asked.append(config)
        return [self.gone], [self.new], lambda: self.adopted.append(config)


def test_of_every_key_it_is_known_when_a_new_value_counts() -> None:
    """A key that is new to the schema has to be put into one of these."""
    known = [FROM_NEXT_START, SINK_KEYS, RULE_KEYS, SHOWN_KEYS]
    assert set().union(*known) == set(KEYS)
    assert sum(map(len, known)) == len(KEYS)


def test_what_is_the_same_changes_nothing() -> None:
    files = Files(threshold=0.4, csv="events.csv")
    assert files.reload().told == "nothing changed"


def test_rules_and_what_is_shown_are_those_of_now() -> None:
    files = Files()
    files.have(threshold=0.4, top=3, explain=True, spectrogram=True, alert=["Dog"])
    change = files.reload()
    dog = change.rules.all[change.rules.labels.find("Dog").index]
    assert (dog.threshold, dog.alert) == (0.4, True)
    assert (change.top, change.explain, change.spectrogram) == (3, True, True)
    assert change.told == "threshold, alert, top, spectrogram, explain changed"
    assert files.reload().told == "nothing changed"


def test_sinks_are_those_of_now() -> None:
    files = Files(csv="events.csv")
    files.have(jsonl="events.jsonl")
    change = files.reload()
    assert (change.gone, change.new) == ([files.gone], [files.new])
    assert [(config.csv, config.jsonl) for config in files.asked] == [(None, "events.jsonl")]
    assert change.told == "csv, jsonl changed"
    assert files.adopted == files.asked


def test_what_is_not_adopted_changes_nothing() -> None:
    files = Files()
    files.have(threshold=0.4)
    assert [files.reloader().told for _ in range(2)] == ["threshold changed"] * 2
    assert files.adopted == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"device": "USB"}, "nothing changed; device: the new value counts from the next start"),
        (
            {"device": "USB", "threshold": 0.4, "json": True},
            "threshold changed; device, json: the new values count from the next start",
        ),
    ],
)
def test_what_the_source_was_opened_with_counts_from_the_next_start(
    values: dict[str, Any], told: str
) -> None:
    files = Files(device="built-in")
    files.have(**values)
    assert [files.reload().told for _ in range(2)] == [told, told.replace("threshold", "nothing")]
    assert {(config.device, config.json) for config in files.asked} == {("built-in", False)}


def test_windows_to_confirm_are_counted_with_the_hop_in_force() -> None:
    files = Files(patch_hop_seconds=0.48)
    before = files.reload().rules
    files.have(patch_hop_seconds=0.1)
    assert files.reload().rules.longest_confirmation == before.longest_confirmation


@pytest.mark.parametrize("fails_in", ["sinks", "rules"])
def test_what_is_refused_leaves_everything_as_it_was(fails_in: str) -> None:
    files = Files()
    files.have(threshold=0.4, alert=["Dgo"] if fails_in == "rules" else ["Dog"])
    files.error = UsageError("it is there already") if fails_in == "sinks" else None
    with pytest.raises(UsageError, match="there already" if fails_in == "sinks" else "Dgo"):
        files.reload()
    files.error = None
    files.have(threshold=0.4)
    assert files.reload().told == "threshold changed"


# --- In a thread of its own ---------------------------------------------------------------------


class Opened:
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()
        raise OSError("it fails")


def changing(*sinks: Opened) -> Change:
    return Change(Files().reload().rules, 10, False, False, [], cast(Any, sinks), "", lambda: None)


def over(read: Callable[[], Change]) -> Reading:
    reading = Reading(read)
    while not reading.is_over:
        pass
    return reading


def test_a_reading_has_its_change_or_raises_what_kept_it_from_one() -> None:
    change = changing()
    assert over(lambda: change).result() is change
    with pytest.raises(ZeroDivisionError):
        over(lambda: 1 // 0).result()  # type: ignore[return-value, arg-type]


def test_a_reading_that_hangs_is_refused_and_what_it_opens_later_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reload, "READING_SECONDS", 0.0)
    go_on, sinks = threading.Event(), [Opened(), Opened()]

    def read() -> Change:
        go_on.wait(60.0)
        return changing(*sinks)

    reading = over(read)
    with pytest.raises(LivetagError, match="took more than 0 s"):
        reading.result()
    go_on.set()
    assert all(sink.closed.wait(60.0) for sink in sinks)


def test_a_reading_that_nobody_waits_for_closes_what_it_has_opened() -> None:
    sink = Opened()
    over(lambda: changing(sink)).abandon()
    assert sink.closed.wait(60.0)


def taken(readings: Readings) -> Change:
    """What the reading that is asked for, or goes on, comes to."""
    while (change := readings.take()) is None:
        pass
    return change


def test_nothing_is_read_unasked_and_once_when_asked() -> None:
    readings = Readings(changing)
    assert readings.take() is None
    assert readings._reading is None
    assert readings.ask()
    assert taken(readings).told == ""
    assert [readings.take(), readings.take(), readings._reading] == [None] * 3


def test_where_nothing_can_be_read_again_nobody_waits_for_it() -> None:
    readings = Readings(None)
    assert not readings.ask()
    assert readings.take() is None


def test_what_is_asked_for_during_a_reading_is_read_once_after_it() -> None:
    begun: list[threading.Event] = []

    def read() -> Change:
        begun.append(threading.Event())
        begun[-1].wait(60.0)
        return changing()

    readings = Readings(read)
    readings.ask()
    assert readings.take() is None
    readings.ask()
    readings.ask()
    assert readings.take() is None
    for number in (1, 2):
        while len(begun) < number:
            readings.take()
        begun[-1].set()
        taken(readings)
    assert readings.take() is None
    assert len(begun) == 2


def test_after_a_reading_that_failed_another_may_be_asked_for() -> None:
    files = Files()
    readings = Readings(files.reload)
    files.have(alert=["Dgo"])
    readings.ask()
    with pytest.raises(UsageError, match="Dgo"):
        taken(readings)
    files.have(threshold=0.4)
    readings.ask()
    assert taken(readings).told == "threshold changed"


def test_readings_that_are_abandoned_close_what_was_opened() -> None:
    sink = Opened()
    readings = Readings(lambda: changing(sink))
    readings.abandon()
    readings.ask()
    readings.take()
    readings.abandon()
    assert sink.closed.wait(60.0)
