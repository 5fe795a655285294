"""The live program: a source, a worker that runs the pipeline, and a main thread that shows it.

Activities:

- the source's own, where it has one (PortAudio's callback, the reader of standard input);
- the worker: takes blocks from the source, runs `analyze`, and hands what it yields over a bounded
  queue. It alone does model work. Where main is slow, it waits; the microphone's ring then fills,
  and what no longer fits is counted as lost;
- each sink's own thread, which writes (`livetag.fanout`);
- main: hands records to the sinks and draws the dashboard.
"""

import contextlib
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleDimensions
from rich.live import Live

from livetag.dashboard import render
from livetag.detector import Detector
from livetag.errors import InputError, LivetagError
from livetag.events import AudioBlock, Explanation, Gap, Item
from livetag.fanout import FanOut
from livetag.pipeline import analyze
from livetag.records import called, iso_time
from livetag.signals import stopped_by_signals
from livetag.sinks.base import Sink
from livetag.sources.base import STALL_SECONDS, Source, limited
from livetag.state import MonitorState
from livetag.stderr import native_stderr_silenced
from livetag.text import counted
from livetag.yamnet.classifier import Classifier
from livetag.yamnet.params import Params

QUEUE_ITEMS = 256
FRAME_SECONDS = 0.25
"""Seconds between frames of the dashboard: as often as a level meter needs, as rarely as it may."""
_WAIT_SECONDS = 0.25
_ENDING_SECONDS = 5.0
_MESSAGES_KEPT = 100


@dataclass(frozen=True, slots=True)
class _Handed:
    """An item, and the processor time that the worker had used when it was there."""

    item: Item
    worker_seconds: float


@dataclass(frozen=True, slots=True)
class _Done:
    """The worker's last word."""

    error: BaseException | None


class _Worker:
    """The thread that runs the pipeline."""

    def __init__(self, items: Iterable[Item], audio_wanted: bool, stop: threading.Event) -> None:
        self._items = items
        self._audio_wanted = audio_wanted
        self._abandoned = threading.Event()
        self._queue: queue.Queue[_Handed | _Done] = queue.Queue(QUEUE_ITEMS)
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._stop = stop
        self._ended = False

    def __enter__(self) -> "_Worker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ended:
            self._stop.set()  # what ended by itself leaves the sinks all the time they need
        self._abandoned.set()
        self._thread.join(_ENDING_SECONDS)

    def take(self, wait_seconds: float) -> "_Handed | _Done | None":
        """What was handed over next; None where nothing comes in time."""
        try:
            handed = self._queue.get(timeout=wait_seconds)
        except queue.Empty:
            return None
        self._ended = isinstance(handed, _Done)
        return handed

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if isinstance(item, AudioBlock) and not self._audio_wanted:
                    continue
                self._put(_Handed(item, time.thread_time()))
        except BaseException as raised:  # main raises it again, and ends the program
            error = raised
        self._put(_Done(error))

    def _put(self, item: "_Handed | _Done") -> None:
        while not self._abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_WAIT_SECONDS)
                return


class Monitor:
    """Runs one source until it ends, is stopped, or `duration_seconds` of audio are heard."""

    def __init__(
        self,
        source: Source,
        classifier: Classifier,
        detector: Detector,
        params: Params,
        state: MonitorState,
        sinks: Sequence[Sink],
        console: Console,
        dashboard_top: int | None = None,
        duration_seconds: float | None = None,
        explain: bool = False,
    ) -> None:
        """`dashboard_top`: classes on the dashboard; None for no dashboard."""
        self._source = source
        self._analysis = classifier, detector, params
        self._state = state
        self._sinks = FanOut(sinks, may_wait=not source.live)
        self._console = console
        self._dashboard_top = dashboard_top
        self._duration_seconds = duration_seconds
        self._explain = explain
        self._live: Live | None = None
        self._messages: deque[str] = deque(maxlen=_MESSAGES_KEPT)  # that the dashboard hides
        self._stop = threading.Event()
        self._stalled = False

    def run(self) -> int:
        """Listen; return the exit code. Raises what ended the worker or the source early."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._tell_hidden)
            stack.enter_context(stopped_by_signals(self._stop, 4 * _ENDING_SECONDS))
            self._sinks.start()
            stack.callback(self._close_sinks)
            stack.enter_context(native_stderr_silenced())
            stack.enter_context(self._source)
            worker = stack.enter_context(
                _Worker(self._items(), self._sinks.takes_audio, self._stop)
            )
            self._state.started_at = self._state.audio_at = time.monotonic()
            if self._dashboard_top is not None:
                self._live = stack.enter_context(
                    Live(
                        console=self._console,
                        screen=True,
                        auto_refresh=False,
                        redirect_stdout=False,
                        redirect_stderr=False,
                    )
                )
                stack.callback(setattr, self, "_live", None)
            done = self._follow(worker)
            stopped = self._stop.is_set()
        self._say(self._summary())
        failure = done.error or self._source.failure
        if failure is not None:
            raise failure
        if self._state.heard_s == 0.0 and not stopped:
            raise InputError(f"{self._source.name} holds no sound")
        return LivetagError.exit_code if self._sinks.failed else 0

    def stop(self) -> None:
        """Let `run` end, from another thread, as Ctrl-C does."""
        self._stop.set()

    def _items(self) -> Iterator[Item]:
        blocks: Iterable[AudioBlock] = self._source.blocks(self._stop)
        if self._duration_seconds is not None:
            blocks = limited(blocks, round(self._duration_seconds * self._source.rate_hz))
        return analyze(blocks, self._source.rate_hz, *self._analysis)

    def _follow(self, worker: _Worker) -> _Done:
        """Handle items and draw frames until the worker is done."""
        next_frame = stop_by = 0.0
        while True:
            handed = worker.take(_WAIT_SECONDS)
            now = time.monotonic()
            if isinstance(handed, _Done):
                return handed
            if handed is not None:
                self._handle(handed, now)
            self._tell_of_sinks()
            if now >= next_frame:
                next_frame = now + FRAME_SECONDS
                self._state.tick(now)
                self._watch_for_stall()
                self._draw()
            if self._sinks.all_gone and self._live is None:
                self._stop.set()
            if self._stop.is_set():
                stop_by = stop_by or now + _ENDING_SECONDS
                if now > stop_by:
                    return _Done(LivetagError("the worker did not end in time; it was left behind"))

    def _draw(self) -> None:
        if self._live is None:
            return
        with contextlib.suppress(OSError):  # a console that is no terminal keeps its own size
            size = os.get_terminal_size(sys.stderr.fileno())
            if size.columns and size.lines:  # a serial line may not know its size
                self._console.size = ConsoleDimensions(*size)
        frame = render(self._state, self._dashboard_top or 1, self._explain)
        with contextlib.suppress(OSError):  # a terminal that is gone: the sinks go on
            self._live.update(frame, refresh=True)

    def _handle(self, handed: _Handed, now: float) -> None:
        item = handed.item
        self._state.apply(item, now, handed.worker_seconds)
        if isinstance(item, Explanation) and self._explain and self._live is None:
            self._print(f"{iso_time(item.time)}  {called(item)}  no alert: {item.why}")
        if isinstance(item, Gap) and item.reason != "stalled":
            self._tell(f"{item.lost_seconds:.2f} s of audio were lost ({item.reason})")
        self._sinks.write(item, self._stop)

    def _close_sinks(self) -> None:
        """Let the sinks take what waits for them: for as long as it takes, until we are stopped."""
        self._sinks.close(self._stop, _ENDING_SECONDS)
        self._tell_of_sinks()

    def _tell_of_sinks(self) -> None:
        for message in self._sinks.messages():
            self._tell(message)

    def _watch_for_stall(self) -> None:
        """Say once that no audio comes, and once that it is back."""
        silent_s = self._state.silent_s
        if silent_s > STALL_SECONDS and not self._stalled:
            self._stalled = True
            self._tell(f"no audio has come from {self._source.name} for {silent_s:.0f} s")
        elif self._stalled and silent_s < STALL_SECONDS:
            self._stalled = False
            self._tell(f"audio comes from {self._source.name} again")

    def _tell(self, message: str) -> None:
        """Say, with the time, what happens: on stderr, or on the dashboard and later on stderr."""
        message = f"{datetime.now().astimezone():%H:%M:%S} {message}"
        if self._live is None:
            self._say(message)
        else:
            self._state.notice(message, time.monotonic())
            self._messages.append(message)

    def _say(self, message: str) -> None:
        self._print(f"livetag: {message}")

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError):  # what cannot be said must not end the listening
            self._console.print(line, markup=False, soft_wrap=True)

    def _tell_hidden(self) -> None:
        for message in self._messages:
            self._say(message)

    def _summary(self) -> str:
        state = self._state
        lost = f"{state.lost_seconds:.2f} s" if state.gaps else "no"
        return (
            f"heard {state.source_name} for {state.heard_s:.1f} s: "
            f"{counted(state.windows, 'window')}, {counted(state.events, 'event')}, "
            f"{counted(state.alerts, 'alert')}, {lost} audio lost"
        )
