"""What the tests have and these scripts use: the command as a user runs it, microphones."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from fake_portaudio import FakePortAudio, device, install
from running import Running, running
from virtual_microphone import SINK, VirtualMicrophone, missing, virtual_microphone

__all__ = [
    "SINK",
    "FakePortAudio",
    "Running",
    "VirtualMicrophone",
    "device",
    "install",
    "missing",
    "running",
    "virtual_microphone",
]
