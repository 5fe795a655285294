"""What `import livetag` offers: the work of the commands, for programs.

Errors are `LivetagError`s with messages for people: `InputError` for sound that is none or is not
there, `ModelError` where the network cannot be had, `UsageError` for settings that cannot be.
Nothing is printed.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from livetag.audio.samples import SampleReader
from livetag.classify import Recording
from livetag.config import began_at
from livetag.config import load as load_settings
from livetag.detector import Detector
from livetag.errors import InputError, LivetagError, ModelError, UsageError
from livetag.events import EventAlert, EventEnd, EventStart, FloatArray, Gap, best
from livetag.pipeline import analyze
from livetag.resources import cache_dir
from livetag.rules import resolve
from livetag.scan.job import Job
from livetag.scan.listing import list_recordings
from livetag.scan.output import form_of, output_at
from livetag.scan.pool import Pool, default_workers
from livetag.scan.processes import end_if_importing
from livetag.scan.scan import Scan
from livetag.scan.tables import Product
from livetag.scan.worker import Broken, RecordingWork
from livetag.schema import Config, as_builtins, convert
from livetag.sources.base import Source
from livetag.sources.file import FileSource, SampleSource
from livetag.yamnet.compile import CompiledModel, obtain_model
from livetag.yamnet.labels import Label, class_map
from livetag.yamnet.params import Params
from livetag.yamnet.precision import PRECISIONS, Precision
from livetag.yamnet.runtime import check_runs, load_classifier

__all__ = [
    "Classification",
    "Config",
    "EventAlert",
    "EventEnd",
    "EventStart",
    "Gap",
    "InputError",
    "Label",
    "LivetagError",
    "ModelError",
    "ScanResult",
    "Source",
    "Tagger",
    "UsageError",
    "load",
    "load_config",
    "microphone",
]

Sound = str | Path | npt.NDArray[np.floating]
"""A file, or samples: floating-point numbers in [-1, 1], of the shape [n] or [n, channels]."""
Event = EventStart | EventAlert | EventEnd | Gap


@dataclass(frozen=True, slots=True)
class Classification:
    """What YAMNet says of a sound, frame by frame.

    `seconds`: of the sound. `start_s` float64[n]: where each frame begins; it is 0.975 s long.
    `scores` float32[n, 521] and `embeddings` float32[n, 1024]: what the network gives for each.
    """

    seconds: float
    start_s: npt.NDArray[np.float64]
    scores: FloatArray
    embeddings: FloatArray

    @property
    def mean_scores(self) -> FloatArray:
        """float32[521]: the mean over the frames, by which the reference ranks a recording."""
        return np.asarray(self.scores.mean(axis=0, dtype=np.float64), np.float32)

    def top(self, count: int = 5) -> list[tuple[Label, float]]:
        """The classes with the highest mean scores, best first."""
        mean = self.mean_scores
        return [(class_map()[index], float(mean[index])) for index in best(mean, count)]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """How many recordings are in the output, and of each of the others why it is not."""

    done: int
    broken: dict[str, str]


class Tagger:
    """YAMNet, ready to run. For one thread at a time."""

    def __init__(self, model: CompiledModel, precision: Precision) -> None:
        """For `load`."""
        self._model = model
        self._precision = precision
        self._classifier = load_classifier(model.content, precision)

    def classify(
        self, sound: Sound, rate_hz: int | None = None, *, hop_seconds: float = 0.48
    ) -> Classification:
        """The scores and embeddings of a whole sound, as the reference's inference has them.

        `rate_hz`: of samples; a file knows its own. `hop_seconds`: from frame to frame, a multiple
        of 0.01 s. Raises `InputError`, and `UsageError` for a rate or a hop that cannot be.
        """
        params = Params(patch_hop_seconds=hop_seconds)
        recording = Recording(_given(sound, rate_hz), self._classifier, params)
        frames = list(recording.frames())
        return Classification(
            seconds=recording.clip().seconds,
            start_s=np.array([frame.start_s for frame in frames]),
            scores=np.stack([frame.scores for frame in frames]),
            embeddings=np.stack([frame.embedding for frame in frames]),
        )

    def events(
        self,
        source: Sound | Source,
        rate_hz: int | None = None,
        *,
        config: Config | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Yield the events of a sound, or of a microphone, as `livetag monitor` decides on them.

        `source`: a file, samples (at `rate_hz`), or what `microphone` gives, which goes on until
        `stop` is set. Of the configuration, what decides on events counts: hop, alerts,
        thresholds, groups, rules; and `since`, at which a file or samples begin, where it is not
        now. Raises as `classify` does, also when a source ends early, and `UsageError` where a rule
        looks at the hour and no `since` says when a file or samples began.
        """
        config = _checked(config)
        params = Params(patch_hop_seconds=config.patch_hop_seconds)
        rules, began = resolve(config, class_map()), began_at(config)
        if isinstance(source, str | Path | np.ndarray):
            rules.check_dated(began)
        detector = Detector(rules, params)
        with _source(source, rate_hz, began) as opened:
            blocks = opened.blocks(stop or threading.Event())
            for item in analyze(blocks, opened.rate_hz, self._classifier, detector, params):
                if isinstance(item, Event):
                    yield item
            if opened.failure is not None:
                raise opened.failure

    def scan(
        self,
        paths: str | Path | Sequence[str | Path],
        output: str | Path,
        *,
        product: Product = "events",
        config: Config | None = None,
        floor: float = 0.1,
        workers: int | None = None,
        replace: bool = False,
    ) -> ScanResult:
        """Analyze an archive in processes of their own, as `livetag scan` does.

        `paths`: recordings, folders, patterns, or one. `output`: a .csv, .jsonl, .parquet or .npz,
        or a folder, which a slash at the end makes of any name. `product`: `events`, `windows` with
        scores from `floor` on, or `embeddings`. Of the configuration, what decides on events
        counts, and `since`, at which each recording begins. A scan that was stopped, or could not
        read all, goes on with the same call.
        `replace`: results that are there are replaced, and those of another job; a scan of the
        same job goes on. Raises `UsageError`, `InputError` where there is nothing to scan, or where
        a file would lose what it holds of a recording that is broken now, and `LivetagError` where
        it cannot be written, or the processes cannot begin.

        They import the program that calls this: let its own work begin below
        `if __name__ == "__main__":`.
        """
        end_if_importing()
        config = _checked(config)
        job = Job(
            product=product,
            form=form_of(str(output), product),
            config=config,
            model_sha256=self._model.report.sha256,
            floor=floor,
            began=began_at(config),
            replace=replace,
            precision=self._precision,
        )
        several = [paths] if isinstance(paths, str | Path) else paths
        recordings = list_recordings([str(path) for path in several])
        broken: dict[str, str] = {}
        with Scan(job, recordings, output_at(str(output), job)) as scan:
            work = RecordingWork(job, self._model.path)
            with Pool(work, workers or default_workers()) as pool:
                for report in scan.run(pool):
                    if isinstance(report, Broken):
                        broken[report.recording.path] = report.reason
            scan.finish()
            return ScanResult(scan.done, broken)


def _checked(config: Config | None) -> Config:
    """A configuration as its types say. Raises `UsageError` for values that cannot be."""
    return Config() if config is None else convert(as_builtins(config), "config")


def load(weights: str | Path | None = None, *, precision: Precision = "float32") -> Tagger:
    """Get YAMNet ready: what is missing is fetched and compiled, once, and kept in the cache.

    `weights`: an HDF5 file or a SavedModel folder, instead of the published ones. `precision`: of
    the network's numbers, `float32`, `bfloat16` or `int8`: the others are extras (`pip install
    'livetag[int8]'`), faster, and their scores are not the same. Raises `ModelError`, and
    `UsageError` for a precision that cannot run here.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision: {precision!r} is none of {', '.join(PRECISIONS)}")
    check_runs(precision)
    named = None if weights is None else Path(weights)
    model = obtain_model(named, cache_dir(), lambda *_: None, lambda _: None, precision)
    return Tagger(model, precision)


def load_config(name: str | Path) -> Config:
    """A configuration: a TOML file, or a preset by name. Variables of the environment do not count.

    Raises `UsageError`.
    """
    return load_settings(str(name), {}, {}).config


def microphone(device: str | None = None, rate_hz: int | None = None) -> Source:
    """A microphone to listen to: the default one, or the one with this index or part of a name.

    It is opened again when it fails; what was not heard meanwhile comes as `Gap`s. Raises
    `InputError`.
    """
    from livetag.sources.microphone import Microphone

    return Microphone(device, rate_hz)


def _given(sound: Sound, rate_hz: int | None) -> Path | SampleReader:
    if isinstance(sound, str | Path):
        if rate_hz is not None:
            raise UsageError(f"rate_hz: {sound} knows its own rate; samples do not")
        return Path(sound)
    if rate_hz is None:
        raise UsageError("rate_hz: samples need one")
    return SampleReader(sound, rate_hz)


def _source(source: Sound | Source, rate_hz: int | None, began: float | None) -> Source:
    if isinstance(source, str | Path | np.ndarray):
        given = _given(source, rate_hz)
        if isinstance(given, Path):
            return FileSource(given, fast=True, began=began)
        return SampleSource(given, began)
    if rate_hz is not None:
        raise UsageError("rate_hz: a source has its own")
    return source
