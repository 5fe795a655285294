"""All sinks as one: each at its own pace, and none of them the end of the others."""

import errno
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from waiting import PATIENCE_SECONDS, wait_until

from livetag import fanout, outlet
from livetag.events import AudioBlock, Gap, Item, Level
from livetag.fanout import FanOut
from livetag.sinks.base import Sink

BACKLOG = 5


@pytest.fixture(autouse=True)
def short_backlogs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "BACKLOG_ITEMS", BACKLOG)
    monkeypatch.setattr(fanout, "AUDIO_BACKLOG_ITEMS", 2 * BACKLOG)
    monkeypatch.setattr(outlet, "_WAIT_SECONDS", 0.01)


class NotingSink:
    """Keeps what it is given; `full` is set once it has `expected` items."""

    name = "notes"

    def __init__(self, takes: tuple[type, ...] = (Gap,), expected: int = 1) -> None:
        self.takes = takes
        self.items: list[Item] = []
        self.closed = 0
        self.reopened = 0
        self.full = threading.Event()
        self.threads: set[threading.Thread] = set()
        self._expected = expected

    def write(self, item: Item) -> None:
        assert not self.closed
        self.threads.add(threading.current_thread())
        self.items.append(item)
        if len(self.items) >= self._expected:
            self.full.set()

    def writes(self, item: Item) -> bool:
        return True

    def retry(self) -> None:
        raise AssertionError("nothing has failed")

    def reopen(self) -> None:
        self.threads.add(threading.current_thread())
        self.reopened += 1

    def close(self) -> None:
        self.threads.add(threading.current_thread())
        self.closed += 1


class SlowSink(NotingSink):
    """Waits in each `write` until it is let go on; `busy` is set when it is in the first."""

    name = "the slow one"

    def __init__(self, takes: tuple[type, ...] = (Gap,)) -> None:
        super().__init__(takes)
        self.busy = threading.Event()
        self.go_on = threading.Event()

    def write(self, item: Item) -> None:
        self.busy.set()
        assert self.go_on.wait(PATIENCE_SECONDS)
        super().write(item)


class FailingSink(NotingSink):
    """Raises in `write`, in `close`, or in both."""

    name = "the failing one"

    def __init__(self, error: Exception, when: tuple[str, ...] = ("write",)) -> None:
        super().__init__()
        self._error = error
        self._when = when

    def write(self, item: Item) -> None:
        super().write(item)
        if "write" in self._when:
            raise self._error

    def close(self) -> None:
        super().close()
        if "close" in self._when:
            raise self._error


class Fan:
    """A fan-out on the bench, with the event that stops it."""

    def __init__(self, *sinks: Sink, may_wait: bool = True) -> None:
        self.stop = threading.Event()
        self.out = FanOut(sinks, may_wait)
        self.out.start()
        self.told: list[str] = []

    def write(self, *items: Item) -> None:
        for item in items:
            self.out.write(item, self.stop)

    def close(self, patience_seconds: float = PATIENCE_SECONDS) -> list[str]:
        """Close; all that was told."""
        self.out.close(self.stop, patience_seconds)
        return self.tell()

    def tell(self) -> list[str]:
        self.told += self.out.messages()
        return self.told


def gap(number: int) -> Gap:
    return Gap(1_000.0, float(number), 0.1, "overflow")


def gaps(count: int, first: int = 0) -> list[Gap]:
    return [gap(number) for number in range(first, first + count)]


def block(number: int = 0) -> AudioBlock:
    return AudioBlock(np.zeros(100, np.float32), 100 * number)


@pytest.fixture
def background() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Start something in a thread that has to have ended by the end of the test."""
    threads = []

    def start(call: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=call, daemon=True)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


# --- What goes where ----------------------------------------------------------------------------


def test_every_sink_gets_the_kinds_it_takes_in_their_order() -> None:
    records, all_kinds = NotingSink((Gap,)), NotingSink((Gap, AudioBlock))
    fan = Fan(records, all_kinds)
    items: list[Item] = []
    for number in range(200):
        items += [block(number), Level(1.0, -20.0, -10.0, clipped=False), gap(number)]
    fan.write(*items)
    assert fan.close() == []
    assert records.items == items[2::3]
    kept = [item for item in items if not isinstance(item, Level)]
    assert all(mine is given for mine, given in zip(all_kinds.items, kept, strict=True))


def test_a_sink_is_written_to_and_closed_by_one_thread_of_its_own() -> None:
    one, other = NotingSink(), NotingSink()
    fan = Fan(one, other)
    fan.write(*gaps(3))
    fan.close()
    assert len(one.threads) == len(other.threads) == 1
    assert len(one.threads | other.threads | {threading.current_thread()}) == 3
    assert not any(thread.is_alive() for thread in one.threads | other.threads)


def test_no_thread_runs_before_the_start() -> None:
    """Whoever makes a fan-out and cannot go on has nothing to end."""
    before = set(threading.enumerate())
    notes = NotingSink()
    out = FanOut([notes, NotingSink()], may_wait=True)
    out.write(gap(0), threading.Event())
    assert out.takes_audio is False
    assert set(threading.enumerate()) <= before
    assert notes.items == []
    out.start()
    out.close(threading.Event(), PATIENCE_SECONDS)
    assert (notes.items, notes.closed) == ([gap(0)], 1)


@pytest.mark.parametrize(("takes", "wanted"), [((Gap,), False), ((Gap, AudioBlock), True)])
def test_audio_is_wanted_where_a_sink_takes_it(takes: tuple[type, ...], wanted: bool) -> None:
    fan = Fan(NotingSink(), NotingSink(takes))
    assert fan.out.takes_audio is wanted
    fan.close()


def test_without_sinks_there_is_nothing_to_do_and_nobody_has_gone() -> None:
    fan = Fan()
    fan.write(gap(0))
    assert fan.close() == []
    assert (fan.out.all_gone, fan.out.failed, fan.out.takes_audio) == (False, False, False)


# --- Slow sinks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("may_wait", [False, True])
def test_a_slow_sink_holds_up_neither_the_others_nor_the_caller_while_there_is_room(
    may_wait: bool,
) -> None:
    slow, quick = SlowSink(), NotingSink(expected=BACKLOG)
    fan = Fan(slow, quick, may_wait=may_wait)
    fan.write(*gaps(BACKLOG))
    assert quick.full.wait(PATIENCE_SECONDS)
    assert slow.items == []
    slow.go_on.set()
    assert fan.close() == []
    assert slow.items == quick.items == gaps(BACKLOG)


def test_what_a_slow_sink_has_no_room_for_is_dropped_where_nothing_may_wait() -> None:
    slow, quick = SlowSink(), NotingSink()
    fan = Fan(slow, quick, may_wait=False)
    fan.write(gap(0))
    assert slow.busy.wait(PATIENCE_SECONDS)
    for item in gaps(BACKLOG + 7, first=1):  # one is being written, five wait
        fan.write(item)
        wait_until(lambda item=item: item in quick.items)  # type: ignore[misc]
    assert fan.tell() == ["the slow one is too slow: some of what is heard is left out"]
    slow.go_on.set()
    wait_until(lambda: len(slow.items) == BACKLOG + 1)
    fan.write(gap(100))  # there is room again
    told = fan.close()
    assert slow.items == [*gaps(BACKLOG + 1), gap(100)]
    assert quick.items == [*gaps(BACKLOG + 8), gap(100)]
    assert told[1:] == ["the slow one was too slow: 7 records left out"]
    assert fan.out.failed
    assert slow.closed == 1


def test_audio_has_a_backlog_of_its_own_length() -> None:
    slow = SlowSink((Gap, AudioBlock))
    fan = Fan(slow, may_wait=False)
    fan.write(block())
    assert slow.busy.wait(PATIENCE_SECONDS)
    fan.write(*(block(number) for number in range(2 * BACKLOG)))
    assert fan.tell() == []
    fan.write(block())
    assert len(fan.tell()) == 1
    slow.go_on.set()
    wait_until(lambda: len(slow.items) == 2 * BACKLOG + 1)
    fan.close()


def test_a_recording_waits_for_a_slow_sink_and_nothing_is_dropped(
    background: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    slow = SlowSink()
    fan = Fan(slow)
    items = gaps(4 * BACKLOG)
    handed: list[Gap] = []

    def write() -> None:
        for item in items:
            fan.write(item)
            handed.append(item)

    writer = background(write)
    wait_until(lambda: len(handed) == BACKLOG + 1)  # one is being written, five wait
    writer.join(0.1)
    assert len(handed) == BACKLOG + 1
    slow.go_on.set()
    writer.join(PATIENCE_SECONDS)
    assert fan.close() == []
    assert slow.items == items


def test_a_recording_that_is_stopped_waits_no_longer(
    background: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    slow = SlowSink()
    fan = Fan(slow)
    writer = background(lambda: fan.write(*gaps(BACKLOG + 3)))
    assert slow.busy.wait(PATIENCE_SECONDS)
    writer.join(0.1)
    assert writer.is_alive()
    fan.stop.set()
    writer.join(PATIENCE_SECONDS)
    assert not writer.is_alive()
    slow.go_on.set()
    fan.close()
    assert slow.items == gaps(BACKLOG + 1)


def test_once_it_is_stopped_a_sink_without_room_costs_the_caller_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the worker has found until then is still handed over, item by item."""
    monkeypatch.setattr(outlet, "_WAIT_SECONDS", 1.0)
    hanging, notes = SlowSink(), NotingSink(expected=BACKLOG)
    fan = Fan(hanging, notes)
    fan.write(gap(0))
    assert hanging.busy.wait(PATIENCE_SECONDS)
    fan.write(*gaps(BACKLOG, first=1))
    assert notes.full.wait(PATIENCE_SECONDS)
    fan.stop.set()
    began = time.monotonic()
    fan.write(*gaps(10, first=BACKLOG + 1))
    assert time.monotonic() - began < 5.0
    hanging.go_on.set()
    fan.close()


# --- Sinks that fail ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError("the database is locked"), "the database is locked"),
        (ValueError("a value that does not fit"), "a value that does not fit"),
        (OSError(), "OSError"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_sink_that_fails_is_told_of_once_and_left_out_while_the_others_go_on(
    error: Exception, reason: str
) -> None:
    failing, notes = FailingSink(error), NotingSink()
    fan = Fan(failing, notes)
    fan.write(gap(0))
    wait_until(lambda: fan.out.failed)
    fan.write(*gaps(3 * BACKLOG, first=1))
    told = fan.close()
    assert told == [f"the failing one cannot be written ({reason}): nothing more goes there"]
    assert (failing.items, failing.closed) == ([gap(0)], 1)  # what it holds is given back
    assert notes.items == gaps(3 * BACKLOG + 1)
    assert fan.out.failed
    assert notes.closed == 1


def test_what_waits_for_a_sink_that_fails_is_not_tried_again() -> None:
    class FailsLater(SlowSink):
        def write(self, item: Item) -> None:
            super().write(item)
            raise OSError(errno.EIO, "Input/output error")

    failing = FailsLater()
    fan = Fan(failing)
    fan.write(*gaps(BACKLOG))
    failing.go_on.set()
    assert len(fan.close()) == 1
    assert failing.items == [gap(0)]


def test_a_caller_that_waits_for_a_sink_is_let_go_when_the_sink_fails(
    background: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    class FailsLater(SlowSink):
        def write(self, item: Item) -> None:
            super().write(item)
            raise OSError(errno.EIO, "Input/output error")

    failing = FailsLater()
    fan = Fan(failing)
    writer = background(lambda: fan.write(*gaps(4 * BACKLOG)))
    assert failing.busy.wait(PATIENCE_SECONDS)
    failing.go_on.set()
    writer.join(PATIENCE_SECONDS)
    assert not writer.is_alive()
    assert len(fan.close()) == 1  # and nothing of being too slow


def test_a_sink_that_fails_as_it_is_closed_is_told_of_too() -> None:
    failing = FailingSink(OSError(errno.ENOSPC, "No space left on device"), when=("close",))
    fan = Fan(failing)
    fan.write(gap(0))
    assert len(fan.close()) == 1
    assert fan.out.failed
    assert failing.items == [gap(0)]


@pytest.mark.parametrize("when", [("write",), ("close",), ("write", "close")])
def test_a_reader_that_has_gone_away_is_told_once_and_is_no_failure(when: tuple[str, ...]) -> None:
    """A sink holds on to what it could not write: closing it may fail as writing did."""
    sink = FailingSink(BrokenPipeError(errno.EPIPE, "Broken pipe"), when=when)
    fan = Fan(sink)
    fan.write(gap(0))
    assert sink.full.wait(PATIENCE_SECONDS)
    assert fan.close() == ["the failing one was closed: nothing more goes there"]
    assert not fan.out.failed
    assert sink.closed == 1


def test_a_sink_that_fails_again_as_it_is_closed_is_told_of_once() -> None:
    """What it could not write is still in its buffer."""
    error = OSError(errno.ENOSPC, "No space left on device")
    failing = FailingSink(error, when=("write", "close"))
    fan = Fan(failing)
    fan.write(*gaps(2))
    assert len(fan.close()) == 1
    assert (failing.items, failing.closed) == ([gap(0)], 1)


def test_all_have_gone_when_the_last_one_has() -> None:
    failing = FailingSink(OSError(errno.EIO, "Input/output error"))
    closed = FailingSink(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    later = FailingSink(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    later.takes = (AudioBlock,)
    fan = Fan(failing, closed, later)
    fan.write(gap(0))
    wait_until(lambda: fan.out.failed and closed.closed > 0)
    assert not fan.out.all_gone
    fan.write(block())
    wait_until(lambda: fan.out.all_gone)
    fan.close()


# --- Closing ------------------------------------------------------------------------------------


def test_closing_lets_every_sink_take_what_waits_for_it_and_closes_it_once(
    background: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    slow, quick = SlowSink(), NotingSink()
    fan = Fan(slow, quick)
    fan.write(*gaps(BACKLOG))
    closer = background(fan.close)
    wait_until(lambda: quick.closed == 1)
    assert closer.is_alive()
    assert slow.closed == 0
    slow.go_on.set()
    closer.join(PATIENCE_SECONDS)
    assert slow.items == quick.items == gaps(BACKLOG)
    assert (slow.closed, quick.closed) == (1, 1)
    assert fan.tell() == []


@pytest.mark.parametrize("stopped", [False, True])
def test_a_sink_that_hangs_is_left_behind_with_a_microphone_or_once_it_is_stopped(
    stopped: bool,
) -> None:
    hanging, notes = SlowSink(), NotingSink()
    fan = Fan(hanging, notes, may_wait=stopped)
    fan.write(*gaps(3))
    if stopped:
        fan.stop.set()
    began = time.monotonic()
    assert fan.close(0.1) == ["the slow one did not take all that it was to: 3 records left out"]
    assert 0.1 <= time.monotonic() - began < PATIENCE_SECONDS
    assert fan.out.failed
    assert (notes.items, notes.closed) == (gaps(3), 1)
    hanging.go_on.set()


def test_several_sinks_that_hang_share_one_patience() -> None:
    hanging = [SlowSink() for _ in range(20)]
    fan = Fan(*hanging, may_wait=False)
    fan.write(gap(0))
    began = time.monotonic()
    assert len(fan.close(1.0)) == 20
    assert time.monotonic() - began < 10.0
    for sink in hanging:
        sink.go_on.set()


def test_a_recording_s_slow_sink_is_waited_for_until_it_is_stopped(
    background: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    slow = SlowSink()
    fan = Fan(slow)
    fan.write(gap(0))
    assert slow.busy.wait(PATIENCE_SECONDS)
    closer = background(lambda: fan.close(0.02))
    closer.join(0.2)  # ten times the patience that it would have with a microphone
    assert closer.is_alive()
    fan.stop.set()
    closer.join(PATIENCE_SECONDS)
    assert not closer.is_alive()
    assert fan.tell() == ["the slow one did not take all that it was to: 1 record left out"]
    slow.go_on.set()


@pytest.mark.parametrize("may_wait", [False, True])
def test_a_sink_with_a_full_backlog_that_goes_on_in_time_takes_it_all_and_is_closed(
    may_wait: bool, background: Callable[[Callable[[], object]], threading.Thread]
) -> None:
    slow = SlowSink()
    fan = Fan(slow, may_wait=may_wait)
    fan.write(gap(0))
    assert slow.busy.wait(PATIENCE_SECONDS)
    fan.write(*gaps(BACKLOG, first=1))
    closer = background(lambda: fan.close(2.0))
    closer.join(0.05)
    slow.go_on.set()
    closer.join(PATIENCE_SECONDS)
    assert slow.items == gaps(BACKLOG + 1)
    assert slow.closed == 1
    assert fan.tell() == []
    assert not fan.out.failed


def test_a_sink_that_hangs_does_not_keep_those_after_it_from_being_closed(
    background: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    """Though their backlogs were full when they were all asked to end."""
    hanging, slow = SlowSink(), SlowSink()
    slow.name = "the other one"
    fan = Fan(hanging, slow, may_wait=False)
    fan.write(gap(0))
    assert hanging.busy.wait(PATIENCE_SECONDS)
    assert slow.busy.wait(PATIENCE_SECONDS)
    fan.write(*gaps(BACKLOG, first=1))
    closer = background(lambda: fan.close(2.0))
    closer.join(0.05)
    slow.go_on.set()
    wait_until(lambda: bool(slow.closed or fan.tell()))
    assert (slow.closed, slow.items, fan.tell()) == (1, gaps(BACKLOG + 1), [])
    closer.join(PATIENCE_SECONDS)
    assert fan.tell() == ["the slow one did not take all that it was to: 6 records left out"]
    hanging.go_on.set()


def test_a_sink_that_hangs_as_it_is_closed_is_left_behind() -> None:
    class HangsAtClose(NotingSink):
        name = "the hanging one"
        go_on = threading.Event()

        def close(self) -> None:
            self.go_on.wait(PATIENCE_SECONDS)

    hanging = HangsAtClose()
    fan = Fan(hanging, may_wait=False)
    fan.write(gap(0))
    assert fan.close(0.1) == ["the hanging one did not take all that it was to"]
    assert hanging.items == [gap(0)]
    hanging.go_on.set()


@pytest.mark.parametrize("may_wait", [False, True])
def test_a_microphones_sink_that_is_stuck_is_told_of_once_and_that_it_goes_on(
    may_wait: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "_HELD_UP_SECONDS", 0.0)
    slow = SlowSink()
    fan = Fan(slow, may_wait=may_wait)
    fan.write(gap(0))
    assert slow.busy.wait(PATIENCE_SECONDS)
    expected = [] if may_wait else ["the slow one is held up: what is heard waits for it"]
    assert fan.tell() == expected
    assert fan.tell() == expected
    slow.go_on.set()
    assert fan.close() == expected + ([] if may_wait else ["the slow one is written again"])
    assert slow.items == [gap(0)]


# --- Opening files again, and other sinks -------------------------------------------------------


@pytest.mark.parametrize("may_wait", [False, True])
def test_every_sink_opens_its_files_again_in_its_own_thread(may_wait: bool) -> None:
    one, other = NotingSink(), NotingSink()
    fan = Fan(one, other, may_wait=may_wait)
    fan.out.reopen()
    wait_until(lambda: one.reopened == other.reopened == 1)
    fan.write(gap(0))
    assert fan.close() == []
    assert one.items == other.items == [gap(0)]
    assert len(one.threads) == 1
    assert threading.current_thread() not in one.threads


def test_a_sink_that_cannot_be_opened_again_is_one_that_cannot_be_written() -> None:
    class Closed(NotingSink):
        name = "the failing one"

        def reopen(self) -> None:
            raise OSError(errno.ENOENT, "No such file or directory")

    notes = NotingSink()
    fan = Fan(Closed(), notes)
    fan.out.reopen()
    wait_until(lambda: fan.out.failed)
    fan.write(gap(0))
    assert fan.close() == [
        "the failing one cannot be written (No such file or directory): nothing more goes there"
    ]
    assert notes.items == [gap(0)]


def test_sinks_are_replaced_while_the_others_go_on() -> None:
    stays, goes, comes = NotingSink(), NotingSink(), NotingSink((Gap, AudioBlock))
    fan = Fan(stays, goes, may_wait=False)
    fan.write(*gaps(2))
    fan.out.replace([goes], [comes])
    assert fan.out.takes_audio
    fan.write(*gaps(2, first=2))
    assert fan.close() == []
    assert (stays.items, goes.items, comes.items) == (gaps(4), gaps(2), gaps(2, first=2))
    assert (stays.closed, goes.closed, comes.closed) == (1, 1, 1)


def test_a_sink_that_is_replaced_takes_what_waits_for_it_while_nobody_waits() -> None:
    goes, comes = SlowSink(), NotingSink()
    fan = Fan(goes, may_wait=False)
    fan.write(*gaps(BACKLOG))
    fan.out.replace([goes, NotingSink()], [comes])
    fan.write(gap(100))
    assert comes.full.wait(PATIENCE_SECONDS)
    assert (goes.items, goes.closed) == ([], 0)
    goes.go_on.set()
    wait_until(lambda: goes.closed == 1)
    assert goes.items == gaps(BACKLOG)
    assert fan.close() == []


def test_a_sink_that_is_replaced_and_hangs_is_left_behind_at_the_end() -> None:
    goes = SlowSink()
    fan = Fan(goes, may_wait=False)
    fan.write(gap(0))
    assert goes.busy.wait(PATIENCE_SECONDS)
    fan.out.replace([goes], [])
    assert not fan.out.failed
    assert fan.close(0.1) == ["the slow one did not take all that it was to: 1 record left out"]
    assert fan.out.failed
    goes.go_on.set()


def test_what_a_replaced_sink_could_not_write_is_told_and_is_a_failure() -> None:
    goes = FailingSink(OSError(errno.ENOSPC, "No space left on device"))
    fan = Fan(goes, may_wait=False)
    fan.out.replace([goes], [NotingSink()])
    fan.write(gap(0))
    assert fan.close() == []
    goes = FailingSink(OSError(errno.ENOSPC, "No space left on device"), when=("close",))
    fan = Fan(goes, may_wait=False)
    fan.out.replace([goes], [NotingSink()])
    wait_until(lambda: fan.out.failed)
    assert fan.close() == ["the failing one cannot be written (No space left on device)"]


def test_sinks_that_were_replaced_and_have_closed_are_forgotten_but_not_their_failures() -> None:
    sink: NotingSink = FailingSink(RuntimeError("a fault"), when=("close",))
    fan = Fan(sink, may_wait=False)
    for _ in range(4):
        new = NotingSink()
        fan.out.replace([sink], [new])
        (outlet,) = fan.out._replaced
        assert outlet.sink is sink
        assert outlet.ended(PATIENCE_SECONDS)
        sink = new
    assert fan.out.failed
    fan.close()
