"""The compiled models in the cache, one for each precision; the one that is missing is made first.

Compiling runs in a process of its own (`livetag.yamnet.compile_process`).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from livetag.cache import cache_lock, read_cached
from livetag.errors import ModelError
from livetag.yamnet.precision import Precision
from livetag.yamnet.tensorflow_process import run_apart
from livetag.yamnet.weights import PUBLISHED, Progress, Weights, inspect, obtain_weights

_FORMATS: dict[Precision, str] = {"float32": "v2", "bfloat16": "v2", "int8": "int8-v2"}
"""In a model's name. Another number where what is compiled changes, so that older files are not
used. What runs in bfloat16 is compiled in float32."""
_MOST_MODEL_BYTES = 64 << 20  # the model has 15 MB
_MOST_REPORT_BYTES = 64 << 10


@dataclass(frozen=True)
class Report:
    """What is known of a compiled model; stands beside it as JSON.

    `max_difference`: the largest of any score or embedding value from Keras.
    """

    sha256: str
    weights_sha256: str
    weights_source: str
    weights_published: bool
    parameters: int
    max_difference: float
    tensorflow: str
    keras: str


@dataclass(frozen=True)
class CompiledModel:
    """A compiled model in the cache, its hash checked."""

    path: Path
    content: bytes
    report: Report


def compiled_path(cache: Path, weights_sha256: str, precision: Precision = "float32") -> Path:
    return cache / f"yamnet-{weights_sha256[:16]}-{_FORMATS[precision]}.tflite"


def cached_model(
    cache: Path, weights_sha256: str, precision: Precision = "float32"
) -> CompiledModel | None:
    """The compiled model of these weights in the cache; None where it is missing or damaged.

    Raises `ModelError` where the cache is not safe to use.
    """
    path = compiled_path(cache, weights_sha256, precision)
    try:
        content = read_cached(cache, path.name, _MOST_MODEL_BYTES)
        text = read_cached(cache, path.with_suffix(".json").name, _MOST_REPORT_BYTES)
        report = read_report(text)
    except (OSError, ValueError):
        return None
    if hashlib.sha256(content).hexdigest() != report.sha256:
        return None
    return CompiledModel(path, content, report) if report.weights_sha256 == weights_sha256 else None


def read_report(text: bytes) -> Report:
    """A report as it stands beside a model. Raises `ValueError` for anything else."""
    try:
        values = json.loads(text)
        report = Report(**values)
    except (RecursionError, TypeError) as error:
        raise ValueError(f"it is no report: {error}") from error
    for field in fields(Report):
        if type(values[field.name]) is not field.type:
            raise ValueError(f"{field.name} is of another type")
    return report


def find_model(
    named: Path | None, cache: Path, precision: Precision = "float32"
) -> CompiledModel | None:
    """The compiled model that is ready for these weights, or for published ones."""
    digests = PUBLISHED if named is None else (inspect(named).sha256,)
    found = (cached_model(cache, digest, precision) for digest in digests)
    return next((model for model in found if model is not None), None)


def obtain_model(
    named: Path | None,
    cache: Path,
    progress: Progress,
    say: Callable[[str], None],
    precision: Precision = "float32",
) -> CompiledModel:
    """The compiled model, made first where it is missing.

    Raises `ModelError`, and `UsageError` where what makes it is not installed. `named`: weights the
    user chose, or None for the published ones. `say` is told, once, that the model is being
    compiled, and where another process keeps this one waiting.
    """
    ready = find_model(named, cache, precision)
    if ready is not None:
        return ready
    if precision == "int8":
        from livetag.yamnet.int8 import check_installed

        check_installed()
    weights = obtain_weights(named, cache, progress, say)
    with cache_lock(cache, say):
        # Another process may have been faster.
        ready = cached_model(cache, weights.sha256, precision)
        if ready is None:
            what = "the model in int8" if precision == "int8" else "the model"
            say(f"Compiling {what}, once for this machine: this takes up to a minute.")
            _compile_in_process(weights, precision, compiled_path(cache, weights.sha256, precision))
            ready = cached_model(cache, weights.sha256, precision)
    if ready is None:
        raise ModelError(f"the compiled model did not stay in {cache}: is its disk full?")
    return ready


def _compile_in_process(weights: Weights, precision: Precision, target: Path) -> None:
    compiled = "int8" if precision == "int8" else "float32"
    arguments = [str(weights.path), compiled, str(target)]
    run_apart("livetag.yamnet.compile_process", arguments, "compiled")
