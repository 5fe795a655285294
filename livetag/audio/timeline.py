"""Where a microphone's audio stands in its stream, one capture after another, and on the clocks.

A stream is as long as the time that passes: what nobody captured counts as lost. Moments are those
of `livetag.clocks.continuous`.
"""

import time

import numpy as np

from livetag.clocks import continuous
from livetag.events import Anchor, AudioBlock, FloatArray

_CLOCK_SLACK_SECONDS = 0.5  # by which stream and wall clock may differ until they are set right


class Timeline:
    """Makes blocks of samples, and of the time between them. `position`: of the next sample."""

    def __init__(self, rate_hz: int) -> None:
        self.position = 0
        self._rate_hz = rate_hz
        self._heard_until = 0.0  # the moment at which `position` stands, while nothing is heard
        self._lost = 0, ""  # samples and reason, that the next block has to tell
        self._told = 0  # samples of the next ones that were told of as lost already
        self._clock: Anchor | None = None

    def begin(self, at: float) -> None:
        """Nothing before this moment is of the stream. What has begun stays as it is."""
        if self.position == 0:
            self._heard_until = at

    def lose(self, samples: int, reason: str) -> None:
        """So many samples are missing before the next ones."""
        self._lost = self._lost[0] + samples, reason

    def block(self, samples: FloatArray, captured_until: float, behind_s: float) -> AudioBlock:
        """The next samples, float32[n], n > 0, the last of which was captured at that moment.

        `behind_s`: seconds of audio that wait behind them.
        """
        lost, reason = self._lost
        self._lost = 0, ""
        self.position += lost
        begins_s = self.position / self._rate_hz
        age = continuous() - captured_until
        begins = time.time() - age - len(samples) / self._rate_hz
        clock = self._clock
        set_clock = (
            clock is None
            or lost > 0
            or abs(begins - clock.time_at(begins_s)) > _CLOCK_SLACK_SECONDS
        )
        if set_clock:
            self._clock = Anchor(begins_s, begins)
        block = AudioBlock(
            samples,
            self.position,
            lost,
            reason,
            wall_time=begins if set_clock else None,
            captured_at=time.monotonic() - age,
            behind_s=behind_s,
        )
        self.position += len(samples)
        return block

    def leave_out(self, samples: int, reason: str) -> AudioBlock:
        """Tell that the next samples are not heard, nor what was lost before them."""
        lost = self._lost[0] + samples
        self._lost = 0, ""
        self.position += lost
        return self._nothing(lost, reason, time.time())

    def break_off(self, captured_until: float, missing_seconds: float = 0.0) -> float:
        """Nothing is heard any more; since which moment.

        `captured_until`: of the last sample that came; `missing_seconds`: of what passed until
        then, so much was never delivered.
        """
        if self.position:
            ahead = self._told - self._lost[0]
            self._heard_until = captured_until + ahead / self._rate_hz
            self._heard_until -= missing_seconds
            self._lost, self._told = (0, ""), 0
        return self._heard_until

    def silence(self, until: float, reason: str) -> AudioBlock:
        """Tell that nothing was heard until a moment, from where it was told of last."""
        lost = max(1, round((until - self._heard_until) * self._rate_hz))
        self._heard_until += lost / self._rate_hz
        self.position += lost
        self._clock = Anchor(self.position / self._rate_hz, time.time())
        return self._nothing(lost, reason, self._clock.unix_time)

    def resume(self, at: float, reason: str) -> None:
        """Samples come again, the first of them of that moment: what is missing until then is lost.

        Where more was told of already, it is the first samples that count as lost.
        """
        lost = round((at - self._heard_until) * self._rate_hz)
        self._lost = max(1, lost), reason
        self._told = self._lost[0] - lost

    def untold(self, samples: FloatArray) -> FloatArray:
        """The next samples without those that were told of as lost already. Perhaps none."""
        known = min(self._told, len(samples))
        self._told -= known
        return samples[known:]

    def _nothing(self, lost: int, reason: str, wall_time: float) -> AudioBlock:
        """So many samples up to here are lost, and no others come yet."""
        nothing = np.empty(0, np.float32)
        return AudioBlock(nothing, self.position, lost, reason, wall_time=wall_time)
