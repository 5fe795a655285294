"""A month of livetag in about half an hour: a microphone that is made up, and all else for real.

    python reliability/month.py [--days 30] [--seed 1] [--hop 0.96]

PortAudio and the clocks are simulated (`tests/fake_portaudio.py`); the microphone's source, its
ring, the features, the detector, the sinks (CSV, JSON Lines, SQLite, clips) and their threads are
those of `livetag monitor`. The network is left out: it would take days, and has no state; a
stand-in scores what is loud. Faults come at random: stalls, devices that vanish, the computer's
sleep, zeros, overflows, a reader that is held up for longer than the ring is long, a disk that is
full now and then as the JSON Lines are written.

It fails where memory grows by more than one percent after the first five simulated days, samples
heard and samples lost are not the stream, where the stream is half a second off the clock, where an
output lacks or doubles an event, or where a thread or a file handle is left behind.
"""

import argparse
import errno
import gc
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from _tests import FakePortAudio, device, install
from _written import READERS

from livetag.detector import Detector
from livetag.events import AudioBlock, FloatArray, Gap, Item
from livetag.fanout import AUDIO_BACKLOG_ITEMS, FanOut
from livetag.history import Run
from livetag.memory import give_back
from livetag.pipeline import analyze
from livetag.rules import Rules, resolve
from livetag.schema import Clips, Config
from livetag.sinks.base import Selection, Sink
from livetag.sinks.clips import ClipSink
from livetag.sinks.csv_log import CsvSink
from livetag.sinks.history_log import HistorySink
from livetag.sinks.jsonl import JsonLinesSink
from livetag.sources import microphone as room
from livetag.state import MonitorState
from livetag.yamnet.classifier import Classifier, Prediction
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

RATE_HZ = 16_000
STEP_SECONDS = 0.96
DAY_SECONDS = 86_400.0
GROWTH_LIMIT = 0.01
SETTLING_DAYS = 5
"""Until then, the C library's heaps grow to what bursts of clips need at once."""
DRIFT_LIMIT_SECONDS = 0.5
# What happens, and how often in a day.
FAULTS = {"stall": 10, "vanish": 6, "sleep": 1, "zeros": 3, "overflow": 40, "lag": 10}
_REAL_TIME = time.monotonic
_MESSAGES_KEPT = 100


class Loudness(Classifier):
    """The stand-in for the network: what is loud is a dog, or a door, or speech."""

    def __init__(self) -> None:
        self._scores = np.zeros((4, 521), np.float32)
        for row, index in enumerate((69, 348, 0, 494)):  # the last: silence
            self._scores[row, index] = 0.9
        self._embedding = np.zeros(1024, np.float32)
        self._windows = 0

    def __call__(self, patch: FloatArray) -> Prediction:
        self._windows += 1
        loud = float(patch[::16].mean()) > -2.0
        row = self._windows // 50 % 3 if loud else 3
        return Prediction(self._scores[row], self._embedding)


class World:
    """What goes on while livetag listens: at each step, a second of sound or a fault."""

    def __init__(self, portaudio: FakePortAudio, seconds: float, seed: int) -> None:
        self.portaudio = portaudio
        self.faults: Counter[str] = Counter()
        self._chance = random.Random(seed)
        noise = np.random.default_rng(seed)
        size = round(STEP_SECONDS * RATE_HZ)
        quiet = noise.normal(0.0, 0.001, (32, size))
        loud = noise.normal(0.0, 0.2, (8, size))
        self._sounds = np.concatenate([quiet, loud]).astype(np.float32)
        self._until = portaudio.clock.continuous() + seconds
        self._loud_for = 0

    @property
    def over(self) -> bool:
        return bool(self.portaudio.clock.continuous() >= self._until)

    def step(self) -> None:
        share = STEP_SECONDS / DAY_SECONDS
        if not self.portaudio.stream.started:  # away, or being opened
            self.portaudio.clock.now += 0.25
            return
        for name, a_day in FAULTS.items():
            if self._chance.random() < a_day * share:
                self.faults[name] += 1
                getattr(self, f"_{name}")()
                return
        self._sound(1)

    def _sound(self, steps: int) -> None:
        for _ in range(steps):
            if self._loud_for == 0 and self._chance.random() < 0.01:
                self._loud_for = self._chance.randrange(1, 20)
            first = 32 if self._loud_for else 0
            self._loud_for = max(0, self._loud_for - 1)
            self.portaudio.stream.call(self._sounds[first + self._chance.randrange(8)])

    def _stall(self) -> None:
        self.portaudio.clock.now += self._chance.uniform(2.1, 600.0)

    def _vanish(self) -> None:
        self.portaudio.stream.end()
        self.portaudio.stream.started = False
        devices = self.portaudio.devices
        self.portaudio.devices = []
        back_at = self.portaudio.clock.now + self._chance.uniform(0.1, 3_000.0)
        plain_step = self.step

        def step() -> None:
            self.portaudio.clock.now += 0.25
            if self.portaudio.clock.now >= back_at:
                self.portaudio.devices = devices
                self.step = plain_step  # type: ignore[method-assign]

        self.step = step  # type: ignore[method-assign]

    def _sleep(self) -> None:
        self.portaudio.clock.slept += self._chance.uniform(60.0, 8 * 3_600.0)

    def _zeros(self) -> None:
        zeros = np.zeros(round(STEP_SECONDS * RATE_HZ), np.float32)
        for _ in range(self._chance.randrange(10, 60)):
            self.portaudio.stream.call(zeros)

    def _overflow(self) -> None:
        lost = self._chance.uniform(0.01, 1.0)
        self.portaudio.stream.adc_time += lost
        self.portaudio.clock.now += lost
        self.portaudio.stream.call(self._sounds[0], overflow=True)

    def _lag(self) -> None:
        """The reader is held up."""
        self._sound(self._chance.randrange(2, 80))


class SometimesFull(JsonLinesSink):
    """A log on a disk that is full once in a hundred tries."""

    def __init__(self, path: Path, seed: int) -> None:
        super().__init__(path, "simulated", max_megabytes=1.0)
        self._chance = random.Random(seed)

    def retry(self) -> None:
        if self._chance.random() < 0.01:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().retry()


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_mb() -> float:
    """What is in use: what was freed, after a burst of clips, is given back first."""
    gc.collect()
    give_back()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hop", type=float, default=0.96, help="from window to window, in seconds")
    options = parser.parse_args()
    before = threading.active_count(), handles()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        wrong = simulate(options.days, options.seed, options.hop, Path(folder), patch)
    after = threading.active_count(), handles()
    print(f"\nthreads and file handles: {before} before, {after} after")
    if after != before:
        wrong.append("something is left behind")
    print("\n".join(f"WRONG: {what}" for what in wrong) or "nothing is wrong")
    return bool(wrong)


@dataclass
class Account:
    """Samples heard and lost, and what the process weighs, day by day."""

    state: MonitorState
    heard: int = 0
    lost: int = 0
    gaps: int = 0
    megabytes: list[float] = field(default_factory=lambda: [resident_mb()])

    def take(self, item: Item) -> None:
        if isinstance(item, AudioBlock):
            self.heard += len(item.samples)
        elif isinstance(item, Gap):
            self.lost += round(item.lost_seconds * RATE_HZ)
            self.gaps += 1

    def off_s(self, elapsed_s: float) -> float:
        """Seconds by which the stream is behind the clock."""
        return elapsed_s - (self.heard + self.lost) / RATE_HZ

    def print_day(self, elapsed_s: float) -> None:
        self.megabytes.append(resident_mb())
        print(
            f"| {elapsed_s / DAY_SECONDS:.0f} | {self.megabytes[-1]:.1f} | {self.state.windows} | "
            f"{self.state.events} | {self.gaps} | {self.heard / RATE_HZ / 3600:.2f} | "
            f"{self.lost / RATE_HZ / 3600:.2f} | {self.off_s(elapsed_s):.3f} s |",
            flush=True,
        )

    def wrong(self, elapsed_s: float, position: int) -> Iterator[str]:
        print(f"heard {self.heard} + lost {self.lost} samples = stream of {position}")
        if self.heard + self.lost != position:
            yield "samples heard and lost are not the stream"
        off_s = self.off_s(elapsed_s)
        if abs(off_s) > DRIFT_LIMIT_SECONDS:
            yield f"the stream is {off_s:.3f} s off the clock"
        days = self.megabytes[1:]
        if len(days) > 3 * SETTLING_DAYS:
            first = statistics.mean(days[SETTLING_DAYS : 2 * SETTLING_DAYS])
            last = statistics.mean(days[-SETTLING_DAYS:])
            growth = last / first - 1.0
            print(
                f"memory: {days[0]:.1f} MB after a day; a mean of {first:.1f} MB in the second "
                f"{SETTLING_DAYS} days, {last:.1f} MB in the last: {growth:+.2%}"
            )
            if growth > GROWTH_LIMIT:
                yield f"memory has grown by {growth:.2%}"


def simulate(
    days: float, seed: int, hop: float, folder: Path, patch: pytest.MonkeyPatch
) -> list[str]:
    portaudio = install(patch)
    portaudio.devices = [device(0, "Simulated")]
    patch.setattr(room, "BLOCK_SECONDS", STEP_SECONDS)
    clock = portaudio.clock
    world = World(portaudio, days * DAY_SECONDS, seed)
    params = Params(patch_hop_seconds=hop)
    rules = resolve(Config(patch_hop_seconds=hop), class_map())
    microphone = room.Microphone("simulated")
    stop = threading.Event()

    def wait(_: threading.Event) -> None:
        if world.over:
            stop.set()
            return
        world.step()
        if microphone._outage is not None and microphone._outage._try is not None:
            microphone._outage._try.done.wait()
            del portaudio.streams[:-1]

    patch.setattr(microphone, "_wait", wait)
    fan_out = FanOut(sinks(folder, hop, seed, rules), may_wait=False)
    account = Account(MonitorState(rules, params, microphone.name, RATE_HZ, clock.now))
    began, next_day, real = clock.continuous(), DAY_SECONDS, _REAL_TIME()
    print("| day | MB | windows | events | gaps | heard h | lost h | off the clock |")
    print("|---|---|---|---|---|---|---|---|")
    told: deque[str] = deque(maxlen=_MESSAGES_KEPT)
    failures = 0
    fan_out.start()
    with microphone:
        blocks = microphone.blocks(stop)
        for item in analyze(blocks, RATE_HZ, Loudness(), Detector(rules, params), params):
            fan_out.write(item, stop)
            for message in fan_out.messages():
                failures += "trying again" in message
                told.append(message)
            leave_room(fan_out)
            account.state.apply(item, clock.now)
            account.state.tick(clock.now)
            account.take(item)
            if isinstance(item, AudioBlock) and clock.continuous() - began >= next_day:
                next_day += DAY_SECONDS
                account.print_day(clock.continuous() - began)
    fan_out.close(threading.Event(), 60.0)
    print(f"\nfaults: {dict(world.faults)}; in {(_REAL_TIME() - real) / 60:.1f} minutes")
    elapsed_s = clock.continuous() - began
    told += fan_out.messages()
    print(f"the disk was full {failures} times")
    wrong = [*account.wrong(elapsed_s, microphone._timeline.position), *outputs_wrong(folder)]
    if fan_out.failed:
        wrong += told
    return wrong


def sinks(folder: Path, hop: float, seed: int, rules: Rules) -> list[Sink]:
    clips = Clips(path=str(folder / "clips"), keep_days=2.0, keep_megabytes=50.0)
    return [
        CsvSink(folder / "log-%Y-%m-%d.csv", "simulated"),
        SometimesFull(folder / "log.jsonl", seed),
        HistorySink(folder / "history.sqlite", Run("simulated", "0", "0", "none", hop, "{}")),
        ClipSink(
            folder / "clips",
            "simulated",
            RATE_HZ,
            clips,
            Selection(alerts_only=True, classes=rules.alerting),
            (),
            hop,
            lookback_seconds=10.0,
        ),
    ]


def leave_room(fan_out: FanOut) -> None:
    """Time passes here faster than disks write: wait for those that are behind, and work."""
    for outlet in fan_out._outlets:
        while len(outlet._items) > AUDIO_BACKLOG_ITEMS // 2 and not outlet._failing:
            time.sleep(0.001)


def outputs_wrong(folder: Path) -> Iterator[str]:
    found = {
        kind: READERS[kind](folder, pattern)
        for kind, pattern in (
            ("csv", "log-*.csv"),
            ("jsonl", "log*.jsonl"),
            ("history", "history.sqlite"),
            ("clips", "clips"),
        )
    }
    print("events: " + ", ".join(f"{len(there.events)} in {kind}" for kind, there in found.items()))
    events = Counter(found["csv"].events)
    for kind, there in found.items():
        yield from there.wrong
        if there.half or there.closed:
            yield f"{kind}: {there.half + there.closed} half lines or files"
        if kind != "clips" and Counter(there.events) != events:
            yield f"{kind} holds other events than csv"
    if not found["clips"].events or Counter(found["clips"].events) - events:
        yield "the clips are not those of events"


if __name__ == "__main__":
    sys.exit(main())
