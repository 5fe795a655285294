"""The types that flow: audio blocks in; levels, spectrogram, scores, events and gaps out.

Seconds named `..._s` count from the start of the stream, lost audio included. Times named `time`
are UNIX times in seconds: `Anchor` relates the two.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livetag.yamnet.labels import Label

FloatArray = npt.NDArray[np.float32]

SLACK_SECONDS = 1e-9
"""What seconds of a stream may differ by as they add up."""


def best(scores: FloatArray, count: int) -> list[int]:
    """The indices of the highest of float32[n], best first; equal ones in their own order."""
    order: list[int] = np.argsort(-scores, kind="stable")[:count].tolist()
    return order


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """Mono audio, float32[n] in [-1, 1], at its source's own rate.

    `first_sample` counts from the start of the stream. `lost_before` samples are missing just
    before this block, for `gap_reason`. `wall_time` is the UNIX time of the first sample: set on
    the first block, after a gap, and where the clock has moved away. `captured_at` is the monotonic
    time at which the last sample was captured, where that means something. `behind_s`: seconds of
    captured audio that wait behind this block. A block without samples says that time has passed in
    which nothing was heard, and that this goes on.
    """

    samples: FloatArray
    first_sample: int
    lost_before: int = 0
    gap_reason: str = ""
    wall_time: float | None = None
    captured_at: float | None = None
    behind_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the stream's seconds stand on the wall clock, until the next anchor."""

    stream_s: float
    unix_time: float

    def time_at(self, stream_s: float) -> float:
        return self.unix_time + (stream_s - self.stream_s)


@dataclass(frozen=True, slots=True)
class Level:
    """Loudness of one block, in dBFS of a full-scale square wave; `-inf` for digital silence."""

    end_s: float
    rms_dbfs: float
    peak_dbfs: float
    clipped: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """One window's scores, float32[521], and embedding, float32[1024].

    `level_dbfs`: the window's loudness, as `livetag.audio.loudness` has it.
    """

    start_s: float
    end_s: float
    scores: FloatArray
    embedding: FloatArray
    level_dbfs: float
    captured_at: float | None


@dataclass(frozen=True, slots=True)
class LogMel:
    """A piece of the spectrogram, float32[n, 64]: what a window has that no window before it had.

    `start_s`: where its first frame begins. Zeros that complete a last window are no part of it.
    """

    start_s: float
    frames: FloatArray


@dataclass(frozen=True, slots=True)
class EventStart:
    """A sound has begun: a label, or the best member of a group, met its threshold.

    `time` and `start_s` are the sound's onset. `score` and `level_dbfs` are those of the window
    that met the `threshold` last. `alert`: the user is to be told now. `withheld`: what keeps an
    event that would be an alert from being one, in words.
    """

    label: Label
    time: float
    start_s: float
    score: float
    threshold: float
    level_dbfs: float
    alert: bool
    group: str = ""
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class EventAlert:
    """What withheld an event's alert is over, and the sound goes on: the user is to be told now.

    `label` and `score` are those of this window: a group may have come to another member.
    """

    start: EventStart
    label: Label
    time: float
    start_s: float
    score: float


@dataclass(frozen=True, slots=True)
class EventEnd:
    """The event is over. `end_time` and `end_s` are the sound's offset.

    `windows` and `mean_score` are of all windows from the first that met the threshold to the last
    that met the release, those between included; `level_dbfs` is the loudest one's. `alert`: the
    user was told of it, at its start or later.
    """

    start: EventStart
    end_time: float
    end_s: float
    peak_score: float
    mean_score: float
    windows: int
    level_dbfs: float
    alert: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a label that alerts did not, though its score came near; or why an event has no clip.

    `why`: in words.
    """

    label: Label
    time: float
    start_s: float
    score: float
    why: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio that was not heard: lost between capture and analysis, or never captured.

    `ongoing`: nothing is heard yet; another gap begins where this one ends.
    """

    time: float
    start_s: float
    lost_seconds: float
    reason: str
    ongoing: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """From `start_s` on, windows are classified `hop_seconds` apart, since analysis is behind.

    `degraded`: that is wider than asked for, or the dashboard has fewer frames: each stays
    `frame_factor` times as long. `behind_s`: seconds of captured audio that waited.
    """

    time: float
    start_s: float
    behind_s: float
    hop_seconds: float
    frame_factor: int
    degraded: bool


Record = EventStart | EventAlert | EventEnd | Gap | Pace
"""What is written down."""
Item = AudioBlock | Level | LogMel | Scores | Explanation | Record
"""What the pipeline yields."""
