"""Sound files written, mono: FLAC and WAV of 16 bit; Ogg Vorbis.

The one room beside `livetag.audio.reader` that imports soundfile.

16 bits reach 96 dB below full scale, which is below the noise of a microphone in a room. 24 bits
would store that noise to more places, in files of one and a half times the size or more.
"""

import errno
import io
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from livetag.errors import UsageError

FloatArray = npt.NDArray[np.float32]

_FULL_SCALE = np.float32(32_768.0)


def encoded(blocks: Iterable[FloatArray], rate_hz: int, file_format: str) -> bytes:
    """A whole sound file: float32[n] blocks in a row as `"flac"` or `"wav"`.

    Samples of 16 bits that were made float come out as they were. What is beyond full scale is cut
    there, and what is no number becomes silence. Raises `OSError` where it cannot be encoded.
    """
    import soundfile

    # In memory: the library reports a full disk late, or by an assertion of its own.
    file = io.BytesIO()
    try:
        with soundfile.SoundFile(
            file, "w", rate_hz, channels=1, subtype="PCM_16", format=file_format.upper()
        ) as sound:
            for block in blocks:
                sound.write(_pcm16(block))
    except soundfile.LibsndfileError as error:
        reason = error.error_string or "libsndfile refuses it"
        raise OSError(errno.EIO, f"{file_format} of {rate_hz} Hz: {reason}") from error
    return file.getvalue()


class VorbisEncoder:
    """Makes an Ogg Vorbis file, in memory, of what it is given. `rate_hz`: 8 to 48 kHz."""

    _COMPRESSION = 0.7  # from 0.0 to 1.0: 28 kbit/s at 16 kHz, 58 kbit/s at 48 kHz
    _MOST_SAMPLES = 1 << 14  # at once: libvorbis has them on its stack, which a million overflow

    def __init__(self, rate_hz: int) -> None:
        import soundfile

        self._file = io.BytesIO()
        self._sound = soundfile.SoundFile(
            self._file,
            "w",
            rate_hz,
            channels=1,
            subtype="VORBIS",
            format="OGG",
            compression_level=self._COMPRESSION,
        )

    def push(self, samples: FloatArray) -> None:
        """Take float32[n]; what is beyond full scale is cut there."""
        for at in range(0, len(samples), self._MOST_SAMPLES):
            self._sound.write(np.clip(samples[at : at + self._MOST_SAMPLES], -1.0, 1.0))

    def finish(self) -> bytes:
        """The whole file."""
        self._sound.close()
        return self._file.getvalue()


def check_format(file_format: str, rate_hz: int) -> None:
    """Raise `UsageError` where such files cannot hold this rate."""
    try:
        encoded([np.zeros(1, np.float32)], rate_hz, file_format)
    except OSError as error:
        other = "; wav can" if file_format == "flac" else ""
        raise UsageError(f"{file_format} files cannot hold {rate_hz} Hz{other}") from error


def _pcm16(samples: FloatArray) -> npt.NDArray[np.int16]:
    scaled = np.rint(np.nan_to_num(np.clip(samples, -1.0, 1.0)) * _FULL_SCALE)
    pcm: npt.NDArray[np.int16] = np.minimum(scaled, _FULL_SCALE - 1).astype(np.int16)
    return pcm
