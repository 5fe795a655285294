"""The ring buffer between the audio callback, which may not wait, and the worker, which may.

One writer, one reader, no lock: each position is written by one thread alone, and a reader that
was overtaken while it copied finds that out afterwards.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_MOST_LOSSES = 1_000
_NEWEST_SHARE = 30  # of a ring of 30 s, one second


@dataclass(frozen=True, slots=True)
class Loss:
    """Samples that were lost just before the one at `position`."""

    position: int
    samples: int
    reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples in a row, float32[n], how many were lost just before them, and why most of those."""

    samples: FloatArray
    lost_before: int
    reason: str


class RingBuffer:
    """Preallocated float32 samples with positions that only grow.

    A reader that is so late that samples it has not read were overwritten goes on with the newest
    thirtieth of the ring, and all before it is lost: what is heard then is of now, not of half a
    minute ago, and all the room there is is free again.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._samples = np.zeros(capacity, np.float32)
        self.clear()

    def clear(self) -> None:
        """Begin anew: neither the writer nor the reader is at work."""
        self._claimed = 0  # the writer is at work below this position
        self._written = 0  # all below this position can be read
        self._read = 0
        self._losses: deque[Loss] = deque()  # the writer appends, the reader takes
        self._untold = 0, ""  # samples and reason, for which there was no room there

    @property
    def written(self) -> int:
        return self._written

    @property
    def position(self) -> int:
        """Of the next sample that the reader takes."""
        return self._read

    @property
    def unread(self) -> int:
        """Samples waiting for the reader; more than `capacity` where it was overtaken."""
        return self._written - self._read

    def write(self, samples: FloatArray) -> None:
        """Writer: append float32[n], n <= capacity, over the oldest samples where it is full."""
        self._tell_loss()
        count = len(samples)
        position = self._written
        self._claimed = position + count
        begin = position % self.capacity
        first = min(count, self.capacity - begin)
        self._samples[begin : begin + first] = samples[:first]
        self._samples[: count - first] = samples[first:]
        self._written = position + count

    def lose(self, samples: int, reason: str) -> None:
        """Writer: note that so many samples were lost before the next ones written."""
        self._untold = self._untold[0] + samples, reason
        self._tell_loss()

    def _tell_loss(self) -> None:
        """Writer: a reader far behind learns of losses later; where exactly matters no more."""
        samples, reason = self._untold
        if samples and len(self._losses) < _MOST_LOSSES:
            self._losses.append(Loss(self._written, samples, reason))
            self._untold = 0, ""

    def read(self, most: int) -> Chunk:
        """Reader: the next samples, at most `most`, never across a loss. Perhaps none."""
        written = self._written
        lost = [self._skip_overwritten(written)]
        while self._losses and self._losses[0].position <= self._read:
            lost.append(self._losses.popleft())
        begin = self._read
        end = min(written, begin + most)
        if self._losses:
            end = min(end, self._losses[0].position)
        samples = self._copy(begin, end)
        overwritten = max(0, min(self._claimed - self.capacity, end) - begin)
        lost.append(Loss(begin, overwritten, "lapped"))
        self._read = end
        most_lost = max(lost, key=lambda loss: loss.samples)
        return Chunk(
            samples[overwritten:],
            sum(loss.samples for loss in lost),
            most_lost.reason if most_lost.samples else "",
        )

    def leave(self, end: int) -> int:
        """Reader: leave out all up to a position; how many samples, lost ones included."""
        left, self._read = end - self._read, end
        while self._losses and self._losses[0].position <= end:
            left += self._losses.popleft().samples
        return left

    def _skip_overwritten(self, written: int) -> Loss:
        """Where the writer lapped us, go on with the newest audio."""
        target = self._read
        if written - self._read > self.capacity:
            target = written - max(1, self.capacity // _NEWEST_SHARE)
        skipped, self._read = target - self._read, target
        return Loss(target, skipped, "lapped")

    def _copy(self, begin: int, end: int) -> FloatArray:
        start = begin % self.capacity
        first = min(end - begin, self.capacity - start)
        return np.concatenate(
            (self._samples[start : start + first], self._samples[: end - begin - first])
        )
