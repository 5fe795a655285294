"""Scores to events: when they start, when they end, and what is said of them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest

from livetag.detector import Detector, alert_thresholds
from livetag.errors import UsageError
from livetag.events import Anchor, EventEnd, EventStart
from livetag.yamnet.labels import ClassMap, Label
from livetag.yamnet.params import Params

SPEECH, DOG = 0, 69
ANCHOR = Anchor(stream_s=0.0, unix_time=1_000.0)


def detector(
    labels: ClassMap,
    hop_seconds: float = 0.5,
    threshold: float = 0.5,
    alerts: Mapping[Label, float] | None = None,
    hold_seconds: float = 1.0,
) -> Detector:
    params = Params(patch_hop_seconds=hop_seconds)
    return Detector(labels, params, threshold, alerts or {}, hold_seconds)


def fed(
    detector: Detector,
    scores: Sequence[float],
    index: int = SPEECH,
    hop_seconds: float = 0.5,
    begin_s: float = 0.0,
) -> list[EventStart | EventEnd]:
    """What comes of one class's scores, window after window."""
    records: list[EventStart | EventEnd] = []
    for number, score in enumerate(scores):
        row = np.zeros(521, np.float32)
        row[index] = score
        records += detector.update(begin_s + number * hop_seconds, row, ANCHOR)
    return records


def starts(records: Iterable[EventStart | EventEnd]) -> list[EventStart]:
    return [record for record in records if isinstance(record, EventStart)]


def ends(records: Iterable[EventStart | EventEnd]) -> list[EventEnd]:
    return [record for record in records if isinstance(record, EventEnd)]


def test_an_event_starts_with_the_window_that_reaches_the_threshold(labels: ClassMap) -> None:
    records = fed(detector(labels), [0.1, 0.499, 0.5, 0.9])
    assert records == [EventStart(labels[SPEECH], 1_001.0, 1.0, 0.5, 0.5, alert=False)]


def test_a_threshold_that_float32_cannot_hold_is_reached_by_its_own_value(
    labels: ClassMap,
) -> None:
    for threshold in (0.1, 0.3, 0.7):
        assert len(fed(detector(labels, threshold=threshold), [threshold])) == 1


def test_an_event_ends_when_it_was_under_the_threshold_for_longer_than_the_hold(
    labels: ClassMap,
) -> None:
    under_test = detector(labels, hold_seconds=1.0)
    assert len(starts(fed(under_test, [0.8, 0.6, 0.1, 0.1]))) == 1  # a second, and no longer
    (end,) = ends(fed(under_test, [0.1], begin_s=2.0))
    assert end.start.start_s == 0.0
    assert (end.end_s, end.end_time) == (1.0, 1_001.0)  # a hop after the last window over it
    assert end.windows == 2
    assert end.peak_score == pytest.approx(0.8)
    assert end.mean_score == pytest.approx(0.7)


def test_without_a_hold_the_first_window_under_the_threshold_ends_the_event(
    labels: ClassMap,
) -> None:
    (start, end) = fed(detector(labels, hold_seconds=0.0), [0.8, 0.4, 0.4])
    assert isinstance(end, EventEnd)
    assert end.start is start
    assert (end.end_s, end.windows) == (0.5, 1)


def test_a_pause_within_the_hold_is_bridged_and_its_windows_count(labels: ClassMap) -> None:
    records = fed(detector(labels), [0.8, 0.2, 0.1, 0.9, 0.1, 0.1, 0.1])
    assert len(starts(records)) == 1
    (end,) = ends(records)
    assert end.end_s == 2.0
    assert end.windows == 4  # those after the last one over the threshold are no part of it
    assert end.mean_score == pytest.approx((0.8 + 0.2 + 0.1 + 0.9) / 4)
    assert end.peak_score == pytest.approx(0.9)


def test_a_sound_that_comes_back_after_the_hold_is_another_event(labels: ClassMap) -> None:
    records = fed(detector(labels), [0.8, 0, 0, 0, 0.7])
    assert [start.start_s for start in starts(records)] == [0.0, 2.0]
    assert [end.windows for end in ends(records)] == [1]


def test_the_hold_is_not_cut_short_by_how_seconds_add_up(labels: ClassMap) -> None:
    """From 1.2 to 2.2 is a bit more than 1 in floating point: still no longer than a second."""
    begin_s, hop_seconds = 1.2, 0.1
    assert begin_s + 10 * hop_seconds - begin_s > 1.0
    under_test = detector(labels, hop_seconds=hop_seconds)
    silence = [0.0] * 10
    assert ends(fed(under_test, [0.8, *silence], begin_s=begin_s, hop_seconds=hop_seconds)) == []
    assert len(ends(fed(under_test, [0.0], begin_s=begin_s + 1.1))) == 1


def test_classes_are_followed_apart(labels: ClassMap) -> None:
    under_test = detector(labels, hold_seconds=0.0)
    both = np.zeros(521, np.float32)
    both[[SPEECH, DOG]] = 0.9
    first = list(under_test.update(0.0, both, ANCHOR))
    assert [start.label.name for start in starts(first)] == ["Speech", "Dog"]
    (end,) = fed(under_test, [0.9], index=DOG, begin_s=0.5)
    assert isinstance(end, EventEnd)
    assert end.start.label.name == "Speech"


def test_an_alert_has_its_own_threshold_and_is_marked(labels: ClassMap) -> None:
    alerts = {labels[DOG]: 0.3, labels[SPEECH]: 0.9}
    assert [start.alert for start in starts(fed(detector(labels, alerts=alerts), [0.3], DOG))] == [
        True
    ]
    assert fed(detector(labels, alerts=alerts), [0.89], SPEECH) == []
    (start,) = starts(fed(detector(labels, alerts=alerts), [0.3], DOG))
    assert start.threshold == pytest.approx(0.3)
    (other,) = starts(fed(detector(labels, alerts=alerts), [0.5], 132))
    assert (other.alert, other.threshold) == (False, 0.5)


def test_finish_ends_what_goes_on_no_later_than_the_stream(labels: ClassMap) -> None:
    under_test = detector(labels)
    fed(under_test, [0.8, 0.8], SPEECH)
    fed(under_test, [0.8], DOG, begin_s=1.0)
    finished = list(under_test.finish(1.2, ANCHOR))
    assert [(end.start.label.name, end.end_s) for end in finished] == [
        ("Speech", 1.0),  # a hop after its last window
        ("Dog", 1.2),  # the stream's end, which comes before
    ]
    assert finished[1].end_time == pytest.approx(1_001.2)
    assert list(under_test.finish(1.2, ANCHOR)) == []


def test_after_finish_the_next_window_starts_anew(labels: ClassMap) -> None:
    under_test = detector(labels)
    fed(under_test, [0.8])
    list(under_test.finish(0.975, ANCHOR))
    (start,) = fed(under_test, [0.9], begin_s=30.0)
    assert isinstance(start, EventStart)
    assert start.start_s == 30.0


def test_with_a_hop_longer_than_the_window_an_event_ends_with_its_window(
    labels: ClassMap,
) -> None:
    under_test = detector(labels, hop_seconds=5.0, hold_seconds=0.0)
    (_, end) = fed(under_test, [0.8, 0.1], hop_seconds=5.0)
    assert isinstance(end, EventEnd)
    assert end.end_s == 0.975


# --- The rules of --alert -----------------------------------------------------------------------


def test_a_rule_names_a_label_and_perhaps_a_score(labels: ClassMap) -> None:
    rules = ["dog", "Smoke detector, smoke alarm = 0.3", "/m/03wwcy=1", "0"]
    alerts = alert_thresholds(rules, labels, 0.6)
    assert {label.name: score for label, score in alerts.items()} == {
        "Dog": 0.6,
        "Smoke detector, smoke alarm": 0.3,
        "Doorbell": 1.0,
        "Speech": 0.6,
    }


@pytest.mark.parametrize("score", ["0", "-0.1", "1.01", "nan", "inf", "high", ""])
def test_a_score_that_is_none_is_refused_with_its_rule(score: str, labels: ClassMap) -> None:
    with pytest.raises(UsageError, match=f"'Dog={score}'.*above 0 and up to 1"):
        alert_thresholds([f"Dog={score}"], labels, 0.5)


def test_an_unknown_label_is_refused_with_the_nearest_names(labels: ClassMap) -> None:
    with pytest.raises(UsageError, match=r"'Smoke detecter'.*Smoke detector, smoke alarm"):
        alert_thresholds(["Smoke detecter=0.4"], labels, 0.5)
