"""Text for a descriptor that nobody waits for: pipes that nobody reads, terminals that are gone."""

import errno
import fcntl
import io
import os
import pty
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import PATIENCE_SECONDS, wait_until

from livetag.relay import MOST_CHARACTERS, Relay, relayed_stderr


class Pipe:
    """Its reader reads nothing of itself."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.reading, self.writing = os.fdopen(reading, "rb"), os.fdopen(writing, "wb", 0)

    @property
    def descriptor(self) -> int:
        return self.writing.fileno()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.reading.close()
    made.writing.close()


def test_what_is_written_arrives_in_order(pipe: Pipe) -> None:
    relay = Relay(pipe.descriptor, "utf-8")
    for number in range(100):
        print(f"line {number} ✓", file=relay)
    relay.end(PATIENCE_SECONDS)
    assert not relay.waiting
    lines = pipe.reading.read1().decode().splitlines()
    assert lines == [f"line {number} ✓" for number in range(100)]


def test_what_the_encoding_has_not_is_escaped(pipe: Pipe) -> None:
    relay = Relay(pipe.descriptor, "ascii")
    relay.write("é")
    relay.end(PATIENCE_SECONDS)
    assert pipe.reading.read1() == rb"\xe9"


def test_it_is_the_stream_that_it_writes_to(pipe: Pipe) -> None:
    ours, theirs = pty.openpty()
    for descriptor, is_terminal in ((theirs, True), (pipe.descriptor, False)):
        relay = Relay(descriptor, "latin-1")
        assert relay.isatty() is is_terminal
        assert os.fstat(relay.fileno()).st_ino == os.fstat(descriptor).st_ino
        assert relay.encoding == "latin-1"
        assert relay.writable()
        relay.end(PATIENCE_SECONDS)
    os.close(ours)
    os.close(theirs)


def test_nobody_waits_for_a_reader_that_does_not_read(pipe: Pipe) -> None:
    relay = Relay(pipe.descriptor)
    texts = [f"{number:5}" * 1_000 for number in range(300)]  # of which a pipe takes 13 or so
    for text in texts:
        relay.write(text)
    assert relay.waiting
    relay.drain(0.01)
    assert relay.waiting
    kept = MOST_CHARACTERS // 5_000
    assert pipe.reading.read(5_000 * kept).decode() == "".join(texts[:kept])  # the rest had no room
    relay.drain(PATIENCE_SECONDS)
    assert not relay.waiting
    relay.write("and more")
    relay.end(PATIENCE_SECONDS)
    assert pipe.reading.read1() == b"and more"


def test_an_end_that_takes_too_long_is_not_waited_for(pipe: Pipe) -> None:
    relay = Relay(pipe.descriptor)
    relay.write("x" * 500_000)
    relay.write("never written")
    relay.end(0.01)
    pipe.writing.close()
    assert set(pipe.reading.read()) == {ord("x")}


def test_a_reader_that_is_gone_is_noticed_and_nothing_waits_for_it(
    pipe: Pipe,
) -> None:
    relay = Relay(pipe.descriptor)
    pipe.reading.close()
    relay.write("one")
    wait_until(lambda: relay.gone)
    assert relay.write("another") == 7
    assert not relay.waiting
    relay.end(PATIENCE_SECONDS)


def test_a_terminal_that_is_gone_is_noticed() -> None:
    ours, theirs = pty.openpty()
    relay = Relay(theirs)
    relay.write("seen")
    relay.drain(PATIENCE_SECONDS)
    assert not relay.gone
    os.close(ours)
    relay.write("not seen")
    wait_until(lambda: relay.gone)
    relay.end(PATIENCE_SECONDS)
    os.close(theirs)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_disk_that_is_full_may_have_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "messages"
    write, full = os.write, True

    def failing_write(descriptor: int, data: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", failing_write)
    with path.open("wb") as file:
        relay = Relay(file.fileno())
        relay.write("lost\n")
        relay.drain(PATIENCE_SECONDS)
        full = False
        relay.write("kept\n")
        relay.end(PATIENCE_SECONDS)
    assert not relay.gone
    assert path.read_bytes() == b"kept\n"


def test_what_somebody_has_made_non_blocking_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.descriptor, False)
    relay = Relay(pipe.descriptor)
    text = "0123456789" * 20_000
    relay.write(text)
    assert pipe.reading.read(len(text)).decode() == text
    relay.end(PATIENCE_SECONDS)
    assert not relay.gone


# --- As standard error --------------------------------------------------------------------------


def test_standard_error_is_a_relay_for_a_time(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.fdopen(os.dup(pipe.descriptor), "w", encoding="ascii")
    monkeypatch.setattr(sys, "stderr", before)
    print("one", file=sys.stderr, end=" ")
    with relayed_stderr(PATIENCE_SECONDS) as relay:
        assert relay is not None
        stream: object = sys.stderr
        assert stream is relay
        assert relay.encoding == "ascii"
        print("two", file=sys.stderr)
    assert sys.stderr is before
    before.close()
    assert pipe.reading.read1() == b"one two\n"


def test_a_standard_error_that_is_stuck_is_left_in_time(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", os.fdopen(os.dup(pipe.descriptor), "w"))
    with relayed_stderr(0.01):
        print("x" * 500_000, file=sys.stderr)
    pipe.reading.close()  # which frees what is stuck


def test_what_stands_in_for_standard_error_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = io.StringIO()
    with Path(os.devnull).open("w", encoding="utf-8") as closed:
        """It is closed from here on."""
    for stream in (stand_in, closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        with relayed_stderr() as relay:
            assert (relay, sys.stderr) == (None, stream)


def test_no_thread_and_no_descriptor_is_left_behind(pipe: Pipe) -> None:
    threads = set(threading.enumerate())
    relay = Relay(pipe.descriptor)
    relay.write("text")
    descriptor = relay.fileno()
    relay.end(PATIENCE_SECONDS)
    assert set(threading.enumerate()) <= threads
    with pytest.raises(OSError, match="Bad file descriptor"):
        fcntl.fcntl(descriptor, fcntl.F_GETFD)
