"""Recordings: every format gives the same mono samples, in blocks; what is no audio says so."""

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    with (
        AudioReader(path) as reader,
        pytest.raises(InputError, match=r"cut\.flac cannot be read on"),
    ):
        read.extend(reader.blocks(1_000))
    assert sum(map(len, read)) > 3 * RATE_HZ


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_a_name_that_is_no_text_is_a_name_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    path.write_bytes(written(tmp_path / "cafe.wav", sine(440.0)).read_bytes())
    assert len(read_all(path)) == RATE_HZ


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
