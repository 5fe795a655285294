"""What the commands share: settings, their meaning, the model, and words on standard error.

Rooms are imported by the function that needs them: what is not used costs no start-up time and
need not be installed.
"""

import argparse
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from livetag.errors import UsageError
from livetag.resources import cache_dir
from livetag.text import printable_lines

if TYPE_CHECKING:
    from rich.console import Console

    from livetag.config import Loaded
    from livetag.rules import Rules
    from livetag.schema import Config
    from livetag.yamnet.compile import CompiledModel
    from livetag.yamnet.params import Params
    from livetag.yamnet.precision import Precision
    from livetag.yamnet.weights import Progress as FetchProgress
    from livetag.yamnet.weights import Weights

T = TypeVar("T")

_NOT_KEYS = {"command", "config", "yes", "print", "file", "output"}
"""Of a command's options; the others are keys of the configuration."""


def load_settings(options: argparse.Namespace) -> "Loaded":
    """The configuration that a command's options make."""
    from livetag.config import load

    keys = {key: value for key, value in vars(options).items() if key not in _NOT_KEYS}
    return load(getattr(options, "config", None), keys)


def checked(config: "Config") -> "tuple[Rules, Params, float | None]":
    """What a configuration means: its rules, hyperparameters, and when a recording began.

    Raises `UsageError` for anything in it that cannot be.
    """
    from livetag.config import began_at
    from livetag.outputs import check_sinks
    from livetag.rules import resolve
    from livetag.yamnet.labels import class_map
    from livetag.yamnet.params import Params

    params = Params(patch_hop_seconds=config.patch_hop_seconds)
    rules = resolve(config, class_map())
    check_sinks(config, rules)
    return rules, params, began_at(config)


def check_since(config: "Config") -> None:
    """Raise `UsageError` where a date is given to what has one of its own."""
    if config.since is not None and not config.demo and config.input is None:
        raise UsageError("since: a microphone has its own time; it dates recordings (--input)")


def ready_model(
    named: Path | None, console: "Console", precision: "Precision" = "float32"
) -> "CompiledModel":
    """The compiled model; where it has to be fetched, with a progress bar."""
    from livetag.yamnet.compile import find_model, obtain_model

    ready = find_model(named, cache_dir(), precision)
    if ready is not None:
        return ready
    model = _fetched(
        lambda progress, tell: obtain_model(named, cache_dir(), progress, tell, precision), console
    )
    say(console, f"The model is ready, and kept in {model.path.parent}")
    return model


def ready_weights(named: Path | None, console: "Console") -> "Weights":
    """The weights themselves; where they have to be fetched, with a progress bar."""
    from livetag.yamnet.weights import obtain_weights

    return _fetched(lambda *ways: obtain_weights(named, cache_dir(), *ways), console)


def _fetched(fetch: "Callable[[FetchProgress, Callable[[str], None]], T]", console: "Console") -> T:
    """What `fetch` answers; it is given ways to tell its progress, and to say something."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("  "), BarColumn(), DownloadColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("", total=None, visible=False)
    said = set()

    def progress(source: str, done: int, total: int) -> None:
        if source not in said:
            said.add(source)
            say(bar.console, f"Fetching YAMNet's weights from {source}; their hash is checked.")
        bar.update(task, completed=done, total=total, visible=True)

    def say_alone(message: str) -> None:
        bar.stop()
        say(console, message)

    with bar:
        return fetch(progress, say_alone)


def named_weights(options: argparse.Namespace) -> Path | None:
    """The weights that the user chose, or None for the published ones."""
    named = getattr(options, "weights", None) or os.environ.get("LIVETAG_WEIGHTS")
    return Path(named) if named else None


def stderr() -> "Console":
    """Standard error, for messages and the dashboard."""
    from rich.console import Console

    class Stderr(Console):
        def on_broken_pipe(self) -> None:
            """Go on where nobody reads stderr: rich would end the program."""

    return Stderr(stderr=True, highlight=False)


def say(console: "Console", message: str) -> None:
    """Print a message of livetag's, if anybody takes it."""
    with contextlib.suppress(OSError):  # what cannot be said must not end the program
        text = f"livetag: {printable_lines(message)}"
        console.print(text, markup=False, soft_wrap=True)
