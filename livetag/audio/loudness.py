"""How loud a window is: the level of its loudest tenth of a second.

That is what a level meter shows at its peak: a knock in a quiet second is as loud as the knock, and
not as loud as the second. It is taken at the network's rate: what the network does not hear does
not count.
"""

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

FRAME_SECONDS = 0.01
_TENTH = 10  # frames
_AT_ONCE = 100  # frames: the squares of so many stay in the processor's caches


def dbfs(mean_square: float) -> float:
    """The level of a mean square, in dB relative to a full-scale square wave; `-inf` for zeros."""
    return 10.0 * math.log10(mean_square) if mean_square > 0.0 else -math.inf


class Loudness:
    """Levels along a stream, whatever blocks it comes in."""

    def __init__(self, rate_hz: int) -> None:
        """`rate_hz`: a multiple of 100."""
        self._rate_hz = rate_hz
        self._frame = round(rate_hz * FRAME_SECONDS)
        self._waiting: list[FloatArray] = []  # of which no whole frame is measured yet
        self._waiting_samples = 0
        self._squares = np.empty(0, np.float32)  # each hundredth of a second's mean square
        self._first = 0  # the frame that the first of them is of

    def push(self, samples: FloatArray) -> None:
        """Take the next samples, float32[n]."""
        self._waiting.append(samples)
        self._waiting_samples += len(samples)
        if self._waiting_samples > self._rate_hz:
            self._measure()

    def _measure(self) -> None:
        """Measure the whole frames that wait: many at once cost little more than one."""
        if self._waiting_samples < self._frame:
            return
        joined = np.concatenate(self._waiting)
        frames = len(joined) // self._frame
        whole = joined[: frames * self._frame].reshape(frames, self._frame)
        measured = [
            np.square(whole[first : first + _AT_ONCE]).mean(axis=1)
            for first in range(0, frames, _AT_ONCE)
        ]
        self._squares = np.concatenate((self._squares, *measured))
        rest = joined[frames * self._frame :].copy()
        self._waiting, self._waiting_samples = [rest], len(rest)

    def window(self, first_sample: int, samples: int) -> float:
        """The level in dBFS of a window that starts no earlier than the last one asked for.

        The part of it that has been pushed counts; frames before it are forgotten.
        """
        self._measure()
        past = min(first_sample // self._frame - self._first, len(self._squares))
        self._squares = self._squares[past:]
        self._first += past
        heard = self._squares[: samples // self._frame]
        if not len(heard):
            return -math.inf
        tenths = heard[: len(heard) // _TENTH * _TENTH].reshape(-1, _TENTH)
        loudest = max(tenths.sum(axis=1).max(initial=0.0), heard[-_TENTH:].sum())
        return dbfs(float(loudest) / min(_TENTH, len(heard)))
