"""The microphone: what is heard of it, and how it is heard again. PortAudio is made up."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fake_portaudio import CALL_SECONDS, DELAY_SECONDS, RATE_HZ, FakePortAudio, device, install

from livetag.audio.outage import LONGEST_RETRY_SECONDS, SHORTEST_RETRY_SECONDS
from livetag.errors import InputError
from livetag.events import AudioBlock
from livetag.sources.microphone import Microphone

FRAMES = round(CALL_SECONDS * RATE_HZ)
Story = Iterator[None]


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    return install(monkeypatch)


class Listening:
    """A microphone that is read while a story goes on: at each `yield` of it, it looks once."""

    def __init__(
        self, portaudio: FakePortAudio, wanted: str | None = "usb", **options: float
    ) -> None:
        self.portaudio = portaudio
        self.microphone = Microphone(wanted, **options)  # type: ignore[arg-type]
        self.troubles: list[str] = []
        self.retries: list[float] = []

    @property
    def probe(self) -> threading.Thread | None:
        """What asks at present which device is the default one."""
        return self.microphone._watch._probe

    def hear(self, story: Callable[[], Story]) -> list[AudioBlock]:
        with self.microphone:
            stop, pages = threading.Event(), story()

            def turn_page(_: threading.Event) -> None:
                self._follow()
                if next(pages, stop) is stop:
                    stop.set()

            self.microphone._wait = turn_page  # type: ignore[method-assign, assignment]
            blocks = list(self.microphone.blocks(stop))
            self._follow()
            return blocks

    def _follow(self) -> None:
        """Let a try to open the device come to its end, unless it hangs."""
        if self.microphone.trouble not in self.troubles[-1:]:
            self.troubles.append(self.microphone.trouble)
        outage = self.microphone._outage
        if outage is not None and outage._try is not None:
            if self.portaudio.answering.is_set():
                outage._try.done.wait()
            if outage.tried_at not in self.retries:
                self.retries.append(outage.tried_at)


def accounted(blocks: list[AudioBlock]) -> int:
    """Samples heard and lost; positions are checked to be where these put them."""
    position = 0
    for block in blocks:
        position += block.lost_before
        assert block.first_sample == position
        position += len(block.samples)
    return position


def lost(blocks: list[AudioBlock]) -> list[tuple[str, float, bool]]:
    """Each gap: why, seconds, whether it goes on."""
    return [
        (block.gap_reason, round(block.lost_before / RATE_HZ, 3), not len(block.samples))
        for block in blocks
        if block.lost_before
    ]


def gone(portaudio: FakePortAudio) -> None:
    portaudio.devices = portaudio.devices[:2]
    portaudio.stream.end()


def back(portaudio: FakePortAudio, index: int = 2) -> None:
    portaudio.devices = [*portaudio.devices[:2], device(index, "USB Mic", 2)]


# --- In good times ------------------------------------------------------------------------------


def test_audio_comes_out_in_order_with_the_time_it_was_captured(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        for number in range(6):
            portaudio.stream.call(np.full(FRAMES, number / 10, np.float32))
        yield

    blocks = listening.hear(story)
    heard = np.concatenate([block.samples for block in blocks])
    assert np.array_equal(heard, np.repeat(np.arange(6, dtype=np.float32) / 10, FRAMES))
    assert [block.first_sample for block in blocks] == [0, 1_280, 2_560]
    assert [block.lost_before for block in blocks] == [0, 0, 0]
    # The newest sample is 0.06 s old: PortAudio says that its buffers take that long.
    assert [block.captured_at for block in blocks] == pytest.approx([100.02, 100.10, 100.18])
    assert [block.behind_s for block in blocks] == pytest.approx([0.16, 0.08, 0.0])
    assert blocks[0].wall_time == pytest.approx(5_100.24 - DELAY_SECONDS - 0.24)
    assert [block.wall_time for block in blocks[1:]] == [None, None]
    assert listening.troubles == [""]
    assert (listening.microphone.failure, listening.microphone.live) == (None, True)


def test_a_block_is_not_torn_and_what_is_there_at_the_end_is_not_lost(
    portaudio: FakePortAudio,
) -> None:
    def story() -> Story:
        portaudio.stream.call(np.full(FRAMES, 0.1, np.float32))
        yield
        portaudio.stream.deliver(2 * CALL_SECONDS)
        yield

    sizes = [len(block.samples) for block in Listening(portaudio).hear(story)]
    assert sizes == [2 * FRAMES, FRAMES]


def test_another_rate_than_the_device_s_own_can_be_asked_for(portaudio: FakePortAudio) -> None:
    with Microphone("usb", 48_000) as microphone:
        assert microphone.rate_hz == 48_000
        assert portaudio.stream.options["samplerate"] == 48_000


def test_a_clock_that_was_set_dates_what_follows_and_is_no_gap(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def story() -> Story:
        portaudio.stream.deliver(0.16)
        yield
        monkeypatch.setattr("time.time", lambda: 90_000.0 + portaudio.clock.now)
        portaudio.stream.deliver(0.16)
        yield

    blocks = Listening(portaudio).hear(story)
    assert lost(blocks) == []
    dates = [block.wall_time for block in blocks if block.wall_time is not None]
    assert dates == pytest.approx([5_100.0 - DELAY_SECONDS, 90_100.16 - DELAY_SECONDS])


def test_samples_that_are_no_numbers_become_silence(portaudio: FakePortAudio) -> None:
    def story() -> Story:
        broken = np.full(FRAMES, 0.5, np.float32)
        broken[:3] = np.nan, np.inf, -np.inf
        portaudio.stream.call(broken)
        yield

    (block,) = Listening(portaudio).hear(story)
    assert block.samples[:4].tolist() == [0.0, 100.0, -100.0, 0.5]


# --- A stream that ends, stalls, or never begins ------------------------------------------------


def test_a_device_that_comes_back_goes_on_after_a_gap_to_the_sample(
    portaudio: FakePortAudio,
) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        gone(portaudio)
        portaudio.clock.now += 0.25
        yield  # it is noticed, told, and tried again
        portaudio.clock.now += 0.75
        back(portaudio, index=7)
        yield
        portaudio.clock.now += SHORTEST_RETRY_SECONDS
        yield  # tried again: it is there
        portaudio.stream.deliver(1.0)
        yield

    began = portaudio.clock.now
    blocks = listening.hear(story)
    assert portaudio.stream.options["device"] == 7
    assert lost(blocks) == [("ended", 0.31, True), ("ended", 1.19, False)]
    assert accounted(blocks) == round((portaudio.clock.now - began) * RATE_HZ)
    assert sum(len(block.samples) for block in blocks) == 2 * RATE_HZ
    resumed = next(block for block in blocks if block.lost_before and len(block.samples))
    assert resumed.wall_time == pytest.approx(5_000.0 + portaudio.clock.now - 1.0 - DELAY_SECONDS)
    assert [trouble[:24] for trouble in listening.troubles] == [
        "",
        "USB Mic is gone: it was ",
        "USB Mic is gone: it was ",
        "",
    ]
    assert "no input device matches 'usb'" in listening.troubles[2]
    assert portaudio.streams[0].closed == 1


def test_a_stall_is_told_at_once_and_what_comes_late_is_not_heard(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.stream.deliver(1.0, 0.1)
        yield
        portaudio.clock.now += 2.25
        yield  # noticed, and opened again
        portaudio.streams[0].deliver(1.0, 0.9)  # a burst from a stream that is over
        portaudio.clock.now -= 1.0
        yield
        portaudio.clock.now += 0.1
        portaudio.stream.deliver(1.0, 0.2)
        yield

    began = portaudio.clock.now
    blocks = listening.hear(story)
    heard = np.concatenate([block.samples for block in blocks])
    assert set(heard.tolist()) == {np.float32(0.1), np.float32(0.2)}
    assert lost(blocks) == [("stalled", 2.31, True), ("stalled", 0.04, False)]
    assert accounted(blocks) == round((portaudio.clock.now - began) * RATE_HZ)
    assert "no samples come from USB Mic" in listening.troubles[1]


def test_a_callback_after_a_stall_that_nobody_noticed_yet_is_noticed_all_the_same(
    portaudio: FakePortAudio,
) -> None:
    def story() -> Story:
        portaudio.stream.deliver(0.4)
        portaudio.clock.now += 5.0
        portaudio.stream.deliver(0.4, 0.9)
        yield
        portaudio.stream.deliver(0.4, 0.2)
        yield

    blocks = Listening(portaudio).hear(story)
    heard = np.concatenate([block.samples for block in blocks])
    assert np.float32(0.9) not in heard
    assert [reason for reason, *_ in lost(blocks)] == ["stalled", "stalled"]


def test_a_server_that_hangs_holds_up_nothing_and_is_told_of(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        portaudio.answering.clear()
        portaudio.clock.now += 3.0
        yield  # noticed; closing hangs
        portaudio.clock.now += 6.0
        yield
        portaudio.clock.now += 60.0
        yield  # a minute later, the gap is told again
        assert len(portaudio.streams) == 1
        portaudio.answering.set()
        yield
        portaudio.clock.now += 0.1
        portaudio.stream.deliver(1.0)
        yield

    blocks = listening.hear(story)
    assert [gap[1:] for gap in lost(blocks)] == [(3.06, True), (66.0, True), (0.04, False)]
    assert "the sound server does not answer: it hangs" in listening.troubles[2]
    assert listening.troubles[-1] == ""


def test_the_machine_s_sleep_is_a_gap_of_that_name(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        portaudio.clock.slept += 3_600.0
        portaudio.stream.call(np.full(FRAMES, 0.9, np.float32))
        yield
        portaudio.clock.now += 0.1
        portaudio.stream.deliver(1.0)
        yield

    blocks = listening.hear(story)
    assert lost(blocks) == [
        ("suspended", 3_600.0 + CALL_SECONDS + DELAY_SECONDS, True),
        ("suspended", 0.04, False),
    ]
    assert blocks[-1].wall_time is None
    assert "the computer slept" in listening.troubles[1]


def test_a_nap_that_is_shorter_than_a_stall_is_a_gap_all_the_same(
    portaudio: FakePortAudio,
) -> None:
    listening = Listening(portaudio, stall_seconds=10.0)

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        portaudio.clock.slept += 8.0
        portaudio.stream.deliver(0.2)  # of which nobody knows when it was recorded
        yield
        portaudio.stream.deliver(1.0)
        yield

    began = portaudio.clock.continuous()
    blocks = listening.hear(story)
    assert {reason for reason, *_ in lost(blocks)} == {"suspended"}
    assert accounted(blocks) == round((portaudio.clock.continuous() - began) * RATE_HZ)


def test_whatever_portaudio_raises_it_is_tried_again(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        with monkeypatch.context() as broken:
            broken.delattr(FakePortAudio, "_terminate")  # as another version may be
            portaudio.stream.end()
            yield
        portaudio.clock.now += SHORTEST_RETRY_SECONDS
        yield
        yield
        portaudio.stream.deliver(1.0)
        yield

    blocks = listening.hear(story)
    assert any("AttributeError" in trouble for trouble in listening.troubles)
    assert sum(len(block.samples) for block in blocks) == 2 * RATE_HZ


def test_a_device_that_gives_no_first_sample_is_opened_again(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.clock.now += 4.0
        yield  # Bluetooth takes its time
        assert len(portaudio.streams) == 1
        portaudio.clock.now += 1.25
        yield
        yield
        assert len(portaudio.streams) == 2
        portaudio.clock.now += 0.1
        portaudio.stream.deliver(1.0)
        yield

    blocks = listening.hear(story)
    assert lost(blocks) == [("stalled", 5.25, True), ("stalled", 0.04, False)]
    assert blocks[0].wall_time == pytest.approx(5_105.25)


def test_tries_come_soon_at_first_and_never_slower_than_every_ten_seconds(
    portaudio: FakePortAudio,
) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        gone(portaudio)
        for _ in range(4 * 600):
            portaudio.clock.now += 0.25
            yield

    blocks = listening.hear(story)
    waits = np.diff(listening.retries)
    assert listening.retries[0] - 101.0 <= 1.0
    assert waits[0] <= SHORTEST_RETRY_SECONDS + 0.25
    assert waits.max() <= 10.0
    assert waits[-1] >= LONGEST_RETRY_SECONDS
    assert np.all(np.diff(waits) >= -0.25)
    assert 100 < len(waits) < 300
    pieces = lost(blocks)
    assert {(reason, ongoing) for reason, _, ongoing in pieces} == {("ended", True)}
    assert sum(seconds for _, seconds, _ in pieces) == pytest.approx(600.06, abs=0.01)
    assert 10 <= len(pieces) <= 12  # one a minute


@pytest.mark.parametrize(
    ("left", "answer"), [(0, "no microphone was found"), (2, "no input device matches 'usb'")]
)
def test_what_a_try_has_come_to_is_told_without_the_advice_of_the_start(
    left: int, answer: str, portaudio: FakePortAudio
) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        portaudio.devices = portaudio.devices[:left]
        portaudio.stream.end()
        yield
        yield
        portaudio.clock.now += 1.0
        yield

    listening.hear(story)
    gone = "USB Mic is gone: it was unplugged, or its server has ended"
    assert listening.troubles[-1] == f"{gone}; trying again: {answer}"


def test_a_device_that_is_back_with_another_rate_is_resampled(portaudio: FakePortAudio) -> None:
    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        portaudio.devices[2]["default_samplerate"] = 48_000.0
        portaudio.refused_rates = {RATE_HZ}
        portaudio.stream.end()
        yield
        yield
        portaudio.clock.now += 0.1
        portaudio.stream.deliver(2.0)
        yield

    blocks = Listening(portaudio).hear(story)
    assert portaudio.stream.options["samplerate"] == 48_000
    heard = sum(len(block.samples) for block in blocks)
    assert heard == pytest.approx(3 * RATE_HZ, abs=0.02 * RATE_HZ)
    accounted(blocks)


def test_an_outage_goes_on_until_the_end_and_is_told_to_the_end(portaudio: FakePortAudio) -> None:
    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        gone(portaudio)
        yield
        portaudio.clock.now += 5.0
        yield

    blocks = Listening(portaudio).hear(story)
    assert lost(blocks) == [("ended", 0.06, True), ("ended", 5.0, True)]


def test_the_end_does_not_wait_for_an_analysis_that_is_far_behind(
    portaudio: FakePortAudio,
) -> None:
    microphone, stop = Microphone("usb", stall_seconds=60.0), threading.Event()
    blocks: list[AudioBlock] = []
    with microphone:
        delivered = portaudio.stream.deliver(20.0)
        began = portaudio.clock.now
        for block in microphone.blocks(stop):
            blocks.append(block)
            if len(block.samples):  # classified, in twice the time that it lasts
                delivered += portaudio.stream.deliver(2 * len(block.samples) / RATE_HZ)
            if not stop.is_set():
                delivered_until_then = delivered
                stop.set()
    assert portaudio.clock.now - began <= 3.0
    assert accounted(blocks) == delivered_until_then
    assert [block.gap_reason for block in blocks if block.lost_before] == ["lapped"]


# --- Nothing but zeros --------------------------------------------------------------------------


def test_exact_zeros_for_too_long_are_no_hearing_until_a_sound_comes(
    portaudio: FakePortAudio,
) -> None:
    listening = Listening(portaudio, zeros_seconds=10.0)

    def story() -> Story:
        portaudio.stream.deliver(9.0, 0.0)
        yield
        assert listening.microphone.trouble == ""
        portaudio.stream.deliver(2.0, 0.0)
        yield  # noticed; opened again
        yield
        portaudio.stream.deliver(3.04, 0.0)  # still zeros: lost
        yield
        portaudio.stream.deliver(0.08, 0.3)  # a sound: heard from its first block on
        yield
        portaudio.stream.deliver(1.0, 0.0)  # and silence after it, for a while
        yield

    blocks = listening.hear(story)
    reasons = [reason for reason, *_ in lost(blocks)]
    assert set(reasons) == {"zeros"}
    assert [ongoing for *_, ongoing in lost(blocks)] == [True, False]
    sound = next(block for block in blocks if block.samples.any())
    assert sound.lost_before == pytest.approx((3.04 - DELAY_SECONDS) * RATE_HZ, abs=2)
    assert sum(len(block.samples) for block in blocks) == pytest.approx(12.08 * RATE_HZ, abs=2)
    assert "exact zeros: is it muted" in listening.troubles[1]
    assert listening.troubles[-1] == ""
    assert len(portaudio.streams) > 1


def test_a_device_of_zeros_has_time_to_give_samples_before_it_is_opened_again(
    portaudio: FakePortAudio,
) -> None:
    listening = Listening(portaudio, zeros_seconds=1.0)

    def story() -> Story:
        portaudio.stream.deliver(2.0, 0.0)
        for _ in range(4 * 30):
            yield
            portaudio.stream.deliver(0.24, 0.0)

    listening.hear(story)
    waits = np.diff(listening.retries)
    assert len(waits) >= 2
    assert waits.min() >= LONGEST_RETRY_SECONDS
    assert waits.max() <= 10.0


def test_a_device_of_zeros_that_goes_is_tried_at_once(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio, zeros_seconds=1.0)

    def story() -> Story:
        portaudio.stream.deliver(2.0, 0.0)
        yield
        yield  # opened again
        portaudio.stream.deliver(0.24, 0.0)
        yield
        portaudio.stream.end()
        yield

    listening.hear(story)
    assert len(listening.retries) == 2
    assert listening.retries[1] - listening.retries[0] < SHORTEST_RETRY_SECONDS


def test_an_outage_that_goes_on_for_another_reason_is_told_for_each(
    portaudio: FakePortAudio,
) -> None:
    listening = Listening(portaudio, zeros_seconds=1.0)

    def story() -> Story:
        portaudio.stream.deliver(2.0, 0.0)
        yield
        yield  # opened again
        portaudio.stream.deliver(5.0, 0.0)
        yield
        portaudio.stream.end()
        yield
        portaudio.clock.now += 3.0
        yield

    began = portaudio.clock.now
    blocks = listening.hear(story)
    told = lost(blocks)
    zeros = sum(seconds for reason, seconds, _ in told if reason == "zeros")
    ended = sum(seconds for reason, seconds, _ in told if reason == "ended")
    assert zeros == pytest.approx(5.0, abs=0.1)
    assert ended == pytest.approx(3.0, abs=0.1)
    assert accounted(blocks) == round((portaudio.clock.now - began + DELAY_SECONDS) * RATE_HZ)


def test_what_was_captured_before_the_outage_was_told_of_is_not_heard_twice(
    portaudio: FakePortAudio,
) -> None:
    """A sound server may hand a new stream what it has kept."""

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        portaudio.stream.end()
        portaudio.clock.now += 1.0
        yield  # told until now
        yield
        portaudio.stream.deliver(1.0)  # of which the first 60 ms are older
        yield

    began = portaudio.clock.now
    blocks = Listening(portaudio).hear(story)
    assert lost(blocks)[-1] == ("ended", 0.0, False)
    heard = sum(len(block.samples) for block in blocks)
    assert heard == (2.0 - DELAY_SECONDS) * RATE_HZ - 1
    assert accounted(blocks) == round((portaudio.clock.now - began) * RATE_HZ)


def test_zeros_of_a_device_that_was_away_count_as_heard(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.stream.deliver(1.0, 0.0)
        yield
        portaudio.stream.end()
        yield
        yield
        portaudio.clock.now += 0.1
        portaudio.stream.deliver(1.0, 0.0)
        yield

    blocks = listening.hear(story)
    assert sum(len(block.samples) for block in blocks) == 2 * RATE_HZ


def test_zeros_may_be_let_pass(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio, zeros_seconds=0.0)

    def story() -> Story:
        for _ in range(20):
            portaudio.stream.deliver(10.0, 0.0)
            yield

    assert lost(listening.hear(story)) == []


# --- Another default device ---------------------------------------------------------------------


def test_another_default_device_is_listened_to(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.audio.watch.DEFAULT_IS_FIXED", True)
    asked = []

    def name_of_default() -> str:
        asked.append(portaudio.clock.now)
        return "USB Mic" if len(asked) > 1 else "Built-in"

    monkeypatch.setattr("livetag.audio.watch.default_elsewhere", name_of_default)
    listening = Listening(portaudio, wanted=None)

    def story() -> Story:
        for second in range(40):
            portaudio.stream.deliver(1.0)
            if listening.probe is not None:
                listening.probe.join()
                portaudio.api_default = [2] if len(asked) > 1 else [0]
            yield
            assert second < 20 or asked

    blocks = listening.hear(story)
    assert [stream.options["device"] for stream in portaudio.streams] == [0, 2]
    assert {reason for reason, *_ in lost(blocks)} == {"default"}
    assert "the default microphone is USB Mic now, no longer Built-in" in listening.troubles[1]
    assert listening.microphone.name == "USB Mic"
    assert 14.0 < asked[1] - asked[0] < 18.0


def test_of_a_device_that_was_named_nobody_asks_which_is_the_default(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.audio.watch.DEFAULT_IS_FIXED", True)
    monkeypatch.setattr("livetag.audio.watch.default_elsewhere", pytest.fail)

    def story() -> Story:
        for _ in range(40):
            portaudio.stream.deliver(1.0)
            yield

    assert lost(Listening(portaudio).hear(story)) == []


# --- A wrong rate -------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "wrong"), [(0.97, False), (0.92, True), (3.0, True)])
def test_a_rate_that_is_not_the_promised_one_is_told(
    portaudio: FakePortAudio, share: float, wrong: bool
) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        while portaudio.clock.now < 165.0:
            before = portaudio.clock.now
            portaudio.stream.deliver(1.0)
            portaudio.clock.now = before + 1.0 / share
            yield

    blocks = listening.hear(story)
    told = [trouble for trouble in listening.troubles if "samples a second" in trouble]
    assert bool(told) == wrong
    assert ("rate" in {reason for reason, *_ in lost(blocks)}) == wrong


def test_a_rate_that_collapses_later_is_told_and_what_is_missing_is_in_the_gap(
    portaudio: FakePortAudio,
) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        for _ in range(65):
            portaudio.stream.deliver(1.0)
            yield
        while portaudio.clock.now < 240.0:  # a trickle, which is no stall
            portaudio.stream.deliver(0.04)
            portaudio.clock.now += 1.46
            yield
        portaudio.stream.deliver(1.0)
        yield

    began = portaudio.clock.now
    blocks = listening.hear(story)
    assert "rate" in {reason for reason, *_ in lost(blocks)}
    assert any("some are missing" in trouble for trouble in listening.troubles)
    passed = portaudio.clock.now - began
    assert accounted(blocks) / RATE_HZ == pytest.approx(passed, abs=60.0)  # a minute is not over
    assert accounted(blocks) / RATE_HZ > 120.0


# --- A device that is required ------------------------------------------------------------------


def test_a_required_device_that_stays_away_is_a_failure(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio, require_seconds=5.0)

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        gone(portaudio)
        portaudio.clock.now += 4.5
        yield
        assert listening.microphone.failure is None
        portaudio.clock.now += 1.0
        yield
        pytest.fail("it goes on")

    blocks = listening.hear(story)
    failure = listening.microphone.failure
    assert isinstance(failure, InputError)
    assert failure.exit_code == 3
    assert "nothing was heard for 6 s, and the microphone is required: USB Mic is" in str(failure)
    assert sum(seconds for _, seconds, _ in lost(blocks)) == pytest.approx(5.56, abs=0.01)


def test_a_required_device_is_waited_for_at_the_start(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices, portaudio.devices = portaudio.devices, []
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        portaudio.clock.now += seconds
        if len(waits) == 4:
            portaudio.devices = devices

    monkeypatch.setattr("time.sleep", sleep)
    said: list[str] = []
    microphone = Microphone("usb", require_seconds=60.0, say=said.append)
    assert microphone.name == "USB Mic"
    assert portaudio.restarts == 1  # once another process has seen it
    assert said == ["no microphone was found; waiting for it"]
    portaudio.devices = []
    with pytest.raises(InputError, match="no microphone was found"):
        Microphone("usb", require_seconds=60.0)
    assert sum(waits[4:]) == pytest.approx(60.0, abs=1.0)


def test_a_required_device_that_is_busy_at_the_start_is_waited_for_while_listening(
    portaudio: FakePortAudio,
) -> None:
    portaudio.refused_channels = {1, 2}
    listening = Listening(portaudio, require_seconds=60.0)

    def story() -> Story:
        portaudio.clock.now += 3.0
        yield
        assert "cannot be opened" in listening.microphone.trouble
        portaudio.refused_channels = set()
        portaudio.clock.now += 1.0
        yield
        yield
        portaudio.stream.deliver(1.0)
        yield

    began = portaudio.clock.now
    blocks = listening.hear(story)
    assert {reason for reason, *_ in lost(blocks)} == {"ended"}
    passed = portaudio.clock.now - DELAY_SECONDS - began
    assert accounted(blocks) == round(passed * RATE_HZ)
    assert sum(len(block.samples) for block in blocks) == RATE_HZ


def test_a_device_that_is_busy_at_the_start_is_an_error(portaudio: FakePortAudio) -> None:
    portaudio.refused_channels = {1, 2}
    with pytest.raises(InputError, match="cannot be opened"), Microphone("usb"):
        pass


def test_without_that_a_missing_device_is_an_error_at_once(portaudio: FakePortAudio) -> None:
    portaudio.devices = []
    with pytest.raises(InputError, match="no microphone was found"):
        Microphone("usb")
    assert portaudio.restarts == 0


# --- Closing ------------------------------------------------------------------------------------


def test_a_stream_whose_server_hangs_is_left_behind(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[object] = []
    monkeypatch.setattr("atexit.unregister", forgotten.append)
    monkeypatch.setattr("livetag.sources.microphone._CLOSE_SECONDS", 0.01)
    with Microphone("usb"):
        portaudio.answering.clear()
    assert forgotten == [portaudio._exit_handler]
    portaudio.answering.set()


def test_a_device_that_is_being_opened_at_the_end_is_closed_too(portaudio: FakePortAudio) -> None:
    listening = Listening(portaudio)

    def story() -> Story:
        portaudio.stream.deliver(1.0)
        yield
        portaudio.stream.end()
        yield

    listening.hear(story)
    assert len(portaudio.streams) == 2
    assert all(stream.closed == 1 for stream in portaudio.streams)
