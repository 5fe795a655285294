"""What is decided for each class and each group of classes: the configuration's rules, resolved.

A `Rule` has every value that the detector needs. `resolve` makes them from a `Config`: a rule's own
key, else the key for all. Errors name the rule and the key.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from livetag import schema
from livetag.errors import UsageError
from livetag.hours import Hours
from livetag.names import Names
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params

RELEASE_SHARE = 0.6
"""Of the threshold, where no release is given; `config/default.toml` says what was measured."""
CONFIRM_SECONDS = 1.92
"""Half of the windows that start within this time of one another confirm an event by default."""
_ONE_WINDOW = (1, 1)

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class Rule:
    """How one class, or one group, is decided on. `members` are class indices.

    `reported`: its events are for the log and the dashboard; others serve another rule's `unless`.
    """

    members: tuple[int, ...]
    group: str
    reported: bool
    alert: bool
    threshold: float
    release: float
    confirm: tuple[int, int]
    sure: float
    hold_seconds: float
    max_seconds: float
    cooldown_seconds: float
    unless: tuple[int, ...]
    min_level_dbfs: float
    hours: Hours | None


@dataclass(frozen=True)
class Rules:
    """A rule for each class, in the order of the scores, then one for each group that has one."""

    names: Names
    all: tuple[Rule, ...]

    @property
    def labels(self) -> ClassMap:
        return self.names.labels

    @property
    def considered(self) -> frozenset[int]:
        """The classes that the dashboard and the log have anything to say of."""
        return frozenset(index for rule in self.all if rule.reported for index in rule.members)

    @property
    def longest_confirmation(self) -> int:
        """Windows that an event may wait for until it is confirmed."""
        return max(rule.confirm[1] for rule in self.all)

    @property
    def thresholds(self) -> list[float]:
        """Where each class's mark stands on the dashboard: its own threshold, or its group's."""
        classes, groups = self.all[: len(self.labels)], self.all[len(self.labels) :]
        spoken_for: dict[int, float] = {}
        for group in groups:
            for index in group.members:
                spoken_for[index] = min(group.threshold, spoken_for.get(index, 1.0))
        return [
            rule.threshold if rule.reported else spoken_for.get(index, rule.threshold)
            for index, rule in enumerate(classes)
        ]

    @property
    def alerting(self) -> frozenset[int]:
        """The classes whose events, or whose group's, are alerts."""
        return frozenset(index for rule in self.all if rule.alert for index in rule.members)

    def check_dated(self, began: float | None) -> None:
        """Raise `UsageError` where a rule needs to know when a recording began, and nobody says."""
        if began is None and any(rule.hours is not None for rule in self.all):
            raise UsageError(
                "a rule looks at the hour, which a recording does not tell: say when it began "
                "(--since, since=)"
            )


class Succession:
    """Rules in the place of others, as where a configuration is read again.

    A rule succeeds that of the same class, or of the group of the same name. `place`: where the
    successors of rules stand; some have none.
    """

    def __init__(self, before: Rules, after: Rules) -> None:
        self.after = after
        places = {_of(rule): at for at, rule in enumerate(after.all)}
        self.place = {
            at: places[_of(rule)] for at, rule in enumerate(before.all) if _of(rule) in places
        }

    def successor(self, at: int) -> Rule | None:
        return self.after.all[self.place[at]] if at in self.place else None

    def moved(self, by_rule: Mapping[int, Kept]) -> dict[int, Kept]:
        """What is kept of rules, by where they stand: that of their successors."""
        return {self.place[at]: kept for at, kept in by_rule.items() if at in self.place}


def resolve(config: schema.Config, labels: ClassMap) -> Rules:
    """The rules that a configuration makes. Raises `UsageError` that names the rule and the key."""
    names = Names(labels, config.groups)
    own = _own_rules(config, names)
    scores = _alert_scores(config.alert, names)
    ignored = names.indices(config.ignore, "ignore")
    watched = names.indices(config.watch, "watch")
    short = names.indices(config.short, "short")
    targets: list[str | int] = [*range(len(labels))]
    targets += [name for name in names.groups if name in own or name in scores]
    in_groups = {index for name in targets[len(labels) :] for index in names.groups[str(name)]}
    by_default = config.alert == schema.DEFAULT_ALERTS
    if by_default:  # a group's rule speaks for its members, unless somebody has listed them
        scores = {target: score for target, score in scores.items() if target not in in_groups}
    default = schema.Rule(alert="listed")
    unless = names.indices(config.unless, "unless")
    confirm = config.confirm or _half_of_the_windows(config)
    _check(default, config, "the configuration")
    rules = []
    for target in targets:
        rule = own.get(target, default)
        group = target if isinstance(target, str) else ""
        members = names.groups[target] if isinstance(target, str) else (target,)
        followed = tuple(index for index in members if index not in ignored)
        listed = target in scores
        alert = listed if rule.alert == "listed" else rule.alert is True
        if alert and not followed:
            if target in own or not by_default:
                name = group or labels[members[0]].name
                raise UsageError(f"ignore: {name} is to alert, too: it cannot be both")
            alert = False  # nobody has asked for it
        asked = alert or target in own
        spoken_for = not group and not asked and target in in_groups
        rules.append(
            _complete(
                rule,
                config,
                members=followed or members,
                group=group,
                reported=bool(followed)
                and not spoken_for
                and (asked or not watched or not watched.isdisjoint(members)),
                alert=alert,
                threshold=scores.get(target),
                confirm=confirm,
                short=short.issuperset(members),
                unless=unless
                if rule.unless is None
                else names.indices(rule.unless, f"the rule for {_name(rule)}: unless"),
            )
        )
    return Rules(names, tuple(rules))


def _own_rules(config: schema.Config, names: Names) -> dict[str | int, schema.Rule]:
    """The `[[rule]]` tables by the class or the group that each is for."""
    own: dict[str | int, schema.Rule] = {}
    for number, rule in enumerate(config.rule, 1):
        where = f"rule {number}"
        if (rule.label is None) == (rule.group is None):
            raise UsageError(f"{where}: it needs a label or a group, and not both")
        if rule.group is not None and rule.group.strip() not in names.groups:
            known = ", ".join(names.groups) or "none"
            raise UsageError(f"{where}: there is no group {rule.group!r} (there are: {known})")
        named = rule.group
        target = names.target(str(rule.label), where) if named is None else named.strip()
        if target in own:
            raise UsageError(f"{where}: {_name(rule)} has a rule already: make them one")
        _check(rule, config, f"{where} ({_name(rule)})")
        own[target] = rule
    return own


def _of(rule: Rule) -> str | int:
    """What a rule is of: the group of that name, or a class."""
    return rule.group or rule.members[0]


def _name(rule: schema.Rule) -> str:
    return str(rule.label or rule.group)


def _check(rule: schema.Rule, config: schema.Config, where: str) -> None:
    threshold, release = rule.threshold or config.threshold, rule.release or config.release
    stated = rule.release is not None or not (rule.label or rule.group)
    if stated and release is not None and release > threshold:
        raise UsageError(f"{where}: the release {release:g} is above the threshold {threshold:g}")
    needed, windows = rule.confirm or config.confirm or _ONE_WINDOW
    if needed > windows:
        raise UsageError(f"{where}: confirm: {needed} of {windows} windows cannot be")
    if rule.hours is not None:
        try:
            Hours.parse(rule.hours)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error


def _complete(
    rule: schema.Rule,
    config: schema.Config,
    *,
    members: tuple[int, ...],
    group: str,
    reported: bool,
    alert: bool,
    threshold: float | None,
    confirm: tuple[int, int],
    short: bool,
    unless: frozenset[int],
) -> Rule:
    """A rule with every value: its own, else that for all."""

    def value(key: str) -> float:
        own = getattr(rule, key)
        return float(getattr(config, key) if own is None else own)

    level = config.min_level_dbfs if rule.min_level_dbfs is None else rule.min_level_dbfs
    hours = config.hours if rule.hours is None else rule.hours
    usual = max(config.threshold, config.short_threshold) if short else config.threshold
    met = threshold or rule.threshold or usual
    release = config.release if rule.release is None else rule.release
    return Rule(
        members=members,
        group=group,
        reported=reported,
        alert=alert,
        threshold=met,
        release=min(met, RELEASE_SHARE * met if release is None else release),
        confirm=rule.confirm or (_ONE_WINDOW if short else confirm),
        sure=max(met, value("sure")),
        hold_seconds=value("hold_seconds"),
        max_seconds=value("max_seconds"),
        cooldown_seconds=value("cooldown_seconds"),
        unless=tuple(sorted(unless - set(members))),
        min_level_dbfs=-math.inf if level is None else level,
        hours=None if hours is None else Hours.parse(hours),
    )


def _half_of_the_windows(config: schema.Config) -> tuple[int, int]:
    """At least half of those that start within `CONFIRM_SECONDS`: 3 of 5 at a hop of 0.48 s."""
    hops = round(
        CONFIRM_SECONDS / Params(patch_hop_seconds=config.patch_hop_seconds).patch_hop_seconds
    )
    return -(-(hops + 1) // 2), hops + 1


def _alert_scores(alerts: Sequence[str], names: Names) -> dict[str | int, float | None]:
    """What `LABEL` and `LABEL=SCORE` name, each with its score, None where it gives none.

    Raises `UsageError` for an unknown label, or a score that is not above 0 and up to 1.
    """
    scores: dict[str | int, float | None] = {}
    for alert in alerts:
        name, equals, text = alert.rpartition("=")
        target = names.target(name if equals else alert, "alert")
        try:
            score = float(text) if equals else None
        except ValueError:
            score = math.nan
        if score is not None and not 0.0 < score <= 1.0:
            raise UsageError(f"alert {alert!r}: the score has to be a number above 0 and up to 1")
        scores[target] = score
    return scores
