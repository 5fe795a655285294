"""One capture: what PortAudio's callback makes of what it is given."""

import numpy as np
import pytest
from fake_portaudio import CALL_SECONDS, DELAY_SECONDS, RATE_HZ, FakePortAudio, install

from livetag.audio.capture import RING_SECONDS, Capture, captured_again
from livetag.audio.portaudio import find_device, input_devices
from livetag.errors import InputError
from livetag.events import FloatArray

FRAMES = round(CALL_SECONDS * RATE_HZ)


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    return install(monkeypatch)


@pytest.fixture
def capture(portaudio: FakePortAudio) -> Capture:
    return opened("usb")


def opened(name: str) -> Capture:
    capture = Capture(find_device(name, input_devices()), RATE_HZ, stall_seconds=2.0)
    capture.open()
    return capture


def read(capture: Capture) -> list[tuple[int, int, str]]:
    """What the ring holds: samples, lost before them, why."""
    found = []
    while (chunk := capture.ring.read(RATE_HZ)).samples.size or chunk.lost_before:
        found.append((len(chunk.samples), chunk.lost_before, chunk.reason))
    return found


def tone(value: float) -> FloatArray:
    return np.full(FRAMES, value, np.float32)


def test_a_device_opens_with_one_channel_and_is_closed_once(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    stream = portaudio.stream
    wanted = {"device": 2, "channels": 1, "samplerate": RATE_HZ, "dtype": "float32"}
    assert stream.options.items() >= wanted.items()
    assert stream.started
    capture.close()
    capture.close()  # which PortAudio would not survive
    assert stream.closed == 1


def test_a_device_without_mono_opens_with_all_its_channels(portaudio: FakePortAudio) -> None:
    portaudio.refused_channels = {1}
    opened("usb")
    assert [stream.options["channels"] for stream in portaudio.streams] == [1, 2]
    first, second = portaudio.streams
    assert first.closed  # left open it would keep the device busy
    assert second.started


def test_a_device_that_does_not_open_is_an_input_error(portaudio: FakePortAudio) -> None:
    portaudio.refused_channels = {1, 2}
    for name in ("usb", "built-in"):
        with pytest.raises(InputError, match=r"cannot be opened \(Invalid number of channels"):
            opened(name)


def test_channels_become_their_mean(portaudio: FakePortAudio) -> None:
    portaudio.refused_channels = {1}
    capture = opened("usb")
    portaudio.stream.call(np.stack([tone(0.2), tone(0.4)], axis=1))
    assert capture.ring.read(FRAMES).samples == pytest.approx(tone(0.3))


def test_it_is_known_when_samples_were_captured(portaudio: FakePortAudio, capture: Capture) -> None:
    assert capture.first_at is None
    portaudio.stream.call(tone(0.1))
    assert capture.captured_at == pytest.approx(100.0 + CALL_SECONDS - DELAY_SECONDS)
    assert capture.first_at == pytest.approx(100.0 - DELAY_SECONDS)
    portaudio.stream.call(tone(0.2))
    assert capture.first_at == pytest.approx(100.0 - DELAY_SECONDS)
    assert capture.captured_at == pytest.approx(100.0 + 2 * CALL_SECONDS - DELAY_SECONDS)
    capture.ring.read(FRAMES)  # one block is left, captured after what was read
    assert capture.read_until == pytest.approx(100.0 + CALL_SECONDS - DELAY_SECONDS)


def test_an_overflow_is_lost_audio_as_long_as_portaudio_s_clock_says(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    portaudio.stream.call(tone(0.1))
    portaudio.stream.adc_time += 0.5
    portaudio.clock.now += 0.5
    portaudio.stream.call(tone(0.2), overflow=True)
    portaudio.stream.call(tone(0.3), overflow=True)  # of unknown length
    assert read(capture) == [
        (FRAMES, 0, ""),
        (FRAMES, RATE_HZ // 2, "overflow"),
        (FRAMES, 1, "overflow"),
    ]
    assert capture.overflows == 2


def test_no_more_is_lost_than_can_have_been_since_the_last_callback(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    portaudio.stream.call(tone(0.1))
    portaudio.stream.adc_time += 1e6  # a driver whose clock is wrong
    portaudio.stream.call(tone(0.2), overflow=True)
    assert read(capture) == [(FRAMES, 0, ""), (FRAMES, FRAMES, "overflow")]


def test_an_overflow_before_the_first_sample_lost_nothing(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    portaudio.stream.call(tone(0.1), overflow=True)
    assert read(capture) == [(FRAMES, 0, "")]


def test_after_a_stall_nothing_more_is_taken(portaudio: FakePortAudio, capture: Capture) -> None:
    """What a server then delivers at once nobody can date."""
    portaudio.stream.call(tone(0.1))
    portaudio.clock.now += 2.1
    portaudio.stream.deliver(3.0)
    assert capture.stalled
    assert read(capture) == [(FRAMES, 0, "")]
    assert capture.arrived.is_set()


def test_the_machine_s_sleep_is_a_stall(portaudio: FakePortAudio, capture: Capture) -> None:
    portaudio.stream.call(tone(0.1))
    portaudio.clock.slept += 3_600.0
    portaudio.stream.call(tone(0.1))
    assert capture.stalled


def test_a_callback_that_is_a_bit_late_has_lost_nothing(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    portaudio.stream.call(tone(0.1))
    portaudio.clock.now += 1.5
    portaudio.stream.call(tone(0.2))
    assert read(capture) == [(2 * FRAMES, 0, "")]
    assert not capture.stalled


def test_zeros_are_counted_from_the_last_sample_that_was_none(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    portaudio.stream.deliver(1.0, value=0.0)
    assert capture.zeros == RATE_HZ
    portaudio.stream.call(tone(1e-9))
    assert capture.zeros == 0
    portaudio.stream.deliver(0.4, value=0.0)
    assert capture.zeros == round(0.4 * RATE_HZ)


def test_the_reader_is_woken_when_a_block_is_complete_and_at_the_end(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    capture.wake_at = 2 * FRAMES
    portaudio.stream.call(tone(0.1))
    assert not capture.arrived.is_set()
    portaudio.stream.call(tone(0.1))
    assert capture.arrived.is_set()
    capture.arrived.clear()
    portaudio.stream.end()
    assert capture.ended
    assert capture.arrived.is_set()


def test_a_reader_that_fell_behind_loses_what_the_ring_does_not_hold(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    delivered = portaudio.stream.deliver(RING_SECONDS + 2.0)
    found = read(capture)
    assert found[0][2] == "lapped"
    assert sum(samples + lost for samples, lost, _ in found) == delivered


def test_a_capture_begins_again_with_another_portaudio_at_the_same_rate(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    first = portaudio.stream
    first.deliver(1.0)
    portaudio.devices = [{**portaudio.devices[2], "index": 0, "default_samplerate": 44_100.0}]
    following = captured_again(capture, "usb", RATE_HZ)
    assert (first.closed, portaudio.restarts) == (1, 1)
    assert portaudio.stream.options["device"] == 0
    assert (following.rate_hz, following.stall_seconds) == (RATE_HZ, 2.0)
    assert following.ring is capture.ring  # its memory is not asked for again
    assert following.ring.written == 0


def test_a_capture_begins_again_without_another_portaudio_where_that_helps_nothing(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    captured_again(capture, "usb", RATE_HZ, restart=False)
    assert portaudio.restarts == 0
    assert [stream.closed for stream in portaudio.streams] == [1, 0]


def test_portaudio_is_left_alone_while_another_process_does_not_see_the_device(
    portaudio: FakePortAudio, capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = input_devices()
    monkeypatch.setattr("livetag.audio.portaudio.devices_elsewhere", lambda: there[:1])
    with pytest.raises(InputError, match="no input device matches 'usb'"):
        captured_again(capture, "usb", RATE_HZ)
    assert portaudio.restarts == 0
    monkeypatch.setattr("livetag.audio.portaudio.devices_elsewhere", lambda: there)
    captured_again(capture, "usb", RATE_HZ)
    assert portaudio.restarts == 1


def test_a_capture_begins_again_at_the_device_s_rate_where_it_knows_no_other(
    portaudio: FakePortAudio, capture: Capture
) -> None:
    portaudio.devices[2]["default_samplerate"] = 44_100.0
    portaudio.refused_rates = {RATE_HZ}
    assert captured_again(capture, "usb", RATE_HZ).rate_hz == 44_100
    portaudio.refused_rates = {RATE_HZ, 44_100}
    with pytest.raises(InputError, match="Invalid sample rate"):
        captured_again(capture, "usb", RATE_HZ)
