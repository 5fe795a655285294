"""The clock that outages are measured with: it goes on while the machine sleeps."""

import sys
import time

if sys.platform == "linux":

    def continuous() -> float:
        """Seconds since some moment: never set, and the time that the machine slept included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

elif sys.platform == "darwin":

    def continuous() -> float:
        """Seconds since some moment: never set, and the time that the machine slept included."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)  # Python's own stops in sleep

else:  # Windows counts sleep in its one clock
    continuous = time.monotonic


def slept() -> float:
    """Seconds that the machine has slept since some moment; what counts is how it grows.

    Always the same on Windows, where the monotonic clock goes on.
    """
    return continuous() - time.monotonic()
