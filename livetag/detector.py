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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

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
    """One window: every class's score, float32[521], and what the rules make of it.

    `heard`: every rule's score; `values`: the same, 0 where it is too quiet; `met`: whether that
    met the threshold.
    """

    number: int
    start_s: float
    scores: FloatArray
    level_dbfs: float
    heard: FloatArray
    values: FloatArray
    met: BoolArray


@dataclass(slots=True)
class _Open:
    """An event that goes on. `paused_...`: of the windows since the last that met the release."""

    start: EventStart
    first_s: float
    last_s: float = 0.0
    peak_score: float = 0.0
    score_sum: float = 0.0
    windows: int = 0
    level_dbfs: float = -math.inf
    alerted: bool = False
    paused_sum: float = 0.0
    paused_windows: int = 0
    paused_level_dbfs: float = -math.inf

    def go_on(self, start_s: float, score: float, level_dbfs: float) -> None:
        """Count a window, and those of the pause before it."""
        self.last_s = start_s
        self.peak_score = max(self.peak_score, score)
        self.score_sum += score + self.paused_sum
        self.windows += 1 + self.paused_windows
        self.level_dbfs = max(self.level_dbfs, level_dbfs, self.paused_level_dbfs)
        self.paused_sum, self.paused_windows, self.paused_level_dbfs = 0.0, 0, -math.inf

    def pause(self, score: float, level_dbfs: float) -> None:
        """Note a window that counts if the event goes on after it."""
        self.paused_sum += score
        self.paused_windows += 1
        self.paused_level_dbfs = max(self.paused_level_dbfs, level_dbfs)


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
        half_hop = params.patch_hop_seconds / 2
        self._onset_s = max(0.0, params.window_seconds - ONSET_HEARD_SECONDS - half_hop)
        self._offset_s = min(params.window_seconds, OFFSET_HEARD_SECONDS + half_hop)
        self._recent: deque[_Window] = deque()
        self._number = 0
        self._first_number = 1  # of the windows since nothing was heard
        self._open: dict[int, _Open] = {}
        self._closed: dict[int, int] = {}  # the last window of a rule's last event
        self._ended_s: dict[int, float] = {}
        self._cut: set[int] = set()  # rules whose event was cut, and whose sound goes on
        self._near: dict[int, _Near] = {}
        self._alerted_s: dict[int, float] = {}
        self._wanted = rules
        self._follow(rules)

    def adopt(self, rules: Rules) -> None:
        """Decide by other rules from the next window on; another thread than `update`'s may ask.

        An event goes on where its class or group is reported as before, and ends otherwise.
        Cooldowns go on: of the same class or group, and of one with the same sounds.
        """
        self._wanted = rules

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
        wanted = self._wanted
        if wanted is not self._in_force:
            yield from self._change_rules(wanted, heard_s)
        self._number += 1
        window = self._judged(self._number, start_s, scores, level_dbfs)
        self._recent.append(window)
        going_on = window.values >= self._releases
        yield from self._carry_on(window, going_on, heard_s)
        started = [
            at
            for at in np.flatnonzero(window.met).tolist()
            if at not in self._open and self._begin(at, scores, heard_s, anchor)
        ]
        yield from self._tell(started, window, going_on, scores, anchor)
        yield from self._explain(window, anchor)

    def finish(self, end_s: float, anchor: Anchor) -> Iterator[Found]:
        """End every open event: the stream, or what can be heard of it, ends at `end_s`."""
        for at, event in list(self._open.items()):
            yield from self._end(at, min(event.last_s + self._offset_s, end_s))
        for at in list(self._near):
            yield self._explanation(at, anchor)
        self._recent.clear()
        self._cut.clear()
        self._first_number = self._number + 1

    def _follow(self, rules: Rules) -> None:
        """Have these rules in force, for the windows that may confirm an event, too."""
        self._in_force = rules
        self._rules = rules.all
        self._labels = rules.labels
        self._groups = [(at, list(rule.members)) for at, rule in enumerate(rules.all) if rule.group]
        self._thresholds = np.array([rule.threshold for rule in rules.all], np.float32)
        self._releases = np.array([rule.release for rule in rules.all], np.float32)
        self._sure = np.array([rule.sure for rule in rules.all], np.float32)
        self._least_levels = np.array([rule.min_level_dbfs for rule in rules.all])
        self._highest_least_level = float(self._least_levels.max())
        self._alerting = np.array([at for at, rule in enumerate(rules.all) if rule.alert], int)
        self._near_thresholds = NEAR_SHARE * self._thresholds[self._alerting]
        judged = (
            self._judged(old.number, old.start_s, old.scores, old.level_dbfs)
            for old in self._recent
        )
        self._recent = deque(judged, maxlen=rules.longest_confirmation)

    def _change_rules(self, rules: Rules, heard_s: float) -> Iterator[Found]:
        """Go on by other rules: end what does not go on, and take along what does."""
        before = self._in_force
        places = {_name(rule): at for at, rule in enumerate(rules.all)}
        place = {
            at: places[_name(rule)] for at, rule in enumerate(before.all) if _name(rule) in places
        }
        for at, event in list(self._open.items()):
            if at not in place or rules.all[place[at]].reported != before.all[at].reported:
                self._closed[at] = self._number
                self._cut.add(at)
                yield from self._end(at, min(event.last_s + self._offset_s, heard_s))
        self._open = {place[at]: event for at, event in self._open.items()}
        self._closed = {place[at]: end for at, end in self._closed.items() if at in place}
        self._ended_s = {place[at]: end for at, end in self._ended_s.items() if at in place}
        self._cut = {place[at] for at in self._cut if at in place}
        self._alerted_s = self._alerts_taken_along(rules, place)
        self._near = {
            place[at]: near
            for at, near in self._near.items()
            if at in place and rules.all[place[at]] == before.all[at]
        }
        self._follow(rules)

    def _alerts_taken_along(self, rules: Rules, place: Mapping[int, int]) -> dict[int, float]:
        """When each rule to come has last alerted.

        One that alerts, and did not before, takes over the cooldown of those of the same sounds:
        what goes on does not alert again since a group has come to be, or is gone.
        """
        before = self._in_force.all
        alerting = {place[at] for at, rule in enumerate(before) if rule.alert and at in place}
        taken: dict[int, float] = {}
        for at, alerted_s in self._alerted_s.items():
            heirs = {
                to
                for to, rule in enumerate(rules.all)
                if rule.alert
                and to not in alerting
                and not set(rule.members).isdisjoint(before[at].members)
            }
            if at in place:
                heirs.add(place[at])
            for to in heirs:
                taken[to] = max(alerted_s, taken.get(to, alerted_s))
        return taken

    def _judged(
        self, number: int, start_s: float, scores: FloatArray, level_dbfs: float
    ) -> _Window:
        """A window as the rules in force see it."""
        heard = counted = self._values(scores)
        if level_dbfs < self._highest_least_level:
            counted = np.where(level_dbfs >= self._least_levels, heard, np.float32(0.0))
        met = counted >= self._thresholds
        return _Window(number, start_s, scores, level_dbfs, heard, counted, met)

    def _values(self, scores: FloatArray) -> FloatArray:
        """Each rule's score: a class's own, a group's best."""
        values = np.empty(len(self._rules), np.float32)
        values[: len(scores)] = scores
        for at, members in self._groups:
            values[at] = scores[members].max()
        return values

    def _carry_on(self, window: _Window, going_on: BoolArray, heard_s: float) -> Iterator[Found]:
        """Carry open events on, or end them."""
        self._cut = {at for at in self._cut if going_on[at]}
        for at, event in list(self._open.items()):
            rule = self._rules[at]
            score = float(window.values[at])
            if not going_on[at]:
                event.pause(score, window.level_dbfs)
                if window.start_s - event.last_s > rule.hold_seconds + _SLACK_SECONDS:
                    self._closed[at] = window.number
                    yield from self._end(at, event.last_s + self._offset_s)
            elif window.start_s - event.first_s >= rule.max_seconds - _SLACK_SECONDS:
                self._closed[at] = window.number - 1  # this window may begin the next event
                self._cut.add(at)
                end_s = event.last_s + self._offset_s
                if not event.paused_windows:
                    end_s = min(window.start_s + self._onset_s, heard_s)
                yield from self._end(at, end_s)
            else:
                event.go_on(window.start_s, score, window.level_dbfs)

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
        onset_s = first.start_s + (0.0 if earliest else self._onset_s)
        onset_s = max(min(onset_s, heard_s), self._ended_s.get(at, -math.inf))
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
        event = self._open[at] = _Open(start, first.start_s)
        for window in span:
            event.go_on(window.start_s, float(window.values[at]), window.level_dbfs)
        self._cut.discard(at)
        self._near.pop(at, None)
        return True

    def _tell(
        self,
        started: list[int],
        window: _Window,
        going_on: BoolArray,
        scores: FloatArray,
        anchor: Anchor,
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
                label = self._labels[_best_member(self._rules[at], scores)]
                score = float(window.values[at])
                yield EventAlert(event.start, label, anchor.time_at(now_s), now_s, score)

    def _withheld(self, at: int, now_s: float, anchor: Anchor) -> str:
        """What keeps a rule's event from being an alert at this moment, in words; or nothing."""
        rule = self._rules[at]
        if rule.hours is not None and anchor.time_at(now_s) not in rule.hours:
            return f"outside {rule.hours}"
        sounding = self._open.keys() | self._cut
        other = next((index for index in rule.unless if index in sounding), None)
        if other is not None:
            return f"while {self._labels[other].name}"
        left_s = rule.cooldown_seconds - (now_s - self._alerted_s.get(at, -math.inf))
        return f"cooldown {math.ceil(left_s)} s" if left_s > _SLACK_SECONDS else ""

    def _end(self, at: int, end_s: float) -> Iterator[EventEnd]:
        """End a rule's event. It is dated from its start: the clock may have been set since."""
        event = self._open.pop(at)
        start = event.start
        self._ended_s[at] = end_s = max(end_s, start.start_s)
        if not self._rules[at].reported:
            return
        yield EventEnd(
            start=start,
            end_time=start.time + (end_s - start.start_s),
            end_s=end_s,
            peak_score=event.peak_score,
            mean_score=event.score_sum / event.windows,
            windows=event.windows,
            level_dbfs=event.level_dbfs,
            alert=event.alerted,
        )

    def _explain(self, window: _Window, anchor: Anchor) -> Iterator[Explanation]:
        """Follow scores that come near the thresholds of alerts; tell of those that go again."""
        alerting = self._alerting
        close = window.heard[alerting] >= self._near_thresholds
        for at in alerting[close].tolist():
            if at not in self._open:
                self._come_near(at, window)
        for at, near in list(self._near.items()):
            if window.start_s - near.last_s > self._rules[at].hold_seconds + _SLACK_SECONDS:
                yield self._explanation(at, anchor)

    def _come_near(self, at: int, window: _Window) -> None:
        score = float(window.heard[at])
        near = self._near.get(at)
        if near is None or score > near.best_score:
            self._near[at] = _Near(
                last_s=window.start_s,
                best_s=window.start_s,
                best_score=score,
                best_index=_best_member(self._rules[at], window.scores),
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


def _name(rule: Rule) -> str | int:
    """What a rule is known by in another configuration: its group's name, or its class."""
    return rule.group or rule.members[0]


def _best_member(rule: Rule, scores: FloatArray) -> int:
    """The class of a rule with the highest score."""
    return max(rule.members, key=lambda index: float(scores[index]))
