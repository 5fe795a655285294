"""The streaming resampler: the same as resampling at once, and in time with its input."""

import numpy as np
import pytest
import soxr

from livetag.audio.resample import FloatArray, Resampler

TO_HZ = 16_000
RATES_HZ = (8_000, 11_025, 22_050, 44_100, 48_000, 96_000)


def noise(samples: int) -> FloatArray:
    return np.random.default_rng(3).uniform(-1.0, 1.0, samples).astype(np.float32)


def streamed(samples: FloatArray, from_hz: int, block_size: int) -> FloatArray:
    resampler = Resampler(from_hz, TO_HZ)
    blocks = [samples[at : at + block_size] for at in range(0, len(samples), block_size)]
    out = [resampler.push(block) for block in blocks]
    out.append(resampler.push(np.empty(0, np.float32), last=True))
    return np.concatenate(out)


@pytest.mark.parametrize("from_hz", RATES_HZ)
@pytest.mark.parametrize("block_size", [17, 509, 4_000])
def test_a_stream_in_blocks_is_to_the_bit_what_one_block_gives(
    from_hz: int, block_size: int
) -> None:
    samples = noise(from_hz // 2 + 3)
    at_once = soxr.resample(samples, from_hz, TO_HZ, quality="HQ")
    assert np.array_equal(streamed(samples, from_hz, len(samples)), at_once)
    assert np.array_equal(streamed(samples, from_hz, block_size), at_once)


def test_single_samples_are_blocks_too() -> None:
    samples = noise(4_000)
    assert np.array_equal(streamed(samples, 48_000, 1), streamed(samples, 48_000, 4_000))


@pytest.mark.parametrize("from_hz", RATES_HZ)
def test_what_comes_out_lasts_as_long_as_what_went_in(from_hz: int) -> None:
    for samples in (from_hz, from_hz + 1, 3 * from_hz // 7):
        out = streamed(noise(samples), from_hz, 1_000)
        assert abs(len(out) - samples * TO_HZ / from_hz) <= 1


def test_at_16_khz_samples_pass_as_they_are() -> None:
    samples = noise(1_000)
    resampler = Resampler(TO_HZ, TO_HZ)
    assert resampler.push(samples) is samples
    assert len(resampler.push(np.empty(0, np.float32), last=True)) == 0


@pytest.mark.parametrize("from_hz", [22_050, 44_100, 48_000, 96_000])
def test_a_sine_keeps_its_pitch_level_and_place_in_time(from_hz: int) -> None:
    sine = np.sin(2 * np.pi * 440.0 * np.arange(from_hz) / from_hz).astype(np.float32)
    out = streamed(sine, from_hz, 3_528)
    assert out.dtype == np.float32
    expected = np.sin(2 * np.pi * 440.0 * np.arange(len(out)) / TO_HZ)
    inside = slice(400, -400)  # at its ends a sine that is cut off rings
    assert np.abs(out - expected)[inside].max() < 1e-4


def test_what_16_khz_cannot_hold_is_left_out() -> None:
    """A tone at 10 kHz would otherwise come out as one at 6 kHz."""
    tone = np.sin(2 * np.pi * 10_000.0 * np.arange(48_000) / 48_000).astype(np.float32)
    assert np.abs(streamed(tone, 48_000, 4_000)[400:-400]).max() < 1e-4
