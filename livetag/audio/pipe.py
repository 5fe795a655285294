"""Recordings that are opened and read in a thread of their own.

What comes through a pipe waits for whoever writes to it, for as long as that takes, and libsndfile
cannot be interrupted while it waits: a program that called it itself could not be ended. A file is
decoded ahead of what is made of it.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from livetag.audio.reader import AudioReader, FloatArray

_BLOCKS_AHEAD = 8


class PipeReader:
    """An open stream, to be read as an `AudioReader` is; a context manager.

    A bounded queue lets a fast writer wait, and nothing is lost.
    """

    def __init__(
        self, open_reader: Callable[[], AudioReader], on_look: Callable[[], None] = lambda: None
    ) -> None:
        """Open what `open_reader` opens; raises as it does.

        `on_look` is called each time that `blocks` looks whether there is audio.
        """
        opened: list[AudioReader | Exception] = []

        def open_it() -> None:
            try:
                opened.append(open_reader())
            except Exception as error:
                opened.append(error)

        thread = threading.Thread(target=open_it, name="pipe", daemon=True)
        thread.start()
        thread.join()
        (reader,) = opened
        if isinstance(reader, Exception):
            raise reader
        self._reader = reader
        self._on_look = on_look
        self.rate_hz = reader.rate_hz
        self.channels = reader.channels
        self.claimed_seconds = reader.claimed_seconds
        self.thread: threading.Thread | None = None
        self._queue: queue.Queue[FloatArray | Exception | None] = queue.Queue(_BLOCKS_AHEAD)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The reading thread may wait for input that never comes: it ends with the process."""

    def blocks(self, frames: int, stop: threading.Event | None = None) -> Iterator[FloatArray]:
        """Yield what `AudioReader.blocks` does, until it ends or `stop` is set; raises as it does.

        Never waits longer than a tenth of a second before it looks at `stop`.
        """
        self.thread = threading.Thread(target=self._read, args=(frames,), name="pipe", daemon=True)
        self.thread.start()
        while stop is None or not stop.is_set():
            self._on_look()
            try:
                block = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if block is None:
                return
            if isinstance(block, Exception):
                raise block
            yield block

    def _read(self, frames: int) -> None:
        try:
            with self._reader:
                for block in self._reader.blocks(frames):
                    self._queue.put(block)
            self._queue.put(None)
        except Exception as error:  # for whoever takes the blocks
            self._queue.put(error)


def open_ahead(path: Path) -> PipeReader:
    """Open a file that is decoded ahead of whoever takes its blocks. Raises `InputError`."""
    return PipeReader(lambda: AudioReader(path))


def open_recording(
    path: Path, on_look: Callable[[], None] = lambda: None
) -> AudioReader | PipeReader:
    """Open a file, or what stands for one: a pipe or a device. Raises `InputError`."""
    with contextlib.suppress(OSError):  # a name that no file can have
        if path.exists() and not path.is_file() and not path.is_dir():
            return PipeReader(lambda: AudioReader(path), on_look)
    return AudioReader(path)
