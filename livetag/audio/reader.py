"""Recordings read in blocks: WAV, FLAC, Ogg, MP3 and what else libsndfile reads.

The only room that imports soundfile.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from livetag.errors import InputError

FloatArray = npt.NDArray[np.float32]

_HIGHEST_RATE_HZ = 768_000
_LARGEST = np.float32(100.0)  # of full scale


class AudioReader:
    """An open recording or stream; a context manager. Raises `InputError` if it is no audio."""

    def __init__(self, source: Path | int, **raw_format: object) -> None:
        """Open a file or a file descriptor; `raw_format` as in `soundfile.SoundFile`."""
        import soundfile

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
        except (soundfile.LibsndfileError, OSError, TypeError) as error:
            reason = getattr(error, "error_string", str(error)).rstrip(".")
            readable = "WAV, FLAC, Ogg and MP3 can"
            if not isinstance(source, Path):
                readable = "a WAV stream can, and raw s16le where --rate is given"
            raise InputError(
                f"{self._name} is no audio that can be read ({reason}): {readable}"
            ) from error
        # soundfile seeks to where it is after each read; in an MP3 that loses what the next frame
        # needs from the last ones. A stream that cannot seek is left alone.
        self._file.seekable = lambda: False
        self.rate_hz = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        if self.rate_hz > _HIGHEST_RATE_HZ:
            raise InputError(f"{self._name} says it has {self.rate_hz} Hz: it is no audio")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def blocks(self, frames: int) -> Iterator[FloatArray]:
        """Yield mono float32[n], n <= frames: the mean over the channels, as the reference does.

        Values that are no numbers become zeros, and those beyond 40 dB over full scale are cut
        there: a damaged float recording has them. Raises `InputError` where the recording breaks
        off in the middle.
        """
        import soundfile

        while True:
            try:
                block = self._file.read(frames, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise InputError(f"{self._name} cannot be read on: {error.error_string}") from error
            if len(block) == 0:
                return
            mono: FloatArray = block[:, 0] if self.channels == 1 else block.mean(axis=1)
            if not np.abs(mono).max() <= _LARGEST:
                mono = np.clip(np.nan_to_num(mono, nan=0.0), -_LARGEST, _LARGEST)
            yield mono


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
