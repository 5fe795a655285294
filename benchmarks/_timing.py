"""What the benchmarks share: cases timed in turn, medians, and plain tables."""

import contextlib
import ctypes
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# As livetag's command sets it; NumPy reads it when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass
class Timing:
    """What each call of one case took, in seconds."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    @property
    def wall_ms(self) -> float:
        return statistics.median(self.wall_s) * 1e3

    @property
    def cpu_ms(self) -> float:
        return statistics.median(self.cpu_s) * 1e3


def take_turns(
    cases: Mapping[str, Callable[[], object]],
    rounds: int,
    cpu_clock: Callable[[], float] = time.thread_time,
    warm_up: int = 20,
    pause_seconds: float = 0.0,
) -> dict[str, Timing]:
    """Call each case once a round, in turn, so that what disturbs the machine disturbs them all.

    A case that answers a `Timing` has timed itself.

    The order is reversed from round to round: no case always finds the caches as the same other
    one left them. With a pause before each call, the caches have gone cold, as they do between
    the windows of a live stream.
    """
    timings = {name: Timing() for name in cases}
    names = list(cases)
    for number in range(warm_up + rounds):
        for name in names if number % 2 == 0 else reversed(names):
            if pause_seconds:
                time.sleep(pause_seconds)
            wall, cpu = time.perf_counter(), cpu_clock()
            result = cases[name]()
            cpu, wall = cpu_clock() - cpu, time.perf_counter() - wall
            if isinstance(result, Timing):
                (wall,), (cpu,) = result.wall_s, result.cpu_s
            if number >= warm_up:
                timings[name].wall_s.append(wall)
                timings[name].cpu_s.append(cpu)
    return timings


def run_commands(*commands: Sequence[str | os.PathLike[str]]) -> Timing:
    """Run commands beside each other until they end; timed as installed, with compiled modules.

    The processor time is that of all their processes. On Linux, a process that outlives a command,
    as the one does that workers are forked from, becomes this one's child, and is waited for.
    Raises `SystemExit` where one fails.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    environment = {key: os.environ[key] for key in os.environ if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as said:
        wall, cpu = time.perf_counter(), children_cpu_s()
        processes = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment)
            for command in commands
        ]
        codes = [process.wait() for process in processes]
        wall = time.perf_counter() - wall
        if any(codes):
            said.seek(0)
            sys.exit(said.read().decode(errors="replace"))
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return Timing([wall], [children_cpu_s() - cpu])


def children_cpu_s() -> float:
    """Seconds of processor time of the children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pin_to_one_core() -> str:
    """Keep this process, and its threads from now on, on one core; say which."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned to a core: this system cannot"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as they need; numbers, and what follows the first column, to the right."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for number, row in enumerate(cells):
        first, *rest = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *rest]).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def verdict(what: str, value: float, goal: float, unit: str = "") -> None:
    """Say whether a figure is at its goal or below."""
    met = "met" if value <= goal else "MISSED"
    print(f"{what}: {value:.2f}{unit} (goal: {goal:g}{unit} or less): {met}")
