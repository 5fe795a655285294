"""Streaming resampling to the rate that YAMNet hears. The only room that imports soxr."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Resampler:
    """Resamples a mono stream; the output's first sample stands at the input's first.

    What comes out does not depend on how the input is split into blocks.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = None
        if from_hz != to_hz:
            import soxr

            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")

    def push(self, samples: FloatArray, last: bool = False) -> FloatArray:
        """float32[n] in; float32[m] out: what is ready. `last` gets out all that remains."""
        if self._stream is None:
            return samples
        out: FloatArray = self._stream.resample_chunk(samples, last=last)
        return out
