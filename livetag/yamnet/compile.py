"""The Keras network compiled to a LiteRT flatbuffer, checked, and kept in the cache.

Compiling runs in a process of its own (`python -m livetag.yamnet.compile`): TensorFlow takes
seconds to import and hundreds of megabytes, which the program that listens never pays for.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from livetag.cache import cache_lock, read_cached, write_cached
from livetag.errors import LivetagError, ModelError
from livetag.yamnet.classifier import KerasClassifier, LiteRTClassifier
from livetag.yamnet.features import log_mel_spectrogram, patches
from livetag.yamnet.params import Params
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
_MOST_MEMORY_BYTES = 4 << 30  # of the compiling process; TensorFlow takes less than one
_READING_SECONDS = 120  # it takes one
_COMPILING_SECONDS = 900.0  # it takes 10 s here, and minutes on a small machine


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
    command = [sys.executable, "-m", __name__, str(weights.path), str(target)]
    environment = os.environ | {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONSAFEPATH": "1",  # a keras.py in the current folder is not the user's Keras
        "HDF5_PLUGIN_PRELOAD": "::",  # HDF5 loads no library that a file asks for
    }
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=_COMPILING_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"the model was not compiled within {_COMPILING_SECONDS / 60:g} minutes. {_ADVICE}"
        ) from error
    if done.returncode != 0:
        raise ModelError(f"the model could not be compiled: {_reason(done)}")


_ADVICE = (
    "Try again when the machine is less busy; weights of your own (--weights, LIVETAG_WEIGHTS) may "
    "be damaged: leave them out to use the published ones."
)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Why compiling failed: our own message, a signal, or the last line of a traceback.

    TensorFlow writes to stderr whatever happens.
    """
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    own = [line.removeprefix("livetag: ") for line in lines if line.startswith("livetag: ")]
    if own:
        return own[-1]
    if hasattr(signal, "SIGALRM") and done.returncode == -signal.SIGALRM:
        return f"its weights could not be read within {_READING_SECONDS} s. {_ADVICE}"
    if done.returncode < 0 or not lines:
        return f"its process ended with status {done.returncode}: is memory short? {_ADVICE}"
    return f"{lines[-1]}. {_ADVICE}"


def compile_model(weights: Weights, target: Path) -> Report:
    """Compile, check against Keras over several sounds, and write `target` and its report.

    Raises `ModelError`, and keeps nothing, where the two differ by more than `MAX_DIFFERENCE`.
    """
    import keras
    import tensorflow as tf

    with _ending_process_after(_READING_SECONDS):
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


@contextlib.contextmanager
def _ending_process_after(seconds: int) -> Iterator[None]:
    """End this process where what is within takes longer: damaged HDF5 has endless loops in store.

    Nothing else interrupts them. Windows has no such alarm, and waits for the whole time limit.
    """
    if not hasattr(signal, "SIGALRM"):
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


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
    """The largest absolute difference over silence, noise, a sine and clicks; NaN stays NaN.

    One by one, and in batches.
    """
    params = Params()
    seconds = 3
    time_s = np.arange(seconds * params.sample_rate_hz) / params.sample_rate_hz
    random = np.random.default_rng(0)
    sounds = (
        np.zeros_like(time_s),
        random.uniform(-1.0, 1.0, time_s.shape),
        np.sin(2 * np.pi * 440.0 * time_s),
        (np.arange(len(time_s)) % 8_000 == 0) * 0.5,
    )
    heard = [
        patch
        for sound in sounds
        for patch in patches(log_mel_spectrogram(sound.astype(np.float32), params), params)
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
        print(f"livetag: {error}".replace("\n", " "), file=sys.stderr)
        return ModelError.exit_code
    return 0


def _limit_memory() -> None:
    """Let a file that claims more than there is end this process, and not the machine."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # no such limits on Windows
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        unlimited = most == resource.RLIM_INFINITY
        bound = _MOST_MEMORY_BYTES if unlimited else min(most, _MOST_MEMORY_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (bound, most))


if __name__ == "__main__":
    _limit_memory()
    sys.exit(main(*sys.argv[1:]))
