"""livetag killed at random moments: what is in each of its outputs then, and what is not.

    python reliability/kills.py [100] [--seed 1] [--jobs 2]

Each run hears pieces of the demo and writes every kind of output at once, one of them with a new
file each hour and one with a new file every 20 kB, and is ended by SIGKILL at a random moment: of
its start, or of its writing. A third of the runs replays them as fast as it can, which makes a
hundred events a second, a third in real time, and to a third they are played through a virtual
microphone, which has each record on the disk before the next. Then

- every file is read: by csv, json, SQLite (with its integrity check) and libsndfile;
- what is there is compared with the events that had ended on standard output: each has to be in
  every file, once and in order, but for those printed in the last moment before the kill;
- livetag is started again with the same outputs, and has to add to all of them.

Prints a Markdown table, and ends with 1 if anything is wrong. Nothing here cuts the power: what
that may take stands in docs/interface.md.
"""

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from _tests import VirtualMicrophone, missing, virtual_microphone
from _written import READERS, Event, Written, event_ends

from livetag.sources.demo import demo_chunks
from livetag.sources.demo_sounds import RATE_HZ

LIVETAG = str(Path(sys.executable).parent / "livetag")
OUTPUTS = {
    "csv": ("csv", "events.csv"),
    "csv, by the hour": ("csv", "hour-*.csv"),
    "jsonl": ("jsonl", "records.jsonl"),
    "jsonl, by size": ("jsonl", "sized*.jsonl"),
    "dcase": ("dcase", "events.txt"),
    "audacity": ("audacity", "labels.txt"),
    "raven": ("raven", "selections.txt"),
    "history": ("history", "history.sqlite"),
    "clips": ("clips", "clips"),
}
ONE_STREAM = ("audacity", "raven")
"""A second run may not add to these."""
MOMENT_S = 0.3
"""An event may be printed, and not yet written; the machine does much else at the same time."""
MINUTES = 20
POST_ROLL_S = 0.5
FAST, PACES = "full speed", ("full speed", "real time", "microphone")
CLIP_MOMENT_S = {FAST: 3.0}
"""At full speed, a minute of audio may wait for the disk. Otherwise, a clip is complete when its
post-roll, and a window after it, are heard."""
FIRST_KILL_S, LAST_KILL_S = 0.3, {FAST: 4.0}


@dataclass
class Kill:
    """One run that was killed: its outputs at once, and after another run."""

    pace: str
    printed: list[tuple[float, Event]]
    """Seconds before the kill, and the event."""
    outputs: dict[str, Written]
    lost: dict[str, list[float]]
    """Of each output: for each event that is not there, how long before the kill it was printed."""
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """Of which output, and what."""

    @property
    def events(self) -> list[Event]:
        return [found for _, found in self.printed]


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("kills", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="that many at a time")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        recording = folder / "demo.wav"
        write_recording(recording, MINUTES)
        microphone = None
        if without := missing():
            print(f"no microphone: {without} is missing", file=sys.stderr)
        else:
            (folder / "pulse").mkdir()
            microphone = stack.enter_context(virtual_microphone(folder / "pulse"))
        pool = stack.enter_context(ThreadPoolExecutor(options.jobs))
        kills = list(
            pool.map(
                lambda n: kill(n, options.seed, recording, microphone=microphone),
                range(options.kills),
            )
        )
    report(kills)
    return 1 if any(found.wrong for found in kills) else 0


def write_recording(path: Path, minutes: int) -> None:
    """The demo over and over, cut into pieces of 1.5 s, which come in any order: many events."""
    demo = np.concatenate(list(demo_chunks()))
    pieces = demo.reshape(-1, round(1.5 * RATE_HZ))
    order = np.random.default_rng(1)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
        for _ in range(minutes):
            file.write(order.permutation(pieces).ravel())


def kill(
    number: int,
    seed: int,
    recording: Path,
    least_lines: int = 0,
    microphone: VirtualMicrophone | None = None,
) -> Kill:
    """Run livetag, kill it, read what it left; run it again, and read that.

    `least_lines`: it is not killed before it has printed so many.
    """
    chance = random.Random(f"{seed} {number}")
    pace = PACES[number % (2 if microphone is None else 3)]
    # The recording's fourth minute is another hour's.
    replayed = ["--input", str(recording), "--since", "2026-11-22T07:57:00"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = chance.uniform(FIRST_KILL_S, LAST_KILL_S.get(pace, 10.0))
        if pace == "microphone" and microphone is not None:
            with microphone.playing(recording):
                arguments = command(folder, OUTPUTS)
                printed = killed(arguments, seconds, least_lines, microphone.environment)
        else:
            fast = ["--fast"] * (pace == FAST)
            printed = killed(command(folder, OUTPUTS, *replayed, *fast), seconds, least_lines)
        outputs = read(folder, OUTPUTS)
        found = Kill(pace, printed, outputs, {})
        for output, written in outputs.items():
            found.lost[output] = not_written(printed, written)
            found.wrong += [(output, what) for what in faults(output, found)]
        others = [output for output in OUTPUTS if output not in ONE_STREAM]
        arguments = command(folder, others, *replayed, "--fast", "--duration", "20")
        done = subprocess.run(arguments, capture_output=True, check=False, timeout=120)
        if done.returncode:
            found.wrong.append(("all", f"started again: {done.stderr.decode().strip()}"))
        more = event_ends(done.stdout.decode().splitlines())
        for output, written in read(folder, others).items():
            if Counter(written.events) != Counter(outputs[output].events + more) or written.wrong:
                found.wrong.append((output, f"started again: {written.wrong or 'other events'}"))
            if output != "clips" and written.half + written.closed:
                found.wrong.append((output, "started again: half lines"))
    return found


def command(folder: Path, outputs: Collection[str], *more: str) -> list[str]:
    """What runs livetag with these outputs."""
    tables = ["threshold = 0.1", "hold_seconds = 0.5"]
    for output in outputs:
        kind, pattern = OUTPUTS[output]
        path = pattern.replace("hour-*", "hour-%H").replace("*", "")
        tables += ["[[sink]]", f'kind = "{kind}"', f'path = "{folder / path}"']
        if "by size" in output:
            tables.append("max_megabytes = 0.02")
        if kind == "clips":
            tables += ["alerts_only = false", f"post_roll_seconds = {POST_ROLL_S}"]
    config = folder / "livetag.toml"
    config.write_text("\n".join([*tables, ""]), encoding="utf-8")
    return [LIVETAG, "monitor", "--config", str(config), "--json", "--no-dashboard", *more]


def killed(
    arguments: Sequence[str],
    seconds: float,
    least_lines: int,
    environment: Mapping[str, str] | None = None,
) -> list[tuple[float, Event]]:
    """Kill a command after so long: the events it printed, and how long before the kill."""
    lines: list[tuple[float, str]] = []

    def follow() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append((time.monotonic(), line))  # noqa: PERF401 - as they come

    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        reader = threading.Thread(target=follow)
        reader.start()
        time.sleep(seconds)
        while len(lines) < least_lines and process.poll() is None:
            time.sleep(0.01)
        at = time.monotonic()
        process.kill()
        reader.join()
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError("livetag ended by itself")
    whole = [(at - printed, line) for printed, line in lines if line.endswith("\n")]
    return [(before, found) for before, line in whole for found in event_ends([line])]


def read(folder: Path, outputs: Collection[str]) -> dict[str, Written]:
    found = {}
    for output in outputs:
        kind, pattern = OUTPUTS[output]
        found[output] = READERS[kind](folder, pattern)
    return found


def not_written(printed: Sequence[tuple[float, Event]], written: Written) -> list[float]:
    """How long before the kill the events were printed that are not in an output."""
    there = set(written.events)
    return [before for before, found in printed if found not in there]


def faults(output: str, found: Kill) -> Iterator[str]:
    """What no kill may do to an output."""
    written = found.outputs[output]
    yield from written.wrong
    if written.closed:
        yield f"{written.closed} lines are no records"
    if written.half > (2 if output == "clips" else 1):  # a clip is a sound and a sidecar
        yield f"{written.half} half lines or files"
    if len(set(written.events)) < len(written.events):
        yield "an event is there twice"
    common = min(len(written.events), len(found.printed))
    if output != "clips" and written.events[:common] != found.events[:common]:
        yield "events are missing between others"
    clip_moment_s = CLIP_MOMENT_S.get(found.pace, POST_ROLL_S + 1.5)
    moment = clip_moment_s if output == "clips" else MOMENT_S
    if late := [before for before in found.lost[output] if before > moment]:
        yield f"{len(late)} events, up to {max(late):.2f} s before the kill, are missing"


def report(kills: Sequence[Kill]) -> None:
    print("| kills | output | printed | of them there | others printed at most | half | wrong |")
    print("|---|---|---|---|---|---|---|")
    for pace in PACES:
        some = [found for found in kills if found.pace == pace]
        for output in OUTPUTS:
            lost = [before for found in some for before in found.lost[output]]
            printed = sum(len(found.printed) for found in some)
            row = [
                f"{len(some)}, {pace}",
                output,
                printed,
                printed - len(lost),
                f"{max(lost) * 1e3:.0f} ms before" if lost else "-",
                sum(found.outputs[output].half for found in some),
                sum(of == output for found in some for of, _ in found.wrong),
            ]
            print("|", " | ".join(map(str, row)), "|")
    for number, found in enumerate(kills):
        for output, what in found.wrong:
            print(f"\nkill {number}: {output}: {what}")


if __name__ == "__main__":
    sys.exit(main())
