"""Recordings as sources: a file, or a stream on standard input."""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from livetag.audio.reader import AudioReader, open_stdin
from livetag.errors import InputError, LivetagError
from livetag.events import AudioBlock, FloatArray
from livetag.sources.base import BLOCK_SECONDS, numbered, replayed


class FileSource:
    """Replays a recording, at the pace it was recorded or as fast as it can.

    `began`: the UNIX time of its first sample; None for the moment its replay starts.
    """

    live = False

    def __init__(self, path: Path, fast: bool, began: float | None = None) -> None:
        self.name = path.name
        self.failure: LivetagError | None = None
        self._fast = fast
        self._began = began
        self._reader = AudioReader(path)
        self.rate_hz = self._reader.rate_hz

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        return replayed(self._chunks(), self.rate_hz, self._fast, self._began, stop)

    def _chunks(self) -> Iterator[FloatArray]:
        try:
            yield from self._reader.blocks(max(1, round(self.rate_hz * BLOCK_SECONDS)))
        except InputError as error:
            self.failure = error


class StdinSource:
    """A stream on standard input, taken as fast as it comes.

    A thread reads it, since a read cannot be interrupted; the bounded queue lets a fast writer
    wait and nothing is lost.
    """

    live = False

    def __init__(
        self, raw_rate_hz: int | None, raw_channels: int, began: float | None = None
    ) -> None:
        self.name = "standard input"
        self.failure: LivetagError | None = None
        self._began = began
        self._reader = open_stdin(raw_rate_hz, raw_channels)
        self.rate_hz = self._reader.rate_hz
        self._queue: queue.Queue[FloatArray | None] = queue.Queue(maxsize=8)
        self._thread = threading.Thread(target=self._read, name="stdin", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The reading thread may wait for input that never comes: it ends with the process."""

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        return numbered(self._chunks(stop), self._began)

    def _read(self) -> None:
        try:
            for chunk in self._reader.blocks(max(1, round(self.rate_hz * BLOCK_SECONDS))):
                self._queue.put(chunk)
        except InputError as error:
            self.failure = error
        finally:
            self._queue.put(None)

    def _chunks(self, stop: threading.Event) -> Iterator[FloatArray]:
        while not stop.is_set():
            try:
                chunk = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if chunk is None:
                return
            yield chunk
