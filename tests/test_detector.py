"""Scores to events: when they start, when they end, what alerts, and what is said of the rest.

Every value that decides is set by the test, or taken from the detector: defaults may change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from deciding import rules_of, scores_of
from hypothesis import given, settings
from hypothesis import strategies as st

from livetag.detection.near import NEAR_SHARE
from livetag.detector import OFFSET_HEARD_SECONDS, ONSET_HEARD_SECONDS, Detector, Found
from livetag.events import Anchor, EventAlert, EventEnd, EventStart, Explanation
from livetag.yamnet.params import Params

BEGAN = 1_000.0
LEVEL_DBFS = -20.0

Heard = Mapping[str, float] | float


class Listener:
    """A detector, the windows that it is given, one each hop, and what it says of them."""

    def __init__(self, hop_seconds: float = 0.5, began: float = BEGAN, **values: Any) -> None:
        self.params = Params(patch_hop_seconds=hop_seconds)
        self.rules = rules_of(**values)
        self.detector = Detector(self.rules, self.params)
        self.anchor = Anchor(stream_s=0.0, unix_time=began)
        self.next_s = 0.0

    def adopt(self, **values: Any) -> None:
        """Have another configuration's rules, as a reload does."""
        self.rules = rules_of(**values)
        self.detector.adopt(self.rules)

    def hear(self, *windows: Heard, level: float = LEVEL_DBFS) -> list[Found]:
        """Go on with these windows: the scores of classes, or the dog's alone."""
        found: list[Found] = []
        for window in windows:
            row = scores_of(**(window if isinstance(window, Mapping) else {"Dog": window}))
            found += self.detector.update(self.next_s, row, level, self.anchor)
            self.next_s = round(self.next_s + self.params.patch_hop_seconds, 6)
        return found

    def finish(self, end_s: float = 1e6) -> list[Found]:
        return list(self.detector.finish(end_s, self.anchor))

    def all_of(self, *windows: Heard, level: float = LEVEL_DBFS) -> list[Found]:
        """What these windows give when nothing comes after them."""
        return self.hear(*windows, level=level) + self.finish()

    def onset_s(self, number: int) -> float:
        """Where a sound begins that was first heard in that window, but for the first of all."""
        hop_seconds = self.params.patch_hop_seconds
        onset_s = self.params.window_seconds - ONSET_HEARD_SECONDS - hop_seconds / 2
        return number * hop_seconds + max(0.0, onset_s)

    def offset_s(self, number: int) -> float:
        """Where a sound ends that was last heard in that window."""
        hop_seconds = self.params.patch_hop_seconds
        offset_s = OFFSET_HEARD_SECONDS + hop_seconds / 2
        return number * hop_seconds + min(self.params.window_seconds, offset_s)


def starts(found: Iterable[Found]) -> list[EventStart]:
    return [one for one in found if isinstance(one, EventStart)]


def ends(found: Iterable[Found]) -> list[EventEnd]:
    return [one for one in found if isinstance(one, EventEnd)]


def alerts(found: Iterable[Found]) -> list[EventAlert]:
    return [one for one in found if isinstance(one, EventAlert)]


def reasons(found: Iterable[Found]) -> list[str]:
    return [f"{one.label.name}: {one.why}" for one in found if isinstance(one, Explanation)]


def kinds(found: Iterable[Found]) -> list[str]:
    return [type(one).__name__ for one in found]


# --- Threshold, release, hold -------------------------------------------------------------------


def test_an_event_starts_with_the_window_that_meets_the_threshold() -> None:
    listener = Listener(threshold=0.5, release=0.2)
    assert listener.hear(0.1, 0.499) == []
    (start,) = listener.hear(0.5)
    assert isinstance(start, EventStart)
    assert (start.label.name, start.score, start.threshold) == ("Dog", 0.5, 0.5)
    assert (start.alert, start.withheld, start.group) == (False, "", "")
    assert start.level_dbfs == LEVEL_DBFS
    assert start.time == pytest.approx(BEGAN + start.start_s)


@pytest.mark.parametrize("score", [0.1, 0.3, 0.7])
def test_a_score_that_float32_cannot_hold_is_met_by_itself(score: float) -> None:
    assert len(Listener(threshold=score, release=score).hear(score)) == 1
    listener = Listener(threshold=1.0, release=score, hold_seconds=0.0)
    assert kinds(listener.hear(1.0, score, score)) == ["EventStart"]


def test_an_event_goes_on_over_the_release_and_ends_under_it() -> None:
    listener = Listener(threshold=0.6, release=0.3, hold_seconds=0.0)
    assert kinds(listener.hear(0.3, 0.7, 0.3, 0.4, 0.3)) == ["EventStart"]
    (end,) = listener.hear(0.29)
    assert isinstance(end, EventEnd)
    assert end.windows == 4
    assert listener.hear(0.5) == []  # over the release, but no event goes on


def test_an_event_ends_when_it_was_under_the_release_for_longer_than_the_hold() -> None:
    listener = Listener(hold_seconds=1.0)
    assert kinds(listener.hear(0.8, 0.6, 0.1, 0.1)) == ["EventStart"]  # a second, and no longer
    (end,) = listener.hear(0.1)
    assert isinstance(end, EventEnd)
    assert end.windows == 2
    assert end.peak_score == pytest.approx(0.8)
    assert end.mean_score == pytest.approx(0.7)
    assert end.end_s == pytest.approx(listener.offset_s(1))
    assert end.end_time == pytest.approx(BEGAN + end.end_s)


def test_a_pause_within_the_hold_is_bridged_and_its_windows_count() -> None:
    found = Listener(hold_seconds=1.0).hear(0.8, 0.2, 0.1, 0.9, 0.1, 0.1, 0.1)
    assert kinds(found) == ["EventStart", "EventEnd"]
    (end,) = ends(found)
    assert end.windows == 4  # those after the last one over the threshold are no part of it
    assert end.mean_score == pytest.approx((0.8 + 0.2 + 0.1 + 0.9) / 4)
    assert end.peak_score == pytest.approx(0.9)


def test_a_sound_that_comes_back_after_the_hold_is_another_event() -> None:
    found = Listener(hold_seconds=1.0).hear(0.8, 0, 0, 0, 0.7)
    assert kinds(found) == ["EventStart", "EventEnd", "EventStart"]
    assert [start.score for start in starts(found)] == pytest.approx([0.8, 0.7])


def test_the_hold_is_not_cut_short_by_how_seconds_add_up() -> None:
    """From 1.2 to 2.2 is a bit more than 1 in floating point: still no longer than a second."""
    assert 1.2 + 10 * 0.1 - 1.2 > 1.0
    listener = Listener(hop_seconds=0.1, hold_seconds=1.0)
    row = np.zeros(521, np.float32)
    row[69] = 0.8
    assert len(list(listener.detector.update(1.2, row, LEVEL_DBFS, listener.anchor))) == 1
    for number in range(1, 11):
        begin_s = 1.2 + number * 0.1
        assert not list(listener.detector.update(begin_s, 0 * row, LEVEL_DBFS, listener.anchor))
    assert len(list(listener.detector.update(2.3, 0 * row, LEVEL_DBFS, listener.anchor))) == 1


def test_classes_are_followed_apart() -> None:
    listener = Listener(hold_seconds=0.0)
    first = listener.hear({"Speech": 0.9, "Dog": 0.9})
    assert [start.label.name for start in starts(first)] == ["Speech", "Dog"]
    (end,) = listener.hear({"Dog": 0.9})
    assert isinstance(end, EventEnd)
    assert end.start.label.name == "Speech"


def test_a_rule_of_its_own_holds_for_its_class_alone() -> None:
    rule = {"label": "Dog", "threshold": 0.3, "release": 0.1, "hold_seconds": 0.0, "alert": False}
    listener = Listener(threshold=0.6, release=0.6, hold_seconds=1.0, rule=[rule])
    (start,) = starts(listener.hear({"Dog": 0.3, "Cat": 0.3}))
    assert (start.label.name, start.threshold) == ("Dog", 0.3)
    assert kinds(listener.hear({"Dog": 0.1, "Cat": 0.6}, {})) == ["EventStart", "EventEnd"]


# --- Confirmation -------------------------------------------------------------------------------


def test_an_event_starts_when_m_of_the_last_n_windows_met_the_threshold() -> None:
    listener = Listener(confirm=(2, 3), release=0.2)
    assert listener.hear(0.8, 0.1, 0.1, 0.8) == []  # four windows apart
    (start,) = listener.hear(0.1, 0.6)
    assert isinstance(start, EventStart)
    assert start.score == pytest.approx(0.6)  # of the window that confirmed it
    assert start.start_s == pytest.approx(listener.onset_s(3))  # but begun with the first


def test_the_windows_that_confirmed_an_event_are_part_of_it() -> None:
    (end,) = ends(Listener(confirm=(2, 3)).all_of(0.9, 0.2, 0.6, 0.7))
    assert end.windows == 4
    assert end.mean_score == pytest.approx((0.9 + 0.2 + 0.6 + 0.7) / 4)
    assert end.peak_score == pytest.approx(0.9)


def test_windows_under_the_threshold_confirm_nothing_though_over_the_release() -> None:
    assert starts(Listener(confirm=(2, 2), release=0.2).hear(0.9, 0.4, 0.9, 0.4, 0.9)) == []


def test_windows_of_an_event_that_has_ended_do_not_confirm_the_next_one() -> None:
    listener = Listener(confirm=(2, 4), hold_seconds=0.0)
    assert kinds(listener.hear(0.9, 0.9, 0.1)) == ["EventStart", "EventEnd"]
    assert listener.hear(0.9) == []
    assert kinds(listener.hear(0.9)) == ["EventStart"]


def test_windows_before_a_gap_do_not_confirm_what_comes_after_it() -> None:
    listener = Listener(confirm=(2, 4))
    assert listener.hear(0.9) + listener.finish() == []
    assert listener.hear(0.9) == []
    assert kinds(listener.hear(0.9)) == ["EventStart"]


def test_short_sounds_are_confirmed_by_one_window_unless_their_rule_says_otherwise() -> None:
    names: dict[str, Any] = {"confirm": (2, 2), "short": ("Dog", "Knock")}
    assert len(starts(Listener(**names).hear({"Dog": 0.9, "Knock": 0.9, "Cat": 0.9}))) == 2
    strict = Listener(**names, rule=[{"label": "Knock", "confirm": [2, 3], "alert": False}])
    (start,) = starts(strict.hear({"Dog": 0.9, "Knock": 0.9}))
    assert start.label.name == "Dog"
    assert [one.label.name for one in starts(strict.hear({"Knock": 0.9}))] == ["Knock"]


# --- A window that is sure ----------------------------------------------------------------------


def test_one_window_that_is_sure_starts_an_event_whatever_confirms_others() -> None:
    listener = Listener(confirm=(3, 4), sure=0.8)
    assert listener.hear(0.0, 0.79, 0.0) == []
    (start,) = starts(listener.hear(0.0, 0.0, 0.8))
    assert start.score == pytest.approx(0.8)
    assert start.start_s == pytest.approx(listener.onset_s(5))


def test_a_sure_window_s_event_begins_with_the_first_that_could_have_confirmed_it() -> None:
    listener = Listener(confirm=(3, 4), sure=0.8)
    assert listener.hear(0.0, 0.6, 0.0) == []
    (start,) = starts(listener.hear(0.9))
    assert start.start_s == pytest.approx(listener.onset_s(1))
    (end,) = ends(listener.finish())
    assert end.windows == 3
    assert end.mean_score == pytest.approx((0.6 + 0.0 + 0.9) / 3)


def test_nothing_under_its_threshold_is_sure() -> None:
    listener = Listener(threshold=0.5, release=0.1, confirm=(2, 2), sure=0.2)
    assert listener.hear(0.2, 0.49) == []
    assert kinds(listener.hear(0.5)) == ["EventStart"]


def test_a_window_that_is_too_quiet_is_not_sure() -> None:
    listener = Listener(confirm=(2, 2), sure=0.6, min_level_dbfs=-45.0)
    assert listener.hear(0.9, level=-46.0) == []
    assert kinds(listener.hear(0.9, level=-45.0)) == ["EventStart"]


def test_a_rule_s_own_score_is_sure_for_its_class_or_group_alone() -> None:
    listener = Listener(
        confirm=(2, 2),
        sure=0.9,
        groups={"birds": ["Bird", "Crow"]},
        rule=[
            {"label": "Dog", "sure": 0.6},
            {"group": "birds", "sure": 0.7},
            {"label": "Siren", "sure": 1.0},
        ],
    )
    found = listener.hear({"Dog": 0.6, "Cat": 0.8, "Bird": 0.69, "Siren": 0.95, "Speech": 0.9})
    assert {start.label.name for start in starts(found)} == {"Dog", "Speech"}
    (start,) = starts(Listener(**birds(0.7)).hear({"Crow": 0.7}))
    assert (start.label.name, start.group) == ("Crow", "birds")


def birds(sure: float) -> dict[str, Any]:
    rule = {"group": "birds", "sure": sure}
    return {"confirm": (2, 2), "groups": {"birds": ["Bird", "Crow"]}, "rule": [rule]}


def test_a_sure_window_starts_the_next_event_right_after_the_last() -> None:
    listener = Listener(confirm=(2, 3), sure=0.8, hold_seconds=0.0)
    found = listener.hear(0.8, 0.0, 0.8, 0.0)
    assert kinds(found) == ["EventStart", "EventEnd"] * 2
    assert [end.windows for end in ends(found)] == [1, 1]


def test_a_sure_sound_that_is_cut_goes_on_as_another_event_at_once() -> None:
    found = Listener(max_seconds=1.0, confirm=(3, 3), sure=0.8).hear(0.9, 0.9, 0.9)
    assert kinds(found) == ["EventStart", "EventEnd", "EventStart"]
    assert starts(found)[1].start_s == ends(found)[0].end_s


def test_a_sure_window_needs_no_explanation_and_one_that_is_not_has_the_windows() -> None:
    values: dict[str, Any] = {"confirm": (2, 2), "sure": 0.8, "alert": ("Dog",)}
    assert reasons(Listener(**values).all_of(0.8)) == []
    assert reasons(Listener(**values).all_of(0.79)) == ["Dog: 1 of 2 windows"]


@given(
    scores=st.lists(st.sampled_from([0.0, 0.4, 0.5, 0.7, 0.8, 1.0]), min_size=1, max_size=40),
    windows=st.integers(1, 5),
    needed=st.integers(1, 5),
    sure=st.sampled_from([0.3, 0.5, 0.8, 1.0]),
)
@settings(derandomize=True, deadline=None, max_examples=150)
def test_an_event_starts_as_soon_as_windows_enough_have_met_or_one_is_sure(
    scores: list[float], windows: int, needed: int, sure: float
) -> None:
    needed = min(needed, windows)
    listener = Listener(confirm=(needed, windows), sure=sure, hold_seconds=0.0)
    began = [number for number, score in enumerate(scores) if starts(listener.hear(score))]
    expected = []
    going_on, countable = False, 0
    for number, score in enumerate(scores):
        if going_on and score < 0.5:
            going_on, countable = False, number + 1
        elif not going_on and score >= 0.5:
            counted = scores[max(countable, number - windows + 1) : number + 1]
            going_on = score >= sure or sum(one >= 0.5 for one in counted) >= needed
            if going_on:
                expected.append(number)
    assert began == expected


# --- The longest event --------------------------------------------------------------------------


def test_a_sound_that_goes_on_too_long_is_cut_and_goes_on_where_it_was_cut() -> None:
    found = Listener(max_seconds=1.0).all_of(0.9, 0.8, 0.7, 0.6, 0.9)
    assert kinds(found) == ["EventStart", "EventEnd"] * 3
    for start, end in zip(starts(found)[1:], ends(found), strict=False):
        assert (start.start_s, start.time) == (end.end_s, end.end_time)
    assert [end.windows for end in ends(found)] == [2, 2, 1]  # each window counts once


def test_a_cut_event_that_alerts_alerts_again() -> None:
    found = Listener(max_seconds=1.0, alert=("Dog",)).hear(0.9, 0.9, 0.9)
    assert [start.alert for start in starts(found)] == [True, True]


def test_a_cut_event_does_not_alert_again_within_the_cooldown() -> None:
    found = Listener(max_seconds=1.0, cooldown_seconds=60.0, alert=("Dog",)).hear(0.9, 0.9, 0.9)
    assert [(start.alert, start.withheld) for start in starts(found)] == [
        (True, ""),
        (False, "cooldown 59 s"),
    ]


def test_the_rest_of_a_cut_event_has_to_be_confirmed_as_any() -> None:
    listener = Listener(max_seconds=1.0, confirm=(2, 2))
    found = listener.hear(0.9, 0.9, 0.9)
    assert kinds(found) == ["EventStart", "EventEnd"]
    (start,) = starts(listener.hear(0.9))
    assert start.start_s == ends(found)[0].end_s


def test_what_is_under_the_threshold_when_it_is_cut_starts_nothing() -> None:
    found = Listener(max_seconds=1.0, release=0.2).all_of(0.9, 0.3, 0.3, 0.3, 0.3)
    assert kinds(found) == ["EventStart", "EventEnd"]


def test_an_event_that_comes_back_after_its_longest_time_ended_with_its_last_window() -> None:
    """The hold bridges a pause of an event; it makes none longer than it may be."""
    listener = Listener(max_seconds=1.0, hold_seconds=5.0)
    first, *_ = ends(listener.all_of(0.9, 0.9, *[0.0] * 6, 0.9))
    assert first.windows == 2
    assert first.end_s == pytest.approx(listener.offset_s(1))


def test_two_events_of_one_label_never_overlap_though_no_hold_parts_them() -> None:
    """A window is longer than a hop: each event would reach into the next one's."""
    listener = Listener(hop_seconds=0.1, hold_seconds=0.0)
    found = listener.all_of(0.0, 0.9, 0.0, 0.9, 0.0, 0.9)
    assert listener.offset_s(1) > listener.onset_s(3)  # which is what it is about
    assert kinds(found) == ["EventStart", "EventEnd"] * 3
    for end, start in zip(ends(found), starts(found)[1:], strict=False):
        assert start.start_s == end.end_s
        assert start.time == pytest.approx(end.end_time)
    other = listener.hear({"Cat": 0.9})
    assert starts(other)[0].start_s < listener.next_s + 1.0


# --- Onset and offset ---------------------------------------------------------------------------


def test_the_first_window_of_all_may_hold_a_sound_from_its_start() -> None:
    listener = Listener()
    assert starts(listener.hear(0.9))[0].start_s == 0.0
    listener.finish(0.975)
    listener.next_s = 30.0
    (start,) = starts(listener.hear(0.9))  # the first after a gap
    assert (start.start_s, start.time) == (30.0, BEGAN + 30.0)


def test_a_later_window_holds_the_end_of_what_has_just_begun() -> None:
    listener = Listener()
    (start,) = starts(listener.hear(0.1, 0.1, 0.9))
    assert start.start_s == pytest.approx(listener.onset_s(2))


def test_an_event_ends_no_later_than_the_stream() -> None:
    listener = Listener()
    listener.hear({"Cat": 0.8, "Dog": 0.8}, {"Cat": 0.8, "Dog": 0.8}, {"Dog": 0.8})
    end_s = (listener.offset_s(1) + listener.offset_s(2)) / 2
    finished = ends(listener.finish(end_s))
    assert {end.start.label.name: end.end_s for end in finished} == {
        "Cat": pytest.approx(listener.offset_s(1)),
        "Dog": end_s,
    }
    assert listener.finish(end_s) == []


@pytest.mark.parametrize("hours", [1.0, -1.0])
@pytest.mark.parametrize("ends_by", ["hold", "cut", "finish"])
def test_a_clock_that_is_set_during_an_event_makes_it_no_longer_and_no_shorter(
    hours: float, ends_by: str
) -> None:
    listener = Listener(hold_seconds=0.0, max_seconds=2.0 if ends_by == "cut" else 1_000.0)
    found = listener.hear(0.9, 0.9)
    listener.anchor = Anchor(0.0, BEGAN + hours * 3_600.0)
    found += listener.hear(0.9, 0.9)
    if ends_by == "finish":
        found += listener.finish(2.0)
    else:
        found += listener.hear(0.9 if ends_by == "cut" else 0.0)
    (end,) = ends(found)
    start = starts(found)[0]
    assert start.time == pytest.approx(BEGAN + start.start_s)
    assert end.end_time - start.time == pytest.approx(end.end_s - start.start_s)
    if ends_by == "cut":  # what comes next has the new clock
        assert starts(found)[1].time == pytest.approx(listener.anchor.time_at(end.end_s))


@given(
    begin=st.floats(2.0, 4.0),
    seconds=st.floats(max(ONSET_HEARD_SECONDS, OFFSET_HEARD_SECONDS), 5.0),
    hop_seconds=st.sampled_from([0.1, 0.24, 0.48]),
)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_onset_and_offset_are_as_exact_as_half_a_hop(
    begin: float, seconds: float, hop_seconds: float
) -> None:
    """Where a sound is heard once so much of its beginning, and while so much of its end, is in."""
    listener = Listener(hop_seconds=hop_seconds, hold_seconds=1.0)
    windows = []
    for number in range(round(11.0 / hop_seconds)):
        start_s = number * hop_seconds
        end_s = start_s + listener.params.window_seconds
        begun = end_s - begin >= ONSET_HEARD_SECONDS
        over = begin + seconds - start_s < OFFSET_HEARD_SECONDS
        windows.append(0.9 if begun and not over else 0.0)
    found = listener.hear(*windows)
    if any(windows):  # a short sound may fall between windows that are far apart
        (start,), (end,) = starts(found), ends(found)
        assert start.start_s == pytest.approx(begin, abs=hop_seconds / 2 + 1e-3)
        assert end.end_s == pytest.approx(begin + seconds, abs=hop_seconds / 2 + 1e-3)


@pytest.mark.parametrize("heard_s", [0.98, 1.0, 1.1, 5.0])
def test_an_event_begins_no_later_than_the_audio_ends(heard_s: float) -> None:
    """A padded window goes on where the audio does not."""
    listener = Listener()
    listener.hear(0.0, 0.0)
    assert listener.onset_s(2) > 1.1
    row = np.zeros(521, np.float32)
    row[69] = 0.9
    found = listener.detector.update(1.0, row, LEVEL_DBFS, listener.anchor, heard_s)
    (start,) = starts(found)
    assert start.start_s == pytest.approx(min(listener.onset_s(2), heard_s))
    assert start.time == pytest.approx(BEGAN + start.start_s)
    (end,) = ends(listener.finish(heard_s))
    assert start.start_s <= end.end_s <= max(start.start_s, heard_s)


def test_an_event_that_is_cut_in_a_padded_window_ends_no_later_than_the_audio() -> None:
    """Nor does the next one begin there."""
    listener = Listener(max_seconds=1.0)
    found = listener.hear(0.9, 0.9)
    assert listener.onset_s(2) > 1.1
    row = np.zeros(521, np.float32)
    row[69] = 0.9
    found += listener.detector.update(1.0, row, LEVEL_DBFS, listener.anchor, 1.1)
    found += listener.finish(1.1)
    assert kinds(found) == ["EventStart", "EventEnd"] * 2
    assert max(start.start_s for start in starts(found)) <= 1.1
    assert max(end.end_s for end in ends(found)) <= 1.1


def test_with_a_hop_longer_than_the_window_an_event_keeps_to_its_windows() -> None:
    listener = Listener(hop_seconds=5.0, hold_seconds=0.0)
    found = listener.hear(0.1, 0.8, 0.1)
    assert starts(found)[0].start_s == 5.0
    assert ends(found)[0].end_s == pytest.approx(5.975)


# --- Alerts and the cooldown --------------------------------------------------------------------


def test_only_what_is_to_alert_alerts() -> None:
    found = Listener(alert=("Dog=0.3",)).hear({"Dog": 0.3, "Cat": 0.9})
    assert {start.label.name: start.alert for start in starts(found)} == {"Dog": True, "Cat": False}
    assert reasons(found) == []


def test_within_the_cooldown_events_are_logged_without_an_alert() -> None:
    listener = Listener(hold_seconds=0.0, cooldown_seconds=41.0, alert=("Dog",))
    first = listener.hear(0.9, 0.0)
    again = listener.hear(0.9, 0.0)
    assert [start.alert for start in starts(first)] == [True]
    assert [(start.alert, start.withheld) for start in starts(again)] == [(False, "cooldown 40 s")]
    assert [end.alert for end in ends(first + again)] == [True, False]
    assert reasons(again) == ["Dog: cooldown 40 s"]


def test_the_cooldown_of_one_class_is_no_other_classs() -> None:
    listener = Listener(hold_seconds=0.0, cooldown_seconds=60.0, alert=("Dog", "Cat"))
    found = listener.hear({"Dog": 0.9}, {"Cat": 0.9}, {"Dog": 0.9})
    assert [(one.label.name, one.alert) for one in starts(found)] == [
        ("Dog", True),
        ("Cat", True),
        ("Dog", False),
    ]


def test_the_cooldown_counts_from_the_last_alert_and_not_from_the_last_event() -> None:
    listener = Listener(hold_seconds=0.0, cooldown_seconds=2.0, alert=("Dog",))
    found = listener.hear(0.9, 0.0, 0.9, 0.0, 0.9, 0.0, 0.9)
    assert [start.alert for start in starts(found)] == [True, False, True, False]


def test_the_cooldown_goes_on_over_a_gap() -> None:
    listener = Listener(cooldown_seconds=10.0, alert=("Dog",))
    listener.hear(0.9)
    listener.finish()
    assert [start.alert for start in starts(listener.hear(0.9))] == [False]
    listener.finish()
    listener.next_s = 10.0
    assert [start.alert for start in starts(listener.hear(0.9))] == [True]


def test_a_sound_that_outlasts_the_cooldown_alerts_when_it_is_over() -> None:
    listener = Listener(hold_seconds=0.0, cooldown_seconds=2.0, alert=("Dog",))
    listener.hear(0.9, 0.0)
    (start,) = starts(listener.hear(0.9))
    assert listener.hear(0.8) == []
    (alert,) = listener.hear(0.7)  # 2 s after the first alert
    assert isinstance(alert, EventAlert)
    assert alert.start == start
    assert (alert.start_s, alert.time) == (2.0, BEGAN + 2.0)
    assert alert.score == pytest.approx(0.7)
    assert listener.hear(*[0.9] * 8) == []  # once
    (end,) = ends(listener.finish())
    assert (end.start.alert, end.alert) == (False, True)


def test_an_alert_does_not_come_in_a_pause_of_the_sound() -> None:
    listener = Listener(hold_seconds=5.0, cooldown_seconds=1.5, alert=("Dog",))
    listener.hear(0.9)
    listener.finish()
    listener.hear(0.9)
    assert listener.hear(0.0, 0.0, 0.0) == []  # the cooldown is over, and nothing is heard
    assert kinds(listener.hear(0.9)) == ["EventAlert"]


def test_a_late_alert_starts_the_cooldown_anew() -> None:
    rule = {"label": "Dog", "unless": ["Music"], "cooldown_seconds": 1.5}
    listener = Listener(hold_seconds=0.0, rule=[rule])
    found = listener.hear({"Dog": 0.9, "Music": 0.9}, 0.9, 0.0, 0.9, 0.9)
    dogs = [start for start in starts(found) if start.label.name == "Dog"]
    assert [start.withheld for start in dogs] == ["while Music", "cooldown 1 s"]
    assert [alert.start_s for alert in alerts(found)] == [0.5, 2.0]


# --- What withholds an alert --------------------------------------------------------------------


def test_an_alert_is_withheld_while_another_sound_goes_on_and_comes_when_it_ends() -> None:
    listener = Listener(hold_seconds=0.0, rule=[{"label": "Dog", "unless": ["Music"]}])
    found = listener.hear({"Music": 0.9}, {"Music": 0.9, "Dog": 0.9})
    (start,) = [one for one in starts(found) if one.label.name == "Dog"]
    assert (start.alert, start.withheld) == (False, "while Music")
    assert reasons(found) == ["Dog: while Music"]
    later = listener.hear({"Dog": 0.9}, {})
    assert [kind for kind in kinds(later) if kind != "EventEnd"] == ["EventAlert"]
    assert {end.start.label.name: end.alert for end in ends(later)} == {"Music": False, "Dog": True}


def test_a_sound_that_begins_in_the_same_window_withholds_too() -> None:
    listener = Listener(rule=[{"label": "Dog", "unless": ["Television"]}])
    found = listener.hear({"Dog": 0.9, "Television": 0.9})  # of a higher index than Dog
    assert [start.withheld for start in starts(found)] == ["while Television", ""]


@pytest.mark.parametrize("leaving_out", [{"ignore": ("Music",)}, {"watch": ("Dog",)}])
def test_what_is_never_reported_withholds_all_the_same(leaving_out: dict[str, Any]) -> None:
    listener = Listener(rule=[{"label": "Dog", "unless": ["Music"]}], **leaving_out)
    found = listener.all_of({"Music": 0.9, "Dog": 0.9})
    assert kinds(found) == ["EventStart", "Explanation", "EventEnd"]
    assert starts(found)[0].withheld == "while Music"


def test_a_group_withholds_by_any_of_its_members() -> None:
    rule = {"label": "Dog", "unless": ["screens"]}
    listener = Listener(groups={"screens": ["Television", "Music"]}, rule=[rule])
    assert starts(listener.hear({"Music": 0.9, "Dog": 0.9}))[0].withheld == "while Music"


def test_outside_its_hours_nothing_alerts_until_they_come() -> None:
    nearly = datetime(2026, 11, 22, 21, 59, 59).timestamp()
    listener = Listener(
        began=nearly, hold_seconds=0.0, hours="22:00-07:00", alert=("Dog",), hop_seconds=0.5
    )
    found = listener.hear(0.9, 0.9)
    assert starts(found)[0].withheld == "outside 22:00-07:00"
    assert reasons(found) == ["Dog: outside 22:00-07:00"]
    (alert,) = listener.hear(0.9)
    assert isinstance(alert, EventAlert)
    assert alert.time == pytest.approx(nearly + 1.0)


DURING_MUSIC: list[dict[str, Any]] = [
    {"label": "Dog", "unless": ["Music"]},
    {"label": "Music", "alert": False, "release": 0.2, "max_seconds": 1.0, "confirm": [2, 2]},
]
"""Music is cut after a second, and has to be confirmed again by two windows."""


@pytest.mark.parametrize(
    "music",
    [
        0.3,  # over the release, under the threshold: no next event comes
        0.9,  # the next event is not confirmed yet
    ],
)
@pytest.mark.parametrize("leaving_out", [{}, {"ignore": ("Music",)}])
def test_a_sound_whose_event_was_cut_withholds_as_long_as_it_goes_on(
    music: float, leaving_out: dict[str, Any]
) -> None:
    listener = Listener(hold_seconds=0.0, rule=DURING_MUSIC, **leaving_out)
    listener.hear({"Music": 0.9}, {"Music": 0.9})
    cut = listener.hear({"Music": music, "Dog": 0.9})
    assert len(ends(cut)) == (not leaving_out)
    (dog,) = [start for start in starts(cut) if start.label.name == "Dog"]
    assert (dog.alert, dog.withheld) == (False, "while Music")
    assert alerts(listener.hear(*[{"Music": music, "Dog": 0.9}] * 9)) == []
    # Over at last, with no event that would have to end first, or with one.
    (alert,) = alerts(listener.hear({"Music": 0.1, "Dog": 0.9}, {"Dog": 0.9}))
    assert alert.label.name == "Dog"


def test_a_sound_that_was_cut_and_came_back_withholds_no_longer_than_its_last_event() -> None:
    listener = Listener(hold_seconds=0.0, rule=DURING_MUSIC)
    listener.hear(*[{"Music": 0.9}] * 4, {})
    (start,) = starts(listener.hear({"Dog": 0.9}))
    assert start.alert


def test_what_was_cut_before_a_gap_does_not_withhold_after_it() -> None:
    """Over the release alone, a sound that may be another withholds nothing."""
    listener = Listener(hold_seconds=0.0, rule=DURING_MUSIC)
    listener.hear({"Music": 0.9}, {"Music": 0.9}, {"Music": 0.3})
    assert starts(listener.hear({"Music": 0.3, "Dog": 0.9}))[0].withheld == "while Music"
    listener.finish()
    assert starts(listener.hear({"Music": 0.3, "Dog": 0.9}))[0].alert


def test_hours_are_those_of_the_anchor_that_holds_now() -> None:
    noon = datetime(2026, 11, 22, 12).timestamp()
    listener = Listener(began=noon, hours="22:00-07:00", alert=("Dog",))
    assert not starts(listener.hear(0.9))[0].alert
    listener.anchor = Anchor(0.0, datetime(2026, 11, 22, 23).timestamp())
    assert kinds(listener.hear(0.9)) == ["EventAlert"]


def test_what_is_quieter_than_its_level_is_no_event() -> None:
    listener = Listener(min_level_dbfs=-45.0, hold_seconds=0.0)
    assert listener.hear(0.9, level=-45.1) == []
    assert listener.hear(0.9, level=float("-inf")) == []
    (start,) = starts(listener.hear(0.9, level=-45.0))
    assert start.level_dbfs == -45.0
    assert kinds(listener.hear(0.9, level=-46.0)) == ["EventEnd"]  # and does not go on as one


def test_the_level_of_an_event_is_its_loudest_windows() -> None:
    listener = Listener(hold_seconds=1.0)
    found = listener.hear(0.9, level=-30.0) + listener.hear(0.8, level=-12.5)
    found += listener.hear(0.0, level=-3.0) + listener.finish()
    assert starts(found)[0].level_dbfs == -30.0
    assert ends(found)[0].level_dbfs == -12.5  # what came after its last window is not its own


def test_an_event_starts_with_the_level_of_the_window_that_confirmed_it() -> None:
    listener = Listener(confirm=(2, 2))
    found = listener.hear(0.9, level=-10.0) + listener.hear(0.9, level=-30.0) + listener.finish()
    assert starts(found)[0].level_dbfs == -30.0
    assert ends(found)[0].level_dbfs == -10.0


@pytest.mark.parametrize("confirm", [(1, 1), (2, 3)])
def test_a_window_that_is_too_quiet_counts_as_one_without_a_score(confirm: tuple[int, int]) -> None:
    """Whether it is bridged, or stands between windows that confirm the event."""
    listener = Listener(min_level_dbfs=-40.0, confirm=confirm)
    found = listener.hear(0.6) + listener.hear(1.0, level=-60.0) + listener.hear(0.6)
    (end,) = ends(found + listener.finish())
    assert end.windows == 3
    assert end.mean_score == pytest.approx((0.6 + 0.0 + 0.6) / 3)
    assert end.peak_score == pytest.approx(0.6)


# --- Groups, watching, ignoring -----------------------------------------------------------------

PETS = {"pets": ["Dog", "Cat", "Bird"]}


def test_a_group_is_heard_as_its_best_member() -> None:
    listener = Listener(groups=PETS, hold_seconds=0.0, rule=[{"group": "pets"}])
    found = listener.hear({"Dog": 0.2, "Cat": 0.7, "Bird": 0.6}, {"Bird": 0.8}, {})
    assert kinds(found) == ["EventStart", "EventEnd"]
    (start,), (end,) = starts(found), ends(found)
    assert (start.label.name, start.group, start.alert) == ("Cat", "pets", True)
    assert start.score == pytest.approx(0.7)
    assert end.windows == 2  # the group goes on
    assert end.peak_score == pytest.approx(0.8)


def test_a_group_whose_best_members_change_has_one_cooldown() -> None:
    listener = Listener(groups=PETS, hold_seconds=0.0, cooldown_seconds=60.0, alert=("pets",))
    found = listener.hear({"Dog": 0.9}, {}, {"Cat": 0.9}, {})
    assert [(one.label.name, one.alert) for one in starts(found)] == [("Dog", True), ("Cat", False)]


def test_a_group_s_late_alert_is_of_the_member_that_is_heard_then() -> None:
    listener = Listener(groups=PETS, hold_seconds=0.0, cooldown_seconds=1.5, alert=("pets",))
    found = listener.hear({"Dog": 0.9}, {}, {"Dog": 0.8, "Cat": 0.6}, {"Dog": 0.6, "Cat": 0.7})
    assert [one.label.name for one in starts(found)] == ["Dog", "Dog"]
    (alert,) = alerts(found)
    assert alert.label.name == "Cat"
    assert alert.score == pytest.approx(0.7)
    assert alert.start.label.name == "Dog"


def test_a_member_with_a_rule_of_its_own_is_followed_by_itself_too() -> None:
    listener = Listener(groups=PETS, alert=("pets", "Dog=0.8"))
    found = listener.hear({"Dog": 0.9})
    assert [(one.group, one.threshold, one.alert) for one in starts(found)] == [
        ("", 0.8, True),
        ("pets", 0.5, True),
    ]


def test_a_group_that_nothing_is_decided_on_changes_nothing() -> None:
    found = Listener(groups=PETS).hear({"Dog": 0.9})
    assert [(one.label.name, one.group) for one in starts(found)] == [("Dog", "")]


def test_a_group_hears_no_member_that_is_ignored() -> None:
    listener = Listener(groups=PETS, ignore=("Cat",), alert=("pets",))
    assert listener.all_of({"Cat": 0.9}) == []
    assert starts(listener.hear({"Cat": 0.9, "Dog": 0.6}))[0].label.name == "Dog"


def test_what_is_not_watched_is_not_told_unless_it_alerts() -> None:
    listener = Listener(watch=("Cat",), alert=("Dog",))
    found = listener.all_of({"Cat": 0.9, "Dog": 0.9, "Bird": 0.9})
    assert {start.label.name for start in starts(found)} == {"Cat", "Dog"}
    assert len(ends(found)) == 2


def test_what_is_ignored_is_not_told_even_if_it_is_watched() -> None:
    assert Listener(ignore=("Dog",), watch=("Dog",)).all_of(0.3, 0.9, 0.3) == []


# --- Explanations -------------------------------------------------------------------------------


def test_a_score_that_came_near_and_went_is_explained_by_its_best_window() -> None:
    listener = Listener(threshold=0.5, hold_seconds=1.0, alert=("Dog",))
    near = NEAR_SHARE * 0.5 + 0.01
    assert listener.hear(near, 0.44, near, 0.0, 0.0) == []  # it may still come
    (explanation,) = listener.hear(0.0)
    assert isinstance(explanation, Explanation)
    assert explanation.label.name == "Dog"
    assert explanation.why == "0.44 of 0.50"
    assert explanation.score == pytest.approx(0.44)
    assert (explanation.start_s, explanation.time) == (0.5, BEGAN + 0.5)
    assert listener.hear(0.0) + listener.finish() == []  # once


def test_a_near_score_that_becomes_an_event_is_not_explained() -> None:
    assert reasons(Listener(alert=("Dog",), confirm=(2, 2)).all_of(0.4, 0.9, 0.9, 0.1)) == []


# --- Rules that change on the way ---------------------------------------------------------------


def test_other_rules_hold_from_the_next_window_on() -> None:
    listener = Listener(threshold=0.8, release=0.1)
    assert listener.hear(0.6) == []
    listener.adopt(threshold=0.5, alert=("Dog",))
    (start,) = starts(listener.hear(0.7))
    assert (start.threshold, start.alert) == (0.5, True)
    listener.adopt(threshold=0.8, release=0.75, hold_seconds=0.0)
    (end,) = ends(listener.hear(0.7))
    assert end.start is start


def test_windows_from_before_count_as_the_other_rules_have_them() -> None:
    listener = Listener(threshold=0.8, release=0.1, confirm=(1, 4))
    listener.hear(0.0, 0.6, 0.6)
    listener.adopt(threshold=0.5, confirm=(3, 4))
    (start,) = starts(listener.hear(0.6))
    assert start.start_s == listener.onset_s(1)
    (end,) = ends(listener.finish())
    assert end.windows == 3


def test_an_event_goes_on_and_does_not_alert_again() -> None:
    listener = Listener(alert=("Dog",))
    (start,) = starts(listener.hear(0.9, 0.9))
    listener.adopt(alert=("Dog", "Cat"), threshold=0.4, release=0.4)
    assert listener.hear(0.9, 0.9) == []
    (end,) = ends(listener.finish())
    assert (end.start, end.windows, end.alert) == (start, 4, True)


def test_a_sound_that_goes_on_is_told_of_as_soon_as_it_is_to_alert() -> None:
    listener = Listener()
    (start,) = starts(listener.hear(0.9, 0.9))
    listener.adopt(alert=("Dog",))
    (alert,) = alerts(listener.hear(0.9))
    assert alert.start is start
    listener.adopt()
    assert [end.alert for end in ends(listener.all_of(0.9))] == [True]  # the user was told


def test_what_is_not_reported_any_more_ends_and_withholds_as_before() -> None:
    rule = {"label": "Dog", "unless": ["Music"]}
    listener = Listener(hold_seconds=0.0, release=0.2, rule=[rule])
    listener.hear({"Music": 0.9}, {"Music": 0.9})
    listener.adopt(hold_seconds=0.0, release=0.2, rule=[rule], ignore=("Music",))
    found = listener.hear({"Music": 0.3, "Dog": 0.9})  # it goes on, but would not begin
    assert [end.start.label.name for end in ends(found)] == ["Music"]
    assert [(one.label.name, one.withheld) for one in starts(found)] == [("Dog", "while Music")]
    listener.adopt(hold_seconds=0.0, release=0.2, rule=[rule], ignore=("Music", "Cat"))
    assert listener.hear({"Music": 0.3, "Dog": 0.9}) == []
    assert kinds(listener.hear({"Dog": 0.9})) == ["EventAlert"]


def test_what_is_reported_from_now_on_begins_now() -> None:
    listener = Listener(ignore=("Dog",), confirm=(2, 3))
    assert listener.hear(0.9, 0.9, 0.9, 0.9) == []
    listener.adopt(confirm=(2, 3))
    assert listener.hear(0.9) == []
    (start,) = starts(listener.hear(0.9))
    assert listener.onset_s(4) <= start.start_s < listener.onset_s(5)
    assert kinds(listener.finish()) == ["EventEnd"]


def test_what_an_ended_event_was_made_of_stays_its_own() -> None:
    rules: dict[str, Any] = {"confirm": (2, 4), "hold_seconds": 0.0}
    listener = Listener(hop_seconds=0.1, **rules)
    (end,) = ends(listener.hear(0.0, 0.9, 0.9, 0.1))
    listener.adopt(**rules, alert=("Dog",))
    assert listener.hear(0.9) == []
    (start,) = starts(listener.hear(0.9))
    assert start.start_s == end.end_s > listener.onset_s(4)


WITH_PETS: dict[str, Any] = {"groups": {"pets": ["Dog", "Cat"]}, "cooldown_seconds": 60.0}
WITH_FELINES: dict[str, Any] = {"groups": {"felines": ["Cat"], "pets": ["Dog", "Cat"]}}


def test_a_group_is_the_same_by_its_name_wherever_it_stands() -> None:
    listener = Listener(**WITH_PETS, alert=("pets",))
    (start,) = starts(listener.hear({"Dog": 0.9}, {"Cat": 0.9}))
    listener.adopt(**WITH_PETS | WITH_FELINES, alert=("felines", "pets"))
    assert listener.hear({"Dog": 0.9}) == []
    (end,) = ends(listener.finish())
    assert (end.start, end.windows) == (start, 3)


@pytest.mark.parametrize(
    ("before", "after"), [(("Dog",), ("pets",)), (("pets",), ("Dog",)), (("pets",), ("others",))]
)
def test_a_sound_that_goes_on_does_not_alert_again_as_another_rule_s(
    before: tuple[str], after: tuple[str]
) -> None:
    listener = Listener(**WITH_PETS, alert=before)
    assert [start.alert for start in starts(listener.hear(0.9, 0.9))] == [True]
    groups = {"groups": {"pets": ["Dog", "Cat"], "others": ["Dog", "Pig"]}}
    listener.adopt(**WITH_PETS | groups, alert=after)
    found = listener.hear(*[0.9] * 10)
    asked = [one for one in starts(found) if (one.group or one.label.name) == after[0]]
    assert [one.withheld[:8] for one in asked] == ["cooldown"]
    assert alerts(found) == []
    listener.next_s = 61.0
    assert len(alerts(listener.hear(0.9))) == 1


def test_other_rules_wait_for_a_window() -> None:
    listener = Listener()
    listener.hear(0.9)
    listener.adopt(ignore=("Dog",))
    assert kinds(listener.finish()) == ["EventEnd"]
    assert listener.hear(0.9) == []


# --- What holds whatever is heard ---------------------------------------------------------------

SCORES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.45, 0.5, 0.6, 0.8, 1.0])
NAMES = ("Dog", "Cat", "Music")


@dataclass(frozen=True)
class Window:
    """One window of a made-up stream; `lost_s`: how much was lost before it."""

    scores: tuple[float, float, float]
    level: float
    lost_s: float


@dataclass
class Log:
    """What a stream gave: each finding with the start of the window that gave it."""

    found: list[tuple[float, Found]] = field(default_factory=list)
    unless_open: list[bool] = field(default_factory=list)  # beside each: whether Music went on

    def of(self, key: str) -> list[tuple[float, Found]]:
        return [(now_s, one) for now_s, one in self.found if key_of(one) == key]


def key_of(one: Found) -> str:
    """What an event is of: its group, or its class."""
    about = one if isinstance(one, EventStart | Explanation) else one.start
    return about.group or about.label.name


STRETCHES = st.tuples(
    st.builds(
        Window,
        scores=st.tuples(SCORES, SCORES, SCORES),
        level=st.sampled_from([-60.0, -20.0]),
        lost_s=st.sampled_from([0.0] * 12 + [0.2, 7.0]),
    ),
    st.integers(0, 4),
)
STREAMS = st.lists(STRETCHES, min_size=1, max_size=25).map(
    lambda stretches: [
        window
        for first, more in stretches
        for window in [first, *[replace(first, lost_s=0.0)] * more]
    ]
)
"""Sounds last: each window may come again a few times."""


@st.composite
def rule_values(draw: st.DrawFn) -> dict[str, Any]:
    threshold = draw(st.sampled_from([0.3, 0.5, 0.8]))
    windows = draw(st.integers(1, 4))
    return {
        "threshold": threshold,
        "release": threshold * draw(st.sampled_from([1.0, 0.6, 0.3])),
        "confirm": (draw(st.integers(1, windows)), windows),
        "sure": draw(st.sampled_from([0.2, 0.6, 0.8, 1.0])),
        "hold_seconds": draw(st.sampled_from([0.0, 0.5, 1.2, 3.0])),
        "max_seconds": draw(st.sampled_from([0.4, 1.0, 2.0, 5.0, 100.0])),
        "cooldown_seconds": draw(st.sampled_from([0.0, 0.7, 3.0, 10.0])),
        "min_level_dbfs": draw(st.sampled_from([-150.0, -40.0])),
        "unless": draw(st.sampled_from([[], ["Music"]])),
    }


def heard(
    listener: Listener, stream: list[Window], changes: Mapping[int, dict[str, Any]] | None = None
) -> Log:
    """Play a made-up stream, gaps included, to a detector.

    `changes`: configurations that take over before the window of that number.
    """
    log = Log()
    music = False
    end_s = 0.0
    for number, window in enumerate(stream):
        if changes and number in changes:
            listener.adopt(**changes[number])
        now_s = listener.next_s
        if window.lost_s:
            gap = [(now_s, one) for one in listener.finish(end_s)]
            listener.next_s = round(end_s + window.lost_s, 6)
        else:
            gap = []
        now_s = listener.next_s
        end_s = now_s + listener.params.window_seconds
        row = dict(zip(NAMES, window.scores, strict=True))
        here = gap + [(now_s, one) for one in listener.hear(row, level=window.level)]
        for _, one in here:
            if key_of(one) == "Music" and isinstance(one, EventStart | EventEnd):
                music = isinstance(one, EventStart)
        log.found += here
        log.unless_open += [music] * len(here)
    last = [(listener.next_s, one) for one in listener.finish(end_s)]
    log.found += last
    log.unless_open += [music] * len(last)
    return log


@given(
    stream=STREAMS,
    values=rule_values(),
    hop_seconds=st.sampled_from([0.1, 0.24, 0.48, 0.96, 2.0]),
)
@settings(derandomize=True, deadline=None, max_examples=250)
def test_whatever_is_heard_events_and_alerts_are_sound(
    stream: list[Window], values: dict[str, Any], hop_seconds: float
) -> None:
    listener = Listener(
        hop_seconds=hop_seconds,
        confirm=(1, 1),
        groups={"pets": ["Cat", "Dog"]},
        rule=[{"label": "Dog", **values}, {"group": "pets", **values}],
        watch=["Music"],
    )
    log = heard(listener, stream)
    assert {key_of(one) for _, one in log.found} <= {"Dog", "pets", "Music"}
    for key in ("Dog", "pets", "Music"):
        events_are_sound(log.of(key))
    for key in ("Dog", "pets"):
        rule_is_kept(log.of(key), values, listener.params)
        alerts_are_sound(log.of(key), values["cooldown_seconds"])
    assert not any(one.alert for _, one in log.of("Music") if isinstance(one, EventStart))
    if values["unless"]:
        for (_, one), music in zip(log.found, log.unless_open, strict=True):
            alerting = isinstance(one, EventAlert) or (isinstance(one, EventStart) and one.alert)
            assert not (alerting and music)


@given(
    stream=STREAMS,
    values=rule_values(),
    others=rule_values(),
    at=st.lists(st.integers(0, 60), max_size=4),
)
@settings(derandomize=True, deadline=None, max_examples=150)
def test_whenever_rules_change_events_and_alerts_are_sound(
    stream: list[Window], values: dict[str, Any], others: dict[str, Any], at: list[int]
) -> None:
    """Cooldowns are those of the rules in force; the shorter one holds in any case."""

    def configuration(which: int) -> dict[str, Any]:
        chosen = (values, others)[which % 2]
        rules = [{"label": "Dog", **chosen}, {"group": "pets", **chosen}]
        groups = [{"pets": ["Cat", "Dog"]}, {"noises": ["Music"], "pets": ["Cat", "Dog"]}]
        kept = rules if which < 2 else rules[:1]
        return {"confirm": (1, 1), "groups": groups[which % 2], "rule": kept, "watch": ["Music"]}

    listener = Listener(**configuration(0))
    log = heard(listener, stream, {number: configuration(1 + i) for i, number in enumerate(at)})
    for key in ("Dog", "pets", "Music", "Cat"):
        events_are_sound(log.of(key))
    cooldown_seconds = min(values["cooldown_seconds"], others["cooldown_seconds"])
    for key in ("Dog", "pets"):
        told = [
            now_s
            for now_s, one in log.of(key)
            if isinstance(one, EventAlert) or (isinstance(one, EventStart) and one.alert)
        ]
        assert all(later - earlier >= cooldown_seconds - 1e-6 for earlier, later in pairwise(told))


@given(stream=STREAMS, values=rule_values(), at=st.lists(st.integers(0, 60), max_size=4))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_the_same_rules_anew_change_nothing(
    stream: list[Window], values: dict[str, Any], at: list[int]
) -> None:
    same: dict[str, Any] = {
        "groups": {"pets": ["Cat", "Dog"]},
        "rule": [{"label": "Dog", **values}, {"group": "pets", **values}],
        "alert": ("Music",),
    }
    undisturbed = heard(Listener(**same), stream)
    assert heard(Listener(**same), stream, dict.fromkeys(at, same)) == undisturbed


def events_are_sound(found: list[tuple[float, Found]]) -> None:
    """Each start has one end, no two events overlap, and their figures make sense."""
    records = [one for _, one in found if isinstance(one, EventStart | EventEnd)]
    assert kinds(records) == ["EventStart", "EventEnd"] * (len(records) // 2)
    before_s = 0.0
    for start, end in zip(starts(records), ends(records), strict=True):
        assert end.start is start
        assert before_s <= start.start_s + 1e-9
        assert start.start_s <= end.end_s
        before_s = end.end_s
        assert end.windows >= 1
        assert end.peak_score >= end.mean_score - 1e-9
        assert end.peak_score >= start.score
        assert start.score >= np.float32(start.threshold)
        assert end.level_dbfs >= start.level_dbfs


def rule_is_kept(
    found: list[tuple[float, Found]], values: Mapping[str, Any], params: Params
) -> None:
    """No event is shorter than its confirmation, longer than it may be, or too quiet."""
    confirmed_s = values["confirm"][1] * params.patch_hop_seconds  # it is not cut before that
    longest_s = max(values["max_seconds"], confirmed_s)
    longest_s += params.window_seconds + params.patch_hop_seconds
    for end in ends(one for _, one in found):
        sure = np.float32(end.start.score) >= np.float32(values["sure"])
        assert sure or end.windows >= values["confirm"][0]
        assert end.end_s - end.start.start_s <= longest_s
        assert end.start.level_dbfs >= values["min_level_dbfs"]


def alerts_are_sound(found: list[tuple[float, Found]], cooldown_seconds: float) -> None:
    """Alerts keep their cooldown; a late one belongs to an event that was withheld, and once."""
    told: list[float] = []
    open_: EventStart | None = None
    alerted = False
    for now_s, one in found:
        match one:
            case EventStart():
                open_, alerted = one, one.alert
                assert one.alert == (not one.withheld)
            case EventAlert():
                assert one.start is open_
                assert not alerted
                assert one.start_s == now_s
                alerted = True
            case EventEnd():
                assert one.alert == alerted
            case Explanation():
                assert one.why
        if isinstance(one, EventAlert) or (isinstance(one, EventStart) and one.alert):
            told.append(now_s)
    assert all(later - earlier >= cooldown_seconds - 1e-6 for earlier, later in pairwise(told))


@given(
    scores=st.lists(SCORES, min_size=1, max_size=50),
    threshold=st.sampled_from([0.3, 0.5, 0.8]),
    share=st.sampled_from([1.0, 0.6, 0.3]),
    hold=st.integers(0, 4),
)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_events_are_those_that_looking_at_all_scores_at_once_gives(
    scores: list[float], threshold: float, share: float, hold: int
) -> None:
    release = threshold * share
    listener = Listener(threshold=threshold, release=release, hold_seconds=0.5 * hold)
    found = listener.all_of(*scores)
    expected = events_in(np.asarray(scores, np.float32), threshold, release, hold)
    assert [end.windows for end in ends(found)] == [last - first + 1 for first, last in expected]
    assert [end.end_s for end in ends(found)] == pytest.approx(
        [listener.offset_s(last) for _, last in expected]
    )
    assert [start.start_s for start in starts(found)] == pytest.approx(
        [listener.onset_s(first) if first else 0.0 for first, _ in expected]
    )


def events_in(
    scores: np.typing.NDArray[np.float32], threshold: float, release: float, hold: int
) -> list[tuple[int, int]]:
    """First and last window of each event, found with all scores in hand."""
    events: list[tuple[int, int]] = []
    number = 0
    while number < len(scores):
        if scores[number] < np.float32(threshold):
            number += 1
            continue
        last = number
        for later in range(number + 1, len(scores)):
            if scores[later] >= np.float32(release) and later - last <= hold + 1:
                last = later
        events.append((number, last))
        number = last + hold + 2
    return events
