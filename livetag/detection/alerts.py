"""Which events are alerts: what withholds one, and when each rule last alerted."""

import math
from collections.abc import Set as AbstractSet

from livetag.events import SLACK_SECONDS, Anchor
from livetag.rules import Rules, Succession


class Alerts:
    """The alerts there have been, and whether there may be another."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._alerted_s: dict[int, float] = {}

    def withheld(self, at: int, now_s: float, anchor: Anchor, sounding: AbstractSet[int]) -> str:
        """What keeps a rule's event from being an alert at this moment, in words; or nothing.

        `sounding`: the rules whose sounds go on.
        """
        rule = self._rules.all[at]
        if rule.hours is not None and anchor.time_at(now_s) not in rule.hours:
            return f"outside {rule.hours}"
        other = next((index for index in rule.unless if index in sounding), None)
        if other is not None:
            return f"while {self._rules.labels[other].name}"
        left_s = rule.cooldown_seconds - (now_s - self._alerted_s.get(at, -math.inf))
        return f"cooldown {math.ceil(left_s)} s" if left_s > SLACK_SECONDS else ""

    def alerted(self, at: int, now_s: float) -> None:
        """Let a rule's cooldown begin."""
        self._alerted_s[at] = now_s

    def adopt(self, change: Succession) -> None:
        """Go on by other rules; cooldowns go on.

        A rule that alerts, and did not before, takes over those of the same sounds: what goes on
        does not alert again since a group has come to be, or is gone.
        """
        before, after = self._rules.all, change.after.all
        alerting = {to for at, to in change.place.items() if before[at].alert}
        anew = [to for to, rule in enumerate(after) if rule.alert and to not in alerting]
        taken = change.moved(self._alerted_s)
        for at, alerted_s in self._alerted_s.items():
            members = set(before[at].members)
            for to in anew:
                if not members.isdisjoint(after[to].members):
                    taken[to] = max(alerted_s, taken.get(to, alerted_s))
        self._rules, self._alerted_s = change.after, taken
