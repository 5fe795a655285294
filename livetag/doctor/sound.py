"""Whether sound comes: PortAudio, its devices, three seconds of one of them; or a recording."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livetag.audio.capture import Capture
from livetag.audio.loudness import dbfs
from livetag.audio.portaudio import (
    Device,
    HangsError,
    answered,
    find_device,
    input_devices,
    version,
)
from livetag.audio.reader import AudioReader, open_stdin
from livetag.audio.watch import FIRST_SAMPLE_SECONDS
from livetag.clocks import continuous
from livetag.doctor.check import Check, judged
from livetag.errors import InputError
from livetag.events import FloatArray
from livetag.pipeline import CLIPPED_AT
from livetag.records import level
from livetag.sources.base import BLOCK_SECONDS
from livetag.sources.demo import demo_chunks
from livetag.sources.demo_sounds import RATE_HZ as DEMO_RATE_HZ
from livetag.stderr import native_stderr_silenced
from livetag.text import counted

LISTEN_SECONDS = 3.0
_SETTLE_SECONDS = 0.5  # in which a device that has just been opened may give samples in bursts
_POLL_SECONDS = 0.1
_CLOSE_SECONDS = 1.0
_RATE_WARNS = 0.01
_RATE_FAILS = 0.03
_CLIPPED_SHARE = 0.001
_DC_OFFSET = 0.01  # of full scale
_QUIET_DBFS = -80.0
"""Noise of this level has the magnitude, in a bin of the network's spectrum, of the constant 0.001
that is added before its logarithm: it, and what is below, hardly differs from zeros."""


@dataclass(frozen=True)
class Heard:
    """What came from a device that was open for a while.

    `samples`: float32[n], one channel. `seconds`: from the first callback to the last; less than
    `LISTEN_SECONDS` where nothing more came. `measured_hz`: samples a second by the clock; None
    where too few came to tell. `overflows`: how often the system dropped some.
    """

    device: Device
    rate_hz: int
    samples: FloatArray
    seconds: float
    measured_hz: float | None
    overflows: int = 0

    @property
    def rms_dbfs(self) -> float:
        return dbfs(float(np.square(self.samples, dtype=np.float64).mean()))

    @property
    def peak_dbfs(self) -> float:
        return dbfs(float(np.abs(self.samples).max()) ** 2)

    @property
    def dc_offset(self) -> float:
        return float(self.samples.mean(dtype=np.float64))

    @property
    def clipped_share(self) -> float:
        return float(np.mean(np.abs(self.samples) >= CLIPPED_AT))

    @property
    def zeros_share(self) -> float:
        return float(np.mean(self.samples == 0.0))


def check_portaudio() -> Check:
    """Raises `InputError` where it is missing."""
    words = version()
    return Check("portaudio", "ok", words.partition(",")[0], details={"version": words})


def check_devices(wanted: str | None) -> Check:
    """Whether the wanted device, or a default one, is there. Raises `InputError` where none is."""
    devices = input_devices()
    chosen = find_device(wanted, devices)
    what = "the default one" if wanted is None else f"the one for {wanted!r}"
    found = f"{counted(len(devices), 'input device')}; {what} is {chosen.name!r}"
    listed = [
        {"index": d.index, "name": d.name, "host_api": d.host_api, "rate_hz": d.rate_hz}
        for d in devices
    ]
    return Check("devices", "ok", found, details={"chosen": chosen.index, "devices": listed})


def check_microphone(wanted: str | None, rate_hz: int | None, stall_seconds: float) -> Check:
    """Open the device as the monitor does, and listen. Raises `InputError` where it cannot be.

    For the main thread, which can be interrupted while it listens.
    """
    device = answered(lambda: find_device(wanted, input_devices()))
    capture = Capture(device, rate_hz or device.rate_hz, stall_seconds)
    answered(capture.open)
    try:
        with native_stderr_silenced():
            return judge(listen(capture))
    finally:
        with contextlib.suppress(HangsError):
            answered(capture.close, _CLOSE_SECONDS)


def listen(capture: Capture) -> Heard:
    """Take what an open device gives for three seconds, or until nothing more comes."""
    marks: list[tuple[float, int]] = []  # when a callback came, and the samples until then
    while not (capture.ended or capture.stalled):
        capture.arrived.wait(_POLL_SECONDS)
        capture.arrived.clear()
        silent_s = continuous() - capture.called_at
        if capture.first_at is None:
            if silent_s > max(FIRST_SAMPLE_SECONDS, capture.stall_seconds):
                break
            continue
        marks.append((capture.called_at, capture.ring.written))
        if _passed(marks) >= LISTEN_SECONDS or silent_s > capture.stall_seconds:
            break
    chunks = [np.empty(0, np.float32)]
    while capture.ring.unread:
        chunks.append(capture.ring.read(capture.ring.unread).samples)
    return Heard(
        capture.device,
        capture.rate_hz,
        np.nan_to_num(np.concatenate(chunks), nan=0.0, posinf=0.0, neginf=0.0),
        _passed(marks),
        _rate_of(marks),
        capture.overflows,
    )


def _passed(marks: list[tuple[float, int]]) -> float:
    return marks[-1][0] - marks[0][0] if marks else 0.0


def _rate_of(marks: list[tuple[float, int]]) -> float | None:
    """Samples a second: the slope of a line through the callbacks, which come in small bursts."""
    settled = [mark for mark in marks if mark[0] >= marks[0][0] + _SETTLE_SECONDS]
    if _passed(settled) < (LISTEN_SECONDS - _SETTLE_SECONDS) / 2:
        return None
    times, samples = np.array(settled).T
    return float(np.polyfit(times - times[0], samples, 1)[0])


def judge(heard: Heard) -> Check:
    """Say how a device is that was listened to."""
    name = f"{heard.device.name!r}, {heard.rate_hz / 1_000:g} kHz"
    if not len(heard.samples):
        found = f"{name}: it opens, and gives no samples"
        advice = "another program may hold it, or its sound server hang: try another with --device"
        return Check("microphone", "fail", found, advice, exit_code=InputError.exit_code)
    details = {
        "device": heard.device.name,
        "host_api": heard.device.host_api,
        "rate_hz": heard.rate_hz,
        "seconds": round(heard.seconds, 3),
        "samples": len(heard.samples),
        "measured_hz": None if heard.measured_hz is None else round(heard.measured_hz, 1),
        "rms_dbfs": level(heard.rms_dbfs),
        "peak_dbfs": level(heard.peak_dbfs),
        "zeros_share": round(heard.zeros_share, 4),
        "clipped_share": round(heard.clipped_share, 6),
        "dc_offset": round(heard.dc_offset, 5),
        "overflows": heard.overflows,
    }
    if heard.seconds < LISTEN_SECONDS or heard.measured_hz is None:
        found = f"{name}: it opens, and stops giving samples after {heard.seconds:.1f} s"
        advice = "plug it in again, restart the sound server, or try another with --device"
        return Check("microphone", "fail", found, advice, details, InputError.exit_code)
    wrong = abs(heard.measured_hz / heard.rate_hz - 1.0)
    pitch = [f"samples come {wrong:.0%} too fast or slow, and so do sounds: try another --rate"]
    failures = pitch if wrong > _RATE_FAILS else []
    warnings = pitch if _RATE_WARNS < wrong <= _RATE_FAILS else []
    found = f"{name}: {heard.seconds:.1f} s, {heard.measured_hz:,.0f} samples/s, {_words(heard)}"
    warnings = [*warnings, *_warnings(heard)]
    return judged("microphone", found, details, warnings, failures, InputError.exit_code)


def _words(heard: Heard) -> str:
    """Its level, and what is wrong with it."""
    if heard.zeros_share == 1.0:
        return "nothing but zeros"
    words = [f"{heard.rms_dbfs:.0f} dBFS", f"peak {heard.peak_dbfs:.0f}"]
    if heard.clipped_share:
        words.append(f"{heard.clipped_share:.1%} clipped")
    if abs(heard.dc_offset) > _DC_OFFSET:
        words.append(f"DC offset {heard.dc_offset:+.3f}")
    if heard.overflows:
        words.append(counted(heard.overflows, "overflow"))
    return ", ".join(words)


def _warnings(heard: Heard) -> Iterator[str]:
    if heard.zeros_share == 1.0:
        yield (
            "is it muted, or a privacy switch on? --device takes another. On macOS, the terminal "
            "needs leave to use it (System Settings, Privacy & Security, Microphone)"
        )
    elif heard.rms_dbfs < _QUIET_DBFS:
        yield "this is as quiet as nothing: turn its gain up in the system's sound settings"
    if heard.clipped_share > _CLIPPED_SHARE:
        yield "turn its gain down in the system's sound settings"
    if abs(heard.dc_offset) > _DC_OFFSET:
        yield "its signal is off centre: is its plug or cable damaged?"
    if heard.overflows:
        yield "the system lost samples: is the computer overloaded?"


def check_demo() -> Check:
    return _looked_at("demo", "the built-in minute", DEMO_RATE_HZ, 1, demo_chunks())


def check_recording(path: Path | None, raw_rate_hz: int | None, raw_channels: int) -> Check:
    """Open a recording, or standard input for None, and read how it begins.

    Raises `InputError` where it is no audio.
    """
    reader = open_stdin(raw_rate_hz, raw_channels) if path is None else AudioReader(path)
    with reader:
        name = "standard input" if path is None else str(path)
        blocks = reader.blocks(max(1, round(reader.rate_hz * BLOCK_SECONDS)))
        return _looked_at("recording", name, reader.rate_hz, reader.channels, blocks)


def _looked_at(
    check: str, name: str, rate_hz: int, channels: int, blocks: Iterable[FloatArray]
) -> Check:
    """How the first seconds are. Raises `InputError` where there is nothing."""
    first = list(itertools.islice(blocks, round(LISTEN_SECONDS / BLOCK_SECONDS)))
    if not first:
        raise InputError(f"{name} holds no audio: name another recording")
    samples = np.concatenate(first)
    rms_dbfs = dbfs(float(np.square(samples, dtype=np.float64).mean()))
    seconds = len(samples) / rate_hz
    found = (
        f"{name}, {rate_hz / 1_000:g} kHz, {counted(channels, 'channel')}: "
        f"its first {seconds:.1f} s can be read, {rms_dbfs:.0f} dBFS"
    )
    details = {
        "rate_hz": rate_hz,
        "channels": channels,
        "seconds_read": round(seconds, 3),
        "rms_dbfs": level(rms_dbfs),
    }
    return Check(check, "ok", found, details=details)
