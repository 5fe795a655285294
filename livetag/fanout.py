"""All sinks as one: each has a thread of its own and a queue of bounded length.

A sink that is slow holds up nobody else. One that fails is told of once and left out. Where nothing
may wait (a microphone does not), what no longer fits a sink's queue is dropped, counted and told
of once; a recording waits instead.
"""

import contextlib
import math
import queue
import threading
import time
from collections.abc import Iterator, Sequence

from livetag.events import AudioBlock, Item
from livetag.sinks.base import Sink

BACKLOG_ITEMS = 10_000
AUDIO_BACKLOG_ITEMS = 1_000  # a minute of audio and its windows, with the default hop
_HELD_UP_SECONDS = 10.0  # in one write, until that is told
_WAIT_SECONDS = 0.25
_POLL_SECONDS = 0.05


class _Outlet:
    """One sink, its thread, and what waits for it."""

    def __init__(self, sink: Sink, messages: "queue.SimpleQueue[str]") -> None:
        self.sink = sink
        self.gone = False
        self.failed = False
        self.dropped = 0
        self._asked_to_end = False
        self._writing_since: float | None = None
        self._told_held_up = False
        self._messages = messages
        takes_audio = AudioBlock in sink.takes
        self._queue: queue.Queue[Item | None] = queue.Queue(
            AUDIO_BACKLOG_ITEMS if takes_audio else BACKLOG_ITEMS
        )
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Item | None, wait_until: threading.Event | None) -> bool:
        """Hand an item over; wait for room until the event is set, or not at all for None."""
        while not self.gone:
            waits = wait_until is not None and not wait_until.is_set()
            try:
                self._queue.put(item, timeout=_WAIT_SECONDS if waits else 0.0)
                return True
            except queue.Full:
                if not waits:
                    break
        return self.gone

    def drop(self) -> None:
        """Count an item that there was no room for."""
        if not self.dropped:
            self._messages.put(f"{self.sink.name} is too slow: some of what is heard is left out")
        self.dropped += 1

    def tell_if_held_up(self) -> None:
        """Tell once of a sink that is stuck: in a lock, a full pipe, or a disk that is gone."""
        since = self._writing_since
        if since is None or self._told_held_up or time.monotonic() - since < _HELD_UP_SECONDS:
            return
        self._told_held_up = True
        self._messages.put(f"{self.sink.name} is held up: what is heard waits for it")

    def ended(self, seconds: float) -> bool:
        """Have the sink closed once it has taken what waits, and wait so long; whether it is."""
        self._asked_to_end = self._asked_to_end or self.put(None, None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self.gone and (item := self._queue.get()) is not None:
            self._writing_since = time.monotonic()
            with self._leaving_out():
                self.sink.write(item)
            self._writing_since = None
        with contextlib.suppress(Exception) if self.gone else self._leaving_out():
            self.sink.close()
        self.gone = True

    @contextlib.contextmanager
    def _leaving_out(self) -> Iterator[None]:
        """Leave the sink out from now on if it fails."""
        name = self.sink.name
        try:
            yield
        except BrokenPipeError:  # its reader has seen enough: no failure
            self.gone = True
            self._messages.put(f"{name} was closed: nothing more goes there")
        except Exception as error:  # the others go on, whatever it is
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.failed = self.gone = True
            self._messages.put(f"{name} cannot be written ({reason}): nothing more goes there")


class FanOut:
    """Hands each item to the sinks that take its kind."""

    def __init__(self, sinks: Sequence[Sink], may_wait: bool) -> None:
        """`may_wait`: wait for slow sinks rather than drop what they have no room for."""
        self._messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._outlets = [_Outlet(sink, self._messages) for sink in sinks]
        self._may_wait = may_wait

    def start(self) -> None:
        """Start the sinks' threads: from now on `close` has to be called."""
        for outlet in self._outlets:
            outlet.start()

    @property
    def takes_audio(self) -> bool:
        """Whether any sink takes audio."""
        return any(AudioBlock in outlet.sink.takes for outlet in self._outlets)

    @property
    def failed(self) -> bool:
        return any(outlet.failed for outlet in self._outlets)

    @property
    def all_gone(self) -> bool:
        return bool(self._outlets) and all(outlet.gone for outlet in self._outlets)

    def messages(self) -> Iterator[str]:
        """What there is to tell of the sinks, each once.

        That one is held up is told of where nothing may wait: a recording's reader may take its
        time.
        """
        if not self._may_wait:
            for outlet in self._outlets:
                outlet.tell_if_held_up()
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._messages.get_nowait()

    def write(self, item: Item, stop: threading.Event) -> None:
        """Hand an item over. Where it may wait, it does so until `stop` is set."""
        for outlet in self._outlets:
            wanted = isinstance(item, outlet.sink.takes)
            if wanted and not outlet.put(item, stop if self._may_wait else None):
                outlet.drop()

    def close(self, stop: threading.Event, patience_seconds: float) -> None:
        """Close every sink once it has taken what waits for it.

        A recording's sinks have all the time they need; with a microphone, or from the moment that
        `stop` is set, `patience_seconds`. A sink that hangs is left behind.
        """
        give_up = math.inf
        while waiting := [outlet for outlet in self._outlets if not outlet.ended(0.0)]:
            if give_up == math.inf and (stop.is_set() or not self._may_wait):
                give_up = time.monotonic() + patience_seconds
            if time.monotonic() >= give_up:
                for outlet in waiting:
                    outlet.failed = True
                    self._messages.put(f"{outlet.sink.name} did not take all that it was to")
                break
            waiting[0].ended(_POLL_SECONDS)
        for outlet in self._outlets:
            if outlet.dropped:
                self._messages.put(f"{outlet.sink.name} was too slow: {outlet.dropped} left out")
