"""The file that tells a service manager to keep livetag running: systemd's unit, launchd's plist.

Text alone: `livetag.service` writes it, and talks with the manager.
"""

import os
import plistlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livetag.errors import UsageError

LABEL = "livetag"
WATCHDOG_SECONDS = 60
"""How long livetag may say nothing before systemd starts it anew: it says something every 30 s."""
RESTART_SECONDS = 5
START_MINUTES = 15
"""How long a start may take: the model may have to be fetched and compiled."""
STOP_SECONDS = 30
"""The monitor gives itself 20 s to end."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,+@")
_ESCAPED = {"\\": r"\\", '"': r"\"", "%": "%%", "\n": r"\n", "\t": r"\t"}
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters, and bytes that are no UTF-8: systemd takes them in arguments alone."""

_UNIT = """\
# Written by `livetag service install`; `livetag service uninstall` removes it.
[Unit]
Description=livetag, which listens and says what it hears
After=pipewire.service pipewire-pulse.service wireplumber.service pulseaudio.service sound.target
# A microphone may be away for hours: the restarts go on.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=kill -HUP $MAINPID
{surroundings}# {why_restart}
Restart={restart}
RestartSec={restart_seconds}
# Wrong options and configurations (2) stay wrong.
RestartPreventExitStatus=2
WatchdogSec={watchdog_seconds}
TimeoutStartSec={start_minutes}min
TimeoutStopSec={stop_seconds}
SyslogIdentifier={label}
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True)
class Job:
    """What a service manager is to run.

    `command`: the program's absolute path, and its arguments. `folder`: where it runs; None where
    that does not matter. `endless`: it has no end of its own, and is started again whenever it
    ends.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path | None
    endless: bool


def unit(job: Job) -> str:
    """A systemd user unit. Raises `UsageError` for what no unit can hold."""
    lines = [f"Environment={_assignment(*item)}" for item in job.environment.items()]
    if job.folder is not None:
        lines.append(f"WorkingDirectory={_folder(job.folder)}")
    ends = "It ends with what it listens to, and is started again where it fails."
    always = "It has no end of its own: nothing but `systemctl --user stop` ends it for good."
    return _UNIT.format(
        command=" ".join([_program(job.command[0]), *map(_argument, job.command[1:])]),
        surroundings="".join(f"{line}\n" for line in lines),
        why_restart=always if job.endless else ends,
        restart="always" if job.endless else "on-failure",
        restart_seconds=RESTART_SECONDS,
        watchdog_seconds=WATCHDOG_SECONDS,
        start_minutes=START_MINUTES,
        stop_seconds=STOP_SECONDS,
        label=LABEL,
    )


def plist(job: Job, logs: Path) -> str:
    """A launchd agent, which writes to `logs`. Raises `UsageError` for what no plist can hold.

    launchd has no watchdog, and no exit code that prevents a restart.
    """
    agent: dict[str, Any] = {
        "Label": LABEL,
        "ProgramArguments": list(job.command),
        "EnvironmentVariables": dict(job.environment),
        "WorkingDirectory": None if job.folder is None else str(job.folder),
        "RunAtLoad": True,
        "KeepAlive": True if job.endless else {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": STOP_SECONDS,
        "ProcessType": "Interactive",  # the others are throttled, which would lose audio
        "StandardOutPath": str(logs / f"{LABEL}.out.log"),
        "StandardErrorPath": str(logs / f"{LABEL}.err.log"),
    }
    given = {key: value for key, value in agent.items() if value is not None and value != {}}
    try:
        return plistlib.dumps(given, sort_keys=False).decode("utf-8")
    except ValueError as error:  # control characters, and names that are no UTF-8
        raise UsageError(f"the options hold what no launchd agent can: {error}") from error


def _word(text: str) -> str:
    """One word of a unit, as systemd.syntax(7) has them; quoted where it has to be."""
    if text and _PLAIN.issuperset(text):
        return text
    return f'"{"".join(map(_character, text))}"'


def _character(char: str) -> str:
    if char in _ESCAPED:
        return _ESCAPED[char]
    if _CONTROL.match(char):
        return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
    return char


def _argument(text: str) -> str:
    """An argument of a command line, in which a dollar would stand for a variable."""
    return _word(text).replace("$", "$$")


def _program(path: str) -> str:
    """The program of a command line, whose dollars stand for themselves."""
    if _CONTROL.search(path) or re.search(r"""["'\\]|\$[{$]""", path):
        raise UsageError(f"systemd runs no program of such a name: {path!r}")
    return _word(path)


def _assignment(name: str, value: str) -> str:
    """A variable of the environment."""
    if _CONTROL.search(value):
        raise UsageError(f"{name} holds a character that no variable of a unit may: {value!r}")
    return _word(f"{name}={value}")


def _folder(path: Path) -> str:
    """A folder, as a setting that is neither split into words nor unquoted."""
    text = str(path)
    if _CONTROL.search(text) or text.endswith(("\\", " ")):
        raise UsageError(f"systemd runs nothing in a folder of such a name: {text!r}")
    return text.replace("%", "%%")
