"""Keeping livetag running: what a service is to run, and the talk about it with the user.

The file is shown before it is written, and what is removed is named before it is.
"""

import argparse
import difflib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from livetag.config import ENVIRONMENT_PREFIX, find_file
from livetag.errors import LivetagError, UsageError
from livetag.options import monitor_arguments
from livetag.outputs import sink_tables
from livetag.schema import Config
from livetag.service_file import Job
from livetag.service_manager import Manager

NOT_RUNNING = 3
"""The exit code of `status` where livetag does not run, as systemctl has it."""
SURROUNDINGS = ("XDG_CACHE_HOME", "XDG_DATA_HOME", "PULSE_SERVER", "PULSE_SOURCE")
"""Variables beside livetag's own that say where the model and the history are, and the sound."""


def job_of(
    options: argparse.Namespace, config: Config, environment: Mapping[str, str] = os.environ
) -> Job:
    """What runs `livetag monitor` as these options and this environment have it.

    `config` is what they make. Raises `UsageError` for what no service can do.
    """
    if config.input == "-":
        raise UsageError("input: a service has no standard input")
    microphone = not config.demo and config.input is None
    taken = {
        name: value
        for name, value in sorted(environment.items())
        if value and (name.startswith(ENVIRONMENT_PREFIX) or name in SURROUNDINGS)
    }
    arguments = monitor_arguments(argparse.Namespace(**{**vars(options), "dashboard": False}))
    return Job(
        # -P: the folder that it runs in holds no modules of ours
        command=(sys.executable, "-P", "-m", "livetag", "monitor", *arguments),
        environment=taken,
        folder=Path.cwd() if _relative(options, config, environment) else None,
        endless=microphone and config.duration_seconds is None,
    )


def _relative(options: argparse.Namespace, config: Config, environment: Mapping[str, str]) -> bool:
    """Whether any path is meant from the current folder on."""
    name = getattr(options, "config", None) or environment.get("LIVETAG_CONFIG")
    paths = [
        *(getattr(table, "path", None) for _, table in sink_tables(config)),
        *(config.weights, config.input),
        environment.get("LIVETAG_CACHE_DIR"),
        find_file(name) if name else None,
    ]
    return not all(Path(path).is_absolute() for path in paths if path)


def install(manager: Manager, job: Job, agreed: Callable[[str], bool], out: TextIO) -> int:
    """Show the file, ask, write it and start livetag; the exit code.

    `agreed` is asked a question. Raises `LivetagError`.
    """
    manager.check()
    text = manager.text(job)
    _show(manager.path, text, out)
    if not agreed("Write it and start livetag now?"):
        print("livetag: nothing was written", file=out)
        return LivetagError.exit_code
    try:
        _write(manager.path, text)
    except OSError as error:
        raise LivetagError(f"{manager.path} cannot be written: {error.strerror}") from error
    try:
        manager.start()
    except LivetagError as error:
        raise LivetagError(
            f"{manager.path} is written, but livetag did not start: {error}\n{manager.hints}"
        ) from error
    print(f"livetag: it runs, and will at each login\n{manager.hints}", file=out)
    return 0


def status(manager: Manager, out: TextIO) -> int:
    """Print what is known of the service; 0 where it runs, 3 where it does not."""
    manager.check()
    state = manager.state()
    there = "" if manager.path.exists() else " (not there)"
    for name, words in {"file": f"{manager.path}{there}", **state.words}.items():
        print(f"{name + ':':20}{words}", file=out)
    return 0 if state.running else NOT_RUNNING


def uninstall(manager: Manager, agreed: Callable[[str], bool], out: TextIO) -> int:
    """Say what will go, ask, end livetag and remove the file; the exit code."""
    if not manager.path.exists():
        print(f"livetag: nothing is installed: there is no {manager.path}", file=out)
        return 0
    manager.check()
    print(f"livetag: it will be ended, and {manager.path} removed", file=out)
    if not agreed("Go on?"):
        print("livetag: nothing was removed", file=out)
        return LivetagError.exit_code
    manager.forget()
    manager.path.unlink()
    manager.reread()
    print("livetag: done; records, clips, history and model are left where they are", file=out)
    return 0


def asked_on_terminal(yes: bool, out: TextIO) -> Callable[[str], bool]:
    """Who is asked: nobody where `--yes` was given, else the terminal, which has to be one."""

    def agreed(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise UsageError("standard input is no terminal that could be asked: add --yes")
        print(f"{question} [y/N] ", end="", file=out, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    return agreed


def _show(path: Path, text: str, out: TextIO) -> None:
    """What will be written, or what of it is new."""
    old = path.read_text("utf-8", "replace") if path.exists() else None
    if old is None or old == text:
        state = "is there, and stays as it is" if old else "will be written"
        print(f"livetag: {path} {state}:\n\n{text}", file=out)
        return
    print(f"livetag: {path} is there, and will be changed:\n", file=out)
    lines = (old.splitlines(), text.splitlines())
    for line in difflib.unified_diff(*lines, "as it is", "as it will be", lineterm=""):
        print(line, file=out)
    print(file=out)


def _write(path: Path, text: str) -> None:
    """Write the file whole or not at all; where it is a link, what it leads to.

    Nobody else may read it: variables may hold passwords.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
