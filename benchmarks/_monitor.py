"""What the benchmarks of the running program share: `livetag monitor` on a terminal of its own."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from livetag.sources.demo import demo_chunks
from livetag.sources.demo_sounds import RATE_HZ

CAPTURE_RATE_HZ = 48_000  # of most microphones
COLUMNS, ROWS = 80, 24

# Runs livetag as its command does, and gives its threads the names that Python knows them by.
_NAMED_THREADS = """
import ctypes, sys, threading
libc, run = ctypes.CDLL(None), threading.Thread.run
def named(thread):
    libc.prctl(15, thread.name.encode()[:15], 0, 0, 0)
    run(thread)
threading.Thread.run = named
from livetag.cli import main
sys.exit(main())
"""


@dataclass
class Running:
    """A monitor that runs, and what it has drawn."""

    process: "subprocess.Popen[bytes]"
    drawn_bytes: int = 0
    tail: bytes = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Raises `RuntimeError` where the monitor has ended."""
        if self.process.poll() is not None:
            said = self.tail.decode(errors="replace")
            raise RuntimeError(f"livetag ended with status {self.process.returncode}: {said}")

    def wait(self, seconds: float) -> None:
        """Let it run for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(1.0, left))


@contextmanager
def monitor(*options: str) -> Iterator[Running]:
    """`livetag monitor` with these options on a terminal of 80 by 24, stopped in the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-c", _NAMED_THREADS, "monitor", *options],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    running = Running(process)
    threading.Thread(target=_drain, args=(ours, running), daemon=True).start()
    try:
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _drain(descriptor: int, running: Running) -> None:
    """Take what is drawn, as a terminal does."""
    while True:
        try:
            data = os.read(descriptor, 65_536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        running.drawn_bytes += len(data)
        running.tail = (running.tail + data)[-2_000:]
    os.close(descriptor)


def demo_48k() -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """The demo minute, float32[n], at the rate of a microphone."""
    demo = np.concatenate(list(demo_chunks()))
    resampled: np.ndarray[tuple[int], np.dtype[np.float32]] = soxr.resample(
        demo, RATE_HZ, CAPTURE_RATE_HZ, quality="HQ"
    )
    return resampled


def write_demo(path: Path, seconds: float) -> None:
    """A WAV of the demo, over and over, that lasts so long."""
    demo = demo_48k()
    left = round(seconds * CAPTURE_RATE_HZ)
    with soundfile.SoundFile(path, "w", CAPTURE_RATE_HZ, 1, "PCM_16") as file:
        while left > 0:
            file.write(demo[:left])
            left -= len(demo[:left])
