"""Each fault of an output, for real: what livetag says of it, and what is lost.

    python reliability/outputs.py [--only NAME]...

Runs `livetag monitor` on a virtual microphone that plays the demo, with a CSV log, a JSON Lines
log, a history, clips and the file that standard output goes to in one folder; makes a fault there
while sounds go on, mends it, and ends livetag. What had to be written is taken from a log that no
fault reaches. Prints a Markdown table, and what was said; ends with 1 where an output lacks or
doubles what it should not, or livetag ends with another code than it should. The small disk needs
root (a tmpfs of 8 MB is mounted), files that may only be read a file system with `chattr +i`; where
these cannot be had, that is said, and they are left out.
"""

import argparse
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr
from _tests import VirtualMicrophone, virtual_microphone
from _written import READERS, Event, event_ends

from livetag.sources.demo import demo_chunks
from livetag.sources.demo_sounds import RATE_HZ

LIVETAG = str(Path(sys.executable).parent / "livetag")
OUTPUTS = {
    "csv": ("csv", "events.csv"),
    "jsonl": ("jsonl", "records.jsonl"),
    "history": ("history", "history.sqlite"),
    "clips": ("clips", "clips"),
    "stdout": ("jsonl", "stdout.jsonl"),
}
FAULT_SECONDS = 12.0
PATIENCE_SECONDS = 40.0


class SkippedError(Exception):
    """A fault that this machine cannot make."""


@dataclass
class Monitor:
    """A livetag that runs, with its outputs in `logs` and a log out of harm's way."""

    process: subprocess.Popen[bytes]
    logs: Path
    safe: Path
    said_in: Path

    @property
    def said(self) -> list[str]:
        """What it said, without the time and its own name."""
        lines = self.said_in.read_text(encoding="utf-8").splitlines()
        return [line.removeprefix("livetag: ").partition(" ")[2] for line in lines]

    def wait_for(self, words: str, times: int = 1) -> None:
        """Wait until it has said something so often."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(words in line for line in self.said) < times:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"not {times} times {words!r}: {self.said}")
            time.sleep(0.05)

    def wait_for_events(self, number: int) -> None:
        """Wait until so many more events have ended."""
        wanted = len(self.events) + number
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.events) < wanted:
            if time.monotonic() > deadline:
                raise RuntimeError(f"nothing is heard: {self.said}")
            time.sleep(0.1)

    @property
    def events(self) -> list[Event]:
        """All that it has heard and that has ended."""
        if not self.safe.exists():
            return []
        return event_ends(self.safe.read_text(encoding="utf-8").splitlines())

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_SECONDS)


@dataclass
class Fault:
    """What a fault came to. `lost`: of each output, how many events are not there, or twice."""

    name: str
    code: int
    heard: int
    lost: dict[str, int]
    said: list[str]
    wrong: list[str] = field(default_factory=list)


def full_disk(monitor: Monitor) -> None:
    """A disk of 8 MB, filled and emptied again."""
    with filled(monitor.logs):
        monitor.wait_for("trying again", 5)
        time.sleep(FAULT_SECONDS)
    monitor.wait_for("is written again", 5)


def full_to_the_end(monitor: Monitor) -> None:
    """The same disk, which stays full."""
    fill(monitor.logs)
    monitor.wait_for("trying again", 5)
    time.sleep(FAULT_SECONDS)


def folder_away(monitor: Monitor) -> None:
    """The folder moved away, and back."""
    away = monitor.logs.with_name("away")
    monitor.logs.rename(away)
    monitor.wait_for("trying again", 4)
    time.sleep(FAULT_SECONDS / 2)
    away.rename(monitor.logs)
    monitor.wait_for("is written again", 4)


def folder_new(monitor: Monitor) -> None:
    """The folder moved away, and another made."""
    monitor.logs.rename(monitor.logs.with_name("away"))
    monitor.wait_for("trying again", 4)
    time.sleep(FAULT_SECONDS / 2)
    (monitor.logs / "clips").mkdir(parents=True)
    monitor.wait_for("is written again", 4)


def rotated(monitor: Monitor) -> None:
    """Each file moved away, as logrotate does it, and livetag not told."""
    away = monitor.logs.with_name("away")
    away.mkdir()
    for path in monitor.logs.iterdir():
        path.rename(away / path.name)
    (monitor.logs / "clips").mkdir()


def read_only(monitor: Monitor) -> None:
    """The files made immutable."""
    files = [path for path in monitor.logs.iterdir() if path.is_file()]
    with immutable([*files, monitor.logs / "clips"]):
        monitor.wait_for("trying again", 5)
        time.sleep(FAULT_SECONDS / 2)
    monitor.wait_for("is written again", 5)


def locked(monitor: Monitor) -> None:
    """The history locked by another program for 20 s."""
    with contextlib.closing(sqlite3.connect(monitor.logs / "history.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(20.0)
        other.rollback()
    monitor.wait_for("is written again")


def locked_to_the_end(monitor: Monitor) -> None:
    """The history locked, and livetag ended."""
    other = sqlite3.connect(monitor.logs / "history.sqlite", check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    monitor.wait_for_events(3)


def pipe_closed(monitor: Monitor) -> None:
    """`livetag monitor | head -1`."""
    assert monitor.process.stdout is not None
    monitor.process.stdout.readline()
    monitor.process.stdout.close()
    monitor.wait_for("was closed: nothing more goes there")
    monitor.wait_for_events(3)


FAULTS: Mapping[str, Callable[[Monitor], None]] = {
    "disk full, then not": full_disk,
    "disk full to the end": full_to_the_end,
    "folder away, and back": folder_away,
    "folder away, a new one": folder_new,
    "files moved away": rotated,
    "files read-only, then not": read_only,
    "history locked for 20 s": locked,
    "history locked to the end": locked_to_the_end,
    "closed pipe": pipe_closed,
}
SMALL_DISK = (full_disk, full_to_the_end)
TO_THE_END = (full_to_the_end, locked_to_the_end)
MAY_LOSE: Mapping[Callable[[Monitor], None], Collection[str]] = {
    full_to_the_end: OUTPUTS,
    locked_to_the_end: ["history"],
    pipe_closed: ["stdout"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", choices=FAULTS)
    names = parser.parse_args().only or list(FAULTS)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        pulse = Path(folder) / "pulse"
        pulse.mkdir()
        with virtual_microphone(pulse) as microphone, played(microphone, Path(folder)):
            for name in names:
                try:
                    found.append(tried(name, microphone))
                except SkippedError as reason:
                    print(f"{name}: left out, {reason}", file=sys.stderr)
    print(f"| fault | events heard | not there, or twice: {' | '.join(OUTPUTS)} | exit |")
    print(f"|---|---|{'---|' * len(OUTPUTS)}---|")
    for fault in found:
        lost = " | ".join(str(fault.lost[output]) for output in OUTPUTS)
        print(f"| {fault.name} | {fault.heard} | {lost} | {fault.code} |")
    for fault in found:
        print(f"\n{fault.name}:")
        wrong = [f"WRONG: {what}" for what in fault.wrong]
        print("\n".join(f"    {line}" for line in [*fault.said, *wrong]))
    return 1 if any(fault.wrong for fault in found) else 0


def tried(name: str, microphone: VirtualMicrophone) -> Fault:
    """Make a fault, and count."""
    make = FAULTS[name]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        logs = folder / "logs"
        logs.mkdir()
        if make in SMALL_DISK:
            stack.enter_context(mounted(logs))
        piped = make is pipe_closed
        monitor = stack.enter_context(started(folder, microphone.environment, piped))
        monitor.wait_for_events(5)
        make(monitor)
        if make not in TO_THE_END:
            monitor.wait_for_events(5)
        code = monitor.end()
        (logs / "filler").unlink(missing_ok=True)  # SQLite needs room to read, too
        fault = Fault(name, code, len(monitor.events), {}, monitor.said[:-1])
        heard = Counter(monitor.events)
        for output, (kind, pattern) in OUTPUTS.items():
            written = []
            for place in (folder / "away", logs):
                if (place / pattern).exists():
                    read = READERS[kind](place, pattern)
                    written += read.events
                    fault.wrong += read.wrong
                    half = read.half + read.closed  # of clips, hidden parts
                    if half and kind != "clips" and make is not full_to_the_end:
                        fault.wrong.append(f"{output}: {half} half lines")
            there = Counter(written)
            missing, more = (heard - there).total(), (there - heard).total()
            fault.lost[output] = missing + more
            if more or (missing and output not in MAY_LOSE.get(make, ())):
                fault.wrong.append(f"{output}: {missing} events are not there, {more} too often")
        if code != (make in TO_THE_END):
            fault.wrong.append(f"it ended with {code}")
    return fault


@contextlib.contextmanager
def started(folder: Path, environment: Mapping[str, str], piped: bool) -> Iterator[Monitor]:
    """Start livetag with all outputs in a folder, and a log beside it."""
    safe, said_in = folder / "safe.jsonl", folder / "stderr"
    tables = ["threshold = 0.1", "hold_seconds = 0.5", "json = true", "dashboard = false"]
    tables += ["[[sink]]", 'kind = "jsonl"', f'path = "{safe}"']
    for output, (kind, pattern) in OUTPUTS.items():
        if output != "stdout":
            tables += ["[[sink]]", f'kind = "{kind}"', f'path = "{folder / "logs" / pattern}"']
    tables += ["alerts_only = false", 'format = "flac"', "pre_roll_seconds = 0.0"]
    tables += ["post_roll_seconds = 0.0", "max_seconds = 0.5"]
    config = folder / "livetag.toml"
    config.write_text("\n".join([*tables, ""]), encoding="utf-8")
    printed = folder / "logs" / OUTPUTS["stdout"][1]
    with said_in.open("wb") as said, printed.open("wb") as stdout:
        process = subprocess.Popen(
            [LIVETAG, "monitor", "--config", str(config)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else stdout,
            stderr=said,
        )
    try:
        yield Monitor(process, folder / "logs", safe, said_in)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextlib.contextmanager
def played(microphone: VirtualMicrophone, folder: Path) -> Iterator[None]:
    """The demo, over and over, before the microphone."""
    path = folder / "demo.wav"
    demo = np.tile(np.concatenate(list(demo_chunks())), 20)
    soundfile.write(path, soxr.resample(demo, RATE_HZ, 48_000), 48_000, "PCM_16")
    with microphone.playing(path):
        yield


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A disk of 8 MB."""
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    run(command)
    try:
        yield
    finally:
        run(["umount", str(folder)])


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    fill(folder)
    yield
    (folder / "filler").unlink()


def fill(folder: Path) -> None:
    """Leave no byte free on a disk."""
    descriptor = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(descriptor, bytes(4_096)):
            pass
    os.close(descriptor)


@contextlib.contextmanager
def immutable(paths: list[Path]) -> Iterator[None]:
    run(["chattr", "+i", *map(str, paths)])
    try:
        yield
    finally:
        run(["chattr", "-i", *map(str, paths)])


def run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SkippedError(f"{command[0]}: {getattr(error, 'stderr', b'') or error!r}") from error


if __name__ == "__main__":
    sys.exit(main())
