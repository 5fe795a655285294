"""The microphone: PortAudio through sounddevice, which only this room imports.

Two activities meet here. PortAudio's callback copies each block into the ring buffer, counts what
was lost and sets an event; it never waits, logs or raises. The worker, in `blocks`, waits for that
event with a time limit, and takes the audio out of the ring.
"""

import atexit
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Self

import numpy as np

from livetag.audio.ring import RingBuffer
from livetag.errors import InputError, LivetagError
from livetag.events import Anchor, AudioBlock, FloatArray
from livetag.sources.base import BLOCK_SECONDS, STALL_SECONDS
from livetag.stderr import native_stderr_silenced

RING_SECONDS = 30.0
CALLBACK_SECONDS = 0.04
_POLL_SECONDS = 0.25
_CLOSE_SECONDS = 1.0  # to wait for a stream to close: one whose server hangs never does
_SETTLE_SECONDS = 0.5  # after a stall, until what the server still delivers at once has come
_LONGEST_DELAY_SECONDS = 1.0  # from a sample to its callback; what a driver says beyond is wrong
_CLOCK_SLACK_SECONDS = 0.5  # by which stream and wall clock may differ until they are set right
_JITTER_SECONDS = 0.1  # of audio may come at once when a stream flows again


@dataclass(frozen=True)
class Device:
    """An input device as PortAudio lists it."""

    index: int
    name: str
    host_api: str
    channels: int
    rate_hz: int
    default: bool


def _sounddevice() -> ModuleType:
    """The library, imported when first used: everything else works without PortAudio."""
    try:
        with native_stderr_silenced():
            import sounddevice
    except OSError as error:
        raise InputError(
            "the microphone needs the PortAudio library, which is not installed: "
            "on Debian and Ubuntu `sudo apt install libportaudio2`, on Fedora "
            "`sudo dnf install portaudio`, on macOS `brew install portaudio`. "
            "`livetag monitor --demo` and `--input FILE` work without it."
        ) from error
    except Exception as error:  # PortAudio's own, which has no name before the import
        raise InputError(f"the PortAudio library cannot start: {error}") from error
    return sounddevice  # type: ignore[no-any-return]


def input_devices() -> list[Device]:
    """Every device that can record. Raises `InputError` where PortAudio is missing."""
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    if default < 0:
        default = next(
            (
                api["default_input_device"]
                for api in sounddevice.query_hostapis()
                if api["default_input_device"] >= 0
            ),
            default,
        )
    return [
        Device(
            index=device["index"],
            name=device["name"],
            host_api=sounddevice.query_hostapis(device["hostapi"])["name"],
            channels=device["max_input_channels"],
            rate_hz=round(device["default_samplerate"]),
            default=device["index"] == default,
        )
        for device in sounddevice.query_devices()
        if device["max_input_channels"] > 0
    ]


def find_device(wanted: str | None, devices: list[Device]) -> Device:
    """The device that an index or any part of a name chooses; the default one for None.

    Raises `InputError` that lists the choices where none matches, or several do.
    """
    if not devices:
        raise InputError(
            "no microphone was found: connect one, or use `--demo` or `--input FILE`. "
            "`livetag devices` lists what there is."
        )
    listed = "\n".join(
        f"  {device.index}  {device.name}  ({device.host_api})" for device in devices
    )
    if wanted is None:
        for device in devices:
            if device.default:
                return device
        raise InputError(f"no default microphone is set: choose one with --device:\n{listed}")
    name = wanted.strip().casefold()
    matches = [device for device in devices if name == str(device.index)]
    matches = matches or [device for device in devices if name == device.name.casefold()]
    matches = matches or [device for device in devices if name in device.name.casefold()]
    if len(matches) == 1:
        return matches[0]
    what = "several input devices match" if matches else "no input device matches"
    raise InputError(f"{what} {wanted!r}; there are:\n{listed}")


@dataclass(frozen=True, slots=True)
class _Stall:
    """No callback came between two monotonic times; the ring was at `position`."""

    position: int
    last_at: float
    resumed_at: float


class Microphone:
    """A device that records, at its own rate, into a ring buffer."""

    live = True

    def __init__(self, wanted: str | None, rate_hz: int | None = None) -> None:
        """`wanted`: index or part of a name; `rate_hz`: instead of the device's own rate."""
        device = find_device(wanted, input_devices())
        self.name = device.name
        self.rate_hz = rate_hz or device.rate_hz
        self.failure: LivetagError | None = None
        self._device = device
        self._stream: Any = None
        self._ring = RingBuffer(round(RING_SECONDS * self.rate_hz))
        self._arrived = threading.Event()
        self._ended = threading.Event()
        self._chunk = round(BLOCK_SECONDS * self.rate_hz)
        self._last_callback: float | None = None
        self._expected_adc_time = 0.0
        self._opened_at = 0.0
        self._captured_at = 0.0  # monotonic time of the last sample written
        self._stalls: deque[_Stall] = deque()  # those that are not settled yet

    def __enter__(self) -> Self:
        try:
            self._stream = self._open(1)
        except InputError:
            if self._device.channels == 1:
                raise
            self._stream = self._open(self._device.channels)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the stream; one whose server hangs is left behind rather than waited for."""
        closer = threading.Thread(target=self._close, name="close microphone", daemon=True)
        closer.start()
        closer.join(_CLOSE_SECONDS)
        if closer.is_alive():  # sounddevice would wait for the server again as Python exits
            atexit.unregister(_sounddevice()._exit_handler)

    def _close(self) -> None:
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    def _open(self, channels: int) -> Any:
        sounddevice = _sounddevice()
        self._opened_at = time.monotonic()
        try:
            stream = sounddevice.InputStream(
                samplerate=self.rate_hz,
                blocksize=round(CALLBACK_SECONDS * self.rate_hz),
                device=self._device.index,
                channels=channels,
                dtype="float32",
                latency="high",
                callback=self._callback,
                finished_callback=self._finished,
            )
            try:
                stream.start()
            except sounddevice.PortAudioError:
                stream.close(ignore_errors=True)
                raise
        except sounddevice.PortAudioError as error:
            raise InputError(
                f"the microphone {self.name!r} cannot be opened ({error.args[0]}): is another "
                "program using it, or is livetag not allowed to? `livetag devices` lists others."
            ) from error
        return stream

    def _callback(self, data: FloatArray, frames: int, timing: Any, status: Any) -> None:
        """PortAudio's thread: float32[frames, channels]."""
        now = time.monotonic()
        adc_time = timing.inputBufferAdcTime
        last = self._last_callback
        if last is not None and now - last > STALL_SECONDS:
            self._stalls.append(_Stall(self._ring.written, last, now))
        elif last is not None and status.input_overflow and not self._stalls:
            # While a stall is being settled, its length by the clock holds this loss, too.
            missed = round((adc_time - self._expected_adc_time) * self.rate_hz)
            self._ring.lose(max(missed, 1), "overflow")
        self._expected_adc_time = adc_time + frames / self.rate_hz
        self._ring.write(data[:, 0] if data.shape[1] == 1 else data.mean(axis=1))
        delay = timing.currentTime - adc_time - frames / self.rate_hz
        self._captured_at = now - min(max(delay, 0.0), _LONGEST_DELAY_SECONDS)
        self._last_callback = now
        if self._ring.unread >= self._chunk:
            self._arrived.set()

    def _finished(self) -> None:
        self._ended.set()
        self._arrived.set()

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        position = 0
        clock: Anchor | None = None
        while True:
            self._arrived.wait(_POLL_SECONDS)
            self._arrived.clear()
            ending = stop.is_set() or self._ended.is_set()
            if not self._settle_stalls(ending):
                continue
            while ending or self._ring.unread >= self._chunk:
                chunk = self._ring.read(self._chunk)
                if not len(chunk.samples) and not chunk.lost_before:
                    break
                position += chunk.lost_before
                age = self._age_of_unread()
                begins_s = position / self.rate_hz
                begins = time.time() - age - len(chunk.samples) / self.rate_hz
                set_clock = (
                    clock is None
                    or chunk.lost_before > 0
                    or abs(begins - clock.time_at(begins_s)) > _CLOCK_SLACK_SECONDS
                )
                if set_clock:
                    clock = Anchor(begins_s, begins)
                yield AudioBlock(
                    chunk.samples,
                    position,
                    chunk.lost_before,
                    chunk.reason,
                    wall_time=begins if set_clock else None,
                    captured_at=time.monotonic() - age,
                )
                position += len(chunk.samples)
            if ending:
                yield from self._final_stall(position)
                break
        if not stop.is_set():
            self.failure = InputError(
                f"the microphone {self.name!r} stopped: it was unplugged, or its server ended. "
                "Connect it and start livetag again; `livetag devices` lists what there is."
            )

    def _settle_stalls(self, ending: bool) -> bool:
        """Account for stalls that are over; False while it is too early to tell what was lost.

        A server that was held up may make up for it in one burst. Nobody can say when that audio
        was recorded, or whether it was: PulseAudio fills in silence. So it is dropped, and the
        stall is a gap for as long as it lasted by the clock.
        """
        while self._stalls:
            stall = self._stalls[0]
            following = self._stalls[1] if len(self._stalls) > 1 else None
            last = following.last_at if following else self._last_callback or stall.resumed_at
            if not (following or ending) and last - stall.resumed_at < _SETTLE_SECONDS:
                return False
            written = following.position if following else self._ring.written
            delivered = written - stall.position
            in_time = round((last - stall.resumed_at + _JITTER_SECONDS) * self.rate_hz)
            late = max(0, delivered - in_time)
            due = round((last - stall.last_at) * self.rate_hz)
            self._ring.drop(stall.position, late, max(1, due - delivered + late), "stalled")
            self._stalls.popleft()
        return True

    def _age_of_unread(self) -> float:
        """Seconds since the last sample that was read was captured."""
        return time.monotonic() - self._captured_at + self._ring.unread / self.rate_hz

    def _final_stall(self, position: int) -> Iterator[AudioBlock]:
        """Silence of the device that lasted until the end is lost audio, too."""
        silent = time.monotonic() - (self._last_callback or self._opened_at)
        if silent > STALL_SECONDS:
            lost = round(silent * self.rate_hz)
            none = np.empty(0, np.float32)
            yield AudioBlock(none, position + lost, lost, "stalled")
