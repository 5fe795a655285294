"""Alerts: what withholds them, and how cooldowns go on by other rules."""

from datetime import datetime
from typing import Any

import pytest
from deciding import place_of, rules_of

from livetag.detection.alerts import Alerts
from livetag.events import Anchor
from livetag.rules import Rules, Succession

DOG, CAT, MUSIC = 69, 76, 132
PETS: dict[str, Any] = {"groups": {"pets": ["Dog", "Cat"]}, "cooldown_seconds": 60.0}
NOON = Anchor(0.0, datetime(2026, 11, 22, 12).timestamp())


def test_what_withholds_an_alert_is_said_in_words_the_hours_first() -> None:
    rule = {"label": "Dog", "unless": ["Music"], "cooldown_seconds": 60.0, "hours": "08:00-12:01"}
    alerts = Alerts(rules_of(rule=[rule]))
    assert alerts.withheld(DOG, 0.0, NOON, {DOG}) == ""
    alerts.alerted(DOG, 0.0)
    assert alerts.withheld(DOG, 59.0, NOON, {DOG, MUSIC}) == "while Music"
    assert alerts.withheld(DOG, 60.0, NOON, {DOG, MUSIC}) == "outside 08:00-12:01"
    morning = Anchor(0.0, datetime(2026, 11, 22, 10).timestamp())
    assert alerts.withheld(DOG, 59.5, morning, {DOG}) == "cooldown 1 s"
    assert alerts.withheld(DOG, 60.0, morning, {DOG}) == ""


def test_a_cooldown_begins_with_each_alert_and_is_its_rule_s_own() -> None:
    alerts = Alerts(rules_of(cooldown_seconds=2.0, alert=("Dog", "Cat")))
    alerts.alerted(DOG, 1.0)
    alerts.alerted(DOG, 10.0)
    assert alerts.withheld(DOG, 11.0, NOON, set()) == "cooldown 1 s"
    assert alerts.withheld(CAT, 11.0, NOON, set()) == ""


def test_a_cooldown_is_not_cut_short_by_how_seconds_add_up() -> None:
    alerts = Alerts(rules_of(cooldown_seconds=0.3, alert=("Dog",)))
    alerts.alerted(DOG, 0.1 + 0.2)  # a little more than 0.3
    assert alerts.withheld(DOG, 0.6, NOON, set()) == ""


def after(before: Rules, rules: Rules, **alerted_s: float) -> Alerts:
    """Alerts by other rules, after those by the rules before."""
    alerts = Alerts(before)
    for name, now_s in alerted_s.items():
        alerts.alerted(place_of(before, name), now_s)
    alerts.adopt(Succession(before, rules))
    return alerts


@pytest.mark.parametrize(
    ("names", "then"), [(("Dog",), "pets"), (("pets",), "Dog"), (("pets",), "others")]
)
def test_a_rule_that_alerts_anew_takes_over_the_cooldown_of_the_same_sounds(
    names: tuple[str], then: str
) -> None:
    groups = {"pets": ["Dog", "Cat"], "others": ["Dog", "Pig"]}
    rules = rules_of(**PETS | {"groups": groups}, alert=(then,))
    alerts = after(rules_of(**PETS, alert=names), rules, **{names[0]: 10.0})
    assert alerts.withheld(place_of(rules, then), 20.0, NOON, set()) == "cooldown 50 s"


def test_of_several_cooldowns_the_latest_is_taken_over() -> None:
    rules = rules_of(**PETS, alert=("pets",))
    pets = place_of(rules, "pets")
    for dog_s, cat_s in ((10.0, 15.0), (15.0, 10.0)):
        alerts = after(rules_of(**PETS, alert=("Dog", "Cat")), rules, Dog=dog_s, Cat=cat_s)
        assert alerts.withheld(pets, 20.0, NOON, set()) == "cooldown 55 s"


def test_a_cooldown_of_one_class_is_not_taken_over_by_others() -> None:
    rules = rules_of(**PETS, alert=("Dog", "Cat"))
    alerts = after(rules_of(**PETS, alert=("Dog",)), rules, Dog=10.0)
    assert alerts.withheld(DOG, 20.0, NOON, set()) == "cooldown 50 s"
    assert alerts.withheld(CAT, 20.0, NOON, set()) == ""


def test_rules_that_alerted_before_keep_cooldowns_of_their_own() -> None:
    rules = rules_of(**PETS, alert=("Dog", "pets"))
    alerts = after(rules, rules, pets=10.0)
    assert alerts.withheld(DOG, 20.0, NOON, set()) == ""
    assert alerts.withheld(place_of(rules, "pets"), 20.0, NOON, set()) == "cooldown 50 s"
