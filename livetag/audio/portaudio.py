"""PortAudio, through sounddevice, which only this room imports: devices and streams.

PortAudio knows the devices that were there when it started, so it is started again to see others.
It is not to be used by two threads at once, and any call may hang, where a sound server does:
`answered` makes a call in a thread of its own, and gives it up in time.
"""

import atexit
import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar

from livetag.errors import InputError
from livetag.stderr import native_stderr_silenced

ANSWER_SECONDS = 10.0
CALLBACK_SECONDS = 0.04
_ADDRESS = re.compile(r"\s*\(hw:\d+(?:,\d+)?\)")  # of ALSA: another one after each plugging in

HANGS = (
    "the sound server does not answer: it hangs. Restart it (PipeWire: `systemctl --user restart "
    "pipewire`; PulseAudio: `pulseaudio -k`), or the computer."
)

T = TypeVar("T")


class HangsError(InputError):
    """A call into PortAudio hangs, and PortAudio is not to be used any more."""


@dataclass(frozen=True)
class Device:
    """An input device as PortAudio lists it."""

    index: int
    name: str
    host_api: str
    channels: int
    rate_hz: int
    default: bool


def _sounddevice() -> ModuleType:
    """The library, imported when first used: everything else works without PortAudio."""
    try:
        import sounddevice
    except OSError as error:
        raise InputError(
            "the microphone needs the PortAudio library, which is not installed: "
            "on Debian and Ubuntu `sudo apt install libportaudio2`, on Fedora "
            "`sudo dnf install portaudio`, on macOS `brew install portaudio`. "
            "`livetag monitor --demo`, and recordings, do without it."
        ) from error
    except Exception as error:  # PortAudio's own, which has no name before the import
        raise InputError(f"the PortAudio library cannot start: {error}") from error
    return sounddevice  # type: ignore[no-any-return]


class Call(threading.Thread, Generic[T]):
    """A call that may hang, in a thread of its own; `done` when it is through."""

    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(name="PortAudio", daemon=True)
        self.done = threading.Event()
        self._call = call
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:  # raised again where the result is asked for
            self._error = error
        finally:
            self.done.set()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results[0]


def started(call: Callable[[], T]) -> Call[T]:
    """Start a call, which is to be asked for its `result` once it is `done`."""
    thread = Call(call)
    thread.start()
    return thread


def answered(call: Callable[[], T], seconds: float = ANSWER_SECONDS) -> T:
    """What a call returns or raises. Raises `HangsError` where that takes too long.

    For the main thread: what native libraries write to stderr meanwhile goes nowhere.
    """
    with native_stderr_silenced():
        thread = started(call)
        try:
            in_time = thread.done.wait(seconds)  # a thread whose `join` was interrupted seems ended
        finally:
            if not thread.done.is_set():  # after Ctrl-C, too
                leave_behind()
    if not in_time:
        raise HangsError(f"{HANGS} ({seconds:g} s)")
    return thread.result()


def leave_behind() -> None:
    """Let Python end without PortAudio's consent: a call that hangs would be waited for."""
    handler = getattr(sys.modules.get("sounddevice"), "_exit_handler", None)
    if handler is not None:
        atexit.unregister(handler)


def restart() -> None:
    """Start PortAudio again, so that it sees the devices that are there now. No stream is open.

    Raises `InputError`.
    """
    sounddevice = _sounddevice()
    try:
        while sounddevice._initialized:
            sounddevice._terminate()
        sounddevice._initialize()
    except sounddevice.PortAudioError as error:
        raise InputError(f"the PortAudio library cannot start: {error.args[0]}") from error


def version() -> str:
    """PortAudio's own words for its version. Raises `InputError` where it is missing."""
    return str(_sounddevice().get_portaudio_version()[1])


def input_devices() -> list[Device]:
    """Every device that can record. Raises `InputError` where PortAudio is missing."""
    sounddevice = _sounddevice()
    try:
        return _listed(sounddevice)
    except (sounddevice.PortAudioError, ValueError) as error:  # names may be no text at all
        raise InputError(f"PortAudio cannot list the devices: {error}") from error


def _listed(sounddevice: ModuleType) -> list[Device]:
    default = sounddevice.default.device[0]
    if default < 0:
        default = next(
            (
                api["default_input_device"]
                for api in sounddevice.query_hostapis()
                if api["default_input_device"] >= 0
            ),
            default,
        )
    return [
        Device(
            index=device["index"],
            name=device["name"],
            host_api=sounddevice.query_hostapis(device["hostapi"])["name"],
            channels=device["max_input_channels"],
            rate_hz=round(device["default_samplerate"]),
            default=device["index"] == default,
        )
        for device in sounddevice.query_devices()
        if device["max_input_channels"] > 0
    ]


def devices_elsewhere() -> list[Device]:
    """The input devices as another process sees them now. Raises `InputError`.

    PortAudio tells nobody that devices have come or gone. To start it again in this process takes
    a stream that is open with it, and leaks: ALSA's plugins some 13 kB each time.
    """
    program = (
        f"import dataclasses, json; from {__name__} import *;"
        "print(json.dumps([dataclasses.asdict(device) for device in input_devices()]))"
    )
    command = [sys.executable, "-P", "-c", program]
    try:
        done = subprocess.run(command, capture_output=True, timeout=ANSWER_SECONDS, check=False)
        return [Device(**device) for device in json.loads(done.stdout)]
    except subprocess.TimeoutExpired as error:
        raise InputError(HANGS) from error
    except (OSError, ValueError) as error:
        raise InputError("another process cannot list the devices") from error


def default_elsewhere() -> str | None:
    """The default device's name as another process sees it now; None where there is none."""
    with contextlib.suppress(InputError):
        return find_device(None, devices_elsewhere()).name
    return None


def find_device(wanted: str | None, devices: list[Device]) -> Device:
    """The device that an index or any part of a name chooses; the default one for None.

    Raises `InputError` that lists the choices where none matches, or several do.
    """
    if not devices:
        raise InputError(
            "no microphone was found",
            "connect one, or take a recording, or `livetag monitor --demo`. `livetag devices` "
            "lists what there is.",
        )
    listed = "\n".join(
        f"  {device.index}  {device.name}  ({device.host_api})" for device in devices
    )
    if wanted is None:
        for device in devices:
            if device.default:
                return device
        advice = f"choose one (--device, device=):\n{listed}"
        raise InputError("no default microphone is set", advice)
    name = wanted.strip().casefold()
    matches = [device for device in devices if name == str(device.index)]
    matches = matches or [device for device in devices if name == device.name.casefold()]
    matches = matches or [device for device in devices if name in device.name.casefold()]
    if len(matches) == 1:
        return matches[0]
    what = "several input devices match" if matches else "no input device matches"
    raise InputError(f"{what} {wanted!r}", f"there are\n{listed}")


def find_again(wanted: str | None, known: Device, devices: list[Device]) -> Device:
    """The device that was `known` before, under whatever index it has now.

    Where the default one was `wanted`, the one that is the default now. Otherwise by its name,
    which may hold another address after it was plugged in again, or by what was wanted of it.
    Raises `InputError`.
    """
    if wanted is None:
        return find_device(None, devices)
    alike: tuple[Callable[[Device], object], ...] = (
        lambda device: (device.name, device.host_api),
        lambda device: device.name,
        lambda device: _ADDRESS.sub("", device.name),
    )
    for key in alike:
        matches = [device for device in devices if key(device) == key(known)]
        if len(matches) > 1:  # twins: the one that is where it was
            matches = [device for device in matches if device.index == known.index]
        if matches:
            return matches[0]
    if not wanted.strip().isdecimal():  # an index may be another device's now
        return find_device(wanted, devices)
    raise InputError(f"{known.name!r} is not there, or not where it was")


def open_stream(
    device: Device,
    rate_hz: int,
    channels: int,
    callback: Callable[[Any, int, Any, Any], None],
    finished: Callable[[], None],
) -> Any:
    """A stream that runs, as sounddevice has it. Raises `InputError`."""
    sounddevice = _sounddevice()
    try:
        stream = sounddevice.InputStream(
            samplerate=rate_hz,
            blocksize=round(CALLBACK_SECONDS * rate_hz),
            device=device.index,
            channels=channels,
            dtype="float32",
            latency="high",
            callback=callback,
            finished_callback=finished,
        )
        try:
            stream.start()
        except sounddevice.PortAudioError:
            stream.close(ignore_errors=True)
            raise
    except (sounddevice.PortAudioError, ValueError) as error:
        raise InputError(
            f"the microphone {device.name!r} cannot be opened ({error.args[0]})",
            "is another program using it, or is livetag not allowed to? `livetag devices` lists "
            "others.",
        ) from error
    return stream
