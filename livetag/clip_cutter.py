"""Cuts the sound of each event out of the stream. Pure: it reads no clock and writes nothing.

What `never_with` names is looked for in all windows that overlap any of a clip, pre- and post-roll
included, so a clip waits until the windows that begin before its end are scored. A window whose
scores never came here counts as one that holds it. With a hop longer than the window, the audio
between windows is scored by none: there `never_with` cannot see all that a clip holds.
"""

import math
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np

from livetag.events import AudioBlock, EventEnd, EventStart, FloatArray, Gap, Item, Scores
from livetag.schema import Clips
from livetag.sinks.base import Selection

_MARGIN_SECONDS = 1.0  # of history beyond what is asked for: the resampler holds audio back


@dataclass(frozen=True, slots=True)
class Clip:
    """The sound of an event that is over, from `begin_s` to `end_s` of the stream.

    `pieces`: its samples, float32[n] each, in a row. `truncated`: the event went on beyond its end.
    """

    record: EventEnd
    begin_s: float
    end_s: float
    pieces: list[FloatArray]
    truncated: bool


Withhold = Callable[[EventEnd, int | None], None]
"""Told of an event whose sound must not be kept, and which class of `never_with` is in it: None
where nobody knows what is in it."""


@dataclass(frozen=True, slots=True)
class _Avoided:
    """From `start_s` to `end_s` there is a class of `never_with`, or (None) nobody knows."""

    start_s: float
    end_s: float
    index: int | None


@dataclass(slots=True, eq=False)
class _OpenClip:
    """The audio of one event as it comes in: samples from `begin` to before `end`.

    Both count from the start of the stream. `end` is the latest possible one until the event's
    `record` is there. `start_s` is the event's. `never`: the first window that `never_with` is in.
    """

    begin: int
    end: int
    begin_s: float
    start_s: float
    record: EventEnd | None = None
    closed: bool = False
    never: _Avoided | None = None
    blocks: list[AudioBlock] = field(default_factory=list)

    def add(self, block: AudioBlock) -> None:
        if not self.closed and block.first_sample < self.end and _end(block) > self.begin:
            self.blocks.append(block)

    def avoid(self, window: _Avoided) -> None:
        """Note a window with a class of `never_with`; windows come in order."""
        if self.never is None and window.end_s > self.begin_s:
            self.never = window

    def close(self, latest: int) -> None:
        """No more audio belongs to this one, and none from sample `latest` on."""
        self.closed = True
        self.end = min(self.end, latest)

    def samples(self) -> list[FloatArray]:
        """Its audio as pieces in a row, none of them copied."""
        return [
            block.samples[max(0, self.begin - block.first_sample) : self.end - block.first_sample]
            for block in self.blocks
            if block.first_sample < self.end
        ]


class ClipCutter:
    """Takes the stream in order: a block before the scores and events that were made of it.

    Audio is kept by reference: pre-roll and look-back, and up to `max_seconds` for each event that
    is open; events that overlap share it.

    A gap, and the end of the stream, end a clip early: with `never_with`, where the last scored
    window ended. An event that never ended, since the program broke off, leaves no clip.
    """

    def __init__(
        self,
        rate_hz: int,
        settings: Clips,
        selection: Selection,
        never_with: Collection[int],
        hop_seconds: float,
        lookback_seconds: float,
        withhold: Withhold = lambda *_: None,
    ) -> None:
        """`settings`: of them, how long clips are, and which score of `never_with` is too high.

        `selection`, and the class indices `never_with`, come resolved. `hop_seconds`: from window
        to window. `lookback_seconds`: how long after its `start_s` an event's start may come, a
        window's length at least. `withhold`: told of each clip that must not be.
        """
        self._rate_hz = rate_hz
        self._settings = settings
        self._selection = selection
        self._classes = Selection(classes=selection.classes)
        self._withhold = withhold
        self._never = np.array(sorted(never_with), np.intp)
        kept_s = settings.pre_roll_seconds + lookback_seconds + _MARGIN_SECONDS
        self._history_samples = round(kept_s * rate_hz)
        self._history: deque[AudioBlock] = deque()
        self._avoided: deque[_Avoided] = deque()
        self._open: dict[str | int, _OpenClip] = {}  # by group or class: one event each at a time
        self._ended: list[_OpenClip] = []
        self._next_sample = -1
        self._hop_s = hop_seconds
        self._scored = (-math.inf, -math.inf)  # where the last window begins and ends
        self._next_window_s = 0.0

    def take(self, item: Item) -> list[Clip]:
        """The clips that are complete, and allowed, with this item."""
        match item:
            case AudioBlock():
                self._hear(item)
            case Scores():
                self._judge(item)
            case EventStart():
                self._begin(item)
            case EventEnd():
                self._finish(item)
            case Gap():
                self._break_off()
        return self._due()

    def end(self) -> list[Clip]:
        """What ended events have until now."""
        self._break_off()
        return self._due()

    def _hear(self, block: AudioBlock) -> None:
        if block.first_sample != self._next_sample:
            self._break_off()
        if block.lost_before or self._next_sample < 0:  # windows begin anew, otherwise go on
            self._next_window_s = block.first_sample / self._rate_hz
        self._next_sample = _end(block)
        if not len(block.samples):
            return
        self._history.append(block)
        for clip in self._pending():
            clip.add(block)
        # Counted from the block's first sample: blocks may be long, and events start within them.
        while _end(self._history[0]) <= block.first_sample - self._history_samples:
            self._history.popleft()
        oldest_s = self._history[0].first_sample / self._rate_hz
        while self._avoided and self._avoided[0].end_s <= oldest_s:
            self._avoided.popleft()

    def _judge(self, window: Scores) -> None:
        length_s = window.end_s - window.start_s
        if window.start_s - self._next_window_s > self._hop_s / 2:
            unscored_until_s = window.start_s - self._hop_s + length_s
            self._avoid(_Avoided(self._next_window_s, unscored_until_s, None))
        self._next_window_s = window.start_s + self._hop_s
        self._scored = (window.start_s, window.end_s)
        # A score that is no number is not under the limit either.
        scores = window.scores[self._never]
        if not (scores < self._settings.never_score).all():
            index = int(self._never[scores.argmax()])
            self._avoid(_Avoided(window.start_s, window.end_s, index))

    def _avoid(self, window: _Avoided) -> None:
        if len(self._never):
            self._avoided.append(window)
            for clip in self._pending():
                clip.avoid(window)

    def _begin(self, start: EventStart) -> None:
        if not (self._history and self._classes.wants(start)):
            return
        begin = self._sample(start.start_s - self._settings.pre_roll_seconds)
        begin = max(begin, self._history[0].first_sample)
        end = self._sample(start.start_s + self._settings.max_seconds)
        clip = _OpenClip(begin, end, begin / self._rate_hz, start.start_s)
        for block in self._history:
            clip.add(block)
        for window in self._avoided:
            clip.avoid(window)
        self._open[_key(start)] = clip

    def _finish(self, record: EventEnd) -> None:
        key = _key(record.start)
        clip = self._open.get(key)
        if clip is None or clip.start_s != record.start.start_s:
            return
        del self._open[key]
        if self._selection.wants(record):
            clip.record = record
            end = self._sample(record.end_s + self._settings.post_roll_seconds)
            clip.end = min(clip.end, end)
            self._ended.append(clip)

    def _break_off(self) -> None:
        """The audio is interrupted: no clip goes on beyond here, and none begins before."""
        latest = max(0, self._next_sample)
        if len(self._never):
            latest = min(latest, self._sample(max(0.0, self._scored[1])))
        for clip in self._pending():
            clip.close(latest)
        self._history.clear()
        self._avoided.clear()

    def _due(self) -> list[Clip]:
        """The clips of ended events that no later window can overlap, but for what is in some."""
        scored_to = self._scored[0] * self._rate_hz
        due = [clip for clip in self._ended if clip.closed or clip.end <= scored_to]
        self._ended = [clip for clip in self._ended if clip not in due]
        return [cut for clip in due if (cut := self._cut(clip)) is not None]

    def _cut(self, clip: _OpenClip) -> Clip | None:
        """None where `never_with` is in it, which is told, or nothing at all."""
        if clip.record is None or clip.end <= clip.begin:
            return None
        if clip.never is not None and clip.never.start_s * self._rate_hz < clip.end:
            self._withhold(clip.record, clip.never.index)
            return None
        end_s = clip.end / self._rate_hz
        truncated = clip.end < self._sample(clip.record.end_s)
        return Clip(clip.record, clip.begin_s, end_s, clip.samples(), truncated)

    def _pending(self) -> list[_OpenClip]:
        return [*self._open.values(), *self._ended]

    def _sample(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)


def _end(block: AudioBlock) -> int:
    """The sample after a block's last."""
    return block.first_sample + len(block.samples)


def _key(start: EventStart) -> str | int:
    return start.group or start.label.index
