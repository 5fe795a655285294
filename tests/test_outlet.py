"""A microphone's sink that fails: tried again, its backlog bounded, and no loss untold."""

import errno
import queue
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from waiting import PATIENCE_SECONDS, wait_until

from livetag import outlet
from livetag.events import AudioBlock, Gap, Item, Level
from livetag.outlet import Outlet
from livetag.sinks.base import LeftOutError

ROOM = 5
FULL = OSError(errno.ENOSPC, "No space left on device")
TRYING = (
    "the disk cannot be written (No space left on device): trying again; "
    "what is heard meanwhile is kept"
)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(outlet, "_LONGEST_PAUSE_SECONDS", 0.004)
    monkeypatch.setattr(outlet, "_BUSY_SECONDS", 0.001)


class Disk:
    """A sink that raises `error` while there is one, and keeps one item that it could not write.

    It refuses what no sink may be asked for: another item while one is unwritten.
    """

    name = "the disk"

    def __init__(self, error: Exception | None = None, takes: tuple[type, ...] = (Gap,)) -> None:
        self.takes = takes
        self.error = error
        self.items: list[Item] = []
        self.unwritten: list[Item] = []
        self.tries = 0
        self.reopened = 0
        self.closed = 0

    def write(self, item: Item) -> None:
        assert not self.unwritten
        assert not self.closed
        self.unwritten.append(item)
        self.retry()

    def retry(self) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.items += self.unwritten
        self.unwritten.clear()

    def writes(self, item: Item) -> bool:
        return isinstance(item, Gap) and item.reason != "unwanted"

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        self.closed += 1


class Recorder(Disk):
    """A sink of audio: it goes on while it fails, and keeps two gaps, or none while it is full."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(error, (Gap, AudioBlock))
        self.blocks = 0

    def write(self, item: Item) -> None:
        if isinstance(item, AudioBlock):
            self.blocks += 1
            return
        if self.unwritten:
            if len(self.unwritten) == 2:
                raise LeftOutError(1, "no room for more")
            self.unwritten.append(item)
        else:
            super().write(item)

    def close(self) -> None:
        super().close()
        if self.unwritten:
            raise LeftOutError(len(self.unwritten), "No space left on device")


class Bench:
    """An outlet that runs, and what it has told."""

    def __init__(self, sink: Disk, room: int = ROOM) -> None:
        self.sink = sink
        self.messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.outlet = Outlet(sink, room, may_wait=False, messages=self.messages)
        self.outlet.start()

    def put(self, *items: Item) -> None:
        for item in items:
            self.outlet.put(item, None)

    def tell(self) -> str:
        """The next thing that is told."""
        return self.messages.get(timeout=PATIENCE_SECONDS)

    def end(self) -> list[str]:
        """End; what was told besides."""
        self.outlet.end()
        assert self.outlet.ended(PATIENCE_SECONDS)
        assert self.sink.closed == 1
        return [self.messages.get() for _ in range(self.messages.qsize())]


def gaps(count: int, first: int = 0, reason: str = "overflow") -> list[Gap]:
    return [Gap(1_000.0, float(number), 0.1, reason) for number in range(first, first + count)]


def test_a_sink_that_fails_is_told_once_and_tried_until_it_works() -> None:
    disk = Disk(FULL)
    bench = Bench(disk)
    bench.put(*gaps(3))
    assert bench.tell() == TRYING
    wait_until(lambda: disk.tries > 5)
    bench.put(*gaps(1, first=3))
    disk.error = None
    assert bench.tell() == "the disk is written again"
    bench.put(*gaps(1, first=4))
    assert bench.end() == []
    assert disk.items == gaps(5)
    assert not bench.outlet.failed


def test_each_failure_is_told_and_each_recovery() -> None:
    disk = Disk(FULL)
    bench = Bench(disk)
    for number in range(3):
        disk.error = FULL
        bench.put(*gaps(1, first=number))
        assert bench.tell() == TRYING
        disk.error = None
        assert bench.tell() == "the disk is written again"
    assert bench.end() == []
    assert disk.items == gaps(3)


def test_pauses_grow_to_the_longest_and_begin_again_with_the_next_failure() -> None:
    disk = Disk(FULL)
    bench = Bench(disk)
    pauses = set()
    for number in range(2):
        disk.error = FULL
        bench.put(*gaps(1, first=number))
        assert bench.tell() == TRYING
        tries = disk.tries
        wait_until(lambda tries=tries: disk.tries > tries + 5)  # type: ignore[misc]
        pauses.add(bench.outlet._pause_s)
        disk.error = None
        assert bench.tell() == "the disk is written again"
        assert bench.outlet._pause_s == 0.001
    assert bench.end() == []
    assert pauses == {0.004}


def test_what_there_is_no_room_for_is_dropped_and_counted() -> None:
    disk = Disk(FULL)
    bench = Bench(disk)
    bench.put(*gaps(1))
    assert bench.tell() == TRYING
    bench.put(*gaps(ROOM + 3, first=1))  # one is with the sink, and five wait
    assert bench.tell() == (
        "the disk has no room for more of what waits: some of what is heard is left out"
    )
    disk.error = None
    assert bench.tell() == "the disk is written again; 3 records left out"
    wait_until(lambda: len(disk.items) == ROOM + 1)
    bench.put(*gaps(1, first=100))
    assert bench.end() == []
    assert disk.items == [*gaps(ROOM + 1), *gaps(1, first=100)]
    assert bench.outlet.failed


def test_what_would_not_have_been_written_is_no_loss() -> None:
    disk = Disk(FULL)
    bench = Bench(disk)
    bench.put(*gaps(1))
    assert bench.tell() == TRYING
    bench.put(*gaps(ROOM + 3, reason="unwanted"))
    disk.error = None
    assert bench.tell() == "the disk is written again"
    assert bench.end() == []
    assert not bench.outlet.failed


def test_what_is_not_written_takes_no_room_from_what_is() -> None:
    """The other sounds of a night fill no queue in which alerts have to wait."""
    disk = Disk(FULL)
    bench = Bench(disk)
    bench.put(*gaps(1))
    assert bench.tell() == TRYING
    for number in range(1, ROOM + 1):
        bench.put(*gaps(2 * ROOM, reason="unwanted"), *gaps(1, first=number))
    disk.error = None
    assert bench.tell() == "the disk is written again"
    assert bench.end() == []
    assert [item for item in disk.items if disk.writes(item)] == gaps(ROOM + 1)
    assert not bench.outlet.failed


def test_of_what_a_sink_takes_note_of_alone_the_last_of_each_kind_waits() -> None:
    disk = Disk(FULL, takes=(Gap, Level))
    bench = Bench(disk)
    bench.put(*gaps(1))
    assert bench.tell() == TRYING
    levels = [Level(float(number), -20.0, -10.0, clipped=False) for number in range(100)]
    notes = [
        note for pair in zip(levels, gaps(100, reason="unwanted"), strict=True) for note in pair
    ]
    bench.put(*notes, *gaps(1, first=1), *levels, *gaps(1, first=2), *levels)
    disk.error = None
    assert bench.tell() == "the disk is written again"
    assert bench.end() == []
    first, second, third = gaps(3)
    assert disk.items == [first, *notes[-2:], second, levels[-1], third, levels[-1]]


def test_at_the_end_there_is_one_more_try_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "_FIRST_PAUSE_SECONDS", 2 * PATIENCE_SECONDS)
    disk = Disk(FULL)
    bench = Bench(disk)
    bench.put(*gaps(3))
    assert bench.tell() == TRYING
    disk.error = None
    assert bench.end() == ["the disk is written again"]
    assert disk.items == gaps(3)
    assert not bench.outlet.failed


def test_what_cannot_be_written_at_the_end_either_is_counted_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlet, "_FIRST_PAUSE_SECONDS", 2 * PATIENCE_SECONDS)
    disk = Disk(FULL)
    bench = Bench(disk)
    bench.put(*gaps(3), *gaps(2, reason="unwanted"))
    assert bench.tell() == TRYING
    assert disk.tries == 1
    assert bench.end() == [
        "the disk cannot be written (No space left on device): 3 records left out"
    ]
    assert disk.tries == 2
    assert bench.outlet.failed


def test_what_fails_first_at_the_end_is_told_as_what_it_is() -> None:
    disk = Disk()
    bench = Bench(disk)
    with bench.outlet._changed:  # as if they came in one moment
        bench.put(*gaps(2))
        bench.outlet.end()
        disk.error = FULL
    assert bench.end() == [
        "the disk cannot be written (No space left on device): 2 records left out"
    ]


def test_a_sink_that_fails_though_it_has_nothing_to_write_has_lost_nothing() -> None:
    disk = Disk(FULL)
    bench = Bench(disk)
    bench.put(*gaps(1, reason="unwanted"))
    assert bench.tell() == TRYING
    assert bench.end() == []
    assert not bench.outlet.failed


@pytest.mark.parametrize("error", [ValueError("a value that does not fit"), RuntimeError()])
def test_a_fault_of_its_own_is_not_tried_again(error: Exception) -> None:
    disk = Disk(error)
    bench = Bench(disk)
    bench.put(*gaps(2))
    assert bench.tell().endswith("): nothing more goes there")
    assert bench.outlet.gone
    assert bench.end() == []
    assert (disk.tries, bench.outlet.failed) == (1, True)


def test_a_reader_that_goes_away_while_the_sink_fails_is_told() -> None:
    disk = Disk(FULL)
    bench = Bench(disk)
    bench.put(*gaps(2))
    assert bench.tell() == TRYING
    disk.error = BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert bench.tell() == "the disk was closed: nothing more goes there"
    assert bench.end() == []
    assert not bench.outlet.failed


# --- Held by another ----------------------------------------------------------------------------

BUSY = BlockingIOError(errno.EAGAIN, "it is locked")


@pytest.mark.parametrize("may_wait", [False, True])
def test_a_sink_that_another_holds_is_tried_again_and_nothing_is_told(may_wait: bool) -> None:
    disk = Disk(BUSY)
    bench = Bench(disk)
    bench.outlet._may_wait = may_wait
    bench.put(*gaps(2))
    wait_until(lambda: disk.tries > 5)
    disk.error = None
    assert bench.end() == []
    assert disk.items == gaps(2)


def test_one_that_is_held_for_long_is_told_once_and_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = Disk(BUSY)
    bench = Bench(disk)
    bench.put(*gaps(2))
    wait_until(lambda: disk.tries > 2)
    bench.outlet.tell_if_held_up()
    assert bench.messages.empty()
    monkeypatch.setattr(outlet, "_HELD_UP_SECONDS", 0.0)
    bench.outlet.tell_if_held_up()
    bench.outlet.tell_if_held_up()
    monkeypatch.undo()
    disk.error = None
    assert bench.tell() == "the disk is held up: what is heard waits for it"
    assert bench.tell() == "the disk is written again"
    assert bench.end() == []


def test_one_that_is_held_to_the_end_is_tried_until_it_is_left_behind() -> None:
    disk = Disk(BUSY)
    bench = Bench(disk)
    bench.put(*gaps(2))
    bench.outlet.end()
    tries = disk.tries
    wait_until(lambda: disk.tries > tries + 5)
    bench.outlet.abandon()
    assert bench.outlet.ended(PATIENCE_SECONDS)  # it hangs in nothing
    assert bench.tell() == "the disk did not take all that it was to: 2 records left out"
    assert bench.messages.empty()
    assert bench.outlet.failed


@pytest.mark.parametrize("abandoned", [False, True])
def test_one_that_is_held_as_it_is_closed_is_tried_until_it_is_not_or_is_left_behind(
    abandoned: bool,
) -> None:
    class Held(Disk):
        def close(self) -> None:
            self.tries += 1
            if self.error is not None:
                raise self.error
            super().close()

    disk = Held(BUSY)
    bench = Bench(disk)
    bench.outlet.end()
    wait_until(lambda: disk.tries > 5)
    if abandoned:
        bench.outlet.abandon()
        assert bench.outlet.ended(PATIENCE_SECONDS)
        assert bench.tell() == "the disk did not take all that it was to"
    else:
        disk.error = None
        assert bench.end() == []
    assert bench.messages.empty()
    assert bench.outlet.failed == abandoned


# --- Sinks of audio -----------------------------------------------------------------------------


@pytest.fixture
def blocks() -> Iterator[AudioBlock]:
    return (AudioBlock(np.zeros(100, np.float32), 100 * number) for number in range(1_000))


def test_a_sink_of_audio_is_given_it_while_it_fails_and_tells_what_it_could_not_keep(
    blocks: Iterator[AudioBlock],
) -> None:
    disk = Recorder(FULL)
    bench = Bench(disk)
    bench.put(*gaps(1))
    assert bench.tell() == TRYING
    for number, block in zip(range(20), blocks, strict=False):
        bench.put(block)
        wait_until(lambda number=number: disk.blocks == number + 1)  # type: ignore[misc]
    bench.put(*gaps(3, first=1))
    assert bench.tell() == (
        "the disk has no room for more of what waits: some of what is heard is left out"
    )
    wait_until(lambda: bench.outlet._dropped == 2)
    disk.error = None
    assert bench.tell() == "the disk is written again; 2 records left out"
    assert bench.end() == []
    assert disk.items == gaps(2)
    assert bench.outlet.failed


@pytest.mark.parametrize("lost", [0, 2])
def test_of_a_sink_of_audio_that_is_too_slow_records_alone_are_counted(
    lost: int, blocks: Iterator[AudioBlock]
) -> None:
    class Slow(Recorder):
        def write(self, item: Item) -> None:
            super().write(item)
            begun.set()
            go_on.wait(PATIENCE_SECONDS)

    begun, go_on = threading.Event(), threading.Event()
    bench = Bench(Slow())
    bench.put(next(blocks))
    assert begun.wait(PATIENCE_SECONDS)
    bench.put(*(next(blocks) for _ in range(ROOM + 3)), *gaps(lost))
    assert bench.tell() == "the disk is too slow: some of what is heard is left out"
    go_on.set()
    told = [f"the disk was too slow: {lost} records left out"] if lost else []
    assert bench.end() == told
    assert bench.outlet.failed == (lost > 0)


def test_what_a_sink_of_audio_could_not_write_in_the_end_it_says_itself() -> None:
    disk = Recorder(FULL)
    bench = Bench(disk)
    bench.put(*gaps(2))
    assert bench.tell() == TRYING
    assert bench.end() == [
        "the disk cannot be written (No space left on device): 2 records left out"
    ]
    assert bench.outlet.failed


@pytest.mark.parametrize("may_wait", [False, True])
def test_what_a_sink_of_audio_leaves_out_is_no_failure_of_it_to_write(may_wait: bool) -> None:
    disk = Recorder(LeftOutError(2, "no memory for more"))
    bench = Bench(disk)
    bench.outlet._may_wait = may_wait
    bench.put(*gaps(1))
    assert bench.tell() == "the disk is too slow: some of what is heard is left out"
    disk.error = None
    disk.unwritten.clear()
    bench.put(*gaps(1, first=1))
    assert bench.end() == ["the disk was too slow: 2 records left out"]
    assert disk.items == gaps(1, first=1)
    assert bench.outlet.failed


# --- Opening files again ------------------------------------------------------------------------


def test_opening_again_tries_at_once_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "_FIRST_PAUSE_SECONDS", 2 * PATIENCE_SECONDS)
    disk = Disk(FULL)
    bench = Bench(disk)
    bench.put(*gaps(2))
    assert bench.tell() == TRYING
    disk.error = None
    bench.outlet.reopen()
    assert bench.tell() == "the disk is written again"
    assert bench.end() == []
    assert (disk.items, disk.reopened) == (gaps(2), 1)


def test_a_sink_that_cannot_be_opened_again_is_tried_until_it_can() -> None:
    class Moved(Disk):
        def reopen(self) -> None:
            self.error = FULL
            self.retry()

    disk = Moved()
    bench = Bench(disk)
    bench.outlet.reopen()
    assert bench.tell() == TRYING
    disk.error = None
    assert bench.tell() == "the disk is written again"
    assert bench.end() == []
