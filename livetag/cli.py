"""The program: reads the command line, runs the command, and turns errors into exit codes."""

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

# One frame's arithmetic is too small to share between threads, and sharing it would spin a core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from livetag.commands import COMMANDS
from livetag.errors import LivetagError
from livetag.options import build_parser
from livetag.relay import relayed_stderr
from livetag.signals import end_anyway, end_as_the_system_does
from livetag.text import printable_lines

_INTERRUPTED = 130  # as shells report a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. No user error shows a traceback."""
    for name in ("stdout", "stderr"):  # closed by whoever started us
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = build_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may hold what it cannot encode
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = COMMANDS[options.command](options)
        sys.stdout.flush()
        end_anyway()
        return code
    except LivetagError as error:
        _say(str(error))
        return error.exit_code
    except OSError as error:
        # Mostly our output, which names no file and cannot be written. What waits in its buffer
        # must not be tried again at exit.
        _abandon_stdout()
        if not isinstance(error, BrokenPipeError):  # its reader simply had enough
            reason = f"standard output cannot be written: {error.strerror or error}"
            _say(f"{error if error.filename else reason}")
        return LivetagError.exit_code
    except KeyboardInterrupt:
        end_as_the_system_does()
        _abandon_stdout()
        _say("stopped")
        return 0 if options.command == "monitor" else _INTERRUPTED
    except Exception as error:
        if os.environ.get("LIVETAG_DEBUG"):
            raise
        _say(
            f"a fault of livetag's own: {type(error).__name__}: {error}. "
            "Please report it, with what LIVETAG_DEBUG=1 shows."
        )
        return LivetagError.exit_code


def _say(message: str) -> None:
    """Print on stderr; but do not wait for long, where its terminal is stopped."""
    with relayed_stderr():
        print(f"livetag: {printable_lines(message)}", file=sys.stderr)


def _abandon_stdout() -> None:
    """Send what waits in stdout's buffer nowhere: nobody takes it, and Python's end would wait."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
