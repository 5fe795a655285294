"""The pace: when less is classified, how much less, and when as much as before again."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetag.pace import (
    BEHIND_SECONDS,
    CALM_SECONDS,
    FRAME_FACTORS,
    KEEPING_UP_SECONDS,
    LONGEST_CALM_SECONDS,
    SETTLING_SECONDS,
    TRIAL_SECONDS,
    WIDEST_HOP_SECONDS,
    Pacing,
    Step,
    steps,
)
from livetag.yamnet.params import Params

BLOCK_SECONDS = 0.08
RING_SECONDS = 30.0
FRAMES = len(FRAME_FACTORS)
Change = tuple[float, Step]


class Overloaded:
    """Analysis on a machine that has less time for it than it takes.

    `load`: of every second, how much the windows would take at the usual pace. Windows left out
    take nothing, all else `rest`. `room`: of every second, how much there is.
    """

    def __init__(self, hop_seconds: float = 0.02, rest: float = 0.02) -> None:
        self.pacing = Pacing(hop_seconds)
        self.rest = rest
        self.now = self.behind_s = self.most_behind_s = self.lost_s = 0.0
        self.changes: list[Change] = []

    def run(self, seconds: float, load: float, room: float = 1.0) -> list[Change]:
        """Let time pass; the changes of pace in it, each with its time."""
        until, before = self.now + seconds, len(self.changes)
        while self.now < until:
            cost = (load / self.pacing.step.every + self.rest) * BLOCK_SECONDS / room
            self.now += max(cost, BLOCK_SECONDS - self.behind_s)
            self.behind_s = max(0.0, self.behind_s + cost - BLOCK_SECONDS)
            if self.behind_s > RING_SECONDS:
                self.lost_s += self.behind_s - 1.0
                self.behind_s = 1.0
            self.most_behind_s = max(self.most_behind_s, self.behind_s)
            if self.pacing.update(self.now, self.behind_s):
                self.changes.append((self.now, self.pacing.step))
        return self.changes[before:]


def everies(changes: list[Change]) -> list[int]:
    return [step.every for _, step in changes]


# --- The steps ----------------------------------------------------------------------------------


def test_first_fewer_windows_are_classified_then_fewer_frames_drawn() -> None:
    assert steps(0.48) == [Step(1), Step(2), Step(2, 4), Step(2, 16)]
    assert [step.every for step in steps(0.02)][:-FRAMES] == [1, 2, 4, 8, 16, 32, 48]
    assert [step.every for step in steps(0.3)][:-FRAMES] == [1, 2, 3]


@pytest.mark.parametrize("hop_seconds", [0.49, 0.96, 1.0, 60.0])
def test_where_fewer_windows_would_leave_audio_out_none_is_left_out(hop_seconds: float) -> None:
    assert [step.every for step in steps(hop_seconds)] == [1] * (1 + FRAMES)


def test_the_widest_steps_still_cover_all_audio() -> None:
    for hop_seconds in (hundredths / 100 for hundredths in range(1, 200)):
        widest = steps(hop_seconds)[-1].every * hop_seconds
        assert widest == hop_seconds or widest < Params().window_seconds
        assert widest > WIDEST_HOP_SECONDS / 2


# --- Under load ---------------------------------------------------------------------------------


def test_analysis_that_keeps_up_is_not_degraded() -> None:
    machine = Overloaded()
    assert machine.run(3_600.0, load=0.97) == []
    assert not machine.pacing.degraded


def test_a_moment_in_which_too_much_waits_for_a_little_is_nothing() -> None:
    pacing = Pacing(0.48)
    for tenth in range(100):
        assert not pacing.update(tenth / 10, BEHIND_SECONDS)


def test_when_too_much_waits_one_step_after_another_is_taken_until_it_helps() -> None:
    machine = Overloaded()
    changes = machine.run(15.0, load=5.0)
    assert everies(changes) == [2, 4, 8]
    assert all(after - before >= SETTLING_SECONDS for (before, _), (after, _) in pairwise(changes))
    assert machine.pacing.degraded


def test_while_a_step_helps_no_other_is_taken() -> None:
    machine = Overloaded()
    assert everies(machine.run(60.0, load=1.3))[:1] == [2]
    assert max(everies(machine.changes)) == 2


def test_a_step_that_helps_too_little_is_followed_by_another() -> None:
    """Half a minute of delay is not to last for an hour."""
    machine = Overloaded(rest=0.0)
    machine.run(4.0, load=20.0)
    machine.run(600.0, load=1.98)  # with every second window one in a hundred seconds is caught up
    assert machine.behind_s < KEEPING_UP_SECONDS


def test_the_ring_is_not_filled_before_all_steps_are_taken() -> None:
    machine = Overloaded(hop_seconds=0.01)
    machine.run(25.0, load=0.25, room=0.021)  # a core that a dozen others have most of
    assert machine.pacing.step == steps(0.01)[-1]
    assert machine.lost_s == 0.0


def test_beyond_the_last_step_nothing_more_happens() -> None:
    machine = Overloaded(hop_seconds=0.48)
    machine.run(600.0, load=20.0)
    assert machine.pacing.step == steps(0.48)[-1]
    assert len(machine.changes) == 1 + FRAMES
    assert machine.lost_s > 0.0


# --- When the load has gone ---------------------------------------------------------------------


def test_when_the_load_has_gone_all_steps_are_taken_back_one_by_one() -> None:
    machine = Overloaded()
    machine.run(15.0, load=5.0)
    calm_from = machine.now
    back = machine.run(100.0, load=0.3)
    assert everies(back) == [4, 2, 1]
    assert not machine.pacing.degraded
    times = [calm_from, *(at for at, _ in back)]
    assert all(after - before >= CALM_SECONDS for before, after in pairwise(times))
    assert times[-1] < calm_from + 60.0
    assert machine.run(3_600.0, load=0.3) == []


def test_a_load_that_stays_is_tried_against_less_and_less_often() -> None:
    """There is time for every second window: each try to classify all of them is a failure."""
    machine = Overloaded()
    machine.run(3_600.0, load=1.3)
    tries = [at for at, step in machine.changes if step.every == 1]
    waits = [round(after - before) for before, after in pairwise(tries)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(LONGEST_CALM_SECONDS, abs=30.0)
    assert len(tries) < 20


def test_after_a_try_that_holds_the_next_is_not_waited_for_any_longer() -> None:
    machine = Overloaded()
    machine.run(1_800.0, load=2.5)
    assert machine.pacing._patience_s == LONGEST_CALM_SECONDS
    begin = machine.now
    back = machine.run(1_000.0, load=0.3)
    assert not machine.pacing.degraded
    assert back[-1][0] - begin < LONGEST_CALM_SECONDS + 2 * TRIAL_SECONDS
    machine.run(15.0, load=1.3)
    assert machine.pacing.degraded
    machine.run(2 * CALM_SECONDS, load=0.3)
    assert not machine.pacing.degraded


@given(
    hop_seconds=st.sampled_from([0.01, 0.02, 0.1, 0.48, 0.96, 5.0]),
    times=st.lists(
        st.tuples(st.floats(0.1, 120.0), st.floats(0.01, 30.0), st.floats(0.05, 1.0)), max_size=8
    ),
)
@settings(derandomize=True, deadline=None, max_examples=50)
def test_whatever_the_load_steps_are_neighbours_and_in_the_end_all_are_taken_back(
    hop_seconds: float, times: list[tuple[float, float, float]]
) -> None:
    machine = Overloaded(hop_seconds)
    for seconds, load, room in times:
        machine.run(seconds, load, room)
    machine.run(2 * LONGEST_CALM_SECONDS + 10 * TRIAL_SECONDS, load=0.1)
    assert not machine.pacing.degraded
    known = steps(hop_seconds)
    taken = [known[0], *(step for _, step in machine.changes)]
    places = [known.index(step) for step in taken]
    assert all(abs(after - before) == 1 for before, after in pairwise(places))
    for (before, _), (after, _) in pairwise(machine.changes):
        assert after - before >= SETTLING_SECONDS


def test_only_the_audio_that_waits_counts_however_it_comes() -> None:
    """The stream may be analyzed in one burst: time is that of its newest audio."""
    pacing = Pacing(0.48)
    assert pacing.update(100.0, 10.0)
    assert [pacing.update(100.0, behind / 10) for behind in range(99, 0, -1)] == [False] * 99
    assert pacing.update(100.0 + CALM_SECONDS + 0.1, 0.0)
