"""Clips: the sound of each event as a file of its own, with a sidecar that says what it is.

Nothing touches the disk before a clip is complete and allowed. What `never_with` names is looked
for in all windows that overlap any of the clip, pre- and post-roll included, so a clip waits until
the windows that begin before its end are scored. A window whose scores never came here counts as
one that holds it. With a hop longer than the window, the audio between windows is scored by none:
there `never_with` cannot see all that a clip holds.

A clip that could not be written is kept in memory, encoded, until it can be.
"""

import contextlib
import math
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from livetag.audio.writer import check_format, encoded
from livetag.errors import LivetagError
from livetag.events import AudioBlock, EventEnd, EventStart, FloatArray, Gap, Item, Scores
from livetag.records import as_object, iso_time, rounded
from livetag.retention import clip_name, keep_within, make_folder, store
from livetag.schema import Clips
from livetag.sinks.base import LeftOutError, Selection

_MARGIN_SECONDS = 1.0  # of history beyond what is asked for: the resampler holds audio back
_CHECK_SECONDS = 3_600.0  # between looks at the clips' ages while none is written
_MOST_KEPT_BYTES = 50_000_000  # of clips that could not be written


@dataclass(slots=True, eq=False)
class _Clip:
    """The audio of one event as it comes in: samples from `begin` to before `end`.

    Both count from the start of the stream. `end` is the latest possible one until the event's
    `record` is there. `start_s` is the event's. `never_s`: where the first window stands that
    `never_with` is in.
    """

    begin: int
    end: int
    begin_s: float
    start_s: float
    record: EventEnd | None = None
    closed: bool = False
    never_s: float = math.inf
    blocks: list[AudioBlock] = field(default_factory=list)

    def take(self, block: AudioBlock) -> None:
        if not self.closed and block.first_sample < self.end and _end(block) > self.begin:
            self.blocks.append(block)

    def avoid(self, start_s: float, end_s: float) -> None:
        """Note a window with a class of `never_with`; windows come in order."""
        if end_s > self.begin_s:
            self.never_s = min(self.never_s, start_s)

    def close(self, latest: int) -> None:
        """No more audio belongs to this clip, and none from sample `latest` on."""
        self.closed = True
        self.end = min(self.end, latest)

    def samples(self) -> list[FloatArray]:
        """Its audio as pieces in a row, none of them copied."""
        return [
            block.samples[max(0, self.begin - block.first_sample) : self.end - block.first_sample]
            for block in self.blocks
            if block.first_sample < self.end
        ]


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A clip as it is written: its name without suffix, its sound, its sidecar's fields."""

    name: str
    sound: bytes
    fields: dict[str, Any]


class ClipSink:
    """Writes a sound and a sidecar for each event, from before its onset to after its offset.

    Takes the stream in order: a block before the scores and events that were made of it. Audio is
    kept by reference: pre-roll and look-back, and up to `max_seconds` for each event that is open;
    events that overlap share it. A clip being written is in memory once more, encoded.

    A gap, and the end of the stream, end a clip early: with `never_with`, where the last scored
    window ended. An event that never ended, since the program broke off, leaves no clip.
    """

    takes = (AudioBlock, Scores, EventStart, EventEnd, Gap)

    def __init__(
        self,
        folder: Path,
        source: str,
        rate_hz: int,
        settings: Clips,
        selection: Selection,
        never_with: Collection[int],
        hop_seconds: float,
        lookback_seconds: float,
        tidy: bool = True,
    ) -> None:
        """Make the folder, for its owner alone, or take it as it is; remove what is too old there.

        `settings`: all but `path`, `labels`, `alerts_only` and `never_with`, which come resolved:
        `folder`, `selection` and the class indices `never_with`. `hop_seconds`: from window to
        window. `lookback_seconds`: how long after its `start_s` an event's start may come, a
        window's length at least. `tidy`: remove what is too old or too much; not for a recording,
        whose clips are of another time.

        Raises `UsageError` where the path is no folder, or the format cannot hold `rate_hz`, and
        `LivetagError` where the folder cannot be written.
        """
        check_format(settings.format, rate_hz)
        self.name = str(folder)
        self._folder = folder
        self._source = source
        self._rate_hz = rate_hz
        self._settings = settings
        self._selection = selection
        self._classes = Selection(classes=selection.classes)
        self._never = np.array(sorted(never_with), np.intp)
        kept_s = settings.pre_roll_seconds + lookback_seconds + _MARGIN_SECONDS
        self._history_samples = round(kept_s * rate_hz)
        self._history: deque[AudioBlock] = deque()
        self._avoided: deque[tuple[float, float]] = deque()  # windows that `never_with` is in
        self._open: dict[str | int, _Clip] = {}  # by group or class: each has one event at a time
        self._ended: list[_Clip] = []
        self._next_sample = -1
        self._hop_s = hop_seconds
        self._scored = (-math.inf, -math.inf)  # where the last window begins and ends
        self._next_window_s = 0.0
        self._tidy = tidy
        self._checked_at = time.time()
        self._unwritten: deque[_Encoded] = deque()
        self._left_out = 0
        make_folder(folder)
        try:
            self._keep_within()
        except OSError as error:
            raise LivetagError(
                f"the clips in {folder} cannot be kept in bounds: {error.strerror}"
            ) from error

    def writes(self, item: Item) -> bool:
        return isinstance(item, EventEnd) and self._selection.wants(item)

    def write(self, item: Item) -> None:
        failing = bool(self._unwritten)
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
        # From here on it may fail: the audio is taken.
        if self._unwritten and not failing:
            self.retry()
        elif isinstance(item, EventEnd) and item.end_time - self._checked_at > _CHECK_SECONDS:
            self._checked_at = item.end_time
            self._keep_within()
        self._tell_left_out()

    def retry(self) -> None:
        """Write the clips that wait, the oldest first, and remove what is too old or too much."""
        while self._unwritten:
            clip = self._unwritten[0]
            store(self._folder, clip.name, f".{self._settings.format}", clip.sound, clip.fields)
            self._unwritten.popleft()
        self._keep_within()

    def reopen(self) -> None:
        """Each clip is a file of its own, and a folder that is gone is not made again."""

    def close(self) -> None:
        """Write what ended events have until now."""
        self._break_off()
        try:
            self.retry()
        except OSError as error:
            lost = len(self._unwritten) + self._left_out
            raise LeftOutError(lost, error.strerror or str(error)) from error
        self._tell_left_out()

    def _tell_left_out(self) -> None:
        left_out, self._left_out = self._left_out, 0
        if left_out:
            raise LeftOutError(left_out, "no memory for more clips")

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
            clip.take(block)
        # Counted from the block's first sample: blocks may be long, and events start within them.
        while _end(self._history[0]) <= block.first_sample - self._history_samples:
            self._history.popleft()
        oldest_s = self._history[0].first_sample / self._rate_hz
        while self._avoided and self._avoided[0][1] <= oldest_s:
            self._avoided.popleft()

    def _judge(self, window: Scores) -> None:
        length_s = window.end_s - window.start_s
        if window.start_s - self._next_window_s > self._hop_s / 2:
            self._avoid(self._next_window_s, window.start_s - self._hop_s + length_s)
        self._next_window_s = window.start_s + self._hop_s
        self._scored = (window.start_s, window.end_s)
        # A score that is no number is not under the limit either.
        if not (window.scores[self._never] < self._settings.never_score).all():
            self._avoid(window.start_s, window.end_s)
        self._settle()

    def _avoid(self, start_s: float, end_s: float) -> None:
        if len(self._never):
            self._avoided.append((start_s, end_s))
            for clip in self._pending():
                clip.avoid(start_s, end_s)

    def _begin(self, start: EventStart) -> None:
        if not (self._history and self._classes.wants(start)):
            return
        begin = self._sample(start.start_s - self._settings.pre_roll_seconds)
        begin = max(begin, self._history[0].first_sample)
        end = self._sample(start.start_s + self._settings.max_seconds)
        clip = _Clip(begin, end, begin / self._rate_hz, start.start_s)
        for block in self._history:
            clip.take(block)
        for window in self._avoided:
            clip.avoid(*window)
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
            self._settle()

    def _break_off(self) -> None:
        """The audio is interrupted: no clip goes on beyond here, and none begins before."""
        latest = max(0, self._next_sample)
        if len(self._never):
            latest = min(latest, self._sample(max(0.0, self._scored[1])))
        for clip in self._pending():
            clip.close(latest)
        self._history.clear()
        self._avoided.clear()
        self._settle()

    def _settle(self) -> None:
        """Decide on the clips of ended events that no later window can overlap."""
        scored_to = self._scored[0] * self._rate_hz
        due = [clip for clip in self._ended if clip.closed or clip.end <= scored_to]
        self._ended = [clip for clip in self._ended if clip not in due]
        for clip in due:
            allowed = clip.never_s * self._rate_hz >= clip.end
            if allowed and clip.record is not None and clip.end > clip.begin:
                self._keep(clip, clip.record)

    def _keep(self, clip: _Clip, record: EventEnd) -> None:
        """Encode a clip, to be written."""
        sound = encoded(clip.samples(), self._rate_hz, self._settings.format)
        start = record.start
        before_s = start.start_s - clip.begin_s
        fields = {
            **as_object(record, self._source),
            "rate_hz": self._rate_hz,
            "channels": 1,
            "clip_time": iso_time(start.time - before_s),
            "clip_start_s": rounded(clip.begin_s),
            "clip_end_s": rounded(clip.end / self._rate_hz),
            "pre_roll_seconds": rounded(max(0.0, before_s)),
            "truncated": clip.end < self._sample(record.end_s),
        }
        self._checked_at = record.end_time
        if not self._has_room(len(sound)):
            with contextlib.suppress(OSError):  # which the next write, or `retry`, tells of
                self.retry()
        if self._has_room(len(sound)):
            name = clip_name(start.time, start.label.name)
            self._unwritten.append(_Encoded(name, sound, fields))
        else:
            self._left_out += 1

    def _has_room(self, size: int) -> bool:
        """Whether a clip of so many bytes may wait: always, where none does."""
        kept = sum(len(waiting.sound) for waiting in self._unwritten)
        return not kept or kept + size <= _MOST_KEPT_BYTES

    def _keep_within(self) -> None:
        if self._tidy:
            settings = self._settings
            keep_within(self._folder, settings.keep_days, settings.keep_megabytes, self._checked_at)

    def _pending(self) -> list[_Clip]:
        return [*self._open.values(), *self._ended]

    def _sample(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)


def _end(block: AudioBlock) -> int:
    """The sample after a block's last."""
    return block.first_sample + len(block.samples)


def _key(start: EventStart) -> str | int:
    return start.group or start.label.index
