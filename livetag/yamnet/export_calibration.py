"""The windows that an int8 export takes the ranges of its values from.

The demo's are always among them, and make up half or more. From sounds of one kind alone, rain say,
the ranges become so wide that scores of that very rain are off by 0.45 (in the mean over windows of
each one's largest difference). With the demo it was 0.14, and 0.10 or less for ESC-10 as a whole,
whichever of its ten kinds was calibrated on.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from livetag.classify import Recording
from livetag.sources.demo import demo_chunks
from livetag.yamnet.classifier import EMBEDDING_SIZE, Classifier, Prediction
from livetag.yamnet.features import FloatArray, log_mel_spectrogram, patches
from livetag.yamnet.params import Params

_MOST_OWN = 123  # as many as the demo has
_MOST_READ = 1_000  # of one recording: its first eight minutes


def demo_windows(params: Params) -> FloatArray:
    """float32[123, 96, 64]: the patches of the demo."""
    return patches(log_mel_spectrogram(np.concatenate(list(demo_chunks())), params), params)


def recorded_windows(recordings: Sequence[Path], params: Params) -> FloatArray:
    """float32[n, 96, 64]: patches of recordings, each one's evenly from its first eight minutes.

    Raises `InputError` where a recording is no audio, or holds none.
    """
    share = max(1, _MOST_OWN // len(recordings))
    windows: list[FloatArray] = []
    for path in recordings:
        keeper = _Keeper(params)
        for _ in itertools.islice(Recording(path, keeper, params).frames(), _MOST_READ):
            pass
        chosen = np.linspace(0, len(keeper.kept) - 1, min(share, len(keeper.kept)))
        windows += [keeper.kept[round(index)] for index in chosen]
    return np.stack(windows)


class _Keeper(Classifier):
    """A classifier that keeps the patches it is given, and has no opinion of them."""

    def __init__(self, params: Params) -> None:
        self.kept: list[FloatArray] = []
        nothing = np.zeros(params.num_classes, np.float32)
        self._prediction = Prediction(nothing, np.zeros(EMBEDDING_SIZE, np.float32))

    def __call__(self, patch: FloatArray) -> Prediction:
        """Keep a patch, float32[96, 64]."""
        self.kept.append(patch.copy())
        return self._prediction
