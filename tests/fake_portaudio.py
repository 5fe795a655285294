"""A PortAudio that is made up, and a clock that a test moves: no device, no waiting."""

import sys
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livetag.audio import portaudio
from livetag.events import FloatArray
from livetag.sources import microphone

RATE_HZ = 16_000
CALL_SECONDS = 0.04
DELAY_SECONDS = 0.06  # from a block's last sample to its callback, as PortAudio says


class PortAudioError(Exception):
    """As sounddevice has it."""


class Clock:
    """Monotonic seconds, which a test moves; `slept` are seconds of the machine's sleep."""

    now = 100.0
    slept = 0.0

    def monotonic(self) -> float:
        return self.now

    def continuous(self, clock_id: int = 0) -> float:
        return self.now + self.slept

    def wall(self) -> float:
        return 5_000.0 + self.now + self.slept


@dataclass
class FakeStream:
    """An input stream: what it delivers, a test says."""

    owner: "FakePortAudio"
    options: dict[str, Any]
    started: bool = False
    closed: int = 0
    adc_time: float = 7.0  # PortAudio's own clock

    def start(self) -> None:
        if self.options["channels"] in self.owner.refused_channels:
            raise PortAudioError("Invalid number of channels", -9998)
        if self.options["samplerate"] in self.owner.refused_rates:
            raise PortAudioError("Invalid sample rate", -9997)
        self.started = True

    def abort(self, ignore_errors: bool = True) -> None:
        self.owner.answering.wait(10)  # as one does whose server hangs
        self.started = False

    def close(self, ignore_errors: bool = True) -> None:
        self.closed += 1

    def call(self, samples: FloatArray, overflow: bool = False) -> None:
        """PortAudio calls back with float32[n] or float32[n, channels], as time passes."""
        rate_hz: int = self.options["samplerate"]
        self.owner.clock.now += len(samples) / rate_hz
        current = self.adc_time + len(samples) / rate_hz + DELAY_SECONDS
        timing = SimpleNamespace(inputBufferAdcTime=self.adc_time, currentTime=current)
        data = samples.reshape(len(samples), -1)
        status = SimpleNamespace(input_overflow=overflow)
        self.options["callback"](data, len(data), timing, status)
        self.adc_time += len(samples) / rate_hz

    def deliver(self, seconds: float, value: float = 0.1) -> int:
        """Call back for so long, with samples of one value; how many they were."""
        size: int = round(CALL_SECONDS * self.options["samplerate"])
        calls = round(seconds / CALL_SECONDS)
        for _ in range(calls):
            self.call(np.full(size, value, np.float32))
        return calls * size

    def end(self) -> None:
        """PortAudio ends the stream."""
        self.options["finished_callback"]()


@dataclass
class FakePortAudio:
    """What livetag uses of the module `sounddevice`."""

    clock: Clock
    devices: list[dict[str, Any]]
    api_default: list[int] = field(default_factory=lambda: [0])
    set_default: int = -1
    refused_channels: set[int] = field(default_factory=set)
    refused_rates: set[int] = field(default_factory=set)
    streams: list[FakeStream] = field(default_factory=list)
    restarts: int = 0
    _initialized: int = 1
    PortAudioError: type[Exception] = PortAudioError

    def __post_init__(self) -> None:
        self.answering = threading.Event()
        self.answering.set()

    @property
    def default(self) -> Any:
        return SimpleNamespace(device=[self.set_default, -1])

    @property
    def stream(self) -> FakeStream:
        """The latest one."""
        return self.streams[-1]

    def query_devices(self) -> list[dict[str, Any]]:
        return self.devices

    def query_hostapis(self, index: int | None = None) -> Any:
        apis = tuple(
            {"name": f"API {number}", "default_input_device": default}
            for number, default in enumerate(self.api_default)
        )
        return apis if index is None else apis[index]

    def get_portaudio_version(self) -> tuple[int, str]:
        return 1, "PortAudio of the tests"

    def _terminate(self) -> None:
        self._initialized -= 1

    def _initialize(self) -> None:
        self._initialized += 1
        self.restarts += 1

    def _exit_handler(self) -> None:
        """What sounddevice does as Python ends."""

    def InputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        stream = FakeStream(self, options)
        self.streams.append(stream)
        return stream


def device(
    index: int, name: str, channels: int = 1, hostapi: int = 0, rate_hz: int = RATE_HZ
) -> dict[str, Any]:
    return {
        "index": index,
        "name": name,
        "hostapi": hostapi,
        "max_input_channels": channels,
        "default_samplerate": float(rate_hz),
    }


def install(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    """Have livetag use the fake, and its clock for all that it measures."""
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock.monotonic)
    monkeypatch.setattr("time.clock_gettime", clock.continuous)
    monkeypatch.setattr("time.time", clock.wall)
    devices = [device(0, "Built-in"), device(1, "Speakers", 0), device(2, "USB Mic", 2)]
    fake = FakePortAudio(clock, devices)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    for there in (portaudio, microphone):
        monkeypatch.setattr(there, "devices_elsewhere", portaudio.input_devices)
    return fake
