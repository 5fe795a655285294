"""Clips as files: each whole, with what it is of, and nothing that was not to be on the disk."""

import errno
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from clip_stream import (
    BEGAN,
    DOG,
    HOP_S,
    MUSIC,
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

from livetag.errors import LivetagError, UsageError
from livetag.events import EventEnd, EventStart, Explanation, Gap, Item, Scores
from livetag.records import as_object, iso_time
from livetag.schema import Clips
from livetag.sinks.base import EVERYTHING, LeftOutError, Selection, Sink
from livetag.sinks.clips import ClipSink


def make_sink(
    folder: Path,
    rate_hz: int = RATE_HZ,
    selection: Selection = EVERYTHING,
    never_with: Sequence[int] = (),
    lookback_seconds: float = WINDOW_S + 4 * HOP_S,
    tidy: bool = True,
    explain: Callable[[Explanation], None] = lambda _: None,
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
        explain,
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "clips"


@pytest.mark.parametrize("file_format", ["flac", "wav"])
def test_a_file_holds_the_very_samples_of_its_clip(file_format: str, folder: Path) -> None:
    pcm = noise(15.0)
    recorded(folder, segment(pcm, [Sound(4.8, 6.24)]), format=file_format)
    samples, sidecar = only(folder)
    np.testing.assert_array_equal(samples, span(pcm, 2.8, 8.24))
    assert sidecar["file"].endswith(f"_dog.{file_format}")


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


def test_the_sidecar_says_what_a_clip_lacks(folder: Path) -> None:
    """Its pre-roll, where an onset is told of too late; and its end, where that is too long."""
    late, long = Sound(2.88, 14.4, confirmed=20), Sound(4.8, 25.0)
    recorded(folder / "late", segment(noise(20.0), [late]), lookback_seconds=1.0)
    recorded(folder / "long", segment(noise(30.0), [long]), max_seconds=5.0)
    lacking = [only(folder / name)[1] for name in ("late", "long")]
    assert [sidecar["pre_roll_seconds"] for sidecar in lacking] == [0.0, 2.0]
    assert [sidecar["truncated"] for sidecar in lacking] == [False, True]


def test_events_that_overlap_have_a_clip_each(folder: Path) -> None:
    pcm = noise(15.0)
    sounds = [Sound(4.8, 7.2), Sound(5.28, 9.12, SIREN, "Siren"), Sound(4.8, 6.24, group="pets")]
    recorded(folder, segment(pcm, sounds), pre_roll_seconds=1.0, post_roll_seconds=1.0)
    found = {(c["label"], c.get("group")): samples for samples, c in clips(folder)}
    np.testing.assert_array_equal(found["Dog", None], span(pcm, 3.8, 8.2))
    np.testing.assert_array_equal(found["Siren", None], span(pcm, 4.28, 10.12))
    np.testing.assert_array_equal(found["Dog", "pets"], span(pcm, 3.8, 7.24))
    assert len(list(folder.glob("*_dog-2.flac"))) == 1  # two of one label at one time


def test_one_clip_is_kept_back_and_its_neighbour_is_not(folder: Path) -> None:
    sounds = [Sound(4.8, 6.24), Sound(14.4, 15.36, SIREN, "Siren")]
    items = segment(noise(25.0), sounds, speech={10: 0.9})
    recorded(folder, items, never_with=[SPEECH])
    _, sidecar = only(folder)
    assert sidecar["label"] == "Siren"


def test_why_an_event_has_no_clip_is_explained(folder: Path) -> None:
    sounds = [Sound(4.8, 6.24), Sound(14.4, 15.36, SIREN, "Siren", group="alarms")]
    told: list[Explanation] = []
    items = segment(noise(25.0), sounds, speech={10: 0.9})
    missing = pytest.approx(14.4)
    given = (item for item in items if not (isinstance(item, Scores) and item.start_s == missing))
    recorded(folder, given, never_with=[MUSIC, SPEECH], explain=told.append)
    assert [event.why for event in told] == [
        "no clip: Speech in it",
        "no clip: not all of it was scored",
    ]
    first, second = told
    assert (first.label.name, first.time, first.start_s) == ("Dog", BEGAN + 4.8, 4.8)
    assert (second.label.name, second.group) == ("Siren", "alarms")


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


def test_alerts_alone_are_recorded_where_asked_also_those_told_of_late(folder: Path) -> None:
    sounds = [
        Sound(4.8, 6.24, name="Late", alert_at_start=False),
        Sound(4.8, 6.24, SIREN, "No alert", alert=False),
    ]
    recorded(folder, segment(noise(15.0), sounds), selection=Selection(alerts_only=True))
    _, sidecar = only(folder)
    assert (sidecar["label"], sidecar["alert"]) == ("Late", True)


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
