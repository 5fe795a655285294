"""The service managers that can keep livetag running: systemd, and launchd on macOS.

Each is asked through its own command line program.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from livetag.errors import LivetagError
from livetag.service_file import LABEL, Job, plist, unit

_ELSEWHERE = "`livetag service install --print` prints the file, for use elsewhere"


@dataclass(frozen=True)
class State:
    """What a manager knows of livetag: whether it runs, and more in words, by name."""

    running: bool
    words: Mapping[str, str] = field(default_factory=dict)


class Manager(Protocol):
    """A service manager. Its methods raise `LivetagError` with what the manager says."""

    path: Path
    """Where it reads livetag's file."""
    hints: str
    """What to know once livetag is installed, a line each."""

    def text(self, job: Job) -> str:
        """The file that has it run a job."""

    def check(self) -> None:
        """See that it is there and answers."""

    def start(self) -> None:
        """Read the file, and run livetag: now, anew where it runs, and at each login."""

    def state(self) -> State:
        """What it knows of livetag."""

    def forget(self) -> None:
        """End livetag, and start it no more."""

    def reread(self) -> None:
        """Notice that the file is gone."""


class Systemd:
    """The systemd instance of this user."""

    name = f"{LABEL}.service"
    hints = (
        "alerts and messages:   journalctl --user -u livetag -f\n"
        "how it is doing:       livetag service status\n"
        "It runs while you are logged in; `loginctl enable-linger` lets it run without."
    )

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """`environment` may move the folder of configurations, `XDG_CONFIG_HOME`."""
        configurations = Path(environment.get("XDG_CONFIG_HOME", ""))
        if not configurations.is_absolute():
            configurations = Path.home() / ".config"
        self.path = configurations / "systemd" / "user" / self.name

    def text(self, job: Job) -> str:
        """A user unit."""
        return unit(job)

    def check(self) -> None:
        """See that systemctl is there and finds the user's systemd."""
        done = _run("systemctl", "--user", "show", "--property=Version")
        if done.returncode:
            raise LivetagError(
                f"your systemd does not answer: {done.stderr.strip()}. Log in as the user whom the "
                f"service is for: `sudo` and `su` do not reach it. {_ELSEWHERE}"
            )

    def start(self) -> None:
        """Wait until livetag listens, or fails."""
        self._ask("daemon-reload")
        self._ask("enable", self.name)
        self._ask("restart", self.name)

    def state(self) -> State:
        """What `systemctl show` says of the unit."""
        names = (
            "UnitFileState ActiveState SubState MainPID NRestarts Result ExecMainStatus StatusText"
        )
        said = self._ask("show", self.name, *(f"--property={name}" for name in names.split()))
        known = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        running = known["ActiveState"] in {"active", "reloading"}
        now = f"{known['ActiveState']} ({known['SubState']})"
        if running:
            now += f", process {known['MainPID']}"
        elif known["Result"] == "exit-code":
            now += f", exit code {known['ExecMainStatus']}"
        elif known["Result"] != "success":
            now += f", {known['Result']}"
        words = {"at login": known["UnitFileState"] or "not installed", "now": now}
        if known["NRestarts"] not in {"", "0"}:
            words["restarts"] = known["NRestarts"]
        if running and known["StatusText"]:
            words["it says"] = known["StatusText"]
        return State(running, words)

    def forget(self) -> None:
        """Stop the unit and disable it."""
        self._ask("disable", "--now", self.name)

    def reread(self) -> None:
        """Let systemd forget the unit."""
        self._ask("daemon-reload")

    @staticmethod
    def _ask(*arguments: str) -> str:
        return _asked("systemctl", "--user", *arguments)


class Launchd:
    """macOS's launchd, for the user who is logged in."""

    hints = (
        "alerts:            ~/Library/Logs/livetag.out.log\n"
        "messages:          ~/Library/Logs/livetag.err.log\n"
        "how it is doing:   livetag service status\n"
        "macOS asks whether the microphone may be used: until it is allowed, all is silence."
    )

    def __init__(self) -> None:
        """The files are those of whoever runs this."""
        self.path = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{LABEL}"

    def text(self, job: Job) -> str:
        """A user agent."""
        return plist(job, Path.home() / "Library" / "Logs")

    def check(self) -> None:
        """See that launchctl is there and finds the user's launchd."""
        _asked("launchctl", "print", self._domain)

    def start(self) -> None:
        """Load the agent, which starts it."""
        if self._loaded():
            self.forget()
        _asked("launchctl", "enable", self._target)
        _asked("launchctl", "bootstrap", self._domain, str(self.path))

    def state(self) -> State:
        """What `launchctl print` says of the agent; its form is no promise of Apple's."""
        if not self._loaded():
            return State(False, {"now": "not loaded"})
        said = _asked("launchctl", "print", self._target)
        known = dict(re.findall(r"^\t(state|pid|last exit code) = (.+)$", said, re.MULTILINE))
        return State(known.get("state") == "running", {"now": known.pop("state", "?"), **known})

    def forget(self) -> None:
        """Unload the agent, which ends it."""
        if self._loaded():
            _asked("launchctl", "bootout", self._target)

    def reread(self) -> None:
        """Nothing is left to be noticed."""

    def _loaded(self) -> bool:
        return _run("launchctl", "print", self._target).returncode == 0


def manager_here(job: Job | None = None) -> Manager:
    """The service manager of this operating system; `job` is told of where there is none."""
    if sys.platform == "darwin":
        return Launchd()
    if sys.platform == "win32":
        what = "livetag monitor" if job is None else subprocess.list2cmdline(job.command)
        raise LivetagError(
            f"Windows has neither systemd nor launchd: let its Task Scheduler run this: {what}"
        )
    return Systemd()


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise LivetagError(
            f"{command[0]} cannot be run ({error.strerror}): a service needs systemd, or launchd "
            f"on macOS. {_ELSEWHERE}"
        ) from error


def _asked(*command: str) -> str:
    """What a command prints. Raises `LivetagError` where it fails."""
    done = _run(*command)
    if done.returncode:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise LivetagError(f"`{' '.join(command)}`: {said}")
    return done.stdout
