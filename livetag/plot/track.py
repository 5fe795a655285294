"""What goes on over time, in columns: a stream of any length, reduced while it is read.

Memory has a bound, and the work grows with the length alone: columns are as narrow as they can be,
and each time that all are full, two become one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST_COLUMNS = 4_096
"""Of a stream, and even: more than a screen has pixels, so that there is something to zoom into."""

FloatArray = npt.NDArray[np.float32]


class Columns:
    """The rows of a stream, float32[n, width], as `MOST_COLUMNS` columns at the most.

    `combine`: `np.maximum` for the highest value of a column's rows, `np.add` for their mean. Each
    column stands for `rows_a_column` of them, the last one for what there is.
    """

    def __init__(self, width: int, combine: np.ufunc) -> None:
        self.rows_a_column = 1
        self._combine = combine
        self._columns = np.zeros((MOST_COLUMNS, width), np.float32)
        self._count = 0  # of columns, the last of which ...
        self._in_last = 0  # ... holds so many rows

    def push(self, rows: FloatArray) -> None:
        """Take float32[n, width]."""
        while len(rows):
            if self._count == 0 or self._in_last == self.rows_a_column:
                self._begin()
            room = self.rows_a_column - self._in_last
            self._take(rows[:room])
            rows = rows[room:]

    def _begin(self) -> None:
        """Begin another column; where there is no room, make some."""
        if self._count == MOST_COLUMNS:
            self._count //= 2
            self.rows_a_column *= 2
            pairs = self._combine(self._columns[0::2], self._columns[1::2])
            self._columns[: self._count] = pairs
        self._count += 1
        self._in_last = 0

    def _take(self, rows: FloatArray) -> None:
        at = self._count - 1
        combined = self._combine.reduce(rows, axis=0)
        if self._in_last:
            combined = self._combine(self._columns[at], combined)
        self._columns[at] = combined
        self._in_last += len(rows)

    def track(self, hop_seconds: float, window_seconds: float, seconds: float) -> "Track":
        """The columns of rows `hop_seconds` apart, each the middle of a window of its own.

        What is before the first column's place, and after the last one's, goes to them.
        """
        values = self._columns[: self._count].copy()
        if self._combine is np.add:
            values[:-1] /= self.rows_a_column
            values[-1:] /= max(1, self._in_last)
        first_s = (window_seconds - hop_seconds) / 2
        edges = first_s + hop_seconds * self.rows_a_column * np.arange(self._count + 1)
        edges[0], edges[-1] = 0.0, seconds
        return Track(values, np.clip(edges, 0.0, seconds), self._combine)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Columns of a recording, float32[n, width], between edges in seconds, float64[n + 1]."""

    values: FloatArray
    edges: npt.NDArray[np.float64]
    combine: np.ufunc

    def cells(self, count: int) -> FloatArray:
        """float32[count, width]: the track in equal parts of time, each of what is in it."""
        bounds = np.linspace(0.0, self.edges[-1], count + 1)
        last = len(self.values) - 1
        first = np.searchsorted(self.edges, bounds[:-1], "right") - 1
        first = np.minimum(first, last)
        end = np.clip(np.searchsorted(self.edges, bounds[1:], "left"), first + 1, last + 1)
        spare = np.concatenate((self.values, self.values[-1:]))  # `reduceat` takes no end beyond it
        ranges = np.stack((first, end), axis=1).ravel()
        cells = self.combine.reduceat(spare, ranges, axis=0)[::2]
        if self.combine is np.add:
            cells = cells / (end - first)[:, np.newaxis]
        return np.asarray(cells, np.float32)
