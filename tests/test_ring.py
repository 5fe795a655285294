"""The ring buffer: what was written comes out in order, and what was lost is counted."""

import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from livetag.audio.ring import Chunk, FloatArray, RingBuffer


def counting(begin: int, end: int) -> FloatArray:
    """Samples whose values are their positions."""
    return np.arange(begin, end, dtype=np.float32)


def write(ring: RingBuffer, count: int) -> None:
    ring.write(counting(ring.written, ring.written + count))


def test_samples_come_out_in_order_however_often_the_ring_wraps() -> None:
    ring = RingBuffer(10)
    read: list[float] = []
    for count in (7, 3, 10, 1, 9, 6, 8):
        write(ring, count)
        while ring.unread:
            chunk = ring.read(4)
            assert len(chunk.samples) <= 4
            assert (chunk.lost_before, chunk.reason) == (0, "")
            read += chunk.samples.tolist()
    assert read == list(range(44))


def test_an_empty_ring_gives_nothing() -> None:
    chunk = RingBuffer(10).read(4)
    assert (len(chunk.samples), chunk.lost_before, chunk.reason) == (0, 0, "")


def test_a_ring_that_is_just_full_loses_nothing() -> None:
    ring = RingBuffer(10)
    write(ring, 4)
    ring.read(4)
    write(ring, 10)
    assert ring.unread == 10
    chunk = ring.read(10)
    assert chunk.lost_before == 0
    assert chunk.samples.tolist() == list(range(4, 14))


def test_a_reader_that_was_lapped_goes_on_with_the_newest_second_and_knows_what_it_lost() -> None:
    ring = RingBuffer(30 * 8)  # 30 s of it
    write(ring, 240)
    write(ring, 1)
    assert ring.unread == 241
    chunk = ring.read(6)
    assert chunk.samples.tolist() == [233, 234, 235, 236, 237, 238]
    assert (chunk.lost_before, chunk.reason) == (233, "lapped")
    assert ring.read(6).samples.tolist() == [239, 240]


def test_a_chunk_read_earlier_is_a_copy() -> None:
    ring = RingBuffer(4)
    write(ring, 4)
    chunk = ring.read(4)
    write(ring, 4)
    assert chunk.samples.tolist() == [0.0, 1.0, 2.0, 3.0]


class OvertakenRing(RingBuffer):
    """A ring whose writer writes while the reader copies."""

    def __init__(self, capacity: int, meanwhile: int) -> None:
        super().__init__(capacity)
        self.meanwhile = meanwhile

    def _copy(self, begin: int, end: int) -> FloatArray:
        count, self.meanwhile = self.meanwhile, 0
        write(self, count)
        return super()._copy(begin, end)


@pytest.mark.parametrize(("meanwhile", "lost"), [(2, 0), (3, 1), (5, 3), (8, 6)])
def test_samples_overwritten_while_they_are_read_are_lost_not_mixed_up(
    meanwhile: int, lost: int
) -> None:
    ring = OvertakenRing(10, meanwhile)
    write(ring, 8)
    chunk = ring.read(6)
    assert chunk.samples.tolist() == list(range(lost, 6))
    assert (chunk.lost_before, chunk.reason) == (lost, "lapped" if lost else "")


def test_a_loss_is_told_with_the_first_sample_after_it_and_never_within_a_chunk() -> None:
    ring = RingBuffer(100)
    write(ring, 5)
    ring.lose(1_000, "overflow")
    write(ring, 5)
    ring.lose(7, "stalled")
    write(ring, 2)
    chunks = [ring.read(50) for _ in range(4)]
    assert [(c.samples.tolist(), c.lost_before, c.reason) for c in chunks] == [
        ([0, 1, 2, 3, 4], 0, ""),
        ([5, 6, 7, 8, 9], 1_000, "overflow"),
        ([10, 11], 7, "stalled"),
        ([], 0, ""),
    ]


def test_losses_at_one_place_are_one_and_are_told_once() -> None:
    ring = RingBuffer(10)
    ring.lose(3, "overflow")
    ring.lose(4, "overflow")
    chunk = ring.read(5)
    assert (len(chunk.samples), chunk.lost_before) == (0, 7)
    write(ring, 1)
    assert ring.read(5).lost_before == 0


def test_losses_that_a_lapped_reader_jumps_over_are_counted_too() -> None:
    ring = RingBuffer(10)
    write(ring, 3)
    ring.lose(100, "overflow")
    write(ring, 9)
    chunk = ring.read(10)
    assert chunk.lost_before == 11 + 100
    assert chunk.samples.tolist() == [11]


@pytest.mark.parametrize(("overflow", "reason"), [(100, "overflow"), (3, "lapped")])
def test_what_was_lost_for_several_reasons_has_that_of_the_most(overflow: int, reason: str) -> None:
    ring = RingBuffer(10)
    ring.lose(overflow, "overflow")
    write(ring, 10)
    write(ring, 1)
    chunk = ring.read(10)
    assert (chunk.lost_before, chunk.reason) == (overflow + 10, reason)


def test_losses_beyond_what_is_kept_of_them_are_counted_as_soon_as_there_is_room() -> None:
    ring = RingBuffer(10_000)
    for _ in range(1_500):
        write(ring, 1)
        ring.lose(2, "overflow")
    read = lost = 0
    for _ in range(1_500):
        chunk = ring.read(10)
        read, lost = read + len(chunk.samples), lost + chunk.lost_before
    assert (read, lost) == (1_500, 2_000)
    write(ring, 1)
    chunk = ring.read(10)
    assert (chunk.samples.tolist(), chunk.lost_before) == ([1_500], 1_000)


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that take turns fifty times a millisecond instead of every five milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
@pytest.mark.parametrize("with_losses", [False, True])
def test_every_sample_is_read_or_counted_lost_while_a_thread_writes(with_losses: bool) -> None:
    """The writer waits for the reader most of the time, and now and then laps it on purpose."""
    ring = RingBuffer(512)
    random = np.random.default_rng(7)
    sizes = random.integers(1, 256, 500).tolist()
    announced: list[int] = []

    def write_all() -> None:
        for size in sizes:
            while size % 10 and ring.unread > 256:
                pass
            if with_losses and size % 50 == 0:
                announced.append(size)
                ring.lose(size, "overflow")
            write(ring, size)

    writer = threading.Thread(target=write_all, daemon=True)
    writer.start()
    chunks: list[Chunk] = []
    while writer.is_alive() or ring.unread:
        chunk = ring.read(100)
        if len(chunk.samples) or chunk.lost_before:
            chunks.append(chunk)
    writer.join()

    read = lost = 0
    for chunk in chunks:
        lost += chunk.lost_before
        samples = chunk.samples
        if len(samples):
            assert np.array_equal(
                samples, counting(int(samples[0]), int(samples[0]) + len(samples))
            )
            if not with_losses:  # announced ones are no positions in the ring
                assert samples[0] == read + lost
            read += len(samples)
    assert read > 0
    assert read + lost == ring.written + sum(announced) == sum(sizes) + sum(announced)


def test_a_ring_that_is_cleared_begins_anew() -> None:
    ring = RingBuffer(100)
    ring.write(np.ones(80, np.float32))
    ring.lose(7, "overflow")
    ring.write(np.ones(80, np.float32))
    ring.clear()
    assert (ring.written, ring.unread) == (0, 0)
    ring.write(np.full(10, 2.0, np.float32))
    chunk = ring.read(100)
    assert (chunk.samples.tolist(), chunk.lost_before) == ([2.0] * 10, 0)
