"""`Outlet`: one sink, the thread that writes to it, and what waits for it.

A sink that fails is told of once. A recording goes on without it. Where nothing may wait (a
microphone does not), it is tried again until it works, or until the end: what is heard meanwhile
waits for it, up to a number of items; what there is no room for is dropped, counted and told of.

A sink that raises `BlockingIOError` has not failed: another holds what it needs, and it is tried
again for as long as that takes.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from livetag.events import AudioBlock, Item
from livetag.sinks.base import LeftOutError, Sink
from livetag.text import counted

_HELD_UP_SECONDS = 10.0  # in one write, until that is told
_WAIT_SECONDS = 0.25
_BUSY_SECONDS = 0.1
_FIRST_PAUSE_SECONDS = 1.0  # before a sink that failed is tried again; then twice as long
_LONGEST_PAUSE_SECONDS = 10.0


class Outlet:
    """Takes items for one sink from one thread, and writes them in another.

    `gone`: nothing more goes there. `failed`: something that was to be written never will be.
    """

    def __init__(
        self, sink: Sink, room: int, may_wait: bool, messages: "queue.SimpleQueue[str]"
    ) -> None:
        """`room`: how many items may wait; what the sink writes nothing of needs none.

        `messages` takes what there is to tell.
        """
        self.sink = sink
        self.gone = False
        self.failed = False
        self._room = room
        self._may_wait = may_wait
        self._messages = messages
        self._takes_audio = AudioBlock in sink.takes
        self._changed = threading.Condition()  # of all below
        self._items: deque[Item] = deque()
        self._taken = 0  # of the room
        self._unwritten: Item | None = None  # what `write` was called with, until that is done
        self._dropped = 0
        self._ending = False
        self._to_reopen = False
        self._failing = False
        self._retry_at: float | None = None  # on the monotonic clock; None while all goes well
        self._pause_s = _FIRST_PAUSE_SECONDS
        self._trying_since: float | None = None
        self._told_held_up = False
        self._told_dropped = False
        self._gave_up = ""  # why
        self._told_end = False
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Item, wait_until: threading.Event | None) -> None:
        """Hand an item over; wait for room until the event is set, or not at all for None."""
        with self._changed:
            if self._needs_room(item):
                while not self.gone and self._taken >= self._room:
                    if wait_until is None or wait_until.is_set():
                        self._drop(int(self.sink.writes(item)))
                        return
                    self._changed.wait(_WAIT_SECONDS)
                self._taken += 1
            else:
                self._forget_note(type(item))
            if not self.gone:
                self._items.append(item)
                self._changed.notify_all()

    def _needs_room(self, item: Item) -> bool:
        """Whether an item is more than a note, which a sink takes and writes nothing of."""
        return self._takes_audio or self.sink.writes(item)

    def _forget_note(self, kind: type) -> None:
        """Remove the note of a kind from those that wait last: the next one says all it did."""
        for place in range(len(self._items) - 1, -1, -1):
            if self._needs_room(self._items[place]):
                return
            if type(self._items[place]) is kind:
                del self._items[place]
                return

    def reopen(self) -> None:
        """Have the sink open its files again, and try at once what failed."""
        with self._changed:
            self._to_reopen = True
            self._changed.notify_all()

    def end(self) -> None:
        """Have the sink closed once it has taken what waits. One that fails has one more try."""
        with self._changed:
            if self._failing and not self._ending:
                self._retry_at = 0.0
            self._ending = True
            self._changed.notify_all()

    def ended(self, seconds: float) -> bool:
        """Wait so long for the end; whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Leave a sink behind that did not come to its end."""
        with self._changed:
            self.failed = True
            lost = self._lost()
            self._leave(f"did not take all that it was to{f': {_left_out(lost)}' if lost else ''}")

    def tell_if_held_up(self) -> None:
        """Tell once of a sink that is stuck: in a lock, a full pipe, or a disk that is gone."""
        since = self._trying_since
        if since is None or self._told_held_up or time.monotonic() - since < _HELD_UP_SECONDS:
            return
        self._told_held_up = True
        self._tell("is held up: what is heard waits for it")

    def _run(self) -> None:
        while (task := self._next()) is not None:
            self._attempt(task)
        self._close()

    def _next(self) -> Callable[[], None] | None:
        """Wait for what there is to do; None once that is to close the sink."""
        with self._changed:
            while not self.gone:
                wait_s = None if self._retry_at is None else self._retry_at - time.monotonic()
                if self._to_reopen:
                    self._to_reopen = False
                    return self._reopen
                if wait_s is not None and wait_s <= 0.0:
                    return self._retry
                if self._items and (wait_s is None or self._takes_audio):
                    item = self._items.popleft()
                    self._taken -= self._needs_room(item)
                    self._changed.notify_all()
                    return partial(self._write, item)
                if self._ending and wait_s is None:
                    return None
                self._changed.wait(wait_s)
        return None

    def _attempt(self, task: Callable[[], None]) -> None:
        """Do something with the sink, and decide what a failure of it means."""
        self._trying_since = self._trying_since or time.monotonic()
        try:
            task()
        except BlockingIOError:
            self._retry_at = time.monotonic() + _BUSY_SECONDS
            return  # it has been trying since before
        except LeftOutError as error:
            with self._changed:
                self._drop(error.records)
        except BrokenPipeError:  # its reader has seen enough: no failure
            self._leave("was closed: nothing more goes there")
        except Exception as error:  # the others go on, whatever it is
            if isinstance(error, OSError) and not self._may_wait:
                self._try_again(_reason(error))
            else:
                self.failed = True
                self._leave(f"cannot be written ({_reason(error)}): nothing more goes there")
        self._trying_since = None

    def _write(self, item: Item) -> None:
        if not self._takes_audio:  # which keeps what it makes of the audio
            self._unwritten = item
        self.sink.write(item)
        if not self._failing:
            self._works()

    def _retry(self) -> None:
        self.sink.retry()
        self._works()

    def _reopen(self) -> None:
        self.sink.reopen()
        if self._retry_at is not None:
            self._retry()

    def _works(self) -> None:
        """All that the sink was given is written."""
        with self._changed:
            self._unwritten = self._retry_at = None
            self._pause_s = _FIRST_PAUSE_SECONDS
            if self._failing or self._told_held_up:
                dropped = f"; {_left_out(self._dropped)}" if self._dropped else ""
                self._tell(f"is written again{dropped}")
                self._dropped = 0
                self._failing = self._told_held_up = self._told_dropped = False

    def _try_again(self, reason: str) -> None:
        """Try a sink that failed again later; at the end, give up."""
        with self._changed:
            if self._ending:
                self.gone, self._gave_up = True, reason
                return
            if not self._failing:
                self._tell(
                    f"cannot be written ({reason}): trying again; what is heard meanwhile is kept"
                )
            self._failing = True
            self._retry_at = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_SECONDS)

    def _leave(self, words: str) -> None:
        """Have nothing more go there, and say why."""
        with self._changed:
            self.gone = self._told_end = True
            self._tell(words)
            self._changed.notify_all()

    def _close(self) -> None:
        """Close the sink, and tell what it was to write and has not."""
        self._trying_since = time.monotonic()
        failure = ""
        try:
            self._close_sink()
        except BrokenPipeError:
            if not self._told_end:
                self._leave("was closed: nothing more goes there")
        except Exception as error:
            failure = _reason(error)
            self._dropped += error.records if isinstance(error, LeftOutError) else 0
        self._trying_since = None
        with self._changed:
            lost = self._lost()
            if self._told_end:
                return
            if failure or (self._gave_up and lost):
                self.failed = True
                words = f": {_left_out(lost)}" if lost else ""
                self._tell(f"cannot be written ({failure or self._gave_up}){words}")
            elif lost:
                self._tell(f"was too slow: {_left_out(lost)}")
            self.gone = True

    def _close_sink(self) -> None:
        """Close it, though another may hold what it needs for that, until it is abandoned."""
        while True:
            try:
                return self.sink.close()
            except BlockingIOError:
                with self._changed:
                    if self.gone:
                        return None
                    self._changed.wait(_BUSY_SECONDS)

    def _drop(self, records: int) -> None:
        """Count what there is no room for. None is audio, of which clips may be cut short."""
        if not self._told_dropped:
            why = "has no room for more of what waits" if self._failing else "is too slow"
            self._tell(f"{why}: some of what is heard is left out")
        self._told_dropped = True
        self._dropped += records
        self.failed = self.failed or records > 0

    def _lost(self) -> int:
        """How many records were dropped, or still wait."""
        waiting = [self._unwritten, *self._items] if self._unwritten else self._items
        return self._dropped + sum(map(self.sink.writes, waiting))

    def _tell(self, words: str) -> None:
        self._messages.put(f"{self.sink.name} {words}")


def _left_out(records: int) -> str:
    return f"{counted(records, 'record')} left out"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
