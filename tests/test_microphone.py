"""The microphone's own logic, with a PortAudio that is made up: no device, no waiting."""

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livetag.cli import main
from livetag.errors import InputError
from livetag.events import AudioBlock, FloatArray
from livetag.sources.microphone import Device, Microphone, find_device, input_devices

RATE_HZ = 16_000
FRAMES = 640  # 40 ms


class PortAudioError(Exception):
    """As sounddevice has it."""


class FakeStream:
    """An input stream that does nothing by itself; `refuse` tells which channels it refuses."""

    def __init__(self, refuse: Callable[[int], bool], **options: Any) -> None:
        self.options = options
        self.started = self.closed = False
        self._refuse = refuse

    def start(self) -> None:
        if self._refuse(self.options["channels"]):
            raise PortAudioError("Invalid number of channels", -9998)
        self.started = True

    def abort(self, ignore_errors: bool = True) -> None:
        self.started = False

    def close(self, ignore_errors: bool = True) -> None:
        self.closed = True


@dataclass
class FakePortAudio:
    """What the microphone uses of the module `sounddevice`."""

    devices: list[dict[str, Any]]
    api_default: list[int] = field(default_factory=lambda: [0])
    set_default: int = -1
    refused_channels: set[int] = field(default_factory=set)
    streams: list[FakeStream] = field(default_factory=list)
    PortAudioError: type[Exception] = PortAudioError

    @property
    def default(self) -> Any:
        return SimpleNamespace(device=[self.set_default, -1])

    def query_devices(self) -> list[dict[str, Any]]:
        return self.devices

    def query_hostapis(self, index: int | None = None) -> Any:
        apis = tuple(
            {"name": f"API {number}", "default_input_device": default}
            for number, default in enumerate(self.api_default)
        )
        return apis if index is None else apis[index]

    def InputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        stream = FakeStream(lambda channels: channels in self.refused_channels, **options)
        self.streams.append(stream)
        return stream


def device(index: int, name: str, channels: int = 1, hostapi: int = 0) -> dict[str, Any]:
    return {
        "index": index,
        "name": name,
        "hostapi": hostapi,
        "max_input_channels": channels,
        "default_samplerate": float(RATE_HZ),
    }


class Clock:
    """A monotonic clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio([device(0, "Built-in"), device(1, "Speakers", 0), device(2, "USB Mic", 2)])
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr("time.time", lambda: 5_000.0 + clock.now)
    return clock


# --- Which device -------------------------------------------------------------------------------


def listed(*names: str, default: int | None = None) -> list[Device]:
    return [
        Device(index, name, "API", 1, RATE_HZ, index == default) for index, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (None, 1),
        ("0", 0),
        ("usb", 2),
        (" Studio ", 2),
        ("built-in", 0),
        ("Mic 2", 1),  # its whole name; a part of another's
    ],
)
def test_a_device_is_chosen_by_index_or_by_any_part_of_its_name(
    wanted: str | None, index: int
) -> None:
    devices = listed("Built-in", "Mic 2", "USB Studio Mic 2", default=1)
    assert find_device(wanted, devices).index == index


def test_a_number_is_an_index_even_where_names_hold_it() -> None:
    assert find_device("1", listed("Mic 1", "Mic 2")).index == 1


@pytest.mark.parametrize(
    ("wanted", "what"),
    [("usb", "several input devices match 'usb'"), ("7", "no input device matches '7'")],
)
def test_none_or_several_devices_is_an_error_that_lists_the_choices(wanted: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        find_device(wanted, listed("Built-in", "USB one", "USB two"))
    assert what in str(caught.value)
    for line in ("0  Built-in", "1  USB one", "2  USB two"):
        assert line in str(caught.value)


def test_without_a_default_device_the_choices_are_listed() -> None:
    with pytest.raises(InputError, match=r"--device:\n  0  Built-in"):
        find_device(None, listed("Built-in"))


def test_without_any_device_the_demo_is_named_but_not_started() -> None:
    with pytest.raises(InputError, match=r"no microphone was found.*--demo") as caught:
        find_device(None, [])
    assert caught.value.exit_code == 3


def test_devices_that_cannot_record_are_no_choice(portaudio: FakePortAudio) -> None:
    portaudio.api_default = [2]
    assert input_devices() == [
        Device(0, "Built-in", "API 0", 1, RATE_HZ, default=False),
        Device(2, "USB Mic", "API 0", 2, RATE_HZ, default=True),
    ]


def test_a_default_that_sounddevice_was_given_counts_first(portaudio: FakePortAudio) -> None:
    portaudio.set_default = 2
    assert [found.index for found in input_devices() if found.default] == [2]


def test_the_default_is_that_of_the_first_system_that_has_one(portaudio: FakePortAudio) -> None:
    """PortAudio lists its sound systems; the first may have no input at all."""
    portaudio.api_default = [-1, 2]
    assert [found.index for found in input_devices() if found.default] == [2]


def test_without_portaudio_the_package_to_install_is_named_and_the_exit_code_is_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class NoPortAudio:
        """Python's import machinery asks it for `sounddevice`."""

        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoPortAudio(), *sys.meta_path])
    for command in (["devices"], ["monitor", "--device", "0"]):
        assert main(command) == 3
        told = capsys.readouterr()
        assert told.out == ""
        assert "libportaudio2" in told.err
        assert "Traceback" not in told.err


# --- Opening and closing ------------------------------------------------------------------------


def test_a_microphone_opens_with_one_channel_and_is_closed(portaudio: FakePortAudio) -> None:
    with Microphone("usb") as microphone:
        assert (microphone.name, microphone.rate_hz) == ("USB Mic", RATE_HZ)
        assert microphone.live  # what nobody takes is lost
        (stream,) = portaudio.streams
        assert stream.started
    assert stream.closed
    wanted = {"device": 2, "channels": 1, "samplerate": RATE_HZ, "dtype": "float32"}
    assert stream.options.items() >= wanted.items()


def test_another_rate_than_the_device_s_own_can_be_asked_for(portaudio: FakePortAudio) -> None:
    with Microphone("usb", 48_000) as microphone:
        assert microphone.rate_hz == 48_000
        assert portaudio.streams[0].options["samplerate"] == 48_000


def test_a_device_without_mono_opens_with_all_its_channels(portaudio: FakePortAudio) -> None:
    portaudio.refused_channels = {1}
    with Microphone("usb"):
        assert [stream.options["channels"] for stream in portaudio.streams] == [1, 2]
        assert portaudio.streams[-1].started


def test_a_stream_that_would_not_start_is_closed(portaudio: FakePortAudio) -> None:
    """Left open it would keep the device busy for the second try, and for other programs."""
    portaudio.refused_channels = {1}
    with Microphone("usb"):
        assert portaudio.streams[0].closed


def test_a_device_that_does_not_open_is_an_input_error(portaudio: FakePortAudio) -> None:
    portaudio.refused_channels = {1, 2}
    for name in ("usb", "built-in"):
        with pytest.raises(InputError, match="cannot be opened") as caught:
            Microphone(name).__enter__()
        assert "Invalid number of channels" in str(caught.value)


# --- What comes in ------------------------------------------------------------------------------


class Capture:
    """A microphone and the callback that feeds it: 40 ms at a time, the clock moving along."""

    def __init__(self, portaudio: FakePortAudio, clock: Clock, channels: int = 1) -> None:
        self.clock = clock
        if channels == 2:
            portaudio.refused_channels = {1}
        self.microphone = Microphone("usb")
        self.microphone.__enter__()
        self._options = portaudio.streams[-1].options
        self.adc_time = 7.0  # PortAudio's own clock

    def call(self, samples: FloatArray, overflow: bool = False) -> None:
        """PortAudio calls back with float32[640] or float32[640, channels]."""
        self.clock.now += len(samples) / RATE_HZ
        timing = SimpleNamespace(inputBufferAdcTime=self.adc_time, currentTime=self.adc_time + 0.1)
        status = SimpleNamespace(input_overflow=overflow)
        data = samples.reshape(len(samples), -1)
        self._options["callback"](data, len(data), timing, status)
        self.adc_time += len(samples) / RATE_HZ

    def stop(self) -> None:
        """PortAudio ends the stream."""
        self._options["finished_callback"]()

    def rest(self) -> list[AudioBlock]:
        """All that is there once the stream has ended."""
        self.stop()
        return list(self.microphone.blocks(threading.Event()))


@pytest.fixture
def capture(portaudio: FakePortAudio, clock: Clock) -> Iterator[Capture]:
    capture = Capture(portaudio, clock)
    yield capture
    capture.microphone.__exit__(None, None, None)


def tone(value: float) -> FloatArray:
    return np.full(FRAMES, value, np.float32)


def test_audio_comes_out_in_order_with_the_time_it_was_captured(capture: Capture) -> None:
    for number in range(6):
        capture.call(tone(number / 10))
    blocks = capture.rest()
    heard = np.concatenate([block.samples for block in blocks])
    assert np.array_equal(heard, np.repeat(np.arange(6, dtype=np.float32) / 10, FRAMES))
    assert [block.first_sample for block in blocks] == [0, 1_280, 2_560]
    assert [block.lost_before for block in blocks] == [0, 0, 0]
    # The newest sample is 0.1 s old: PortAudio says that its buffers take that long.
    assert [block.captured_at for block in blocks] == pytest.approx([100.02, 100.10, 100.18])
    assert blocks[0].wall_time == pytest.approx(5_100.24 - 0.06 - 0.24)
    assert [block.wall_time for block in blocks[1:]] == [None, None]


def test_channels_become_their_mean(portaudio: FakePortAudio, clock: Clock) -> None:
    capture = Capture(portaudio, clock, channels=2)
    capture.call(np.stack([tone(0.2), tone(0.4)], axis=1))
    (block,) = capture.rest()
    assert block.samples == pytest.approx(tone(0.3))


def test_an_overflow_is_lost_audio_as_long_as_portaudio_s_clock_says(capture: Capture) -> None:
    capture.call(tone(0.1))
    capture.adc_time += 0.5
    capture.clock.now += 0.5
    capture.call(tone(0.2), overflow=True)
    before, after = capture.rest()
    assert (before.lost_before, after.lost_before) == (0, RATE_HZ // 2)
    assert after.gap_reason == "overflow"
    assert after.first_sample == FRAMES + RATE_HZ // 2
    assert after.wall_time == pytest.approx(5_000 + capture.clock.now - 0.06 - 0.04)


def test_an_overflow_of_unknown_length_is_told_all_the_same(capture: Capture) -> None:
    capture.call(tone(0.1))
    capture.call(tone(0.2), overflow=True)
    assert [block.lost_before for block in capture.rest()] == [0, 1]


def test_a_device_that_was_silent_for_a_while_has_lost_that_time(capture: Capture) -> None:
    capture.call(tone(0.1))
    capture.clock.now += 3.0  # 3 s of nothing, then audio again, as it is recorded
    for _ in range(20):
        capture.call(tone(0.2))
    before, after, *rest = capture.rest()
    assert np.array_equal(before.samples, tone(0.1))
    assert (after.lost_before, after.gap_reason) == (3 * RATE_HZ, "stalled")
    assert after.first_sample == FRAMES + 3 * RATE_HZ
    assert after.wall_time == pytest.approx(5_000 + capture.clock.now - 0.06 - 0.8)
    assert sum(len(block.samples) for block in (after, *rest)) == 20 * FRAMES


def test_what_comes_in_one_burst_after_a_stall_is_dropped_and_lost(capture: Capture) -> None:
    """Nobody can say when it was recorded, nor whether it was."""
    capture.call(tone(0.1))
    capture.clock.now += 4.0
    for _ in range(75):  # 3 s at once
        capture.call(tone(0.9))
        capture.clock.now -= FRAMES / RATE_HZ
    for _ in range(20):
        capture.call(tone(0.2))
    blocks = capture.rest()
    heard = np.concatenate([block.samples for block in blocks])
    assert np.count_nonzero(heard == np.float32(0.9)) <= RATE_HZ // 5
    assert np.count_nonzero(heard == np.float32(0.2)) == 20 * FRAMES
    assert [bool(block.lost_before) for block in blocks].count(True) == 1
    passed = round((capture.clock.now - 100.0) * RATE_HZ)
    assert blocks[-1].first_sample + len(blocks[-1].samples) == pytest.approx(passed, abs=1_600)


def test_a_stall_shortly_before_the_end_is_counted_too(capture: Capture) -> None:
    capture.call(tone(0.1))
    capture.clock.now += 3.0
    capture.call(tone(0.2))
    assert [block.lost_before for block in capture.rest()] == [0, 3 * RATE_HZ]


def test_two_stalls_in_short_order_are_both_counted(capture: Capture) -> None:
    for value in (0.1, 0.2, 0.3):
        for _ in range(20 if value == 0.3 else 5):
            capture.call(tone(value))
        capture.clock.now += 0.0 if value == 0.3 else 3.0
    blocks = capture.rest()
    assert sum(block.lost_before for block in blocks) == 6 * RATE_HZ
    assert {block.gap_reason for block in blocks} == {"", "stalled"}


def test_an_overflow_just_after_a_stall_is_counted_once(capture: Capture) -> None:
    capture.call(tone(0.1))
    capture.clock.now += 3.0
    capture.call(tone(0.2))
    capture.adc_time += 0.5
    capture.clock.now += 0.5
    capture.call(tone(0.3), overflow=True)
    for _ in range(20):
        capture.call(tone(0.4))
    blocks = capture.rest()
    assert np.array_equal(blocks[0].samples, tone(0.1))  # and nothing from after the stall
    assert sum(block.lost_before for block in blocks) == round(3.5 * RATE_HZ)


def test_a_callback_that_is_a_bit_late_has_lost_nothing(capture: Capture) -> None:
    capture.call(tone(0.1))
    capture.clock.now += 1.5
    capture.call(tone(0.2))
    assert [block.lost_before for block in capture.rest()] == [0]


def test_silence_of_the_device_until_the_end_is_lost_audio(capture: Capture) -> None:
    capture.call(tone(0.1))
    capture.clock.now += 5.0
    heard, nothing = capture.rest()
    assert len(heard.samples) == FRAMES
    assert len(nothing.samples) == 0
    assert (nothing.lost_before, nothing.gap_reason) == (5 * RATE_HZ, "stalled")
    assert nothing.first_sample == FRAMES + 5 * RATE_HZ


def test_a_device_that_never_gave_audio_has_lost_it_all(capture: Capture) -> None:
    capture.clock.now += 4.0
    (nothing,) = capture.rest()
    assert (nothing.lost_before, nothing.gap_reason) == (4 * RATE_HZ, "stalled")


def test_a_worker_that_fell_behind_by_more_than_the_ring_has_lost_audio(capture: Capture) -> None:
    calls = round(31 / 0.04)
    for number in range(calls):
        capture.call(tone(number / 1_000))
    blocks = capture.rest()
    assert blocks[0].gap_reason == "lapped"
    heard = sum(len(block.samples) for block in blocks)
    assert blocks[0].lost_before + heard == calls * FRAMES
    assert blocks[-1].samples[-1] == pytest.approx((calls - 1) / 1_000)
    assert [block.lost_before for block in blocks[1:]] == [0] * (len(blocks) - 1)


def test_a_stream_that_ends_by_itself_is_a_failure_and_one_that_was_stopped_is_none(
    capture: Capture,
) -> None:
    capture.call(tone(0.1))
    stop = threading.Event()
    stop.set()
    assert len(list(capture.microphone.blocks(stop))) == 1  # what was captured is not lost
    assert capture.microphone.failure is None
    capture.rest()
    assert isinstance(capture.microphone.failure, InputError)
    assert "'USB Mic' stopped" in str(capture.microphone.failure)


def test_the_worker_is_woken_when_a_block_is_complete_and_not_before(capture: Capture) -> None:
    arrived = capture.microphone._arrived
    capture.call(tone(0.1))
    assert not arrived.is_set()
    capture.call(tone(0.1))
    assert arrived.is_set()
    assert len(next(capture.microphone.blocks(threading.Event())).samples) == 2 * FRAMES
    assert not arrived.is_set()
