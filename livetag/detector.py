"""Scores to events. Pure: no clock, no I/O.

Each rule of `livetag.rules` is followed from window to window. An event starts when m of the last n
windows met the threshold, or one was sure; it goes on while windows meet the release, bridges what
is shorter than the hold, and is cut when it gets too long. Whether it is an alert is decided apart:
what withholds one (the hours, another sound, the cooldown) is looked at again as long as the sound
goes on.

A window is longer than many sounds, and a sound is heard before it fills one. Onset and offset are
set where the sound is most likely to begin and end, given the first and the last window in which
it was heard and that their places are a hop apart.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from livetag.events import (
    Anchor,
    EventAlert,
    EventEnd,
    EventStart,
    Explanation,
    FloatArray,
)
from livetag.rules import Rule, Rules
from livetag.yamnet.params import Params

ONSET_HEARD_SECONDS = 0.5
"""So much of a sound's beginning is in the first window that hears it."""
OFFSET_HEARD_SECONDS = 0.65
"""So much of a sound's end is in the last window that hears it.

Both are medians over recordings of known onset and offset, 20 to 40 dB over their background, at a
hop of 0.04 s (`python benchmarks/onsets.py`).
"""
NEAR_SHARE = 0.5
"""A score is near where it reaches this share of its threshold."""
_SLACK_SECONDS = 1e-9  # what seconds may differ by as they add up

BoolArray = npt.NDArray[np.bool_]
Found = EventStart | EventAlert | EventEnd | Explanation


@dataclass(frozen=True, slots=True)
class _Window:
    """One window: every rule's score, and whether it met the rule's threshold."""

    number: int
    start_s: float
    values: FloatArray
    met: BoolArray
    level_dbfs: float


@dataclass(slots=True)
class _Open:
    """An event that goes on. `waiting`: windows under the release since the last one over it."""

    start: EventStart
    first_s: float
    last_s: float = 0.0
    peak_score: float = 0.0
    score_sum: float = 0.0
    windows: int = 0
    level_dbfs: float = -math.inf
    alerted: bool = False
    waiting: list[_Window] = field(default_factory=list)

    def take(self, at: int, windows: Iterable[_Window]) -> None:
        """Count windows as the event's; the last of them is one that it goes on with."""
        for window in windows:
            score = float(window.values[at])
            self.peak_score = max(self.peak_score, score)
            self.score_sum += score
            self.windows += 1
            self.level_dbfs = max(self.level_dbfs, window.level_dbfs)
            self.last_s = window.start_s


@dataclass(slots=True)
class _Near:
    """A score that came near its threshold and started no event until now; its best window."""

    last_s: float
    best_s: float
    best_score: float
    best_index: int
    best_level_dbfs: float
    most_met: int


class Detector:
    """Follows every rule from window to window."""

    def __init__(self, rules: Rules, params: Params) -> None:
        self._rules = rules.all
        self._labels = rules.labels
        self._groups = [(at, list(rule.members)) for at, rule in enumerate(rules.all) if rule.group]
        self._thresholds = np.array([rule.threshold for rule in rules.all], np.float32)
        self._releases = np.array([rule.release for rule in rules.all], np.float32)
        self._sure = np.array([rule.sure for rule in rules.all], np.float32)
        self._least_levels = np.array([rule.min_level_dbfs for rule in rules.all])
        self._alerting = np.array([at for at, rule in enumerate(rules.all) if rule.alert], int)
        half_hop = params.patch_hop_seconds / 2
        self._onset_s = max(0.0, params.window_seconds - ONSET_HEARD_SECONDS - half_hop)
        self._offset_s = min(params.window_seconds, OFFSET_HEARD_SECONDS + half_hop)
        self._recent: deque[_Window] = deque(maxlen=rules.longest_confirmation)
        self._number = 0
        self._first_number = 1  # of the windows since nothing was heard
        self._open: dict[int, _Open] = {}
        self._closed: dict[int, int] = {}  # the last window of a rule's last event
        self._near: dict[int, _Near] = {}
        self._alerted_s: dict[int, float] = {}

    def update(
        self,
        start_s: float,
        scores: FloatArray,
        level_dbfs: float,
        anchor: Anchor,
        heard_s: float = math.inf,
    ) -> Iterator[Found]:
        """Take one window's scores, float32[521], and level; yield what it starts, ends, tells.

        `heard_s`: where the audio ends, which a padded window goes beyond.
        """
        self._number += 1
        values = self._values(scores)
        loud = level_dbfs >= self._least_levels
        met = (values >= self._thresholds) & loud
        window = _Window(self._number, start_s, values, met, level_dbfs)
        self._recent.append(window)
        going_on = (values >= self._releases) & loud
        yield from self._carry_on(window, going_on, anchor)
        started = [
            at
            for at in np.flatnonzero(met).tolist()
            if at not in self._open and self._begin(at, scores, heard_s, anchor)
        ]
        yield from self._tell(started, window, going_on, anchor)
        yield from self._explain(window, scores, anchor)

    def finish(self, end_s: float, anchor: Anchor) -> Iterator[Found]:
        """End every open event: the stream, or what can be heard of it, ends at `end_s`."""
        for at, event in list(self._open.items()):
            yield from self._end(at, min(event.last_s + self._offset_s, end_s), anchor)
        for at in list(self._near):
            yield self._explanation(at, anchor)
        self._recent.clear()
        self._first_number = self._number + 1

    def _values(self, scores: FloatArray) -> FloatArray:
        """Each rule's score: a class's own, a group's best."""
        values = np.empty(len(self._rules), np.float32)
        values[: len(scores)] = scores
        for at, members in self._groups:
            values[at] = scores[members].max()
        return values

    def _carry_on(self, window: _Window, going_on: BoolArray, anchor: Anchor) -> Iterator[Found]:
        """Carry open events on, or end them."""
        for at, event in list(self._open.items()):
            rule = self._rules[at]
            if not going_on[at]:
                event.waiting.append(window)
                if window.start_s - event.last_s > rule.hold_seconds + _SLACK_SECONDS:
                    self._closed[at] = window.number
                    yield from self._end(at, event.last_s + self._offset_s, anchor)
            elif window.start_s - event.first_s >= rule.max_seconds - _SLACK_SECONDS:
                self._closed[at] = window.number - 1  # this window may begin the next event
                paused = bool(event.waiting)
                end_s = event.last_s + self._offset_s if paused else window.start_s + self._onset_s
                yield from self._end(at, end_s, anchor)
            else:
                event.take(at, (*event.waiting, window))
                event.waiting.clear()

    def _countable(self, at: int) -> list[_Window]:
        """The windows that a rule's next event can be confirmed by, oldest first."""
        oldest = self._number - self._rules[at].confirm[1]
        after = max(oldest, self._closed.get(at, 0))
        return [window for window in self._recent if window.number > after]

    def _begin(self, at: int, scores: FloatArray, heard_s: float, anchor: Anchor) -> bool:
        """Start a rule's event, if windows enough met its threshold; whether it did."""
        rule = self._rules[at]
        windows = self._countable(at)
        met = [window for window in windows if window.met[at]]
        if len(met) < rule.confirm[0] and met[-1].values[at] < self._sure[at]:
            return False
        first, last = met[0], met[-1]
        span = [window for window in windows if window.number >= first.number]
        # The first window of all may hold any part of a sound that was there before.
        earliest = first.number == self._first_number
        onset_s = min(first.start_s + (0.0 if earliest else self._onset_s), heard_s)
        start = EventStart(
            label=self._labels[_best_member(rule, scores)],
            time=anchor.time_at(onset_s),
            start_s=onset_s,
            score=float(last.values[at]),
            threshold=rule.threshold,
            level_dbfs=last.level_dbfs,
            alert=False,
            group=rule.group,
        )
        self._open[at] = _Open(start, first.start_s)
        self._open[at].take(at, span)
        self._near.pop(at, None)
        return True

    def _tell(
        self, started: list[int], window: _Window, going_on: BoolArray, anchor: Anchor
    ) -> Iterator[Found]:
        """Report what started, as an alert or not; and alerts that nothing withholds any more."""
        for at in started:
            event, rule = self._open[at], self._rules[at]
            withheld = self._withheld(at, window.start_s, anchor) if rule.alert else ""
            event.alerted = rule.alert and not withheld
            event.start = replace(event.start, alert=event.alerted, withheld=withheld)
            if event.alerted:
                self._alerted_s[at] = window.start_s
            if rule.reported:
                yield event.start
            if withheld:
                start = event.start
                yield Explanation(
                    start.label, start.time, start.start_s, start.score, withheld, start.group
                )
        for at, event in self._open.items():
            if not self._rules[at].alert or event.alerted or not going_on[at] or at in started:
                continue
            if not self._withheld(at, window.start_s, anchor):
                event.alerted = True
                self._alerted_s[at] = window.start_s
                now_s = window.start_s
                yield EventAlert(
                    event.start, anchor.time_at(now_s), now_s, float(window.values[at])
                )

    def _withheld(self, at: int, now_s: float, anchor: Anchor) -> str:
        """What keeps a rule's event from being an alert at this moment, in words; or nothing."""
        rule = self._rules[at]
        if rule.hours is not None and anchor.time_at(now_s) not in rule.hours:
            return f"outside {rule.hours}"
        other = next((index for index in rule.unless if index in self._open), None)
        if other is not None:
            return f"while {self._labels[other].name}"
        left_s = rule.cooldown_seconds - (now_s - self._alerted_s.get(at, -math.inf))
        return f"cooldown {math.ceil(left_s)} s" if left_s > _SLACK_SECONDS else ""

    def _end(self, at: int, end_s: float, anchor: Anchor) -> Iterator[EventEnd]:
        event = self._open.pop(at)
        if not self._rules[at].reported:
            return
        end_s = max(end_s, event.start.start_s)
        yield EventEnd(
            start=event.start,
            end_time=anchor.time_at(end_s),
            end_s=end_s,
            peak_score=event.peak_score,
            mean_score=event.score_sum / event.windows,
            windows=event.windows,
            level_dbfs=event.level_dbfs,
            alert=event.alerted,
        )

    def _explain(
        self, window: _Window, scores: FloatArray, anchor: Anchor
    ) -> Iterator[Explanation]:
        """Follow scores that come near the thresholds of alerts; tell of those that go again."""
        alerting = self._alerting
        close = window.values[alerting] >= NEAR_SHARE * self._thresholds[alerting]
        for at in alerting[close].tolist():
            if at not in self._open:
                self._come_near(at, window, scores)
        for at, near in list(self._near.items()):
            if window.start_s - near.last_s > self._rules[at].hold_seconds + _SLACK_SECONDS:
                yield self._explanation(at, anchor)

    def _come_near(self, at: int, window: _Window, scores: FloatArray) -> None:
        score = float(window.values[at])
        near = self._near.get(at)
        if near is None or score > near.best_score:
            self._near[at] = _Near(
                last_s=window.start_s,
                best_s=window.start_s,
                best_score=score,
                best_index=_best_member(self._rules[at], scores),
                best_level_dbfs=window.level_dbfs,
                most_met=near.most_met if near else 0,
            )
        near = self._near[at]
        near.last_s = window.start_s
        met = sum(bool(one.met[at]) for one in self._countable(at))
        near.most_met = max(near.most_met, met)

    def _explanation(self, at: int, anchor: Anchor) -> Explanation:
        near, rule = self._near.pop(at), self._rules[at]
        if near.most_met:
            why = f"{near.most_met} of {rule.confirm[0]} windows"
        elif near.best_score >= self._thresholds[at]:
            why = f"level {near.best_level_dbfs:.0f} of {rule.min_level_dbfs:.0f} dBFS"
        else:
            why = f"{near.best_score:.2f} of {rule.threshold:.2f}"
        label = self._labels[near.best_index]
        time = anchor.time_at(near.best_s)
        return Explanation(label, time, near.best_s, near.best_score, why, rule.group)


def _best_member(rule: Rule, scores: FloatArray) -> int:
    """The class of a rule with the highest score."""
    return max(rule.members, key=lambda index: float(scores[index]))
