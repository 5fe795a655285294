"""Keeps native libraries from writing to stderr, where the dashboard draws."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def native_stderr_silenced() -> Iterator[None]:
    """Send what C libraries write to file descriptor 2 nowhere; Python's stderr works on.

    ALSA, PortAudio and LiteRT print notes there that no setting turns off. Their errors are not
    lost: they come back as exceptions, or end the stream. The descriptor is the whole process's:
    for the main thread alone.
    """
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, AttributeError):  # no stderr at all: nothing to keep clean
        yield
        return
    python_stderr = sys.stderr
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        if _writes_to_descriptor_2():
            sys.stderr = _line_buffered(saved, python_stderr)
        os.dup2(null, 2)
        yield
    finally:
        if sys.stderr is not python_stderr:
            sys.stderr.close()
            sys.stderr = python_stderr
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def _line_buffered(descriptor: int, like: TextIO) -> TextIO:
    return os.fdopen(
        descriptor, "w", buffering=1, encoding=like.encoding, errors=like.errors, closefd=False
    )


def _writes_to_descriptor_2() -> bool:
    """Whether `sys.stderr` is the real one, and not what a test put in its place."""
    try:
        return sys.stderr.fileno() == 2
    except OSError:
        return False
