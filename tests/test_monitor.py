"""The live program, in this process: sources and classifiers that are made up, real threads."""

import contextlib
import errno
import io
import itertools
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import msgspec
import numpy as np
import pytest
from conftest import FakeClassifier
from rich.console import Console
from waiting import PATIENCE_SECONDS, wait_until

from livetag.detector import Detector
from livetag.errors import InputError, LivetagError, UsageError
from livetag.events import (
    AudioBlock,
    EventAlert,
    EventEnd,
    EventStart,
    FloatArray,
    Gap,
    Item,
    Level,
    Scores,
)
from livetag.fanout import FanOut
from livetag.monitor import Monitor
from livetag.records import iso_time
from livetag.reload import Change
from livetag.rules import resolve
from livetag.schema import Config
from livetag.screen import LEAVES_SCREEN, Screen
from livetag.signals import ENDING, Signals
from livetag.sinks.base import Sink
from livetag.sinks.console import ConsoleSink
from livetag.sinks.csv_log import CsvSink
from livetag.state import MonitorState
from livetag.supervisor import Supervisor
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params

RATE_HZ = 16_000
BLOCK = 1_600  # 0.1 s

Blocks = Callable[[threading.Event], Iterable[AudioBlock]]


class FakeSource:
    """A source whose blocks a test chooses."""

    name = "made up"
    rate_hz = RATE_HZ

    def __init__(
        self, blocks: Blocks, failure: LivetagError | None = None, live: bool = False
    ) -> None:
        self.failure: LivetagError | None = None
        self.live = live
        self.trouble = ""
        self.polled_at = -math.inf
        self.is_open = False
        self._blocks = blocks
        self._later_failure = failure

    def __enter__(self) -> Self:
        self.is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        yield from self._blocks(stop)
        self.failure = self._later_failure


class NotingSink:
    """Keeps items; `on_item` is called with each, in the sink's own thread."""

    name = "notes"
    takes: tuple[type, ...] = (EventStart, EventAlert, EventEnd, Gap)

    def __init__(self, on_item: Callable[[Item], None] = lambda _: None) -> None:
        self.items: list[Item] = []
        self.closed = False
        self.reopened = 0
        self._on_item = on_item

    def write(self, item: Item) -> None:
        assert not self.closed
        self.items.append(item)
        self._on_item(item)

    def writes(self, item: Item) -> bool:
        return isinstance(item, self.takes)

    def retry(self) -> None:
        """Nothing it was given is left."""

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        self.closed = True

    @property
    def kinds(self) -> list[str]:
        return [type(item).__name__ for item in self.items]


class HangingSink(NotingSink):
    """Hangs in its first `write`, from when `hangs` is set on, until `go_on` is."""

    name = "the hanging one"

    def __init__(self, takes: tuple[type, ...] = NotingSink.takes) -> None:
        super().__init__()
        self.takes = takes
        self.hangs = threading.Event()
        self.go_on = threading.Event()

    def write(self, item: Item) -> None:
        self.hangs.set()
        self.go_on.wait(PATIENCE_SECONDS)
        super().write(item)


def sound(loud_seconds: float, quiet_seconds: float = 0.0) -> list[AudioBlock]:
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, round(loud_seconds * RATE_HZ))
    quiet = np.zeros(round(quiet_seconds * RATE_HZ))
    samples: FloatArray = np.concatenate((noise, quiet)).astype(np.float32)
    return [
        AudioBlock(samples[at : at + BLOCK], at, wall_time=None if at else 1_000.0)
        for at in range(0, len(samples), BLOCK)
    ]


def endless(stop: threading.Event) -> Iterator[AudioBlock]:
    """Noise until it is stopped."""
    second = sound(1.0)
    for number in itertools.count():
        if stop.is_set():
            return
        block = second[number % len(second)]
        wall_time = None if number else 1_000.0
        yield AudioBlock(block.samples, number * BLOCK, wall_time=wall_time)


ALERT_ON_SPEECH = Config(
    alert=("Speech",),
    threshold=0.5,
    release=0.5,
    confirm=(1, 1),
    sure=1.0,
    short=(),
    hold_seconds=0.5,
    max_seconds=86_400.0,
    cooldown_seconds=0.0,
)


class Bench:
    """A monitor on the bench: what it told, what it knows, and the parts it was made from."""

    def __init__(self, labels: ClassMap) -> None:
        self.labels = labels
        self.told = io.StringIO()
        self.classifier = FakeClassifier()
        self.have(ALERT_ON_SPEECH)

    def have(self, config: Config) -> None:
        """Take another configuration's rules."""
        self.rules = resolve(config, self.labels)
        self.state = MonitorState(self.rules, Params(), "made up", RATE_HZ, 0.0)

    def monitor(
        self,
        blocks: Blocks | FakeSource,
        *sinks: Sink,
        duration_seconds: float | None = None,
        console: Console | None = None,
        dashboard: bool = False,
        explain: bool = False,
        reread: Callable[[], Change] | None = None,
        signals: Signals | None = None,
        supervisor: Supervisor | None = None,
    ) -> Monitor:
        console = console or Console(file=self.told, width=80)
        params = self.state.params
        self.source = blocks if isinstance(blocks, FakeSource) else FakeSource(blocks)
        self.monitored = Monitor(
            source=self.source,
            classifier=self.classifier,
            detector=Detector(self.rules, params),
            params=params,
            state=self.state,
            sinks=sinks,
            console=console,
            screen=Screen(console) if dashboard else None,
            top=5,
            duration_seconds=duration_seconds,
            explain=explain,
            reread=reread,
            signals=signals,
            supervisor=supervisor,
        )
        return self.monitored


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """A monitor that a signal has ended leaves what a second one does in force."""
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def bench(labels: ClassMap) -> Bench:
    return Bench(labels)


# --- Records ------------------------------------------------------------------------------------


def test_an_alert_is_printed_as_it_starts_and_logged_as_it_ends(
    bench: Bench, tmp_path: Path
) -> None:
    out = io.StringIO()
    log = tmp_path / "events.csv"
    rows_at_start: list[int] = []

    def rows() -> int:
        return log.read_text(encoding="utf-8").count("\n") - 1  # but the header

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        """Two seconds of sound and three of silence; then waits for the end of the event."""
        for block in sound(2.0, 3.0):
            if block.first_sample == 2 * RATE_HZ:
                wait_until(lambda: out.getvalue().endswith("  Speech  1.00\n"))
                rows_at_start.append(rows())
            yield block
        wait_until(lambda: rows() == 1)

    sinks = (ConsoleSink(out, "made up", False), CsvSink(log, "made up"))
    assert bench.monitor(blocks, *sinks).run() == 0
    assert rows_at_start == [0]
    assert (out.getvalue().count("\n"), rows()) == (1, 1)


def test_only_a_sink_that_takes_audio_gets_it_and_then_all_of_it(bench: Bench) -> None:
    records, audio = NotingSink(), NotingSink()
    audio.takes = (AudioBlock, EventStart)
    given = sound(2.0, 1.0)
    assert bench.monitor(lambda _: given, records, audio).run() == 0
    assert records.kinds == ["EventStart", "EventEnd"]
    heard = [item.samples for item in audio.items if isinstance(item, AudioBlock)]
    assert np.array_equal(np.concatenate(heard), np.concatenate([b.samples for b in given]))
    # A window's event comes after the audio that it was found in.
    before = audio.kinds.index("EventStart")
    assert sum(map(len, heard[:before])) >= round(bench.state.params.window_seconds * RATE_HZ)


def test_a_run_ends_with_one_line_that_sums_it_up(bench: Bench) -> None:
    bench.monitor(lambda _: sound(2.0, 3.0), NotingSink()).run()
    assert bench.told.getvalue() == (
        "livetag: heard made up for 5.0 s: 10 windows, 1 event, 1 alert, no audio lost\n"
    )


def test_lost_audio_is_told_written_and_summed_up(bench: Bench) -> None:
    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(1.0)
        lost = 4_000
        yield AudioBlock(sound(0.1)[0].samples, 16_000 + lost, lost, "overflow", 1_001.25)

    notes = NotingSink()
    assert bench.monitor(blocks, notes).run() == 0
    assert Gap(1_001.0, 1.0, 0.25, "overflow") in notes.items
    assert " 0.25 s of audio were lost (overflow)\n" in bench.told.getvalue()
    assert bench.told.getvalue().endswith("0.25 s audio lost\n")


def test_a_gap_of_no_length_is_not_told(bench: Bench) -> None:
    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(1.0)
        nothing = np.empty(0, np.float32)
        yield AudioBlock(nothing, 16_010, 10, "zeros", 1_001.0)
        yield AudioBlock(sound(0.1)[0].samples, 16_011, 1, "zeros", 1_001.0)

    notes = NotingSink()
    assert bench.monitor(blocks, notes).run() == 0
    assert notes.kinds.count("Gap") == 2
    assert "were lost" not in bench.told.getvalue()


# --- How it ends --------------------------------------------------------------------------------


def test_a_duration_counts_seconds_of_audio(bench: Bench) -> None:
    notes = NotingSink()
    assert bench.monitor(endless, notes, duration_seconds=2.05).run() == 0
    assert bench.state.heard_s == pytest.approx(2.05)
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert isinstance(notes.items[1], EventEnd)
    assert notes.items[1].end_s <= 2.05


def test_a_stop_ends_what_goes_on_and_is_no_error(bench: Bench) -> None:
    notes = NotingSink(lambda _: monitor.stop())
    monitor = bench.monitor(endless, notes)
    assert monitor.run() == 0
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert notes.closed
    assert not bench.source.is_open


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_as_a_stop_does(number: signal.Signals, bench: Bench) -> None:
    def interrupt(item: Item) -> None:
        if isinstance(item, EventStart):
            os.kill(os.getpid(), number)

    notes = NotingSink(interrupt)
    assert bench.monitor(endless, notes).run() == 0
    assert notes.kinds == ["EventStart", "EventEnd"]


def test_a_worker_that_fails_is_told_to_main_after_what_it_had_found(bench: Bench) -> None:
    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(2.0)
        raise RuntimeError("in the worker")

    notes = NotingSink()
    with pytest.raises(RuntimeError, match="in the worker"):
        bench.monitor(blocks, notes).run()
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert notes.closed
    assert not bench.source.is_open


def test_a_source_that_failed_is_told_after_what_was_heard(bench: Bench) -> None:
    notes = NotingSink()
    source = FakeSource(lambda _: sound(2.0), failure=InputError("unplugged"))
    with pytest.raises(InputError, match="unplugged"):
        bench.monitor(source, notes).run()
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert "heard made up for 2.0 s" in bench.told.getvalue()


def test_sinks_are_closed_where_the_source_does_not_open(bench: Bench) -> None:
    class Shut(FakeSource):
        def __enter__(self) -> Self:
            raise InputError("no such device")

    notes = NotingSink()
    with pytest.raises(InputError):
        bench.monitor(Shut(endless), notes).run()
    assert notes.closed


def test_no_thread_is_left_behind(bench: Bench) -> None:
    before = set(threading.enumerate())
    bench.monitor(endless, NotingSink(), NotingSink(), duration_seconds=1.0).run()
    assert set(threading.enumerate()) <= before


# --- Sinks that fail ----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_is_told_once_and_the_other_sinks_go_on(bench: Bench, tmp_path: Path) -> None:
    log = tmp_path / "events.csv"
    notes = NotingSink()
    with contextlib.suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        sinks = (ConsoleSink(full, "made up", True), CsvSink(log, "made up"), notes)
        code = bench.monitor(lambda _: sound(2.0, 3.0), *sinks).run()
    assert code == 1
    assert bench.told.getvalue().count("standard output cannot be written") == 1
    assert "No space left on device" in bench.told.getvalue()
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert len(log.read_text().splitlines()) == 2


class FailingSink(NotingSink):
    """Fails when it is written to, or when it is closed."""

    name = "the failing one"

    def __init__(self, error: Exception, at_close: bool = False) -> None:
        super().__init__()
        self._error = error
        self._at_close = at_close

    def write(self, item: Item) -> None:
        super().write(item)
        if not self._at_close:
            raise self._error

    def close(self) -> None:
        super().close()
        if self._at_close:
            raise self._error


def test_a_sink_that_fails_as_it_is_closed_is_told_of_too(bench: Bench) -> None:
    sink = FailingSink(OSError(errno.ENOSPC, "No space left on device"), at_close=True)
    assert bench.monitor(lambda _: sound(1.0), sink).run() == 1
    assert bench.told.getvalue().count("the failing one cannot be written") == 1


def test_a_sink_that_failed_is_left_alone_from_then_on(bench: Bench) -> None:
    sink = FailingSink(OSError(errno.EIO, "Input/output error"))
    notes = NotingSink()
    assert bench.monitor(lambda _: sound(2.0, 2.0), sink, notes).run() == 1
    assert sink.kinds == ["EventStart"]
    assert notes.kinds == ["EventStart", "EventEnd"]


def test_a_sink_with_a_fault_of_its_own_does_not_end_the_run(bench: Bench) -> None:
    sink, notes = FailingSink(KeyError("label")), NotingSink()
    assert bench.monitor(lambda _: sound(2.0, 2.0), sink, notes).run() == 1
    assert bench.told.getvalue().count("the failing one cannot be written ('label')") == 1
    assert notes.kinds == ["EventStart", "EventEnd"]


def test_when_every_reader_has_gone_away_the_run_ends_and_is_no_error(bench: Bench) -> None:
    """As in `livetag monitor | head -1`."""
    sink = FailingSink(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert bench.monitor(endless, sink).run() == 0
    assert "the failing one was closed" in bench.told.getvalue()


def test_without_any_sink_a_run_goes_on_to_its_end(bench: Bench) -> None:
    assert bench.monitor(endless, duration_seconds=3.0).run() == 0
    assert bench.state.heard_s == pytest.approx(3.0)


# --- Threads ------------------------------------------------------------------------------------


def overrun(
    bench: Bench, live: bool, monkeypatch: pytest.MonkeyPatch
) -> tuple[HangingSink, bool, int]:
    """Ten seconds of audio for a sink that hangs in its first item.

    The sink, whether more was taken from the source than queues have room for while it hung, and
    the exit code.
    """
    monkeypatch.setattr("livetag.worker.QUEUE_ITEMS", 8)
    monkeypatch.setattr("livetag.fanout.BACKLOG_ITEMS", 4)
    sink = HangingSink(takes=(Scores, EventStart, EventEnd))
    # One window is being written, four wait for it, main and the worker hold one each, eight items
    # are between them; a window comes with every fifth block, the first one with the tenth.
    room = 10 + 5 * (1 + 4 + 1 + 1) + 8
    overran = threading.Event()

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        for number, block in enumerate(sound(10.0)):
            if number > room:
                overran.set()
            yield block

    def let_go_on() -> None:
        sink.hangs.wait(PATIENCE_SECONDS)
        early.append(overran.wait(PATIENCE_SECONDS if live else 0.3))
        sink.go_on.set()

    early: list[bool] = []
    watcher = threading.Thread(target=let_go_on)
    watcher.start()
    code = bench.monitor(FakeSource(blocks, live=live), sink).run()
    watcher.join(PATIENCE_SECONDS)
    assert bench.state.heard_s == pytest.approx(10.0)
    assert bench.state.windows == 20
    return sink, early[0], code


def test_a_recording_waits_for_a_slow_sink_and_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, overran, code = overrun(bench, live=False, monkeypatch=monkeypatch)
    assert (overran, code) == (False, 0)
    assert sink.kinds == ["Scores", "EventStart", *["Scores"] * 19, "EventEnd"]
    assert "too slow" not in bench.told.getvalue()


def test_a_microphone_waits_for_no_sink_and_what_it_left_out_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, overran, code = overrun(bench, live=True, monkeypatch=monkeypatch)
    assert (overran, code) == (True, 1)
    assert sink.closed
    left_out = 20 + 2 - len(sink.items)
    assert left_out > 0
    told = bench.told.getvalue()
    assert told.count("the hanging one is too slow: some of what is heard is left out") == 1
    assert told.count(f"the hanging one was too slow: {left_out} records left out") == 1


@pytest.mark.parametrize("live", [False, True])
def test_a_sink_that_hangs_does_not_hold_up_the_end(
    live: bool, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.monitor._ENDING_SECONDS", 1.0)
    monkeypatch.setattr("livetag.worker.QUEUE_ITEMS", 64)
    monkeypatch.setattr("livetag.fanout.BACKLOG_ITEMS", 4)
    hanging, notes = HangingSink(takes=(Level, EventStart)), NotingSink()
    given = 0

    def blocks(stop: threading.Event) -> Iterator[AudioBlock]:
        nonlocal given
        for block in endless(stop):
            given += 1
            yield block

    monitor = bench.monitor(FakeSource(blocks, live=live), hanging, notes)

    def stop() -> None:
        hanging.hangs.wait(PATIENCE_SECONDS)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: given > 30)  # much waits between worker and main
        monitor.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert monitor.run() == 1
    stopper.join(PATIENCE_SECONDS)
    hanging.go_on.set()
    assert bench.told.getvalue().count("the hanging one did not take all that it was to") == 1
    assert notes.closed
    assert notes.kinds.count("EventStart") == notes.kinds.count("EventEnd")


def test_what_keeps_audio_from_coming_is_told_once_and_once_that_it_is_back(bench: Bench) -> None:
    def told(text: str) -> Callable[[], bool]:
        return lambda: text in bench.told.getvalue()

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        first, *others = sound(0.9)
        yield first
        bench.source.trouble = "it was unplugged"
        wait_until(told(" NOTHING IS HEARD: it was unplugged\n"))
        bench.source.trouble = "it does not answer"
        wait_until(told(" NOTHING IS HEARD: it does not answer\n"))
        assert bench.state.trouble == "it does not answer"
        yield from others
        bench.source.trouble = ""
        wait_until(told(" made up is heard again\n"))

    assert bench.monitor(blocks, NotingSink()).run() == 0
    assert bench.told.getvalue().count("\n") == 4  # with the summary


def test_a_duration_ends_in_an_outage_that_nobody_tells_the_length_of(bench: Bench) -> None:
    def blocks(stop: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(0.3)
        bench.source.trouble = "it was unplugged"
        assert stop.wait(PATIENCE_SECONDS)
        nothing = np.empty(0, np.float32)
        yield AudioBlock(nothing, 2 * RATE_HZ, round(1.7 * RATE_HZ), "ended", wall_time=1_002.0)

    notes = NotingSink()
    assert bench.monitor(blocks, notes, duration_seconds=0.5).run() == 0
    (gap,) = [item for item in notes.items if isinstance(item, Gap)]
    assert gap.start_s + gap.lost_seconds == pytest.approx(0.5)


@pytest.mark.parametrize("fails", [False, True])
def test_a_recording_that_ends_by_itself_leaves_its_sinks_all_the_time_they_need(
    fails: bool, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that cannot be read to its end: what was heard until there is written."""
    monkeypatch.setattr("livetag.monitor._ENDING_SECONDS", 0.02)
    closing = threading.Event()
    close = FanOut.close

    def noted_close(self: FanOut, stop: threading.Event, patience_seconds: float) -> None:
        closing.set()
        close(self, stop, patience_seconds)

    monkeypatch.setattr(FanOut, "close", noted_close)
    slow = HangingSink()

    def let_go_on() -> None:
        assert closing.wait(PATIENCE_SECONDS)
        threading.Event().wait(0.5)  # far longer than a microphone's sinks would have
        slow.go_on.set()

    watcher = threading.Thread(target=let_go_on)
    watcher.start()
    source = FakeSource(lambda _: sound(2.0, 2.0), failure=InputError("cut short"))
    if fails:
        with pytest.raises(InputError, match="cut short"):
            bench.monitor(source, slow).run()
    else:
        assert bench.monitor(lambda _: sound(2.0, 2.0), slow).run() == 0
    watcher.join(PATIENCE_SECONDS)
    assert slow.kinds == ["EventStart", "EventEnd"]
    assert slow.closed
    assert "did not take" not in bench.told.getvalue()


def test_a_microphone_s_sinks_have_their_patience_though_it_ended_by_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.monitor._ENDING_SECONDS", 0.1)
    hanging = HangingSink()
    source = FakeSource(lambda _: sound(2.0, 2.0), live=True)
    assert bench.monitor(source, hanging).run() == 1
    assert bench.told.getvalue().count("the hanging one did not take all that it was to") == 1
    hanging.go_on.set()


def test_ctrl_c_while_sinks_take_the_rest_of_a_recording_leaves_them_their_patience(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = threading.Event()
    close = FanOut.close

    def noted_close(self: FanOut, stop: threading.Event, patience_seconds: float) -> None:
        closing.set()
        close(self, stop, patience_seconds)

    monkeypatch.setattr(FanOut, "close", noted_close)

    def interrupt(item: Item) -> None:
        if isinstance(item, EventStart):
            assert closing.wait(PATIENCE_SECONDS)
            os.kill(os.getpid(), signal.SIGINT)

    notes = NotingSink(interrupt)
    try:
        code = bench.monitor(lambda _: sound(2.0, 2.0), notes).run()
    except KeyboardInterrupt:
        pytest.fail("it was interrupted at once")
    assert code == 0
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert notes.closed


class Left(BaseException):
    """What these tests have in the place of a process that is left."""


@pytest.mark.parametrize("dashboard", [False, True])
def test_a_second_ctrl_c_leaves_the_process_at_once_and_the_terminal_as_it_was(
    dashboard: bool, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []

    def leave(code: int) -> None:
        left.append(code)
        go_on.set()
        raise Left

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(sys, "stderr", bench.told)
    go_on, failing = threading.Event(), FailingSink(OSError(errno.EIO, "Input/output error"))

    def blocks(stop: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(2.0)
        wait_until(
            lambda: (
                "the failing one cannot be written" in bench.told.getvalue()
                and ("Sounding" in bench.told.getvalue()) >= dashboard
            )
        )
        os.kill(os.getpid(), signal.SIGINT)
        stop.wait(PATIENCE_SECONDS)
        os.kill(os.getpid(), signal.SIGINT)
        go_on.wait(PATIENCE_SECONDS)

    console = Console(file=bench.told, width=80, height=24, force_terminal=dashboard)
    source = FakeSource(blocks, live=True)
    with pytest.raises(Left):
        bench.monitor(source, failing, console=console, dashboard=dashboard).run()
    assert left == [0]
    screen, _, after = bench.told.getvalue().partition("livetag: stopped\n")
    words = screen.rpartition(LEAVES_SCREEN)[2] if dashboard else screen
    assert words.count("livetag: ") == words.count("the failing one cannot be written") >= 1
    if dashboard:
        assert screen.rpartition("\x1b[?1049h")[2].count("\x1b[?25h\x1b[?1049llivetag: ") == 1
    else:
        assert "\x1b" not in screen + after


# --- SIGHUP -------------------------------------------------------------------------------------


def hang_up_and_wait(bench: Bench, told: str) -> None:
    """From a source's blocks: ask for a reload, and wait until that is told of."""
    os.kill(os.getpid(), signal.SIGHUP)
    wait_until(lambda: told in bench.told.getvalue())


needs_sighup = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX's signals")


@needs_sighup
def test_a_hang_up_has_logs_opened_again_and_another_configuration_in_force(bench: Bench) -> None:
    adopted: list[bool] = []
    kept, gone, new = NotingSink(), NotingSink(), NotingSink()
    new.takes = (AudioBlock, *NotingSink.takes)
    others = {"ignore": ("Speech",), "alert": ()}
    silent = resolve(msgspec.structs.replace(ALERT_ON_SPEECH, **others), bench.labels)

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        given = sound(8.0)
        yield from given[:30]
        wait_until(lambda: kept.kinds == gone.kinds == ["EventStart"])
        hang_up_and_wait(bench, "the configuration was read again: much changed\n")
        yield from given[30:]

    monitor = bench.monitor(
        FakeSource(blocks, live=True),
        kept,
        gone,
        reread=lambda: Change(
            silent, 3, True, False, [gone], [new], "much changed", lambda: adopted.append(True)
        ),
    )
    assert monitor.run() == 0
    assert adopted == [True]
    assert (kept.kinds, gone.kinds) == (["EventStart", "EventEnd"], ["EventStart"])
    assert new.kinds.count("EventEnd") == 1  # of what is not reported any more
    assert new.kinds[-1] == "AudioBlock"  # it did not go on to the end
    assert new.kinds.count("AudioBlock") == 50
    assert (kept.reopened, new.reopened) == (1, 0)
    assert gone.closed
    assert bench.state.rules is silent
    assert bench.state.heard_s == pytest.approx(8.0)


@needs_sighup
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UsageError("there is no class 'Dgo'\n  there are: Dog"), "there is no class 'Dgo' there"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (ZeroDivisionError("a fault"), "ZeroDivisionError a fault"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_and_the_old_one_stays(
    error: Exception, reason: str, bench: Bench
) -> None:
    notes = NotingSink()

    def reread() -> Change:
        raise error

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        given = sound(2.0, 2.0)
        yield given[0]
        hang_up_and_wait(bench, "; the old one stays\n")
        yield from given[1:]

    assert bench.monitor(blocks, notes, reread=reread).run() == 0
    assert " new configuration refused: " in bench.told.getvalue()
    assert reason in bench.told.getvalue()
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert notes.reopened == 1  # the logs may have been moved all the same
    assert bench.state.rules is bench.rules


@needs_sighup
def test_a_configuration_that_hangs_is_refused_in_time_and_the_next_one_is_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a pipe that nobody reads: sounds are heard meanwhile, and what opens later closed."""
    notes, late = NotingSink(), NotingSink()
    hanging, go_on = threading.Event(), threading.Event()

    def reread() -> Change:
        new = [] if hanging.is_set() else [late]
        if new:
            hanging.set()
            go_on.wait(PATIENCE_SECONDS)
        return Change(bench.rules, 3, True, False, [], new, "much changed", lambda: None)

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        given = sound(2.0, 2.0)
        os.kill(os.getpid(), signal.SIGHUP)
        assert hanging.wait(PATIENCE_SECONDS)
        yield from given[:-1]
        wait_until(lambda: notes.kinds == ["EventStart", "EventEnd"])
        assert "configuration" not in bench.told.getvalue()
        monkeypatch.setattr(bench.monitored._readings._reading, "_refused_at", 0.0)
        wait_until(lambda: "took more than 10 s; the old one stays" in bench.told.getvalue())
        hang_up_and_wait(bench, "the configuration was read again: much changed\n")
        go_on.set()
        wait_until(lambda: late.closed)
        yield given[-1]

    assert bench.monitor(FakeSource(blocks, live=True), notes, reread=reread).run() == 0
    assert late.items == []


# --- Ctrl-Z -------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "SIGTSTP"), reason="needs POSIX's signals")
def test_ctrl_z_gives_the_terminal_back_before_the_process_stops_and_then_draws_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=bench.told, width=80, height=24, force_terminal=True)
    at_the_stop: list[str] = []
    monkeypatch.setattr(
        "livetag.monitor.suspend", lambda: at_the_stop.append(bench.told.getvalue())
    )
    sink = FailingSink(OSError(errno.ENOSPC, "No space left on device"))

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(2.0)
        wait_until(lambda: "cannot be written" in bench.told.getvalue())  # a message on it
        os.kill(os.getpid(), signal.SIGTSTP)
        wait_until(lambda: bench.told.getvalue().count("\x1b[?1049h") == 2)

    assert bench.monitor(blocks, sink, console=console, dashboard=True).run() == 1
    (shown,) = at_the_stop
    screen, after = shown.split("\x1b[?1049l")
    assert screen.rpartition("\x1b[?25l")[2].count("\x1b[?25h") == 1  # the cursor is back
    assert after.count("livetag: ") == after.count("the failing one cannot be written") == 1
    again = bench.told.getvalue().removeprefix(shown)
    assert again.count("Sounding now") >= 1
    assert again.count("\x1b[?1049l") == 1
    assert "the failing one" not in again.split("\x1b[?1049l")[1]  # it was told


# --- Signs of life ------------------------------------------------------------------------------


class NotingSupervisor(Supervisor):
    """Keeps what a service manager would be told."""

    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[str] = []

    def ready(self) -> None:
        self.told.append("ready")

    def alive(self, status: str) -> None:
        self.told.append(status)

    def reloading(self) -> None:
        self.told.append("reloading")

    def stopping(self) -> None:
        self.told.append("stopping")


def test_a_service_manager_is_told_what_livetag_is_at(bench: Bench) -> None:
    supervisor = NotingSupervisor()

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        assert bench.source.is_open
        wait_until(lambda: "hearing made up, 0 alerts" in supervisor.told)
        yield from sound(2.0)
        wait_until(lambda: "hearing made up, 1 alert" in supervisor.told)
        bench.source.trouble = "it was unplugged"
        wait_until(lambda: "NOTHING IS HEARD: it was unplugged" in supervisor.told)
        bench.source.trouble = ""
        if hasattr(signal, "SIGHUP"):
            os.kill(os.getpid(), signal.SIGHUP)
            wait_until(lambda: supervisor.told.count("ready") == 2)
            at = supervisor.told.index("reloading")
            assert supervisor.told[at : at + 2] == ["reloading", "ready"]

    assert bench.monitor(blocks, NotingSink(), supervisor=supervisor).run() == 0
    assert (supervisor.told[0], supervisor.told[-1]) == ("ready", "stopping")


def test_a_worker_that_hangs_is_told_of_and_does_not_look_alive(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.worker.HANGS_SECONDS", 0.6)
    supervisor = NotingSupervisor()
    seen: list[int] = []

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(1.0)
        wait_until(lambda: "NOTHING IS HEARD: the analysis hangs" in bench.told.getvalue())
        seen.append(len(supervisor.told))
        threading.Event().wait(0.6)
        seen.append(len(supervisor.told))
        yield from sound(1.0)[1:2]
        wait_until(lambda: "made up is heard again" in bench.told.getvalue())
        wait_until(lambda: len(supervisor.told) > seen[1])

    assert bench.monitor(blocks, NotingSink(), supervisor=supervisor).run() == 0
    assert seen[0] == seen[1] > 1


def test_a_source_that_looks_for_audio_keeps_the_worker_alive(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.worker.HANGS_SECONDS", 0.6)
    supervisor = NotingSupervisor()
    began = time.monotonic()

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(1.0)
        pause = threading.Event()
        while not pause.wait(0.05) and time.monotonic() < began + 2.0:
            bench.source.polled_at = time.monotonic()

    assert bench.monitor(blocks, NotingSink(), supervisor=supervisor).run() == 0
    assert "NOTHING" not in bench.told.getvalue()


def test_a_process_that_was_stopped_has_not_hung(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its threads were, and main may be the first to go on."""
    now = time.monotonic()
    passed = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now + passed[0])
    monkeypatch.setattr("livetag.monitor.time", clock)
    supervisor = NotingSupervisor()

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(1.0)
        wait_until(lambda: len(supervisor.told) > 1)
        told = len(supervisor.told)
        passed[0] = 3_600.0
        wait_until(lambda: len(supervisor.told) > told)

    assert bench.monitor(blocks, NotingSink(), supervisor=supervisor).run() == 0
    assert "NOTHING" not in bench.told.getvalue()


# --- Explanations -------------------------------------------------------------------------------


@pytest.fixture
def unconfirmed(bench: Bench) -> Bench:
    """A monitor to which two seconds of sound are too short for an event."""
    bench.have(msgspec.structs.replace(ALERT_ON_SPEECH, confirm=(9, 9)))
    bench.classifier.score = 0.9  # no window of it is sure
    return bench


def test_what_kept_a_class_from_alerting_is_told_with_its_time(unconfirmed: Bench) -> None:
    notes = NotingSink()
    monitor = unconfirmed.monitor(lambda _: sound(1.0, 3.0), notes, explain=True)
    assert monitor.run() == 0
    assert notes.items == []
    told, summary = unconfirmed.told.getvalue().splitlines()
    time, label, why = told.split("  ")
    assert label == "Speech"
    assert why.startswith("no alert: ")
    assert why.endswith(" of 9 windows")
    assert iso_time(1_000.0) <= time < iso_time(1_003.0)
    assert summary.startswith("livetag: heard made up for 4.0 s")


def test_what_kept_a_group_from_alerting_names_it_and_its_member(unconfirmed: Bench) -> None:
    voices = {"groups": {"voices": ("Music", "Speech")}, "alert": ("voices",), "confirm": (9, 9)}
    unconfirmed.have(msgspec.structs.replace(ALERT_ON_SPEECH, **voices))
    assert unconfirmed.monitor(lambda _: sound(1.0, 3.0), NotingSink(), explain=True).run() == 0
    told, _ = unconfirmed.told.getvalue().splitlines()
    _, name, why = told.split("  ")
    assert name == "voices: Speech"
    assert why.endswith(" of 9 windows")


def test_what_is_explained_stays_on_its_line_whatever_a_group_is_called(
    unconfirmed: Bench,
) -> None:
    name = "two\nlines\x1b[2J"
    voices = {"groups": {name: ("Speech",)}, "alert": (name,), "confirm": (9, 9)}
    unconfirmed.have(msgspec.structs.replace(ALERT_ON_SPEECH, **voices))
    assert unconfirmed.monitor(lambda _: sound(1.0, 3.0), NotingSink(), explain=True).run() == 0
    told, _ = unconfirmed.told.getvalue().splitlines()
    assert "  two?lines?[2J: Speech  " in told


def test_nothing_is_explained_unasked(unconfirmed: Bench) -> None:
    assert unconfirmed.monitor(lambda _: sound(1.0, 3.0), NotingSink()).run() == 0
    assert unconfirmed.told.getvalue().count("\n") == 1


def test_the_dashboard_shows_explanations_instead(unconfirmed: Bench) -> None:
    file = io.StringIO()
    console = Console(file=file, width=100, height=30, force_terminal=True, highlight=False)

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        yield from sound(1.0, 3.0)
        wait_until(lambda: " of 9 windows" in file.getvalue())  # it is drawn while this waits

    monitor = unconfirmed.monitor(
        blocks, NotingSink(), console=console, dashboard=True, explain=True
    )
    assert monitor.run() == 0
    screen, after = file.getvalue().split("\x1b[?1049l")
    assert " of 9 windows" in screen
    assert "no alert" not in screen + after


# --- Standard error -----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes that can be filled")
@pytest.mark.parametrize("live", [False, True])
def test_a_recording_waits_for_whoever_reads_what_is_said_and_a_microphone_does_not(
    live: bool, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x")  # until it is full
    os.set_blocking(writing, True)
    ended = threading.Event()
    notes = NotingSink()
    seen: list[bool] = []
    said = bytearray()

    def read() -> None:
        wait_until(lambda: notes.closed)
        ended.wait(PATIENCE_SECONDS if live else 1.5)  # longer than what is said is kept for
        seen.append(ended.is_set())
        while b"heard made up" not in said:
            said.extend(os.read(reading, 65_536))

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(writing, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        source = FakeSource(lambda _: sound(2.0, 1.0), live=live)
        assert bench.monitor(source, notes, console=Console(stderr=True)).run() == 0
        ended.set()
        reader.join(PATIENCE_SECONDS)
    assert not reader.is_alive()
    assert seen == [live]
    os.close(reading)


# --- The dashboard ------------------------------------------------------------------------------


def test_messages_the_dashboard_hides_are_told_when_it_is_gone(bench: Bench) -> None:
    sink = FailingSink(OSError(errno.ENOSPC, "No space left on device"))
    console = Console(file=bench.told, width=100, height=30, force_terminal=True, highlight=False)
    monitor = bench.monitor(lambda _: sound(2.0, 2.0), sink, console=console, dashboard=True)
    assert monitor.run() == 1
    screen, after = bench.told.getvalue().split("\x1b[?1049l")  # where the screen is left
    assert "\x1b[?1049h" in screen
    assert "Sounding now" in screen
    assert "livetag: " not in screen
    assert after.count(" the failing one cannot be written") == 1
    assert "heard made up for 4.0 s" in after


def test_with_a_dashboard_a_run_goes_on_without_its_sinks(bench: Bench) -> None:
    sink = FailingSink(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    console = Console(file=bench.told, width=80, height=24, force_terminal=True)
    monitor = bench.monitor(endless, sink, console=console, dashboard=True, duration_seconds=6.0)
    assert monitor.run() == 0
    assert bench.state.heard_s == pytest.approx(6.0)
