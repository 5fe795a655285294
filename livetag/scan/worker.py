"""What one worker does: a recording at a time, with a model of its own. Never imports TensorFlow.

A worker is a process that is told tasks, and tells what became of each, through a pipe. It ends
when whoever holds the other end is gone.
"""

import contextlib
import signal
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from livetag.errors import InputError, LivetagError, ModelError
from livetag.scan.analysis import Analyst, AnnotationError, Heard, Summary
from livetag.scan.job import Job
from livetag.scan.listing import Recording
from livetag.scan.remote import upload
from livetag.stderr import native_stderr_silenced
from livetag.yamnet.classifier import Classifier
from livetag.yamnet.runtime import load_classifier

_TELLING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Task:
    """A recording, where its result goes, and the folder in which that is written.

    A result that goes to an fsspec address has none: it is written in the worker's own. `mark`: an
    empty file that says that the result is there, where its name does not.
    """

    recording: Recording
    result: Path | str
    temporary: Path | None
    mark: Path | str | None = None


@dataclass(frozen=True, slots=True)
class Going:
    """So much of a recording has been heard until now.

    `share`: of its length as its header has it, from 0 to 1; 0 where that is unknown.
    """

    recording: Recording
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Done:
    """A recording's result is where it belongs."""

    recording: Recording
    summary: Summary


@dataclass(frozen=True, slots=True)
class Broken:
    """A recording that has no result, and why."""

    recording: Recording
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The scan cannot go on: results cannot be written, or the model cannot run."""

    error: LivetagError


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker's first words: it has imported what it needs, and the program that asked."""


Report = Going | Done | Broken
Work = Callable[[Task, Heard], Done | Broken | Failed]
"""Does a task, and tells how far it is."""


class RecordingWork:
    """A `Work` that analyzes recordings; it goes to the worker before its model is loaded."""

    def __init__(self, job: Job, model: Path | bytes) -> None:
        """`model`: itself, for workers elsewhere; here its file, which no pipe has to carry."""
        self._job = job
        self._model = model
        self._analyst: Analyst | None = None

    def __call__(self, task: Task, heard: Heard) -> Done | Broken | Failed:
        recording = task.recording
        # A name of its own: a worker of a scan that was killed may still be at the same recording.
        folder = task.temporary or Path(tempfile.gettempdir())
        written = folder / f"{uuid.uuid4().hex}.{self._job.form}"
        try:
            if self._analyst is None:
                self._analyst = Analyst(self._job, self._classifier())
            summary = self._analyst.write(recording, written, heard)
            put(written, task.result)
            if task.mark is not None:
                written.touch()
                put(written, task.mark)
            return Done(recording, summary)
        except (InputError, AnnotationError) as error:
            return Broken(recording, str(error))
        except MemoryError:
            return Broken(recording, f"{recording.path}: there is not enough memory for it")
        except LivetagError as error:
            return Failed(error)
        except OSError as error:
            reason = error.strerror or error
            again = "the same scan goes on when it can be"
            return Failed(LivetagError(f"{task.result} cannot be written: {reason}; {again}"))
        finally:
            written.unlink(missing_ok=True)

    def _classifier(self) -> Classifier:
        content = self._model
        if isinstance(content, Path):
            try:
                content = content.read_bytes()
            except OSError as error:
                reason = error.strerror or error
                raise ModelError(f"{error.filename} cannot be read: {reason}") from error
        return load_classifier(content, self._job.precision)


def put(written: Path, result: Path | str) -> None:
    """Give a file that is whole its name. Raises `OSError`."""
    if isinstance(result, str):
        upload(written, result)
        return
    try:
        written.replace(result)
    except FileNotFoundError:
        result.parent.mkdir(parents=True, exist_ok=True)
        written.replace(result)


def serve(connection: Connection, work: Work) -> None:
    """Do the tasks that come through a pipe until there are no more, or nobody is there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands them out
    gone = contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError)
    with gone, native_stderr_silenced():
        connection.send(Ready())
        while (task := connection.recv()) is not None:
            connection.send(_done(task, work, connection))


def _done(task: Task, work: Work, connection: Connection) -> Report | Failed:
    told_at = time.monotonic()

    def heard(seconds: float, of_seconds: float) -> None:
        nonlocal told_at
        if time.monotonic() >= told_at + _TELLING_SECONDS:
            told_at = time.monotonic()
            share = min(1.0, seconds / of_seconds) if of_seconds > 0.0 else 0.0
            connection.send(Going(task.recording, seconds, share))

    try:
        return work(task, heard)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        fault = f"a fault of livetag's own: {type(error).__name__}: {error}"
        return Broken(task.recording, f"{task.recording.path}: {fault}")
