"""What may ail a capture that is open: it is over, gives zeros, or is not what was asked for."""

import sys
from dataclasses import dataclass

from livetag.audio.capture import Capture
from livetag.audio.portaudio import Call, default_elsewhere, started
from livetag.clocks import continuous, slept

FIRST_SAMPLE_SECONDS = 5.0
"""A device may take so long from being opened to its first sample: Bluetooth headsets do."""
RATE_SECONDS = 60.0
"""After so long, the samples of a capture are counted."""
RATE_TOLERANCE = 0.05
"""So many may be missing, or too many: a busy machine lags by less, 44.1 for 48 kHz is more."""
PROBE_SECONDS = 15.0
"""So long between looks at which device is the default one."""
DEFAULT_IS_FIXED = sys.platform != "linux"
"""Whether a stream stays with its device; on Linux, sound servers move it to a new default one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why nothing is heard: as gaps have it, and in words."""

    reason: str
    words: str


class CaptureWatch:
    """Looks at one capture after another."""

    def __init__(self, name: str, default: bool, zeros_seconds: float) -> None:
        """`name`: the source's; `default`: the default device is listened to, whichever it is.

        `zeros_seconds`: exact zeros for longer are a fault (0: however long, they are none).
        """
        self._name = name
        self._default = default
        self._zeros_seconds = zeros_seconds
        self._slept = slept()
        self._counted: Capture | None = None
        self._probe: Call[str | None] | None = None
        self._next_probe = continuous() + PROBE_SECONDS

    def fault_of(self, capture: Capture, now: float) -> Fault | None:
        """What ails a capture at a moment of the continuous clock; None for nothing.

        A capture that has stalled takes no more samples from then on.
        """
        asleep, self._slept = slept() - self._slept, slept()
        patience = capture.stall_seconds
        if capture.first_at is None:
            patience = max(patience, FIRST_SAMPLE_SECONDS)
        if capture.ended:
            return Fault(
                "ended", f"{self._name} is gone: it was unplugged, or its server has ended"
            )
        if capture.stalled or now - capture.called_at > patience:
            capture.stalled = True
            if asleep > capture.stall_seconds:
                return Fault("suspended", "the computer slept")
            return Fault("stalled", f"no samples come from {self._name}")
        if self._zeros_seconds and capture.zeros > self._zeros_seconds * capture.rate_hz:
            return Fault(
                "zeros",
                f"{self._name} gives nothing but exact zeros: is it muted, or a privacy switch on? "
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
        name = probe.result()
        if name is None or name == capture.device.name:
            return None
        return Fault("default", f"the default microphone is {name} now, no longer {self._name}")

    def _wrong_rate(self, capture: Capture) -> Fault | None:
        """Count a capture's samples, once."""
        if self._counted is capture or capture.first_at is None:
            return None
        seconds = capture.called_at - capture.first_at
        if seconds < RATE_SECONDS or capture.overflows:
            return None
        self._counted = capture
        found_hz = capture.ring.written / seconds
        if abs(found_hz / capture.rate_hz - 1.0) <= RATE_TOLERANCE:
            return None
        return Fault(
            "rate",
            f"{self._name} gives {found_hz:,.0f} samples a second, where {capture.rate_hz:,} were "
            "asked for: sounds are heard too high or too low (--rate sets another)",
        )
