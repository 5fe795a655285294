"""Clips cut out of the stream: the very samples of each event, and nothing that was not to be."""

import tracemalloc
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from clip_stream import (
    BEGAN,
    DOG,
    HOP_S,
    RATE_HZ,
    SIREN,
    SPEECH,
    WINDOW_S,
    Pcm,
    Sound,
    noise,
    segment,
    span,
    window,
)

from livetag.clip_cutter import Clip, ClipCutter
from livetag.events import AudioBlock, EventEnd, FloatArray, Gap, Item, Scores
from livetag.schema import Clips
from livetag.sinks.base import EVERYTHING, Selection


def make_cutter(
    rate_hz: int = RATE_HZ,
    selection: Selection = EVERYTHING,
    never_with: Sequence[int] = (),
    lookback_seconds: float = WINDOW_S + 4 * HOP_S,
    **settings: Any,
) -> ClipCutter:
    table = Clips(path="clips", **settings)
    return ClipCutter(rate_hz, table, selection, never_with, HOP_S, lookback_seconds)


def fed(cutter: ClipCutter, items: Iterable[Item]) -> list[Clip]:
    return [clip for item in items for clip in cutter.take(item)]


def cut(items: Iterable[Item], **arguments: Any) -> list[Clip]:
    """All clips of a stream, in the order in which they are complete."""
    cutter = make_cutter(**arguments)
    return [*fed(cutter, items), *cutter.end()]


def samples_of(clip: Clip) -> Pcm:
    return (np.concatenate(clip.pieces) * np.float32(32_768.0)).astype(np.int16)


def only(clips: list[Clip]) -> tuple[Pcm, Clip]:
    (clip,) = clips
    return samples_of(clip), clip


# --- From where to where ------------------------------------------------------------------------


@pytest.mark.parametrize("block", [17, 509, 1_920, 7_001, 100_000])
@pytest.mark.parametrize("confirmed", [0, 4])
def test_a_clip_holds_the_very_samples_from_pre_roll_to_post_roll(
    block: int, confirmed: int
) -> None:
    pcm, sound = noise(15.0), Sound(4.8, 6.24, confirmed=confirmed)
    samples, clip = only(cut(segment(pcm, [sound], block=block)))
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 8.24))
    assert (clip.begin_s, clip.end_s, clip.truncated) == (2.8, 8.24, False)
    assert clip.record == sound.ended(15.0)


@pytest.mark.parametrize("rate_hz", [11_025, 44_100, 48_000])
def test_samples_are_exact_at_the_rates_of_sound_cards(rate_hz: int) -> None:
    pcm = noise(9.0, rate_hz)
    items = segment(pcm, [Sound(2.88, 4.32)], block=1_103, rate_hz=rate_hz)
    around = {"pre_roll_seconds": 0.3337, "post_roll_seconds": 0.0001}
    samples, _ = only(cut(items, rate_hz=rate_hz, **around))
    np.testing.assert_array_equal(samples, span(pcm, 2.88 - 0.3337, 4.3201, rate_hz))


def test_at_the_very_start_of_a_stream_the_pre_roll_is_what_there_is() -> None:
    pcm = noise(9.0)
    samples, clip = only(cut(segment(pcm, [Sound(0.48, 1.44)])))
    np.testing.assert_array_equal(samples, span(pcm, 0.0, 3.44))
    assert clip.begin_s == 0.0


def test_an_event_that_a_stop_ends_is_cut_with_what_there_is() -> None:
    pcm = noise(6.1)
    samples, clip = only(cut(segment(pcm, [Sound(4.8, 60.0)])))
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 6.1))
    assert (clip.record.end_s, clip.end_s, clip.truncated) == (6.1, 6.1, False)


def test_a_stop_in_the_post_roll_cuts_the_clip_there() -> None:
    pcm = noise(7.3)
    samples, _ = only(cut(segment(pcm, [Sound(4.8, 5.76)]), post_roll_seconds=60.0))
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 7.3))


def test_an_event_that_never_ended_leaves_no_clip() -> None:
    items = segment(noise(9.0), [Sound(4.8, 60.0)])
    assert cut(item for item in items if not isinstance(item, EventEnd)) == []


def test_a_clip_is_complete_when_a_window_begins_after_it() -> None:
    """In which what is never to be recorded may be, as long as any overlaps it."""
    cutter = make_cutter(never_with=[SPEECH])
    completed_by = [
        item for item in segment(noise(15.0), [Sound(4.8, 6.24)]) if fed(cutter, [item])
    ]
    (item,) = completed_by
    assert isinstance(item, Scores)
    assert item.start_s == pytest.approx(8.64)  # of those every 0.48 s, the first from 8.24 s on


def test_an_event_without_length_leaves_no_clip_where_nothing_is_put_around_it() -> None:
    items = segment(noise(9.0), [Sound(4.8, 4.8)])
    assert cut(items, pre_roll_seconds=0.0, post_roll_seconds=0.0) == []


def test_an_onset_that_is_further_back_than_was_said_costs_the_beginning() -> None:
    pcm, sound = noise(20.0), Sound(2.88, 14.4, confirmed=20)
    samples, clip = only(cut(segment(pcm, [sound]), lookback_seconds=1.0))
    assert 2.88 < clip.begin_s < 9.5
    np.testing.assert_array_equal(samples, span(pcm, 16.4 - len(samples) / RATE_HZ, 16.4))


@pytest.mark.parametrize("pre_roll_seconds", [0.0, 2.0, 4.0])
def test_a_long_event_is_cut_to_the_longest_clip_after_its_pre_roll(
    pre_roll_seconds: float,
) -> None:
    pcm = noise(30.0)
    items = segment(pcm, [Sound(4.8, 25.0)])
    samples, clip = only(cut(items, max_seconds=5.0, pre_roll_seconds=pre_roll_seconds))
    np.testing.assert_array_equal(samples, span(pcm, 4.8 - pre_roll_seconds, 9.8))
    assert (clip.end_s, clip.record.end_s, clip.truncated) == (9.8, 25.0, True)


def test_a_clip_that_may_be_no_longer_than_its_pre_roll_has_the_sound_all_the_same() -> None:
    pcm = noise(15.0)
    samples, _ = only(cut(segment(pcm, [Sound(4.8, 6.24)]), max_seconds=0.5))
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 5.3))


def test_the_post_roll_counts_as_part_of_the_longest_clip() -> None:
    pcm = noise(15.0)
    items = segment(pcm, [Sound(4.8, 6.24)])
    samples, clip = only(cut(items, max_seconds=2.44, post_roll_seconds=5.0))
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 7.24))
    assert clip.truncated is False


# --- Several events, and those that are wanted --------------------------------------------------


def test_events_that_overlap_have_a_clip_each() -> None:
    pcm = noise(15.0)
    sounds = [Sound(4.8, 7.2), Sound(5.28, 9.12, SIREN, "Siren"), Sound(4.8, 6.24, group="pets")]
    clips = cut(segment(pcm, sounds), pre_roll_seconds=1.0, post_roll_seconds=1.0)
    found = {(c.record.start.label.name, c.record.start.group): samples_of(c) for c in clips}
    np.testing.assert_array_equal(found["Dog", ""], span(pcm, 3.8, 8.2))
    np.testing.assert_array_equal(found["Siren", ""], span(pcm, 4.28, 10.12))
    np.testing.assert_array_equal(found["Dog", "pets"], span(pcm, 3.8, 7.24))


def test_a_second_event_may_begin_in_the_post_roll_of_the_first() -> None:
    pcm = noise(15.0)
    sounds = [Sound(4.8, 5.28), Sound(7.2, 8.16)]
    first, second = cut(segment(pcm, sounds), post_roll_seconds=4.0)
    np.testing.assert_array_equal(samples_of(first), span(pcm, 2.8, 9.28))
    np.testing.assert_array_equal(samples_of(second), span(pcm, 5.2, 12.16))


def test_alerts_alone_have_clips_where_asked_also_those_told_of_late() -> None:
    sounds = [
        Sound(4.8, 6.24, name="Late", alert_at_start=False),
        Sound(4.8, 6.24, SIREN, "No alert", alert=False),
    ]
    _, clip = only(cut(segment(noise(15.0), sounds), selection=Selection(alerts_only=True)))
    assert clip.record.start.label.name == "Late"


def test_only_the_classes_that_are_asked_for_have_clips() -> None:
    sounds = [Sound(4.8, 6.24), Sound(4.8, 6.24, SIREN, "Siren")]
    _, clip = only(cut(segment(noise(15.0), sounds), selection=Selection(classes={SIREN})))
    assert clip.record.start.label.name == "Siren"


# --- Gaps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
def test_no_clip_spans_a_gap(told: bool) -> None:
    """Neither does the first one's post-roll reach over it, nor the second one's pre-roll."""
    first, second = noise(6.0), noise(9.0)[::-1]
    lost = 1_000
    begin = len(first) + lost
    begin_s = begin / RATE_HZ
    sound = Sound(begin_s + HOP_S, begin_s + 4 * HOP_S, SIREN, "Siren")
    items = [
        *segment(first, [Sound(4.8, 60.0)], padded=False),
        *([Gap(BEGAN + 6.0, 6.0, lost / RATE_HZ, "overflow")] if told else []),
        *segment(second, [sound], first_sample=begin, lost_before=lost),
    ]
    before, after = cut(items)
    np.testing.assert_array_equal(samples_of(before), span(first, 2.8, 6.0))
    np.testing.assert_array_equal(samples_of(after), span(second, 0.0, 4 * HOP_S + 2.0))
    assert after.begin_s == begin_s


def test_a_clip_in_its_post_roll_is_complete_when_the_gap_is_told() -> None:
    pcm = noise(8.0)
    cutter = make_cutter(post_roll_seconds=30.0)
    assert fed(cutter, segment(pcm, [Sound(4.8, 5.76)], padded=False)) == []
    samples, _ = only(cutter.take(Gap(BEGAN + 8.0, 8.0, 1.0, "stalled")))
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 8.0))
    assert cutter.end() == []


@pytest.mark.parametrize(("never_with", "end_s"), [([], 6.0), ([SPEECH], 5.775)])
def test_an_end_that_comes_after_its_gap_makes_the_same_clip(
    never_with: list[int], end_s: float
) -> None:
    pcm, sound = noise(6.0), Sound(4.8, 60.0)
    before = [
        item for item in segment(pcm, [sound], padded=False) if not isinstance(item, EventEnd)
    ]
    cutter = make_cutter(never_with=never_with)
    gap = Gap(BEGAN + 6.0, 6.0, 1.0, "stalled")
    after = segment(noise(3.0), first_sample=40_000, lost_before=16_000)
    assert fed(cutter, [*before, gap, *after]) == []
    samples, _ = only(cutter.take(sound.ended(6.0)))
    np.testing.assert_array_equal(samples, span(pcm, 2.8, end_s))


def test_a_block_without_samples_that_tells_of_a_gap_is_none_of_the_clip() -> None:
    pcm = noise(6.0)
    nothing = AudioBlock(np.empty(0, np.float32), 36_000, 12_000, "stalled")
    samples, _ = only(cut([*segment(pcm, [Sound(4.8, 60.0)], padded=False), nothing]))
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 6.0))


def test_blocks_that_are_missing_are_a_gap_though_nobody_tells() -> None:
    pcm = noise(15.0)
    items = segment(pcm, [Sound(4.8, 9.12)], block=500)
    missing = (item for item in items if getattr(item, "first_sample", 0) != 28_000)
    samples, clip = only(cut(missing))
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 7.0))
    assert clip.truncated is True


# --- Memory -------------------------------------------------------------------------------------


def test_of_a_long_event_no_more_audio_is_held_than_its_clip_and_the_history() -> None:
    cutter = make_cutter(max_seconds=5.0, lookback_seconds=2.0)
    held: list[weakref.ref[FloatArray]] = []
    most = 0
    block = 1_000
    for at in range(0, 300 * RATE_HZ, block):
        samples = np.full(block, at / (300 * RATE_HZ), np.float32)
        held.append(weakref.ref(samples))
        cutter.take(AudioBlock(samples, at))
        del samples
        start_s = (at + block) / RATE_HZ - WINDOW_S
        if start_s > 0.0:
            cutter.take(window(start_s))
        if at == 10 * RATE_HZ:
            cutter.take(Sound(9.0, 299.0).start)
        held = [reference for reference in held if reference() is not None]
        most = max(most, len(held))
    # The clip with its pre-roll; pre-roll and look-back; slack.
    assert most * block / RATE_HZ <= (2.0 + 5.0) + (2.0 + 2.0) + 2.0
    clip, _ = only(cutter.take(Sound(9.0, 299.0).ended(300.0)))
    assert len(clip) == 7 * RATE_HZ


@pytest.mark.parametrize("group", ["", "pets"])
def test_an_event_whose_end_never_came_is_held_no_longer_than_until_the_next(group: str) -> None:
    """Ends may be dropped where the disk hangs."""
    cutter = make_cutter(lookback_seconds=2.0)
    held = []
    for number in range(10):
        samples = np.zeros(10 * RATE_HZ, np.float32)
        held.append(weakref.ref(samples))
        cutter.take(AudioBlock(samples, number * len(samples)))
        del samples
        sound = Sound(10.0 * number + 5.0, 10.0 * number + 6.0, DOG + number % 2 * bool(group))
        cutter.take(replace(sound.start, group=group))
    last = sound.ended(100.0)
    items: list[Item] = [
        window(98.0),
        Sound(85.0, 86.0).ended(100.0),  # an earlier one's
        replace(last, start=replace(last.start, group=group)),
    ]
    starts = [clip.record.start.start_s for clip in [*fed(cutter, items), *cutter.end()]]
    assert starts == [95.0]
    assert sum(reference() is not None for reference in held) <= 2


@pytest.mark.parametrize(("wanted", "seconds"), [(None, 30), ({SPEECH}, 30), ({520}, 8)])
def test_events_that_overlap_share_their_audio_in_memory(
    wanted: set[int] | None, seconds: int
) -> None:
    """And those of classes that nobody wants hold none: the history is all there is then."""
    cutter = make_cutter(selection=Selection(classes=wanted), max_seconds=30.0)
    tracemalloc.start()
    try:
        for index in range(30):
            cutter.take(AudioBlock(np.zeros(RATE_HZ, np.float32), index * RATE_HZ))
            if index == 3:
                for label in range(100):
                    cutter.take(Sound(3.0, 60.0, label).start)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    once = seconds * RATE_HZ * 4
    assert once * 0.5 < used < once * 2


# --- What is never to be recorded ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("hops", "withheld"),
    [
        ({}, False),
        ({10: 0.9}, True),  # the event's own window
        ({4: 0.9}, True),  # 1.92 to 2.895 s: into the pre-roll alone
        ({3: 0.9}, False),  # 1.44 to 2.415 s: before it
        ({17: 0.9}, True),  # from 8.16 s: the end of the post-roll alone
        ({18: 0.9}, False),  # from 8.64 s: after it
        ({10: 0.2}, True),
        ({10: float(np.nextafter(np.float32(0.2), np.float32(0.0)))}, False),
        ({10: float("nan")}, True),
        ({3: 0.9, 17: 0.9, 18: 0.9}, True),
        ({0: 0.9, 3: 0.9, 18: 0.9, 20: 0.9}, False),
    ],
)
@pytest.mark.parametrize("block", [509, 7_001, 100_000])
@pytest.mark.parametrize("confirmed", [0, 4])
def test_what_is_never_to_be_recorded_keeps_a_clip_back_wherever_it_is_in_it(
    hops: dict[float, float], withheld: bool, block: int, confirmed: int
) -> None:
    """The clip goes from 2.8 s, in the fifth window, to 8.24 s, in the eighteenth."""
    sound = Sound(4.8, 6.24, confirmed=confirmed)
    items = segment(noise(15.0), [sound], speech=hops, block=block)
    assert len(cut(items, never_with=[SPEECH])) == (not withheld)


def test_what_is_never_to_be_recorded_is_looked_for_until_the_clip_is_cut() -> None:
    sounds, speech = [Sound(4.8, 20.0)], {25.0: 0.9}  # 12 s, 7.2 after the onset
    items = list(segment(noise(25.0), sounds, speech=speech))
    assert len(cut(items, never_with=[SPEECH], max_seconds=7.0)) == 1
    assert cut(items, never_with=[SPEECH], max_seconds=7.5) == []


@pytest.mark.parametrize("score", [0.1, 0.2, 0.3, 0.7, 0.9, 1.0])
def test_a_score_that_just_reaches_the_limit_counts_however_it_is_rounded(score: float) -> None:
    items = segment(noise(15.0), [Sound(4.8, 6.24)], speech={10: score})
    assert cut(items, never_with=[SPEECH], never_score=score) == []


@pytest.mark.parametrize(
    ("missing", "withheld"),
    [
        ({0}, False),
        ({3}, False),
        ({4}, True),
        ({10}, True),
        ({17}, True),
        ({18}, False),
        ({1, 2, 3, 20}, False),
        ({2, 3, 4}, True),
        (set(range(16, 25)), True),
    ],
)
@pytest.mark.parametrize("begin", [0, 40_000])
def test_windows_whose_scores_never_came_may_hold_what_is_never_to_be_recorded(
    missing: set[int], withheld: bool, begin: int
) -> None:
    """A sink that is too slow for the microphone is not given all there is."""
    begin_s = begin / RATE_HZ
    sound = Sound(begin_s + 4.8, begin_s + 6.24, confirmed=2)
    items = list(segment(noise(15.0), [sound], first_sample=begin, lost_before=begin))
    hops = {begin_s + hop * HOP_S for hop in missing}
    given = [i for i in items if not (isinstance(i, Scores) and i.start_s in hops)]
    assert len(given) == len(items) - len(missing)
    assert len(cut(given, never_with=[SPEECH])) == (not withheld)
    assert len(cut(given)) == 1


def test_blocks_and_windows_that_are_missing_together_keep_a_clip_back() -> None:
    items = segment(noise(15.0), [Sound(7.2, 9.12)], block=500)
    missing = (
        item
        for item in items
        if not (isinstance(item, AudioBlock | Scores) and 6.0 <= _begins(item) < 6.5)
    )
    assert cut(missing, never_with=[SPEECH]) == []


def _begins(item: AudioBlock | Scores) -> float:
    return item.start_s if isinstance(item, Scores) else item.first_sample / RATE_HZ


@pytest.mark.parametrize("never_with", [[DOG, SIREN], []])
def test_other_classes_and_an_empty_list_keep_nothing_back(never_with: list[int]) -> None:
    items = segment(noise(15.0), [Sound(4.8, 6.24)], speech={10: 1.0})
    assert len(cut(items, never_with=never_with)) == 1


def test_before_a_gap_only_what_a_window_has_heard_is_cut_where_something_must_not_be() -> None:
    """The audio after the last whole window before a gap is scored by none."""
    pcm = noise(6.1)
    items = list(segment(pcm, [Sound(4.8, 60.0)], padded=False))
    heard_s = max(item.end_s for item in items if isinstance(item, Scores))
    assert heard_s < 6.0
    for never_with, end_s in (([SPEECH], heard_s), ([], 6.1)):
        samples, _ = only(cut(items, never_with=never_with))
        np.testing.assert_array_equal(samples, span(pcm, 2.8, end_s))


def test_speech_before_a_gap_keeps_nothing_back_after_it() -> None:
    sound = Sound(6.1, 7.54)
    items = [
        *segment(noise(6.0), speech={10: 0.9}, padded=False),
        Gap(BEGAN + 6.0, 6.0, 0.1, "overflow"),
        *segment(noise(9.0), [sound], first_sample=24_400, lost_before=400),
    ]
    assert len(cut(items, never_with=[SPEECH])) == 1
