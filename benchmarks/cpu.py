"""The processor time that `livetag monitor` takes, thread by thread, as a share of one core.

The monitor runs at its default hop with the dashboard drawn to a terminal of 80 by 24, then the
same with the spectrogram on it, then without a dashboard. After a warm-up, the kernel's account of
each thread (schedstat, in nanoseconds) is read at the start and at the end.

    python benchmarks/cpu.py [--seconds N] [--rounds N] [--demo | --input FILE]

The source is the default microphone; or the demo, over and over at 48 kHz, or a recording, both
replayed in real time. Linux only: it reads /proc. Goal: 4 % of one core or less.

Threads without a name of Python's keep the process's: PortAudio's callback is such a one.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from _monitor import Running, monitor, write_demo
from _timing import print_table, verdict

GOAL_PERCENT = 4.0
WARM_UP_SECONDS = 5.0
MODES = {
    "dashboard": ("--dashboard", "--no-spectrogram"),
    "spectrogram": ("--dashboard", "--spectrogram"),
    "no dashboard": ("--no-dashboard",),
}
ALL = "all threads"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="to measure each for")
    parser.add_argument("--rounds", type=int, default=1, help="of all, in turn")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--demo", action="store_true", help="replay the demo, over and over")
    source.add_argument("--input", type=Path, metavar="FILE", help="a recording, long enough")
    options = parser.parse_args()
    shares: dict[str, list[dict[str, float]]] = {mode: [] for mode in MODES}
    drawn: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        recording = options.input
        if options.demo:
            recording = Path(folder) / "demo.wav"
            write_demo(recording, options.seconds + WARM_UP_SECONDS + 10.0)
        arguments = [] if recording is None else ["--input", str(recording)]
        for _ in range(options.rounds):
            for mode, chosen in MODES.items():
                with monitor(*chosen, *arguments) as running:
                    shares[mode].append(measure(running, options.seconds))
                    if "--dashboard" in chosen:
                        drawn.append(running.drawn_bytes)
    what = recording.name if recording else "the default microphone"
    print(f"livetag monitor on {what}, {options.seconds:g} s each, % of one core:\n")
    report(shares)
    if not all(drawn):
        print("\nno dashboard was drawn: is this terminal dumb?")


def measure(running: Running, seconds: float) -> dict[str, float]:
    """Percent of one core for each thread, by name."""
    running.wait(WARM_UP_SECONDS)
    began, before = time.monotonic(), thread_seconds(running.pid)
    running.wait(seconds)
    lasted, after = time.monotonic() - began, thread_seconds(running.pid)
    shares = {name: 100.0 * (used - before.get(name, 0.0)) / lasted for name, used in after.items()}
    return {**shares, ALL: sum(shares.values())}


def thread_seconds(pid: int) -> dict[str, float]:
    """Seconds on a processor of each thread of a process; those of one name together."""
    seconds: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if int(task.name) == pid:
            name = "main"
        elif name.startswith("python"):
            name = "without a name"
        nanoseconds = int((task / "schedstat").read_text().split()[0])
        seconds[name] = seconds.get(name, 0.0) + nanoseconds * 1e-9
    return seconds


def report(shares: dict[str, list[dict[str, float]]]) -> None:
    names = list(dict.fromkeys(name for runs in shares.values() for run in runs for name in run))
    names.sort(key=lambda name: name == ALL)
    median = {
        mode: {name: statistics.median(run.get(name, 0.0) for run in runs) for name in names}
        for mode, runs in shares.items()
    }
    print_table(
        ("thread", *MODES),
        [(name, *(f"{median[mode][name]:.2f}" for mode in MODES)) for name in names],
    )
    print()
    for mode in ("dashboard", "spectrogram"):
        verdict(f"with the {mode}", median[mode][ALL], GOAL_PERCENT, " %")
    ratio = median["spectrogram"][ALL] / median["dashboard"][ALL]
    print(f"with the spectrogram, to without it: {ratio:.2f}")


if __name__ == "__main__":
    main()
