"""The service managers, as programs on the path that write down what they are asked."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from livetag.errors import LivetagError
from livetag.service_file import Job
from livetag.service_manager import Launchd, Systemd, manager_here

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")

JOB = Job(("/usr/bin/python3", "-m", "livetag", "monitor"), {}, None, True)
RUNNING = """\
LoadState=loaded
UnitFileState=enabled
ActiveState=active
SubState=running
MainPID=4711
NRestarts=2
Result=success
ExecMainStatus=0
StatusText=hearing USB = Audio
"""
LAUNCHD = """\
gui/501/livetag = {
\tactive count = 1
\tpath = /Users/me/Library/LaunchAgents/livetag.plist
\tstate = running
\tprogram = /usr/bin/python3
\tpid = 4711
\tlast exit code = (never exited)
\tendpoints = {
\t\tstate = active
\t}
}
"""


class Program:
    """A program of a name on the path: it prints what it is told to, and fails at what it is."""

    def __init__(self, folder: Path, name: str) -> None:
        self._calls = folder / f"{name}.calls"
        self._prints = folder / f"{name}.prints"
        self._fails = folder / f"{name}.fails"
        self.says("")
        self.fails_at()
        script = (
            "#!/bin/sh\n"
            f'echo "$*" >> "{self._calls}"\n'
            f'while read -r word; do case " $* " in *" $word "*) echo "cannot $word" >&2; exit 5;; '
            f'esac; done < "{self._fails}"\n'
            f'cat "{self._prints}"\n'
        )
        path = folder / name
        path.write_text(script)
        path.chmod(0o755)

    def says(self, text: str) -> None:
        self._prints.write_text(text)

    def fails_at(self, *words: str) -> None:
        self._fails.write_text("".join(f"{word}\n" for word in words))

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def systemctl(home: Path) -> Program:
    return Program(home / "programs", "systemctl")


@pytest.fixture
def launchctl(home: Path) -> Program:
    return Program(home / "programs", "launchctl")


def test_the_unit_is_where_systemd_looks_for_it(home: Path) -> None:
    usual = home / ".config/systemd/user/livetag.service"
    assert Systemd({}).path == usual
    assert Systemd({"XDG_CONFIG_HOME": "relative"}).path == usual
    assert Systemd({"XDG_CONFIG_HOME": "/c"}).path == Path("/c/systemd/user/livetag.service")


def test_the_agent_is_where_launchd_looks_for_it(home: Path) -> None:
    assert Launchd().path == home / "Library/LaunchAgents/livetag.plist"
    assert f"{home}/Library/Logs/livetag.err.log" in Launchd().text(JOB)


def test_systemd_reads_enables_and_starts_in_that_order(systemctl: Program) -> None:
    Systemd().start()
    assert systemctl.calls == [
        "--user daemon-reload",
        "--user enable livetag.service",
        "--user restart livetag.service",
    ]


def test_systemd_stops_disables_and_forgets(systemctl: Program) -> None:
    manager = Systemd()
    manager.forget()
    manager.reread()
    assert systemctl.calls == ["--user disable --now livetag.service", "--user daemon-reload"]


def test_what_systemd_says_of_a_unit_that_runs(systemctl: Program) -> None:
    systemctl.says(RUNNING)
    state = Systemd().state()
    assert state.running
    assert state.words == {
        "at login": "enabled",
        "now": "active (running), process 4711",
        "restarts": "2",
        "it says": "hearing USB = Audio",
    }


@pytest.mark.parametrize(
    ("changes", "now"),
    [
        ({"ActiveState": "inactive", "SubState": "dead"}, "inactive (dead)"),
        (
            {
                "ActiveState": "failed",
                "SubState": "failed",
                "Result": "exit-code",
                "ExecMainStatus": "2",
            },
            "failed (failed), exit code 2",
        ),
        (
            {"ActiveState": "activating", "SubState": "auto-restart", "Result": "watchdog"},
            "activating (auto-restart), watchdog",
        ),
    ],
)
def test_what_systemd_says_of_a_unit_that_does_not_run(
    changes: dict[str, str], now: str, systemctl: Program
) -> None:
    known = dict(line.split("=", 1) for line in RUNNING.splitlines())
    known |= {"NRestarts": "0", "MainPID": "0"} | changes
    systemctl.says("".join(f"{name}={value}\n" for name, value in known.items()))
    state = Systemd().state()
    assert not state.running
    assert state.words == {"at login": "enabled", "now": now}


def test_a_reload_is_no_end(systemctl: Program) -> None:
    systemctl.says(RUNNING.replace("=active", "=reloading"))
    assert Systemd().state().running


def test_a_unit_that_systemd_does_not_know(systemctl: Program) -> None:
    names = ("UnitFileState", "NRestarts", "StatusText")
    known = dict.fromkeys(names, "") | {"ActiveState": "inactive", "SubState": "dead"}
    known |= {"Result": "success", "MainPID": "0"}
    systemctl.says("".join(f"{name}={value}\n" for name, value in known.items()))
    assert Systemd().state().words == {"at login": "not installed", "now": "inactive (dead)"}


def test_a_systemd_that_does_not_answer_is_told(systemctl: Program) -> None:
    systemctl.fails_at("show")
    with pytest.raises(LivetagError, match=r"systemd does not answer: cannot show.*--print"):
        Systemd().check()


def test_what_systemd_refuses_is_told_in_its_words(systemctl: Program) -> None:
    systemctl.fails_at("enable")
    with pytest.raises(LivetagError, match=r"systemctl --user enable livetag.service`: cannot"):
        Systemd().start()
    assert "--user restart livetag.service" not in systemctl.calls


@pytest.mark.parametrize("manager", [Systemd, Launchd])
def test_a_manager_that_is_not_there_is_told(
    manager: type[Systemd] | type[Launchd], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home / "programs"))
    with pytest.raises(LivetagError, match=r"cannot be run .*needs systemd, or launchd.*--print"):
        manager().check()


def test_launchd_loads_an_agent_anew(launchctl: Program) -> None:
    manager = Launchd()
    manager.check()
    manager.start()
    domain = f"gui/{os.getuid()}"
    assert without_questions(launchctl.calls) == [
        f"print {domain}",
        f"bootout {domain}/livetag",
        f"enable {domain}/livetag",
        f"bootstrap {domain} {manager.path}",
    ]


def test_launchd_unloads_what_is_loaded_alone(launchctl: Program) -> None:
    Launchd().forget()
    assert f"bootout gui/{os.getuid()}/livetag" in launchctl.calls
    before = len(launchctl.calls)
    launchctl.fails_at("print")
    Launchd().forget()
    assert without_questions(launchctl.calls[before:]) == []


def test_what_launchd_says_of_an_agent(launchctl: Program) -> None:
    launchctl.says(LAUNCHD)
    state = Launchd().state()
    assert state.running
    assert state.words == {
        "now": "running",
        "pid": "4711",
        "last exit code": "(never exited)",
    }
    launchctl.says(LAUNCHD.replace("state = running", "state = spawn scheduled"))
    assert not Launchd().state().running
    launchctl.fails_at("print")
    assert not Launchd().state().running


def without_questions(calls: Sequence[str]) -> list[str]:
    """All but those that ask whether the agent is loaded."""
    return [call for call in calls if not (call.startswith("print ") and call.endswith("/livetag"))]


def test_each_system_has_its_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert isinstance(manager_here(), Systemd)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(manager_here(), Launchd)


def test_windows_is_told_of_its_task_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    job = Job(("C:\\my py\\python.exe", "-m", "livetag", "monitor"), {}, None, True)
    with pytest.raises(LivetagError, match=r"Task Scheduler run this: .C:\\my py\\python.exe. -m"):
        manager_here(job)
    with pytest.raises(LivetagError, match="Task Scheduler run this: livetag monitor"):
        manager_here()
