"""The latest half minute of the spectrogram, kept for the dashboard; and how bright to draw one."""

import numpy as np

from livetag.events import FloatArray, LogMel
from livetag.yamnet.params import Params

COLUMN_SECONDS = 0.1
"""Of a column: a cell of a terminal holds one at least, up to 300 cells."""
_DYNAMIC_RANGE = 9.0  # of log-mel, the natural logarithm of a magnitude: 78 dB
_LEAST_RANGE = 2.0  # silence has no structure, and shows none
_NOTHING = -np.inf  # where nothing was heard


class RecentSpectrum:
    """The last columns of a stream's spectrogram, each the mean of its frames."""

    def __init__(self, seconds: float, params: Params) -> None:
        self._hop_seconds = params.stft_hop_seconds
        self._frames_a_column = round(COLUMN_SECONDS / params.stft_hop_seconds)
        size = round(seconds / COLUMN_SECONDS)
        self._sums = np.full((size, params.mel_bands), _NOTHING, np.float32)
        self._counts = np.ones(size, np.float32)
        self._end = 0  # the column after the newest, counted from the start of the stream

    def push(self, piece: LogMel) -> None:
        """Take the next frames; what lies between them and the last ones was not heard."""
        if not len(piece.frames):
            return
        first = round(piece.start_s / self._hop_seconds)
        columns = np.arange(first, first + len(piece.frames)) // self._frames_a_column
        begins = np.flatnonzero(np.diff(columns, prepend=-1))
        sums = np.add.reduceat(piece.frames, begins, axis=0)
        counts = np.diff(begins, append=len(columns))
        size = len(self._sums)
        for column, total, count in zip(columns[begins].tolist(), sums, counts, strict=True):
            for missed in range(max(self._end, column - size + 1), column):
                self._sums[missed % size], self._counts[missed % size] = _NOTHING, 1
            at = column % size
            if column >= self._end:
                self._sums[at], self._counts[at] = 0.0, 0
                self._end = column + 1
            self._sums[at] += total
            self._counts[at] += count

    def cells(self, width: int) -> FloatArray:
        """float32[width, 64]: the time until now in equal parts, -inf where nothing was heard."""
        size = len(self._sums)
        order = np.arange(self._end, self._end + size) % size
        means = self._sums[order] / self._counts[order, np.newaxis]
        edges = np.linspace(0, size, width + 1).astype(int)
        parts = np.maximum(1, np.diff(edges))[:, np.newaxis]
        return np.asarray(np.add.reduceat(means, edges[:-1], axis=0) / parts, np.float32)


def colour_range(log_mel: FloatArray) -> tuple[float, float]:
    """The values of log-mel that get the darkest and the brightest colour of a picture."""
    heard = log_mel[np.isfinite(log_mel)]
    if not len(heard):
        return 0.0, _LEAST_RANGE
    high = float(heard.max())
    low = max(float(heard.min()), high - _DYNAMIC_RANGE)
    return low, max(high, low + _LEAST_RANGE)
