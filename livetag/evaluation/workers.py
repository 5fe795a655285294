"""Recordings classified one after another: in this process, or in several at once."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from pathlib import Path

from livetag.classify import Clip, Recording
from livetag.errors import InputError, LivetagError
from livetag.yamnet.classifier import Classifier
from livetag.yamnet.params import Params
from livetag.yamnet.precision import Precision
from livetag.yamnet.runtime import load_classifier

_load: Callable[[], Classifier]  # of a worker's process


def classify_here(
    paths: Iterable[Path], classifier: Classifier, params: Params
) -> Iterator[Clip | InputError]:
    """Yield each recording's clip, or why it could not be read."""
    for path in paths:
        try:
            yield Recording(path, classifier, params).clip()
        except InputError as error:
            yield error


def classify_in_processes(
    paths: Iterable[Path], model: bytes, precision: Precision, workers: int
) -> Iterator[Clip | InputError]:
    """Yield what `classify_here` does, in the same order, from so many processes.

    Raises as `load_classifier` does, and `LivetagError` where a process ends.
    """
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, initializer=_begin, initargs=(model, precision))
    try:
        with pool:
            yield from pool.map(_classify, paths)
    except BrokenProcessPool as error:
        raise LivetagError("a worker ended by itself: try fewer --workers") from error


def _begin(model: bytes, precision: Precision) -> None:
    """What a worker does first. Ctrl-C reaches it, too, and is for its parent alone.

    The model is loaded with its first recording: what fails there is told as that one's error.
    """
    global _load  # noqa: PLW0603
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _load = cache(partial(load_classifier, model, precision))


def _end_with_parent() -> None:
    """A parent that is killed tells nobody; its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _classify(path: Path) -> Clip | InputError:
    return next(classify_here([path], _load(), Params()))
