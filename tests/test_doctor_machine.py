"""What the doctor says of Python, packages, the clock and the terminal."""

import contextlib
import io
import sys

import pytest

from livetag.doctor import machine
from livetag.doctor.check import Check
from livetag.doctor.machine import Moment, judge_clock, judge_packages
from livetag.doctor.terminal import check_terminal

NOW = 1_795_000_000.0  # in November 2026


def test_this_python_and_its_packages_are_fine() -> None:
    assert machine.check_python().status == "ok"
    check = machine.check_packages()
    assert check.status == "ok"
    assert {"numpy", "tensorflow"} < check.details["versions"].keys()
    assert "pytest" not in check.details["versions"]  # an extra's


def test_packages_are_checked_without_importing_them() -> None:
    before = set(sys.modules)
    machine.check_packages()
    assert set(sys.modules) - before == set()


@pytest.mark.parametrize(
    ("requirement", "status", "found"),
    [
        ("numpy>=2.0", "ok", "all 1 are there"),
        ("numpy>=1.0,<99", "ok", "all 1 are there"),
        ("numpy>=99.0", "fail", "numpy is "),
        ("numpy<2", "fail", "numpy is "),
        ("numpy!=99,>=2", "ok", "all 1 are there"),
        ("nosuchpackage>=1", "fail", "nosuchpackage is missing"),
        ("nosuchpackage>=1; extra == 'dev'", "ok", "all 0 are there"),
    ],
)
def test_packages_are_there_and_of_a_version_in_range(
    requirement: str, status: str, found: str
) -> None:
    check = judge_packages([requirement])
    assert check.status == status
    assert check.found.startswith(found)
    assert (f"'{requirement}'" in check.advice) == (status == "fail")


def test_a_compiler_that_was_removed_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_version", lambda name: None)
    assert judge_packages(["tensorflow>=2.18"]).status == "warn"
    assert judge_packages(["tensorflow>=2.18", "numpy>=2.0"]).status == "fail"


@pytest.mark.parametrize(
    ("version", "wanted", "holds"),
    [
        ("2.0.1", ">=2.0", True),
        ("2.0", ">=2.0.0", True),
        ("10.0", ">=9.1", True),
        ("2.18.0rc1", ">=2.18", True),
        ("3.0", ">=2,<3", False),
        ("3.1", ">3", True),
        ("3.0.0", ">3", False),
        ("3.0.0", "<=3,==3.0", True),
        ("3.0.0", "!=3.0.0", False),
        ("anything", "", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, wanted: str, holds: bool) -> None:
    assert machine._satisfies(version, wanted) is holds


@pytest.mark.parametrize(
    ("wall", "zone", "status", "found"),
    [
        (NOW + 3.0, "", "ok", "2026-11-"),
        (NOW + 3.4, "Europe/Berlin", "ok", "2026-11-"),
        (NOW + 3.4, "CET-1CEST,M3.5.0,M10.5.0/3", "ok", "2026-11-"),
        (NOW + 63.0, "", "warn", "was set by +60.0 s"),
        (NOW - 57.0, "", "warn", "was set by -60.0 s"),
        (NOW + 3.0, "Europe/Nowhere", "warn", "but TZ is 'Europe/Nowhere'"),
    ],
)
def test_a_clock_that_jumps_or_has_no_zone_is_told_of(
    wall: float, zone: str, status: str, found: str
) -> None:
    check = judge_clock(Moment(NOW, 100.0), Moment(wall, 103.0), zone, synchronized=False)
    assert check.status == status
    assert found in check.found
    assert bool(check.advice) == (status == "warn")


def test_a_clock_that_was_never_set_is_told_of() -> None:
    check = judge_clock(Moment(0.0, 1.0), Moment(5.0, 6.0), "", synchronized=False)
    assert (check.status, check.details["synchronized"]) == ("warn", None)
    assert "set the clock" in check.advice


def test_a_clock_that_the_network_sets_is_said_to_be() -> None:
    check = judge_clock(Moment(NOW, 1.0), Moment(NOW + 5.0, 6.0), "", synchronized=True)
    assert "set by the network" in check.found


class Terminal(io.StringIO):
    """A terminal, as rich tells one."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "120"), ("LINES", "40")):
        monkeypatch.setenv(name, value)
    return Terminal()


def look(stderr: io.StringIO, dashboard: bool | None = None) -> Check:
    with contextlib.redirect_stderr(stderr):
        return check_terminal(dashboard)


def test_a_terminal_is_described(terminal: Terminal) -> None:
    check = look(terminal)
    assert (check.status, check.found) == ("ok", "120 by 40, 256 colours, utf-8: dashboard")


def test_a_small_terminal_and_one_without_unicode_are_warned_of(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert "larger" in look(terminal).advice
    assert look(terminal, False).status == "ok"  # nothing is drawn there
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(terminal, "encoding", "ascii")
    assert "ASCII" in look(terminal).advice


def test_without_a_terminal_there_is_no_dashboard(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "is dumb: there is no dashboard" in look(terminal).found
    check = look(io.StringIO())
    assert (check.status, "is no terminal" in check.found) == ("ok", True)
    assert look(io.StringIO(), True).status == "warn"  # it was asked for
