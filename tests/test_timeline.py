"""The account of a stream: as long as the time that passes, to the sample, and rightly dated."""

import numpy as np
import pytest
from fake_portaudio import Clock

from livetag.audio.timeline import Timeline
from livetag.events import AudioBlock, FloatArray

RATE_HZ = 16_000
WALL_AHEAD = 5_000.0  # of the other clocks


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """At 100 s; a test moves it."""
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock.monotonic)
    monkeypatch.setattr("time.clock_gettime", clock.continuous)
    monkeypatch.setattr("time.time", clock.wall)
    return clock


@pytest.fixture
def timeline(clock: Clock) -> Timeline:
    timeline = Timeline(RATE_HZ)
    timeline.begin(clock.now)
    return timeline


def sound(seconds: float) -> FloatArray:
    return np.arange(round(seconds * RATE_HZ), dtype=np.float32)


def heard(timeline: Timeline, clock: Clock, seconds: float) -> AudioBlock:
    """So much is captured, and comes at once."""
    clock.now += seconds
    return timeline.block(timeline.untold(sound(seconds)), clock.now, 0.0)


def come_with_what_was_told_of(timeline: Timeline, clock: Clock) -> None:
    """Have samples come at 102 s whose first quarter of a second was told of as lost already."""
    heard(timeline, clock, 1.0)
    timeline.break_off(clock.now)
    clock.now = 102.0
    timeline.silence(clock.now, "ended")
    timeline.resume(101.75, "ended")


def told(block: AudioBlock) -> tuple[int, int, str, int]:
    return block.first_sample, block.lost_before, block.gap_reason, len(block.samples)


# --- While audio comes --------------------------------------------------------------------------


def test_blocks_follow_each_other_and_the_first_is_dated(timeline: Timeline, clock: Clock) -> None:
    blocks = [heard(timeline, clock, 0.25) for _ in range(3)]
    assert [told(block) for block in blocks] == [(at, 0, "", 4_000) for at in (0, 4_000, 8_000)]
    assert [block.wall_time for block in blocks] == [WALL_AHEAD + 100.0, None, None]
    assert [block.captured_at for block in blocks] == [100.25, 100.5, 100.75]
    assert timeline.position == 12_000


def test_a_block_that_comes_late_has_the_time_of_its_capture(
    timeline: Timeline, clock: Clock
) -> None:
    clock.now += 3.0
    block = timeline.block(sound(0.5), captured_until=101.0, behind_s=2.0)
    assert (block.wall_time, block.captured_at) == (WALL_AHEAD + 100.5, 101.0)
    assert block.behind_s == 2.0


def test_sleep_is_no_time_of_the_monotonic_clock(timeline: Timeline, clock: Clock) -> None:
    """By which the pipeline measures how late it is."""
    clock.slept = 1_000.0
    block = timeline.block(sound(0.5), captured_until=1_099.0, behind_s=0.0)
    assert block.captured_at == 99.0
    assert block.wall_time == WALL_AHEAD + 1_098.5


def test_what_is_lost_is_told_once_with_the_last_reason(timeline: Timeline, clock: Clock) -> None:
    heard(timeline, clock, 0.25)
    timeline.lose(100, "overflow")
    timeline.lose(300, "lapped")
    assert told(heard(timeline, clock, 0.25)) == (4_400, 400, "lapped", 4_000)
    assert told(heard(timeline, clock, 0.25)) == (8_400, 0, "", 4_000)


def test_a_block_after_a_loss_or_a_clock_that_was_set_is_dated(
    timeline: Timeline, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard(timeline, clock, 0.25)
    timeline.lose(4_000, "overflow")
    clock.now += 0.25
    assert heard(timeline, clock, 0.25).wall_time == WALL_AHEAD + 100.5
    for ahead, dated in ((0.4, False), (0.6, True), (0.6, False)):
        monkeypatch.setattr("time.time", lambda ahead=ahead: clock.wall() + ahead)
        assert (heard(timeline, clock, 0.25).wall_time is not None) == dated


def test_what_is_left_out_counts_as_lost_with_what_was_lost_before(
    timeline: Timeline, clock: Clock
) -> None:
    heard(timeline, clock, 0.25)
    timeline.lose(100, "overflow")
    block = timeline.leave_out(900, "lapped")
    assert told(block) == (5_000, 1_000, "lapped", 0)
    assert block.wall_time == clock.wall()
    assert told(heard(timeline, clock, 0.25)) == (5_000, 0, "", 4_000)


# --- While it does not --------------------------------------------------------------------------


def test_an_outage_is_told_in_pieces_and_ends_with_the_first_sample(
    timeline: Timeline, clock: Clock
) -> None:
    heard(timeline, clock, 1.0)
    assert timeline.break_off(101.0) == 101.0
    clock.now = 101.5
    assert told(timeline.silence(clock.now, "stalled")) == (24_000, 8_000, "stalled", 0)
    clock.now = 103.0
    piece = timeline.silence(clock.now, "ended")
    assert told(piece) == (48_000, 24_000, "ended", 0)
    assert piece.wall_time == WALL_AHEAD + 103.0
    timeline.resume(103.25, "ended")
    clock.now = 103.25
    block = heard(timeline, clock, 0.75)
    assert told(block) == (52_000, 4_000, "ended", 12_000)
    assert block.wall_time == WALL_AHEAD + 103.25
    assert timeline.position == (clock.now - 100.0) * RATE_HZ


def test_samples_that_are_older_than_what_was_told_of_are_not_heard_twice(
    timeline: Timeline, clock: Clock
) -> None:
    """A sound server may hand a new stream what it has kept. One sample says that it is a gap."""
    come_with_what_was_told_of(timeline, clock)
    assert len(timeline.untold(sound(0.125))) == 0
    samples = timeline.untold(sound(0.25))
    assert len(samples) == 2_000 - 1
    assert samples[0] == 2_001.0
    clock.now = 102.125
    block = timeline.block(samples, clock.now, 0.0)
    assert told(block) == (32_001, 1, "ended", 1_999)
    assert timeline.position == (clock.now - 100.0) * RATE_HZ


def test_an_outage_before_those_have_all_come_goes_on_where_it_was_told_of(
    timeline: Timeline, clock: Clock
) -> None:
    come_with_what_was_told_of(timeline, clock)
    assert len(timeline.untold(sound(0.125))) == 0
    assert timeline.break_off(101.875) == 102.0
    clock.now = 102.5
    timeline.silence(clock.now, "stalled")
    timeline.resume(102.5, "stalled")
    assert len(timeline.untold(sound(0.125))) == 2_000 - 1
    assert timeline.position == 2.5 * RATE_HZ


def test_what_was_lost_before_an_outage_is_part_of_it(timeline: Timeline, clock: Clock) -> None:
    heard(timeline, clock, 1.0)
    clock.now += 0.5
    timeline.lose(8_000, "overflow")
    assert timeline.break_off(101.5) == 101.0
    assert told(timeline.silence(102.0, "ended")) == (32_000, 16_000, "ended", 0)


def test_what_was_never_delivered_is_part_of_the_outage_too(
    timeline: Timeline, clock: Clock
) -> None:
    """A device that gives half its samples has heard half the time."""
    for _ in range(4):
        timeline.block(sound(0.25), captured_until=clock.now, behind_s=0.0)
        clock.now += 0.5
    assert timeline.break_off(102.0, missing_seconds=1.0) == 101.0
    timeline.silence(102.0, "rate")
    assert timeline.position == (clock.now - 100.0) * RATE_HZ


def test_a_device_that_is_waited_for_at_the_start_is_an_outage_from_then_on(
    timeline: Timeline,
) -> None:
    timeline.begin(103.0)
    assert told(timeline.silence(104.0, "ended")) == (16_000, 16_000, "ended", 0)
    timeline.begin(109.0)  # what has begun stays as it is
    assert told(timeline.silence(110.0, "ended")) == (112_000, 96_000, "ended", 0)
