"""Audio that is in memory already, read as a recording is."""

import threading
from collections.abc import Iterator
from typing import Self

import numpy as np
import numpy.typing as npt

from livetag.audio.reader import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from livetag.errors import InputError, UsageError

FloatArray = npt.NDArray[np.float32]


class SampleReader:
    """Samples of a program's own, in [-1, 1]; a context manager.

    `samples`: floating-point[n] or [n, channels], of which the mean is taken. Raises `InputError`
    for anything else (integers would need to be scaled, and nobody says how), and `UsageError` for
    a rate that cannot be.
    """

    def __init__(self, samples: npt.ArrayLike, rate_hz: int) -> None:
        given = np.asarray(samples)
        if given.dtype.kind != "f" or given.ndim not in {1, 2}:
            raise InputError(
                f"samples are {given.dtype}{list(given.shape)}: they have to be floating-point "
                "numbers in [-1, 1], of the shape [n] or [n, channels]"
            )
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
            raise UsageError(
                f"rate_hz is {rate_hz}: sound of {LOWEST_RATE_HZ:,} to {HIGHEST_RATE_HZ:,} Hz can "
                "be taken"
            )
        if not np.isfinite(given).all():
            raise InputError("samples hold what is no number (NaN, or infinity)")
        mono = given if given.ndim == 1 else given.mean(axis=1)
        self.rate_hz = rate_hz
        self._samples: FloatArray = np.asarray(mono, np.float32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def blocks(self, frames: int, stop: threading.Event | None = None) -> Iterator[FloatArray]:
        """Yield float32[n], n <= frames."""
        for begin in range(0, len(self._samples), frames):
            if stop is not None and stop.is_set():
                return
            yield self._samples[begin : begin + frames]
