"""A recording at a glance: what is kept of it, and which classes are shown."""

import re
from dataclasses import replace

import numpy as np
import pytest
from plotting import DOORBELL, RATE_HZ, SPEECH, Bell, bell, rules, seen

from livetag.errors import InputError
from livetag.events import AudioBlock
from livetag.plot.overview import chosen_rows, overview
from livetag.yamnet.features import log_mel_spectrogram
from livetag.yamnet.params import Params


def test_a_short_recording_is_kept_as_it_is() -> None:
    samples = bell(8.0)
    there = seen(samples)
    assert there.seconds == 8.0
    assert there.peak == pytest.approx(np.abs(samples).max())
    frames = log_mel_spectrogram(samples, Params())
    assert np.array_equal(there.log_mel.values[: len(frames)], frames)
    starts = there.scores.edges[1:-1] - 0.975 / 2 + 0.05
    assert starts == pytest.approx(np.arange(1, len(starts) + 1) * 0.1)


def test_the_waveform_keeps_the_lowest_and_the_highest_sample_of_each_column() -> None:
    samples = bell(8.0)
    envelope = seen(samples).envelope
    part = len(samples) // 4_000
    for at in (0, 1_600, 1_999, 3_999):
        there = samples[at * part : (at + 1) * part]
        below, above = envelope.cells(4_000)[at]
        assert (-below, above) == pytest.approx((there.min(), there.max()))


def test_a_sound_is_where_it_sounds() -> None:
    there = seen(bell(8.0, begin_s=3.0))
    for track, at in ((there.envelope, 0), (there.log_mel, 30), (there.scores, DOORBELL)):
        values = track.cells(80)[:, at]  # a tenth of a second each
        loud = np.flatnonzero(values > (values.min() + values.max()) / 2)
        assert loud[0] == pytest.approx(30, abs=3)
        assert loud[-1] == pytest.approx(49, abs=3)


def test_a_sound_of_a_moment_is_seen_in_hours() -> None:
    """Blocks of silence are long, so that the test is not."""
    silence, click = np.zeros(RATE_HZ * 600, np.float32), bell(2.0, begin_s=0.0)
    samples = [silence, click, silence]
    blocks = (
        AudioBlock(part, sum(map(len, samples[:at])), wall_time=None if at else 1.0)
        for at, part in enumerate(samples)
    )
    params = Params(patch_hop_seconds=10.0)
    there = overview("long", blocks, RATE_HZ, Bell(), rules(), params)
    assert there.seconds == 1_202.0
    assert there.envelope.values[:, 0].max() == pytest.approx(-click.min())
    assert there.scores.values[:, SPEECH].min() == pytest.approx(0.1)
    assert len(there.log_mel.values) <= 4_096


@pytest.mark.parametrize("samples", [1, 399, 15_599])
def test_a_recording_shorter_than_a_window_is_one_column_of_scores(samples: int) -> None:
    there = seen(np.full(samples, 0.5, np.float32))
    assert there.scores.edges.tolist() == [0.0, samples / RATE_HZ]
    assert there.spectrum_range[0] < there.spectrum_range[1]


def test_a_recording_without_samples_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"bell\.wav holds no sound"):
        seen(np.zeros(0, np.float32))


def test_silence_has_a_range_of_colours_and_a_level_too() -> None:
    there = seen(np.zeros(RATE_HZ, np.float32))
    low, high = there.spectrum_range
    assert low == pytest.approx(np.log(0.001), abs=1e-3)
    assert high > low
    assert there.title == "bell.wav   1 s, peak -inf dBFS"


def test_full_scale_is_told_without_a_sign() -> None:
    assert seen(np.full(RATE_HZ, 0.9999, np.float32)).title == "bell.wav   1 s, peak 0.0 dBFS"


def test_a_name_stays_on_one_line() -> None:
    assert seen(bell(1.0), name="a\nb\x1b[1m").title.startswith("a?b?[1m   1 s")


def test_of_a_long_name_the_middle_is_left_out() -> None:
    title = seen(bell(1.0), name=f"begin-{'x' * 200}-end.wav").title
    assert re.fullmatch(r"begin-x{24}…x{22}-end\.wav   1 s, peak .*", title)


# --- Rows ---------------------------------------------------------------------------------------


def test_rows_are_the_classes_of_the_highest_mean() -> None:
    there = seen(bell(8.0))
    rows = chosen_rows(there, rules("Doorbell=0.5"), 3, with_rules=False)
    assert [row.label.index for row in rows][:2] == [DOORBELL, SPEECH]
    assert all((row.threshold, row.alerting, row.events) == (None, False, ()) for row in rows)


def test_with_rules_rows_have_thresholds_and_events() -> None:
    rows = chosen_rows(seen(bell(8.0)), rules("Doorbell=0.5"), 2, with_rules=True)
    assert [(row.name, row.threshold) for row in rows] == [("! Doorbell", 0.5), ("Speech", 0.25)]
    (event,) = rows[0].events
    assert event.alert
    assert event.start.start_s == pytest.approx(3.0, abs=0.5)
    assert event.end_s == pytest.approx(5.0, abs=0.5)
    assert rows[1].events == ()


def test_a_class_that_alerts_and_came_near_is_shown_before_others() -> None:
    there = seen(bell(8.0))
    means = np.linspace(0.1, 0.9, 521, dtype=np.float32)
    means[DOORBELL] = 0.0  # of hours, a bell is a moment
    crowded = replace(there, mean_scores=means)
    alerts = rules("Doorbell=0.5", "Dog=0.5")
    rows = chosen_rows(crowded, alerts, 3, with_rules=True)
    assert [row.label.index for row in rows] == [520, 519, DOORBELL]
    without = chosen_rows(crowded, alerts, 3, with_rules=False)
    assert [row.label.index for row in without] == [520, 519, 518]
