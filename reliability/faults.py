"""Each fault of a microphone, for real, and how long it is until livetag hears again.

    python reliability/faults.py [--tries 20] [--only NAME]...

Runs `livetag monitor --json` on a virtual microphone (PulseAudio's null sink, through PortAudio),
makes a fault, mends it, and prints a row of a Markdown table for each:

- told: from the fault to the first word of it on standard error;
- heard again: from when the microphone is there again to the record that ends the gap;
- lost: the gaps' seconds in the record, beside the seconds that passed from the fault to its end.

The device is killed and started `--tries` times, after a random time of up to six seconds.
"""

import argparse
import contextlib
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from _tests import SINK, Running, VirtualMicrophone, running, virtual_microphone

from livetag.audio.reader import AudioReader
from livetag.events import FloatArray
from livetag.resources import ASSETS_DIR
from livetag.sources.demo_sounds import RATE_HZ, SPEECH_ASSET, demo_sounds

_DEAF = b"NOTHING IS HEARD: "
_SECOND = "second"
# As the command, but the clock that goes on in sleep jumps by an hour on SIGUSR1.
_SLEEPER = """
import signal, sys, time
slept, real = [0.0], time.clock_gettime
time.clock_gettime = lambda clock: real(clock) + slept[0] * (clock == time.CLOCK_BOOTTIME)
signal.signal(signal.SIGUSR1, lambda *_: slept.__setitem__(0, 3600.0))
from livetag.cli import main
sys.exit(main())
"""


@dataclass
class Trial:
    """One fault: seconds until it was told and, after it was mended, heard again; what it cost."""

    told_s: float | None
    again_s: float | None
    lost_s: float
    passed_s: float
    said: str

    def row(self, name: str, how: str) -> str:
        return (
            f"| {name} | {how} | {seconds(self.told_s)} | {seconds(self.again_s)} | "
            f"{self.lost_s:.2f} of {self.passed_s:.2f} s | {self.said} |"
        )


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


class Heard:
    """A monitor that runs, and what it has said since a moment."""

    def __init__(self, command: Running) -> None:
        self.command = command
        self.wait(lambda: any('"Silence"' in line for line in command.lines), "audio")
        self._lines, self._said = len(command.lines), len(command.stderr)

    def mark(self) -> float:
        """From now on counts what is said."""
        self._lines, self._said = len(self.command.lines), len(self.command.stderr)
        return time.monotonic()

    def wait(self, holds: Callable[[], bool], what: str) -> float:
        self.command.wait_until(lambda _: holds(), what)
        return time.monotonic()

    @property
    def gaps(self) -> list[dict[str, float | str | bool]]:
        records = [json.loads(line) for line in self.command.lines[self._lines :]]
        return [record for record in records if record["type"] == "gap"]

    @property
    def said(self) -> str:
        """The first words of the trouble."""
        told = self.command.stderr[self._said :].partition(_DEAF)[2]
        words = told.partition(b"\n")[0].partition(b"; trying again")[0]
        return str(words.decode())

    def deaf(self) -> bool:
        return _DEAF in self.command.stderr[self._said :]

    def hears(self) -> bool:
        return bool(self.gaps) and "ongoing" not in self.gaps[-1]


def trial(
    heard: Heard, make: Callable[[], object], wait_s: float, mend: Callable[[], object]
) -> Trial:
    """Make a fault, wait, mend it, and wait until livetag hears again."""
    began = heard.mark()
    make()
    told = None
    with contextlib.suppress(AssertionError):
        told = heard.wait(heard.deaf, "word of it") - began
    time.sleep(max(0.0, wait_s - (time.monotonic() - began)))
    mend()
    mended = time.monotonic()
    again = heard.wait(heard.hears, "end of the gap")
    lost = sum(float(gap["lost_seconds"]) for gap in heard.gaps)
    time.sleep(1.0)
    return Trial(told, again - mended, lost, again - began, heard.said)


@contextlib.contextmanager
def monitor(microphone: VirtualMicrophone, *options: str) -> Iterator[Heard]:
    environment = {**microphone.environment, "LIVETAG_ZEROS_SECONDS": "0"}
    with running("monitor", "--json", *options, env=environment) as command:
        yield Heard(command)
        command.end()


def smoke_alarm() -> FloatArray:
    """Eight seconds of the demo's, float32 at 16 kHz."""
    with AudioReader(ASSETS_DIR / SPEECH_ASSET) as reader:
        speech = next(reader.blocks(10 * RATE_HZ))
    return next(sound.samples for sound in demo_sounds(speech) if sound.name == "smoke alarm")


def stall(microphone: VirtualMicrophone, wait_s: float) -> Iterator[str]:
    with monitor(microphone) as heard:
        done = trial(heard, microphone.freeze, wait_s, microphone.thaw)
    yield done.row(f"stall for {wait_s:g} s", "SIGSTOP, SIGCONT to the sound server")


def vanish(microphone: VirtualMicrophone, tries: int) -> Iterator[str]:
    chance = random.Random(1)
    done = []
    with monitor(microphone) as heard:
        for _ in range(tries):
            wait_s = chance.uniform(0.2, 6.0)
            done.append(trial(heard, microphone.vanish, wait_s, microphone.appear))
    again = [one.again_s or 0.0 for one in done]
    good = sum(value <= 3.0 for value in again)
    told = statistics.median(one.told_s or 0.0 for one in done)
    lost = sum(one.lost_s for one in done)
    passed = sum(one.passed_s for one in done)
    yield (
        f"| device gone and back, {tries} times | SIGKILL to the sound server, a new one after 0.2 "
        f"to 6 s | {told:.2f} s median | {statistics.median(again):.2f} s median, {max(again):.2f} "
        f"s worst, {good} of {tries} within 3 s | {lost:.2f} of {passed:.2f} s | {done[0].said} |"
    )


def away(microphone: VirtualMicrophone) -> Iterator[str]:
    with monitor(microphone) as heard:
        done = trial(heard, microphone.vanish, 150.0, microphone.appear)
    yield done.row("device gone for 150 s", "SIGKILL to the sound server, a new one")


def zeros(microphone: VirtualMicrophone) -> Iterator[str]:
    noise = ["sox", "-q", "-n", "-r", "48000", "-c", "2", "noise.wav", "synth", "60", "pinknoise"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(noise, cwd=folder, check=True)
        play = ["paplay", f"--device={SINK}", f"{folder}/noise.wav"]
        playing = subprocess.Popen(play, env=microphone.environment)
        source = f"{SINK}.monitor"
        with monitor_of_noise(microphone) as heard:
            done = trial(
                heard,
                lambda: microphone.control("set-source-mute", source, "1"),
                8.0,
                lambda: microphone.control("set-source-mute", source, "0"),
            )
        playing.kill()
        playing.wait()
    yield done.row("nothing but zeros, zeros_seconds 5", "the source muted, and not")


@contextlib.contextmanager
def monitor_of_noise(microphone: VirtualMicrophone) -> Iterator[Heard]:
    environment = {**microphone.environment, "LIVETAG_ZEROS_SECONDS": "5"}
    with running("monitor", "--json", env=environment) as command:
        command.wait_until(lambda c: bool(c.lines), "audio")
        heard = Heard.__new__(Heard)
        heard.command = command
        yield heard
        command.end()


def default_changes(microphone: VirtualMicrophone) -> Iterator[str]:
    microphone.control("load-module", "module-null-sink", f"sink_name={_SECOND}", "rate=48000")
    with monitor(microphone) as heard:
        began = heard.mark()
        microphone.control("set-default-source", f"{_SECOND}.monitor")
        microphone.control("set-default-sink", _SECOND)
        microphone.play(smoke_alarm(), RATE_HZ, _SECOND)
        heard.wait(lambda: any("Smoke detector" in line for line in heard.command.lines), "alarm")
        lost = sum(float(gap["lost_seconds"]) for gap in heard.gaps)
        passed = time.monotonic() - began
    yield Trial(None, None, lost, passed, "nothing: the server moves the stream").row(
        "another default device", "pactl set-default-source; an alarm there is heard"
    )


def removed(microphone: VirtualMicrophone) -> Iterator[str]:
    microphone.control("load-module", "module-null-sink", f"sink_name={_SECOND}", "rate=48000")
    microphone.control("set-default-source", f"{_SECOND}.monitor")
    with monitor(microphone) as heard:
        began = heard.mark()
        microphone.control("unload-module", "module-null-sink")
        time.sleep(3.0)
        microphone.control("load-module", "module-null-sink", f"sink_name={SINK}", "rate=48000")
        microphone.control("set-default-source", f"{SINK}.monitor")
        mended = time.monotonic()
        told = "nothing" if not heard.deaf() else heard.said
        again = heard.wait(heard.hears, "end of the gap") - mended if heard.deaf() else None
        time.sleep(1.0)
        lost = sum(float(gap["lost_seconds"]) for gap in heard.gaps)
        passed = time.monotonic() - began
    yield Trial(None, again, lost, passed, told).row(
        "every source removed, one put back", "pactl unload-module, load-module"
    )


def stopped(microphone: VirtualMicrophone) -> Iterator[str]:
    with monitor(microphone) as heard:
        process = heard.command.process
        began = heard.mark()
        process.send_signal(signal.SIGSTOP)
        time.sleep(5.0)
        process.send_signal(signal.SIGCONT)
        mended = time.monotonic()
        again = heard.wait(heard.hears, "end of the gap")
        lost = sum(float(gap["lost_seconds"]) for gap in heard.gaps)
        done = Trial(None, again - mended, lost, again - began, heard.said)
    yield done.row("livetag stopped for 5 s", "SIGSTOP, SIGCONT to livetag")


def sleeps(microphone: VirtualMicrophone) -> Iterator[str]:
    environment = {**microphone.environment, "LIVETAG_ZEROS_SECONDS": "0"}
    process = subprocess.Popen(
        [sys.executable, "-c", _SLEEPER, "monitor", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    command = Running(process, process.stderr.fileno(), screen=False)
    heard = Heard(command)
    began = heard.mark()
    process.send_signal(signal.SIGUSR1)
    again = heard.wait(heard.hears, "end of the gap")
    lost = sum(float(gap["lost_seconds"]) for gap in heard.gaps)
    passed = again - began + 3_600.0
    done = Trial(None, again - began, lost, passed, heard.said)
    command.end()
    yield done.row("the computer sleeps for an hour", "its clock for that, moved (no real sleep)")


def ends(microphone: VirtualMicrophone) -> Iterator[str]:
    with monitor(microphone) as heard:
        microphone.freeze()
        heard.mark()
        heard.wait(heard.deaf, "word of it")
        began = time.monotonic()
        code = heard.command.end()
        passed = time.monotonic() - began
        microphone.thaw()
    yield (
        f"| Ctrl-C while the sound server hangs | SIGSTOP to it, SIGINT to livetag | - | - | - | "
        f"ended with code {code} after {passed:.2f} s |"
    )


def required(microphone: VirtualMicrophone) -> Iterator[str]:
    with monitor(microphone, "--require-device", "3") as heard:
        began = heard.mark()
        microphone.vanish()
        code = heard.command.wait()
        passed = time.monotonic() - began
    microphone.appear()
    lost = sum(float(gap["lost_seconds"]) for gap in heard.gaps)
    yield (
        f"| device gone, --require-device 3 | SIGKILL to the sound server | - | - | {lost:.2f} of "
        f"{passed:.2f} s | ended with code {code} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tries", type=int, default=20, help="kills of the device")
    parser.add_argument("--only", action="append", metavar="NAME", help="of a fault; repeatable")
    options = parser.parse_args()
    faults: dict[str, Callable[[VirtualMicrophone], Iterator[str]]] = {
        "stall": lambda microphone: stall(microphone, 5.0),
        "long-stall": lambda microphone: stall(microphone, 30.0),
        "vanish": lambda microphone: vanish(microphone, options.tries),
        "away": away,
        "zeros": zeros,
        "default": default_changes,
        "removed": removed,
        "stopped": stopped,
        "sleeps": sleeps,
        "ends": ends,
        "required": required,
    }
    print("| fault | made by | told | heard again | lost | said |\n|---|---|---|---|---|---|")
    for name in options.only or faults:
        with (
            tempfile.TemporaryDirectory() as folder,
            virtual_microphone(Path(folder)) as microphone,
        ):
            for row in faults[name](microphone):
                print(row, flush=True)


if __name__ == "__main__":
    main()
