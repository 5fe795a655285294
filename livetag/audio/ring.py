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


@dataclass(frozen=True, slots=True)
class Loss:
    """Samples that were lost just before the one at `position`.

    `skip` of them are in the ring, at `position`, and not to be read.
    """

    position: int
    samples: int
    reason: str
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples in a row, float32[n], and what was lost before them."""

    samples: FloatArray
    lost_before: int
    reason: str


class RingBuffer:
    """Preallocated float32 samples with positions that only grow."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._samples = np.zeros(capacity, np.float32)
        self._claimed = 0  # the writer is at work below this position
        self._written = 0  # all below this position can be read
        self._read = 0
        self._losses: deque[Loss] = deque()  # the writer appends, the reader takes
        self._drops: deque[Loss] = deque()  # the reader's own

    @property
    def written(self) -> int:
        return self._written

    @property
    def unread(self) -> int:
        """Samples waiting for the reader; more than `capacity` where it was overtaken."""
        return self._written - self._read

    def write(self, samples: FloatArray) -> None:
        """Writer: append float32[n], n <= capacity, over the oldest samples where it is full."""
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
        if len(self._losses) < _MOST_LOSSES:
            self._losses.append(Loss(self._written, samples, reason))
        else:  # the reader is far behind: where exactly does not matter any more
            last = self._losses[-1]
            self._losses[-1] = Loss(last.position, last.samples + samples, reason)

    def drop(self, position: int, skip: int, samples: int, reason: str) -> None:
        """Reader: note a loss at a position that is still to be read."""
        self._drops.append(Loss(position, samples, reason, skip))

    def read(self, most: int) -> Chunk:
        """Reader: the next samples, at most `most`, never across a loss. Perhaps none."""
        written = self._written
        lost, reason = self._skip_overwritten(written)
        while (loss := self._next_loss()) is not None and loss.position <= self._read:
            (self._drops if self._drops and self._drops[0] is loss else self._losses).popleft()
            jumped = min(self._read - loss.position, loss.skip)  # counted as lapped already
            lost, reason = lost + loss.samples - jumped, loss.reason
            self._read += loss.skip - jumped
        end = min(written, self._read + most)
        if loss is not None:
            end = min(end, loss.position)
        begin = self._read
        samples = self._copy(begin, end)
        overwritten = max(0, min(self._claimed - self.capacity, end) - begin)
        self._read = end
        if overwritten:
            return Chunk(samples[overwritten:], lost + overwritten, "lapped")
        return Chunk(samples, lost, reason)

    def _next_loss(self) -> Loss | None:
        heads = [losses[0] for losses in (self._drops, self._losses) if losses]
        return min(heads, key=lambda loss: loss.position, default=None)

    def _skip_overwritten(self, written: int) -> tuple[int, str]:
        """Where the writer lapped us, go on with the newest half of the ring: room to catch up."""
        if written - self._read <= self.capacity:
            return 0, ""
        target = written - self.capacity // 2
        skipped = target - self._read
        self._read = target
        return skipped, "lapped"

    def _copy(self, begin: int, end: int) -> FloatArray:
        start = begin % self.capacity
        first = min(end - begin, self.capacity - start)
        return np.concatenate(
            (self._samples[start : start + first], self._samples[: end - begin - first])
        )
