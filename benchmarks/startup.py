"""From the start of the process to the first window ready to run.

Each run is `livetag monitor` in a process of its own, which notes the time at four places: its
first line, livetag imported, everything open (model loaded and allocated, source open: the
pipeline starts), and the first window ready (at the network's door, its features computed). The
notes are taken around livetag's own functions, from outside. With a recording, replayed fast, all
four count; with the microphone the first window has to be waited for, and "everything open" is the
figure. `import tensorflow` and nothing else, in the same run, is what livetag is compared with.

    python benchmarks/startup.py [--rounds N] [--microphone] [--no-tensorflow]

The files are in the system's cache: a first round is run and left out. Goal: 0.7 s or less.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _monitor import write_demo
from _timing import print_table, verdict

GOAL_SECONDS = 0.7
ONE_WINDOW_SECONDS = 0.975
STAGES = ("first line of Python", "livetag imported", "everything open", "first window ready")

_NOTE_TIMES = """
import os, sys, time
notes = int(sys.argv.pop(1))
def note(name):
    os.write(notes, f"{name}={time.monotonic()}\\n".encode())
note("first line of Python")
from livetag.cli import main
import livetag.config, livetag.monitor, livetag.yamnet.compile
from livetag.yamnet.classifier import LiteRTClassifier
note("livetag imported")
analyze, score = livetag.monitor.analyze, LiteRTClassifier.__call__
def noted_analyze(*arguments):
    note("everything open")
    return analyze(*arguments)
def noted_score(*arguments):
    note("first window ready")
    LiteRTClassifier.__call__ = score
    return score(*arguments)
livetag.monitor.analyze, LiteRTClassifier.__call__ = noted_analyze, noted_score
sys.exit(main())
"""
_IMPORT_TENSORFLOW = """
import os, sys, time
import tensorflow
os.write(int(sys.argv[1]), f"imported={time.monotonic()}\\n".encode())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--microphone", action="store_true", help="open the default microphone")
    parser.add_argument("--no-tensorflow", action="store_true", help="leave the comparison out")
    options = parser.parse_args()
    runs: list[dict[str, float]] = []
    tensorflow: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "one_window.wav"
        write_demo(wav, ONE_WINDOW_SECONDS)
        source = ["--input", str(wav), "--fast"]
        if options.microphone:
            source = ["--duration", str(ONE_WINDOW_SECONDS)]
        arguments = ["monitor", "--no-dashboard", *source]
        command = [sys.executable, "-m", "livetag", *arguments]
        for number in range(options.rounds + 1):
            noted = start_noting(_NOTE_TIMES, *arguments)
            noted["whole process"] = seconds_of(command)
            if number:
                runs.append(noted)
            if not options.no_tensorflow and number:
                tensorflow.append(start_noting(_IMPORT_TENSORFLOW)["imported"])
    report(runs, tensorflow, options.microphone)


def start_noting(code: str, *arguments: str) -> dict[str, float]:
    """Seconds from the start of the process to each of its notes."""
    reader, writer = os.pipe()
    began = time.monotonic()  # the same clock in every process
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(writer), *arguments],
        pass_fds=(writer,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    _, said = process.communicate()
    with os.fdopen(reader) as notes:
        noted = dict(line.rstrip().split("=") for line in notes)
    if process.returncode != 0:
        sys.exit(f"it ended with status {process.returncode}: {said}")
    return {name: float(at) - began for name, at in noted.items()}


def seconds_of(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - began


def report(runs: list[dict[str, float]], tensorflow: list[float], microphone: bool) -> None:
    rows: list[tuple[object, ...]] = []
    before = 0.0
    for name in STAGES:
        seconds = [run[name] for run in runs]
        median = statistics.median(seconds)
        rows.append((name, median, median - before, min(seconds), max(seconds)))
        before = median
    whole = [run["whole process"] for run in runs]
    rows.append(("whole process, one window", statistics.median(whole), "", min(whole), max(whole)))
    if tensorflow:
        median = statistics.median(tensorflow)
        rows.append(("import tensorflow", median, "", min(tensorflow), max(tensorflow)))
    what = "the microphone" if microphone else "a recording, as fast as it goes"
    print(f"Seconds since the process was started, {what}, medians of {len(runs)} runs:\n")
    print_table(("", "median", "stage", "best", "worst"), rows)
    print()
    stage = STAGES[2] if microphone else STAGES[3]
    ready = statistics.median(run[stage] for run in runs)
    verdict(f"process start to {stage!r}", ready, GOAL_SECONDS, " s")
    if tensorflow:
        ratio = ready / statistics.median(tensorflow)
        print(f"as a share of `import tensorflow`: {ratio:.2f}")


if __name__ == "__main__":
    main()
