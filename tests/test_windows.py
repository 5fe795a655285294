"""The latest windows: how rules see them, and which of them begin an event."""

from typing import Any

import numpy as np
from deciding import place_of, rules_of, scores_of

from livetag.detection.windows import Window, Windows
from livetag.rules import Rules, Succession

DOG, CAT = 69, 76
PETS = {"pets": ["Dog", "Cat"]}


def pushed(windows: Windows, *scores: float, level_dbfs: float = -20.0) -> list[Window]:
    """Windows in which a dog is heard so well."""
    return [windows.push(0.0, scores_of(Dog=score), level_dbfs) for score in scores]


def heard(rules: Rules, *scores: float) -> Windows:
    windows = Windows(rules)
    pushed(windows, *scores)
    return windows


def numbers(windows: Windows) -> list[int]:
    """Those that a dog's event begins with, counted from 1."""
    return [window.number for window in windows.confirming(DOG)]


def test_a_window_has_every_class_s_score_and_a_group_s_best() -> None:
    rules = rules_of(groups=PETS, alert=("pets=0.6",), release=0.3)
    window = Windows(rules).push(1.5, scores_of(Dog=0.4, Cat=0.55), -20.0)
    pets = place_of(rules, "pets")
    assert np.array_equal(window.heard[[DOG, CAT, pets]], np.array([0.4, 0.55, 0.55], np.float32))
    assert np.array_equal(window.values, window.heard)
    assert window.met.nonzero()[0].tolist() == [CAT]
    assert window.going_on.nonzero()[0].tolist() == [DOG, CAT, pets]
    assert window.best_member(rules.all[pets]) == CAT
    assert window.start_s == 1.5


def test_what_is_too_quiet_for_a_rule_is_heard_and_does_not_count() -> None:
    rules = rules_of(rule=[{"label": "Dog", "min_level_dbfs": -45.0}])
    window = Windows(rules).push(0.0, scores_of(Dog=0.9, Cat=0.9), -45.1)
    assert (window.heard[DOG], window.values[DOG]) == (np.float32(0.9), 0.0)
    assert window.met.nonzero()[0].tolist() == [CAT]


def test_an_event_begins_with_the_first_window_that_met_the_threshold() -> None:
    rules = rules_of(confirm=(2, 4))
    assert numbers(heard(rules, 0.9)) == []
    assert numbers(heard(rules, 0.1, 0.9, 0.1, 0.9)) == [2, 3, 4]
    assert numbers(heard(rules, 0.9, 0.1, 0.1, 0.1, 0.9)) == []  # the first is too old
    assert heard(rules, 0.9, 0.1, 0.1, 0.1, 0.9).met(DOG) == 1


def test_a_window_that_is_sure_needs_no_other() -> None:
    rules = rules_of(confirm=(3, 4), sure=0.8)
    assert numbers(heard(rules, 0.9, 0.7)) == []  # the latest one has to be
    assert numbers(heard(rules, 0.1, 0.6, 0.8)) == [2, 3]


def test_the_windows_of_an_event_confirm_no_other() -> None:
    windows = heard(rules_of(confirm=(2, 4)), 0.9, 0.9)
    windows.spend(DOG)
    pushed(windows, 0.9)
    assert (numbers(windows), windows.met(DOG)) == ([], 1)
    pushed(windows, 0.9)
    assert numbers(windows) == [3, 4]
    windows.spend(DOG, but_the_latest=True)
    assert windows.met(DOG) == 1


def test_windows_from_before_a_gap_confirm_nothing_after_it() -> None:
    windows = Windows(rules_of(confirm=(2, 4)))
    first, second = pushed(windows, 0.9, 0.9)
    windows.clear()
    third, fourth = pushed(windows, 0.9, 0.1)
    assert windows.met(DOG) == 1
    are_first = [windows.is_first(window) for window in (second, third, fourth)]
    assert are_first == [False, True, False]
    assert Windows(rules_of()).is_first(first)


def test_windows_count_as_other_rules_have_them_and_stay_spent() -> None:
    before: dict[str, Any] = {"groups": {"felines": ["Cat"], **PETS}, "alert": ("felines", "pets")}
    strict = rules_of(**before, threshold=0.8, confirm=(1, 4))
    lax = rules_of(groups=PETS, alert=("pets",), threshold=0.5, confirm=(2, 4))
    windows = heard(strict, 0.6, 0.6, 0.6)
    windows.spend(place_of(strict, "pets"), but_the_latest=True)
    assert windows.met(DOG) == 0
    windows.adopt(Succession(strict, lax))
    assert numbers(windows) == [1, 2, 3]
    assert windows.met(place_of(lax, "pets")) == 1
    assert windows.latest.met[DOG]
