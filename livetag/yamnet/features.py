"""YAMNet's input features: a log-mel spectrogram cut into patches. NumPy only, float32.

As published: 16 kHz mono; STFT of 25 ms every 10 ms, periodic Hann window, 512-point FFT;
magnitude; 64 HTK-mel bands from 125 to 7500 Hz; log(mel + 0.001); patches of 96 frames.

Both forms, the batch one and the streams, go through `_log_mel`, in which no frame's arithmetic
depends on its neighbours: the streams give the same bits for any split of the input.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from livetag.resources import ASSETS_DIR
from livetag.yamnet.params import Params

FloatArray = npt.NDArray[np.float32]


@lru_cache
def mel_matrix(params: Params) -> FloatArray:
    """float32[257, 64]: weights from FFT bins to mel bands, triangular on the HTK mel scale.

    The scale is 1127 ln(1 + f / 700 Hz). The bin at 0 Hz belongs to no band.
    """
    nyquist_hz = params.sample_rate_hz / 2
    bins = hz_to_mel(np.linspace(0.0, nyquist_hz, params.fft_length // 2 + 1))[1:, np.newaxis]
    first, last = hz_to_mel(np.array([params.mel_min_hz, params.mel_max_hz]))
    edges = np.linspace(first, last, params.mel_bands + 2)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return np.vstack([np.zeros((1, params.mel_bands)), weights]).astype(np.float32)


def hz_to_mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Frequencies on the HTK mel scale: 1127 ln(1 + f / 700 Hz)."""
    return 1127.0 * np.log1p(hz / 700.0)


@lru_cache
def _mel_halves(params: Params) -> list[tuple[slice, slice, FloatArray]]:
    """The mel matrix in two: bands, the bins that any of them takes in, and their weights.

    What is left out are zeros: half of the products. In four it would be no faster. The weights are
    for magnitudes divided by the FFT's length.
    """
    matrix = mel_matrix(params) * np.float32(params.fft_length)
    halves = []
    for bands in np.split(np.arange(params.mel_bands), 2):
        weights = matrix[:, bands]
        bins = np.flatnonzero(weights.any(axis=1))
        columns, rows = (slice(each[0], each[-1] + 1) for each in (bands, bins))
        halves.append((columns, rows, np.ascontiguousarray(weights[rows])))
    return halves


@lru_cache
def stft_window(params: Params) -> FloatArray:
    """float32[400]: the periodic Hann window, to the bit as the reference has it.

    `tf.signal.hann_window` takes its cosines in float32. Rounded from exact ones instead, 136 of
    the 400 values are off by a last bit, and below a full-scale sine, where a band's magnitude is
    a ten-millionth of the peak, log-mel is off by 0.003. Hence a file; `python tests/golden.py`
    rewrites it.
    """
    window: FloatArray = np.load(ASSETS_DIR / "stft_window.npy", allow_pickle=False)
    if window.shape != (params.stft_window_samples,):
        raise ValueError(f"the STFT window holds {window.shape} values: reinstall livetag")
    return window


def frame_count(samples: int, params: Params) -> int:
    """Whole STFT frames in so many samples."""
    return max(0, 1 + (samples - params.stft_window_samples) // params.stft_hop_samples)


def _log_mel(samples: FloatArray, params: Params) -> FloatArray:
    """float32[frames, 64] of float32[n]: every whole STFT frame, from the first sample on."""
    frames = frame_count(len(samples), params)
    if frames == 0:
        return np.empty((0, params.mel_bands), np.float32)
    shape, strides = (frames, params.stft_window_samples), (params.stft_hop_samples, 1)
    samples = np.ascontiguousarray(samples, np.float32)
    framed = np.ndarray(shape, np.float32, samples, strides=[4 * step for step in strides])
    padded = np.empty((frames, params.fft_length), np.float32)
    np.multiply(framed, stft_window(params), out=padded[:, : shape[1]])
    padded[:, shape[1] :] = 0.0
    # "forward" makes NumPy transform in float32, as the reference does; without it NumPy goes
    # through float64. The scale, a power of two, is taken back exactly by the weights.
    magnitude: FloatArray = np.abs(np.fft.rfft(padded, norm="forward"))
    mel = np.empty((frames, 1, params.mel_bands), np.float32)
    # One small product a frame: a single large one rounds differently as the frames' number does.
    for bands, bins, weights in _mel_halves(params):
        np.matmul(magnitude[:, np.newaxis, bins], weights, out=mel[:, :, bands])
    mel += np.float32(params.log_offset)
    return np.log(mel, out=mel)[:, 0]


def log_mel_spectrogram(waveform: FloatArray, params: Params) -> FloatArray:
    """float32[frames, 64]: the log-mel spectrogram of float32[n], 16 kHz mono in [-1, 1]."""
    chunk = 128  # frames at a time: of buffers larger than these, each call gets pages anew
    total = frame_count(len(waveform), params)
    log_mel = np.empty((total, params.mel_bands), np.float32)
    for first in range(0, total, chunk):
        last = min(first + chunk, total)
        begin = first * params.stft_hop_samples
        end = (last - 1) * params.stft_hop_samples + params.stft_window_samples
        log_mel[first:last] = _log_mel(waveform[begin:end], params)
    return log_mel


def padding(samples: int, params: Params) -> int:
    """Zeros to append to so many samples, as the reference's `pad_waveform` does.

    The padded waveform holds at least one patch and ends with a whole one.
    """
    beyond_first = max(0, samples - params.window_samples)
    hops = -(-beyond_first // params.patch_hop_samples)
    return max(0, params.window_samples + hops * params.patch_hop_samples - samples)


def patches(log_mel: FloatArray, params: Params) -> FloatArray:
    """float32[patches, 96, 64]: every whole patch of float32[frames, 64], one each patch hop."""
    if len(log_mel) < params.patch_frames:
        return np.empty((0, params.patch_frames, params.mel_bands), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(log_mel, params.patch_frames, axis=0)
    return np.ascontiguousarray(windows[:: params.patch_hop_frames].transpose(0, 2, 1))


class LogMelStream:
    """The log-mel spectrogram of a stream: each STFT frame is computed once."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self._tail = np.empty(0, np.float32)

    def push(self, samples: FloatArray) -> FloatArray:
        """float32[frames, 64]: the frames that float32[n] completes, perhaps none."""
        joined = np.concatenate((self._tail, samples))
        frames = frame_count(len(joined), self._params)
        self._tail = joined[frames * self._params.stft_hop_samples :].copy()
        return log_mel_spectrogram(joined, self._params)


class PatchStream:
    """The patches of a stream, one each patch hop.

    Samples wait until they complete a patch, so that its new frames are computed together: for
    48 frames that is three times cheaper than frame by frame.

    `new_frames`: float32[n, 64], the spectrogram from the end of the last patch but one to the end
    of the last: one after another, they are the stream's spectrogram.
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        self._log_mel = LogMelStream(params)
        self._waiting: list[FloatArray] = []
        self._samples = 0
        self._first_frame = 0  # index in the stream of _frames[0]
        self._frames = np.empty((0, params.mel_bands), np.float32)
        self._next_patch = 0  # frame at which the next patch starts
        self._seen = 0  # frames up to the end of the last patch
        self.new_frames = self._frames

    @property
    def samples(self) -> int:
        """Samples pushed so far."""
        return self._samples

    def push(self, samples: FloatArray) -> Iterator[tuple[int, FloatArray]]:
        """Yield (first sample, patch float32[96, 64]) for each patch that float32[n] completes."""
        self._waiting.append(samples)
        self._samples += len(samples)
        if self._samples < self._samples_needed():
            return
        new = self._log_mel.push(np.concatenate(self._waiting))
        self._waiting.clear()
        self._frames = np.concatenate((self._frames, new))
        while self._samples >= self._samples_needed():
            begin = self._next_patch - self._first_frame
            end = begin + self._params.patch_frames
            patch = self._frames[begin:end]
            self.new_frames = self._frames[self._seen - self._first_frame : end]
            self._seen = self._first_frame + end
            yield self._next_patch * self._params.stft_hop_samples, patch
            self._next_patch += self._params.patch_hop_frames
        past = min(self._next_patch, self._seen) - self._first_frame
        self._frames = self._frames[past:].copy()
        self._first_frame += past

    def finish(self) -> Iterator[tuple[int, FloatArray]]:
        """Yield the patch that zeros complete at the end of the stream, if one is incomplete."""
        if self._samples == 0:
            return
        yield from self.push(np.zeros(padding(self._samples, self._params), np.float32))

    def _samples_needed(self) -> int:
        """Samples since the start of the stream that the next patch needs."""
        return self._next_patch * self._params.stft_hop_samples + self._params.window_samples
