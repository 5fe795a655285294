"""The log-mel features: the published front end; its stream forms equal the batch to the bit."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from livetag.yamnet import features
from livetag.yamnet.features import (
    FloatArray,
    LogMelStream,
    PatchStream,
    frame_count,
    log_mel_spectrogram,
    mel_matrix,
    padding,
    patches,
)
from livetag.yamnet.params import Params

HOPS_SECONDS = (0.01, 0.1, 0.48, 0.96, 2.0)
SPLITS = ("1", "17", "509", "7680", "random")


@pytest.fixture(scope="module")
def waveform() -> FloatArray:
    """float32[177,777]: 11.1 s, more than the batch form takes at once; loud, faint and silent."""
    random = np.random.default_rng(11)
    samples = random.uniform(-1.0, 1.0, 177_777).astype(np.float32)
    samples[40_000:60_000] *= np.float32(1e-4)
    samples[60_000:80_000] = 0.0
    time_s = np.arange(40_000) / 16_000
    samples[80_000:120_000] = np.sin(2 * np.pi * 440.0 * time_s)
    return samples


def split(samples: FloatArray, sizes: str) -> Iterator[FloatArray]:
    """Cut samples into blocks of one size, or of seeded random ones, empty ones among them."""
    if sizes == "random":
        random = np.random.default_rng(7)
        begin = 0
        while begin < len(samples):
            size = int(random.choice([0, 1, 159, 160, 161, 399, 400, 4_801, 15_600, 40_000]))
            yield samples[begin : begin + size]
            begin += size
        return
    for begin in range(0, len(samples), int(sizes)):
        yield samples[begin : begin + int(sizes)]


def padded(samples: FloatArray, params: Params) -> FloatArray:
    zeros = np.zeros(padding(len(samples), params), np.float32)
    return np.concatenate((samples, zeros))


def test_the_mel_matrix_has_htk_triangles_between_125_and_7500_hz(params: Params) -> None:
    matrix = mel_matrix(params)
    assert matrix.shape == (257, 64)
    assert matrix.dtype == np.float32
    assert not matrix[0].any()  # 0 Hz belongs to no band
    assert 0.0 <= matrix.min() < matrix.max() <= 1.0
    bins_hz = np.arange(257) * 31.25
    assert not matrix[(bins_hz <= 125.0) | (bins_hz >= 7_500.0)].any()
    first_mel, last_mel = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (125.0, 7_500.0))
    for band in range(64):
        centre_mel = first_mel + (last_mel - first_mel) * (band + 1) / 65
        centre_hz = 700.0 * (10.0 ** (centre_mel / 2595.0) - 1.0)
        assert abs(bins_hz[matrix[:, band].argmax()] - centre_hz) <= 31.25


def test_the_mel_matrix_is_tensorflows(params: Params) -> None:
    import tensorflow as tf

    reference = tf.signal.linear_to_mel_weight_matrix(64, 257, 16_000, 125.0, 7_500.0).numpy()
    np.testing.assert_allclose(mel_matrix(params), reference, rtol=0.0, atol=1e-5)


def test_silence_is_the_logarithm_of_the_offset(params: Params) -> None:
    log_mel = log_mel_spectrogram(np.zeros(15_600, np.float32), params)
    assert log_mel.shape == (96, 64)
    assert log_mel.dtype == np.float32
    np.testing.assert_array_equal(log_mel, np.log(np.float32(0.001)))


def test_a_sine_stands_out_in_the_band_of_its_frequency(params: Params) -> None:
    for band in (10, 40, 60):
        bin_hz = int(mel_matrix(params)[:, band].argmax()) * 31.25
        time_s = np.arange(15_600) / 16_000
        sine = np.sin(2 * np.pi * bin_hz * time_s).astype(np.float32)
        loudest = log_mel_spectrogram(sine, params).argmax(axis=1)
        np.testing.assert_array_equal(loudest, band)


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (15_600, 96)]
)
def test_only_whole_stft_frames_count(params: Params, samples: int, frames: int) -> None:
    assert frame_count(samples, params) == frames
    assert log_mel_spectrogram(np.zeros(samples, np.float32), params).shape == (frames, 64)


def test_patches_start_one_hop_apart_and_hold_96_frames(params: Params) -> None:
    log_mel = np.arange(200 * 64, dtype=np.float32).reshape(200, 64)
    cut = patches(log_mel, params)
    assert cut.shape == (3, 96, 64)
    assert cut.dtype == np.float32
    for number, patch in enumerate(cut):
        np.testing.assert_array_equal(patch, log_mel[number * 48 : number * 48 + 96])
    assert patches(log_mel[:95], params).shape == (0, 96, 64)


@pytest.mark.parametrize("hop_seconds", HOPS_SECONDS)
def test_padding_is_that_of_the_references_pad_waveform(hop_seconds: float) -> None:
    params = Params(patch_hop_seconds=hop_seconds)
    hop = round(hop_seconds * 16_000)
    lengths = [0, 1, 400, 15_599, 15_600, 15_601, 15_600 + hop - 1, 15_600 + hop, 15_601 + hop]
    for samples in (*lengths, 15_600 + 37 * hop, 999_999):
        # As features.py of tensorflow/models, research/audioset/yamnet, has it.
        beyond = max(samples, 15_600) - 15_600
        reference = max(0, 15_600 - samples) + hop * math.ceil(beyond / hop) - beyond
        assert padding(samples, params) == reference, samples


@pytest.mark.parametrize("sizes", SPLITS)
def test_a_log_mel_stream_equals_the_batch_to_the_bit(
    params: Params, waveform: FloatArray, sizes: str
) -> None:
    stream = LogMelStream(params)
    frames = np.concatenate([stream.push(block) for block in split(waveform, sizes)])
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, log_mel_spectrogram(waveform, params))


@pytest.mark.parametrize("hop_seconds", HOPS_SECONDS)
@pytest.mark.parametrize("sizes", SPLITS)
def test_a_patch_stream_equals_the_batch_to_the_bit(
    waveform: FloatArray, hop_seconds: float, sizes: str
) -> None:
    params = Params(patch_hop_seconds=hop_seconds)
    samples = waveform[30_000:90_000]
    stream = PatchStream(params)
    streamed = [pair for block in split(samples, sizes) for pair in stream.push(block)]
    streamed += stream.finish()
    batch = patches(log_mel_spectrogram(padded(samples, params), params), params)
    assert [first for first, _ in streamed] == [
        number * params.patch_hop_samples for number in range(len(batch))
    ]
    np.testing.assert_array_equal(np.stack([patch for _, patch in streamed]), batch)


@pytest.mark.parametrize("hop_seconds", HOPS_SECONDS)
def test_a_patch_comes_with_the_sample_that_completes_it(
    waveform: FloatArray, hop_seconds: float
) -> None:
    params = Params(patch_hop_seconds=hop_seconds)
    stream = PatchStream(params)
    complete = 15_600 + params.patch_hop_samples
    assert len(list(stream.push(waveform[:15_599]))) == 0
    assert len(list(stream.push(waveform[15_599:15_600]))) == 1
    list(stream.push(waveform[15_600 : complete - 1]))
    assert [first for first, _ in stream.push(waveform[complete - 1 : complete])] == [
        params.patch_hop_samples
    ]
    assert stream.samples == complete


@pytest.mark.parametrize("hop_seconds", HOPS_SECONDS)
def test_every_stft_frame_of_a_stream_is_computed_once(
    monkeypatch: pytest.MonkeyPatch, waveform: FloatArray, hop_seconds: float
) -> None:
    params = Params(patch_hop_seconds=hop_seconds)
    computed = []
    compute = features._log_mel

    def counting(samples: FloatArray, params: Params) -> FloatArray:
        frames = compute(samples, params)
        computed.append(len(frames))
        return frames

    monkeypatch.setattr(features, "_log_mel", counting)
    stream = PatchStream(params)
    for block in split(waveform[:60_000], "509"):
        for _ in stream.push(block):
            pass
    for _ in stream.finish():
        pass
    assert sum(computed) == frame_count(60_000 + padding(60_000, params), params)


@pytest.mark.parametrize("hop_seconds", HOPS_SECONDS)
@pytest.mark.parametrize("sizes", SPLITS)
def test_what_is_new_in_each_patch_makes_the_whole_spectrogram(
    waveform: FloatArray, hop_seconds: float, sizes: str
) -> None:
    params = Params(patch_hop_seconds=hop_seconds)
    samples = waveform[30_000:90_000]
    stream = PatchStream(params)
    new = [stream.new_frames for block in split(samples, sizes) for _ in stream.push(block)]
    new += [stream.new_frames for _ in stream.finish()]
    whole = log_mel_spectrogram(padded(samples, params), params)
    np.testing.assert_array_equal(np.concatenate(new), whole)


@pytest.mark.parametrize("samples", [1, 399, 15_599, 15_600])
def test_a_short_stream_is_padded_to_one_patch(
    params: Params, waveform: FloatArray, samples: int
) -> None:
    stream = PatchStream(params)
    found = [*stream.push(waveform[:samples]), *stream.finish()]
    (first, patch), *others = found
    assert (first, others) == (0, [])
    np.testing.assert_array_equal(
        patch, log_mel_spectrogram(padded(waveform[:samples], params), params)
    )


def test_a_stream_without_samples_has_no_patch(params: Params) -> None:
    stream = PatchStream(params)
    assert [*stream.push(np.empty(0, np.float32)), *stream.finish()] == []
