"""The sound that a page carries: compressed while the recording is read, and not without end."""

import numpy as np

from livetag.audio.resample import Resampler
from livetag.audio.writer import VorbisEncoder
from livetag.events import FloatArray

FINE_SECONDS = 600.0
"""A recording that is longer has its sound at 16 kHz, which is what YAMNet hears."""
MOST_SECONDS = 3 * 3_600.0
"""50 MB of a page hold so much: more would take a browser more memory than many have."""
_COARSE_HZ, _LOWEST_HZ, _HIGHEST_HZ = 16_000, 8_000, 48_000


class Sound:
    """The recording as Ogg Vorbis. `left_out`: why there is none, for people; empty if there is."""

    def __init__(self, rate_hz: int, claimed_seconds: float) -> None:
        """`claimed_seconds` chooses how good it is, and no more: it need not be true."""
        best_hz = min(max(rate_hz, _LOWEST_HZ), _HIGHEST_HZ)
        sound_hz = best_hz if claimed_seconds <= FINE_SECONDS else min(best_hz, _COARSE_HZ)
        self.left_out = ""
        self._resampler = Resampler(rate_hz, sound_hz)
        self._encoder = VorbisEncoder(sound_hz)
        self._samples_left = round(MOST_SECONDS * rate_hz)

    def push(self, samples: FloatArray) -> None:
        """Take float32[n] at the recording's own rate."""
        self._samples_left -= len(samples)
        if self._samples_left >= 0:
            self._encoder.push(self._resampler.push(samples))
        elif not self.left_out:
            self.left_out = (
                f"the page is without its sound: it can have {MOST_SECONDS / 3_600:g} hours of it, "
                "and the recording is longer"
            )
            self._encoder.finish()

    def encoded(self) -> bytes:
        """The whole of it; nothing where that is left out. To be asked for once."""
        if self.left_out:
            return b""
        self._encoder.push(self._resampler.push(np.empty(0, np.float32), last=True))
        return self._encoder.finish()
