"""The Keras network compiled to a LiteRT flatbuffer, checked, and kept in the cache.

Compiling runs in a process of its own (`livetag.yamnet.tensorflow_process`).
"""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from livetag.cache import cache_lock, read_cached, write_cached
from livetag.errors import LivetagError, ModelError
from livetag.yamnet.classifier import KerasClassifier, LiteRTClassifier
from livetag.yamnet.features import log_mel_spectrogram, patches
from livetag.yamnet.params import Params
from livetag.yamnet.tensorflow_process import (
    ending_process_after,
    limit_memory,
    run_apart,
    tell_why,
)
from livetag.yamnet.trial_sounds import trial_sounds
from livetag.yamnet.weights import (
    PUBLISHED,
    Progress,
    Weights,
    inspect,
    obtain_weights,
)

MAX_DIFFERENCE = 1e-4  # of any score or embedding value between LiteRT and Keras
_FORMAT = 2  # raised when what is compiled changes, so that older files are not used
_MOST_MODEL_BYTES = 64 << 20  # the model has 15 MB
_MOST_REPORT_BYTES = 64 << 10


@dataclass(frozen=True)
class Report:
    """What is known of a compiled model; stands beside it as JSON."""

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


def compiled_path(cache: Path, weights_sha256: str) -> Path:
    return cache / f"yamnet-{weights_sha256[:16]}-v{_FORMAT}.tflite"


def cached_model(cache: Path, weights_sha256: str) -> CompiledModel | None:
    """The compiled model of these weights in the cache; None where it is missing or damaged.

    Raises `ModelError` where the cache is not safe to use.
    """
    path = compiled_path(cache, weights_sha256)
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


def find_model(named: Path | None, cache: Path) -> CompiledModel | None:
    """The compiled model that is ready for these weights, or for published ones."""
    digests = PUBLISHED if named is None else (inspect(named).sha256,)
    found = (cached_model(cache, digest) for digest in digests)
    return next((model for model in found if model is not None), None)


def obtain_model(
    named: Path | None, cache: Path, progress: Progress, say: Callable[[str], None]
) -> CompiledModel:
    """The compiled model, made first where it is missing. Raises `ModelError`.

    `named`: weights the user chose, or None for the published ones. `say` is told, once, that
    the model is being compiled, and where another process keeps this one waiting.
    """
    ready = find_model(named, cache)
    if ready is not None:
        return ready
    weights = obtain_weights(named, cache, progress, say)
    with cache_lock(cache, say):
        ready = cached_model(cache, weights.sha256)  # another process may have been faster
        if ready is None:
            say("Compiling the model, once for this machine: this takes up to a minute.")
            _compile_in_process(weights, compiled_path(cache, weights.sha256))
            ready = cached_model(cache, weights.sha256)
    if ready is None:
        raise ModelError(f"the compiled model did not stay in {cache}: is its disk full?")
    return ready


def _compile_in_process(weights: Weights, target: Path) -> None:
    run_apart(__name__, [str(weights.path), str(target)], "compiled")


def compile_model(weights: Weights, target: Path) -> Report:
    """Compile, check against Keras over several sounds, and write `target` and its report.

    Raises `ModelError`, and keeps nothing, where the two differ by more than `MAX_DIFFERENCE`.
    """
    import keras
    import tensorflow as tf

    with ending_process_after():
        reference = KerasClassifier(weights)
    content = _convert(reference)
    difference = _max_difference(reference, LiteRTClassifier(content))
    if not difference <= MAX_DIFFERENCE:
        raise ModelError(
            f"the compiled model differs from Keras by {difference:.2g}, more than "
            f"{MAX_DIFFERENCE:g}: please report this with `livetag model info`"
        )
    report = Report(
        sha256=hashlib.sha256(content).hexdigest(),
        weights_sha256=weights.sha256,
        weights_source=weights.kind,
        weights_published=weights.published,
        parameters=int(reference.model.count_params()),
        max_difference=difference,
        tensorflow=str(tf.__version__),
        keras=str(keras.__version__),
    )
    write_cached(target, content)
    write_cached(target.with_suffix(".json"), json.dumps(asdict(report), indent=2).encode())
    return report


def _convert(reference: KerasClassifier) -> bytes:
    import tensorflow as tf

    params = Params()
    signature = tf.TensorSpec((None, params.patch_frames, params.mel_bands), tf.float32)
    function = tf.function(
        lambda patch: reference.model(patch, training=False), input_signature=[signature]
    )
    # Without a trackable object the converter freezes the weights into the flatbuffer.
    concrete = [function.get_concrete_function()]
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions(concrete).convert())


def _max_difference(reference: KerasClassifier, compiled: LiteRTClassifier) -> float:
    """The largest absolute difference over the trial sounds; NaN stays NaN.

    One by one, and in batches.
    """
    params = Params()
    heard = [
        patch
        for sound in trial_sounds(params)
        for patch in patches(log_mel_spectrogram(sound, params), params)
    ]
    largest = 0.0
    expected = [reference(patch) for patch in heard]
    for found in ([compiled(patch) for patch in heard], compiled.many(heard)):
        for ours, theirs in zip(found, expected, strict=True):
            for one, other in zip(ours, theirs, strict=True):
                largest = float(np.maximum(largest, np.abs(one - other).max()))
    return largest


def main(weights_path: str, target: str) -> int:
    """The compiling process: exit code 0, or a message on stderr and 4."""
    try:
        compile_model(inspect(Path(weights_path)), Path(target))
    except (LivetagError, OSError) as error:
        tell_why(error)
        return ModelError.exit_code
    return 0


if __name__ == "__main__":
    limit_memory()
    sys.exit(main(*sys.argv[1:]))
