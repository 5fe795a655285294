"""Sound files that livetag writes: what goes in comes out, and what cannot be written is told."""

import io

import numpy as np
import pytest
import soundfile

from livetag.audio.writer import check_format, encoded
from livetag.errors import UsageError
from livetag.events import FloatArray

RANDOM = np.random.default_rng(20_261_122)
PCM = RANDOM.integers(-32_768, 32_768, 10_007, np.int16)
FORMATS = ["flac", "wav"]


def as_float(pcm: object) -> FloatArray:
    return np.asarray(pcm, np.float32) / np.float32(32_768.0)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("size", [1, 17, 509, 4_096, 20_000])
def test_sixteen_bits_come_back_to_the_last_one(file_format: str, size: int) -> None:
    samples = as_float(PCM)
    blocks = [samples[first : first + size] for first in range(0, len(samples), size)]
    content = encoded(blocks, 44_100, file_format)
    with soundfile.SoundFile(io.BytesIO(content)) as sound:
        assert (sound.format, sound.subtype) == (file_format.upper(), "PCM_16")
        assert (sound.samplerate, sound.channels) == (44_100, 1)
        np.testing.assert_array_equal(sound.read(dtype="int16"), PCM)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.filterwarnings("error")
def test_what_is_beyond_full_scale_is_cut_there_and_no_number_is_silence(file_format: str) -> None:
    samples = np.array([1.0, -1.0, 1.5, -7.0, np.inf, -np.inf, np.nan, 3e38], np.float32)
    pcm, _ = soundfile.read(io.BytesIO(encoded([samples], 16_000, file_format)), dtype="int16")
    assert pcm.tolist() == [32_767, -32_768, 32_767, -32_768, 32_767, -32_768, 0, 32_767]


def test_between_two_steps_the_nearer_one_is_taken() -> None:
    steps = np.array([0.4, 0.6, -0.4, -0.6, 100.51, 32_766.6], np.float32)
    content = encoded([steps / np.float32(32_768.0)], 16_000, "wav")
    pcm, _ = soundfile.read(io.BytesIO(content), dtype="int16")
    assert pcm.tolist() == [0, 1, 0, -1, 101, 32_767]


@pytest.mark.parametrize("rate_hz", [1_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("file_format", FORMATS)
def test_the_rates_of_microphones_can_be_held(file_format: str, rate_hz: int) -> None:
    check_format(file_format, rate_hz)


@pytest.mark.parametrize("rate_hz", [65_537, 768_000])
def test_a_rate_that_flac_cannot_hold_is_an_error_that_names_the_way_out(rate_hz: int) -> None:
    with pytest.raises(UsageError, match=f"flac files cannot hold {rate_hz} Hz; wav can"):
        check_format("flac", rate_hz)
    check_format("wav", rate_hz)


def test_what_the_library_refuses_is_an_oserror_with_the_reason() -> None:
    with pytest.raises(OSError, match="flac of 768000 Hz: ") as caught:
        encoded([np.zeros(10, np.float32)], 768_000, "flac")
    assert caught.value.strerror
