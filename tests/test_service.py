"""A service: what it runs, what is shown and asked, what is written and removed."""

import io
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from running import run

from livetag.config import load
from livetag.errors import LivetagError, UsageError
from livetag.options import build_parser
from livetag.resources import cache_dir
from livetag.service import asked_on_terminal, install, job_of, status, uninstall
from livetag.service_file import Job
from livetag.service_manager import State
from livetag.yamnet.compile import CompiledModel

JOB = Job(("/usr/bin/python3", "-m", "livetag", "monitor"), {}, None, True)
PROGRAM = [sys.executable, "-P", "-m", "livetag", "monitor"]


def job(*arguments: str, environment: Mapping[str, str] | None = None) -> Job:
    """What `livetag service install` makes of a command line."""
    options = build_parser().parse_args(["service", "install", *arguments])
    keys = {
        name: value
        for name, value in vars(options).items()
        if name not in {"command", "config", "yes", "print"}
    }
    environment = environment or {}
    config = load(getattr(options, "config", None), keys, environment).config
    return job_of(options, config, environment)


def test_a_service_listens_without_a_dashboard() -> None:
    assert job() == Job((*PROGRAM, "--no-dashboard"), {}, None, True)


def test_what_is_given_is_what_runs() -> None:
    given = job("--device", "USB", "--require-device", "5", "--dashboard", "--alert", "Dog=0.5")
    assert list(given.command[5:]) == [
        "--device=USB",
        "--require-device=5.0",
        "--alert=Dog=0.5",
        "--no-dashboard",
    ]


@pytest.mark.parametrize(
    ("arguments", "endless"),
    [((), True), (("--duration", "60"), False), (("--demo",), False), (("--input", "/a"), False)],
)
def test_what_ends_by_itself_is_not_endless(arguments: tuple[str, ...], endless: bool) -> None:
    assert job(*arguments).endless is endless


def test_a_service_cannot_read_standard_input() -> None:
    with pytest.raises(UsageError, match="input: a service has no standard input"):
        job("--input", "-")


def test_a_service_s_microphone_has_a_name_and_not_an_index() -> None:
    with pytest.raises(UsageError, match="device: 3 may be another microphone at the next start"):
        job("--device", "3")


def test_the_variables_that_matter_are_taken_over_and_no_others() -> None:
    environment = {
        "LIVETAG_TOP": "5",
        "LIVETAG_CSV": "",
        "HOME": "/home/me",
        "PULSE_SERVER": "unix:/run/pulse",
        "LIVETAG_CACHE_DIR": "/cache",
    }
    assert dict(job(environment=environment).environment) == {
        "LIVETAG_CACHE_DIR": "/cache",
        "LIVETAG_TOP": "5",
        "PULSE_SERVER": "unix:/run/pulse",
    }


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--csv", "events.csv"], {}),
        (["--history", "events.sqlite"], {}),
        (["--weights", "yamnet.h5"], {}),
        (["--config", "my.toml"], {}),
        ([], {"LIVETAG_CONFIG": "my.toml"}),
        ([], {"LIVETAG_CACHE_DIR": "cache"}),
        ([], {"LIVETAG_CLIPS": "clips"}),
        (["--config", "{absolute}"], {}),
    ],
)
def test_a_relative_path_means_what_it_means_here(
    arguments: list[str],
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "my.toml"
    relative = '[[sink]]\nkind = "csv"\npath = "events.csv"\n'
    file.write_text(relative if "{absolute}" in arguments else "")
    arguments = [argument.format(absolute=file) for argument in arguments]
    assert job(*arguments, environment=environment).folder == tmp_path


@pytest.mark.parametrize(
    "arguments", [["--csv", "/log/events.csv"], ["--config", "home"], ["--history"], ["--demo"]]
)
def test_without_a_relative_path_the_folder_does_not_matter(arguments: list[str]) -> None:
    assert job(*arguments, environment={"LIVETAG_CACHE_DIR": "/cache"}).folder is None


class FakeManager:
    """A manager that notes what it is asked."""

    hints = "hints"

    def __init__(self, path: Path, fails: bool = False, running: bool = True) -> None:
        self.path = path
        self.calls: list[str] = []
        self._fails = fails
        self._running = running

    def text(self, job: Job) -> str:
        return "\n".join([*job.command, ""])

    def check(self) -> None:
        self.calls.append("check")

    def start(self) -> None:
        self.calls.append(f"start {self.path.read_text('utf-8').split()[-1]}")
        if self._fails:
            raise LivetagError("it cannot")

    def state(self) -> State:
        return State(self._running, {"now": "active" if self._running else "dead"})

    def forget(self) -> None:
        assert self.path.exists()
        self.calls.append("forget")

    def reread(self) -> None:
        assert not self.path.exists()
        self.calls.append("reread")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "livetag.service"


def yes(question: str) -> bool:
    return True


def no(question: str) -> bool:
    return False


def test_the_file_is_shown_then_written_then_livetag_is_started(path: Path) -> None:
    manager, out = FakeManager(path), io.StringIO()

    def agreed(question: str) -> bool:
        assert manager.text(JOB) in out.getvalue()
        assert f"{path} will be written" in out.getvalue()
        assert not path.exists()
        return True

    assert install(manager, JOB, agreed, out) == 0
    assert path.read_text("utf-8") == manager.text(JOB)
    assert manager.calls == ["check", "start monitor"]
    assert out.getvalue().endswith("hints\n")
    assert list(path.parent.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_written_where_that_is_not_wanted(path: Path) -> None:
    manager, out = FakeManager(path), io.StringIO()
    assert install(manager, JOB, no, out) == 1
    assert not path.parent.exists()
    assert manager.calls == ["check"]


def test_of_a_file_that_is_there_the_changes_are_shown(path: Path) -> None:
    manager, out = FakeManager(path), io.StringIO()
    path.parent.mkdir(parents=True)
    path.write_text("/usr/bin/python2\n-m\nlivetag\nmonitor\n")
    assert install(manager, JOB, yes, out) == 0
    lines = out.getvalue().splitlines()
    assert "-/usr/bin/python2" in lines
    assert "+/usr/bin/python3" in lines
    assert " livetag" in lines
    assert path.read_text("utf-8") == manager.text(JOB)


def test_a_file_that_would_not_change_is_said_to_stay(path: Path) -> None:
    manager, out = FakeManager(path), io.StringIO()
    path.parent.mkdir(parents=True)
    path.write_text(manager.text(JOB))
    assert install(manager, JOB, yes, out) == 0
    assert "is there, and stays as it is" in out.getvalue()
    assert manager.calls == ["check", "start monitor"]


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    manager = FakeManager(path)
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "dotfiles.service")
    assert install(manager, JOB, yes, io.StringIO()) == 0
    assert path.is_symlink()
    assert (tmp_path / "dotfiles.service").read_text("utf-8") == manager.text(JOB)


def test_a_service_that_does_not_start_is_told_with_how_to_look_into_it(path: Path) -> None:
    manager = FakeManager(path, fails=True)
    with pytest.raises(LivetagError, match="is written, but livetag did not start: it cannot\nhin"):
        install(manager, JOB, yes, io.StringIO())
    assert path.exists()


def test_a_file_that_cannot_be_written_is_told_and_the_old_one_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path.parent.mkdir(parents=True)
    path.write_text("old\n")
    monkeypatch.setattr("os.fsync", full)
    manager = FakeManager(path)
    with pytest.raises(LivetagError, match=r"livetag.service cannot be written: No space left"):
        install(manager, JOB, yes, io.StringIO())
    assert path.read_text("utf-8") == "old\n"
    assert list(path.parent.iterdir()) == [path]
    assert manager.calls == ["check"]


@pytest.mark.parametrize(("running", "code"), [(True, 0), (False, 3)])
def test_the_status_is_an_exit_code_and_words(running: bool, code: int, path: Path) -> None:
    out = io.StringIO()
    assert status(FakeManager(path, running=running), out) == code
    assert out.getvalue().splitlines() == [
        f"file:               {path} (not there)",
        f"now:                {'active' if running else 'dead'}",
    ]


def test_what_is_removed_is_named_before(path: Path) -> None:
    manager, out = FakeManager(path), io.StringIO()
    path.parent.mkdir(parents=True)
    path.write_text("old\n")
    assert uninstall(manager, no, out) == 1
    assert path.exists()
    assert f"{path} removed" in out.getvalue()
    assert uninstall(manager, yes, out) == 0
    assert manager.calls == ["check", "check", "forget", "reread"]


def test_where_nothing_is_installed_nothing_is_removed(path: Path) -> None:
    manager, out = FakeManager(path), io.StringIO()
    assert uninstall(manager, yes, out) == 0
    assert manager.calls == []
    assert "nothing is installed" in out.getvalue()


class Terminal(io.StringIO):
    """Standard input of somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("y\n", True), (" YES \n", True), ("n\n", False), ("\n", False), ("", False), ("yo\n", False)],
)
def test_only_yes_is_yes(typed: str, answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    out = io.StringIO()
    assert asked_on_terminal(False, out)("Go on?") is answer
    assert out.getvalue() == "Go on? [y/N] "


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="add --yes"):
        asked_on_terminal(False, io.StringIO())("Go on?")
    assert asked_on_terminal(True, io.StringIO())("Go on?")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose systemctl does as it is told, and writes down what that was."""
    calls = tmp_path / "calls"
    program = tmp_path / "programs" / "systemctl"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$*" >> "{calls}"\n'
        "printf 'ActiveState=inactive\\nSubState=dead\\nUnitFileState=disabled\\n'\n"
        "printf 'MainPID=0\\nNRestarts=0\\nResult=success\\nStatusText=\\n'\n"
    )
    program.chmod(0o755)
    return {
        **os.environ,
        "XDG_CONFIG_HOME": str(tmp_path / "configurations"),
        "LIVETAG_CACHE_DIR": str(cache_dir()),
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
    }


linux = pytest.mark.skipif(sys.platform != "linux", reason="needs systemd's kind of system")


@linux
def test_a_service_comes_and_goes(
    environment: dict[str, str], tmp_path: Path, compiled: CompiledModel
) -> None:
    unit = tmp_path / "configurations/systemd/user/livetag.service"
    printed = run("service", "install", "--print", "--demo", env=environment)
    assert (printed.returncode, printed.stderr) == (0, b"")
    refused = run("service", "install", "--demo", env=environment)
    assert refused.returncode == 2
    assert printed.stdout in refused.stderr
    assert refused.stderr.endswith(b"add --yes\n")
    assert not unit.exists()

    done = run("service", "install", "--demo", "--yes", env=environment)
    assert (done.returncode, done.stdout) == (0, b"")
    assert printed.stdout in done.stderr
    assert unit.read_bytes() == printed.stdout
    assert b"ExecStart=" in printed.stdout

    shown = run("service", "status", env=environment)
    assert (shown.returncode, shown.stderr) == (3, b"")
    assert f"{unit}\n" in shown.stdout.decode()

    gone = run("service", "uninstall", "--yes", env=environment)
    assert gone.returncode == 0
    assert not unit.exists()
    calls = (tmp_path / "calls").read_text()
    assert "--user restart livetag.service\n" in calls
    assert calls.endswith("--user disable --now livetag.service\n--user daemon-reload\n")


@linux
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--alert", "Dgo"], 2, "did you mean 'Dog'?"),
        (["--config", "nowhere.toml"], 2, "there is no configuration 'nowhere.toml'"),
        (["--since", "2026-11-22T08:00"], 2, "since: a microphone has its own time"),
        (["--weights", "/nowhere.h5"], 4, "/nowhere.h5"),
        (["--yes", "--print"], 2, "not allowed with"),
    ],
)
def test_what_the_monitor_would_refuse_is_refused_before_anything_is_written(
    arguments: list[str], code: int, said: str, environment: dict[str, str], tmp_path: Path
) -> None:
    arguments = arguments if "--print" in arguments else [*arguments, "--yes"]
    done = run("service", "install", *arguments, env=environment)
    assert done.returncode == code
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "configurations").exists()
    calls = tmp_path / "calls"
    assert not calls.exists() or calls.read_text() == "--user show --property=Version\n"
