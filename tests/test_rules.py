"""Rules: what a configuration decides for each class and each group, and errors that name it."""

import math
from collections.abc import Mapping
from typing import Any

import pytest

from livetag import schema
from livetag.errors import UsageError
from livetag.hours import Hours
from livetag.rules import CONFIRM_SECONDS, RELEASE_SHARE, Rule, Rules, Succession, resolve
from livetag.schema import DEFAULT_ALERTS, convert
from livetag.yamnet.labels import ClassMap

SPEECH, DOG, CAT, MUSIC = 0, 69, 76, 132
PETS = {"pets": ["Dog", "Cat"]}


def resolved(labels: ClassMap, values: Mapping[str, Any]) -> Rules:
    """The rules of a configuration in which nothing alerts but what is named."""
    return resolve(convert({"alert": (), "short": ()} | dict(values), "the test"), labels)


def of_group(rules: Rules, name: str) -> Rule:
    (rule,) = [rule for rule in rules.all if rule.group == name]
    return rule


def message_of(labels: ClassMap, values: Mapping[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        resolved(labels, values)
    assert caught.value.exit_code == 2
    return str(caught.value)


# --- What holds for all, and a rule's own -------------------------------------------------------


def test_every_class_has_a_rule_in_the_order_of_the_scores(labels: ClassMap) -> None:
    rules = resolved(labels, {"threshold": 0.4, "release": 0.1, "confirm": (2, 3)})
    assert [rule.members for rule in rules.all] == [(index,) for index in range(521)]
    first = rules.all[0]
    assert all(rule == Rule(**{**fields(first), "members": rule.members}) for rule in rules.all)
    assert (first.threshold, first.release, first.confirm) == (0.4, 0.1, (2, 3))
    assert (first.alert, first.reported, first.group, first.unless) == (False, True, "", ())
    assert first.min_level_dbfs == -math.inf
    assert first.hours is None


def fields(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in Rule.__slots__}


def test_a_rules_own_values_come_before_those_for_all(labels: ClassMap) -> None:
    own = {
        "threshold": 0.8,
        "release": 0.7,
        "confirm": (3, 4),
        "sure": 0.9,
        "hold_seconds": 0.0,
        "max_seconds": 5.0,
        "cooldown_seconds": 0.0,
        "unless": ["Music"],
        "min_level_dbfs": -40.0,
        "hours": "22:00-07:00",
    }
    values: dict[str, Any] = {
        "threshold": 0.4,
        "release": 0.2,
        "confirm": (1, 2),
        "sure": 0.7,
        "hold_seconds": 1.5,
        "max_seconds": 60.0,
        "cooldown_seconds": 20.0,
        "unless": ["Speech"],
        "min_level_dbfs": -50.0,
        "hours": "08:00-20:00",
    }
    rules = resolved(labels, {**values, "rule": [{"label": "Dog", **own}, {"label": "Cat"}]})
    read = {"unless": (MUSIC,), "hours": Hours.parse("22:00-07:00")}
    assert {key: getattr(rules.all[DOG], key) for key in own} == own | read
    read = {"unless": (SPEECH,), "hours": Hours.parse("08:00-20:00")}
    assert {key: getattr(rules.all[CAT], key) for key in values} == values | read
    assert {key: getattr(rules.all[MUSIC], key) for key in values} == values | read


def test_an_empty_list_of_a_rules_own_is_a_value_too(labels: ClassMap) -> None:
    rule = {"label": "Dog", "unless": []}
    rules = resolved(labels, {"unless": ["Music"], "rule": [rule]})
    assert rules.all[DOG].unless == ()
    assert rules.all[CAT].unless == (MUSIC,)
    assert rules.all[MUSIC].unless == ()  # no sound withholds itself


def test_without_a_release_it_is_a_share_of_the_threshold(labels: ClassMap) -> None:
    rules = resolved(labels, {"threshold": 0.5, "alert": ["Dog=0.2"]})
    assert rules.all[CAT].release == pytest.approx(RELEASE_SHARE * 0.5)
    assert rules.all[DOG].release == pytest.approx(RELEASE_SHARE * 0.2)


def test_a_release_for_all_is_never_above_a_threshold(labels: ClassMap) -> None:
    rules = resolved(labels, {"threshold": 0.6, "release": 0.5, "alert": ["Dog=0.2"]})
    assert (rules.all[DOG].release, rules.all[CAT].release) == (0.2, 0.5)


def test_short_classes_are_confirmed_by_one_window_and_groups_of_them_alone(
    labels: ClassMap,
) -> None:
    groups = {"knocks": ["Knock", "Doorbell"], "mixed": ["Knock", "Dog"]}
    values = {
        "confirm": (2, 3),
        "short": ["Knock", "Doorbell", "Bark"],
        "groups": groups,
        "alert": ["knocks", "mixed"],
        "rule": [{"label": "Bark", "confirm": [4, 5], "alert": False}],
    }
    rules = resolved(labels, values)
    assert rules.all[labels.find("Knock").index].confirm == (1, 1)
    assert rules.all[labels.find("Bark").index].confirm == (4, 5)
    assert rules.all[DOG].confirm == (2, 3)
    assert of_group(rules, "knocks").confirm == (1, 1)
    assert of_group(rules, "mixed").confirm == (2, 3)
    assert rules.longest_confirmation == 5


@pytest.mark.parametrize(
    ("hop", "windows"), [(0.96, (2, 3)), (0.48, (3, 5)), (0.24, (5, 9)), (0.12, (9, 17))]
)
def test_without_confirm_half_of_the_windows_that_start_within_two_seconds_do_it(
    hop: float, windows: tuple[int, int], labels: ClassMap
) -> None:
    rules = resolved(labels, {"patch_hop_seconds": hop, "rule": [{"label": "Cat"}]})
    assert {rule.confirm for rule in rules.all} == {windows}


@pytest.mark.parametrize("hop", [0.01, 0.05, 0.1, 0.2, 0.32, 0.5, 0.6, 1.0, 1.5, 1.99, 3_600.0])
def test_whatever_the_hop_windows_that_span_about_its_time_confirm_and_half_do(
    hop: float, labels: ClassMap
) -> None:
    needed, windows = resolved(labels, {"patch_hop_seconds": hop}).all[DOG].confirm
    assert abs((windows - 1) * hop - CONFIRM_SECONDS) <= hop / 2 + 1e-9
    assert windows / 2 <= needed < windows / 2 + 1


def test_confirm_unset_is_set_by_a_rule_and_by_all(labels: ClassMap) -> None:
    values = {"short": ["Dog"], "rule": [{"label": "Cat", "confirm": [4, 5]}]}
    for confirm in ({}, {"confirm": (3, 7)}):
        rules = resolved(labels, values | confirm)
        assert rules.all[DOG].confirm == (1, 1)
        assert rules.all[CAT].confirm == (4, 5)
    assert rules.all[MUSIC].confirm == (3, 7)


def test_what_is_sure_is_for_all_or_a_rules_own_and_never_under_the_threshold(
    labels: ClassMap,
) -> None:
    values = {
        "threshold": 0.5,
        "sure": 0.7,
        "alert": ["Music=0.9"],
        "groups": {"birds": ["Bird", "Crow"]},
        "rule": [
            {"label": "Dog", "sure": 0.2},
            {"label": "Cat", "sure": 0.95},
            {"group": "birds", "threshold": 0.8},
        ],
    }
    rules = resolved(labels, values)
    assert rules.all[SPEECH].sure == 0.7
    assert rules.all[DOG].sure == 0.5
    assert rules.all[CAT].sure == 0.95
    assert rules.all[MUSIC].sure == 0.9
    assert of_group(rules, "birds").sure == 0.8


@pytest.mark.parametrize(
    ("threshold", "short_threshold", "met"), [(0.3, 0.6, 0.6), (0.7, 0.6, 0.7), (0.6, 0.6, 0.6)]
)
def test_a_short_class_without_a_threshold_of_its_own_has_the_larger_one(
    threshold: float, short_threshold: float, met: float, labels: ClassMap
) -> None:
    values = {
        "threshold": threshold,
        "short_threshold": short_threshold,
        "short": ["Dog", "Cat", "Bird", "Knock", "Doorbell"],
        "alert": ["Dog", "Cat=0.2", "doors", "mixed"],
        "groups": {"doors": ["Knock", "Doorbell"], "mixed": ["Knock", "Speech"]},
        "rule": [{"label": "Bird", "threshold": 0.1}],
    }
    rules = resolved(labels, values)
    assert rules.all[DOG].threshold == met
    assert rules.all[DOG].release == pytest.approx(RELEASE_SHARE * met)
    assert rules.all[DOG].sure >= met
    assert of_group(rules, "doors").threshold == met
    assert rules.all[CAT].threshold == 0.2
    assert rules.all[labels.find("Bird").index].threshold == 0.1
    assert of_group(rules, "mixed").threshold == threshold
    assert rules.all[SPEECH].threshold == threshold


def test_a_release_for_all_is_that_of_short_classes_too(
    labels: ClassMap,
) -> None:
    values = {"threshold": 0.4, "release": 0.3, "short_threshold": 0.6, "short": ["Dog"]}
    rules = resolved(labels, values)
    assert (rules.all[DOG].threshold, rules.all[DOG].release) == (0.6, 0.3)


# --- What alerts --------------------------------------------------------------------------------


def test_alerts_name_a_label_or_a_group_and_perhaps_a_score(labels: ClassMap) -> None:
    alerts = ["dog", "Smoke detector, smoke alarm = 0.3", "/m/03wwcy=1", "0", "pets=0.7"]
    rules = resolved(labels, {"threshold": 0.6, "alert": alerts, "groups": PETS})
    alerting = {
        rule.group or labels[rule.members[0]].name: rule.threshold
        for rule in rules.all
        if rule.alert
    }
    assert alerting == {
        "Dog": 0.6,
        "Smoke detector, smoke alarm": 0.3,
        "Doorbell": 1.0,
        "Speech": 0.6,
        "pets": 0.7,
    }
    assert {DOG, CAT, SPEECH} < rules.alerting


def test_a_rule_alerts_unless_it_says_that_it_does_not(labels: ClassMap) -> None:
    rules = resolved(labels, {"rule": [{"label": "Dog"}, {"label": "Cat", "alert": False}]})
    assert rules.alerting == {DOG}
    assert rules.all[CAT].reported


@pytest.mark.parametrize(
    ("alert", "unlisted", "listed"),
    [(True, True, True), (False, False, False), ("listed", False, True)],
)
def test_a_rule_alerts_always_never_or_where_it_is_listed(
    alert: bool | str, unlisted: bool, listed: bool, labels: ClassMap
) -> None:
    rule = [{"label": "Dog", "alert": alert}, {"group": "birds", "alert": alert}]
    values = {"groups": {"birds": ["Bird", "Crow"]}, "rule": rule}
    for names, expected in (([], unlisted), (["Dog", "birds=0.4"], listed)):
        rules = resolved(labels, {**values, "alert": names})
        assert rules.all[DOG].alert is expected
        assert of_group(rules, "birds").alert is expected
        assert rules.all[DOG].reported
        assert not rules.all[CAT].alert


def test_a_score_of_an_alert_comes_before_its_rules(labels: ClassMap) -> None:
    rule = {"label": "Dog", "threshold": 0.3, "hold_seconds": 7.0, "alert": "listed"}
    (plain, scored) = (
        resolved(labels, {"alert": [alert], "rule": [rule]}).all[DOG]
        for alert in ("Dog", "Dog=0.9")
    )
    assert (plain.threshold, plain.alert, plain.hold_seconds) == (0.3, True, 7.0)
    assert (scored.threshold, scored.alert, scored.hold_seconds) == (0.9, True, 7.0)


@pytest.mark.parametrize("score", ["0", "-0.1", "1.01", "nan", "inf", "high", ""])
def test_a_score_that_is_none_is_refused_with_its_alert(score: str, labels: ClassMap) -> None:
    message = message_of(labels, {"alert": [f"Dog={score}"]})
    assert f"'Dog={score}'" in message
    assert "above 0 and up to 1" in message


# --- What is followed ---------------------------------------------------------------------------


def test_a_group_speaks_for_its_members_but_for_those_with_a_rule_or_alert(
    labels: ClassMap,
) -> None:
    groups = {"pets": ["Dog", "Cat", "Bird"], "unused": ["Music"]}
    values = {"groups": groups, "rule": [{"group": "pets", "alert": False}], "alert": ["Cat"]}
    rules = resolved(labels, values)
    reported = [rule.group or rule.members[0] for rule in rules.all if rule.reported]
    assert "pets" in reported
    assert "unused" not in reported
    assert CAT in reported
    assert MUSIC in reported
    assert not {DOG, labels.find("Bird").index} & set(reported)
    assert rules.considered == frozenset(range(521))  # the group's members through the group


def test_a_label_that_is_a_groups_name_makes_the_groups_rule(labels: ClassMap) -> None:
    rules = resolved(labels, {"groups": PETS, "rule": [{"label": "pets", "threshold": 0.9}]})
    assert of_group(rules, "pets").threshold == 0.9
    assert rules.thresholds[DOG] == 0.9


def test_watching_leaves_out_all_but_what_is_watched_or_has_a_rule(labels: ClassMap) -> None:
    values = {
        "groups": PETS,
        "watch": ["Speech", "pets"],
        "alert": ["Siren"],
        "rule": [{"label": "Bird", "alert": False}],
    }
    named = ("Speech", "Dog", "Cat", "Siren", "Bird")
    assert resolved(labels, values).considered == {labels.find(name).index for name in named}


def test_ignoring_leaves_out_even_what_is_watched_and_has_a_rule(labels: ClassMap) -> None:
    rule = {"label": "Dog", "threshold": 0.2, "alert": False}
    rules = resolved(labels, {"ignore": ["Dog"], "watch": ["Dog"], "rule": [rule]})
    assert rules.considered == frozenset()
    assert rules.alerting == frozenset()
    assert rules.all[DOG].threshold == 0.2  # it may withhold others' alerts all the same


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"ignore": ["Dog"], "alert": ["dog"]}, "Dog"),
        ({"ignore": ["/m/0bt9lr"], "alert": ["Siren", "Dog=0.3"]}, "Dog"),
        ({"ignore": ["Dog"], "rule": [{"label": "Dog"}]}, "Dog"),
        ({"ignore": ["pets"], "groups": PETS, "alert": ["Cat"]}, "Cat"),
        ({"ignore": ["pets"], "groups": PETS, "alert": ["pets"]}, "pets"),
        ({"ignore": ["Cat", "Dog"], "groups": PETS, "rule": [{"group": "pets"}]}, "pets"),
        (
            {"ignore": ["Dog"], "alert": ["Dog"], "rule": [{"label": "Dog", "alert": "listed"}]},
            "Dog",
        ),
        (
            {"ignore": ["Siren"], "alert": schema.DEFAULT_ALERTS, "rule": [{"label": "Siren"}]},
            "Siren",
        ),
    ],
)
def test_what_is_to_alert_and_to_be_ignored_is_refused(
    values: dict[str, Any], name: str, labels: ClassMap
) -> None:
    message = message_of(labels, values)
    assert message.startswith(f"ignore: {name} "), message


def test_a_default_alert_that_is_ignored_is_silent_and_the_others_stay(labels: ClassMap) -> None:
    """Nobody has asked for it: a list of what is not wanted is enough to be rid of it."""
    default = resolve(convert({}, "the test"), labels)
    rules = resolve(convert({"ignore": ["Dog", "Siren"]}, "the test"), labels)
    siren = labels.find("Siren").index
    assert {DOG, siren} < default.alerting
    assert rules.alerting == default.alerting - {DOG, siren}
    assert not {DOG, siren} & rules.considered


def test_a_group_is_without_its_ignored_members_and_gone_without_any(labels: ClassMap) -> None:
    some = resolved(labels, {"groups": PETS, "alert": ["pets"], "ignore": ["Dog"]})
    assert of_group(some, "pets").members == (CAT,)
    silent = {"group": "pets", "alert": False}
    values = {"groups": PETS, "rule": [silent], "ignore": ["pets"]}
    none = of_group(resolved(labels, values), "pets")
    assert (none.reported, none.alert) == (False, False)


def test_a_group_is_not_withheld_by_its_own_members(labels: ClassMap) -> None:
    rules = resolved(labels, {"groups": PETS, "alert": ["pets"], "unless": ["Dog", "Music"]})
    assert of_group(rules, "pets").unless == (MUSIC,)
    assert rules.all[CAT].unless == (DOG, MUSIC)


def test_a_classs_mark_is_its_own_threshold_or_that_of_the_group_that_speaks_for_it(
    labels: ClassMap,
) -> None:
    groups = PETS | {"unused": ["Speech"]}
    rules = resolved(labels, {"threshold": 0.6, "groups": groups, "alert": ["pets=0.4", "Cat=0.9"]})
    assert len(rules.thresholds) == len(labels)
    assert [rules.thresholds[index] for index in (SPEECH, DOG, CAT)] == [0.6, 0.4, 0.9]


def test_an_ignored_member_keeps_its_own_mark(labels: ClassMap) -> None:
    values = {"threshold": 0.6, "groups": PETS, "alert": ["pets=0.4"], "ignore": ["Dog"]}
    thresholds = resolved(labels, values).thresholds
    assert (thresholds[DOG], thresholds[CAT]) == (0.6, 0.4)


def test_rules_know_the_names_they_were_made_with(labels: ClassMap) -> None:
    rules = resolved(labels, {"groups": PETS})
    assert rules.labels is labels
    assert rules.names.indices(["pets"], "here") == {DOG, CAT}


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"rule": [{"label": "Dog"}, {}]}, ["rule 2", "a label or a group"]),
        ({"groups": PETS, "rule": [{"label": "Dog", "group": "pets"}]}, ["rule 1", "not both"]),
        ({"rule": [{"label": "Dgo"}]}, ["rule 1", "'Dgo'", "did you mean 'Dog'"]),
        ({"rule": [{"label": ""}]}, ["rule 1", "''"]),
        ({"groups": PETS, "rule": [{"group": "pest"}]}, ["rule 1", "'pest'", "pets"]),
        ({"rule": [{"group": "pets"}]}, ["rule 1", "'pets'", "none"]),
        ({"rule": [{"label": "Dog"}, {"label": "/m/0bt9lr"}]}, ["rule 2", "a rule already"]),
        (
            {"groups": PETS, "rule": [{"group": "pets"}, {"label": "pets"}]},
            ["rule 2", "pets has a rule already"],
        ),
        (
            {"threshold": 0.5, "rule": [{"label": "Dog", "release": 0.6}]},
            ["rule 1 (Dog)", "release 0.6", "threshold 0.5"],
        ),
        ({"threshold": 0.5, "release": 0.51}, ["release 0.51", "threshold 0.5"]),
        ({"confirm": (3, 2)}, ["confirm", "3 of 2"]),
        ({"rule": [{"label": "Dog", "confirm": [2, 1]}]}, ["rule 1 (Dog)", "confirm", "2 of 1"]),
        ({"rule": [{"label": "Dog", "hours": "night"}]}, ["rule 1 (Dog)", "hours", "'night'"]),
        ({"hours": "22-7"}, ["hours", "'22-7'"]),
        (
            {"rule": [{"label": "Dog", "unless": ["Musik"]}]},
            ["the rule for Dog: unless", "'Musik'"],
        ),
        ({"unless": ["Musik"]}, ["unless", "'Musik'", "'Music'"]),
        ({"watch": ["Musik"]}, ["watch", "'Musik'"]),
        ({"ignore": ["Musik"]}, ["ignore", "'Musik'"]),
        ({"short": ["Musik"]}, ["short", "'Musik'"]),
        ({"alert": ["Musik"]}, ["alert", "'Musik'", "'Music'"]),
        ({"alert": ["Smoke detecter=0.4"]}, ["'Smoke detecter'", "Smoke detector, smoke alarm"]),
    ],
)
def test_what_cannot_be_is_named_with_where_it_stands(
    values: dict[str, Any], named: list[str], labels: ClassMap
) -> None:
    message = message_of(labels, values)
    assert all(part in message for part in named), message


def test_a_group_with_a_rule_speaks_for_members_that_alert_by_default(labels: ClassMap) -> None:
    values = {
        "alert": DEFAULT_ALERTS,
        "groups": {"dog": ["Dog", "Bark"]},
        "rule": [{"group": "dog", "hours": "22:00-07:00"}],
    }
    assert "Dog" in DEFAULT_ALERTS
    rules = resolved(labels, values)
    assert of_group(rules, "dog").alert
    assert (rules.all[DOG].alert, rules.all[DOG].reported) == (False, False)
    listed = resolved(labels, values | {"alert": ["Dog"]})
    assert of_group(listed, "dog").alert
    assert (listed.all[DOG].alert, listed.all[DOG].reported) == (True, True)
    alone = resolved(labels, values | {"rule": []})  # no rule: the group is but a name
    assert alone.all[DOG].alert


# --- Rules in the place of others ---------------------------------------------------------------


def test_a_rule_s_successor_is_of_the_same_class_or_of_the_group_of_its_name(
    labels: ClassMap,
) -> None:
    felines = {"felines": ["Cat"]}
    before = resolved(labels, {"groups": felines | PETS, "alert": ["felines", "pets"]})
    after = resolved(labels, {"groups": PETS | {"birds": ["Bird"]}, "alert": ["pets", "birds"]})
    change = Succession(before, after)
    gone, pets = (before.all.index(of_group(before, name)) for name in ("felines", "pets"))
    pets_after = after.all.index(of_group(after, "pets"))
    assert change.successor(DOG) is after.all[DOG]
    assert change.successor(pets) is of_group(after, "pets")
    assert change.successor(gone) is None
    assert change.moved({DOG: "dog", gone: "gone", pets: "pets"}) == {
        DOG: "dog",
        pets_after: "pets",
    }
    assert change.place.keys() == set(range(len(before.all))) - {gone}
