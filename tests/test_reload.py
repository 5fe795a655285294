"""The configuration read again: what counts at once, what from the next start, what is told."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from livetag.errors import LivetagError, UsageError
from livetag.reload import FROM_NEXT_START, Reloader
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
        self.error: LivetagError | None = None
        self.reloader = Reloader(self.now, self._read, self._change_sinks)
        self.gone, self.new = cast(Sink, object()), cast(Sink, object())

    def have(self, **values: Any) -> None:
        self.now = convert(values, "the test")

    def _read(self) -> Config:
        return self.now

    def _change_sinks(self, config: Config, rules: Rules) -> tuple[Sequence[Sink], Sequence[Sink]]:
        if self.error is not None:
            raise self.error
        self.asked.append(config)
        return [self.gone], [self.new]


def test_of_every_key_it_is_known_when_a_new_value_counts() -> None:
    """A key that is new to the schema has to be put into one of these."""
    known = [FROM_NEXT_START, SINK_KEYS, RULE_KEYS, SHOWN_KEYS]
    assert set().union(*known) == set(KEYS)
    assert sum(map(len, known)) == len(KEYS)


def test_what_is_the_same_changes_nothing() -> None:
    files = Files(threshold=0.4, csv="events.csv")
    assert files.reloader().told == "nothing changed"


def test_rules_and_what_is_shown_are_those_of_now() -> None:
    files = Files()
    files.have(threshold=0.4, top=3, explain=True, spectrogram=True, alert=["Dog"])
    change = files.reloader()
    dog = change.rules.all[change.rules.labels.find("Dog").index]
    assert (dog.threshold, dog.alert) == (0.4, True)
    assert (change.top, change.explain, change.spectrogram) == (3, True, True)
    assert change.told == "threshold, alert, top, spectrogram, explain changed"
    assert files.reloader().told == "nothing changed"


def test_sinks_are_those_of_now() -> None:
    files = Files(csv="events.csv")
    files.have(jsonl="events.jsonl")
    change = files.reloader()
    assert (change.gone, change.new) == ([files.gone], [files.new])
    assert [(config.csv, config.jsonl) for config in files.asked] == [(None, "events.jsonl")]
    assert change.told == "csv, jsonl changed"


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
    assert [files.reloader().told for _ in range(2)] == [told, told.replace("threshold", "nothing")]
    assert {(config.device, config.json) for config in files.asked} == {("built-in", False)}


def test_windows_to_confirm_are_counted_with_the_hop_in_force() -> None:
    files = Files(patch_hop_seconds=0.48)
    before = files.reloader().rules
    files.have(patch_hop_seconds=0.1)
    assert files.reloader().rules.longest_confirmation == before.longest_confirmation


@pytest.mark.parametrize("fails_in", ["sinks", "rules"])
def test_what_is_refused_leaves_everything_as_it_was(fails_in: str) -> None:
    files = Files()
    files.have(threshold=0.4, alert=["Dgo"] if fails_in == "rules" else ["Dog"])
    files.error = UsageError("it is there already") if fails_in == "sinks" else None
    with pytest.raises(UsageError, match="there already" if fails_in == "sinks" else "Dgo"):
        files.reloader()
    files.error = None
    files.have(threshold=0.4)
    assert files.reloader().told == "threshold changed"
