"""Scores that come near the thresholds of alerts, start no event, and go again."""

from collections.abc import Container, Iterator
from dataclasses import dataclass

import numpy as np

from livetag.detection.windows import Windows
from livetag.events import SLACK_SECONDS, Anchor, Explanation
from livetag.rules import Rules, Succession

NEAR_SHARE = 0.5
"""A score is near where it reaches this share of its threshold."""


@dataclass(slots=True)
class _Near:
    """A score that came near its threshold and started no event until now; its best window."""

    last_s: float
    best_s: float
    best_score: float
    best_index: int
    best_level_dbfs: float
    most_met: int


class NearMisses:
    """Follows such scores from window to window, and explains what they lacked."""

    def __init__(self, rules: Rules) -> None:
        self._near: dict[int, _Near] = {}
        self._follow(rules)

    def update(
        self, windows: Windows, open_: Container[int], anchor: Anchor
    ) -> Iterator[Explanation]:
        """Look at the latest window; explain what was near, and is not any more.

        `open_`: the rules whose events go on, which are not near.
        """
        window = windows.latest
        close = window.heard[self._alerting] >= self._near_thresholds
        for at in self._alerting[close].tolist():
            if at not in open_:
                self._come_near(at, windows)
        for at, near in list(self._near.items()):
            if window.start_s - near.last_s > self._rules.all[at].hold_seconds + SLACK_SECONDS:
                yield self._explanation(at, anchor)

    def forget(self, at: int) -> None:
        """What a rule came near has become an event."""
        self._near.pop(at, None)

    def finish(self, anchor: Anchor) -> Iterator[Explanation]:
        """Explain all that is near: nothing comes after it."""
        for at in list(self._near):
            yield self._explanation(at, anchor)

    def adopt(self, change: Succession) -> None:
        """Go on by other rules; what came near one that is another now is forgotten."""
        same = {
            at: near
            for at, near in self._near.items()
            if change.successor(at) == self._rules.all[at]
        }
        self._near = change.moved(same)
        self._follow(change.after)

    def _follow(self, rules: Rules) -> None:
        self._rules = rules
        self._alerting = np.array([at for at, rule in enumerate(rules.all) if rule.alert], int)
        thresholds = [rules.all[at].threshold for at in self._alerting]
        self._near_thresholds = NEAR_SHARE * np.array(thresholds, np.float32)

    def _come_near(self, at: int, windows: Windows) -> None:
        window = windows.latest
        score = float(window.heard[at])
        near = self._near.get(at)
        if near is None or score > near.best_score:
            self._near[at] = _Near(
                last_s=window.start_s,
                best_s=window.start_s,
                best_score=score,
                best_index=window.best_member(self._rules.all[at]),
                best_level_dbfs=window.level_dbfs,
                most_met=near.most_met if near else 0,
            )
        near = self._near[at]
        near.last_s = window.start_s
        near.most_met = max(near.most_met, windows.met(at))

    def _explanation(self, at: int, anchor: Anchor) -> Explanation:
        near, rule = self._near.pop(at), self._rules.all[at]
        if near.most_met:
            why = f"{near.most_met} of {rule.confirm[0]} windows"
        elif near.best_score >= np.float32(rule.threshold):  # as windows are compared
            why = f"level {near.best_level_dbfs:.0f} of {rule.min_level_dbfs:.0f} dBFS"
        else:
            why = f"{near.best_score:.2f} of {rule.threshold:.2f}"
        label = self._rules.labels[near.best_index]
        time = anchor.time_at(near.best_s)
        return Explanation(label, time, near.best_s, near.best_score, why, rule.group)
