"""One recording through the pipeline, into its result and the annotations beside it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from livetag.audio.pipe import PipeReader, open_ahead
from livetag.detector import Detector
from livetag.errors import InputError, LivetagError, writing
from livetag.events import EventEnd, Item, Level, Scores
from livetag.pipeline import analyze
from livetag.scan.job import Job
from livetag.scan.listing import Recording
from livetag.scan.merged_file import FORCE
from livetag.scan.remote import local_copy
from livetag.scan.tables import Row, embedding_row, event_row, window_rows
from livetag.sinks.annotations import AudacitySink, RavenSink
from livetag.sources.base import numbered
from livetag.yamnet.classifier import BATCH_PATCHES, Classifier

ANNOTATIONS: dict[str, type[Any]] = {"raven": RavenSink, "audacity": AudacitySink}
_LEAST_BLOCK_SECONDS, _MOST_BLOCK_SECONDS = 5.0, 31.0
_KEPT_BYTES = 24 << 20
Heard = Callable[[float, float], None]
"""Told how many seconds of a recording have been heard, and of how many as its header has it."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was found in a recording."""

    seconds: float
    rows: int


class AnnotationError(LivetagError):
    """An annotation that cannot be begun: an error of its recording's, which stops no other."""


class Analyst:
    """Analyzes recordings, one after another, with one model."""

    def __init__(self, job: Job, classifier: Classifier) -> None:
        self._job = job
        self._classifier = classifier
        self._params = job.params
        self._rules = job.rules
        _keep_freed_memory()

    def write(self, recording: Recording, result: Path, heard: Heard = lambda *_: None) -> Summary:
        """Write a recording's result to a file that nobody reads yet, and what goes beside it.

        Raises `InputError` where the recording cannot be read to its end, `AnnotationError`, and
        `OSError` or another `LivetagError` where a result cannot be written.
        """
        table = self._job.table(result, self._job.columns)
        seconds, rows = 0.0, 0
        with contextlib.ExitStack() as undo:
            undo.callback(table.close)
            beside = [
                undo.enter_context(self._annotating(recording, kind))
                for kind in self._job.annotations
            ]
            reader = undo.enter_context(self._reader(recording))
            for item in self._items(reader):
                if isinstance(item, Level):
                    seconds = item.end_s
                    heard(seconds, reader.claimed_seconds)
                if isinstance(item, EventEnd):
                    for annotate in beside:
                        annotate(item)
                for row in self._rows(recording, item):
                    table.add(row)
                    rows += 1
            if seconds == 0.0:
                raise InputError(f"{recording.path} holds no sound: it has a header and no samples")
        return Summary(seconds, rows)

    @contextlib.contextmanager
    def _reader(self, recording: Recording) -> Iterator[PipeReader]:
        with local_copy(recording.path) as path, open_ahead(path) as reader:
            yield reader

    def _items(self, reader: PipeReader) -> Iterator[Item]:
        chunks = reader.blocks(max(1, round(reader.rate_hz * self.block_seconds)))
        blocks = numbered(chunks, self._job.began or 0.0)
        detector = Detector(self._rules, self._params)
        return analyze(blocks, reader.rate_hz, self._classifier, detector, self._params)

    @property
    def block_seconds(self) -> float:
        """Of audio read at once: what makes a whole number of full batches, if that is possible."""
        batch_seconds = BATCH_PATCHES * self._params.patch_hop_seconds
        batches = max(1, -(-_LEAST_BLOCK_SECONDS // batch_seconds))
        return min(batches * batch_seconds, _MOST_BLOCK_SECONDS)

    def _rows(self, recording: Recording, item: Item) -> Iterator[Row]:
        match self._job.product, item:
            case "events", EventEnd():
                yield event_row(recording.name, item)
            case "windows", Scores():
                floor, labels = self._job.floor, self._rules.labels
                yield from window_rows(recording.name, item, floor, labels)
            case "embeddings", Scores():
                yield embedding_row(recording.name, item)

    @contextlib.contextmanager
    def _annotating(self, recording: Recording, kind: str) -> Iterator[Callable[[EventEnd], None]]:
        """What adds to an annotation, which gets its name when it is whole.

        Raises `LivetagError` where it cannot be written, or another file has that name, unless it
        is to be replaced.
        """
        target = annotation_path(recording, kind)
        being_written = target.with_name(f".{target.name}.partial")
        try:
            being_written.unlink(missing_ok=True)  # of a scan that was killed
            being_written.touch()
        except OSError as error:
            raise AnnotationError(f"{target} cannot be written: {error.strerror}") from error
        try:
            escaped = Path(str(being_written).replace("%", "%%"))  # a log's path may hold dates
            sink = ANNOTATIONS[kind](escaped, Path(recording.path).name, synced=False)

            def annotate(end: EventEnd) -> None:
                with writing(target):
                    sink.write(end)

            yield annotate
            with writing(target):
                sink.close()
                self._put(being_written, target)
        finally:
            being_written.unlink(missing_ok=True)

    def _put(self, written: Path, target: Path) -> None:
        if target.exists() and not self._job.replace:
            if target.read_bytes() == written.read_bytes():
                return  # of a scan that was killed just then
            raise LivetagError(f"{target} is there already, and differs: {FORCE} replaces it")
        written.replace(target)


def _keep_freed_memory() -> None:
    """Have each block's arrays lie where the last one's did, and not in pages that are new.

    glibc gives back to the system what is larger than the largest array that was ever freed, up to
    32 MB (mallopt(3): the mmap threshold is dynamic). A block would cost some 400 page faults.
    """
    np.empty(_KEPT_BYTES, np.uint8)  # freed at once


def annotation_path(recording: Recording, kind: str) -> Path:
    """Where an annotation of a recording goes: `yard.wav.raven.txt` beside `yard.wav`."""
    return Path(f"{recording.path}.{kind}.txt")
