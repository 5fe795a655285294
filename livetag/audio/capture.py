"""One stream of a microphone, and the ring buffer that it fills.

PortAudio's callback copies each block into the ring, counts what was lost and sets an event; it
never waits, logs or raises. When samples stop coming for too long, the capture is over: what a
sound server then still delivers in one burst nobody can date, nor say whether it was recorded at
all (PulseAudio fills in silence). So none of it is taken, and another capture has to begin.
"""

import threading
from typing import Any

from livetag.audio import portaudio
from livetag.audio.portaudio import Device
from livetag.audio.ring import FloatArray, RingBuffer
from livetag.clocks import continuous, slept
from livetag.errors import InputError

RING_SECONDS = 30.0
_LONGEST_DELAY_SECONDS = 1.0  # from a sample to its callback; what a driver says beyond is wrong
_SLEEP_SECONDS = 0.5  # of the machine's, that are no reading of two clocks in turn


class Capture:
    """A stream that is open from `open` to `close`, which any thread may call, and may hang.

    Times are those of `livetag.clocks.continuous`. What the callback alone writes:

    - `first_at`: when the first sample was captured; None while none came;
    - `captured_at`: when the last one was;
    - `called_at`: when the last callback came; before the first, when the stream was opened;
    - `zeros`: how many of the last samples are exactly zero;
    - `overflows`: how often PortAudio said that samples were lost before they reached us;
    - `stalled`: no callback came for longer than `stall_seconds`, or the machine slept: nothing
      more is taken;
    - `ended`: PortAudio has ended the stream.
    """

    def __init__(
        self, device: Device, rate_hz: int, stall_seconds: float, ring: RingBuffer | None = None
    ) -> None:
        """`ring`: one of `RING_SECONDS` that is not in use any more, or None for a new one."""
        self.device = device
        self.rate_hz = rate_hz
        self.ring = ring or RingBuffer(round(RING_SECONDS * rate_hz))
        self.ring.clear()
        self.arrived = threading.Event()
        self.wake_at = 1
        """So many unread samples set `arrived`."""
        self.first_at: float | None = None
        self.captured_at = self.called_at = continuous()
        self.zeros = 0
        self.overflows = 0
        self.stalled = False
        self.ended = False
        self.stall_seconds = stall_seconds
        self._slept = slept()
        self._expected_adc_time = 0.0
        self._stream: Any = None

    def open(self) -> None:
        """Open the device, for one channel or, where it has no such thing, for all of its own.

        Raises `InputError`.
        """
        device = self.device
        try:
            self._stream = self._opened(1)
        except InputError:
            if device.channels == 1:
                raise
            self._stream = self._opened(device.channels)
        if self.first_at is None:  # opening may have taken its time
            self.called_at = continuous()

    def _opened(self, channels: int) -> Any:
        return portaudio.open_stream(
            self.device, self.rate_hz, channels, self._callback, self._finished
        )

    def close(self) -> None:
        """End the stream. Where a sound server hangs, this does, too."""
        stream, self._stream = self._stream, None  # PortAudio does not survive closing twice
        if stream is not None:
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)

    @property
    def read_until(self) -> float:
        """When the last sample that was read was captured."""
        return self.captured_at - self.ring.unread / self.rate_hz

    @property
    def suspended(self) -> bool:
        """Whether the machine has slept since this capture began."""
        return slept() - self._slept > _SLEEP_SECONDS

    def _callback(self, data: FloatArray, frames: int, timing: Any, status: Any) -> None:
        """PortAudio's thread: float32[frames, channels]."""
        now = continuous()
        adc_time = timing.inputBufferAdcTime
        passed = now - self.called_at
        if self.first_at is not None and (passed > self.stall_seconds or self.suspended):
            self.stalled = True
        if self.stalled:
            self.arrived.set()
            return
        if self.first_at is not None and status.input_overflow:
            missed = min(adc_time - self._expected_adc_time, passed)  # drivers' clocks may be wrong
            self.ring.lose(max(round(missed * self.rate_hz), 1), "overflow")
            self.overflows += 1
        self._expected_adc_time = adc_time + frames / self.rate_hz
        samples = data[:, 0] if data.shape[1] == 1 else data.mean(axis=1)
        self.ring.write(samples)
        self.zeros = 0 if samples.any() else self.zeros + frames
        delay = timing.currentTime - adc_time - frames / self.rate_hz
        self.captured_at = now - min(max(delay, 0.0), _LONGEST_DELAY_SECONDS)
        if self.first_at is None:
            self.first_at = self.captured_at - frames / self.rate_hz
        self.called_at = now
        if self.ring.unread >= self.wake_at:
            self.arrived.set()

    def _finished(self) -> None:
        self.ended = True
        self.arrived.set()


def captured_again(old: Capture, wanted: str | None, rate_hz: int, restart: bool = True) -> Capture:
    """Close a capture and begin another one of the same device, wherever it is now, in its ring.

    At `rate_hz` where the device can, otherwise at its own rate. `restart`: start PortAudio again,
    so that it sees what has changed, once another process sees the device. Raises `InputError`;
    may hang.
    """
    old.close()
    if restart:
        portaudio.find_again(wanted, old.device, portaudio.devices_elsewhere())
        portaudio.restart()
    device = portaudio.find_again(wanted, old.device, portaudio.input_devices())
    ring = old.ring if old.rate_hz == rate_hz else None
    capture = Capture(device, rate_hz, old.stall_seconds, ring)
    try:
        capture.open()
    except InputError:
        if device.rate_hz == rate_hz:
            raise
        capture = Capture(device, device.rate_hz, old.stall_seconds)
        capture.open()
    return capture
