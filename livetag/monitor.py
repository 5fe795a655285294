"""The live program: a source, a worker that runs the pipeline, and a main thread that shows it.

Activities:

- the source's own, where it has one (PortAudio's callback, the reader of standard input);
- the worker: takes blocks from the source, runs `analyze`, and hands what it yields over a bounded
  queue. It alone does model work. Where main is slow, it waits; the microphone's ring then fills,
  and what no longer fits is counted as lost;
- each sink's own thread, which writes (`livetag.fanout`);
- one for each reading of the configuration after the first (`livetag.reload`): files may hang;
- standard error's, which writes there (`livetag.relay`): a terminal may be stopped;
- main: hands records to the sinks, draws the dashboard, and does what signals ask for.
"""

import contextlib
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.console import Console

from livetag.dashboard import render
from livetag.detector import Detector
from livetag.errors import InputError, LivetagError
from livetag.events import AudioBlock, Explanation, Gap, Item, Pace
from livetag.fanout import FanOut
from livetag.memory import give_back
from livetag.messages import Messages, summary
from livetag.pipeline import analyze
from livetag.records import called, iso_time, said_of_pace
from livetag.reload import Change, Readings
from livetag.screen import Screen
from livetag.signals import Signals, suspend
from livetag.sinks.base import Sink
from livetag.sources.base import Source, limited
from livetag.state import MonitorState
from livetag.stderr import native_stderr_silenced
from livetag.supervisor import Supervisor
from livetag.text import counted
from livetag.worker import Done, Handed, Worker
from livetag.yamnet.classifier import Classifier
from livetag.yamnet.params import Params

FRAME_SECONDS = 0.25
"""Seconds between frames of the dashboard: as often as a level meter needs, as rarely as it may."""
_WAIT_SECONDS = 0.25
_ENDING_SECONDS = 5.0
_FIRST_AUDIO_SECONDS = 5.0  # by which a stream may begin later than it was opened
_GIVE_BACK_SECONDS = 60.0


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
        screen: Screen | None = None,
        top: int = 10,
        duration_seconds: float | None = None,
        explain: bool = False,
        spectrogram: bool = False,
        reread: Callable[[], Change] | None = None,
        signals: Signals | None = None,
        supervisor: Supervisor | None = None,
        unclipped: deque[Explanation] | None = None,
    ) -> None:
        """`screen`: None for no dashboard, which has `top` classes at the most.

        `reread`: reads the configuration again, for SIGHUP; raises where it cannot be. `unclipped`:
        where sinks say why there is no clip of an event.
        """
        self._source = source
        self._detector = detector
        self._analysis = classifier, detector, params
        self._state = state
        self._sinks = FanOut(sinks, may_wait=not source.live)
        self._unclipped = deque[Explanation]() if unclipped is None else unclipped
        self._screen = screen
        self._top = top
        self._duration_seconds = duration_seconds
        self._explain = explain
        self._spectrogram = spectrogram
        self._readings = Readings(reread)
        self._signals = signals or Signals()
        self._supervisor = supervisor or Supervisor(None)
        self._stop = threading.Event()
        self._messages = Messages(console, screen, state.notice, not source.live, self._stop)
        self._give_back_at = 0.0
        self._leaving = False

    def run(self) -> int:
        """Listen; return the exit code. Raises what ended the worker or the source early."""
        draws = self._screen is not None
        with (
            self._signals.heeded(self._stop, self._end_at_once, 4 * _ENDING_SECONDS, draws),
            native_stderr_silenced(),
            self._messages.relayed(),
        ):
            done, stopped = self._listen()
            self._messages.say(summary(self._state))
            self._messages.wait()
        failure = done.error or self._source.failure
        if failure is not None:
            raise failure
        if self._state.heard_s == 0.0 and not stopped:
            raise InputError(f"{self._source.name} holds no sound")
        return LivetagError.exit_code if self._sinks.failed else 0

    def stop(self) -> None:
        """Let `run` end, from another thread, as Ctrl-C does."""
        self._stop.set()

    def _listen(self) -> tuple[Done, bool]:
        """Open everything, follow the worker to its end, and close; whether it was stopped."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._messages.say_hidden)
            self._sinks.start()
            stack.callback(self._close_sinks)
            stack.callback(self._readings.abandon)
            stack.enter_context(self._source)
            worker = stack.enter_context(
                Worker(self._items(), lambda: self._sinks.takes_audio, self._stop, _ENDING_SECONDS)
            )
            if self._screen is not None:
                stack.callback(self._screen.close)
            stack.callback(self._supervisor.stopping)
            self._state.started_at = self._state.audio_at = time.monotonic()
            self._supervisor.ready()
            return self._follow(worker), self._stop.is_set()

    def _items(self) -> Iterator[Item]:
        blocks: Iterable[AudioBlock] = self._source.blocks(self._stop)
        if self._duration_seconds is not None:
            rate_hz = self._source.rate_hz
            blocks = limited(blocks, round(self._duration_seconds * rate_hz), rate_hz)
        return analyze(blocks, self._source.rate_hz, *self._analysis)

    def _follow(self, worker: Worker) -> Done:
        """Handle items, draw frames and heed signals until the worker is done."""
        next_look = next_frame = stop_by = 0.0
        while True:
            handed = worker.take(_WAIT_SECONDS)
            now = time.monotonic()
            if isinstance(handed, Done):
                return handed
            if handed is not None:
                self._handle(handed, now)
            self._tell_of_sinks()
            if now >= next_look:
                next_look = now + FRAME_SECONDS
                self._state.tick(now)
                self._watch(worker, now)
            if self._heed_signals() or now >= next_frame:
                next_frame = now + FRAME_SECONDS * self._state.frame_factor
                self._draw()
            if self._sinks.all_gone and self._screen is None:
                self._stop.set()
            if self._stop.is_set():
                stop_by = stop_by or now + _ENDING_SECONDS
                if now > stop_by:
                    return Done(LivetagError("the worker did not end in time; it was left behind"))

    def _draw(self) -> None:
        if self._screen is not None and self._screen.wants_frame():
            frame = render(self._state, self._top, self._explain, self._spectrogram)
            self._screen.draw(frame)

    def _handle(self, handed: Handed, now: float) -> None:
        item = handed.item
        self._state.apply(item, now, handed.worker_seconds)
        if isinstance(item, Explanation):
            self._print_explanation(item, f"no alert: {item.why}")
        if isinstance(item, Gap) and not item.ongoing and self._state.gap_seconds >= 0.005:
            self._messages.tell(
                f"{self._state.gap_seconds:.2f} s of audio were lost ({item.reason})"
            )
        if isinstance(item, Pace):
            self._messages.tell(said_of_pace(item, self._state.params.patch_hop_seconds))
        self._sinks.write(item, self._stop)

    def _print_explanation(self, item: Explanation, words: str) -> None:
        if self._explain and not self._messages.covered:
            self._messages.print(f"{iso_time(item.time)}  {called(item)}  {words}")

    def _close_sinks(self) -> None:
        """Let the sinks take what waits for them: for as long as it takes, until we are stopped."""
        self._sinks.close(self._stop, _ENDING_SECONDS)
        self._tell_of_sinks()

    def _tell_of_sinks(self) -> None:
        for message in self._sinks.messages():
            self._messages.tell(message)
        while self._unclipped:
            explanation = self._unclipped.popleft()
            self._state.leave_unclipped()
            self._print_explanation(explanation, explanation.why)

    # --- Signals

    def _heed_signals(self) -> bool:
        """Do what signals have asked for; whether the dashboard is to be drawn at once."""
        if self._signals.asked_to_reload():
            self._reload()
        self._follow_reading()
        if self._signals.asked_to_suspend():
            self._suspend()
            return True
        return self._signals.asked_to_redraw()

    def _reload(self) -> None:
        """Open logs again by their names, and have the configuration read again."""
        self._supervisor.reloading()
        self._sinks.reopen()
        if not self._readings.ask():
            self._supervisor.ready()

    def _follow_reading(self) -> None:
        """Adopt a configuration that was read again, or tell why it cannot be."""
        try:
            change = self._readings.take()
        except Exception as error:  # whatever it is: the listening goes on
            fault = "" if isinstance(error, LivetagError | OSError) else type(error).__name__
            reason = " ".join(f"{fault} {error}".split())
            self._messages.tell(f"new configuration refused: {reason}; the old one stays")
        else:
            if change is None:
                return
            self._adopt(change)
        self._supervisor.ready()

    def _adopt(self, change: Change) -> None:
        change.adopt()
        self._sinks.replace(change.gone, change.new)
        self._detector.adopt(change.rules)
        self._state.adopt(change.rules)
        self._top, self._explain = change.top, change.explain
        self._spectrogram = change.spectrogram
        self._messages.tell(f"the configuration was read again: {change.told}")

    def _end_at_once(self) -> None:
        """Leave the process, whatever hangs, and wherever main is; but the terminal as it was.

        To unwind would wait for what hangs, and for locks that main may hold at this moment. It
        runs in the handler of a signal, which another signal may interrupt.
        """
        if self._leaving:
            return
        self._leaving = True
        self._messages.last_words()
        os._exit(0)

    def _suspend(self) -> None:
        """Let the shell have its terminal, and the process be stopped until it goes on."""
        if self._screen is not None:
            self._screen.close()
            self._messages.say_hidden()
            self._messages.hurry()
        suspend()

    # --- What is heard

    def _watch(self, worker: Worker, now: float) -> None:
        """Say what keeps audio from being heard, and once that it is again.

        The service manager hears of us only while the worker does not hang.
        """
        hangs = worker.hangs(now, self._source.polled_at)
        trouble = "the analysis hangs: livetag has to be started again" if hangs else ""
        trouble = self._source.trouble or trouble
        if trouble != self._state.trouble:
            self._state.trouble = trouble
            self._state.source_name = self._source.name  # perhaps of another default device
            again = f"{self._source.name} is heard again"
            self._messages.tell(self._status() if trouble else again)
            self._draw()
        if not hangs:
            self._supervisor.alive(self._status())
        if now >= self._give_back_at:
            self._give_back_at = now + _GIVE_BACK_SECONDS
            give_back()
        elapsed = now - self._state.started_at - _FIRST_AUDIO_SECONDS
        if trouble and elapsed >= (self._duration_seconds or math.inf):
            self._stop.set()  # the last gap tells how long it was; before, none may for a minute

    def _status(self) -> str:
        if self._state.trouble:
            return f"NOTHING IS HEARD: {self._state.trouble}"
        return f"hearing {self._source.name}, {counted(self._state.alerts, 'alert')}"
