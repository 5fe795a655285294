"""Clips: the very samples of each event, and nothing on the disk that was not to be there."""

import errno
import json
import tracemalloc
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from livetag.errors import LivetagError, UsageError
from livetag.events import AudioBlock, EventEnd, EventStart, FloatArray, Gap, Item, Scores
from livetag.records import as_object, iso_time
from livetag.schema import Clips
from livetag.sinks.base import EVERYTHING, LeftOutError, Selection, Sink
from livetag.sinks.clips import ClipSink
from livetag.yamnet.labels import Label

RATE_HZ = 4_000
WINDOW_S = 0.975
HOP_S = 0.48
BEGAN = 1_795_365_900.0
"""The UNIX time of the stream's first sample."""
SPEECH, DOG, SIREN = 0, 69, 390

Pcm = npt.NDArray[np.int16]


def noise(seconds: float, rate_hz: int = RATE_HZ) -> Pcm:
    random = np.random.default_rng(20_261_122)
    return random.integers(-32_768, 32_768, round(seconds * rate_hz), np.int16)


@dataclass(frozen=True)
class Sound:
    """An event that a test has: its start comes with the `confirmed`-th window after its onset."""

    start_s: float
    end_s: float
    index: int = DOG
    name: str = "Dog"
    alert: bool = True
    alert_at_start: bool = True
    group: str = ""
    confirmed: int = 0
    hold_s: float = 1.0

    @property
    def start(self) -> EventStart:
        label = Label(self.index, "/m/0bt9lr", self.name)
        time = BEGAN + self.start_s
        alert = self.alert and self.alert_at_start
        return EventStart(
            label, time, self.start_s, 0.9, 0.5, -20.0, alert, self.group, withheld=""
        )

    def ended(self, latest_s: float) -> EventEnd:
        end_s = min(self.end_s, latest_s)
        return EventEnd(self.start, BEGAN + end_s, end_s, 0.9, 0.8, 5, -18.0, self.alert)


def window(start_s: float, spoken: float = 0.0) -> Scores:
    scores = np.zeros(521, np.float32)
    scores[SPEECH] = spoken
    none = np.empty(0, np.float32)
    return Scores(start_s, start_s + WINDOW_S, scores, none, -20.0, None)


def segment(
    pcm: Pcm,
    sounds: Sequence[Sound] = (),
    speech: dict[float, float] | None = None,
    first_sample: int = 0,
    lost_before: int = 0,
    block: int = 509,
    rate_hz: int = RATE_HZ,
    padded: bool = True,
) -> Iterator[Item]:
    """Audio in a row as the pipeline yields it: blocks, the windows they complete, and events.

    `speech`: the score of Speech in the windows at these hops. `padded`: whether windows that the
    audio does not fill are scored, as at the end of a stream.
    """
    samples = pcm.astype(np.float32) / np.float32(32_768.0)
    begin_s, ends = first_sample / rate_hz, first_sample + len(pcm)
    speech = speech or {}
    hop = 0
    started: list[Sound] = []
    waiting = list(sounds)

    def windows(heard_s: float) -> Iterator[Item]:
        nonlocal hop
        while (start_s := begin_s + hop * HOP_S) + WINDOW_S <= heard_s:
            yield window(start_s, speech.get(hop, 0.0))
            for sound in list(waiting):
                if sound.start_s + sound.confirmed * HOP_S <= start_s + 1e-9:
                    waiting.remove(sound)
                    started.append(sound)
                    yield sound.start
            for sound in list(started):
                if start_s - sound.end_s + HOP_S > sound.hold_s:
                    started.remove(sound)
                    yield sound.ended(ends / rate_hz)
            hop += 1

    for at in range(0, len(samples), block):
        piece = samples[at : at + block]
        lost = lost_before if at == 0 else 0
        yield AudioBlock(piece, first_sample + at, lost, "overflow" if lost else "")
        yield from windows((first_sample + at + len(piece)) / rate_hz)
    if padded:
        yield from windows(ends / rate_hz + WINDOW_S - 1e-6)
    for sound in started:
        yield sound.ended(ends / rate_hz)


def make_sink(
    folder: Path,
    rate_hz: int = RATE_HZ,
    selection: Selection = EVERYTHING,
    never_with: Sequence[int] = (),
    lookback_seconds: float = WINDOW_S + 4 * HOP_S,
    tidy: bool = True,
    **settings: Any,
) -> ClipSink:
    table = Clips(path=str(folder), **{"keep_days": 36_500.0, **settings})
    return ClipSink(
        folder,
        "demo",
        rate_hz,
        table,
        selection,
        never_with,
        HOP_S,
        lookback_seconds,
        tidy,
    )


def feed(sink: Sink, items: Iterator[Item]) -> None:
    for item in items:
        assert isinstance(item, sink.takes)
        sink.write(item)


def recorded(folder: Path, items: Iterator[Item], **arguments: Any) -> ClipSink:
    sink = make_sink(folder, **arguments)
    feed(sink, items)
    sink.close()
    return sink


def clips(folder: Path) -> list[tuple[Pcm, dict[str, Any]]]:
    """Each clip's samples and sidecar, by name."""
    found = []
    for path in sorted(folder.glob("*.json")):
        sidecar = json.loads(path.read_text())
        pcm, rate_hz = soundfile.read(folder / sidecar["file"], dtype="int16")
        assert rate_hz == sidecar["rate_hz"]
        found.append((pcm, sidecar))
    assert len(list(folder.iterdir())) == 2 * len(found)
    return found


def only(folder: Path) -> tuple[Pcm, dict[str, Any]]:
    (found,) = clips(folder)
    return found


def span(pcm: Pcm, start_s: float, end_s: float, rate_hz: int = RATE_HZ) -> Pcm:
    return pcm[round(start_s * rate_hz) : round(end_s * rate_hz)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "clips"


@pytest.mark.parametrize("file_format", ["flac", "wav"])
@pytest.mark.parametrize("block", [17, 509, 1_920, 7_001, 100_000])
@pytest.mark.parametrize("confirmed", [0, 4])
def test_a_clip_holds_the_very_samples_from_pre_roll_to_post_roll(
    file_format: str, block: int, confirmed: int, folder: Path
) -> None:
    pcm = noise(15.0)
    sound = Sound(4.8, 6.24, confirmed=confirmed)
    recorded(folder, segment(pcm, [sound], block=block), format=file_format)
    samples, sidecar = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 8.24))
    assert sidecar["file"].endswith(f"_dog.{file_format}")


@pytest.mark.parametrize("rate_hz", [11_025, 44_100, 48_000])
def test_samples_are_exact_at_the_rates_of_sound_cards(rate_hz: int, folder: Path) -> None:
    pcm = noise(9.0, rate_hz)
    items = segment(pcm, [Sound(2.88, 4.32)], block=1_103, rate_hz=rate_hz)
    recorded(folder, items, rate_hz=rate_hz, pre_roll_seconds=0.3337, post_roll_seconds=0.0001)
    samples, _ = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.88 - 0.3337, 4.3201, rate_hz))


def test_the_sidecar_holds_the_event_and_where_the_clip_stands(folder: Path) -> None:
    sound = Sound(4.8, 6.24, group="pets")
    recorded(folder, segment(noise(15.0), [sound]), pre_roll_seconds=1.5)
    (_, sidecar) = only(folder)
    event = as_object(sound.ended(15.0), "demo")
    assert {key: sidecar[key] for key in event} == event
    assert {key: value for key, value in sidecar.items() if key not in event} == {
        "file": f"{iso_time(BEGAN + 4.8)[:23].replace(':', '-')}_dog.flac",
        "rate_hz": RATE_HZ,
        "channels": 1,
        "clip_time": iso_time(BEGAN + 3.3),
        "clip_start_s": 3.3,
        "clip_end_s": 8.24,
        "pre_roll_seconds": 1.5,
        "truncated": False,
    }


def test_at_the_very_start_of_a_stream_the_pre_roll_is_what_there_is(folder: Path) -> None:
    pcm = noise(9.0)
    recorded(folder, segment(pcm, [Sound(0.48, 1.44)]))
    samples, sidecar = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 0.0, 3.44))
    assert (sidecar["clip_start_s"], sidecar["pre_roll_seconds"]) == (0.0, 0.48)


def test_an_event_that_a_stop_ends_is_written_with_what_there_is(folder: Path) -> None:
    pcm = noise(6.1)
    recorded(folder, segment(pcm, [Sound(4.8, 60.0)]))
    samples, sidecar = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 6.1))
    assert (sidecar["end_s"], sidecar["clip_end_s"]) == (6.1, 6.1)
    assert sidecar["truncated"] is False


def test_a_stop_in_the_post_roll_writes_the_clip_until_there(folder: Path) -> None:
    pcm = noise(7.3)
    recorded(folder, segment(pcm, [Sound(4.8, 5.76)]), post_roll_seconds=60.0)
    samples, _ = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 7.3))


def test_an_event_that_never_ended_leaves_no_clip(folder: Path) -> None:
    items = segment(noise(9.0), [Sound(4.8, 60.0)])
    recorded(folder, (item for item in items if not isinstance(item, EventEnd)))
    assert clips(folder) == []


@pytest.mark.parametrize("told", [True, False])
def test_no_clip_spans_a_gap(told: bool, folder: Path) -> None:
    """Neither does the first one's post-roll reach over it, nor the second one's pre-roll."""
    first, second = noise(6.0), noise(9.0)[::-1]
    sink = make_sink(folder)
    feed(sink, segment(first, [Sound(4.8, 60.0)], padded=False))
    lost = 1_000
    if told:
        sink.write(Gap(BEGAN + 6.0, 6.0, lost / RATE_HZ, "overflow"))
    begin = len(first) + lost
    begin_s = begin / RATE_HZ
    sound = Sound(begin_s + HOP_S, begin_s + 4 * HOP_S, SIREN, "Siren")
    feed(sink, segment(second, [sound], first_sample=begin, lost_before=lost))
    sink.close()
    (before, _), (after, sidecar) = clips(folder)
    np.testing.assert_array_equal(before, span(first, 2.8, 6.0))
    np.testing.assert_array_equal(after, span(second, 0.0, 4 * HOP_S + 2.0))
    assert sidecar["clip_start_s"] == begin_s
    assert sidecar["pre_roll_seconds"] == HOP_S


def test_a_clip_in_its_post_roll_is_written_when_the_gap_is_told(folder: Path) -> None:
    pcm = noise(8.0)
    sink = make_sink(folder, post_roll_seconds=30.0)
    feed(sink, segment(pcm, [Sound(4.8, 5.76)], padded=False))
    assert clips(folder) == []
    sink.write(Gap(BEGAN + 8.0, 8.0, 1.0, "stalled"))
    samples, _ = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 8.0))
    sink.close()
    assert len(clips(folder)) == 1


@pytest.mark.parametrize(("never_with", "end_s"), [([], 6.0), ([SPEECH], 5.775)])
def test_an_end_that_comes_after_its_gap_makes_the_same_clip(
    never_with: list[int], end_s: float, folder: Path
) -> None:
    pcm, sound = noise(6.0), Sound(4.8, 60.0)
    sink = make_sink(folder, never_with=never_with)
    for item in segment(pcm, [sound], padded=False):
        if not isinstance(item, EventEnd):
            sink.write(item)
    sink.write(Gap(BEGAN + 6.0, 6.0, 1.0, "stalled"))
    feed(sink, segment(noise(3.0), first_sample=40_000, lost_before=16_000))
    sink.write(sound.ended(6.0))
    samples, _ = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, end_s))


def test_a_block_without_samples_that_tells_of_a_gap_is_none_of_the_clip(folder: Path) -> None:
    pcm = noise(6.0)
    sink = make_sink(folder)
    feed(sink, segment(pcm, [Sound(4.8, 60.0)], padded=False))
    sink.write(AudioBlock(np.empty(0, np.float32), 36_000, 12_000, "stalled"))
    sink.close()
    samples, _ = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 6.0))


def test_blocks_that_are_missing_are_a_gap_though_nobody_tells(folder: Path) -> None:
    pcm = noise(15.0)
    items = segment(pcm, [Sound(4.8, 9.12)], block=500)
    missing = (item for item in items if getattr(item, "first_sample", 0) != 28_000)
    recorded(folder, missing)
    samples, sidecar = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 7.0))
    assert sidecar["truncated"] is True


def test_an_event_without_length_leaves_no_clip_where_nothing_is_put_around_it(
    folder: Path,
) -> None:
    items = segment(noise(9.0), [Sound(4.8, 4.8)])
    recorded(folder, items, pre_roll_seconds=0.0, post_roll_seconds=0.0)
    assert clips(folder) == []


def test_an_onset_that_is_further_back_than_was_said_costs_the_beginning(folder: Path) -> None:
    pcm = noise(20.0)
    sound = Sound(2.88, 14.4, confirmed=20)
    recorded(folder, segment(pcm, [sound]), lookback_seconds=1.0)
    samples, sidecar = only(folder)
    assert 2.88 < sidecar["clip_start_s"] < 9.5
    assert sidecar["pre_roll_seconds"] == 0.0
    np.testing.assert_array_equal(samples, span(pcm, 16.4 - len(samples) / RATE_HZ, 16.4))


def test_events_that_overlap_have_a_clip_each(folder: Path) -> None:
    pcm = noise(15.0)
    sounds = [Sound(4.8, 7.2), Sound(5.28, 9.12, SIREN, "Siren"), Sound(4.8, 6.24, group="pets")]
    recorded(folder, segment(pcm, sounds), pre_roll_seconds=1.0, post_roll_seconds=1.0)
    found = {(c["label"], c.get("group")): samples for samples, c in clips(folder)}
    np.testing.assert_array_equal(found["Dog", None], span(pcm, 3.8, 8.2))
    np.testing.assert_array_equal(found["Siren", None], span(pcm, 4.28, 10.12))
    np.testing.assert_array_equal(found["Dog", "pets"], span(pcm, 3.8, 7.24))
    assert len(list(folder.glob("*_dog-2.flac"))) == 1  # two of one label at one time


def test_a_second_event_may_begin_in_the_post_roll_of_the_first(folder: Path) -> None:
    pcm = noise(15.0)
    sounds = [Sound(4.8, 5.28), Sound(7.2, 8.16)]
    recorded(folder, segment(pcm, sounds), post_roll_seconds=4.0)
    (first, _), (second, _) = clips(folder)
    np.testing.assert_array_equal(first, span(pcm, 2.8, 9.28))
    np.testing.assert_array_equal(second, span(pcm, 5.2, 12.16))


@pytest.mark.parametrize("pre_roll_seconds", [0.0, 2.0, 4.0])
def test_a_long_event_is_cut_to_the_longest_clip_after_its_pre_roll(
    pre_roll_seconds: float, folder: Path
) -> None:
    pcm = noise(30.0)
    items = segment(pcm, [Sound(4.8, 25.0)])
    recorded(folder, items, max_seconds=5.0, pre_roll_seconds=pre_roll_seconds)
    samples, sidecar = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 4.8 - pre_roll_seconds, 9.8))
    assert (sidecar["clip_end_s"], sidecar["end_s"], sidecar["truncated"]) == (9.8, 25.0, True)


def test_a_clip_that_may_be_no_longer_than_its_pre_roll_has_the_sound_all_the_same(
    folder: Path,
) -> None:
    pcm = noise(15.0)
    recorded(folder, segment(pcm, [Sound(4.8, 6.24)]), max_seconds=0.5)
    samples, _ = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 5.3))


def test_the_post_roll_counts_as_part_of_the_longest_clip(folder: Path) -> None:
    pcm = noise(15.0)
    recorded(folder, segment(pcm, [Sound(4.8, 6.24)]), max_seconds=2.44, post_roll_seconds=5.0)
    samples, sidecar = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 7.24))
    assert sidecar["truncated"] is False


def test_of_a_long_event_no_more_audio_is_held_than_its_clip_and_the_history(folder: Path) -> None:
    sink = make_sink(folder, max_seconds=5.0, lookback_seconds=2.0)
    held: list[weakref.ref[FloatArray]] = []
    most = 0
    block = 1_000
    for at in range(0, 300 * RATE_HZ, block):
        samples = np.full(block, at / (300 * RATE_HZ), np.float32)
        held.append(weakref.ref(samples))
        sink.write(AudioBlock(samples, at))
        del samples
        start_s = (at + block) / RATE_HZ - WINDOW_S
        if start_s > 0.0:
            sink.write(window(start_s))
        if at == 10 * RATE_HZ:
            sink.write(Sound(9.0, 299.0).start)
        held = [reference for reference in held if reference() is not None]
        most = max(most, len(held))
    # The clip with its pre-roll; pre-roll and look-back; slack.
    assert most * block / RATE_HZ <= (2.0 + 5.0) + (2.0 + 2.0) + 2.0
    sink.write(Sound(9.0, 299.0).ended(300.0))
    sink.close()
    clip, _ = only(folder)
    assert len(clip) == 7 * RATE_HZ


@pytest.mark.parametrize("group", ["", "pets"])
def test_an_event_whose_end_never_came_is_held_no_longer_than_until_the_next(
    group: str, folder: Path
) -> None:
    """Ends may be dropped where the disk hangs."""
    sink = make_sink(folder, lookback_seconds=2.0)
    held = []
    for number in range(10):
        samples = np.zeros(10 * RATE_HZ, np.float32)
        held.append(weakref.ref(samples))
        sink.write(AudioBlock(samples, number * len(samples)))
        del samples
        sound = Sound(10.0 * number + 5.0, 10.0 * number + 6.0, DOG + number % 2 * bool(group))
        sink.write(replace(sound.start, group=group))
    sink.write(window(98.0))
    sink.write(Sound(85.0, 86.0).ended(100.0))  # an earlier one's
    sink.write(replace(ended := sound.ended(100.0), start=replace(ended.start, group=group)))
    sink.close()
    assert sum(reference() is not None for reference in held) <= 2
    assert [sidecar["start_s"] for _, sidecar in clips(folder)] == [95.0]


@pytest.mark.parametrize(("wanted", "seconds"), [(None, 30), ({SPEECH}, 30), ({520}, 8)])
def test_events_that_overlap_share_their_audio_in_memory(
    wanted: set[int] | None, seconds: int, folder: Path
) -> None:
    """And those of classes that nobody wants hold none: the history is all there is then."""
    sink = make_sink(folder, selection=Selection(classes=wanted), max_seconds=30.0)
    tracemalloc.start()
    try:
        for index in range(30):
            sink.write(AudioBlock(np.zeros(RATE_HZ, np.float32), index * RATE_HZ))
            if index == 3:
                for label in range(100):
                    sink.write(Sound(3.0, 60.0, label).start)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    once = seconds * RATE_HZ * 4
    assert once * 0.5 < used < once * 2


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
    hops: dict[float, float], withheld: bool, block: int, confirmed: int, folder: Path
) -> None:
    """The clip goes from 2.8 s, in the fifth window, to 8.24 s, in the eighteenth."""
    sound = Sound(4.8, 6.24, confirmed=confirmed)
    items = segment(noise(15.0), [sound], speech=hops, block=block)
    recorded(folder, items, never_with=[SPEECH])
    assert len(clips(folder)) == (not withheld)


def test_what_is_never_to_be_recorded_is_looked_for_until_the_clip_is_cut(folder: Path) -> None:
    sounds, speech = [Sound(4.8, 20.0)], {25.0: 0.9}  # 12 s, 7.2 after the onset
    items = list(segment(noise(25.0), sounds, speech=speech))
    recorded(folder / "cut", iter(items), never_with=[SPEECH], max_seconds=7.0)
    assert len(clips(folder / "cut")) == 1
    recorded(folder / "longer", iter(items), never_with=[SPEECH], max_seconds=7.5)
    assert clips(folder / "longer") == []


@pytest.mark.parametrize("score", [0.1, 0.2, 0.3, 0.7, 0.9, 1.0])
def test_a_score_that_just_reaches_the_limit_counts_however_it_is_rounded(
    score: float, folder: Path
) -> None:
    items = segment(noise(15.0), [Sound(4.8, 6.24)], speech={10: score})
    recorded(folder, items, never_with=[SPEECH], never_score=score)
    assert clips(folder) == []


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
    missing: set[int], withheld: bool, begin: int, folder: Path
) -> None:
    """A sink that is too slow for the microphone is not given all there is."""
    begin_s = begin / RATE_HZ
    sound = Sound(begin_s + 4.8, begin_s + 6.24, confirmed=2)
    items = list(segment(noise(15.0), [sound], first_sample=begin, lost_before=begin))
    hops = {begin_s + hop * HOP_S for hop in missing}
    given = [i for i in items if not (isinstance(i, Scores) and i.start_s in hops)]
    assert len(given) == len(items) - len(missing)
    recorded(folder / "a", iter(given), never_with=[SPEECH])
    assert len(clips(folder / "a")) == (not withheld)
    recorded(folder / "b", iter(given))
    assert len(clips(folder / "b")) == 1


def test_blocks_and_windows_that_are_missing_together_keep_a_clip_back(folder: Path) -> None:
    items = segment(noise(15.0), [Sound(7.2, 9.12)], block=500)
    missing = (
        item
        for item in items
        if not (isinstance(item, AudioBlock | Scores) and 6.0 <= _begins(item) < 6.5)
    )
    recorded(folder, missing, never_with=[SPEECH])
    assert clips(folder) == []


def _begins(item: AudioBlock | Scores) -> float:
    return item.start_s if isinstance(item, Scores) else item.first_sample / RATE_HZ


def test_other_classes_and_an_empty_list_keep_nothing_back(folder: Path) -> None:
    items = list(segment(noise(15.0), [Sound(4.8, 6.24)], speech={10: 1.0}))
    recorded(folder / "a", iter(items), never_with=[DOG, SIREN])
    recorded(folder / "b", iter(items), never_with=[])
    assert len(clips(folder / "a")) == len(clips(folder / "b")) == 1


def test_one_clip_is_kept_back_and_its_neighbour_is_not(folder: Path) -> None:
    sounds = [Sound(4.8, 6.24), Sound(14.4, 15.36, SIREN, "Siren")]
    items = segment(noise(25.0), sounds, speech={10: 0.9})
    recorded(folder, items, never_with=[SPEECH])
    _, sidecar = only(folder)
    assert sidecar["label"] == "Siren"


def test_nothing_is_on_the_disk_before_a_window_begins_after_the_clip(folder: Path) -> None:
    sink = make_sink(folder, never_with=[SPEECH])
    first_after = 8.64  # of the windows, every 0.48 s, that begin at or after 8.24 s
    for item in segment(noise(15.0), [Sound(4.8, 6.24)]):
        if isinstance(item, Scores) and item.start_s >= first_after - 1e-9:
            sink.write(item)
            break
        assert list(folder.iterdir()) == []
        sink.write(item)
    assert len(clips(folder)) == 1


def test_before_a_gap_only_what_a_window_has_heard_is_recorded_where_something_must_not_be(
    folder: Path,
) -> None:
    """The audio after the last whole window before a gap is scored by none."""
    pcm = noise(6.1)
    items = list(segment(pcm, [Sound(4.8, 60.0)], padded=False))
    heard_s = max(item.end_s for item in items if isinstance(item, Scores))
    assert heard_s < 6.0
    recorded(folder / "a", iter(items), never_with=[SPEECH])
    np.testing.assert_array_equal(only(folder / "a")[0], span(pcm, 2.8, heard_s))
    recorded(folder / "b", iter(items))
    np.testing.assert_array_equal(only(folder / "b")[0], span(pcm, 2.8, 6.1))


def test_speech_before_a_gap_keeps_nothing_back_after_it(folder: Path) -> None:
    sink = make_sink(folder, never_with=[SPEECH])
    feed(sink, segment(noise(6.0), speech={10: 0.9}, padded=False))
    sink.write(Gap(BEGAN + 6.0, 6.0, 0.1, "overflow"))
    sound = Sound(6.1, 7.54)
    feed(sink, segment(noise(9.0), [sound], first_sample=24_400, lost_before=400))
    sink.close()
    assert len(clips(folder)) == 1


def test_alerts_alone_are_recorded_where_asked_also_those_told_of_late(folder: Path) -> None:
    sounds = [
        Sound(4.8, 6.24, name="Late", alert_at_start=False),
        Sound(4.8, 6.24, SIREN, "No alert", alert=False),
    ]
    recorded(folder, segment(noise(15.0), sounds), selection=Selection(alerts_only=True))
    _, sidecar = only(folder)
    assert (sidecar["label"], sidecar["alert"]) == ("Late", True)


def test_only_the_classes_that_are_asked_for_are_recorded(folder: Path) -> None:
    sounds = [Sound(4.8, 6.24), Sound(4.8, 6.24, SIREN, "Siren")]
    recorded(folder, segment(noise(15.0), sounds), selection=Selection(classes={SIREN}))
    _, sidecar = only(folder)
    assert sidecar["label"] == "Siren"


@pytest.mark.parametrize(
    "name", ["../../etc/x", "a/b", "", "\x00", "CON", "x" * 999, "🐕", "\udce9"]
)
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "clips"
    table = Clips(path=str(folder), keep_days=36_500.0)
    sink = ClipSink(folder, name, RATE_HZ, table, EVERYTHING, (), HOP_S, 3.0)
    feed(sink, segment(noise(9.0), [Sound(2.88, 3.84, name=name, group=name)]))
    sink.close()
    _, sidecar = only(folder)
    assert (sidecar["label"], sidecar["source"]) == (name, name)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != folder] == []


def test_a_link_planted_where_a_clip_would_go_is_left_alone(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    sink = make_sink(folder)
    planted = folder / f"{iso_time(BEGAN + 4.8)[:23].replace(':', '-')}_dog.flac"
    planted.symlink_to(target)
    feed(sink, segment(noise(9.0), [Sound(4.8, 6.24)]))
    sink.close()
    assert target.read_bytes() == b"mine"
    assert planted.is_symlink()
    assert (folder / f"{planted.stem}-2.flac").is_file()


def test_an_older_clip_makes_room_for_a_new_one(folder: Path) -> None:
    pcm = noise(30.0)
    sounds = [Sound(4.8, 5.76), Sound(14.4, 15.36, SIREN, "Siren")]
    recorded(folder, segment(pcm, sounds), keep_megabytes=0.05, format="wav")  # 40 kB each
    _, sidecar = only(folder)
    assert sidecar["label"] == "Siren"


def test_clips_that_are_too_old_are_out_at_the_start(folder: Path) -> None:
    folder.mkdir()
    (folder / "2020-01-01T00-00-00.000_dog.flac").touch()
    (folder / "2020-01-01T00-00-00.000.flac").touch()
    make_sink(folder, keep_days=30.0)
    assert [path.name for path in folder.iterdir()] == ["2020-01-01T00-00-00.000.flac"]


def test_clips_of_a_recording_push_none_out_and_are_not_out_themselves(folder: Path) -> None:
    """It may be of years ago, or of next year: its dates say nothing of what is old now."""
    folder.mkdir()
    before = {"2020-01-01T00-00-00.000_dog.flac", "2999-01-01T00-00-00.000_dog.flac"}
    for name in before:
        (folder / name).write_bytes(b"x" * 9_000)
    for years_s in (9e8, -9e8):
        sink = make_sink(folder, tidy=False, keep_days=1.0, keep_megabytes=0.001)
        feed(sink, (earlier(item, years_s) for item in segment(noise(9.0), [Sound(2.88, 3.84)])))
        sink.write(earlier(Sound(0.0, 90_000.0, 494, "Silence").ended(90_000.0), years_s))
        sink.close()
    names = {path.name for path in folder.iterdir()}
    assert before < names
    assert len(list(folder.glob("*.json"))) == 2


def earlier(item: Item, seconds: float) -> Item:
    match item:
        case EventStart():
            return replace(item, time=item.time - seconds)
        case EventEnd():
            start = replace(item.start, time=item.start.time - seconds)
            return replace(item, start=start, end_time=item.end_time - seconds)
    return item


def test_clips_grow_too_old_while_none_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Clips(path=str(folder), keep_days=1.0)
    selection = Selection(classes={DOG})
    monkeypatch.setattr("livetag.sinks.clips.time.time", lambda: BEGAN)
    sink = ClipSink(folder, "demo", RATE_HZ, table, selection, (), HOP_S, 3.0)
    feed(sink, segment(noise(9.0), [Sound(2.88, 3.84)]))
    assert len(clips(folder)) == 1
    silence = Sound(0.0, 90_000.0, 494, "Silence")
    sink.write(silence.ended(86_000.0))
    assert len(clips(folder)) == 1
    sink.write(silence.ended(90_000.0))
    assert clips(folder) == []


# --- What cannot be written ---------------------------------------------------------------------


@pytest.fixture
def full_disk() -> Iterator[pytest.MonkeyPatch]:
    """The disk is full until this is undone."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", full)
        yield patch


def fed(sink: ClipSink, items: Iterator[Item]) -> list[str]:
    """Hand all items over, as to a sink that fails; what it raised."""
    raised = []
    for item in items:
        try:
            sink.write(item)
        except OSError as error:
            raised.append(str(error.strerror))
    return raised


THREE = [Sound(4.8, 6.24), Sound(6.24, 7.2, SIREN, "Siren"), Sound(12.0, 13.44, name="Bark")]


@pytest.mark.parametrize("never_with", [[], [SPEECH]])
def test_clips_that_could_not_be_written_are_whole_when_they_are(
    never_with: list[int], folder: Path, full_disk: pytest.MonkeyPatch
) -> None:
    """Those whose sound came in the meantime, too; and nothing unfinished lies about until then."""
    pcm = noise(20.0)
    sink = make_sink(folder, never_with=never_with)
    assert fed(sink, segment(pcm, THREE)) == ["No space left on device"]
    assert list(folder.iterdir()) == []
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            sink.retry()
    assert list(folder.iterdir()) == []
    full_disk.undo()
    sink.retry()
    sink.close()
    found = {sidecar["label"]: samples for samples, sidecar in clips(folder)}
    for sound in THREE:
        expected = span(pcm, sound.start_s - 2.0, sound.end_s + 2.0)
        np.testing.assert_array_equal(found[sound.name], expected)


def test_audio_that_is_broken_off_while_the_disk_is_full_is_in_no_later_clip(
    folder: Path, full_disk: pytest.MonkeyPatch
) -> None:
    first, second = noise(6.0), noise(9.0)[::-1]
    sink = make_sink(folder)
    begin = len(first) + 1_000
    begin_s = begin / RATE_HZ
    sound = Sound(begin_s + HOP_S, begin_s + 4 * HOP_S, SIREN, "Siren")
    fed(sink, segment(first, [Sound(4.8, 60.0)], padded=False))
    fed(sink, segment(second, [sound], first_sample=begin, lost_before=1_000))
    full_disk.undo()
    sink.close()
    (before, _), (after, _) = clips(folder)
    np.testing.assert_array_equal(before, span(first, 2.8, 6.0))
    np.testing.assert_array_equal(after, span(second, 0.0, 4 * HOP_S + 2.0))


@pytest.mark.usefixtures("full_disk")
def test_clips_that_wait_are_bounded_and_those_beyond_are_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.sinks.clips._MOST_KEPT_BYTES", 45_000)  # each has 43 kB or so
    sink = make_sink(folder, format="wav")
    raised = fed(sink, segment(noise(20.0), THREE))
    assert raised == ["No space left on device", *["no memory for more clips"] * 2]
    with pytest.raises(LeftOutError, match="No space left") as caught:
        sink.close()
    assert caught.value.records == 1


@pytest.mark.usefixtures("full_disk")
def test_clips_that_are_lost_in_the_end_are_counted(folder: Path) -> None:
    sink = make_sink(folder)
    fed(sink, segment(noise(14.0), THREE[:2]))
    fed(sink, segment(noise(9.0), [Sound(15.0, 30.0)], first_sample=14 * RATE_HZ))
    with pytest.raises(LeftOutError, match="No space left") as caught:
        sink.close()
    assert caught.value.records == 3


@pytest.mark.usefixtures("full_disk")
def test_clips_that_find_no_room_at_the_very_end_are_counted_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.sinks.clips._MOST_KEPT_BYTES", 45_000)
    sink = make_sink(folder, format="wav", post_roll_seconds=60.0)
    fed(sink, segment(noise(9.0), THREE[:2], padded=False))
    with pytest.raises(LeftOutError, match="No space left") as caught:
        sink.close()
    assert caught.value.records == 2


@pytest.mark.parametrize("ended_by", ["a gap", "a stop"])
def test_clips_that_end_at_once_are_all_written_where_the_disk_is_fine(
    ended_by: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.sinks.clips._MOST_KEPT_BYTES", 45_000)
    sink = make_sink(folder, format="wav", post_roll_seconds=60.0)
    feed(sink, segment(noise(20.0), THREE, padded=False))
    if ended_by == "a gap":
        sink.write(Gap(BEGAN + 20.0, 20.0, 1.0, "stalled"))
        assert len(clips(folder)) == 3
    sink.close()
    assert len(clips(folder)) == 3


def test_clips_for_which_there_was_no_memory_are_told_of_after_the_disk_is(
    folder: Path, full_disk: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that wait are tried again for that."""
    monkeypatch.setattr("livetag.sinks.clips._MOST_KEPT_BYTES", 45_000)
    sink = make_sink(folder, format="wav", post_roll_seconds=60.0)
    feed(sink, segment(noise(20.0), THREE, padded=False))
    with pytest.raises(OSError, match="No space left"):
        sink.write(Gap(BEGAN + 20.0, 20.0, 1.0, "stalled"))
    full_disk.undo()
    sink.retry()
    with pytest.raises(LeftOutError, match="no memory for more clips") as caught:
        sink.close()
    assert caught.value.records == 2
    assert len(clips(folder)) == 1


def test_a_clip_that_is_larger_than_all_that_may_wait_is_written_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.sinks.clips._MOST_KEPT_BYTES", 10)
    recorded(folder, segment(noise(20.0), THREE))
    assert len(clips(folder)) == 3


def test_a_folder_that_is_removed_is_an_oserror_until_it_is_back(folder: Path) -> None:
    sink = make_sink(folder)
    folder.rmdir()
    assert fed(sink, segment(noise(20.0), THREE)) == ["No such file or directory"]
    with pytest.raises(FileNotFoundError):
        sink.retry()
    sink.reopen()
    with pytest.raises(FileNotFoundError):
        sink.retry()
    assert not folder.exists()
    folder.mkdir()
    sink.retry()
    sink.close()
    assert len(clips(folder)) == 3


def test_a_folder_that_cannot_be_kept_in_bounds_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.sinks.clips.time.time", lambda: BEGAN)
    sink = make_sink(folder, keep_days=1.0)
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        sink.write(Sound(0.0, 90_000.0, 494, "Silence").ended(90_000.0))
    with pytest.raises(FileNotFoundError):
        sink.retry()
    folder.mkdir()
    sink.retry()
    sink.close()


def test_what_counts_as_lost_is_an_event_that_is_wanted(folder: Path) -> None:
    sink = make_sink(folder, selection=Selection(alerts_only=True))
    sound, unheard = Sound(4.8, 6.24), Sound(4.8, 6.24, alert=False)
    items: list[Item] = [sound.ended(9.0), unheard.ended(9.0), sound.start, window(0.0)]
    assert [sink.writes(item) for item in items] == [True, False, False, False]


def test_the_folder_is_made_for_its_owner_alone(folder: Path) -> None:
    sink = make_sink(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sink.name == str(folder)


def test_a_path_that_is_a_file_and_a_rate_that_flac_has_not_are_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is no folder"):
        make_sink(tmp_path / "file")
    with pytest.raises(UsageError, match="flac files cannot hold 768000 Hz; wav can"):
        make_sink(tmp_path / "clips", rate_hz=768_000)
    assert not (tmp_path / "clips").exists()


def test_clips_that_cannot_be_kept_in_bounds_are_an_error_at_the_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> Iterator[Path]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "iterdir", broken)
    with pytest.raises(LivetagError, match="cannot be kept in bounds: Input/output error"):
        make_sink(folder)
