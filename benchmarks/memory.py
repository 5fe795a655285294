"""Peak memory of `livetag monitor`, its dashboard drawn to a terminal of 80 by 24.

What is measured is the resident set's high-water mark as the kernel keeps it (VmHWM): it counts
the libraries' code, too, which processes share. The table shows how the resident set grows.

    python benchmarks/memory.py [--duration SECONDS] [--microphone | --input FILE]

Without a source, a recording of the demo, over and over at 48 kHz, is replayed in real time.
Linux only: it reads /proc. Goal: 150 MB or less.
"""

import argparse
import tempfile
from pathlib import Path

from _monitor import Running, monitor, write_demo
from _timing import print_table, verdict

GOAL_MB = 150.0
START_SECONDS = 2.0
ROWS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--duration", type=float, default=300.0, metavar="SECONDS")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--microphone", action="store_true", help="the default microphone")
    source.add_argument("--input", type=Path, metavar="FILE", help="a recording, long enough")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        if not options.microphone:
            recording = options.input
            if recording is None:
                recording = Path(folder) / "demo.wav"
                write_demo(recording, options.duration + 10.0)
            arguments = ["--input", str(recording)]
        with monitor(*arguments) as running:
            samples = follow(running, options.duration)
    what = "the microphone" if options.microphone else options.input or "the demo"
    print(f"livetag monitor on {what}, MB:\n")
    print_table(("after s", "peak", "resident", "its own", "of files", "drawn kB"), samples)
    print()
    verdict(f"peak over {options.duration:g} s", samples[-1][1], GOAL_MB, " MB")


def follow(running: Running, seconds: float) -> list[tuple[int, float, float, float, float, int]]:
    """What the kernel says of the process, at moments spread evenly over the time."""
    samples = []
    at = START_SECONDS
    running.wait(at)
    step = (seconds - START_SECONDS) / (ROWS - 1)
    for number in range(ROWS):
        if number:
            running.wait(step)
            at += step
        running.check()
        status = memory_mb(running.pid)
        samples.append(
            (
                round(at),
                status["VmHWM"],
                status["VmRSS"],
                status["RssAnon"],
                status["RssFile"] + status["RssShmem"],
                running.drawn_bytes // 1_000,
            )
        )
    return samples


def memory_mb(pid: int) -> dict[str, float]:
    """The sizes in /proc/PID/status, in MB of a million bytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {
        name: int(value.split()[0]) * 1_024 / 1e6
        for name, value in fields.items()
        if value.endswith(" kB")
    }


if __name__ == "__main__":
    main()
