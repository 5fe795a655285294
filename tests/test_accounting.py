"""Every second is accounted for: what a device delivered was analyzed, or stands in a gap.

A made-up PortAudio delivers audio late, drops some, stalls, vanishes and comes back with another
rate, while analysis takes its time; the microphone, its ring and the pipeline are the real ones.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import FakeClassifier
from fake_portaudio import (
    CALL_SECONDS,
    RATE_HZ,
    FakePortAudio,
    FakeStream,
    device,
    install,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from livetag.audio import capture, portaudio
from livetag.audio.capture import Capture
from livetag.audio.portaudio import Call, T
from livetag.detector import Detector
from livetag.events import AudioBlock, EventEnd, FloatArray, Gap, Item, Level, Scores
from livetag.pipeline import analyze
from livetag.rules import resolve
from livetag.schema import Config
from livetag.sources.microphone import Microphone
from livetag.yamnet.classifier import Prediction
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

RING_SECONDS = 5.0
"""Shorter than the real one's, so that it is often filled."""
OTHER_RATE_HZ = 24_000
FRAMES = round(CALL_SECONDS * RATE_HZ)
STALL_SECONDS = 2.0
ZEROS_SECONDS = 1.0
JITTER_SECONDS = 0.1


@dataclass(frozen=True)
class Happening:
    """Something that goes on for so many seconds; `share`: how much of them, where that says so."""

    what: str
    seconds: float
    share: float = 0.0


class Room:
    """A microphone on which things happen, and what is made of it.

    Time passes where audio is delivered, and while windows are classified.
    """

    def __init__(self, fake: FakePortAudio) -> None:
        self.portaudio = fake
        self.clock = fake.clock
        self.microphone = Microphone(
            "usb", stall_seconds=STALL_SECONDS, zeros_seconds=ZEROS_SECONDS
        )
        self.delivered = self.overflowed = 0
        self.items: list[Item] = []
        self._busy_for_s = self._busy_share = 0.0
        self._value = 0.0

    @property
    def captures(self) -> list[Capture]:
        streams = (stream for stream in self.portaudio.streams if stream.adc_time > 7.0)
        return [stream.options["callback"].__self__ for stream in streams]

    def listen(self, happenings: list[Happening]) -> list[Item]:
        params = Params()
        detector = Detector(resolve(Config(), class_map()), params)
        with self.microphone:
            stop, story = threading.Event(), self._story(happenings)

            def wait(_: threading.Event) -> None:
                """What happens while the worker waits: until the next look at the microphone."""
                if self.microphone._capture is None:
                    self._play(6 * CALL_SECONDS)  # by a stream that is open already, too
                if next(story, stop) is stop:
                    stop.set()

            self.microphone._wait = wait  # type: ignore[method-assign, assignment]
            blocks = self.microphone.blocks(stop)
            rate_hz = self.microphone.rate_hz
            self.items = list(analyze(blocks, rate_hz, Slow(self._work), detector, params))
            self.ended_at = self.clock.continuous()
        return self.items

    def _story(self, happenings: list[Happening]) -> Iterator[None]:
        actions: dict[str, Callable[[Happening], Iterator[None]]] = {
            "sound": self._sound,
            "zeros": self._zeros,
            "late": self._late,
            "overflow": self._overflow,
            "busy": self._busy,
            "vanish": self._vanish,
            "other rate": self._other_rate,
            "sleep": self._sleep,
        }
        self._play(2 * CALL_SECONDS)
        yield
        for happening in happenings:
            yield from actions[happening.what](happening)
            yield
        while self.microphone._capture is None:
            yield
        self._busy_for_s = 0.0
        for _ in range(5):
            self._play(0.2)
            yield

    @property
    def _stream(self) -> FakeStream | None:
        """The stream that delivers; None while there is none."""
        stream = self.portaudio.stream
        owner: Capture = stream.options["callback"].__self__
        return stream if stream.started and not stream.closed and not owner.ended else None

    def _play(self, seconds: float, silent: bool = False, late: bool = False) -> None:
        """Let a device deliver for so long; `late`: all at once, after that time."""
        for _ in range(round(seconds / CALL_SECONDS)):
            if late:
                self.clock.now -= CALL_SECONDS
            stream = self._stream
            if stream is None:
                self.clock.now += CALL_SECONDS
                continue
            frames = round(CALL_SECONDS * stream.options["samplerate"])
            self._value = self._value % 0.5 + 0.001
            value = 0.0 if silent else self._value
            owner: Capture = stream.options["callback"].__self__
            stream.call(np.full(frames, value, np.float32))
            if not owner.stalled:
                self.delivered += frames

    def _sound(self, happening: Happening) -> Iterator[None]:
        for _ in range(round(happening.seconds / 0.2)):
            self._play(0.2)
            yield

    def _zeros(self, happening: Happening) -> Iterator[None]:
        for _ in range(round(happening.seconds / 0.2)):
            self._play(0.2, silent=True)
            yield

    def _late(self, happening: Happening) -> Iterator[None]:
        """No callback comes, then all that are due; or none of them, after too long."""
        stream = self._stream
        self.clock.now += happening.seconds
        if happening.share < 0.5:  # the worker may or may not have a look meanwhile
            yield
        if stream is not None and self._stream is stream:
            owner: Capture = stream.options["callback"].__self__
            if owner.first_at is not None:  # what was not there before it began is not late
                self._play(happening.seconds, late=True)

    def _overflow(self, happening: Happening) -> Iterator[None]:
        """PortAudio has lost some, and says so."""
        stream = self._stream
        if stream is not None:
            rate_hz: int = stream.options["samplerate"]
            missed = round(happening.seconds * rate_hz / 10)
            stream.adc_time += missed / rate_hz
            self.clock.now += missed / rate_hz
            frames = round(CALL_SECONDS * rate_hz)
            stream.call(np.full(frames, 0.1, np.float32), overflow=True)
            self.delivered += frames
            self.overflowed += missed
        yield

    def _busy(self, happening: Happening) -> Iterator[None]:
        """From now on, each window takes a share of two seconds, for so many seconds in all."""
        self._busy_for_s = happening.seconds
        self._busy_share = happening.share
        yield from self._sound(Happening("sound", 2.0))

    def _work(self) -> None:
        """What goes on while a window is classified."""
        if self._busy_for_s > 0.0:
            seconds = 2.0 * self._busy_share
            self._busy_for_s -= seconds
            self._play(seconds)

    def _vanish(self, happening: Happening) -> Iterator[None]:
        stream = self._stream
        if stream is not None:
            stream.end()
        away, self.portaudio.devices = self.portaudio.devices, self.portaudio.devices[:2]
        back_at = self.clock.now + happening.seconds
        yield
        while self.clock.now < back_at:
            self.clock.now += 0.1  # whether or not the worker waits
            yield
        self.portaudio.devices = away

    def _other_rate(self, happening: Happening) -> Iterator[None]:
        """The device is gone, and comes back with another rate alone."""
        rates = {RATE_HZ, OTHER_RATE_HZ}
        (self.portaudio.refused_rates,) = [
            {rate} for rate in rates if {rate} != self.portaudio.refused_rates
        ][:1]
        (rate_hz,) = rates - self.portaudio.refused_rates
        self.portaudio.devices = [
            *self.portaudio.devices[:2],
            device(2, "USB Mic", 2, rate_hz=rate_hz),
        ]
        yield from self._vanish(happening)

    def _sleep(self, happening: Happening) -> Iterator[None]:
        self.clock.slept += happening.seconds
        yield
        self._play(0.2)


class Slow(FakeClassifier):
    """A classifier that takes its time."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self.work = work

    def __call__(self, patch: FloatArray) -> Prediction:
        self.work()
        return super().__call__(patch)


class Prompt(Call[T]):
    """A call that is through as soon as it is made: in a thread it may be through at any moment."""

    def start(self) -> None:
        self.run()


def heard(happenings: list[Happening]) -> Room:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(capture, "RING_SECONDS", RING_SECONDS)
        monkeypatch.setattr(portaudio, "Call", Prompt)
        room = Room(install(monkeypatch))
        room.listen(happenings)
        return room


def seconds(least: float, most: float) -> st.SearchStrategy[float]:
    """In steps of a callback's length, so that all that is lost is a whole number of samples."""
    return st.integers(round(least / CALL_SECONDS), round(most / CALL_SECONDS)).map(
        lambda calls: calls * CALL_SECONDS
    )


def happening(what: str, least: float, most: float) -> st.SearchStrategy[Happening]:
    return st.builds(
        Happening, st.just(what), seconds(least, most), st.sampled_from([0.2, 0.5, 0.8, 1.0])
    )


WHILE_IT_IS_OPEN = st.one_of(
    happening("sound", 0.2, 4.0),
    happening("late", 0.04, STALL_SECONDS - 0.2),
    happening("overflow", 0.04, 3.0),
    happening("busy", 1.0, 20.0),
)
ANYTHING = st.one_of(
    WHILE_IT_IS_OPEN,
    happening("late", STALL_SECONDS + 0.2, 10.0),
    happening("zeros", 0.2, 4.0),
    happening("vanish", 0.04, 130.0),
    happening("other rate", 0.04, 5.0),
    happening("sleep", STALL_SECONDS + 0.2, 100.0),
)


def check_stream(room: Room) -> None:
    """Blocks and gaps follow each other without a break; levels and windows lie where they do."""
    rate_hz = room.microphone.rate_hz
    position, time = 0, -np.inf
    segment_s, gaps_s = 0.0, 0.0
    audio: list[tuple[float, float]] = []
    for item in room.items:
        match item:
            case Gap():
                assert item.start_s == pytest.approx(position / rate_hz, abs=1e-6)
                lost = item.lost_seconds * rate_hz
                assert lost == pytest.approx(round(lost), abs=1e-3)
                assert round(lost) > 0
                position += round(lost)
                gaps_s += item.lost_seconds
                segment_s = position / rate_hz
            case AudioBlock():
                assert item.first_sample == position
                assert len(item.samples)
                position += len(item.samples)
                audio.append((segment_s, position / rate_hz))
            case Scores():
                assert item.start_s >= segment_s - 1e-6
                assert item.start_s < position / rate_hz
            case Level():
                assert item.end_s == position / rate_hz
                assert item.end_s > time
                time = item.end_s
    assert position / rate_hz == pytest.approx(
        gaps_s + sum(len(i.samples) for i in room.items if isinstance(i, AudioBlock)) / rate_hz
    )


def check_all_is_classified(room: Room) -> None:
    """Every part of the audio lies in a window of the segment that it belongs to."""
    rate_hz = room.microphone.rate_hz
    begin_s = end_s = covered_s = 0.0
    for item in [*room.items, Gap(0.0, 0.0, 0.0, "")]:
        match item:
            case Gap():
                assert covered_s >= end_s - 1e-3
                begin_s = end_s = covered_s = item.start_s + item.lost_seconds
            case AudioBlock():
                end_s = (item.first_sample + len(item.samples)) / rate_hz
            case Scores():
                assert item.start_s <= covered_s + 1e-6
                assert item.start_s >= begin_s - 1e-6
                covered_s = item.end_s


def lost(room: Room, reason: str) -> int:
    gaps = (item for item in room.items if isinstance(item, Gap))
    rate_hz = room.microphone.rate_hz
    return sum(round(gap.lost_seconds * rate_hz) for gap in gaps if gap.reason == reason)


@given(st.lists(WHILE_IT_IS_OPEN, max_size=8))
@example([Happening("busy", 60.0, 1.0), Happening("overflow", 0.4), Happening("busy", 60.0, 0.8)])
@settings(derandomize=True, deadline=None, max_examples=60)
def test_what_a_device_delivers_is_analyzed_or_counted_lost_to_the_sample(
    happenings: list[Happening],
) -> None:
    room = heard(happenings)
    check_stream(room)
    check_all_is_classified(room)
    (only,) = room.captures
    assert room.delivered == only.ring.written
    analyzed = sum(len(item.samples) for item in room.items if isinstance(item, AudioBlock))
    gaps = [item for item in room.items if isinstance(item, Gap)]
    assert {gap.reason for gap in gaps} <= {"overflow", "lapped"}
    all_lost = lost(room, "overflow") + lost(room, "lapped")
    assert room.delivered + room.overflowed == analyzed + all_lost


@given(st.lists(ANYTHING, max_size=8))
@settings(derandomize=True, deadline=None, max_examples=80)
def test_whatever_happens_the_stream_is_as_long_as_the_time_that_passed(
    happenings: list[Happening],
) -> None:
    room = heard(happenings)
    check_stream(room)
    check_all_is_classified(room)
    last = max(level.end_s for level in room.items if isinstance(level, Level))
    began = room.captures[0].first_at
    newest = room.captures[-1].captured_at
    assert began is not None
    assert last == pytest.approx(newest - began, abs=JITTER_SECONDS)
    assert room.microphone.trouble == ""
    assert isinstance(room.items[-1], Level | Scores | EventEnd)
