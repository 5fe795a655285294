"""Memory is given back: what a thread has freed does not stay with it."""

import ctypes
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, threading
from pathlib import Path
from livetag.memory import give_back

c = ctypes.CDLL(None)
c.malloc.restype, c.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

def burst():
    blocks = [c.malloc(100_000) for _ in range(200)]
    for block in blocks:
        ctypes.memset(block, 1, 100_000)
    kept = c.malloc(100)  # at the top of this thread's heap: what is below cannot go by itself
    for block in blocks:
        c.free(block)

thread = threading.Thread(target=burst)
thread.start()
thread.join()
before = resident_pages()
give_back()
print(before - resident_pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that keeps it")
def test_what_a_thread_has_freed_is_given_back() -> None:
    assert hasattr(ctypes.CDLL(None), "malloc_trim")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 2_000  # pages of 4 kB; the burst had 4,900
