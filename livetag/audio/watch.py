"""What may ail a capture that is open: it is over, gives zeros, or is not what was asked for."""

import sys
from dataclasses import dataclass

from livetag.audio.capture import Capture
from livetag.audio.portaudio import Call, default_elsewhere, started
from livetag.clocks import continuous

FIRST_SAMPLE_SECONDS = 5.0
"""A device may take so long from being opened to its first sample: Bluetooth headsets do."""
RATE_SECONDS = 60.0
"""So often, the samples that a capture gave meanwhile are counted."""
RATE_TOLERANCE = 0.05
"""So many may be missing, or too many: a busy machine lags by less, 44.1 for 48 kHz is more."""
PROBE_SECONDS = 15.0
"""So long between looks at which device is the default one."""
DEFAULT_IS_FIXED = sys.platform != "linux"
"""Whether a stream stays with its device; on Linux, sound servers move it to a new default one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why nothing is heard: as gaps have it, and in words.

    `missing_seconds`: of what passed before it was found, so much was never delivered.
    """

    reason: str
    words: str
    missing_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a capture was at a moment of the continuous clock."""

    capture: Capture
    at: float
    written: int
    overflows: int


class CaptureWatch:
    """Looks at one capture after another."""

    def __init__(self, default: bool, zeros_seconds: float) -> None:
        """`default`: the default device is listened to, whichever it is.

        `zeros_seconds`: exact zeros for longer are a fault (0: however long, they are none).
        """
        self._default = default
        self._zeros_seconds = zeros_seconds
        self._mark: _Mark | None = None
        self._probe: Call[str | None] | None = None
        self._next_probe = continuous() + PROBE_SECONDS

    def fault_of(self, capture: Capture, now: float) -> Fault | None:
        """What ails a capture at a moment of the continuous clock; None for nothing.

        A capture that has stalled takes no more samples from then on.
        """
        name = capture.device.name
        patience = capture.stall_seconds
        if capture.first_at is None:
            patience = max(patience, FIRST_SAMPLE_SECONDS)
        if capture.ended:
            return Fault("ended", f"{name} is gone: it was unplugged, or its server has ended")
        if capture.stalled or capture.suspended or now - capture.called_at > patience:
            capture.stalled = True
            if capture.suspended:
                return Fault("suspended", "the computer slept")
            return Fault("stalled", f"no samples come from {name}")
        if self._zeros_seconds and capture.zeros > self._zeros_seconds * capture.rate_hz:
            return Fault(
                "zeros",
                f"{name} gives nothing but exact zeros: is it muted, or a privacy switch on? "
                "(zeros_seconds sets how long it may)",
            )
        return self._other_default(capture, now) or self._wrong_rate(capture)

    def _other_default(self, capture: Capture, now: float) -> Fault | None:
        """Ask now and then which device is the default one, where that matters."""
        probe = self._probe
        if probe is None:
            if self._default and DEFAULT_IS_FIXED and now >= self._next_probe:
                self._probe = started(default_elsewhere)
            return None
        if not probe.done.is_set():
            return None
        self._probe, self._next_probe = None, now + PROBE_SECONDS
        name, known = probe.result(), capture.device.name
        if name is None or name == known:
            return None
        return Fault("default", f"the default microphone is {name} now, no longer {known}")

    def _wrong_rate(self, capture: Capture) -> Fault | None:
        """Count what a capture gave since the last mark, when that is long enough ago."""
        if capture.first_at is None:
            return None
        mark = self._mark
        if mark is None or mark.capture is not capture:
            self._mark = mark = _Mark(capture, capture.first_at, 0, 0)
        seconds = capture.called_at - mark.at
        if seconds < RATE_SECONDS:
            return None
        given = capture.ring.written - mark.written
        self._mark = _Mark(capture, capture.called_at, capture.ring.written, capture.overflows)
        off = given / (seconds * capture.rate_hz) - 1.0
        if abs(off) <= RATE_TOLERANCE or capture.overflows > mark.overflows:
            return None
        return Fault(
            "rate",
            f"{capture.device.name} gives {given / seconds:,.0f} samples a second, where "
            f"{capture.rate_hz:,} were asked for: some are missing, or sounds are heard too high "
            "or too low (--rate sets another)",
            missing_seconds=max(0.0, -off * seconds),
        )
