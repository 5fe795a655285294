"""The pipeline: windows, levels, gaps and times, whatever blocks the audio comes in."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import soxr
from conftest import FakeClassifier
from deciding import ONE_WINDOW_EACH

from livetag.detector import OFFSET_HEARD_SECONDS, Detector
from livetag.events import (
    AudioBlock,
    EventAlert,
    EventEnd,
    EventStart,
    Explanation,
    FloatArray,
    Gap,
    Item,
    Level,
    LogMel,
    Pace,
    Record,
    Scores,
)
from livetag.pace import CALM_SECONDS, SETTLING_SECONDS
from livetag.pipeline import analyze
from livetag.rules import resolve
from livetag.schema import convert
from livetag.sources.base import numbered
from livetag.sources.demo import demo_chunks
from livetag.yamnet.classifier import Classifier, LiteRTClassifier, Prediction
from livetag.yamnet.features import log_mel_spectrogram, padding, patches
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params

RATE_HZ = 16_000
HALF_A_SECOND_HELD = ONE_WINDOW_EACH | {"hold_seconds": 0.5}


def loud(seconds: float, rate_hz: int = RATE_HZ) -> FloatArray:
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, round(seconds * rate_hz))
    return samples.astype(np.float32)


def quiet(seconds: float) -> FloatArray:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def split(samples: FloatArray, size: int) -> list[FloatArray]:
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def analysis(
    blocks: Iterable[AudioBlock],
    labels: ClassMap,
    classifier: Classifier | None = None,
    hop_seconds: float = 0.48,
    rate_hz: int = RATE_HZ,
    **values: Any,
) -> Iterator[Item]:
    """What the pipeline makes of blocks, by rules that are set here and not the defaults."""
    params = Params(patch_hop_seconds=hop_seconds)
    config = convert(HALF_A_SECOND_HELD | values, "the test")
    detector = Detector(resolve(config, labels), params)
    return analyze(blocks, rate_hz, classifier or FakeClassifier(), detector, params)


def scores_of(items: Iterable[Item]) -> list[Scores]:
    return [item for item in items if isinstance(item, Scores)]


def records_of(items: Iterable[Item]) -> list[Record]:
    kinds = EventStart | EventAlert | EventEnd | Gap
    return [item for item in items if isinstance(item, kinds)]


def levels_of(items: Iterable[Item]) -> list[Level]:
    return [item for item in items if isinstance(item, Level)]


def levels_in(items: Iterable[Item]) -> list[float]:
    """The level of each window."""
    return [item.level_dbfs for item in scores_of(items)]


def first_seconds(seconds: int) -> FloatArray:
    return np.concatenate(list(islice(demo_chunks(), 20 * seconds)))[: seconds * RATE_HZ]


# --- Blocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate_hz", "sizes"), [(16_000, (160, 1_283, 7_680)), (44_100, (999,))])
def test_scores_and_events_are_the_same_however_the_audio_is_split(
    rate_hz: int, sizes: Sequence[int], labels: ClassMap, classifier: LiteRTClassifier
) -> None:
    samples = first_seconds(9)
    whole = [AudioBlock(samples, 0, wall_time=1_000.0)]
    expected = list(analysis(whole, labels, classifier, rate_hz=rate_hz))
    assert len(records_of(expected)) >= 2
    for size in sizes:
        blocks = [AudioBlock(b.samples, b.first_sample) for b in numbered(split(samples, size))]
        blocks[0] = AudioBlock(blocks[0].samples, 0, wall_time=1_000.0)
        items = list(analysis(blocks, labels, classifier, rate_hz=rate_hz))
        assert records_of(items) == records_of(expected)
        for ours, theirs in zip(scores_of(items), scores_of(expected), strict=True):
            assert (ours.start_s, ours.end_s) == (theirs.start_s, theirs.end_s)
            assert np.array_equal(ours.scores, theirs.scores)
            assert np.array_equal(ours.embedding, theirs.embedding)
            assert ours.level_dbfs == theirs.level_dbfs


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_windows_are_those_of_the_whole_recording(
    rate_hz: int, labels: ClassMap, classifier: LiteRTClassifier
) -> None:
    params = Params()
    samples = loud(2.4, rate_hz)
    chunks = numbered(split(samples, 1_283))
    items = scores_of(analysis(chunks, labels, classifier, rate_hz=rate_hz))
    if rate_hz != RATE_HZ:
        samples = soxr.resample(samples, rate_hz, RATE_HZ, quality="HQ")
    samples = np.pad(samples, (0, padding(len(samples), params)))
    batch = patches(log_mel_spectrogram(samples, params), params)
    assert [item.start_s for item in items] == pytest.approx([0.0, 0.48, 0.96, 1.44])
    assert [item.end_s - item.start_s for item in items] == pytest.approx([0.975] * 4)
    for item, patch in zip(items, batch, strict=True):
        assert np.array_equal(item.scores, classifier(patch).scores)


def test_a_window_comes_with_the_block_that_completes_it(labels: ClassMap) -> None:
    """Not a block later: what is late here is late for everybody."""
    blocks = numbered(split(loud(0.975), 1_560))
    kinds = [type(item).__name__ for item in islice(analysis(blocks, labels), 23)]
    assert kinds == ["AudioBlock", "Level"] * 10 + ["LogMel", "Scores", "EventStart"]


def test_every_block_with_audio_is_passed_on_as_it_came(labels: ClassMap) -> None:
    blocks = with_gap(loud(1.0), 800, quiet(0.5))
    blocks.insert(3, AudioBlock(np.empty(0, np.float32), blocks[3].first_sample, wall_time=7.0))
    passed = [item for item in analysis(blocks, labels) if isinstance(item, AudioBlock)]
    assert len(passed) == 15
    assert all(ours is theirs for ours, theirs in zip(passed, blocks[:3] + blocks[4:], strict=True))


def test_a_block_comes_before_what_is_heard_in_it(labels: ClassMap) -> None:
    """What keeps the sound of an event has it when the event begins."""
    heard = 0
    for item in analysis(numbered(split(loud(3.0), 1_283)), labels):
        if isinstance(item, AudioBlock):
            heard = item.first_sample + len(item.samples)
        elif isinstance(item, Scores) and item.captured_at is not None:
            assert item.end_s * RATE_HZ <= heard


def test_a_window_knows_when_its_last_sample_was_captured(labels: ClassMap) -> None:
    blocks = [
        AudioBlock(chunk, 1_280 * nth, captured_at=50.0 + nth)
        for nth, chunk in enumerate(split(loud(2.0), 1_280))
    ]
    items = scores_of(analysis(blocks, labels))
    complete_at_block = [math.ceil((0.975 + 0.48 * nth) / 0.08) - 1 for nth in range(3)]
    assert [item.captured_at for item in items[:3]] == [50.0 + nth for nth in complete_at_block]
    assert items[-1].captured_at is None  # padded: it has no last sample


def test_the_last_window_is_padded_and_events_end_with_the_audio(labels: ClassMap) -> None:
    items = list(analysis(numbered([loud(1.2)]), labels))
    assert [item.start_s for item in scores_of(items)] == [0.0, 0.48]
    start, end = records_of(items)
    assert isinstance(start, EventStart)
    assert isinstance(end, EventEnd)
    assert end.end_s == pytest.approx(min(0.48 + OFFSET_HEARD_SECONDS + 0.24, 1.2))
    short = list(analysis(numbered([loud(0.3)]), labels, hop_seconds=0.48))
    assert [record.end_s for record in records_of(short) if isinstance(record, EventEnd)] == [0.3]


class SharpClassifier(FakeClassifier):
    """Hears anything that is loud for a hundredth of a second."""

    def __call__(self, patch: FloatArray) -> Prediction:
        scores = np.zeros(521, np.float32)
        scores[self.index] = float(patch.max() > -5.0)
        return Prediction(scores, np.zeros(1024, np.float32))


@pytest.mark.parametrize("hop_seconds", [0.1, 0.48, 0.96])
@pytest.mark.parametrize("seconds", [0.5, 1.06, 1.5, 2.0, 2.5])
def test_no_event_lies_outside_the_audio(
    hop_seconds: float, seconds: float, labels: ClassMap
) -> None:
    """Though the last window does, padded as it is."""
    samples = np.concatenate((quiet(seconds - 0.05), loud(0.05)))
    items = analysis(numbered([samples]), labels, SharpClassifier(), hop_seconds)
    (start, end) = records_of(items)
    assert isinstance(start, EventStart)
    assert isinstance(end, EventEnd)
    assert start.start_s <= end.end_s <= seconds


def test_no_audio_gives_nothing(labels: ClassMap) -> None:
    assert list(analysis([], labels)) == []
    nothing = AudioBlock(np.empty(0, np.float32), 0, wall_time=1.0)
    assert list(analysis([nothing], labels)) == []


# --- The spectrogram ----------------------------------------------------------------------------


@pytest.mark.parametrize("hop_seconds", [0.1, 0.48, 2.0])
@pytest.mark.parametrize("size", [509, 100_000])
def test_the_spectrogram_is_whole_each_frame_once_whatever_the_hop_and_the_blocks(
    hop_seconds: float, size: int, labels: ClassMap
) -> None:
    samples = loud(3.3)
    items = analysis(numbered(split(samples, size)), labels, hop_seconds=hop_seconds)
    pieces = [item for item in items if isinstance(item, LogMel)]
    ends = [piece.start_s + len(piece.frames) * 0.01 for piece in pieces]
    assert [piece.start_s for piece in pieces] == pytest.approx([0.0, *ends[:-1]])
    assert ends[-1] == pytest.approx(3.3)  # frames that begin in the audio, and no others
    zeros = np.zeros(padding(len(samples), Params()), np.float32)
    expected = log_mel_spectrogram(np.concatenate((samples, zeros)), Params())[:330]
    assert np.array_equal(np.concatenate([piece.frames for piece in pieces]), expected)


def test_the_spectrogram_stops_at_a_gap_and_goes_on_after_it(labels: ClassMap) -> None:
    items = list(analysis(with_gap(loud(1.3), 800, loud(0.5)), labels))
    pieces = [item for item in items if isinstance(item, LogMel)]
    assert [piece.start_s for piece in pieces] == pytest.approx([0.0, 0.96, 1.35])
    assert [len(piece.frames) for piece in pieces] == [96, 34, 50]


# --- Levels -------------------------------------------------------------------------------------


def test_levels_of_a_full_scale_sine_of_silence_and_of_clipping(labels: ClassMap) -> None:
    sine = np.sin(2 * np.pi * 1_000 * np.arange(1_600) / RATE_HZ).astype(np.float32)
    chunks = [sine, 0.5 * sine, np.zeros(1_600, np.float32), -np.ones(1_600, np.float32)]
    full, half, silent, clipped = levels_of(analysis(numbered(chunks), labels))
    assert full.rms_dbfs == pytest.approx(-3.01, abs=0.01)
    assert full.peak_dbfs == pytest.approx(0.0, abs=0.01)
    assert half.rms_dbfs == pytest.approx(-9.03, abs=0.01)
    assert not half.clipped
    assert (silent.rms_dbfs, silent.peak_dbfs, silent.clipped) == (-math.inf, -math.inf, False)
    assert clipped.clipped  # negative full scale, too
    assert (clipped.rms_dbfs, clipped.peak_dbfs) == (0.0, 0.0)
    assert [level.end_s for level in (full, half, silent, clipped)] == [0.1, 0.2, 0.3, 0.4]


def test_a_window_has_the_level_of_its_loudest_tenth(labels: ClassMap) -> None:
    """Of what the network hears: at its own rate, and however the audio came."""
    knock = np.concatenate((quiet(1.0), 0.5 * loud(0.2), quiet(1.8)))
    levels = levels_in(analysis(numbered(split(knock, 1_283)), labels))
    expected = 20 * math.log10(0.25 / math.sqrt(3))  # of even noise with this peak
    heard = [level for level in levels if level > -math.inf]
    assert levels[0] == -math.inf
    assert len(heard) == 2  # that begin at 0.48 and 0.96 s
    assert heard == pytest.approx([expected, expected], abs=0.5)


def test_the_padding_of_the_last_window_does_not_make_it_quieter(labels: ClassMap) -> None:
    first, last = levels_in(analysis(numbered([loud(1.2)]), labels))
    assert last == pytest.approx(first, abs=0.3)


def test_a_level_at_another_rate_is_that_of_the_same_sound(labels: ClassMap) -> None:
    time_s = np.arange(2 * 48_000) / 48_000
    sine = np.sin(2 * np.pi * 1_000 * time_s).astype(np.float32)
    levels = levels_in(analysis(numbered(split(sine, 999)), labels, rate_hz=48_000))
    assert levels == pytest.approx([-3.01] * len(levels), abs=0.05)


def test_what_is_quieter_than_its_least_level_is_no_event_and_is_explained(
    labels: ClassMap,
) -> None:
    blocks = list(numbered([loud(2.0)]))
    (level,) = {round(level) for level in levels_in(analysis(blocks, labels))}
    assert records_of(analysis(blocks, labels, min_level_dbfs=level - 3.0, alert=["Speech"]))
    items = list(analysis(blocks, labels, min_level_dbfs=level + 3.0, alert=["Speech"]))
    assert records_of(items) == []
    (explanation,) = [item for item in items if isinstance(item, Explanation)]
    assert explanation.why == f"level {level} of {level + 3} dBFS"


# --- Gaps ---------------------------------------------------------------------------------------


def with_gap(before: FloatArray, lost: int, after: FloatArray) -> list[AudioBlock]:
    """Blocks of 0.1 s with a gap between them, after which the clock is 0.25 s off."""
    first = [AudioBlock(chunk, 1_600 * nth) for nth, chunk in enumerate(split(before, 1_600))]
    first[0] = AudioBlock(first[0].samples, 0, wall_time=1_000.0)
    begin = len(before) + lost
    then = [AudioBlock(c, begin + 1_600 * nth) for nth, c in enumerate(split(after, 1_600))]
    wall_time = 1_000.25 + begin / RATE_HZ
    then[0] = AudioBlock(then[0].samples, begin, lost, "overflow", wall_time)
    return first + then


def test_a_gap_is_told_with_its_length_reason_and_both_times(labels: ClassMap) -> None:
    items = list(analysis(with_gap(quiet(2.0), 4_000, quiet(1.0)), labels))
    (gap,) = records_of(items)
    assert isinstance(gap, Gap)
    assert (gap.start_s, gap.lost_seconds, gap.reason) == (2.0, 0.25, "overflow")
    assert gap.time == pytest.approx(1_002.25)


def test_no_window_spans_a_gap(labels: ClassMap, classifier: LiteRTClassifier) -> None:
    """Those before and after it are the windows of two recordings."""
    first, second = loud(2.0), loud(1.5)[::-1]
    items = scores_of(analysis(with_gap(first, 4_000, second), labels, classifier))
    before = [item for item in items if item.start_s < 2.0]
    after = [item for item in items if item.start_s >= 2.0]
    assert [item.start_s for item in before] == pytest.approx([0.0, 0.48, 0.96, 1.44])
    assert [item.start_s for item in after] == pytest.approx([2.25, 2.73, 3.21])
    for found, samples in ((before, first), (after, second)):
        alone = scores_of(analysis(numbered([samples]), labels, classifier))
        for ours, theirs in zip(found, alone, strict=True):
            assert np.array_equal(ours.scores, theirs.scores)
            assert ours.level_dbfs == theirs.level_dbfs


def test_what_was_heard_right_before_a_gap_counts(labels: ClassMap) -> None:
    """An alarm whose last half second comes when somebody pulls the plug."""
    blocks = with_gap(np.concatenate((quiet(2.0), loud(0.4))), 48_000, quiet(1.0))
    start, end, gap = records_of(analysis(blocks, labels, SharpClassifier()))
    assert isinstance(start, EventStart)
    assert isinstance(end, EventEnd)
    assert isinstance(gap, Gap)
    assert 1.0 < start.start_s < end.end_s <= gap.start_s
    assert gap.start_s == pytest.approx(2.4)


@pytest.mark.parametrize("samples", [400, 1_600])
def test_audio_between_two_gaps_is_heard_however_short(samples: int, labels: ClassMap) -> None:
    between = AudioBlock(loud(1.0)[:samples], 32_000, 16_000, "overflow")
    blocks = [AudioBlock(quiet(1.0), 0), between, AudioBlock(quiet(1.0), 64_000, 16_000, "lapped")]
    items = list(analysis(blocks, labels, SharpClassifier()))
    assert [(window.start_s, window.scores[0]) for window in scores_of(items)] == [
        (0.0, 0.0),
        (pytest.approx(0.48), 0.0),
        (2.0, 1.0),
        (4.0, 0.0),
        (pytest.approx(4.48), 0.0),
    ]


def test_while_nothing_comes_gaps_follow_each_other_and_nothing_else_does(labels: ClassMap) -> None:
    nothing = np.empty(0, np.float32)
    pieces = [
        AudioBlock(nothing, 16_000 * end_s, 16_000 * lost_s, "ended", wall_time=500.0 + end_s)
        for end_s, lost_s in ((3, 1), (63, 60), (123, 60))
    ]
    again = AudioBlock(loud(1.0), 16_000 * 130, 16_000 * 7, "ended", wall_time=630.0)
    classifier = FakeClassifier()
    items = list(analysis([AudioBlock(loud(2.0), 0, wall_time=500.0), *pieces], labels, classifier))
    windows = classifier.patches
    assert records_of(items)[-3:] == [
        Gap(502.0, 2.0, 1.0, "ended", ongoing=True),
        Gap(503.0, 3.0, 60.0, "ended", ongoing=True),
        Gap(563.0, 63.0, 60.0, "ended", ongoing=True),
    ]
    assert windows == len(scores_of(items)) == 4
    items = list(
        analysis([AudioBlock(loud(2.0), 0, wall_time=500.0), *pieces, again], labels, classifier)
    )
    gap, start, _ = records_of(items)[-3:]
    assert gap == Gap(623.0, 123.0, 7.0, "ended")
    assert isinstance(start, EventStart)
    assert (start.start_s, start.time) == (130.0, 630.0)
    assert len(records_of(items)) == 2 + 4 + 2


def test_an_event_ends_at_the_gap_and_another_starts_after_it(labels: ClassMap) -> None:
    records = records_of(analysis(with_gap(loud(2.0), 48_000, loud(1.5)), labels))
    kinds = [type(record).__name__ for record in records]
    assert kinds == ["EventStart", "EventEnd", "Gap", "EventStart", "EventEnd"]
    _, end, _, again, last = records
    assert isinstance(end, EventEnd)
    assert isinstance(again, EventStart)
    assert isinstance(last, EventEnd)
    assert end.end_s <= 2.0
    assert end.end_time == pytest.approx(1_000.0 + end.end_s)  # by the clock before the gap
    assert again.start_s == pytest.approx(5.0)
    assert again.time == pytest.approx(1_005.25)  # by the clock after it
    assert last.end_time == pytest.approx(1_000.25 + last.end_s)


def test_a_gap_at_the_very_start_or_without_audio_after_it_is_told(labels: ClassMap) -> None:
    start = AudioBlock(loud(1.0), 800, 800, "overflow", wall_time=500.05)
    assert Gap(500.0, 0.0, 0.05, "overflow") in records_of(analysis([start], labels))
    nothing = AudioBlock(np.empty(0, np.float32), 64_000, 32_000, "stalled")
    blocks = [AudioBlock(loud(2.0), 0, wall_time=10.0), nothing]
    records = records_of(analysis(blocks, labels))
    assert [type(record).__name__ for record in records] == ["EventStart", "EventEnd", "Gap"]
    assert records[-1] == Gap(12.0, 2.0, 2.0, "stalled", ongoing=True)


def test_a_gap_without_a_new_clock_goes_on_with_the_old_one(labels: ClassMap) -> None:
    blocks = [
        AudioBlock(quiet(1.0), 0, wall_time=10.0),
        AudioBlock(loud(1.0), 32_000, 16_000, "lapped"),
    ]
    starts = [
        record for record in records_of(analysis(blocks, labels)) if isinstance(record, EventStart)
    ]
    assert [(start.start_s, start.time) for start in starts] == [(2.0, 12.0)]


# --- Behind -------------------------------------------------------------------------------------


def late(
    samples: FloatArray, behind_s: Callable[[float], float], size: int = 1_280
) -> Iterator[AudioBlock]:
    """Blocks, and how much audio waits behind each, by the second at which it begins."""
    for block in numbered(split(samples, size), 1_000.0):
        yield replace(block, behind_s=behind_s(block.first_sample / RATE_HZ))


def paces_of(items: Iterable[Item]) -> list[Pace]:
    return [item for item in items if isinstance(item, Pace)]


def test_analysis_that_is_behind_classifies_fewer_windows_and_says_so(labels: ClassMap) -> None:
    items = list(analysis(late(quiet(6.0), lambda at: 5.0), labels, hop_seconds=0.24))
    paces = paces_of(items)
    assert [(p.hop_seconds, p.frame_factor, p.degraded) for p in paces] == [
        (0.48, 1, True),
        (0.96, 1, True),
        (0.96, 4, True),
    ]
    assert paces[0] == Pace(1_000.0, 0.0, 5.0, 0.48, 1, degraded=True)
    assert all(pace.time == 1_000.0 + pace.start_s for pace in paces)
    assert paces[1].start_s == pytest.approx(SETTLING_SECONDS)
    assert [window.start_s for window in scores_of(items)] == pytest.approx(
        [0.0, 0.48, 0.96, 1.92, 2.88, 3.84, 4.8, 5.04]
    )


def test_a_change_of_pace_comes_after_its_block_and_before_what_is_heard_in_it(
    labels: ClassMap,
) -> None:
    block = AudioBlock(loud(1.0), 0, wall_time=7.0, behind_s=9.0)
    kinds = [type(item).__name__ for item in islice(analysis([block], labels), 6)]
    assert kinds == ["AudioBlock", "Level", "Pace", "LogMel", "Scores", "EventStart"]


def test_when_analysis_keeps_up_again_every_window_is_classified(labels: ClassMap) -> None:
    items = list(analysis(late(quiet(20.0), lambda at: max(0.0, 6.0 - at)), labels))
    first, back = paces_of(items)
    assert (first.hop_seconds, first.degraded, first.start_s) == (0.96, True, 0.0)
    assert (back.hop_seconds, back.degraded) == (0.48, False)
    assert back.start_s == pytest.approx(6.0 + CALM_SECONDS, abs=0.1)
    after = [window.start_s for window in scores_of(items) if window.start_s > back.start_s]
    assert np.diff(after) == pytest.approx([0.48] * (len(after) - 1))


@pytest.mark.parametrize("seconds", [2.415, 2.5, 3.0, 3.375])
def test_no_audio_is_left_out_at_the_widest_hop(seconds: float, labels: ClassMap) -> None:
    """Not at a gap, and not where the stream ends with a window that was left out."""
    for place in np.arange(0.0, seconds - 0.05, 0.07):
        samples = quiet(seconds)
        begin = round(place * RATE_HZ)
        samples[begin : begin + 800] = loud(0.05)
        blocks = list(late(samples, lambda at: 9.0))
        blocks.append(AudioBlock(quiet(0.1), len(samples) + 160, 160, "overflow"))
        items = list(analysis(blocks, labels, SharpClassifier()))
        assert [record for record in records_of(items) if isinstance(record, EventStart)], place


def test_rules_that_count_windows_mean_the_same_time_with_fewer_windows(labels: ClassMap) -> None:
    """A sound of six windows is not missed where three of five are to hear it."""
    samples = np.concatenate((quiet(6.0), loud(2.4), quiet(6.0)))
    values: dict[str, Any] = {"confirm": (3, 5), "hold_seconds": 1.0}
    found = []
    for behind_s in (0.0, 9.0):
        blocks = [replace(b, behind_s=behind_s) for b in numbered(split(samples, 1_280))]
        start, end = records_of(analysis(blocks, labels, **values))
        assert isinstance(start, EventStart)
        assert isinstance(end, EventEnd)
        found.append((start.start_s, end.end_s, end.windows))
    usual, degraded = found
    assert degraded[:2] == pytest.approx(usual[:2], abs=0.49)
    assert degraded[2] == pytest.approx(usual[2], abs=1)


def test_a_recording_is_analyzed_the_same_however_late(labels: ClassMap) -> None:
    """Its blocks never wait: nothing but that decides on the pace."""
    blocks = numbered(split(loud(20.0), 1_280))
    items = list(analysis(blocks, labels, hop_seconds=0.1))
    assert paces_of(items) == []
    assert np.diff([window.start_s for window in scores_of(items)]) == pytest.approx(0.1)


def test_the_pace_stays_across_a_gap(labels: ClassMap) -> None:
    blocks = [replace(block, behind_s=9.0) for block in with_gap(quiet(2.0), 4_000, quiet(2.0))]
    items = list(analysis(blocks, labels, hop_seconds=0.1))
    (gap_at,) = [at for at, item in enumerate(items) if isinstance(item, Gap)]
    last_pace = paces_of(items[: gap_at + 5])[-1]
    after = [window.start_s for window in scores_of(items[gap_at:])]
    assert last_pace.hop_seconds == pytest.approx(0.4)
    assert after[:2] == pytest.approx([2.25, 2.25 + last_pace.hop_seconds])


# --- Errors -------------------------------------------------------------------------------------


class BrokenError(Exception):
    """What a source raises in these tests."""


def test_a_clock_that_is_set_right_dates_what_comes_after_it(labels: ClassMap) -> None:
    chunks = [loud(1.0), quiet(2.0), loud(1.0)]
    blocks = [
        AudioBlock(chunk, round(begin_s * RATE_HZ), wall_time=wall_time)
        for chunk, begin_s, wall_time in zip(
            chunks, (0.0, 1.0, 3.0), (1_000.0, None, 9_000.0), strict=True
        )
    ]
    starts = [r for r in records_of(analysis(blocks, labels)) if isinstance(r, EventStart)]
    assert [start.time - start.start_s for start in starts] == [1_000.0, 8_997.0]


def test_an_exception_ends_what_goes_on_and_is_passed_on(labels: ClassMap) -> None:
    def blocks() -> Iterator[AudioBlock]:
        yield AudioBlock(loud(2.0), 0, wall_time=10.0)
        raise BrokenError

    items: list[Item] = []
    with pytest.raises(BrokenError):
        items.extend(analysis(blocks(), labels))
    start, end = records_of(items)
    assert isinstance(start, EventStart)
    assert isinstance(end, EventEnd)
    assert end.start is start
    assert end.end_s <= 2.0
