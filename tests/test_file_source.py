"""Recordings as sources: their pace, how they are stopped, and how they end."""

import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from livetag.audio.pipe import PipeReader
from livetag.errors import InputError
from livetag.events import AudioBlock, FloatArray
from livetag.sources.base import BLOCK_SECONDS, limited, numbered, paced
from livetag.sources.file import FileSource, StdinSource

RATE_HZ = 16_000
BLOCK = round(BLOCK_SECONDS * RATE_HZ)


def ramp(samples: int) -> FloatArray:
    """Samples of which no two are alike, and all of which 16 bits hold."""
    return (np.arange(samples) / 32_768).astype(np.float32)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "ramp.wav"
    soundfile.write(path, ramp(16_100), RATE_HZ)
    return path


def joined(blocks: Iterable[AudioBlock]) -> FloatArray:
    return np.concatenate([block.samples for block in blocks])


class NotingEvent(threading.Event):
    """A stop event that is never waited for: it notes how long somebody would have waited."""

    def __init__(self, set_after: int = 1_000_000) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.set_after = set_after

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        if len(self.waits) > self.set_after:
            self.set()
        return self.is_set()


def test_a_recording_comes_whole_in_numbered_blocks(wav: Path) -> None:
    with FileSource(wav, fast=True) as source:
        assert (source.name, source.rate_hz) == ("ramp.wav", RATE_HZ)
        blocks = list(source.blocks(threading.Event()))
    assert np.array_equal(joined(blocks), ramp(16_100))
    assert [block.first_sample for block in blocks] == list(range(0, 16_100, BLOCK))
    assert [block.wall_time is not None for block in blocks] == [True] + [False] * 12
    assert all(block.lost_before == 0 for block in blocks)
    assert source.failure is None


@pytest.mark.parametrize("fast", [False, True])
def test_a_recording_is_dated_from_when_it_began_or_its_replay_starts(
    fast: bool, wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1_000.0)
    monkeypatch.setattr("time.time", lambda: 5_000.0)
    for began, expected in ((0.0, 0.0), (1_234.5, 1_234.5), (None, 5_000.0)):
        with FileSource(wav, fast, began) as source:
            assert not source.live
            dates = [block.wall_time for block in source.blocks(NotingEvent())]
        assert dates == [expected] + [None] * (len(dates) - 1)


def test_a_recording_is_replayed_at_its_own_pace(
    wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1_000.0)  # no time passes but by waiting
    stop = NotingEvent()
    with FileSource(wav, fast=False) as source:
        blocks = list(source.blocks(stop))
    ends_s = [(block.first_sample + len(block.samples)) / RATE_HZ for block in blocks]
    assert stop.waits == pytest.approx(ends_s)
    assert [block.captured_at for block in blocks] == pytest.approx([1_000 + s for s in ends_s])


def test_a_replay_that_fell_behind_catches_up_without_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0, 0.0, 5.0, 5.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    stop = NotingEvent()
    blocks = numbered([ramp(1_000)] * 3)
    assert len(list(paced(blocks, 1_000, stop))) == 3
    assert stop.waits == [1.0, 0.0, 0.0]


def test_a_recording_stops_when_it_is_told_to(wav: Path) -> None:
    stop = threading.Event()
    with FileSource(wav, fast=True) as source:
        blocks = source.blocks(stop)
        next(blocks)
        stop.set()
        assert list(blocks) == []
    paced_stop = NotingEvent(set_after=2)
    with FileSource(wav, fast=False) as source:
        assert len(list(source.blocks(paced_stop))) == 2


def test_a_recording_that_breaks_off_ends_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, ramp(32_000), RATE_HZ)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with FileSource(path, fast=True) as source:
        heard = joined(source.blocks(threading.Event()))
    assert np.array_equal(heard, ramp(32_000)[: len(heard)])
    assert isinstance(source.failure, InputError)
    assert "cut.flac cannot be read on" in str(source.failure)


# --- limited ------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 99, 100, 101, 250, 300])
def test_a_limit_cuts_to_the_sample(samples: int) -> None:
    blocks = list(limited(numbered([ramp(100)] * 3), samples, 100))
    assert sum(len(block.samples) for block in blocks) == samples
    assert all(len(block.samples) for block in blocks)


def test_a_limit_beyond_the_end_changes_nothing() -> None:
    assert len(list(limited(numbered([ramp(100)] * 3), 301, 100))) == 3


def test_a_limit_waits_for_no_block_that_it_does_not_need() -> None:
    def source() -> Iterator[FloatArray]:
        yield ramp(100)
        raise AssertionError("the next block was asked for")

    assert len(list(limited(numbered(source()), 100, 100))) == 1


def test_a_limit_counts_lost_audio_too() -> None:
    blocks = [
        AudioBlock(ramp(100), 0),
        AudioBlock(ramp(100), 1_000, lost_before=900, gap_reason="overflow"),
        AudioBlock(ramp(100), 1_100),
    ]
    heard = list(limited(blocks, 1_030, 100))
    assert [(block.first_sample, len(block.samples)) for block in heard] == [(0, 100), (1_000, 30)]
    assert heard[1].lost_before == 900


def test_a_gap_that_a_limit_cuts_begins_when_it_did() -> None:
    nothing = np.empty(0, np.float32)
    blocks = [
        AudioBlock(ramp(100), 0, wall_time=50.0),
        AudioBlock(nothing, 1_000, lost_before=900, gap_reason="zeros", wall_time=60.0),
    ]
    _, gap = limited(blocks, 600, 100)
    assert (gap.first_sample, gap.lost_before, gap.wall_time) == (600, 500, 56.0)


# --- Standard input -----------------------------------------------------------------------------


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pipe for standard input: yields the descriptor to write to."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield writing


def test_standard_input_gives_all_that_was_written_and_then_ends(pipe: int) -> None:
    samples = np.round(ramp(20_000) * 32_768).astype("<i2")
    with os.fdopen(pipe, "wb") as writing:
        writing.write(samples.tobytes())
    with StdinSource(RATE_HZ, 1) as source:
        blocks = list(source.blocks(threading.Event()))
    assert np.array_equal(joined(blocks), ramp(20_000))
    assert source.failure is None


def test_standard_input_is_dated_from_when_it_began(pipe: int) -> None:
    with os.fdopen(pipe, "wb") as writing:
        writing.write(np.zeros(4_000, "<i2").tobytes())
    with StdinSource(RATE_HZ, 1, began=1_234.5) as source:
        assert not source.live
        dates = [block.wall_time for block in source.blocks(threading.Event())]
    assert dates == [1_234.5] + [None] * (len(dates) - 1)


class StopAtSecondLook(threading.Event):
    """Set, as far as anybody can tell, from the second time that it is looked at."""

    looks = 0

    def is_set(self) -> bool:
        self.looks += 1
        return self.looks > 1


def test_standard_input_that_stays_open_without_audio_can_be_stopped(pipe: int) -> None:
    heard: list[AudioBlock] = []
    with StdinSource(RATE_HZ, 1) as source:
        blocks = source.blocks(StopAtSecondLook())
        listener = threading.Thread(target=lambda: heard.extend(blocks), daemon=True)
        listener.start()
        listener.join(timeout=30.0)
        assert not listener.is_alive()
        os.close(pipe)  # lets the reading thread end
        assert isinstance(source._reader, PipeReader)
        assert source._reader.thread is not None
        source._reader.thread.join(timeout=30.0)
    assert heard == []
