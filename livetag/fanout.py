"""All sinks as one: each has a thread of its own and a queue of bounded length.

A sink that is slow, or fails, holds up nobody else. Where nothing may wait (a microphone does not),
what no longer fits a sink's queue is dropped, counted and told of once; a recording waits instead.
"""

import contextlib
import math
import queue
import threading
import time
from collections.abc import Collection, Iterator, Sequence

from livetag.events import AudioBlock, Item
from livetag.outlet import Outlet
from livetag.sinks.base import Sink

BACKLOG_ITEMS = 10_000
AUDIO_BACKLOG_ITEMS = 1_000  # a minute of audio and its windows, with the default hop
_POLL_SECONDS = 0.05


class FanOut:
    """Hands each item to the sinks that take its kind. One thread at a time may use it."""

    def __init__(self, sinks: Sequence[Sink], may_wait: bool) -> None:
        """`may_wait`: wait for slow sinks rather than drop what they have no room for."""
        self._messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._may_wait = may_wait
        self._outlets = [self._outlet(sink) for sink in sinks]
        self._replaced: list[Outlet] = []  # whose sinks take what waits for them, and close
        self._failed = False  # whether one of those did that has ended

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
        """Whether any sink did not take all that it was to."""
        return self._failed or any(o.failed for o in [*self._outlets, *self._replaced])

    @property
    def all_gone(self) -> bool:
        return bool(self._outlets) and all(outlet.gone for outlet in self._outlets)

    def messages(self) -> Iterator[str]:
        """What there is to tell of the sinks, each once.

        That one is held up is told of where nothing may wait: a recording's reader may take its
        time.
        """
        if not self._may_wait:
            for outlet in [*self._outlets, *self._replaced]:
                outlet.tell_if_held_up()
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._messages.get_nowait()

    def write(self, item: Item, stop: threading.Event) -> None:
        """Hand an item over. Where it may wait, it does so until `stop` is set."""
        for outlet in self._outlets:
            if isinstance(item, outlet.sink.takes):
                outlet.put(item, stop if self._may_wait else None)

    def reopen(self) -> None:
        """Have every sink open its files again by their names, in its own thread.

        A sink for which that fails is one that cannot be written. One that could not be written is
        tried at once.
        """
        for outlet in self._outlets:
            outlet.reopen()

    def replace(self, gone: Collection[Sink], new: Sequence[Sink]) -> None:
        """Go on with new sinks in the place of some; waits for nobody.

        Those gone are closed, in their own threads, once they have taken what waits for them. Of
        `gone`, sinks that are not here are nobody's concern.
        """
        leaving = [o for o in self._outlets if any(o.sink is sink for sink in gone)]
        starting = [self._outlet(sink) for sink in new]
        self._outlets = [*(o for o in self._outlets if o not in leaving), *starting]
        ended = [o for o in self._replaced if o.ended(0.0)]
        self._failed = self._failed or any(o.failed for o in ended)
        self._replaced = [*(o for o in self._replaced if o not in ended), *leaving]
        for outlet in leaving:
            outlet.end()
        for outlet in starting:
            outlet.start()

    def close(self, stop: threading.Event, patience_seconds: float) -> None:
        """Close every sink once it has taken what waits for it.

        A recording's sinks have all the time they need; with a microphone, or from the moment that
        `stop` is set, `patience_seconds`. A sink that hangs is left behind, and one that fails and
        has not begun to work again.
        """
        outlets = [*self._outlets, *self._replaced]
        for outlet in outlets:
            outlet.end()
        give_up = math.inf
        while waiting := [outlet for outlet in outlets if not outlet.ended(0.0)]:
            if give_up == math.inf and (stop.is_set() or not self._may_wait):
                give_up = time.monotonic() + patience_seconds
            if time.monotonic() >= give_up:
                for outlet in waiting:
                    outlet.abandon()
                break
            waiting[0].ended(_POLL_SECONDS)

    def _outlet(self, sink: Sink) -> Outlet:
        room = AUDIO_BACKLOG_ITEMS if AudioBlock in sink.takes else BACKLOG_ITEMS
        return Outlet(sink, room, self._may_wait, self._messages)
