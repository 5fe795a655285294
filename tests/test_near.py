"""Near misses: which scores are told of, when, and what they lacked."""

from typing import Any

import pytest
from deciding import rules_of, scores_of

from livetag.detection.near import NEAR_SHARE, NearMisses
from livetag.detection.windows import Windows
from livetag.events import Anchor, Explanation
from livetag.rules import Succession

BEGAN = 1_000.0
ANCHOR = Anchor(0.0, BEGAN)
DOG = 69


class Follower:
    """Near misses, and the windows that they are of, one each half second."""

    def __init__(self, **values: Any) -> None:
        self.rules = rules_of(**values)
        self.windows = Windows(self.rules)
        self.near = NearMisses(self.rules)
        self.next_s = 0.0

    def hear(
        self,
        *windows: dict[str, float] | float,
        level_dbfs: float = -20.0,
        open_: tuple[int, ...] = (),
    ) -> list[Explanation]:
        """Go on with these windows: the scores of classes, or the dog's alone."""
        found: list[Explanation] = []
        for window in windows:
            scores = scores_of(**(window if isinstance(window, dict) else {"Dog": window}))
            self.windows.push(self.next_s, scores, level_dbfs)
            found += self.near.update(self.windows, open_, ANCHOR)
            self.next_s += 0.5
        return found

    def all_of(self, *windows: dict[str, float] | float, **how: Any) -> list[str]:
        """Of what these windows came near, and what it lacked, when nothing comes after them."""
        found = self.hear(*windows, **how) + list(self.near.finish(ANCHOR))
        return [f"{one.group or one.label.name}: {one.why}" for one in found]

    def adopt(self, **values: Any) -> None:
        change = Succession(self.rules, rules_of(**values))
        self.windows.adopt(change)
        self.near.adopt(change)


def test_what_came_near_and_went_is_explained_by_its_best_window() -> None:
    follower = Follower(threshold=0.5, hold_seconds=1.0, alert=("Dog",))
    near = NEAR_SHARE * 0.5 + 0.01
    assert follower.hear(near, 0.44, near, 0.0, 0.0) == []  # it may still come
    (explanation,) = follower.hear(0.0)
    assert (explanation.label.name, explanation.why) == ("Dog", "0.44 of 0.50")
    assert explanation.score == pytest.approx(0.44)
    assert (explanation.start_s, explanation.time) == (0.5, BEGAN + 0.5)
    assert follower.all_of(0.0) == []  # once


def test_what_is_far_from_its_threshold_or_is_not_to_alert_is_not_explained() -> None:
    far = NEAR_SHARE * 0.5 - 0.01
    assert Follower(alert=("Dog",)).all_of({"Dog": far, "Cat": 0.49}) == []


def test_what_is_or_becomes_an_event_is_not_explained() -> None:
    follower = Follower(alert=("Dog",))
    assert follower.all_of(0.4, open_=(DOG,)) == []
    follower.hear(0.4)
    follower.near.forget(DOG)
    assert follower.all_of(0.0) == []


def test_windows_too_few_are_counted() -> None:
    assert Follower(alert=("Dog",), confirm=(3, 4)).all_of(0.9, 0.4, 0.9) == ["Dog: 2 of 3 windows"]
    most = Follower(alert=("Dog",), confirm=(3, 3))
    found = most.all_of(0.6, 0.6, 0.4, 0.4, 0.7)  # the best window met it by itself
    assert found == ["Dog: 2 of 3 windows"]


def test_a_sound_that_is_too_quiet_is_explained_by_its_level() -> None:
    follower = Follower(alert=("Dog",), min_level_dbfs=-45.0)
    assert follower.all_of(0.9, level_dbfs=-52.4) == ["Dog: level -52 of -45 dBFS"]


def test_a_group_is_explained_by_the_member_that_came_nearest() -> None:
    follower = Follower(groups={"pets": ["Dog", "Cat"]}, alert=("pets",), hold_seconds=0.0)
    (explanation,) = follower.hear({"Dog": 0.3, "Cat": 0.4}, 0.0)
    assert (explanation.label.name, explanation.group) == ("Cat", "pets")


def test_what_came_near_is_explained_by_the_rule_that_it_came_near() -> None:
    follower = Follower(alert=("Dog", "Cat"), hold_seconds=0.0)
    follower.hear({"Dog": 0.4, "Cat": 0.4})
    follower.adopt(alert=("Dog=0.3", "Cat"), hold_seconds=0.0)
    assert follower.all_of(0.0, 0.0) == ["Cat: 0.40 of 0.50"]


def test_what_came_near_a_group_stays_its_own_wherever_that_stands() -> None:
    pets = {"pets": ["Dog", "Cat"]}
    follower = Follower(groups={"felines": ["Cat"], **pets}, alert=("felines", "pets"))
    follower.hear(0.4)
    follower.adopt(groups=pets, alert=("pets",))
    assert follower.all_of() == ["pets: 0.40 of 0.50"]
