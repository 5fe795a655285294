"""Scores to events. Pure: no clock, no I/O.

An event starts when a label's score reaches its threshold, and ends when the score has stayed
under it for longer than `hold_seconds`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from livetag.errors import UsageError
from livetag.events import Anchor, EventEnd, EventStart, FloatArray
from livetag.yamnet.labels import ClassMap, Label
from livetag.yamnet.params import Params


@dataclass(slots=True)
class _Open:
    """An event that goes on. `waiting`: scores of windows under the threshold since the last."""

    start: EventStart
    last_over_s: float
    peak_score: float
    score_sum: float
    windows: int
    waiting: list[float]


class Detector:
    """Follows every class's score from window to window.

    `threshold` holds for all classes, `alerts` names those whose start is an alert, each with its
    own threshold.
    """

    def __init__(
        self,
        labels: ClassMap,
        params: Params,
        threshold: float,
        alerts: Mapping[Label, float],
        hold_seconds: float,
    ) -> None:
        self._labels = labels
        # A hop a window; but no longer than the window, where the hop leaves audio out.
        self._reach_s = min(params.patch_hop_seconds, params.window_seconds)
        self._hold_s = hold_seconds
        self._thresholds = np.full(len(labels), threshold, np.float32)
        self._alerts = {label.index for label in alerts}
        for label, own in alerts.items():
            self._thresholds[label.index] = own
        self._open: dict[int, _Open] = {}

    def update(
        self, start_s: float, scores: FloatArray, anchor: Anchor
    ) -> Iterator[EventStart | EventEnd]:
        """Take one window's scores, float32[521]; yield what starts and what ends with it."""
        over = np.flatnonzero(scores >= self._thresholds)
        for index in over.tolist():
            score = float(scores[index])
            event = self._open.get(index)
            if event is None:
                yield self._begin(index, start_s, score, anchor)
            else:
                event.score_sum += score + sum(event.waiting)
                event.windows += 1 + len(event.waiting)
                event.peak_score = max(event.peak_score, score)
                event.last_over_s = start_s
                event.waiting.clear()
        for index, event in list(self._open.items()):
            if event.last_over_s == start_s:
                continue
            event.waiting.append(float(scores[index]))
            if start_s - event.last_over_s > self._hold_s + 1e-9:
                yield self._end(index, anchor)

    def finish(self, end_s: float, anchor: Anchor) -> Iterator[EventEnd]:
        """End every open event: the stream, or what can be heard of it, ends at `end_s`."""
        for index in list(self._open):
            yield self._end(index, anchor, latest_s=end_s)

    def _begin(self, index: int, start_s: float, score: float, anchor: Anchor) -> EventStart:
        start = EventStart(
            label=self._labels[index],
            time=anchor.time_at(start_s),
            start_s=start_s,
            score=score,
            threshold=float(self._thresholds[index]),
            alert=index in self._alerts,
        )
        self._open[index] = _Open(start, start_s, score, score, 1, [])
        return start

    def _end(self, index: int, anchor: Anchor, latest_s: float = float("inf")) -> EventEnd:
        event = self._open.pop(index)
        end_s = min(event.last_over_s + self._reach_s, latest_s)
        return EventEnd(
            start=event.start,
            end_time=anchor.time_at(end_s),
            end_s=end_s,
            peak_score=event.peak_score,
            mean_score=event.score_sum / event.windows,
            windows=event.windows,
        )


def alert_thresholds(
    rules: Iterable[str], labels: ClassMap, threshold: float
) -> dict[Label, float]:
    """The labels that `LABEL` and `LABEL=SCORE` rules name, with `threshold` where no score is.

    Raises `UsageError` for an unknown label, or a score that is not above 0 and up to 1.
    """
    alerts = {}
    for rule in rules:
        name, equals, text = rule.rpartition("=")
        label = labels.find(name if equals else rule)
        try:
            own = float(text) if equals else threshold
        except ValueError:
            own = float("nan")
        if not 0.0 < own <= 1.0:
            raise UsageError(f"alert {rule!r}: the score has to be a number above 0 and up to 1")
        alerts[label] = own
    return alerts
