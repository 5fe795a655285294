"""The built-in minute of sounds, as a source like any other."""

import math
import threading
from collections.abc import Iterator
from typing import Self

import numpy as np

from livetag.audio.reader import AudioReader
from livetag.errors import LivetagError
from livetag.events import AudioBlock, FloatArray
from livetag.resources import ASSETS_DIR
from livetag.sources.base import BLOCK_SECONDS, replayed
from livetag.sources.demo_sounds import RATE_HZ, SPEECH_ASSET, demo_sounds


class DemoSource:
    """Replays the demo, in real time or as fast as it can."""

    live = False
    trouble = ""
    polled_at = -math.inf

    def __init__(self, fast: bool, began: float | None = None) -> None:
        self.name = "demo"
        self.rate_hz = RATE_HZ
        self.failure: LivetagError | None = None
        self._fast = fast
        self._began = began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        return replayed(demo_chunks(), self.rate_hz, self._fast, self._began, stop)


def demo_chunks() -> Iterator[FloatArray]:
    """Yield the demo minute in blocks of float32[n]."""
    with AudioReader(ASSETS_DIR / SPEECH_ASSET) as reader:
        speech = np.concatenate(list(reader.blocks(RATE_HZ)))
    size = round(RATE_HZ * BLOCK_SECONDS)
    for sound in demo_sounds(speech):
        for begin in range(0, len(sound.samples), size):
            yield sound.samples[begin : begin + size]
