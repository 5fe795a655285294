"""Keeps native libraries from writing to stderr, where the dashboard draws."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def native_stderr_closed() -> Iterator[None]:
    """Send what C libraries write to file descriptor 2 nowhere, for a short call.

    ALSA, PortAudio and LiteRT print notes there that no setting turns off. Errors are not lost:
    they come back as exceptions.
    """
    try:
        saved = os.dup(2)
    except OSError:  # no stderr at all: nothing to keep clean
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
