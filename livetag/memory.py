"""Memory that a program which runs for a year gives back."""

import contextlib
import ctypes
import sys


def give_back() -> None:
    """Have the C library return what is free to the system.

    glibc keeps a heap for each thread, as large as that ever was: bursts (clips, a new
    configuration, PortAudio's starts) would add up over days. Elsewhere this does nothing.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)
