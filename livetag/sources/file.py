"""Recordings as sources: a file, a stream on standard input, or samples in memory."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from livetag.audio.pipe import PipeReader, open_recording
from livetag.audio.reader import AudioReader, open_stdin
from livetag.audio.samples import SampleReader
from livetag.errors import InputError, LivetagError
from livetag.events import AudioBlock, FloatArray
from livetag.sources.base import BLOCK_SECONDS, numbered, replayed


class _Recording:
    """What both have: a reader, and why it ended early."""

    live = False
    trouble = ""

    def __init__(
        self,
        name: str,
        open_reader: Callable[[Callable[[], None]], AudioReader | PipeReader | SampleReader],
    ) -> None:
        self.name = name
        self.failure: LivetagError | None = None
        self.polled_at = -math.inf
        self._reader = open_reader(self._look)
        self.rate_hz = self._reader.rate_hz

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.__exit__()

    def _look(self) -> None:
        """A pipe is waited for."""
        self.polled_at = time.monotonic()

    def _chunks(self, stop: threading.Event) -> Iterator[FloatArray]:
        try:
            yield from self._reader.blocks(max(1, round(self.rate_hz * BLOCK_SECONDS)), stop)
        except InputError as error:
            self.failure = error


class FileSource(_Recording):
    """Replays a recording, at the pace it was recorded or as fast as it can.

    `began`: the UNIX time of its first sample; None for the moment its replay starts.
    """

    def __init__(self, path: Path, fast: bool, began: float | None = None) -> None:
        super().__init__(path.name, lambda look: open_recording(path, look))
        self._fast = fast
        self._began = began

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        return replayed(self._chunks(stop), self.rate_hz, self._fast, self._began, stop)


class SampleSource(_Recording):
    """Samples that a program has in memory, as fast as it can. `began`: as `FileSource` has it."""

    def __init__(self, samples: SampleReader, began: float | None = None) -> None:
        super().__init__("samples", lambda _: samples)
        self._began = began

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        return numbered(self._chunks(stop), self._began)


class StdinSource(_Recording):
    """A stream on standard input, taken as fast as it comes."""

    def __init__(
        self, raw_rate_hz: int | None, raw_channels: int, began: float | None = None
    ) -> None:
        super().__init__(
            "standard input",
            lambda look: PipeReader(lambda: open_stdin(raw_rate_hz, raw_channels), look),
        )
        self._began = began

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        return numbered(self._chunks(stop), self._began)
