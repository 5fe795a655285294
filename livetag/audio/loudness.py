"""How loud a window is: the level of its loudest tenth of a second.

That is what a level meter shows at its peak: a knock in a quiet second is as loud as the knock, and
not as loud as the second. It is taken at the network's rate: what the network does not hear does
not count.
"""

import math
from collections import deque
from itertools import islice

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
        self._squares: deque[float] = deque()  # the mean square of each hundredth of a second
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
        for first in range(0, frames, _AT_ONCE):
            some = whole[first : first + _AT_ONCE]
            self._squares.extend(np.square(some, dtype=np.float64).mean(axis=1).tolist())
        rest = joined[frames * self._frame :].copy()
        self._waiting, self._waiting_samples = [rest], len(rest)

    def window(self, first_sample: int, samples: int) -> float:
        """The level in dBFS of a window that starts no earlier than the last one asked for.

        The part of it that has been pushed counts; frames before it are forgotten.
        """
        self._measure()
        begin = first_sample // self._frame
        while self._first < begin and self._squares:
            self._squares.popleft()
            self._first += 1
        count = min(len(self._squares), samples // self._frame)
        squares = list(islice(self._squares, count))
        begins = [*range(0, count - _TENTH, _TENTH), max(0, count - _TENTH)]
        means = (
            math.fsum(squares[at : at + _TENTH]) / min(_TENTH, count) for at in begins if count
        )
        return dbfs(max(means, default=0.0))
