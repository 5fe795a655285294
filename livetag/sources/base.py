"""What every source of audio is, and what recordings replayed at their own pace share."""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol, Self

from livetag.errors import LivetagError
from livetag.events import AudioBlock, FloatArray

BLOCK_SECONDS = 0.08
"""Audio a block: short enough for a lively level meter, and a divisor of the usual hops."""


class Source(Protocol):
    """Where audio comes from. A context manager: entered, it is ready to give blocks."""

    rate_hz: int
    live: bool
    """Whether the audio comes when it comes, and is lost where nobody takes it."""
    failure: LivetagError | None
    """Why the blocks ended early; None where they simply ended or were stopped."""
    trouble: str
    """What keeps audio from coming at this moment, in words; empty while it comes."""
    polled_at: float
    """The monotonic time at which `blocks` last looked for audio; minus infinity where it never
    waits for any."""

    @property
    def name(self) -> str:
        """What the user calls it; of a microphone, the device that is listened to now."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def blocks(self, stop: threading.Event) -> Iterator[AudioBlock]:
        """Yield audio until it ends or `stop` is set; never wait longer than a quarter second."""
        ...


def numbered(chunks: Iterable[FloatArray], began: float | None = None) -> Iterator[AudioBlock]:
    """Chunks in a row as blocks; the first one gets the UNIX time `began`, or that of now."""
    position = 0
    for samples in chunks:
        wall_time = None
        if position == 0:
            wall_time = time.time() if began is None else began
        yield AudioBlock(samples, position, wall_time=wall_time)
        position += len(samples)


def until_stopped(blocks: Iterable[AudioBlock], stop: threading.Event) -> Iterator[AudioBlock]:
    for block in blocks:
        if stop.is_set():
            return
        yield block


def replayed(
    chunks: Iterable[FloatArray],
    rate_hz: int,
    fast: bool,
    began: float | None,
    stop: threading.Event,
) -> Iterator[AudioBlock]:
    """A recording's chunks as blocks: at the pace of a microphone, or as fast as they go."""
    blocks = numbered(chunks, began)
    return until_stopped(blocks, stop) if fast else paced(blocks, rate_hz, stop)


def paced(
    blocks: Iterable[AudioBlock], rate_hz: int, stop: threading.Event
) -> Iterator[AudioBlock]:
    """Yield each block when a microphone would have: as its last sample is due."""
    started: float | None = None
    for block in blocks:
        started = time.monotonic() if started is None else started
        due = started + (block.first_sample + len(block.samples)) / rate_hz
        if stop.wait(max(0.0, due - time.monotonic())):
            return
        yield replace(block, captured_at=due)


def limited(blocks: Iterable[AudioBlock], samples: int, rate_hz: int) -> Iterator[AudioBlock]:
    """The first so many samples of the stream, lost ones included."""
    for block in blocks:
        room = samples - block.first_sample
        if len(block.samples) < room:
            yield block
            continue
        lost = min(block.lost_before, block.lost_before + room)  # so much of the gap is within
        first = min(block.first_sample, samples)
        kept = block.samples[: max(room, 0)]
        if len(kept) or lost > 0:
            cut = replace(block, samples=kept, first_sample=first, lost_before=max(lost, 0))
            if block.wall_time is not None:
                earlier_s = (block.first_sample - first) / rate_hz
                cut = replace(cut, wall_time=block.wall_time - earlier_s)
            yield cut
        return
