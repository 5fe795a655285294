"""What the monitor knows at a moment: levels that hold, rankings, rates, what is sounding."""

from dataclasses import replace

import numpy as np
import pytest

from livetag.events import (
    EventAlert,
    EventEnd,
    EventStart,
    Explanation,
    FloatArray,
    Gap,
    Level,
    Pace,
    Scores,
)
from livetag.rules import resolve
from livetag.schema import Config, Rule
from livetag.state import MonitorState
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params

SPEECH, DOG, BARK, MUSIC, SIREN = 0, 69, 70, 132, 390


def state_of(config: Config, labels: ClassMap) -> MonitorState:
    return MonitorState(
        rules=resolve(config, labels),
        params=Params(patch_hop_seconds=0.5),
        source_name="mic",
        rate_hz=48_000,
        started_at=100.0,
    )


@pytest.fixture
def state(labels: ClassMap) -> MonitorState:
    return state_of(Config(threshold=0.6, alert=("Dog=0.3",)), labels)


def level(peak_dbfs: float, end_s: float = 1.0, clipped: bool = False) -> Level:
    return Level(end_s, peak_dbfs - 3.0, peak_dbfs, clipped)


def scores(captured_at: float | None = None, **by_index: float) -> Scores:
    row: FloatArray = np.zeros(521, np.float32)
    for name, score in by_index.items():
        row[int(name[1:])] = score
    return Scores(0.0, 0.975, row, np.zeros(1024, np.float32), -30.0, captured_at)


def start(labels: ClassMap, index: int = DOG, start_s: float = 1.0) -> EventStart:
    return EventStart(labels[index], 1_000.0, start_s, 0.9, 0.3, -30.0, alert=index == DOG)


def end(of: EventStart) -> EventEnd:
    return EventEnd(of, 1_003.0, 3.0, 0.9, 0.9, 4, -30.0, of.alert)


def test_the_peak_is_held_for_a_while_and_then_falls(state: MonitorState) -> None:
    peaks = []
    for now, peak in ((100.0, -6.0), (101.0, -40.0), (102.0, -30.0), (102.1, -35.0), (103.0, -1.0)):
        state.apply(level(peak), now)
        peaks.append(state.peak_dbfs)
    assert peaks == [-6.0, -6.0, -6.0, -35.0, -1.0]
    assert state.level == level(-1.0)


def test_a_clipped_block_is_marked_for_a_while(state: MonitorState) -> None:
    assert not state.clipping
    state.apply(level(0.0, clipped=True), 100.0)
    state.apply(level(-20.0), 101.0)
    state.tick(102.9)
    assert state.clipping
    state.tick(103.1)
    assert not state.clipping


def test_silence_is_counted_from_the_last_audio_or_the_start(state: MonitorState) -> None:
    state.tick(104.0)
    assert state.silent_s == 4.0
    state.apply(level(-20.0, end_s=3.5), 105.0)
    state.apply(scores(), 106.0)  # no audio: it only took its time
    state.tick(107.0)
    assert state.silent_s == 2.0
    assert (state.heard_s, state.uptime_s) == (3.5, 7.0)


def test_classes_are_ranked_by_their_mean_over_the_last_two_seconds(state: MonitorState) -> None:
    assert list(state.top(3)) == []
    state.apply(scores(i390=1.0), 100.0)
    for _ in range(3):
        state.apply(scores(i0=0.6, i69=0.2), 101.0)
    state.apply(scores(i69=0.9), 102.0)
    # Speech 0.45, Dog 0.375; the siren was before these four windows.
    assert list(state.top(3)) == [SPEECH, DOG]  # all others show as 0.00
    assert list(state.top(1)) == [SPEECH]


def test_the_history_is_half_a_minute_oldest_first(state: MonitorState) -> None:
    assert state.history_windows == 60
    assert state.history().shape == (0, 521)
    for number in range(70):
        state.apply(scores(i0=number / 100), 100.0 + number)
    assert state.history()[:, SPEECH] == pytest.approx(np.arange(10, 70) / 100)
    assert state.recent(2)[:, SPEECH] == pytest.approx([0.68, 0.69])
    assert state.windows == 70


def test_the_rate_of_windows_is_that_of_the_last_ten_seconds(state: MonitorState) -> None:
    for number in range(8):
        state.apply(scores(), 100.0 + number / 2)
    state.tick(104.0)
    assert state.windows_per_second == pytest.approx(2.0)
    for number in range(8, 60):
        state.apply(scores(), 100.0 + number / 2)
    state.tick(130.0)
    assert state.windows_per_second == pytest.approx(2.0)
    state.tick(135.0)
    assert state.windows_per_second == pytest.approx(1.0)
    state.tick(150.0)
    assert state.windows_per_second == 0.0


def test_computing_and_latency_are_medians_of_what_was_measured(state: MonitorState) -> None:
    assert (state.compute_s, state.latency_s) == (None, None)
    state.apply(scores(captured_at=99.95), 100.0, worker_seconds=5.0)  # imports included
    assert state.compute_s is None
    for number, used in enumerate((5.002, 5.004, 5.104), start=1):
        state.apply(scores(captured_at=100.0 + number), 100.01 + number, worker_seconds=used)
    assert state.compute_s == pytest.approx(0.002)
    assert state.latency_s == pytest.approx(0.01)


def test_events_sound_until_they_end_and_alerts_are_kept(
    state: MonitorState, labels: ClassMap
) -> None:
    dog, speech = start(labels, DOG), start(labels, SPEECH, start_s=2.5)
    state.apply(dog, 101.0)
    state.apply(speech, 102.0)
    state.apply(level(-20.0, end_s=4.0), 103.0)
    assert list(state.sounding.values()) == [dog, speech]
    assert [state.sounding_for(event) for event in (dog, speech)] == [3.0, 1.5]
    state.apply(end(dog), 104.0)
    assert list(state.sounding.values()) == [speech]
    assert list(state.latest_alerts) == [dog]
    assert (state.events, state.alerts) == (2, 1)


def test_a_late_alert_counts_when_it_comes_and_marks_the_event_that_sounds(
    state: MonitorState, labels: ClassMap
) -> None:
    withheld = replace(start(labels), alert=False, withheld="cooldown 3 s")
    state.apply(withheld, 101.0)
    assert (state.events, state.alerts, list(state.latest_alerts)) == (1, 0, [])
    state.apply(EventAlert(withheld, withheld.label, 1_003.0, 4.0, 0.7), 104.0)
    assert (state.events, state.alerts) == (1, 1)
    (alert,), (sounding,) = state.latest_alerts, state.sounding.values()
    assert (alert.time, alert.score, alert.alert) == (1_003.0, 0.7, True)
    assert sounding.alert
    state.apply(level(-20.0, end_s=6.0), 106.0)
    assert state.sounding_for(sounding) == 5.0  # since the sound began, not the alert
    state.apply(replace(end(withheld), alert=True), 107.0)
    assert state.sounding == {}


def test_a_group_s_late_alert_is_of_the_member_that_is_heard_then(labels: ClassMap) -> None:
    state = state_of(Config(groups={"pets": ("Dog", "Bark")}, alert=("pets",)), labels)
    withheld = replace(start(labels), alert=False, withheld="cooldown 3 s", group="pets")
    state.apply(withheld, 101.0)
    state.apply(EventAlert(withheld, labels[BARK], 1_003.0, 4.0, 0.7), 104.0)
    (alert,) = state.latest_alerts
    assert (alert.label.name, alert.group) == ("Bark", "pets")
    assert [event.label.name for event in state.sounding.values()] == ["Bark"]  # once
    state.apply(replace(end(withheld), alert=True), 107.0)
    assert state.sounding == {}


def test_a_group_and_its_members_sound_and_end_apart(labels: ClassMap) -> None:
    state = state_of(Config(groups={"pets": ("Dog", "Bark")}, alert=("pets", "Dog")), labels)
    dog, bark = start(labels, DOG), start(labels, BARK)
    pets = replace(dog, group="pets")
    for event in (dog, pets, bark):
        state.apply(event, 101.0)
    assert list(state.sounding.values()) == [dog, pets, bark]
    state.apply(end(dog), 102.0)
    assert list(state.sounding.values()) == [pets, bark]
    # The group's next event may be another member's: what it is of is the group.
    state.apply(end(pets), 103.0)
    state.apply(replace(bark, group="pets"), 103.0)
    state.apply(end(bark), 104.0)
    assert list(state.sounding.values()) == [replace(bark, group="pets")]


def test_two_groups_with_one_sound_end_apart(state: MonitorState, labels: ClassMap) -> None:
    pets, noises = (replace(start(labels), group=group) for group in ("pets", "noises"))
    for event in (pets, noises):
        state.apply(event, 101.0)
    state.apply(end(pets), 102.0)
    assert list(state.sounding.values()) == [noises]


def test_events_without_a_clip_are_counted(state: MonitorState) -> None:
    state.leave_unclipped()
    assert state.unclipped == 1
    assert not state.explanations  # an alert is none that was withheld


def test_explanations_are_kept_and_are_no_events(state: MonitorState, labels: ClassMap) -> None:
    told = Explanation(labels[DOG], 1_000.0, 1.0, 0.27, "0.27 of 0.30")
    state.apply(told, 101.0)
    assert list(state.explanations) == [told]
    assert (state.events, state.alerts, state.sounding) == (0, 0, {})


def test_lost_audio_adds_up(state: MonitorState) -> None:
    state.apply(Gap(1_000.0, 1.0, 0.25, "overflow"), 101.0)
    state.apply(Gap(1_001.0, 2.0, 1.5, "stalled"), 102.0)
    assert (state.gaps, state.lost_seconds) == (2, 1.75)


def test_the_pieces_of_an_outage_are_one_gap(state: MonitorState) -> None:
    for start_s, lost_s, ongoing in ((1.0, 2.0, True), (3.0, 60.0, True), (63.0, 0.5, False)):
        state.apply(Gap(1_000.0 + start_s, start_s, lost_s, "ended", ongoing), 101.0)
    assert (state.gaps, state.gap_seconds, state.lost_seconds) == (1, 62.5, 62.5)
    state.apply(Gap(1_070.0, 70.0, 0.25, "overflow"), 102.0)
    assert (state.gaps, state.gap_seconds, state.lost_seconds) == (2, 0.25, 62.75)


def test_where_nothing_was_heard_the_last_half_minute_shows_nothing(state: MonitorState) -> None:
    state.apply(scores(_0=0.9), 100.0)
    state.apply(Gap(1_001.0, 1.0, 2.0, "stalled", ongoing=True), 103.0)
    assert state.recent(4)[:, SPEECH].tolist() == [0.0] * 4  # half a second each
    state.apply(Gap(1_003.0, 3.0, 1.0, "stalled"), 104.0)
    state.apply(scores(_0=0.8), 105.0)
    shown = state.recent(8)[:, SPEECH].tolist()
    assert shown == pytest.approx([0.9] + [0.0] * 6 + [0.8])
    assert state.heard_s == 4.0
    state.apply(Gap(1_004.0, 4.0, 1e6, "suspended"), 106.0)
    assert not state.recent(10_000)[:, SPEECH].any()


# --- Behind -------------------------------------------------------------------------------------


def pace(hop_seconds: float, frame_factor: int = 1, degraded: bool = True) -> Pace:
    return Pace(1_000.0, 50.0, 4.0, hop_seconds, frame_factor, degraded)


def test_the_pace_is_known_while_it_is_not_the_usual_one(state: MonitorState) -> None:
    assert (state.pace, state.frame_factor) == (None, 1)
    state.apply(pace(1.0, 16), 100.0)
    assert (state.pace, state.frame_factor) == (pace(1.0, 16), 16)
    state.apply(pace(0.5, 1, degraded=False), 110.0)
    assert (state.pace, state.frame_factor) == (None, 1)


def test_a_window_stands_for_those_left_out_in_ranking_and_history(state: MonitorState) -> None:
    """Two seconds stay two seconds, and half a minute half a minute."""
    state.apply(scores(i390=1.0), 100.0)
    state.apply(pace(1.0), 100.0)
    state.apply(scores(i0=0.6), 101.0)
    state.apply(scores(i69=0.9), 102.0)
    assert list(state.top(3)) == [DOG, SPEECH]  # the siren was before these two seconds
    assert state.recent(4)[:, SPEECH] == pytest.approx([0.6, 0.6, 0.0, 0.0])
    for number in range(40):
        state.apply(scores(i0=number / 100), 103.0 + number)
    assert state.history()[:, SPEECH] == pytest.approx(np.repeat(np.arange(10, 40), 2) / 100)
    state.apply(pace(0.5, degraded=False), 150.0)
    state.apply(scores(i0=1.0), 150.0)
    assert state.recent(3)[:, SPEECH] == pytest.approx([0.39, 0.39, 1.0])
    assert state.windows == 44


def test_the_rate_of_windows_is_of_those_classified(state: MonitorState) -> None:
    state.apply(pace(1.0), 100.0)
    for number in range(20):
        state.apply(scores(), 100.0 + number)
    state.tick(119.5)
    assert state.windows_per_second == pytest.approx(1.0)


# --- What the rules say -------------------------------------------------------------------------


def test_a_class_has_its_alert_s_threshold_or_the_common_one(state: MonitorState) -> None:
    assert [state.thresholds[index] for index in (DOG, SIREN)] == [0.3, 0.6]
    assert state.alerting == {DOG}


def test_a_group_s_members_have_its_threshold_and_alert(labels: ClassMap) -> None:
    config = Config(
        threshold=0.6,
        alert=(),
        groups={"pets": ("Dog", "Bark"), "unused": ("Siren",)},
        rule=(Rule(group="pets", threshold=0.2),),
    )
    state = state_of(config, labels)
    assert [state.thresholds[index] for index in (DOG, BARK, SIREN)] == [0.2, 0.2, 0.6]
    assert state.alerting == {DOG, BARK}


@pytest.mark.parametrize(
    ("config", "listed"),
    [
        (Config(alert=()), [SPEECH, MUSIC, DOG]),
        (Config(alert=(), ignore=("Speech",)), [MUSIC, DOG]),
        (Config(alert=(), watch=("Music", "Siren")), [MUSIC]),
        (Config(alert=("Dog",), watch=("Music",)), [MUSIC, DOG]),  # what alerts is watched anyway
        (Config(alert=(), watch=("Music", "Dog"), ignore=("Dog",)), [MUSIC]),
        (Config(alert=("pets",), watch=("Music",), groups={"pets": ("Dog",)}), [MUSIC, DOG]),
        (Config(alert=(), watch=("pets",), groups={"pets": ("Dog",)}), [DOG]),
    ],
)
def test_classes_that_are_ignored_or_not_watched_are_not_ranked(
    config: Config, listed: list[int], labels: ClassMap
) -> None:
    state = state_of(config, labels)
    state.apply(scores(i0=0.9, i132=0.8, i69=0.7), 100.0)
    assert list(state.top(10)) == listed
    assert list(state.top(1)) == listed[:1]  # an ignored class takes no room either


def test_what_is_kept_does_not_grow_for_ever(state: MonitorState, labels: ClassMap) -> None:
    for number in range(2_000):
        now = 100.0 + number / 2
        state.apply(scores(captured_at=now), now)
        state.apply(start(labels), now)
        state.apply(Explanation(labels[DOG], now, now, 0.2, "0.20 of 0.30"), now)
        state.notice(str(number), now)
        state.tick(now)
    assert len(state.history()) == 60
    kept = (
        state.latest_alerts,
        state.explanations,
        state.notices,
        state._latencies,
        state._window_times,
    )
    assert all(len(of) <= 100 for of in kept)
    assert state.windows_per_second == pytest.approx(2.0, abs=0.2)
