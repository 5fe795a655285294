"""The thread that runs the pipeline, and the queue of bounded length that it hands items over."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from livetag.events import AudioBlock, Item

QUEUE_ITEMS = 256
HANGS_SECONDS = 10.0
"""A worker that shows no sign of life for so long hangs."""
_STOPPED_SECONDS = 1.0
"""Where nobody has asked for so long whether it hangs, the whole process was stopped."""
_WAIT_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Handed:
    """An item, and the processor time that the worker had used when it was there."""

    item: Item
    worker_seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """The worker's last word."""

    error: BaseException | None


class Worker:
    """Takes items from the pipeline as they come; a context manager: entered, it runs.

    `alive_at`: the monotonic time at which it last gave an item, or waited for its taker. While it
    waits for audio, the source knows more.
    """

    def __init__(
        self,
        items: Iterable[Item],
        audio_wanted: Callable[[], bool],
        stop: threading.Event,
        ending_seconds: float,
    ) -> None:
        """`stop` is what ends the items; the worker has `ending_seconds` to come to its end."""
        self.alive_at = time.monotonic()
        self._asked_at = self._awake_at = 0.0
        self._items = items
        self._audio_wanted = audio_wanted
        self._stop = stop
        self._ending_seconds = ending_seconds
        self._abandoned = threading.Event()
        self._queue: queue.Queue[Handed | Done] = queue.Queue(QUEUE_ITEMS)
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._ended = False

    def __enter__(self) -> "Worker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ended:
            self._stop.set()  # what ended by itself leaves the sinks all the time they need
        self._abandoned.set()
        self._thread.join(self._ending_seconds)

    def take(self, wait_seconds: float) -> Handed | Done | None:
        """What was handed over next; None where nothing comes in time."""
        try:
            handed = self._queue.get(timeout=wait_seconds)
        except queue.Empty:
            return None
        self._ended = isinstance(handed, Done)
        return handed

    def hangs(self, now: float, polled_at: float) -> bool:
        """Whether it has shown no sign of life for `HANGS_SECONDS`. To be asked all the time.

        `polled_at`: when its source last looked for audio. Both are monotonic times.
        """
        if now - self._asked_at > _STOPPED_SECONDS:
            self._awake_at = now  # main was stopped, and so was the worker
        self._asked_at = now
        return now - max(self.alive_at, polled_at, self._awake_at) > HANGS_SECONDS

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                self.alive_at = time.monotonic()
                if not isinstance(item, AudioBlock) or self._audio_wanted():
                    self._put(Handed(item, time.thread_time()))
        except BaseException as raised:  # main raises it again, and ends the program
            error = raised
        self._put(Done(error))

    def _put(self, item: Handed | Done) -> None:
        while not self._abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_WAIT_SECONDS)
                return
            self.alive_at = time.monotonic()
