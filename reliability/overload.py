"""The monitor on a core that others want, too: what it leaves out, what it loses, and its account.

    python reliability/overload.py [--hop 0.02] [--neighbours 12] [--nice 0] [--seconds 60]
        [--calm 90] [--no-dashboard] [-- OPTION...]

Runs `livetag monitor --json` with its dashboard on a virtual microphone (PulseAudio's null sink,
through PortAudio), pinned to one core. After ten seconds come neighbours that do nothing but count,
pinned to the same core; then they go, and the monitor has a calm time. The sound server and this
script have the other cores.

Printed are the changes of pace and the gaps as they come, and the account: samples that PortAudio
delivered = samples analyzed + samples lost in the ring; stream = heard + lost; and how far stream
and clock came apart at any block. It fails where that does not balance, they are apart in the end,
or the pace is not as set then. Linux only; neighbours of a negative niceness are for root alone.
"""

import argparse
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _tests import Running, virtual_microphone

BEFORE_SECONDS = 10.0
CLOCK_LIMIT_SECONDS = 0.5
_BUSY = "while True: pass"
# As the command; what the ring was given, and what the pipeline takes, is counted, and written to
# the file named first.
_COUNTED = """
import json, sys, time
from pathlib import Path
from livetag import monitor
from livetag.audio import capture

path, rings, blocks, apart, rates = Path(sys.argv.pop(1)), [], [], [0.0] * 3, [0]
behind = [0.0]

class Ring(capture.RingBuffer):
    overflows = overflowed = delivered = 0
    def __init__(self, *arguments):
        super().__init__(*arguments)
        rings.append(self)
    def write(self, samples):
        self.delivered += len(samples)
        super().write(samples)
    def lose(self, samples, reason):
        self.overflows, self.overflowed = self.overflows + 1, self.overflowed + samples
        super().lose(samples, reason)

def counted(source, rate_hz, *others):
    rates[0] = rate_hz
    def noted():
        began = None
        for block in source:
            end_s = (block.first_sample + len(block.samples)) / rate_hz
            if len(block.samples):
                newest = time.monotonic() - block.behind_s
                began = newest - end_s if began is None else began
                apart[2] = newest - began - end_s
                apart[:2] = min(apart[0], apart[2]), max(apart[1], apart[2])
            blocks.append((len(block.samples), block.lost_before, block.gap_reason, end_s))
            behind[0] = max(behind[0], block.behind_s)
            yield block
    yield from analyze(noted(), rate_hz, *others)

analyze, monitor.analyze, capture.RingBuffer = monitor.analyze, counted, Ring
from livetag.cli import main
try:
    code = main()
finally:
    reasons = {reason for _, lost, reason, _ in blocks if lost}
    path.write_text(json.dumps({
        "rate_hz": rates[0],
        "delivered": sum(ring.delivered for ring in rings),
        "unread": sum(ring.unread for ring in rings),
        "overflows": sum(ring.overflows for ring in rings),
        "overflowed": sum(ring.overflowed for ring in rings),
        "captures": len(rings),
        "heard": sum(heard for heard, _, _, _ in blocks),
        "lost": {why: sum(lost for _, lost, reason, _ in blocks if reason == why)
                 for why in sorted(reasons)},
        "stream_s": blocks[-1][3],
        "behind_s": behind[0],
        "apart_s": apart,
    }))
sys.exit(code)
"""


@dataclass
class Told:
    """What the monitor tells while it runs, with the seconds since the load began."""

    command: Running
    began: float
    lines: int = 0

    def follow(self, seconds: float, until: Callable[[dict[str, Any]], bool]) -> bool:
        """Print what comes for so long, or until a record is what is waited for."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.command.process.poll() is None:
            for line in self.command.lines[self.lines :]:
                self.lines += 1
                record = json.loads(line)
                self._print(record)
                if until(record):
                    return True
            time.sleep(0.1)
        return False

    def _print(self, record: dict[str, Any]) -> None:
        since = time.monotonic() - self.began
        if record["type"] == "pace":
            print(
                f"{since:7.1f} s  behind {record['behind_s']:5.2f} s: a window every "
                f"{record['hop_seconds']:g} s, frames {record['frame_factor']} times as long",
                flush=True,
            )
        elif record["type"] == "gap":
            lost = f"{record['lost_seconds']:.3f} s lost, {record['reason']}"
            print(f"{since:7.1f} s  {lost} (at {record['start_s']:.2f} s)", flush=True)


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started here is pinned to one core."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


@contextlib.contextmanager
def neighbours(count: int, niceness: int, core: int) -> Iterator[None]:
    """Processes that take all the time that a core has."""
    command = ["nice", "-n", str(niceness), sys.executable, "-c", _BUSY]
    with on_core(core):
        busy = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
        for process in busy:
            process.wait()


def started(account: Path, options: list[str], environment: dict[str, str]) -> Running:
    """A counted monitor, its dashboard on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _COUNTED, str(account), "monitor", "--json", *options],
        env={**environment, "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    return Running(process, ours, screen=False)


def measure(options: argparse.Namespace, folder: Path) -> list[str]:
    """One run; what was wrong with it."""
    core, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others or {core})
    account = folder / "account.json"
    wrong = []
    (folder / "microphone").mkdir()
    with virtual_microphone(folder / "microphone") as microphone:
        arguments = ["--hop", str(options.hop), *options.options]
        if options.no_dashboard:
            arguments.append("--no-dashboard")
        environment = {**microphone.environment, "LIVETAG_ZEROS_SECONDS": "0"}
        with on_core(core):
            command = started(account, arguments, environment)
        try:
            command.wait_until(lambda running: bool(running.lines), "first record")
            told = Told(command, time.monotonic() + BEFORE_SECONDS)
            told.follow(BEFORE_SECONDS, lambda record: False)
            print(f"    0.0 s  {options.neighbours} neighbours, nice {options.nice}")
            with neighbours(options.neighbours, options.nice, core):
                told.follow(options.seconds, lambda record: False)
            print(f"{time.monotonic() - told.began:7.1f} s  the neighbours are gone")
            shown = b"DEGRADED: a window every" in command.stderr
            usual = told.follow(
                options.calm, lambda record: record.get("degraded") is False
            ) or not any('"pace"' in line for line in command.lines)
            told.follow(5.0, lambda record: False)
            asked = time.monotonic()
            code = command.end(signal.SIGTERM)
            print(f"ended with code {code}, {time.monotonic() - asked:.2f} s after SIGTERM")
        finally:
            if command.process.poll() is None:
                command.process.kill()
    if not usual:
        wrong.append(f"the pace was not as set {options.calm:g} s after the load")
    if code:
        wrong.append(f"the exit code is {code}: {command.stderr[-500:].decode(errors='replace')}")
    changed = any('"pace"' in line for line in command.lines)
    print(f"the dashboard showed DEGRADED: {'yes' if shown else 'no'}")
    if changed and not shown and not options.no_dashboard:
        wrong.append("the dashboard did not show it")
    return wrong + balance(json.loads(account.read_text(encoding="ascii")))


def balance(count: dict[str, Any]) -> list[str]:
    """Print the account; what of it is wrong."""
    lost = count["lost"]
    ring_lost = lost.get("lapped", 0) + lost.get("overflow", 0)
    print(f"most behind: {count['behind_s']:.2f} s; captures opened: {count['captures']}")
    print(
        f"PortAudio delivered {count['delivered']:,} samples and said of {count['overflows']} "
        f"overflows ({count['overflowed']:,} samples)"
    )
    print(f"analyzed {count['heard']:,}; lost {lost or 'nothing'}; unread {count['unread']:,}")
    stream = round(count["stream_s"] * count["rate_hz"])
    early, late, last = count["apart_s"]
    print(f"stream {stream:,} samples ({count['stream_s']:.3f} s)")
    print(f"the clock, less the stream: {early:+.3f} to {late:+.3f} s, in the end {last:+.3f} s")
    wrong = []
    taken = count["heard"] + ring_lost + count["unread"]
    if count["captures"] == 1 and count["delivered"] + count["overflowed"] != taken:
        wrong.append(f"delivered + overflowed is not heard + lost: {taken:,}")
    if stream != count["heard"] + sum(lost.values()):
        wrong.append("the stream is not heard + lost")
    if abs(last) > CLOCK_LIMIT_SECONDS:
        wrong.append("stream and clock came apart")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hop", type=float, default=0.02)
    parser.add_argument("--neighbours", type=int, default=12)
    parser.add_argument("--nice", type=int, default=0, help="of the neighbours")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load")
    parser.add_argument("--calm", type=float, default=120.0, help="seconds to get over it")
    parser.add_argument("--no-dashboard", action="store_true")
    parser.add_argument("options", nargs="*", help="more options of `livetag monitor`, after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = measure(options, Path(folder))
    for fault in wrong:
        print(f"WRONG: {fault}")
    print("it balances" if not wrong else "it does not")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
