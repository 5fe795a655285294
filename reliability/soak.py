"""The real monitor on a virtual microphone for hours, with faults at random.

    python reliability/soak.py [--hours 2] [--seed 1] [--calm 60]

Runs `livetag monitor` with its dashboard on a terminal and every log there is, while pink noise and
now and then a smoke alarm are played into the microphone. After a calm time of up to `--calm`
seconds comes a fault: the sound server stalls or dies and is started again, the microphone is
muted, livetag itself is stopped, the processors are kept busy, the logs' folder is away, the
history is locked, or SIGHUP has the configuration read again. Each minute a row of a Markdown table
tells the memory, the threads and the file handles of the monitor.

It fails where memory grows by more than one percent after the first hour (in a shorter run: after
a third of it), threads or handles become more, the record's seconds are not those of the clock, an
alarm that was played in a calm time is missing, or a log lacks what another one has.
"""

import argparse
import contextlib
import csv
import fcntl
import itertools
import json
import os
import pty
import random
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import soundfile
from _tests import SINK, VirtualMicrophone, virtual_microphone

from livetag.audio.reader import AudioReader
from livetag.resources import ASSETS_DIR
from livetag.sources.demo_sounds import RATE_HZ, SPEECH_ASSET, demo_sounds

GROWTH_LIMIT = 0.01
CLOCK_LIMIT_SECONDS = 0.5
HEALED_SECONDS = 20.0
_BUSY = "while True: pass"


class Monitor:
    """The monitor on a terminal of its own; its records go to a file. It ends with its context."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.records = folder / "stdout.jsonl"
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.history = folder / "history.sqlite"
        self.configuration = folder / "livetag.toml"
        self.configuration.write_text("threshold = 0.25\n", encoding="utf-8")
        command = [str(Path(sys.executable).parent / "livetag"), "monitor", "--json"]
        command += ["--csv", str(self.logs / "log.csv"), "--jsonl", str(self.logs / "log.jsonl")]
        command += ["--history", str(self.history), "--clips", str(folder / "clips")]
        command += ["--config", str(self.configuration)]
        with self.records.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=theirs,
                env={**environment, "TERM": "xterm-256color", "LIVETAG_ZEROS_SECONDS": "5"},
            )
        os.close(theirs)
        self.tail = b""
        threading.Thread(target=self._drain, args=(ours,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # which does nothing where it has ended, and been waited for
        self.process.wait()

    def _drain(self, terminal: int) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(terminal, 65_536):
                self.tail = (self.tail + data)[-20_000:]

    @property
    def said(self) -> str:
        """The end of what it wrote on its terminal; that may begin within a character."""
        return self.tail.decode(errors="replace")

    def figures(self) -> tuple[float, int, int]:
        """Resident MB, threads, file handles."""
        if self.process.poll() is not None:
            raise SystemExit(f"livetag ended with {self.process.returncode}:\n{self.said}")
        proc = Path(f"/proc/{self.process.pid}")
        pages = int((proc / "statm").read_text(encoding="ascii").split()[1])
        megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        threads, handles = (len(list((proc / name).iterdir())) for name in ("task", "fd"))
        return megabytes, threads, handles

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.records.read_text("utf-8").splitlines()]


class Weather:
    """Calm times and faults."""

    def __init__(self, microphone: VirtualMicrophone, monitor: Monitor, seed: int) -> None:
        self.chance = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self._microphone = microphone
        self._monitor = monitor

    def fault(self) -> str:
        name = self.chance.choice(
            ["stall", "vanish", "mute", "stopped", "busy", "no_folder", "locked", "hang_up"]
        )
        self.faults[name] += 1
        getattr(self, f"_{name}")()
        return name

    def _wait(self, least: float, most: float) -> None:
        time.sleep(self.chance.uniform(least, most))

    def _stall(self) -> None:
        self._microphone.freeze()
        self._wait(1.0, 30.0)
        self._microphone.thaw()

    def _vanish(self) -> None:
        self._microphone.vanish()
        self._wait(0.2, 40.0)
        self._microphone.appear()

    def _mute(self) -> None:
        for muted in ("1", "0"):
            self._microphone.control("set-source-mute", f"{SINK}.monitor", muted)
            self._wait(2.0, 20.0)

    def _stopped(self) -> None:
        self._monitor.process.send_signal(signal.SIGSTOP)
        self._wait(0.5, 10.0)
        self._monitor.process.send_signal(signal.SIGCONT)

    def _busy(self) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(6):
                process = subprocess.Popen([sys.executable, "-c", _BUSY])
                stack.callback(process.wait)
                stack.callback(process.kill)
            self._wait(10.0, 40.0)

    def _no_folder(self) -> None:
        away = self._monitor.logs.with_name("away")
        self._monitor.logs.rename(away)
        self._wait(2.0, 30.0)
        away.rename(self._monitor.logs)

    def _locked(self) -> None:
        with contextlib.closing(sqlite3.connect(self._monitor.history, timeout=10.0)) as other:
            other.execute("BEGIN EXCLUSIVE")
            self._wait(1.0, 20.0)
            other.rollback()

    def _hang_up(self) -> None:
        threshold = self.chance.choice(["0.25", "0.3", "2"])  # the last is refused
        text = f"threshold = {threshold}\n"
        self._monitor.configuration.write_text(text, encoding="utf-8")
        self._monitor.process.send_signal(signal.SIGHUP)


class Noise:
    """Pink noise that is played on and on, by whatever server there is; and alarms."""

    def __init__(self, microphone: VirtualMicrophone, folder: Path) -> None:
        self._microphone = microphone
        self._path = folder / "noise.wav"
        random_ = np.random.default_rng(1)
        size = 48_000 * 60
        white = np.fft.rfft(random_.normal(size=size))
        pink = np.fft.irfft(white / np.maximum(np.arange(len(white)), 1.0) ** 0.5)
        soundfile.write(self._path, pink / np.abs(pink).max() * 0.02, 48_000, "PCM_16")
        with AudioReader(ASSETS_DIR / SPEECH_ASSET) as reader:
            speech = next(reader.blocks(10 * RATE_HZ))
        sounds = {sound.name: sound.samples for sound in demo_sounds(speech)}
        self._alarm = sounds["smoke alarm"][: 4 * RATE_HZ]
        threading.Thread(target=self._go_on, daemon=True).start()

    def _go_on(self) -> None:
        while True:
            subprocess.run(
                ["paplay", f"--device={SINK}", str(self._path)],
                env=self._microphone.environment,
                capture_output=True,
                check=False,
            )
            time.sleep(0.1)

    def alarm(self) -> None:
        self._microphone.play(self._alarm, RATE_HZ)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calm", type=float, default=60.0, metavar="SECONDS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pulse").mkdir()
        with (
            virtual_microphone(folder / "pulse") as microphone,
            Monitor(folder, microphone.environment) as monitor,
        ):
            noise = Noise(microphone, folder)
            weather = Weather(microphone, monitor, options.seed)
            wrong = soak(monitor, noise, weather, options.hours, options.calm)
    print("\n".join(f"WRONG: {what}" for what in wrong) or "nothing is wrong")
    return bool(wrong)


def soak(
    monitor: Monitor, noise: Noise, weather: Weather, hours: float, calm_s: float
) -> list[str]:
    began = time.monotonic()
    end = began + hours * 3_600.0
    next_row = began + 60.0
    figures: list[tuple[float, float, int, int]] = []  # seconds, MB, threads, handles
    alarms = 0
    print("| minute | MB | threads | handles | faults until then |\n|---|---|---|---|---|")
    while time.monotonic() < end:
        calm_until = time.monotonic() + HEALED_SECONDS + weather.chance.uniform(0.0, calm_s)
        time.sleep(HEALED_SECONDS)
        noise.alarm()
        alarms += 1
        time.sleep(max(0.0, calm_until - time.monotonic()))
        if (now := time.monotonic()) >= next_row:
            next_row = now + 60.0
            figures.append((now - began, *monitor.figures()))
            seconds, megabytes, threads, handles = figures[-1]
            counts = ", ".join(f"{name} {count}" for name, count in sorted(weather.faults.items()))
            minute = f"{seconds / 60:.0f}"
            print(f"| {minute} | {megabytes:.1f} | {threads} | {handles} | {counts} |", flush=True)
        weather.fault()
    time.sleep(HEALED_SECONDS)
    figures.append((time.monotonic() - began, *monitor.figures()))
    monitor.process.send_signal(signal.SIGINT)
    code = monitor.process.wait(30.0)
    passed_s = time.monotonic() - began
    print(
        f"\nended with code {code}; {alarms} alarms played, {sum(weather.faults.values())} faults"
    )
    wrong = [] if code == 0 else [f"exit code {code}:\n{monitor.said[-2_000:]}"]
    return [
        *wrong,
        *growth(figures),
        *check_clock(monitor, passed_s),
        *check_records(monitor, alarms),
    ]


def growth(figures: list[tuple[float, float, int, int]]) -> Iterator[str]:
    hour = min(3_600.0, figures[-1][0] / 3)
    later = [row for row in figures if row[0] >= hour]
    (_, first_mb, first_threads, first_handles), (_, last_mb, threads, handles) = (
        later[0],
        later[-1],
    )
    grown = last_mb / first_mb - 1.0
    print(
        f"memory {first_mb:.1f} MB after {later[0][0] / 60:.0f} minutes, {last_mb:.1f} MB at the "
        f"end: {grown:+.2%}; threads {first_threads}, {threads}; handles {first_handles}, {handles}"
    )
    if grown > GROWTH_LIMIT:
        yield f"memory has grown by {grown:.2%}"
    if threads > first_threads or handles > first_handles:
        yield "there are more threads or handles at the end"


def check_clock(monitor: Monitor, passed_s: float) -> Iterator[str]:
    """The stream's seconds, gaps included, are those of the clock; gaps follow one another."""
    summary = re.search(r"heard \S+ for ([\d.]+) s: .*, ([\d.]+) s audio lost", monitor.said)
    if summary is None:
        yield f"no summary: {monitor.said[-500:]}"
        return
    stream_s, lost_s = float(summary[1]), float(summary[2])
    gaps = [record for record in monitor.read() if record["type"] == "gap"]
    told_s = sum(gap["lost_seconds"] for gap in gaps)
    print(
        f"{passed_s:.1f} s by the clock from start to end; the stream has {stream_s:.1f} s, of "
        f"which {lost_s:.1f} s were not heard ({len(gaps)} records, {told_s:.1f} s)"
    )
    offsets = [gap["start_s"] for gap in gaps]
    if sorted(offsets) != offsets:
        yield "gaps are not in order"
    if abs(told_s - lost_s) > 0.01 * max(1, len(gaps)):
        yield "the gaps' records are not what was lost"
    if not -2.0 < passed_s - stream_s < 8.0:  # starting and ending take their time
        yield f"the stream is {passed_s - stream_s:.1f} s off the clock"
    for piece, following in itertools.pairwise(gaps):
        off = following["start_s"] - piece["start_s"] - piece["lost_seconds"]
        if "ongoing" in piece and abs(off) > 0.003:
            yield f"a gap's piece at {piece['start_s']} s is not followed by the next"


def check_records(monitor: Monitor, alarms: int) -> Iterator[str]:
    """Every log has what standard output has; the alarms are there."""
    lines = monitor.records.read_text("utf-8").splitlines()
    ends = [record for record in monitor.read() if record["type"] == "event_end"]
    heard = [e for e in ends if e["label"] == "Smoke detector, smoke alarm"]
    jsonl = (monitor.logs / "log.jsonl").read_text("utf-8").splitlines()
    with (monitor.logs / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with contextlib.closing(sqlite3.connect(monitor.history)) as history:
        kept = history.execute("SELECT count(*) FROM events").fetchone()[0]
        whole = history.execute("PRAGMA integrity_check").fetchone()[0]
    print(
        f"{len(lines)} records, {len(jsonl)} in JSON Lines; {len(ends)} events, {len(rows)} in "
        f"CSV, {kept} in the history ({whole}); {alarms} alarms played, {len(heard)} in the record"
    )
    if lines != jsonl or len(ends) != len(rows) or len(ends) != kept or whole != "ok":
        yield "the logs differ"
    if len(heard) < alarms:
        yield f"{alarms - len(heard)} alarms are missing"


if __name__ == "__main__":
    sys.exit(main())
