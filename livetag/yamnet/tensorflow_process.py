"""The process in which TensorFlow runs: a module of livetag's own, started with `python -m`.

TensorFlow takes seconds to import and hundreds of megabytes, which the program that listens never
pays for. The process reads weights whose maker is not trusted, so its memory and its time have
bounds. It says why it failed in one line of stderr, which begins with `livetag: `, and ends with
the exit code of that error; TensorFlow writes to stderr whatever happens.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

from livetag.errors import LivetagError, ModelError

_PREFIX = "livetag: "
_MOST_MEMORY_BYTES = 4 << 30  # TensorFlow takes less than one
_READING_SECONDS = 120  # it takes one
_MOST_SECONDS = 900.0  # it takes 10 s here, and minutes on a small machine
_ADVICE = (
    "Try again when the machine is less busy; weights of your own (--weights, weights=, "
    "LIVETAG_WEIGHTS) may be damaged: leave them out to use the published ones."
)


def run_apart(
    module: str, arguments: Sequence[str], done: str, stdout: int = subprocess.DEVNULL
) -> None:
    """Run a module to its end in a process of its own; what it prints goes to `stdout`.

    `done`: what is done with the model there, "compiled" say, for messages. Raises `ModelError`, or
    `LivetagError` where the process says that it was not the model's fault.
    """
    environment = os.environ | {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONSAFEPATH": "1",  # a keras.py in the current folder is not the user's Keras
        "HDF5_PLUGIN_PRELOAD": "::",  # HDF5 loads no library that a file asks for
    }
    try:
        process = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            timeout=_MOST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"the model was not {done} within {_MOST_SECONDS / 60:g} minutes. {_ADVICE}"
        ) from error
    if process.returncode == 0:
        return
    kind = LivetagError if process.returncode == LivetagError.exit_code else ModelError
    lines = [line for line in process.stderr.splitlines() if line.strip()]
    own = [line.removeprefix(_PREFIX) for line in lines if line.startswith(_PREFIX)]
    if own:
        raise kind(f"the model could not be {done}: {own[-1]}")
    raise ModelError(f"the model could not be {done}: {_reason(process.returncode, lines)}")


def _reason(status: int, lines: list[str]) -> str:
    """Why a process ended without a word of its own: a signal, or a traceback's last line."""
    if hasattr(signal, "SIGALRM") and status == -signal.SIGALRM:
        return f"its weights could not be read within {_READING_SECONDS} s. {_ADVICE}"
    if status < 0 or not lines:
        return f"its process ended with status {status}: is memory short? {_ADVICE}"
    return f"{lines[-1]}. {_ADVICE}"


def tell_why(error: Exception) -> int:
    """In that process: say why it failed; the exit code to end with."""
    said = str(error)
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename else "what was made cannot be kept: "
        said = f"{named}{error.strerror}"
    sys.stderr.write(f"{_PREFIX}{said}".replace("\n", " ") + "\n")
    return error.exit_code if isinstance(error, LivetagError) else LivetagError.exit_code


@contextlib.contextmanager
def ending_process_after(seconds: int = _READING_SECONDS) -> Iterator[None]:
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


def limit_memory() -> None:
    """Let a file that claims more than there is end this process, and not the machine."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # no such limits on Windows
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        unlimited = most == resource.RLIM_INFINITY
        bound = _MOST_MEMORY_BYTES if unlimited else min(most, _MOST_MEMORY_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (bound, most))
