"""The built-in minute of sounds, as a source like any other."""

import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

from livetag.audio.reader import AudioReader
from livetag.errors import LivetagError
from livetag.events import AudioBlock, FloatArray
from livetag.resources import ASSETS_DIR
from livetag.sources.base import BLOCK_SECONDS, number, paced, until_stopped
from livetag.sources.demo_sounds import RATE_HZ, SPEECH_ASSET, demo_sounds


class DemoSource:
    """Replays the demo, in real time or as fast as it can."""

    def __init__(self, fast: bool) -> None:
        self.name = "demo"
        self.rate_hz = RATE_HZ
        self.failure: LivetagError | None = None
        self._fast = fast

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is open."""

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        blocks = number(demo_chunks())
        if self._fast:
            return until_stopped(blocks, stop)
        return paced(blocks, self.rate_hz, stop)


def demo_chunks() -> Iterator[FloatArray]:
    """Yield the demo minute in blocks of float32[n]."""
    with AudioReader(ASSETS_DIR / SPEECH_ASSET) as reader:
        speech = np.concatenate(list(reader.blocks(RATE_HZ)))
    size = round(RATE_HZ * BLOCK_SECONDS)
    for sound in demo_sounds(speech):
        for begin in range(0, len(sound.samples), size):
            yield sound.samples[begin : begin + size]
