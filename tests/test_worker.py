"""The worker: a bounded queue between the pipeline and main, its end, its signs of life."""

import itertools
import threading
import time
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from waiting import PATIENCE_SECONDS, wait_until

from livetag.events import AudioBlock, Item, Level
from livetag.worker import HANGS_SECONDS, Done, Handed, Worker

BLOCK = AudioBlock(np.zeros(16, np.float32), 0)


def level(number: int) -> Level:
    return Level(float(number), -20.0, -10.0, clipped=False)


def worker(
    items: Iterable[Item], audio: bool = True, stop: threading.Event | None = None
) -> Worker:
    return Worker(items, lambda: audio, stop or threading.Event(), PATIENCE_SECONDS)


def taken(running: Worker) -> list[Item]:
    """All items, to the end."""
    found: list[Item] = []
    while not isinstance(handed := running.take(PATIENCE_SECONDS), Done):
        assert isinstance(handed, Handed)
        found.append(handed.item)
    assert handed.error is None
    return found


def test_items_come_in_order_and_then_the_end() -> None:
    items = [level(number) for number in range(1_000)]
    with worker(items) as running:
        assert taken(running) == items


@pytest.mark.parametrize("audio", [False, True])
def test_audio_is_handed_over_where_it_is_wanted(audio: bool) -> None:
    with worker([BLOCK, level(1), BLOCK], audio) as running:
        assert [type(item) for item in taken(running)].count(AudioBlock) == 2 * audio


def test_what_goes_wrong_is_the_last_word() -> None:
    def items() -> Iterator[Item]:
        yield level(1)
        raise RuntimeError("in the pipeline")

    with worker(items()) as running:
        assert isinstance(running.take(PATIENCE_SECONDS), Handed)
        done = running.take(PATIENCE_SECONDS)
    assert isinstance(done, Done)
    assert str(done.error) == "in the pipeline"


def test_nothing_in_time_is_nothing() -> None:
    go_on = threading.Event()

    def items() -> Iterator[Item]:
        go_on.wait(PATIENCE_SECONDS)
        yield level(1)

    with worker(items()) as running:
        assert running.take(0.001) is None
        go_on.set()
        assert len(taken(running)) == 1


@pytest.mark.parametrize("to_the_end", [False, True])
def test_the_source_is_stopped_unless_it_ended_by_itself(to_the_end: bool) -> None:
    stop = threading.Event()
    threads = set(threading.enumerate())

    def items() -> Iterator[Item]:
        for number in range(10) if to_the_end else itertools.count():
            yield level(number)
            if stop.is_set():
                return

    with worker(items(), stop=stop) as running:
        if to_the_end:
            taken(running)
    assert stop.is_set() is not to_the_end
    assert set(threading.enumerate()) <= threads


def test_a_worker_that_waits_for_main_is_alive_and_one_that_waits_for_its_items_is_not() -> None:
    go_on = threading.Event()

    def items() -> Iterator[Item]:
        yield from (level(number) for number in range(300))  # more than there is room for
        go_on.wait(PATIENCE_SECONDS)
        yield level(0)

    with worker(items()) as running:
        before = time.monotonic()
        wait_until(lambda: running.alive_at > before + 0.5)
        for _ in range(300):
            assert isinstance(running.take(PATIENCE_SECONDS), Handed)
        at = running.alive_at
        assert running.take(0.5) is None
        assert running.alive_at == at
        go_on.set()
        assert len(taken(running)) == 1
        assert running.alive_at > at


def until_it_hangs(running: Worker, begin: float, polled_at: float = 0.0) -> float:
    """Seconds from then on until it hangs, asked twice a second."""
    halves = itertools.count()
    return next(half / 2 for half in halves if running.hangs(begin + half / 2, polled_at))


def test_a_worker_hangs_that_has_shown_no_sign_of_life_for_so_long() -> None:
    running = worker([])
    running.alive_at = 1_000.0
    assert not running.hangs(1_000.0, 0.0)
    assert until_it_hangs(running, 1_000.5) == HANGS_SECONDS
    running.alive_at = 1_020.0
    assert until_it_hangs(running, 1_011.5) == 1_020.5 - 1_011.5 + HANGS_SECONDS


def test_a_worker_does_not_hang_whose_source_looks_for_audio() -> None:
    running = worker([])
    running.alive_at = 1_000.0
    assert until_it_hangs(running, 1_000.0, polled_at=1_005.0) == HANGS_SECONDS + 5.5


def test_a_worker_that_was_stopped_with_its_process_has_not_hung() -> None:
    running = worker([])
    running.alive_at = 1_000.0
    assert not running.hangs(1_000.0, 0.0)
    assert until_it_hangs(running, 4_600.0) == HANGS_SECONDS + 0.5
