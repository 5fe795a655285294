"""The ground that livetag stands on: Python, its packages, the clock."""

import importlib.metadata
import os
import platform
import re
import sys
import time
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from livetag.clocks import continuous
from livetag.doctor.check import Check, judged
from livetag.version import __version__

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(.*)")
_BOUND = re.compile(r"(>=|<=|==|!=|>|<)\s*([0-9.]+)")
_COMPILER = "tensorflow"  # needed for the first start alone: some remove it afterwards
_OLDEST_YEAR = 2024
_STEP_SECONDS = 0.5
_ZONE = re.compile(r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+")
_SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")


def check_python() -> Check:
    """The interpreter, and the system that it runs on."""
    details = {
        "livetag": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
    }
    found = f"{details['implementation']} {details['python']} on {details['platform']}"
    wanted = _distribution_wants_python()
    if _satisfies(details["python"], wanted):
        return Check("python", "ok", found, details=details)
    return Check("python", "fail", found, f"livetag needs Python {wanted}", details)


def _distribution_wants_python() -> str:
    try:
        return importlib.metadata.metadata("livetag")["Requires-Python"] or ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def check_packages() -> Check:
    """Whether what livetag requires is installed. Nothing is imported: TensorFlow takes seconds."""
    try:
        requirements = importlib.metadata.requires("livetag") or []
    except importlib.metadata.PackageNotFoundError:
        found = "livetag itself is not installed: what it requires is not known"
        return Check("packages", "warn", found, "install it, with `pip install .` in its folder")
    return judge_packages(requirements)


def judge_packages(requirements: Iterable[str]) -> Check:
    """Look for packages, each as in `numpy>=2.0`; those of extras do not matter."""
    versions: dict[str, str | None] = {}
    missing: list[str] = []
    failures: list[str] = []
    warnings: list[str] = []
    for requirement in requirements:
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None or ";" in requirement:
            continue
        name, wanted = match.groups()
        versions[name] = version = _version(name)
        if version is not None and _satisfies(version, wanted):
            continue
        missing.append(f"{name} is missing" if version is None else f"{name} is {version}")
        only_compiles = name == _COMPILER and version is None
        advice = f"{sys.executable} -m pip install '{name}{wanted}'"
        if only_compiles:
            advice += " (only to compile the model: not needed once that is done)"
        (warnings if only_compiles else failures).append(advice)
    found = ", ".join(missing) or f"all {len(versions)} are there"
    return judged("packages", found, {"versions": versions}, warnings, failures)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _satisfies(version: str, wanted: str) -> bool:
    """Whether a version is within bounds like `>=2.0,<3`, compared by its leading numbers."""
    have = _numbers(version)
    for sign, bound in _BOUND.findall(wanted):
        limit = _numbers(bound)
        length = max(len(have), len(limit))
        ours, theirs = (n + (0,) * (length - len(n)) for n in (have, limit))
        holds = {
            ">=": ours >= theirs,
            "<=": ours <= theirs,
            ">": ours > theirs,
            "<": ours < theirs,
            "==": ours == theirs,
            "!=": ours != theirs,
        }
        if not holds[sign]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


@dataclass(frozen=True)
class Moment:
    """The same moment on the wall clock, in UNIX seconds, and on one that is never set."""

    wall: float
    continuous: float

    @classmethod
    def now(cls) -> "Moment":
        return cls(time.time(), continuous())


def check_clock(began: Moment) -> Check:
    """How the clock is, and whether it was set since `began`."""
    return judge_clock(began, Moment.now(), os.environ.get("TZ", ""), _SYNCHRONIZED.exists())


def judge_clock(began: Moment, now: Moment, zone: str, synchronized: bool) -> Check:
    """`zone`: the variable TZ. `synchronized`: the system says that the network sets its clock."""
    local = datetime.fromtimestamp(now.wall).astimezone()
    passed = now.continuous - began.continuous
    step = now.wall - began.wall - passed
    found = f"{local.isoformat(sep=' ', timespec='seconds')}, {local.tzname()}"
    found += ", set by the network" if synchronized else ""
    details = {
        "time": local.isoformat(timespec="milliseconds"),
        "zone": local.tzname(),
        "synchronized": True if synchronized else None,
        "watched_seconds": round(passed, 3),
        "step_seconds": round(step, 4),
    }
    warnings = []
    if local.year < _OLDEST_YEAR:
        warnings.append("set the clock: events carry its time, and `hours` of rules go by it")
    if abs(step) > _STEP_SECONDS:
        found += f", was set by {step:+.1f} s just now"
        warnings.append("what sets the clock? Times jump, and two such programs fight")
    if _ZONE.fullmatch(zone) and sys.platform != "win32" and not _is_known(zone):
        found += f", but TZ is {zone!r}"
        warnings.append("there is no such time zone here, so UTC is taken: install tzdata")
    return judged("clock", found, details, warnings)


def _is_known(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
