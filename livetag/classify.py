"""Whole recordings, as the reference's inference does them: the mean of the scores over frames."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livetag.audio.pipe import PipeReader, open_recording
from livetag.audio.reader import AudioReader
from livetag.audio.resample import Resampler
from livetag.audio.samples import SampleReader
from livetag.errors import InputError
from livetag.events import FloatArray, best
from livetag.yamnet.classifier import BATCH_PATCHES, Classifier, predicted
from livetag.yamnet.features import PatchStream
from livetag.yamnet.params import Params

_BLOCK_SECONDS = BATCH_PATCHES * Params().patch_hop_seconds  # a full batch of usual windows


@dataclass(frozen=True, slots=True)
class Frame:
    """A patch that starts at `start_s`: its scores, float32[521], and embedding, float32[1024]."""

    number: int
    start_s: float
    end_s: float
    scores: FloatArray
    embedding: FloatArray


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording's scores, float32[521]: the mean over its frames."""

    seconds: float
    frames: int
    mean_scores: FloatArray

    def top(self, count: int) -> list[int]:
        """The classes with the highest mean scores, best first."""
        return best(self.mean_scores, count)


class Recording:
    """A file, or samples, read and classified in blocks: a file's length does not matter to memory.

    Its methods raise `InputError` where it is no audio, or holds none.
    """

    def __init__(
        self,
        sound: Path | SampleReader,
        classifier: Classifier,
        params: Params,
        watch: Callable[[Frame], None] = lambda _: None,
    ) -> None:
        """`watch` is shown each frame as it comes."""
        self.name = "the sound" if isinstance(sound, SampleReader) else str(sound)
        self._sound = sound
        self._watch = watch
        self._classifier = classifier
        self._params = params
        self._seconds = 0.0
        self._frames = 0
        self._score_sum = np.zeros(params.num_classes, np.float64)
        self._rest = self._read()

    def frames(self) -> Iterator[Frame]:
        """Yield every frame, the last one padded with zeros as the reference does."""
        return self._rest

    def _read(self) -> Iterator[Frame]:
        patches = PatchStream(self._params)
        with self._opened() as reader:
            resampler = Resampler(reader.rate_hz, self._params.sample_rate_hz)
            for block in reader.blocks(max(1, round(reader.rate_hz * _BLOCK_SECONDS))):
                self._seconds += len(block) / reader.rate_hz
                yield from self._classify(patches.push(resampler.push(block)))
            if self._seconds == 0.0:
                raise InputError(f"{self.name} holds no sound: it has no samples")
            rest = resampler.push(np.empty(0, np.float32), last=True)
            yield from self._classify(patches.push(rest))
            yield from self._classify(patches.finish())
            if self._frames == 0:  # shorter than a sample at 16 kHz
                zeros = np.zeros(self._params.window_samples, np.float32)
                yield from self._classify(patches.push(zeros))

    def _opened(self) -> AudioReader | PipeReader | SampleReader:
        return self._sound if isinstance(self._sound, SampleReader) else open_recording(self._sound)

    def clip(self) -> Clip:
        """The result; reads what `frames` has not been asked for."""
        for _ in self._rest:
            pass
        mean = (self._score_sum / self._frames).astype(np.float32)
        return Clip(self._seconds, self._frames, mean)

    def _classify(self, patches: Iterator[tuple[int, FloatArray]]) -> Iterator[Frame]:
        for first_sample, (scores, embedding) in predicted(self._classifier, patches):
            self._score_sum += scores
            start_s = first_sample / self._params.sample_rate_hz
            number, self._frames = self._frames, self._frames + 1
            end_s = start_s + self._params.window_seconds
            frame = Frame(number, start_s, end_s, scores, embedding)
            self._watch(frame)
            yield frame
