"""The errors a user can meet, each with the exit code it means.

    LivetagError          1   something failed while running
    ├── UsageError        2   an option, a configuration or a label is wrong, or needs an extra
    ├── InputError        3   no usable input: no microphone, a file that is no audio, or no table
    └── ModelError        4   no model: weights cannot be had, or are not the right ones

A message says what happened and, where something can be done, what to do.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class LivetagError(Exception):
    """An error whose message is meant for the user; no traceback is shown for it."""

    exit_code = 1


class UsageError(LivetagError):
    """An option, a configuration key, a label or a hop that cannot be taken, or not here.

    What needs one of livetag's extras cannot where that is not installed.
    """

    exit_code = 2


class InputError(LivetagError):
    """No usable input: no device, no such device, or a file that is not what is to be read.

    Recordings, lists of them, tables of labels and event lists are alike in that. `what`: what is
    wrong, without the advice for somebody who is about to begin.
    """

    exit_code = 3

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(f"{what}: {advice}" if advice else what)
        self.what = what


class ModelError(LivetagError):
    """No model to run: weights missing, damaged or of the wrong shape."""

    exit_code = 4


def not_installed(need: str, extra: str) -> UsageError:
    """The error where an extra is missing. `need`: what needs what, `pictures need matplotlib`."""
    return UsageError(f"{need}, which is not installed: pip install 'livetag[{extra}]'")


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Have an `OSError` of what is within name what could not be written, as a `LivetagError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise LivetagError(f"{path} cannot be written: {reason}") from error
