"""Scores to events. Pure: no clock, no I/O.

Each rule of `livetag.rules` is followed from window to window. An event starts when m of the last n
windows met the threshold, or one was sure (`detection.windows`); it goes on while windows meet the
release, bridges what is shorter than the hold, and is cut when it gets too long. Whether it is an
alert is decided apart (`detection.alerts`): what withholds one is looked at again as long as the
sound goes on. What came near and started nothing is explained (`detection.near`).

A window is longer than many sounds, and a sound is heard before it fills one. Onset and offset are
set where the sound is most likely to begin and end, given the first and the last window in which
it was heard and that their places are a hop apart.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from livetag.detection.alerts import Alerts
from livetag.detection.near import NearMisses
from livetag.detection.open_event import OpenEvent
from livetag.detection.windows import Window, Windows
from livetag.events import (
    SLACK_SECONDS,
    Anchor,
    EventAlert,
    EventEnd,
    EventStart,
    Explanation,
    FloatArray,
)
from livetag.rules import Rules, Succession
from livetag.yamnet.params import Params

ONSET_HEARD_SECONDS = 0.5
"""So much of a sound's beginning is in the first window that hears it."""
OFFSET_HEARD_SECONDS = 0.65
"""So much of a sound's end is in the last window that hears it.

Both are medians over recordings of known onset and offset, 20 to 40 dB over their background, at a
hop of 0.04 s (`python benchmarks/onsets.py`).
"""

Found = EventStart | EventAlert | EventEnd | Explanation


class Detector:
    """Follows every rule from window to window."""

    def __init__(self, rules: Rules, params: Params) -> None:
        half_hop = params.patch_hop_seconds / 2
        self._onset_s = max(0.0, params.window_seconds - ONSET_HEARD_SECONDS - half_hop)
        self._offset_s = min(params.window_seconds, OFFSET_HEARD_SECONDS + half_hop)
        self._rules = self._wanted = rules
        self._windows = Windows(rules)
        self._alerts = Alerts(rules)
        self._near = NearMisses(rules)
        self._open: dict[int, OpenEvent] = {}
        self._ended_s: dict[int, float] = {}
        self._cut: set[int] = set()  # rules whose event was cut, and whose sound goes on

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
        if wanted is not self._rules:
            yield from self._change_rules(wanted, heard_s)
        window = self._windows.push(start_s, scores, level_dbfs)
        yield from self._carry_on(window, heard_s)
        started = [
            at
            for at in window.met.nonzero()[0].tolist()
            if at not in self._open and self._begin(at, heard_s, anchor)
        ]
        for at in started:
            yield from self._tell_start(at, window, anchor)
        yield from self._tell_late(window, anchor)
        yield from self._near.update(self._windows, self._open, anchor)

    def finish(self, end_s: float, anchor: Anchor) -> Iterator[Found]:
        """End every open event: the stream, or what can be heard of it, ends at `end_s`."""
        for at, event in list(self._open.items()):
            yield from self._end(at, min(event.last_s + self._offset_s, end_s))
        yield from self._near.finish(anchor)
        self._windows.clear()
        self._cut.clear()

    def _change_rules(self, rules: Rules, heard_s: float) -> Iterator[EventEnd]:
        """Go on by other rules: end what does not go on, and take along what does."""
        change = Succession(self._rules, rules)
        for at, event in list(self._open.items()):
            successor = change.successor(at)
            if successor is None or successor.reported != self._rules.all[at].reported:
                self._windows.spend(at)
                self._cut.add(at)
                yield from self._end(at, min(event.last_s + self._offset_s, heard_s))
        self._open = change.moved(self._open)
        self._ended_s = change.moved(self._ended_s)
        self._cut = {change.place[at] for at in self._cut if at in change.place}
        self._windows.adopt(change)
        self._alerts.adopt(change)
        self._near.adopt(change)
        self._rules = rules

    def _carry_on(self, window: Window, heard_s: float) -> Iterator[EventEnd]:
        """Carry open events on, or end them."""
        self._cut = {at for at in self._cut if window.going_on[at]}
        for at, event in list(self._open.items()):
            rule = self._rules.all[at]
            score = float(window.values[at])
            if not window.going_on[at]:
                event.pause(score, window.level_dbfs)
                if window.start_s - event.last_s > rule.hold_seconds + SLACK_SECONDS:
                    self._windows.spend(at)
                    yield from self._end(at, event.last_s + self._offset_s)
            elif window.start_s - event.first_s >= rule.max_seconds - SLACK_SECONDS:
                self._windows.spend(at, but_the_latest=True)  # which may begin the next event
                self._cut.add(at)
                end_s = event.last_s + self._offset_s
                if not event.paused_windows:
                    end_s = min(window.start_s + self._onset_s, heard_s)
                yield from self._end(at, end_s)
            else:
                event.go_on(window.start_s, score, window.level_dbfs)

    def _begin(self, at: int, heard_s: float, anchor: Anchor) -> bool:
        """Start a rule's event, if windows enough met its threshold; whether it did."""
        windows = self._windows.confirming(at)
        if not windows:
            return False
        rule = self._rules.all[at]
        first, latest = windows[0], windows[-1]
        # The first window of all may hold any part of a sound that was there before.
        onset_s = first.start_s + (0.0 if self._windows.is_first(first) else self._onset_s)
        onset_s = max(min(onset_s, heard_s), self._ended_s.get(at, -math.inf))
        start = EventStart(
            label=self._rules.labels[latest.best_member(rule)],
            time=anchor.time_at(onset_s),
            start_s=onset_s,
            score=float(latest.values[at]),
            threshold=rule.threshold,
            level_dbfs=latest.level_dbfs,
            alert=False,
            group=rule.group,
        )
        event = self._open[at] = OpenEvent(start, first.start_s)
        for window in windows:
            event.go_on(window.start_s, float(window.values[at]), window.level_dbfs)
        self._cut.discard(at)
        self._near.forget(at)
        return True

    def _tell_start(self, at: int, window: Window, anchor: Anchor) -> Iterator[Found]:
        """Report what has started: as an alert, or with what withholds it."""
        event, rule = self._open[at], self._rules.all[at]
        withheld = self._withheld(at, window, anchor) if rule.alert else ""
        event.alerted = rule.alert and not withheld
        event.start = start = replace(event.start, alert=event.alerted, withheld=withheld)
        if event.alerted:
            self._alerts.alerted(at, window.start_s)
        if rule.reported:
            yield start
        if withheld:
            yield Explanation(
                start.label, start.time, start.start_s, start.score, withheld, start.group
            )

    def _tell_late(self, window: Window, anchor: Anchor) -> Iterator[EventAlert]:
        """Report the alerts of events that go on, once nothing withholds them any more."""
        for at, event in self._open.items():
            rule = self._rules.all[at]
            if not rule.alert or event.alerted or not window.going_on[at]:
                continue
            if not self._withheld(at, window, anchor):
                event.alerted = True
                now_s = window.start_s
                self._alerts.alerted(at, now_s)
                label = self._rules.labels[window.best_member(rule)]
                score = float(window.values[at])
                yield EventAlert(event.start, label, anchor.time_at(now_s), now_s, score)

    def _withheld(self, at: int, window: Window, anchor: Anchor) -> str:
        sounding = self._open.keys() | self._cut
        return self._alerts.withheld(at, window.start_s, anchor, sounding)

    def _end(self, at: int, end_s: float) -> Iterator[EventEnd]:
        """End a rule's event."""
        event = self._open.pop(at)
        self._ended_s[at] = end_s = max(end_s, event.start.start_s)
        if self._rules.all[at].reported:
            yield event.end(end_s)
