"""What the doctor says of sound: with a made-up PortAudio, and of real recordings."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_portaudio import CALL_SECONDS, RATE_HZ, FakePortAudio, FakeStream, install

from livetag.audio.capture import Capture
from livetag.audio.portaudio import Device, find_device, input_devices
from livetag.doctor import sound
from livetag.doctor.check import Check
from livetag.doctor.sound import Heard, judge, listen
from livetag.errors import InputError
from livetag.events import FloatArray

DEVICE = Device(0, "USB Mic", "ALSA", 1, RATE_HZ, True)
Feed = Callable[[FakeStream], None]


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    return install(monkeypatch)


class Feeder(threading.Event):
    """A capture's `arrived`: whoever waits for it gets what the device gives next."""

    def __init__(self, stream: FakeStream, feeds: Iterator[Feed]) -> None:
        super().__init__()
        self._stream = stream
        self._feeds = feeds

    def wait(self, timeout: float | None = None) -> bool:
        next(self._feeds)(self._stream)
        return True


def heard_of(portaudio: FakePortAudio, feeds: Iterator[Feed], rate_hz: int = RATE_HZ) -> Heard:
    """What is heard of a device that gives these."""
    capture = Capture(find_device("usb", input_devices()), rate_hz, stall_seconds=2.0)
    capture.open()
    capture.arrived = Feeder(portaudio.stream, feeds)
    return listen(capture)


def blocks(times: int, late_s: float = 0.0) -> Iterator[Feed]:
    """Blocks of noise, each so much later than its length."""
    random = np.random.default_rng(1)

    def feed(stream: FakeStream) -> None:
        stream.owner.clock.now += late_s
        size = round(CALL_SECONDS * stream.options["samplerate"])
        stream.call(random.uniform(-0.1, 0.1, size).astype(np.float32))

    return iter([feed] * times)


def silence(seconds: float) -> Feed:
    def feed(stream: FakeStream) -> None:
        stream.owner.clock.now += seconds

    return feed


def noise(rms: float = 0.01, offset: float = 0.0) -> FloatArray:
    random = np.random.default_rng(2)
    return (rms * random.standard_normal(3 * RATE_HZ) + offset).astype(np.float32)


def heard(samples: FloatArray, measured_hz: float | None = RATE_HZ, seconds: float = 3.0) -> Heard:
    return Heard(DEVICE, RATE_HZ, samples, seconds, measured_hz)


# --- Listening ----------------------------------------------------------------------------------


def test_three_seconds_are_heard_and_their_rate_is_measured(portaudio: FakePortAudio) -> None:
    found = heard_of(portaudio, blocks(1_000))
    assert found.seconds == pytest.approx(3.0, abs=CALL_SECONDS)
    assert len(found.samples) == pytest.approx(3 * RATE_HZ, abs=2 * CALL_SECONDS * RATE_HZ)
    assert found.measured_hz == pytest.approx(RATE_HZ)
    assert found.rms_dbfs == pytest.approx(20 * math.log10(0.1 / math.sqrt(3)), abs=0.2)
    assert judge(found).status == "ok"


def test_a_device_that_is_slower_than_it_says_is_found_out(portaudio: FakePortAudio) -> None:
    found = heard_of(portaudio, blocks(1_000, late_s=CALL_SECONDS * (48 / 44.1 - 1)))
    assert found.measured_hz == pytest.approx(RATE_HZ * 44.1 / 48)
    assert judge(found).status == "fail"


def test_bursts_while_a_device_starts_do_not_count(portaudio: FakePortAudio) -> None:
    def burst(stream: FakeStream) -> None:
        stream.deliver(0.4)
        stream.owner.clock.now -= 0.4

    def feeds() -> Iterator[Feed]:
        yield from blocks(1)
        yield burst
        yield from blocks(1_000)

    assert heard_of(portaudio, feeds()).measured_hz == pytest.approx(RATE_HZ)


def test_a_device_that_gives_nothing_is_not_waited_for_long(portaudio: FakePortAudio) -> None:
    found = heard_of(portaudio, iter([silence(1.0)] * 10))
    assert 5.0 < portaudio.clock.now - 100.0 < 8.0  # as long as a headset may take, and not more
    assert len(found.samples) == 0
    check = judge(found)
    assert (check.status, check.exit_code) == ("fail", InputError.exit_code)
    assert "gives no samples" in check.found


def stalls() -> Iterator[Feed]:
    yield from blocks(50)
    yield from [silence(1.5)] * 3


def ends() -> Iterator[Feed]:
    yield from blocks(50)
    yield lambda stream: stream.end()


@pytest.mark.parametrize("feeds", [stalls, ends], ids=["stalls", "ends"])
def test_a_device_that_stops_meanwhile_is_a_failure(
    portaudio: FakePortAudio, feeds: Callable[[], Iterator[Feed]]
) -> None:
    check = judge(heard_of(portaudio, feeds()))
    assert (check.status, check.exit_code) == ("fail", InputError.exit_code)
    assert "stops giving samples after 2.0 s" in check.found


def test_values_that_are_no_numbers_are_survived(portaudio: FakePortAudio) -> None:
    def broken(stream: FakeStream) -> None:
        stream.call(np.array([np.nan, np.inf, -np.inf, 0.5] * 160, np.float32))

    found = heard_of(portaudio, iter([broken] * 200))
    assert found.peak_dbfs == pytest.approx(-6.0, abs=0.1)


# --- What it means ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        (heard(noise()), "ok", "16,000 samples/s, -40 dBFS, peak"),
        (heard(noise(), RATE_HZ * 1.009), "ok", "16,144 samples/s"),
        (heard(noise(), RATE_HZ * 0.98), "warn", "15,680 samples/s"),
        (heard(noise(), RATE_HZ * 1.04), "fail", "16,640 samples/s"),
        (heard(np.zeros(48_000, np.float32)), "warn", "nothing but zeros"),
        (heard(noise(1e-6)), "warn", "-120 dBFS"),
        (heard(noise(2e-4)), "ok", "-74 dBFS"),
        (heard(np.clip(noise(1.0), -1, 1)), "warn", "% clipped"),
        (heard(noise(offset=0.02)), "warn", "DC offset +0.020"),
        (heard(noise(offset=0.005)), "ok", "dBFS"),
        (replace(heard(noise()), overflows=2), "warn", "2 overflows"),
    ],
)
def test_what_came_is_judged(found: Heard, status: str, words: str) -> None:
    check = judge(found)
    assert (check.name, check.status) == ("microphone", status)
    assert words in check.found
    assert bool(check.advice) == (status != "ok")


def test_details_of_zeros_can_stand_in_json() -> None:
    details = judge(heard(np.zeros(48_000, np.float32))).details
    assert details["rms_dbfs"] is None
    assert details["zeros_share"] == 1.0


# --- Devices ------------------------------------------------------------------------------------


def test_portaudio_and_the_devices_are_named(portaudio: FakePortAudio) -> None:
    assert sound.check_portaudio().found == "PortAudio of the tests"
    check = sound.check_devices(None)
    assert check.found == "2 input devices; the default one is 'Built-in'"
    assert [device["name"] for device in check.details["devices"]] == ["Built-in", "USB Mic"]
    assert sound.check_devices("usb").details["chosen"] == 2


def test_a_device_that_is_not_there_is_an_input_error(portaudio: FakePortAudio) -> None:
    with pytest.raises(InputError, match="no input device matches 'studio'"):
        sound.check_devices("studio")
    portaudio.devices.clear()
    with pytest.raises(InputError, match="no microphone was found"):
        sound.check_devices(None)


def test_the_microphone_is_opened_as_the_monitor_does_and_closed(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound, "listen", lambda capture: heard(noise()))
    assert sound.check_microphone("usb", 44_100, 2.0).status == "ok"
    options = portaudio.stream.options
    assert (options["device"], options["samplerate"]) == (2, 44_100)
    assert portaudio.stream.closed == 1


def test_a_microphone_is_closed_when_listening_is_interrupted(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(capture: Capture) -> Heard:
        raise KeyboardInterrupt

    monkeypatch.setattr(sound, "listen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sound.check_microphone(None, None, 2.0)
    assert portaudio.stream.closed == 1


def test_a_device_that_does_not_close_is_left_behind(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[None] = []
    monkeypatch.setattr("livetag.audio.portaudio.leave_behind", lambda: left.append(None))
    monkeypatch.setattr(sound, "_CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(sound, "listen", lambda capture: heard(noise()))
    portaudio.answering.clear()
    assert sound.check_microphone(None, None, 2.0).status == "ok"
    portaudio.answering.set()
    assert left == [None]


# --- Recordings ---------------------------------------------------------------------------------


def recorded(path: Path, samples: FloatArray) -> Check:
    soundfile.write(path, samples, 44_100)
    return sound.check_recording(path, None, 1)


def test_a_recording_is_read_at_its_beginning(tmp_path: Path) -> None:
    stereo = np.stack([noise(), noise()], axis=1)
    check = recorded(tmp_path / "noise.wav", stereo)
    assert check.status == "ok"
    assert "44.1 kHz, 2 channels: its first 1.1 s can be read, -40 dBFS" in check.found
    assert check.details["rate_hz"] == 44_100


def test_a_recording_that_holds_nothing_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no audio"):
        recorded(tmp_path / "empty.wav", np.empty(0, np.float32))


def test_the_demo_can_be_read() -> None:
    check = sound.check_demo()
    assert (check.status, check.details["rate_hz"]) == ("ok", 16_000)
