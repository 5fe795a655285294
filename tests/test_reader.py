"""Recordings: every format gives the same mono samples, in blocks; what is no audio says so."""

import os
import re
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _fuzz_seeds as seeds
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from livetag.audio.reader import AudioReader, FloatArray, open_stdin
from livetag.errors import InputError

RATE_HZ = 44_100


def sine(hz: float, seconds: float = 1.0) -> FloatArray:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.5 * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def written(path: Path, samples: npt.NDArray[Any], rate_hz: int = RATE_HZ) -> Path:
    soundfile.write(path, samples, rate_hz)
    return path


def read_all(path: Path, frames: int = 4_096) -> FloatArray:
    with AudioReader(path) as reader:
        return np.concatenate([np.empty(0, np.float32), *reader.blocks(frames)])


@pytest.mark.parametrize(
    ("extension", "difference"), [("wav", 4e-5), ("flac", 4e-5), ("ogg", 0.02), ("mp3", 0.02)]
)
def test_a_recording_of_any_format_is_read_whole(
    extension: str, difference: float, tmp_path: Path
) -> None:
    path = written(tmp_path / f"sound.{extension}", sine(440.0))
    with AudioReader(path) as reader:
        assert (reader.rate_hz, reader.channels) == (RATE_HZ, 1)
    samples = read_all(path)
    assert samples.dtype == np.float32
    assert abs(len(samples) - RATE_HZ) <= 1_200  # MP3 counts in frames of 1152 samples
    middle = slice(2_000, 20_000)
    assert np.abs(samples[middle] - sine(440.0)[middle]).max() < difference


@pytest.mark.parametrize("form", ["WAV", "FLAC", "AIFF"])
def test_sixteen_bits_have_the_values_that_libsndfile_gives_them(form: str, tmp_path: Path) -> None:
    path = tmp_path / "sound"
    values = np.arange(-(2**15), 2**15, dtype=np.int16)
    soundfile.write(path, np.stack((values, values), axis=1), RATE_HZ, "PCM_16", format=form)
    expected, _ = soundfile.read(path, dtype="float32")
    with AudioReader(path) as reader:
        found = np.concatenate(list(reader.blocks(RATE_HZ)))
    assert found.dtype == np.float32
    assert np.array_equal(found, expected[:, 0])


def test_channels_become_their_mean(tmp_path: Path) -> None:
    channels = [sine(300.0), sine(300.0), -sine(300.0), sine(1_000.0), 0 * sine(300.0)]
    path = tmp_path / "five.wav"
    soundfile.write(path, np.stack(channels, axis=1), RATE_HZ, subtype="FLOAT")
    expected = (sine(300.0) + sine(1_000.0)) / 5
    assert np.abs(read_all(path) - expected).max() < 1e-6


def test_a_recording_is_read_block_by_block_and_no_more_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "long.wav", np.zeros((10_500, 2)))
    asked: list[int] = []
    read = soundfile.SoundFile.read

    def noting(self: Any, frames: int = -1, **how: Any) -> Any:
        asked.append(frames)
        return read(self, frames, **how)

    monkeypatch.setattr(soundfile.SoundFile, "read", noting)
    with AudioReader(path) as reader:
        blocks = reader.blocks(1_000)
        assert asked == []
        assert len(next(blocks)) == 1_000
        assert asked == [1_000]
        assert [len(block) for block in blocks] == [1_000] * 9 + [500]
    assert set(asked) == {1_000}


def test_a_closed_reader_leaves_no_file_open(tmp_path: Path) -> None:
    path = written(tmp_path / "sound.wav", sine(440.0))
    with AudioReader(path) as reader:
        file = reader._file
        assert not file.closed
    assert file.closed


def test_a_recording_without_samples_gives_no_block(tmp_path: Path) -> None:
    assert len(read_all(written(tmp_path / "empty.wav", np.zeros(0)))) == 0


# --- What is no audio ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["notes.txt", "sound.wav", "sound.mp3", "sound", "sound.raw"])
@pytest.mark.parametrize("content", [b"", b"this is no audio, whatever it is called\n" * 100])
def test_a_file_that_is_no_audio_is_an_input_error_that_names_it(
    name: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        AudioReader(path)
    assert str(path) in str(caught.value)
    assert "WAV, FLAC, Ogg and MP3" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_text_that_is_called_mp3_is_told_of_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp3"
    path.write_text("no audio")
    with pytest.raises(InputError, match=r"notes\.mp3 is no audio that can be read") as caught:
        AudioReader(path)
    assert "does not exist" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.wav does not exist"):
        AudioReader(tmp_path / "gone.wav")
    with pytest.raises(InputError, match="is a folder"):
        AudioReader(tmp_path)


def test_a_recording_that_breaks_off_is_read_up_to_there_and_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "cut.flac", sine(440.0, seconds=10.0))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    read: list[FloatArray] = []
    with AudioReader(path) as reader, pytest.raises(InputError) as caught:
        read.extend(reader.blocks(1_000))
    assert sum(map(len, read)) > 3 * RATE_HZ
    told = r"cut\.flac cannot be read on: it breaks off at 4 s \(.*\)$"
    assert re.search(told, str(caught.value))
    with AudioReader(path) as reader, pytest.raises(InputError, match="between 3 s and 6 s "):
        list(reader.blocks(3 * RATE_HZ))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_a_name_that_is_no_text_is_a_name_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    path.write_bytes(written(tmp_path / "cafe.wav", sine(440.0)).read_bytes())
    assert len(read_all(path)) == RATE_HZ


# --- Headers that lie, and samples that are no sound


def lying(path: Path, **header: Any) -> Path:
    """A WAV file of 16,000 Hz, one channel and 16 bits, where the header says nothing else."""
    usual = {"rate_hz": 16_000, "channels": 1, "bits": 16, "tag": 1, "claimed": 4_000}
    path.write_bytes(seeds.wav(**{**usual, "body": bytes(4_000), **header}))
    return path


@pytest.mark.parametrize("rate_hz", [1, 999, 768_001, 2**31 - 1])
def test_a_rate_that_no_sound_has_is_an_input_error(rate_hz: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"says it has {rate_hz} Hz: .* 1,000 to 768,000 Hz"):
        AudioReader(lying(tmp_path / "lying.wav", rate_hz=rate_hz))


@pytest.mark.parametrize("rate_hz", [1_000, 768_000])
def test_the_lowest_and_the_highest_rate_are_read(rate_hz: int, tmp_path: Path) -> None:
    with AudioReader(lying(tmp_path / "sound.wav", rate_hz=rate_hz)) as reader:
        assert reader.rate_hz == rate_hz
        assert sum(map(len, reader.blocks(100))) == 2_000


@pytest.mark.parametrize(
    "header",
    [
        {"rate_hz": 0},
        {"rate_hz": 2**32 - 1},
        {"channels": 0},
        {"channels": 65_535},
        {"bits": 0},
        {"bits": 255},
        {"tag": 0x55},
        {"tag": 0xFFFE},
    ],
)
def test_a_header_that_makes_no_sense_is_an_input_error(
    header: dict[str, int], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"lying\.wav is no audio that can be read"):
        AudioReader(lying(tmp_path / "lying.wav", **header))


@pytest.mark.parametrize("claimed", [0xFFFF_FFFF, 0xFFFF_FFF0, 0x7FFF_FFFF, 4_000])
def test_a_length_that_is_claimed_is_not_believed(claimed: int, tmp_path: Path) -> None:
    assert len(read_all(lying(tmp_path / "lying.wav", claimed=claimed))) == 2_000


@pytest.mark.parametrize(("channels", "rate_hz"), [(200, 44_100), (1_024, 768_000)])
def test_no_header_chooses_how_much_is_read_at_once(
    channels: int, rate_hz: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds of 1,024 channels at 768 kHz would be 31 GB."""
    asked: list[int] = []
    read = soundfile.SoundFile.read

    def noting(self: Any, frames: int = -1, **how: Any) -> Any:
        asked.append(frames * self.channels)
        return read(self, frames, **how)

    monkeypatch.setattr(soundfile.SoundFile, "read", noting)
    body = bytes(2 * channels * 3_000)
    header = {"channels": channels, "rate_hz": rate_hz, "claimed": len(body), "body": body}
    with AudioReader(lying(tmp_path / "wide.wav", **header)) as reader:
        lengths = [len(block) for block in reader.blocks(10 * rate_hz)]
    assert sum(lengths) == 3_000
    assert max(asked) <= 1 << 20


@pytest.mark.parametrize("name", ["RF64", "W64", "CAF", "AIFF", "AU", "FLAC"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.1, 0.5, 0.99])
def test_a_recording_cut_anywhere_is_read_or_an_input_error(
    name: str, kept: float, tmp_path: Path
) -> None:
    content = seeds.sound(name)
    path = tmp_path / "cut"
    path.write_bytes(content[: int(len(content) * kept)])
    samples, refused = np.empty(0, np.float32), str(path)
    try:
        samples = read_all(path)
    except InputError as error:
        refused = str(error)
    assert str(path) in refused
    assert len(samples) <= seeds.RATE_HZ // 10


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("values", "heard"),
    [
        ([0.5, np.nan], 0.25),  # the channel that works is heard all the same
        ([np.nan, np.nan], 0.0),
        ([np.inf, 0.0], 50.0),
        ([np.inf, -np.inf], 0.0),
        ([3e38, 3e38], 100.0),
        ([-3e38, -3e38], -100.0),
    ],
)
def test_values_that_are_no_sound_are_mended_channel_by_channel(
    values: list[float], heard: float, tmp_path: Path
) -> None:
    path = tmp_path / "damaged.wav"
    soundfile.write(path, np.array([values] * 100), RATE_HZ, subtype="FLOAT")
    samples = read_all(path)
    assert samples.dtype == np.float32
    assert (samples == np.float32(heard)).all()


def test_reading_ends_when_it_is_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    with AudioReader(written(tmp_path / "sound.wav", sine(440.0))) as reader:
        blocks = reader.blocks(1_000, stop)
        next(blocks)
        stop.set()
        assert list(blocks) == []


# --- Standard input -----------------------------------------------------------------------------


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pipe for standard input: yields the descriptor to write to."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield writing


def send(descriptor: int, content: bytes) -> None:
    assert len(content) < 60_000  # what a pipe holds: nobody reads yet
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(content)


@pytest.mark.parametrize("data_bytes", [40_000, 0xFFFF_FFFF, 0x7FFF_F000])
def test_a_wav_stream_is_read_to_its_end_whatever_length_its_header_claims(
    data_bytes: int, piped: int
) -> None:
    """A program that writes WAV into a pipe cannot know the length: FFmpeg writes 0xFFFFFFFF."""
    samples = np.round(sine(440.0)[:20_000] * 32_767).astype("<i2")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    riff = struct.pack("<4sI4s", b"RIFF", min(data_bytes + 36, 0xFFFF_FFFF), b"WAVE")
    header = riff + form + struct.pack("<4sI", b"data", data_bytes)
    send(piped, header + samples.tobytes())
    reader = open_stdin(None, 1)
    assert reader.rate_hz == RATE_HZ
    heard = np.concatenate(list(reader.blocks(1_000)))
    assert np.abs(heard - sine(440.0)[:20_000]).max() < 4e-5


def test_raw_samples_are_read_at_the_rate_and_with_the_channels_given(piped: int) -> None:
    send(piped, np.array([[16_384, 0], [-32_768, -32_768]], "<i2").tobytes())
    reader = open_stdin(48_000, 2)
    assert (reader.rate_hz, reader.channels) == (48_000, 2)
    assert np.concatenate(list(reader.blocks(1_000))).tolist() == [0.25, -1.0]


def test_what_is_no_wav_on_standard_input_is_an_input_error(piped: int) -> None:
    send(piped, b"no audio at all\n" * 100)
    with pytest.raises(InputError, match="standard input is no audio"):
        open_stdin(None, 1)


def test_a_terminal_or_nothing_on_standard_input_is_an_input_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="closed"):
        open_stdin(None, 1)


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_a_stream_that_would_go_on_after_its_end_is_refused(subtype: str, piped: int) -> None:
    """What was last read would be decoded again and again, as often as the header claims."""
    content = seeds.sound("WAV", subtype)
    data = content.index(b"data") + 4
    send(piped, content[:data] + struct.pack("<I", 0xFFFF_0000) + content[data + 4 :])
    with pytest.raises(InputError, match=r"cannot be told in a stream|no audio that can be read"):
        open_stdin(None, 1)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_a_stream_of_plain_samples_ends_where_it_ends(subtype: str, piped: int) -> None:
    content = seeds.sound("WAV", subtype)
    data = content.index(b"data") + 4
    send(piped, content[:data] + struct.pack("<I", 0xFFFF_0000) + content[data + 4 :])
    heard = sum(map(len, open_stdin(None, 1).blocks(100)))
    assert 0 <= heard - seeds.RATE_HZ // 10 < 50  # what stands behind the samples is read, too


@pytest.mark.parametrize("form", ["FLAC", "OGG", "MP3"])
def test_a_compressed_stream_is_heard_or_refused(form: str, piped: int) -> None:
    send(piped, seeds.sound(form))
    try:
        heard = sum(map(len, open_stdin(None, 1).blocks(100)))
    except InputError:
        return
    assert heard < seeds.RATE_HZ
