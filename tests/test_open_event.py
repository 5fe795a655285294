"""An open event: what its windows add up to, those of bridged pauses included."""

import pytest

from livetag.detection.open_event import OpenEvent
from livetag.events import EventStart
from livetag.yamnet.labels import class_map

STARTED = EventStart(class_map()[69], 1_000.0, 2.0, 0.9, 0.5, -20.0, alert=False)


def opened(*windows: tuple[float, float]) -> OpenEvent:
    """An event of these windows: each a score, and a level in dBFS."""
    event = OpenEvent(STARTED, 0.0)
    for number, (score, level_dbfs) in enumerate(windows):
        event.go_on(0.5 * number, score, level_dbfs)
    return event


def test_an_event_is_what_its_windows_are() -> None:
    event = opened((0.6, -30.0), (0.9, -20.0), (0.6, -25.0))
    end = event.end(4.5)
    assert (end.start, end.end_s, end.windows, end.alert) == (STARTED, 4.5, 3, False)
    assert end.peak_score == 0.9
    assert end.mean_score == pytest.approx(0.7)
    assert end.level_dbfs == -20.0
    assert event.last_s == 1.0


def test_the_end_is_as_long_after_the_start_by_any_clock() -> None:
    assert opened((0.6, -30.0)).end(4.5).end_time == 1_002.5


def test_windows_of_a_pause_count_once_though_the_event_pauses_again() -> None:
    event = opened((0.9, -20.0))
    event.pause(0.1, -20.0)
    event.pause(0.2, -20.0)
    event.go_on(1.5, 0.8, -20.0)
    event.pause(0.4, -20.0)
    event.go_on(2.5, 0.7, -20.0)
    end = event.end(3.0)
    assert end.windows == 6
    assert end.mean_score == pytest.approx((0.9 + 0.1 + 0.2 + 0.8 + 0.4 + 0.7) / 6)


def test_a_loud_window_of_a_bridged_pause_counts_for_the_level() -> None:
    event = opened((0.6, -20.0))
    event.pause(0.1, -6.0)
    assert event.end(1.0).level_dbfs == -20.0
    event.go_on(1.0, 0.6, -20.0)
    assert event.end(1.0).level_dbfs == -6.0


def test_a_pause_at_the_end_is_no_part_of_an_event() -> None:
    event = opened((0.6, -20.0))
    event.pause(0.1, -6.0)
    end = event.end(1.0)
    assert (end.windows, end.mean_score, end.level_dbfs) == (1, 0.6, -20.0)
    assert event.last_s == 0.0
