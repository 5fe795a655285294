"""The installed `livetag` command, run as a user runs it."""

import contextlib
import fcntl
import os
import pty
import queue
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyte

LIVETAG = str(Path(sys.executable).parent / "livetag")
PATIENCE_SECONDS = 60.0
Environment = Mapping[str, str]


def run(
    *arguments: str,
    env: Environment | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return subprocess.run(
        [LIVETAG, *arguments],
        env=env,
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        check=False,
        timeout=120,
    )


class Running:
    """A command that goes on. Its stdout is a pipe; its stderr a pipe or a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], stderr: int, screen: bool) -> None:
        self.process = process
        self.lines: list[str] = []
        self.stderr = b""
        self._terminal = stderr
        self._hang_up = threading.Event()
        self._screen = pyte.Screen(80, 24) if screen else None
        self._feed = pyte.ByteStream(self._screen) if self._screen else None
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, args=(stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode())
            self._news.put(None)

    def _read_stderr(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):  # a terminal whose other end closed
            while not self._hang_up.is_set():
                if not select.select([descriptor], [], [], 0.05)[0]:
                    continue
                if not (data := os.read(descriptor, 65_536)):
                    break
                self.stderr += data
                if self._feed:
                    self._feed.feed(data)
                self._news.put(None)
        os.close(descriptor)

    def type(self, text: str) -> None:
        """Press keys on the terminal."""
        os.write(self._terminal, text.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        assert self._screen is not None
        self._screen.resize(lines, columns)
        _set_size(self._terminal, columns, lines)

    def hang_up(self) -> None:
        """Close the terminal."""
        self._hang_up.set()
        self._threads[1].join(timeout=PATIENCE_SECONDS)

    @property
    def screen(self) -> list[str]:
        """The terminal's lines as a person sees them."""
        assert self._screen is not None
        return list(self._screen.display)

    def wait_until(self, holds: Callable[["Running"], bool], what: str) -> None:
        """Wait for news until something holds; fail with all output where it does not."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds(self):
            with contextlib.suppress(queue.Empty):
                self._news.get(timeout=0.25)
            ended = self.process.poll() is not None and not holds(self)
            if ended or time.monotonic() > deadline:
                shown = "\n".join(self.screen) if self._screen else self.stderr.decode()
                raise AssertionError(f"no {what}:\n{''.join(self.lines)}\n{shown}")

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(timeout=PATIENCE_SECONDS)
        for thread in self._threads:
            thread.join(timeout=5)
        return code


@contextlib.contextmanager
def running(
    *arguments: str, env: Environment | None = None, terminal: bool = False
) -> Iterator[Running]:
    """Start a command; `terminal`: its stderr is one, of 80 by 24."""
    if terminal:
        reading, writing = pty.openpty()
        _set_size(writing, 80, 24)
        env = _terminal_environment(env)
    else:
        reading, writing = os.pipe()
    process = subprocess.Popen(
        [LIVETAG, *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writing,
    )
    os.close(writing)
    with _ended(process):
        yield Running(process, reading, terminal)


@contextlib.contextmanager
def logged_in(*command: str, env: Environment | None = None) -> Iterator[Running]:
    """Start a program as a terminal does, which may stop it, and whose end it is told of.

    Its stdin and stderr are that terminal, of 80 by 24; its stdout is a pipe.
    """
    ours, theirs = pty.openpty()
    _set_size(theirs, 80, 24)

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command,
        env=_terminal_environment(env),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        preexec_fn=take_terminal,  # noqa: PLW1509
    )
    os.close(theirs)
    with _ended(process):
        yield Running(process, ours, screen=True)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave no process behind."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(timeout=10)


def _set_size(terminal: int, columns: int, lines: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def _terminal_environment(env: Environment | None) -> dict[str, str]:
    named = {**(os.environ if env is None else env), "TERM": "xterm-256color"}
    named.pop("NO_COLOR", None)
    return named
