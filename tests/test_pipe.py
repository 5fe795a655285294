"""Recordings through a pipe: read whole, and never waited for in a way that cannot be ended."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import _fuzz_seeds as seeds
import numpy as np
import pytest

from livetag.audio.pipe import PipeReader, open_recording
from livetag.audio.reader import AudioReader, FloatArray
from livetag.errors import InputError

termios = pytest.importorskip("termios")
posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")


@pytest.fixture
def silent() -> Iterator[int]:
    """The reading end of a pipe that nobody writes to, until the test is over."""
    reading, writing = os.pipe()
    yield reading
    os.close(writing)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def write(path: Path, content: bytes) -> threading.Thread:
    thread = threading.Thread(target=path.write_bytes, args=(content,), daemon=True)
    thread.start()
    return thread


@posix
def test_a_recording_through_a_pipe_is_what_it_is_in_a_file(fifo: Path, tmp_path: Path) -> None:
    content = seeds.sound("WAV", channels=2)
    (tmp_path / "file").write_bytes(content)
    write(fifo, content)
    looks: list[None] = []
    with open_recording(fifo, lambda: looks.append(None)) as piped:
        assert isinstance(piped, PipeReader)
        with open_recording(tmp_path / "file") as plain:
            assert isinstance(plain, AudioReader)
            assert (piped.rate_hz, piped.channels) == (plain.rate_hz, plain.channels) == (16_000, 2)
            expected = np.concatenate(list(plain.blocks(100)))
        assert np.array_equal(np.concatenate(list(piped.blocks(100))), expected)
    assert len(looks) >= len(expected) / 100


@posix
def test_what_is_no_audio_in_a_pipe_is_an_input_error(fifo: Path) -> None:
    write(fifo, b"no audio at all\n" * 100)
    with pytest.raises(InputError, match="is no audio that can be read"):
        open_recording(fifo)


def test_folders_and_missing_files_are_not_taken_for_pipes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        open_recording(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        open_recording(tmp_path / "none.wav")
    for name in ("x" * 5_000, "a\0b"):  # that no file can have
        with pytest.raises(InputError):
            open_recording(tmp_path / name)


def test_waiting_for_a_header_that_never_comes_can_be_interrupted(silent: int) -> None:
    """As by Ctrl-C: libsndfile would go on waiting."""
    waiting = threading.Event()

    def open_it() -> AudioReader:
        waiting.set()
        os.read(silent, 1)
        raise InputError("nothing came")

    def interrupt() -> None:
        waiting.wait()
        os.kill(os.getpid(), signal.SIGINT)

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            PipeReader(open_it)
    finally:
        signal.signal(signal.SIGINT, previous)


class Stub(AudioReader):
    """A reader whose blocks are a test's."""

    def __init__(self, blocks: Iterator[FloatArray]) -> None:
        self.rate_hz, self.channels = 16_000, 1
        self.claimed_seconds = 0.0
        self._blocks = blocks

    def close(self) -> None: ...

    def blocks(self, frames: int, stop: threading.Event | None = None) -> Iterator[FloatArray]:
        yield from self._blocks


def test_waiting_for_samples_that_never_come_ends_when_it_is_told_to(silent: int) -> None:
    stop = threading.Event()

    def never() -> Iterator[FloatArray]:
        stop.set()
        os.read(silent, 1)
        yield np.empty(0, np.float32)

    assert list(PipeReader(lambda: Stub(never())).blocks(100, stop)) == []


@pytest.mark.parametrize("error", [InputError("cut off"), MemoryError("no more")])
def test_whatever_ends_the_reading_is_raised_where_the_blocks_are_taken(error: Exception) -> None:
    """An end that is no end of the recording must not look like one."""

    def broken() -> Iterator[FloatArray]:
        yield np.zeros(100, np.float32)
        raise error

    blocks = PipeReader(lambda: Stub(broken())).blocks(100)
    assert len(next(blocks)) == 100
    with pytest.raises(type(error), match=str(error)):
        next(blocks)


def test_a_writer_that_is_faster_waits() -> None:
    taken: list[int] = []

    def endless() -> Iterator[FloatArray]:
        for number in range(1_000_000):
            taken.append(number)
            yield np.full(1, number, np.float32)

    stop = threading.Event()
    blocks = PipeReader(lambda: Stub(endless())).blocks(1, stop)
    heard = [int(next(blocks)[0]) for _ in range(100)]
    stop.set()
    assert heard == list(range(100))
    assert len(taken) <= 100 + 8 + 2


@pytest.mark.skipif(not hasattr(termios, "FIONREAD"), reason="no telling what waits in a pipe")
def test_the_library_is_there_for_a_thread_that_reads_as_the_process_ends() -> None:
    """Python then takes `soundfile` apart, which would unload what that thread is in."""
    program = """
import array, fcntl, gc, os, termios
import soundfile
from livetag.audio.pipe import PipeReader
from livetag.audio.reader import AudioReader

reading, writing = os.pipe()
raw = {"format": "RAW", "samplerate": 16_000, "channels": 1, "subtype": "PCM_16"}
blocks = PipeReader(lambda: AudioReader(reading, **raw)).blocks(1_600)
os.write(writing, bytes(4_800))
next(blocks)
waiting = array.array("i", [1])
while waiting[0]:  # until half a block is taken, and the other half is waited for
    fcntl.ioctl(reading, termios.FIONREAD, waiting)
soundfile._snd = None
gc.collect()
os.write(writing, bytes(1_600))
try:
    next(blocks)
except AttributeError:
    print("still there")
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-u", "-c", program], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"still there\n")
