"""What the monitor knows at this moment: kept up from the pipeline's items, drawn by the dashboard.

Times are monotonic seconds given by the caller; nothing here reads a clock.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from livetag.events import (
    EventAlert,
    EventEnd,
    EventStart,
    Explanation,
    FloatArray,
    Gap,
    Item,
    Level,
    LogMel,
    Pace,
    Scores,
    best,
)
from livetag.rules import Rules
from livetag.spectrum import RecentSpectrum
from livetag.yamnet.params import Params

HISTORY_SECONDS = 30.0
PEAK_HOLD_SECONDS = 2.0
CLIP_HOLD_SECONDS = 3.0
RANKING_SECONDS = 2.0
RATE_SECONDS = 10.0
NOTICE_SECONDS = 60.0
LEAST_SHOWN = 0.005
_ALERTS_KEPT = 100
_RECENT_WINDOWS = 50
_NOTICES_KEPT = 2


@dataclass
class MonitorState:
    """One monitor's state.

    `gap_seconds`: of the latest gap, all its pieces together. `unclipped`: events without a clip,
    for what is in it.
    """

    rules: Rules
    params: Params
    source_name: str
    rate_hz: int
    started_at: float
    now: float = 0.0
    heard_s: float = 0.0
    """Where the stream is, lost audio included."""
    level: Level | None = None
    peak_dbfs: float = -math.inf
    peak_at: float = -math.inf
    clipped_at: float = -math.inf
    audio_at: float = 0.0
    windows: int = 0
    events: int = 0
    alerts: int = 0
    unclipped: int = 0
    gaps: int = 0
    lost_seconds: float = 0.0
    gap_seconds: float = 0.0
    trouble: str = ""
    pace: Pace | None = None
    sounding: dict[tuple[str, int], EventStart] = field(default_factory=dict)
    latest_alerts: deque[EventStart] = field(default_factory=lambda: deque(maxlen=_ALERTS_KEPT))
    explanations: deque[Explanation] = field(default_factory=lambda: deque(maxlen=_ALERTS_KEPT))

    def __post_init__(self) -> None:
        self.adopt(self.rules)
        size = max(1, round(HISTORY_SECONDS / self.params.patch_hop_seconds))
        self._history = np.zeros((size, len(self.labels)), np.float32)
        self._rows = 0  # that were written there
        self.spectrum = RecentSpectrum(HISTORY_SECONDS, self.params)
        self._latencies: deque[float] = deque(maxlen=_RECENT_WINDOWS)
        self._computes: deque[float] = deque(maxlen=_RECENT_WINDOWS)
        self._worker_seconds = 0.0
        self._gap_goes_on = False
        self._notices: deque[tuple[float, str]] = deque(maxlen=_NOTICES_KEPT)
        self._window_times: deque[float] = deque()
        self._first_window_at = math.inf
        self.now = self.audio_at = self.started_at

    def adopt(self, rules: Rules) -> None:
        """Have other rules in force: other thresholds, alerts, and classes to consider."""
        self.rules = rules
        self.labels = rules.labels
        self.alerting = rules.alerting
        self.thresholds = rules.thresholds
        self._considered = np.zeros(len(self.labels), bool)
        self._considered[list(rules.considered)] = True

    def apply(self, item: Item, now: float, worker_seconds: float = 0.0) -> None:
        """Take what the pipeline yielded, received at `now`.

        `worker_seconds`: the processor time that the worker has used until then.
        """
        match item:
            case Level():
                self._apply_level(item, now)
            case LogMel():
                self.spectrum.push(item)
            case Scores():
                self._apply_scores(item, now, worker_seconds)
            case EventStart():
                self.events += 1
                self._apply_event(item)
            case EventAlert():
                late = replace(
                    item.start, label=item.label, alert=True, time=item.time, score=item.score
                )
                self._apply_event(late)
            case EventEnd():
                self.sounding.pop(_key(item.start), None)
            case Explanation():
                self.explanations.append(item)
            case Gap():
                self.lost_seconds += item.lost_seconds
                if not self._gap_goes_on:
                    self.gaps += 1
                    self.gap_seconds = 0.0
                self.gap_seconds += item.lost_seconds
                self._gap_goes_on = item.ongoing
                self.heard_s = max(self.heard_s, item.start_s + item.lost_seconds)
                self._leave_out(item.lost_seconds)
            case Pace():
                self.pace = item if item.degraded else None

    def leave_unclipped(self) -> None:
        """Take that there is no clip of an event."""
        self.unclipped += 1

    def _apply_event(self, event: EventStart) -> None:
        self.sounding[_key(event)] = event
        if event.alert:
            self.alerts += 1
            self.latest_alerts.append(event)

    def _apply_level(self, level: Level, now: float) -> None:
        self.level = level
        self.heard_s = level.end_s
        self.audio_at = now
        if level.peak_dbfs >= self.peak_dbfs or now - self.peak_at > PEAK_HOLD_SECONDS:
            self.peak_dbfs, self.peak_at = level.peak_dbfs, now
        if level.clipped:
            self.clipped_at = now

    def _apply_scores(self, scores: Scores, now: float, worker_seconds: float) -> None:
        for _ in range(self._hops_a_window):  # it stands for those left out, too
            self._history[self._rows % len(self._history)] = scores.scores
            self._rows += 1
        if self.windows == 0:
            self._first_window_at = now
        self.windows += 1
        self._window_times.append(now)
        if self.windows > 1:  # the first window pays for imports, too
            self._computes.append(worker_seconds - self._worker_seconds)
        self._worker_seconds = worker_seconds
        if scores.captured_at is not None:
            self._latencies.append(now - scores.captured_at)

    def _leave_out(self, lost_seconds: float) -> None:
        """Where nothing was heard, nothing scored: what was heard before goes on into the past."""
        hops = math.ceil(lost_seconds / self.params.patch_hop_seconds)
        for _ in range(min(hops, len(self._history))):
            self._history[self._rows % len(self._history)] = 0.0
            self._rows += 1

    def notice(self, message: str, now: float) -> None:
        """Have a message shown for a minute."""
        self._notices.append((now, message))

    @property
    def notices(self) -> list[str]:
        """The latest messages that are less than a minute old."""
        return [text for at, text in self._notices if self.now - at < NOTICE_SECONDS]

    def tick(self, now: float) -> None:
        """Let time pass."""
        self.now = now
        while self._window_times and now - self._window_times[0] > RATE_SECONDS:
            self._window_times.popleft()

    @property
    def uptime_s(self) -> float:
        return self.now - self.started_at

    @property
    def silent_s(self) -> float:
        """Seconds since audio last came in."""
        return self.now - self.audio_at

    @property
    def _hops_a_window(self) -> int:
        """How many of the usual hops the windows that are classified lie apart."""
        if self.pace is None:
            return 1
        return round(self.pace.hop_seconds / self.params.patch_hop_seconds)

    @property
    def frame_factor(self) -> int:
        """How many times as long a frame of the dashboard stays as usual."""
        return self.pace.frame_factor if self.pace else 1

    @property
    def clipping(self) -> bool:
        return self.now - self.clipped_at < CLIP_HOLD_SECONDS

    @property
    def windows_per_second(self) -> float | None:
        """Over the last ten seconds, or since the first window; None while that is too short."""
        times = self._window_times
        if self.now - self._first_window_at >= RATE_SECONDS:
            return len(times) / RATE_SECONDS
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 2 else None

    @property
    def compute_s(self) -> float | None:
        """The worker's processor time for a window: resampling, features, network, detection.

        The median of the latest windows; None before there are any.
        """
        return float(np.median(self._computes)) if self._computes else None

    @property
    def latency_s(self) -> float | None:
        """Median time from a window's last sample to its results; None where nothing is live."""
        return float(np.median(self._latencies)) if self._latencies else None

    def recent(self, windows: int) -> FloatArray:
        """float32[n, 521], n <= windows: the latest windows' scores, oldest first.

        Those that were left out have the scores of the last one before them that was not.
        """
        count = min(windows, self._rows, len(self._history))
        rows = np.arange(self._rows - count, self._rows) % len(self._history)
        recent: FloatArray = self._history[rows]
        return recent

    def history(self) -> FloatArray:
        """float32[n, 521]: the scores of the last half minute, oldest first."""
        return self.recent(len(self._history))

    @property
    def history_windows(self) -> int:
        """Windows in half a minute."""
        return len(self._history)

    def top(self, count: int) -> Sequence[int]:
        """The classes considered that have the highest mean score over two seconds, best first.

        The mean keeps rows from changing places with every window. Those whose mean shows as 0.00
        are left out.
        """
        windows = max(1, round(RANKING_SECONDS / self.params.patch_hop_seconds))
        recent = self.recent(windows)
        if not len(recent):
            return ()
        means = recent.mean(axis=0) * self._considered
        return [index for index in best(means, count) if means[index] >= LEAST_SHOWN]

    def sounding_for(self, start: EventStart) -> float:
        """Seconds of audio since an event began."""
        return max(0.0, self.heard_s - start.start_s)


def _key(start: EventStart) -> tuple[str, int]:
    """What an event is of: a group and a class may sound at once."""
    return start.group, -1 if start.group else start.label.index
