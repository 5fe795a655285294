"""Time zones for the process that runs the tests."""

import contextlib
import time
from collections.abc import Iterator

import pytest

UTC = "UTC0"
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
"""UTC+1, in summer UTC+2."""


@contextlib.contextmanager
def zone(name: str) -> Iterator[None]:
    """Have the machine's clock be in a zone."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change a process's time zone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()
