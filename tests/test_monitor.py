"""The live program, in this process: sources and classifiers that are made up, real threads."""

import contextlib
import errno
import io
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import numpy as np
import pytest
from conftest import FakeClassifier
from rich.console import Console

from livetag.detector import Detector
from livetag.errors import InputError, LivetagError
from livetag.events import AudioBlock, EventEnd, EventStart, FloatArray, Gap, Record
from livetag.monitor import Monitor, counted
from livetag.sinks.base import Sink
from livetag.sinks.console import ConsoleSink
from livetag.sinks.csv_log import CsvSink
from livetag.state import MonitorState
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params

RATE_HZ = 16_000
BLOCK = 1_600  # 0.1 s
PATIENCE_SECONDS = 30.0  # until a test that hangs gives up

Blocks = Callable[[threading.Event], Iterable[AudioBlock]]


class FakeSource:
    """A source whose blocks a test chooses."""

    name = "made up"
    rate_hz = RATE_HZ

    def __init__(self, blocks: Blocks, failure: LivetagError | None = None) -> None:
        self.failure: LivetagError | None = None
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
    """Keeps records; `on_record` is called with each."""

    name = "notes"

    def __init__(self, on_record: Callable[[Record], None] = lambda _: None) -> None:
        self.records: list[Record] = []
        self.closed = False
        self._on_record = on_record

    def write(self, record: Record) -> None:
        assert not self.closed
        self.records.append(record)
        self._on_record(record)

    def close(self) -> None:
        self.closed = True

    @property
    def kinds(self) -> list[str]:
        return [type(record).__name__ for record in self.records]


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


class Bench:
    """A monitor on the bench: what it told, what it knows, and the parts it was made from."""

    def __init__(self, labels: ClassMap) -> None:
        self.labels = labels
        self.told = io.StringIO()
        self.state = MonitorState(labels, Params(), "made up", RATE_HZ, {0: 0.5}, 0.5, 0.0)

    def monitor(
        self,
        blocks: Blocks | FakeSource,
        *sinks: Sink,
        duration_seconds: float | None = None,
        console: Console | None = None,
        dashboard_top: int | None = None,
    ) -> Monitor:
        params = self.state.params
        self.source = blocks if isinstance(blocks, FakeSource) else FakeSource(blocks)
        return Monitor(
            source=self.source,
            classifier=FakeClassifier(),
            detector=Detector(self.labels, params, 0.5, {self.labels[0]: 0.5}, 0.5),
            params=params,
            state=self.state,
            sinks=sinks,
            console=console or Console(file=self.told, width=80),
            duration_seconds=duration_seconds,
            dashboard_top=dashboard_top,
        )


@pytest.fixture
def bench(labels: ClassMap) -> Bench:
    return Bench(labels)


# --- Records ------------------------------------------------------------------------------------


def test_an_alert_is_printed_as_it_starts_and_logged_as_it_ends(
    bench: Bench, tmp_path: Path
) -> None:
    out = io.StringIO()
    log = tmp_path / "events.csv"
    seen: list[tuple[str, int, int]] = []

    def look(record: Record) -> None:
        lines = out.getvalue().count("\n")
        seen.append((type(record).__name__, lines, log.read_text().count("\n") - 1))

    sinks = (ConsoleSink(out, "made up", False), CsvSink(log, "made up"), NotingSink(look))
    assert bench.monitor(lambda _: sound(2.0, 3.0), *sinks).run() == 0
    assert seen == [("EventStart", 1, 0), ("EventEnd", 1, 1)]
    assert out.getvalue().endswith("  Speech  1.00\n")


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
    assert Gap(1_001.0, 1.0, 0.25, "overflow") in notes.records
    assert " 0.25 s of audio were lost (overflow)\n" in bench.told.getvalue()
    assert bench.told.getvalue().endswith("0.25 s audio lost\n")


# --- How it ends --------------------------------------------------------------------------------


def test_a_duration_counts_seconds_of_audio(bench: Bench) -> None:
    notes = NotingSink()
    assert bench.monitor(endless, notes, duration_seconds=2.05).run() == 0
    assert bench.state.heard_s == pytest.approx(2.05)
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert isinstance(notes.records[1], EventEnd)
    assert notes.records[1].end_s <= 2.05


def test_a_stop_ends_what_goes_on_and_is_no_error(bench: Bench) -> None:
    notes = NotingSink(lambda _: monitor.stop())
    monitor = bench.monitor(endless, notes)
    assert monitor.run() == 0
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert notes.closed
    assert not bench.source.is_open


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_and_a_second_ctrl_c_would_interrupt(
    number: signal.Signals, bench: Bench
) -> None:
    during: list[object] = []

    def interrupt(record: Record) -> None:
        if isinstance(record, EventStart):
            signal.raise_signal(number)
            during.append(signal.getsignal(signal.SIGINT))

    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    notes = NotingSink(interrupt)
    assert bench.monitor(endless, notes).run() == 0
    assert notes.kinds == ["EventStart", "EventEnd"]
    assert during == [signal.default_int_handler]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


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
    bench.monitor(endless, NotingSink(), duration_seconds=1.0).run()
    assert [thread.name for thread in threading.enumerate() if thread.name == "worker"] == []


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

    def __init__(self, error: OSError, at_close: bool = False) -> None:
        super().__init__()
        self._error = error
        self._at_close = at_close

    def write(self, record: Record) -> None:
        super().write(record)
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


def test_when_every_reader_has_gone_away_the_run_ends_and_is_no_error(bench: Bench) -> None:
    """As in `livetag monitor | head -1`."""
    sink = FailingSink(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert bench.monitor(endless, sink).run() == 0
    assert "the failing one was closed" in bench.told.getvalue()


def test_without_any_sink_a_run_goes_on_to_its_end(bench: Bench) -> None:
    assert bench.monitor(endless, duration_seconds=3.0).run() == 0
    assert bench.state.heard_s == pytest.approx(3.0)


# --- Threads ------------------------------------------------------------------------------------


def test_a_slow_main_holds_the_worker_up_and_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetag.monitor.QUEUE_ITEMS", 8)
    first_window_at = 10  # blocks
    given = 0
    overran = threading.Event()

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        nonlocal given
        for block in sound(10.0):
            given += 1
            if given > first_window_at + 8 + 4:
                overran.set()
            yield block

    early: list[bool] = []

    def hold_up(_: Record) -> None:
        if not early:
            early.append(overran.wait(0.2))

    notes = NotingSink(hold_up)
    assert bench.monitor(blocks, notes).run() == 0
    assert early == [False]  # the worker waited
    assert given == 100
    assert bench.state.heard_s == pytest.approx(10.0)
    assert bench.state.windows == 20
    assert notes.kinds == ["EventStart", "EventEnd"]


class SteppingClock:
    """Half a second passes each time that main looks; `count_from` text starts a countdown."""

    def __init__(self, told: io.StringIO) -> None:
        self.now = 0.0
        self.frames_since_told = 0
        self.stalled_for_long = threading.Event()
        self.told_again = threading.Event()
        self._told = told

    def monotonic(self) -> float:
        self.now += 0.5
        text = self._told.getvalue()
        self.frames_since_told += "no audio has come" in text
        if self.frames_since_told > 40:
            self.stalled_for_long.set()
        if "again" in text:
            self.told_again.set()
        return self.now


def test_a_source_that_stalls_is_told_once_and_once_when_it_is_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteppingClock(bench.told)
    fake_time = SimpleNamespace(monotonic=clock.monotonic, thread_time=time.thread_time)
    monkeypatch.setattr("livetag.monitor.time", fake_time)
    monkeypatch.setattr("livetag.monitor._WAIT_SECONDS", 0.001)

    def blocks(_: threading.Event) -> Iterator[AudioBlock]:
        first, *others = sound(0.9)
        yield first
        assert clock.stalled_for_long.wait(PATIENCE_SECONDS)
        yield from others
        assert clock.told_again.wait(PATIENCE_SECONDS)

    assert bench.monitor(blocks, NotingSink()).run() == 0
    told = bench.told.getvalue()
    assert told.count("no audio has come from made up for") == 1
    assert told.count("audio comes from made up again") == 1


# --- The dashboard ------------------------------------------------------------------------------


def test_messages_the_dashboard_hides_are_told_when_it_is_gone(bench: Bench) -> None:
    sink = FailingSink(OSError(errno.ENOSPC, "No space left on device"))
    console = Console(file=bench.told, width=100, height=30, force_terminal=True, highlight=False)
    monitor = bench.monitor(lambda _: sound(2.0, 2.0), sink, console=console, dashboard_top=5)
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
    monitor = bench.monitor(endless, sink, console=console, dashboard_top=5, duration_seconds=6.0)
    assert monitor.run() == 0
    assert bench.state.heard_s == pytest.approx(6.0)


@pytest.mark.parametrize(("number", "text"), [(0, "0 alerts"), (1, "1 alert"), (2, "2 alerts")])
def test_numbers_agree_with_their_nouns(number: int, text: str) -> None:
    assert counted(number, "alert") == text
