"""The whole examination: every check, in the order in which `monitor` needs what they look at."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from livetag.audio.portaudio import HANGS
from livetag.config import Loaded
from livetag.doctor import machine, model, places, sound
from livetag.doctor.check import Check, guarded, judged, within
from livetag.doctor.terminal import check_terminal
from livetag.errors import InputError, ModelError, UsageError
from livetag.outputs import sink_tables
from livetag.resources import cache_dir
from livetag.rules import Rules, resolve
from livetag.schema import Config
from livetag.text import counted
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

_SECONDS = 10.0
_WORKING_SECONDS = 30.0
_DISK_HANGS = "a disk or network folder may hang: what does `df` say?"
_USUAL_RATE_HZ = 48_000

Resolve = Callable[[Config], tuple[Rules, Params]]


def examine(
    load: Callable[[], Loaded], check: Resolve, otherwise: Config | None = None
) -> Iterator[Check]:
    """Yield each check as it is through. No check ends the others, and none takes for ever.

    `load` gives the configuration, `check` what it means; both raise `UsageError`. `otherwise`: the
    configuration to look at where it cannot be read. For the main thread.
    """
    began = machine.Moment.now()
    yield within(_SECONDS, "python", machine.check_python, _DISK_HANGS)
    yield within(_SECONDS, "packages", machine.check_packages, _DISK_HANGS)
    settings = _Settings(load, check, otherwise or Config())
    yield within(_SECONDS, "configuration", settings.check, _DISK_HANGS)
    config = settings.config
    rate_hz = _USUAL_RATE_HZ
    for heard in _sound(config):
        yield heard
        rate_hz = heard.details.get("rate_hz", rate_hz)
    named = None if config.weights is None else Path(config.weights)
    cache = cache_dir()
    has_model = within(
        _SECONDS,
        "model",
        partial(model.check_model, named, cache),
        _DISK_HANGS,
        ModelError.exit_code,
    )
    yield has_model
    speed = partial(model.check_speed, named, cache, settings.rules, settings.params, rate_hz)
    yield within(_WORKING_SECONDS, "speed", speed, "this computer is too slow, or too busy")
    for where, table in sink_tables(config):
        sink = partial(places.check_sink, where, table)
        yield within(_SECONDS, "disk", sink, _DISK_HANGS)
    kept = partial(places.check_cache, cache, needed=has_model.status != "ok")
    yield within(_SECONDS, "disk", kept, _DISK_HANGS)
    yield check_terminal(config.dashboard)
    yield machine.check_clock(began)


class _Settings:
    """What there is to check: as configured, as far as that can be told; else the defaults."""

    def __init__(self, load: Callable[[], Loaded], check: Resolve, otherwise: Config) -> None:
        self._load = load
        self._check = check
        self.config = otherwise
        self.params = Params()
        self.rules = resolve(self.config, class_map())

    def check(self) -> Check:
        try:
            loaded = self._load()
            self.config = loaded.config
            self.rules, self.params = self._check(loaded.config)
        except UsageError as error:
            rest = "what follows is of the settings that could be read, else of the defaults"
            return Check("configuration", "fail", str(error), rest, {}, error.exit_code)
        origins = loaded.origins
        files = dict.fromkeys(origins.values())
        found = "the defaults"
        if origins:
            found = f"{counted(len(origins), 'setting')} from {', '.join(files)}"
        details = {"origins": dict(origins), "ignored": loaded.ignored}
        return judged("configuration", found, details, loaded.ignored)


def _sound(config: Config) -> Iterator[Check]:
    """The source, and what it needs."""
    code = InputError.exit_code
    if config.demo:
        yield within(_SECONDS, "demo", sound.check_demo, _DISK_HANGS)
    elif config.input is not None:
        path = None if config.input == "-" else Path(config.input)
        recording = partial(sound.check_recording, path, config.rate, config.channels)
        yield within(_SECONDS, "recording", recording, "does what is to write it run?", code)
    else:
        wanted = None if config.device is None else str(config.device)
        devices = partial(sound.check_devices, wanted)
        microphone = partial(sound.check_microphone, wanted, config.rate, config.stall_seconds)
        steps: list[tuple[str, Callable[[], Check]]] = [
            (
                "portaudio",
                lambda: within(_SECONDS, "portaudio", sound.check_portaudio, HANGS, code),
            ),
            ("devices", lambda: within(_SECONDS, "devices", devices, HANGS, code)),
            ("microphone", lambda: guarded("microphone", microphone)),
        ]
        failed = ""
        for name, check in steps:
            if failed:  # PortAudio that hangs is not to be called again
                yield Check(name, "fail", f"not tried, since {failed} failed", exit_code=code)
                continue
            done = check()
            yield done
            failed = name if done.status == "fail" else ""
