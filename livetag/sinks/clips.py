"""Clips: the sound of each event as a file of its own, with a sidecar that says what it is.

Nothing touches the disk before a clip is complete and allowed, which `clip_cutter` decides. A clip
that could not be written is kept in memory, encoded, until it can be.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livetag.audio.writer import check_format, encoded
from livetag.clip_cutter import Clip, ClipCutter
from livetag.errors import LivetagError
from livetag.events import AudioBlock, EventEnd, EventStart, Explanation, Gap, Item, Scores
from livetag.records import as_object, iso_time, rounded
from livetag.retention import clip_name, keep_within, make_folder, store
from livetag.schema import Clips
from livetag.sinks.base import LeftOutError, Selection
from livetag.yamnet.labels import class_map

_CHECK_SECONDS = 3_600.0  # between looks at the clips' ages while none is written
_MOST_KEPT_BYTES = 50_000_000  # of clips that could not be written


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A clip as it is written: its name without suffix, its sound, its sidecar's fields."""

    name: str
    sound: bytes
    fields: dict[str, Any]


class ClipSink:
    """Writes a sound and a sidecar for each event, from before its onset to after its offset.

    Takes the stream in order, as `ClipCutter` does. A clip being written is in memory once more,
    encoded.
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
        explain: Callable[[Explanation], None] = lambda _: None,
    ) -> None:
        """Make the folder, for its owner alone, or take it as it is; remove what is too old there.

        `settings`: all but `path`, `labels`, `alerts_only` and `never_with`, which come resolved:
        `folder`, `selection` and the class indices `never_with`. `hop_seconds`,
        `lookback_seconds`: as `ClipCutter` has them. `tidy`: remove what is too old or too much;
        not for a recording, whose clips are of another time. `explain`: told, in the sink's thread,
        why there is no clip of an event that `never_with` is in.

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
        self._explain = explain
        self._cutter = ClipCutter(
            rate_hz,
            settings,
            selection,
            never_with,
            hop_seconds,
            lookback_seconds,
            self._withhold,
        )
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
        for clip in self._cutter.take(item):
            self._keep(clip)
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
        for clip in self._cutter.end():
            self._keep(clip)
        try:
            self.retry()
        except OSError as error:
            lost = len(self._unwritten) + self._left_out
            raise LeftOutError(lost, error.strerror or str(error)) from error
        self._tell_left_out()

    def _withhold(self, record: EventEnd, index: int | None) -> None:
        there = "not all of it was scored" if index is None else f"{class_map()[index].name} in it"
        start = record.start
        self._explain(
            Explanation(
                label=start.label,
                time=start.time,
                start_s=start.start_s,
                score=start.score,
                why=f"no clip: {there}",
                group=start.group,
            )
        )

    def _tell_left_out(self) -> None:
        left_out, self._left_out = self._left_out, 0
        if left_out:
            raise LeftOutError(left_out, "no memory for more clips")

    def _keep(self, clip: Clip) -> None:
        """Encode a clip, to be written."""
        sound = encoded(clip.pieces, self._rate_hz, self._settings.format)
        start = clip.record.start
        before_s = start.start_s - clip.begin_s
        fields = {
            **as_object(clip.record, self._source),
            "rate_hz": self._rate_hz,
            "channels": 1,
            "clip_time": iso_time(start.time - before_s),
            "clip_start_s": rounded(clip.begin_s),
            "clip_end_s": rounded(clip.end_s),
            "pre_roll_seconds": rounded(max(0.0, before_s)),
            "truncated": clip.truncated,
        }
        self._checked_at = clip.record.end_time
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
