"""Waiting for what another thread does, in tests that must not hang."""

import threading
import time
from collections.abc import Callable

PATIENCE_SECONDS = 30.0
"""Until a test that hangs gives up."""


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that another thread brings about; fail where it never does."""
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not holds():
        assert time.monotonic() < deadline
        pause.wait(0.001)
