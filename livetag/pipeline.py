"""The one path from audio blocks to events, for the microphone, files, the demo and the tests.

It holds no thread, no clock and no device. What it yields does not depend on how the audio was
split into blocks, but for the levels, of which each block has one.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from livetag.audio.loudness import Loudness, dbfs
from livetag.audio.resample import Resampler
from livetag.detector import Detector
from livetag.events import Anchor, AudioBlock, FloatArray, Gap, Item, Level, Scores
from livetag.yamnet.classifier import Classifier
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
    """Yield each block and its `Level`, `Scores` for each window, events and gaps as they occur.

    A gap ends every event and starts the windows anew, so that no window spans it: what follows
    the last whole window before a gap is not classified. At the end of the stream the last window
    is padded with zeros, as the reference pads a recording's.
    """
    segment: _Segment | None = None
    try:
        for block in blocks:
            if segment is None or block.lost_before:
                if segment is not None:
                    yield from segment.end_events()
                begin_s = block.first_sample / rate_hz
                anchor = _anchor(block, begin_s, segment)
                if block.lost_before:
                    lost_s = block.lost_before / rate_hz
                    gap_s = begin_s - lost_s
                    yield Gap(anchor.time_at(gap_s), gap_s, lost_s, block.gap_reason)
                segment = _Segment(rate_hz, begin_s, anchor, classifier, detector, params)
            elif block.wall_time is not None:
                segment.anchor = Anchor(block.first_sample / rate_hz, block.wall_time)
            if len(block.samples):
                yield block
                yield _level(block, rate_hz)
                yield from segment.push(block)
        if segment is not None:
            yield from segment.finish()
    except Exception:
        if segment is not None:  # what was heard until now is not lost
            yield from segment.end_events()
        raise


def _anchor(block: AudioBlock, begin_s: float, previous: "_Segment | None") -> Anchor:
    if block.wall_time is not None:
        return Anchor(begin_s, block.wall_time)
    return previous.anchor if previous else Anchor(begin_s, 0.0)


def _level(block: AudioBlock, rate_hz: int) -> Level:
    samples = block.samples
    peak = float(max(samples.max(), -samples.min()))
    mean_square = float(np.dot(samples, samples)) / len(samples)
    end_s = (block.first_sample + len(samples)) / rate_hz
    return Level(end_s, dbfs(mean_square), dbfs(peak * peak), peak >= CLIPPED_AT)


class _Segment:
    """Audio in a row, without a gap, that starts at `begin_s` of the stream."""

    def __init__(
        self,
        rate_hz: int,
        begin_s: float,
        anchor: Anchor,
        classifier: Classifier,
        detector: Detector,
        params: Params,
    ) -> None:
        self.anchor = anchor
        self._rate_hz = rate_hz
        self._begin_s = begin_s
        self._pushed = 0
        self._classifier = classifier
        self._detector = detector
        self._params = params
        self._resampler = Resampler(rate_hz, params.sample_rate_hz)
        self._loudness = Loudness(params.sample_rate_hz)
        self._patches = PatchStream(params)

    def push(self, block: AudioBlock) -> Iterator[Item]:
        self._pushed += len(block.samples)
        resampled = self._resampler.push(block.samples)
        self._loudness.push(resampled)
        yield from self._analyze(self._patches.push(resampled), block.captured_at)

    def finish(self) -> Iterator[Item]:
        """What remains in the resampler, and the last window, padded."""
        rest = self._resampler.push(np.empty(0, np.float32), last=True)
        self._loudness.push(rest)
        yield from self._analyze(self._patches.push(rest), None)
        end = self._patches.samples
        padded = ((first, patch) for first, patch in self._patches.finish() if first < end)
        yield from self._analyze(padded, None)  # with a long hop, it may hold no audio at all
        yield from self.end_events()

    def end_events(self) -> Iterator[Item]:
        """End the events that are open where the segment's audio ends."""
        yield from self._detector.finish(self._heard_s, self.anchor)

    @property
    def _heard_s(self) -> float:
        """Where the audio pushed so far ends."""
        return self._begin_s + self._pushed / self._rate_hz

    def _analyze(
        self, patches: Iterator[tuple[int, FloatArray]], captured_at: float | None
    ) -> Iterator[Item]:
        for first_sample, patch in patches:
            start_s = self._begin_s + first_sample / self._params.sample_rate_hz
            end_s = start_s + self._params.window_seconds
            level = self._loudness.window(first_sample, self._params.window_samples)
            scores, embedding = self._classifier(patch)
            yield Scores(start_s, end_s, scores, embedding, level, captured_at)
            yield from self._detector.update(start_s, scores, level, self.anchor, self._heard_s)
