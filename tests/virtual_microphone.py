"""A microphone without a sound card: a PulseAudio null sink whose monitor PortAudio records.

What is played into it is what livetag hears: a real capture path with real timing.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import soundfile
import soxr

from livetag.events import FloatArray

SINK = "livetag_test"
_READY_SECONDS = 20.0


def missing() -> str:
    """What is not installed here that a virtual microphone needs; empty where nothing is."""
    programs = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
    library = [] if find_library("portaudio") else ["libportaudio2"]
    return ", ".join([*programs, *library])


class VirtualMicrophone:
    """A running PulseAudio server; `environment` makes a program use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = os.environ | {
            "PULSE_SERVER": f"unix:{folder}/native",
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_STATE_PATH": str(folder),
        }
        self.appear()

    def appear(self) -> None:
        """The device is there, and the default one."""
        folder = self._folder
        (folder / "native").unlink(missing_ok=True)
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"]
        command += ["--log-target=stderr", "--use-pid-file=no"]
        command += ["-L", f"module-native-protocol-unix socket={folder}/native auth-anonymous=1"]
        command += ["-L", f"module-null-sink sink_name={SINK} rate=48000 channels=2"]
        with (folder / "log").open("wb") as log:
            self.server = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        pause = threading.Event()
        for _ in range(int(_READY_SECONDS / 0.1)):
            if self.control("info") == 0:
                break
            pause.wait(0.1)
        self.control("set-default-sink", SINK)
        if self.control("set-default-source", f"{SINK}.monitor") != 0:
            raise RuntimeError((self._folder / "log").read_text())

    def control(self, *arguments: str) -> int:
        """Have `pactl` do something; its exit code."""
        command = ["pactl", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, check=False, timeout=10
        ).returncode

    def play(self, samples: FloatArray, rate_hz: int, sink: str = SINK) -> None:
        """Play float32[n] through the microphone, and return when it has been heard."""
        path = self._folder / "playing.wav"
        soundfile.write(path, soxr.resample(samples, rate_hz, 48_000), 48_000, "PCM_16")
        command = ["paplay", f"--device={sink}", str(path)]
        subprocess.run(command, env=self.environment, check=True, timeout=60)

    @contextlib.contextmanager
    def playing(self, path: Path) -> Iterator[None]:
        """Meanwhile a file is played through the microphone, from its beginning."""
        command = ["paplay", f"--device={SINK}", str(path)]
        player = subprocess.Popen(command, env=self.environment)
        try:
            yield
        finally:
            player.kill()
            player.wait()

    def freeze(self) -> None:
        """The stream stays open, and no audio arrives."""
        self.server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.server.send_signal(signal.SIGCONT)

    def vanish(self) -> None:
        """The device is gone: the stream ends."""
        self.server.kill()
        self.server.wait(timeout=10)


@contextlib.contextmanager
def virtual_microphone(folder: Path) -> Iterator[VirtualMicrophone]:
    """A microphone for a while; its files are in `folder`."""
    folder.chmod(0o700)
    microphone = VirtualMicrophone(folder)
    try:
        yield microphone
    finally:
        microphone.thaw()
        microphone.vanish()
