"""The one path from audio blocks to events, for the microphone, files, the demo and the tests.

It holds no thread, no clock and no device. What it yields does not depend on how the audio was
split into blocks, but for the levels, of which each block has one, and for what it leaves out where
blocks say that more waits behind them than it can keep up with (`livetag.pace`).
"""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from livetag.audio.loudness import Loudness, dbfs
from livetag.audio.resample import Resampler
from livetag.detector import Detector
from livetag.events import Anchor, AudioBlock, FloatArray, Gap, Item, Level, LogMel, Pace, Scores
from livetag.pace import Pacing
from livetag.yamnet.classifier import Classifier, Prediction, predicted
from livetag.yamnet.features import PatchStream
from livetag.yamnet.params import Params

CLIPPED_AT = 0.999  # of full scale


def analyze(
    blocks: Iterable[AudioBlock],
    rate_hz: int,
    classifier: Classifier,
    detector: Detector,
    params: Params,
) -> Iterator[Item]:
    """Yield each block and its `Level`; `LogMel`, `Scores` for each window; events and gaps.

    A gap ends every event and starts the windows anew, so that no window spans it. What follows the
    last whole window before a gap, or at the end of the stream, is padded with zeros, as the
    reference pads a recording's: all that is in no gap is classified.

    While analysis is behind, windows are left out: they have no `Scores`, and events are decided on
    as if each had those of the last window classified, so that rules which count windows mean the
    same time as ever. A `Pace` says how far apart the others are.
    """
    segment: _Segment | None = None
    anchor: Anchor | None = None
    pacing = Pacing(params.patch_hop_seconds)
    try:
        for block in blocks:
            begin_s = block.first_sample / rate_hz
            if block.lost_before and segment is not None:
                yield from segment.finish()
                segment = None
            if block.wall_time is not None or anchor is None:
                anchor = Anchor(begin_s, block.wall_time or 0.0)
            if block.lost_before:
                lost_s = block.lost_before / rate_hz
                gap_s = begin_s - lost_s
                ongoing = not len(block.samples)
                yield Gap(anchor.time_at(gap_s), gap_s, lost_s, block.gap_reason, ongoing)
            if not len(block.samples):
                continue
            if segment is None:
                segment = _Segment(rate_hz, begin_s, pacing, classifier, detector, params)
            segment.anchor = anchor
            yield block
            yield _level(block, rate_hz)
            if pacing.update(_end_s(block, rate_hz) + block.behind_s, block.behind_s):
                yield _pace(pacing, block.behind_s, begin_s, anchor, params)
            yield from segment.push(block)
        if segment is not None:
            yield from segment.finish()
    except Exception:
        if segment is not None:  # what was heard until now is not lost
            yield from segment.end_events()
        raise


def _end_s(block: AudioBlock, rate_hz: int) -> float:
    return (block.first_sample + len(block.samples)) / rate_hz


def _level(block: AudioBlock, rate_hz: int) -> Level:
    samples = block.samples
    peak = float(max(samples.max(), -samples.min()))
    mean_square = float(np.dot(samples, samples)) / len(samples)
    return Level(_end_s(block, rate_hz), dbfs(mean_square), dbfs(peak * peak), peak >= CLIPPED_AT)


def _pace(pacing: Pacing, behind_s: float, start_s: float, anchor: Anchor, params: Params) -> Pace:
    step = pacing.step
    hop_seconds = step.every * params.patch_hop_seconds
    time = anchor.time_at(start_s)
    return Pace(time, start_s, behind_s, hop_seconds, step.frame_factor, pacing.degraded)


class _Segment:
    """Audio in a row, without a gap, that starts at `begin_s` of the stream."""

    anchor: Anchor

    def __init__(
        self,
        rate_hz: int,
        begin_s: float,
        pacing: Pacing,
        classifier: Classifier,
        detector: Detector,
        params: Params,
    ) -> None:
        self._rate_hz = rate_hz
        self._begin_s = begin_s
        self._pushed = 0
        self._pacing = pacing
        self._classifier = classifier
        self._detector = detector
        self._params = params
        self._resampler = Resampler(rate_hz, params.sample_rate_hz)
        self._loudness = Loudness(params.sample_rate_hz)
        self._patches = PatchStream(params)
        self._heard: Scores | None = None  # of the last window classified
        self._left_out = 0  # windows since then, ...
        self._latest: tuple[int, FloatArray] | None = None  # ... and the last of them

    def push(self, block: AudioBlock) -> Iterator[Item]:
        self._pushed += len(block.samples)
        resampled = self._resampler.push(block.samples)
        self._loudness.push(resampled)
        yield from self._analyze(self._patches.push(resampled), block.captured_at)

    def finish(self) -> Iterator[Item]:
        """What remains in the resampler, and the last window: padded, or one that was left out."""
        rest = self._resampler.push(np.empty(0, np.float32), last=True)
        self._loudness.push(rest)
        yield from self._analyze(self._patches.push(rest), None)
        end = self._patches.samples
        for first_sample, patch in self._patches.finish():
            yield self._new_frames(first_sample, end)
            if first_sample < end:  # with a long hop, it may hold no audio at all
                yield from self._classify(first_sample, patch, None)
        if self._latest is not None:
            yield from self._classify(*self._latest, None)
        yield from self.end_events()

    def end_events(self) -> Iterator[Item]:
        """End the events that are open where the segment's audio ends."""
        yield from self._detector.finish(self._audio_end_s, self.anchor)

    @property
    def _audio_end_s(self) -> float:
        """Where the audio pushed so far ends."""
        return self._begin_s + self._pushed / self._rate_hz

    def _analyze(
        self, patches: Iterator[tuple[int, FloatArray]], captured_at: float | None
    ) -> Iterator[Item]:
        if self._pacing.step.every == 1:
            frames: deque[LogMel] = deque()  # a batch of patches is taken before it is scored
            noted = self._noting(patches, frames)
            for first_sample, prediction in predicted(self._classifier, noted):
                yield frames.popleft()
                yield from self._hear(first_sample, prediction, captured_at)
            return
        for first_sample, patch in patches:
            yield self._new_frames(first_sample, self._patches.samples)
            if self._heard is None or self._left_out + 1 >= self._pacing.step.every:
                yield from self._classify(first_sample, patch, captured_at)
            else:
                self._left_out += 1
                self._latest = first_sample, patch
                yield from self._decide(self._start_s(first_sample), self._heard)

    def _noting(
        self, patches: Iterator[tuple[int, FloatArray]], frames: deque[LogMel]
    ) -> Iterator[tuple[int, FloatArray]]:
        """The patches, and beside each what is new in it."""
        for first_sample, patch in patches:
            frames.append(self._new_frames(first_sample, self._patches.samples))
            yield first_sample, patch

    def _new_frames(self, first_sample: int, end: int) -> LogMel:
        """What is new in the patch that starts there, of a segment of so many samples until now."""
        frames, hop = self._patches.new_frames, self._params.stft_hop_samples
        begin = first_sample + (self._params.patch_frames - len(frames)) * hop
        heard = max(0, -(-(end - begin) // hop))
        return LogMel(self._start_s(begin), frames[:heard])

    def _classify(
        self, first_sample: int, patch: FloatArray, captured_at: float | None
    ) -> Iterator[Item]:
        yield from self._hear(first_sample, self._classifier(patch), captured_at)

    def _hear(
        self, first_sample: int, prediction: Prediction, captured_at: float | None
    ) -> Iterator[Item]:
        start_s = self._start_s(first_sample)
        end_s = start_s + self._params.window_seconds
        level = self._loudness.window(first_sample, self._params.window_samples)
        self._heard = Scores(start_s, end_s, *prediction, level, captured_at)
        self._left_out = 0
        self._latest = None
        yield self._heard
        yield from self._decide(start_s, self._heard)

    def _decide(self, start_s: float, heard: Scores) -> Iterator[Item]:
        yield from self._detector.update(
            start_s, heard.scores, heard.level_dbfs, self.anchor, self._audio_end_s
        )

    def _start_s(self, first_sample: int) -> float:
        return self._begin_s + first_sample / self._params.sample_rate_hz
