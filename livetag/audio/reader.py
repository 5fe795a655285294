"""Recordings read in blocks: WAV, FLAC, Ogg, MP3 and what else libsndfile reads.

With `audio.writer`, the only room that imports soundfile. What a header claims of length, rate and
channels chooses neither how much memory is taken nor how long the work lasts.
"""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from livetag.errors import InputError
from livetag.text import duration

FloatArray = npt.NDArray[np.float32]

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 768_000  # as the configuration's `rate`
_MOST_VALUES = 1 << 20  # read at once, of all channels: 4 MB, whatever the header claims
# Others decode on past the end of a stream, to the length that the header claims.
_STREAMED = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS", "MPEG_")
_INT16_STEP = np.float32(2.0**-15)
_LARGEST = np.float32(100.0)  # of full scale


class AudioReader:
    """An open recording or stream; a context manager. Raises `InputError` if it is no audio.

    `claimed_seconds`: its length as the header has it, which nothing may rely on.
    """

    def __init__(self, source: Path | int, **raw_format: object) -> None:
        """Open a file or a file descriptor; `raw_format` as in `soundfile.SoundFile`."""
        import soundfile

        # A thread may wait in the library as the process ends, and until then it has to be loaded.
        self._library = soundfile._snd
        self._name = str(source) if isinstance(source, Path) else "standard input"
        try:
            if isinstance(source, Path) and (source.is_dir() or not source.exists()):
                what = "is a folder" if source.is_dir() else "does not exist"
                raise InputError(f"{source} {what}: name a recording")
            if isinstance(source, Path) and not os.access(source, os.R_OK):
                raise InputError(f"{source} cannot be read: permission denied")
            # Bytes: soundfile cannot encode every name that the system can have.
            file = os.fsencode(source) if isinstance(source, Path) and os.name != "nt" else source
            self._file = soundfile.SoundFile(file, closefd=False, **raw_format)
        except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
            reason = getattr(error, "error_string", str(error)).rstrip(".")
            # libsndfile says so of a file that is called MP3 and is none.
            if reason.startswith("File does not exist"):
                reason = "its content is not what its name says"
            readable = "WAV, FLAC, Ogg and MP3 can"
            if not isinstance(source, Path):
                readable = "a WAV stream can, and raw s16le where --rate is given"
            raise InputError(
                f"{self._name} is no audio that can be read ({reason}): {readable}"
            ) from error
        if not self._file.seekable() and not self._file.subtype.startswith(_STREAMED):
            self._file.close()
            raise InputError(
                f"{self._name} is {self._file.subtype_info}, whose end cannot be told in a stream: "
                "name it as a file, or convert it to PCM"
            )
        # soundfile seeks to where it is after each read; in an MP3 that loses what the next frame
        # needs from the last ones. A stream that cannot seek is left alone.
        self._file.seekable = lambda: False
        self.rate_hz = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        # NumPy turns 16 bits into float32 in a third of libsndfile's time, to the same values.
        self._type = "int16" if self._file.subtype == "PCM_16" else "float32"
        self.claimed_seconds = self._file.frames / max(1, self.rate_hz)
        if not LOWEST_RATE_HZ <= self.rate_hz <= HIGHEST_RATE_HZ:
            self._file.close()
            raise InputError(
                f"{self._name} says it has {self.rate_hz} Hz: audio of {LOWEST_RATE_HZ:,} to "
                f"{HIGHEST_RATE_HZ:,} Hz can be read"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def blocks(self, frames: int, stop: threading.Event | None = None) -> Iterator[FloatArray]:
        """Yield mono float32[n], n <= frames: the mean over the channels, as the reference does.

        Values that are no numbers become zeros, and those beyond 40 dB over full scale are cut
        there: a damaged float recording has them. Raises `InputError` where the recording breaks
        off in the middle.
        """
        import soundfile

        at_once = max(1, min(frames, _MOST_VALUES // self.channels))
        given = 0
        while stop is None or not stop.is_set():
            try:
                block = self._file.read(at_once, dtype=self._type, always_2d=True)
            except soundfile.SoundFileError as error:
                reason = getattr(error, "error_string", str(error)).rstrip(".")
                raise InputError(
                    f"{self._name} cannot be read on: it breaks off {self._where(given, at_once)} "
                    f"({reason.removeprefix('Error : ')})"
                ) from error
            if len(block) == 0:
                return
            given += len(block)
            yield _mono(block * _INT16_STEP if self._type == "int16" else block)

    def _where(self, given: int, at_once: int) -> str:
        """A place in the frames that were to come next: of some of them soundfile says nothing."""
        begin, end = (duration(frames / self.rate_hz) for frames in (given, given + at_once))
        return f"at {begin}" if begin == end else f"between {begin} and {end}"


def _mono(block: FloatArray) -> FloatArray:
    """The mean over the channels, float32[n], of float32[n, channels]."""
    if block.shape[1] == 1:
        mono: FloatArray = block[:, 0]
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            mono = block.mean(axis=1)
    if max(mono.max(), -mono.min()) <= _LARGEST:
        return mono
    mended = np.clip(np.nan_to_num(block, nan=0.0), -_LARGEST, _LARGEST)
    return np.asarray(mended.mean(axis=1), np.float32)


def open_stdin(raw_rate_hz: int | None, raw_channels: int) -> AudioReader:
    """Standard input: a WAV stream, or raw s16le where its rate is given."""
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("standard input is closed")
    if sys.stdin.isatty():
        raise InputError("standard input is a terminal: pipe a WAV stream into livetag")
    if raw_rate_hz is None:
        return AudioReader(sys.stdin.fileno())
    return AudioReader(
        sys.stdin.fileno(),
        format="RAW",
        subtype="PCM_16",
        endian="LITTLE",
        samplerate=raw_rate_hz,
        channels=raw_channels,
    )
