"""How many real recordings a running monitor names, and how soon.

Plays the recordings of a folder, one after another, into a virtual microphone (`paplay` into a
PulseAudio null sink, whose monitor livetag records from) while `livetag monitor --json` runs, and
reads the lines that it writes. A recording is named if an event of one of its labels starts
between one window before the recording's start and one second after its end. The pause after each
is longer than the default hold, so that events end in it.

    python benchmarks/esc10.py FOLDER [--labels FILE] [--sink NAME] [--limit N] [--hop SECONDS]
        [--threshold SCORE]

FILE (FOLDER/labels.csv) has the columns file, category and yamnet_labels, several separated by
`|`. A null sink that does for it: `pactl load-module module-null-sink sink_name=vmic`. Eighty
recordings of five seconds take fourteen minutes.

Delays count from when `paplay` is started, which takes some hundredths of a second itself:

- line: until the first line that names the recording came out of livetag;
- event: until that event's own start, the sound's onset as livetag sees it;
- after window: from the end of the last window before the line to the line. This is livetag's own
  delay, whenever in the recording the sound comes, if it is shorter than a hop.
"""

import argparse
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import soundfile
from _timing import print_table

from livetag.detector import ONSET_HEARD_SECONDS
from livetag.yamnet.params import Params

WINDOW_SECONDS = Params().window_seconds
PAUSE_SECONDS = 5.0
AFTER_END_SECONDS = 1.0
OPENING_SECONDS = 30.0


@dataclass
class Clip:
    """A recording, the labels that name it, and when it was played."""

    path: Path
    category: str
    labels: list[str]
    seconds: float
    played_at: float = 0.0


@dataclass
class Line:
    """A line of livetag's, and when it came."""

    record: dict[str, Any]
    arrived_at: float

    @property
    def event_at(self) -> float:
        return datetime.fromisoformat(self.record["time"]).timestamp()

    @property
    def key(self) -> tuple[str, float]:
        """What an event's start and its end have in common."""
        return self.record["label"], self.record["start_s"]


@dataclass
class Outcome:
    """What was heard while one clip was played."""

    clip: Clip
    naming: Line | None
    hop_s: float
    heard: dict[str, float] = field(default_factory=dict)
    """Labels of the events that started, with the highest score of each."""

    @property
    def line_s(self) -> float:
        return self.naming.arrived_at - self.clip.played_at if self.naming else float("nan")

    @property
    def event_s(self) -> float:
        return self.naming.event_at - self.clip.played_at if self.naming else float("nan")

    @property
    def after_window_s(self) -> float:
        first_window_s = self.event_s + ONSET_HEARD_SECONDS + self.hop_s / 2
        return (self.line_s - first_window_s) % self.hop_s


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=Path, metavar="FILE", help="FOLDER/labels.csv")
    parser.add_argument("--sink", default="vmic", metavar="NAME", help="PulseAudio null sink")
    parser.add_argument("--limit", type=int, metavar="N", help="so many, spread over the list")
    parser.add_argument("--hop", type=float, help="livetag's --hop")
    parser.add_argument("--threshold", type=float, help="livetag's --threshold")
    options = parser.parse_args()
    clips = read_clips(options.folder, options.labels or options.folder / "labels.csv")
    if options.limit:
        clips = clips[:: max(1, len(clips) // options.limit)][: options.limit]
    hop = [] if options.hop is None else ["--hop", str(options.hop)]
    threshold = [] if options.threshold is None else ["--threshold", str(options.threshold)]
    with tempfile.TemporaryFile("w+") as said:
        with listening(options.sink, [*hop, *threshold], said) as lines:
            for number, clip in enumerate(clips, start=1):
                print(f"\r{number} of {len(clips)} ", end="", file=sys.stderr, flush=True)
                play(clip, options.sink)
        print(file=sys.stderr)
        said.seek(0)
        print(said.read().strip())
    hop_s = options.hop or Params().patch_hop_seconds
    outcomes = [outcome_of(clip, lines, hop_s) for clip in clips]
    report(outcomes)
    report_missed([outcome for outcome in outcomes if not outcome.naming], hop)


def read_clips(folder: Path, labels: Path) -> list[Clip]:
    with labels.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        Clip(
            folder / row["file"],
            row["category"],
            row["yamnet_labels"].split("|"),
            soundfile.info(folder / row["file"]).duration,
        )
        for row in rows
    ]


@contextmanager
def listening(sink: str, options: Sequence[str], said: IO[str]) -> Iterator[list[Line]]:
    """A monitor that records from the sink; the list fills with its lines as they come."""
    lines: list[Line] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "livetag", "monitor", "--json", "--no-dashboard", *options],
        env={**os.environ, "PULSE_SOURCE": f"{sink}.monitor"},
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
    )
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        wait_until_recording(sink, process)
        yield lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15.0)
        reader.join(5.0)


def _read(stdout: IO[str], lines: list[Line]) -> None:
    for text in stdout:
        arrived_at = time.time()
        lines.append(Line(json.loads(text), arrived_at))


def wait_until_recording(sink: str, process: "subprocess.Popen[str]") -> None:
    """Raises `RuntimeError` where nothing starts to record from the sink."""
    until = time.monotonic() + OPENING_SECONDS
    while time.monotonic() < until and process.poll() is None:
        sources = subprocess.run(
            ["pactl", "list", "short", "sources"], check=True, capture_output=True, text=True
        ).stdout
        for line in sources.splitlines():
            if f"\t{sink}.monitor\t" in line and line.endswith("RUNNING"):
                time.sleep(PAUSE_SECONDS)  # the first audio takes a while to come
                return
        time.sleep(0.2)
    raise RuntimeError(f"livetag does not record from {sink}: is there such a sink?")


def play(clip: Clip, sink: str) -> None:
    """Play a clip, and give its events the time to end."""
    clip.played_at = time.time()
    subprocess.run(["paplay", f"--device={sink}", "--latency-msec=50", str(clip.path)], check=True)
    rest = clip.played_at + clip.seconds + PAUSE_SECONDS - time.time()
    time.sleep(max(0.0, rest))


def outcome_of(clip: Clip, lines: list[Line], hop_s: float) -> Outcome:
    first = clip.played_at - WINDOW_SECONDS
    last = clip.played_at + clip.seconds + AFTER_END_SECONDS
    starts = [
        line
        for line in lines
        if line.record["type"] == "event_start" and first <= line.event_at <= last
    ]
    peaks = {
        line.key: line.record["peak_score"] for line in lines if line.record["type"] == "event_end"
    }
    heard: dict[str, float] = {}
    for line in starts:
        if line.event_at > clip.played_at + clip.seconds:  # the pause already
            continue
        label = line.record["label"]
        peak = peaks.get(line.key, line.record["score"])
        heard[label] = max(heard.get(label, 0.0), peak)
    naming = (line for line in starts if line.record["label"] in clip.labels)
    return Outcome(clip, next(naming, None), hop_s, heard)


def report(outcomes: list[Outcome]) -> None:
    by_category: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_category.setdefault(outcome.clip.category, []).append(outcome)
    rows = [row_of(category, group) for category, group in by_category.items()]
    print("\nRecordings named by one of their labels, and delays in seconds:\n")
    print_table(
        (
            "category",
            "clips",
            "named",
            "line median",
            "worst",
            "event median",
            "worst",
            "after window median",
            "worst",
        ),
        [*rows, row_of("all", outcomes)],
    )
    named = sum(outcome.naming is not None for outcome in outcomes)
    print(f"\n{named} of {len(outcomes)} named: {named / len(outcomes):.1%}")


def row_of(name: str, group: list[Outcome]) -> tuple[object, ...]:
    named = [outcome for outcome in group if outcome.naming]
    figures: list[object] = []
    for delays in (
        [outcome.line_s for outcome in named],
        [outcome.event_s for outcome in named],
        [outcome.after_window_s for outcome in named],
    ):
        figures += [statistics.median(delays), max(delays)] if delays else ["-", "-"]
    return (name, len(group), len(named), *figures)


def report_missed(missed: list[Outcome], hop: list[str]) -> None:
    """What was heard instead, and how high the clip's own labels get when read from the file."""
    if not missed:
        return
    print("\nNot named:\n")
    for outcome in missed:
        heard = sorted(outcome.heard.items(), key=lambda item: -item[1])
        instead = ", ".join(f"{label} {peak:.2f}" for label, peak in heard) or "nothing"
        label, best = best_of_file(outcome.clip, hop)
        print(f"{outcome.clip.path.parent.name}/{outcome.clip.path.name}")
        print(f"    from the file, its own best label: {label} {best:.2f}")
        print(f"    heard instead: {instead}")


def best_of_file(clip: Clip, hop: list[str]) -> tuple[str, float]:
    """The highest score of the clip's own labels in any of the file's windows."""
    done = subprocess.run(
        [sys.executable, "-m", "livetag", "classify", "--frames", *hop, str(clip.path)],
        check=True,
        capture_output=True,
        text=True,
    )
    rows = csv.DictReader(done.stdout.splitlines())
    scores = [(float(row["score"]), row["label"]) for row in rows if row["label"] in clip.labels]
    score, label = max(scores)
    return label, score


if __name__ == "__main__":
    main()
