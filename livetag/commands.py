"""The commands: the only room that builds a `Config` and puts the others together.

Rooms are imported by the command that needs them: what is not used costs no start-up time and
need not be installed.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from livetag.errors import InputError, ModelError, UsageError
from livetag.resources import cache_dir

if TYPE_CHECKING:
    from rich.console import Console

    from livetag.config import Loaded
    from livetag.rules import Rules
    from livetag.schema import Config
    from livetag.sources.base import Source
    from livetag.yamnet.compile import CompiledModel
    from livetag.yamnet.params import Params

_NOT_KEYS = {"command", "config", "yes", "print"}
"""Of a command's options; the others are keys of the configuration."""


def _monitor(options: argparse.Namespace) -> int:
    from livetag.detector import Detector
    from livetag.monitor import Monitor
    from livetag.outputs import Outputs
    from livetag.reload import Reloader
    from livetag.screen import Screen
    from livetag.signals import Signals
    from livetag.state import MonitorState
    from livetag.supervisor import Supervisor
    from livetag.yamnet.classifier import LiteRTClassifier

    signals = Signals()
    signals.interrupt()  # while things are being set up
    console = _stderr()
    loaded = _load(options)
    for message in loaded.ignored:
        _say(console, message)
    config = loaded.config
    rules, params, began = _checked(config)
    source = _source(config, began)
    model = _model(None if config.weights is None else Path(config.weights), console)
    classifier = LiteRTClassifier(model.content)
    state = MonitorState(rules, params, source.name, source.rate_hz, time.monotonic())
    terminal = console.is_terminal and not console.is_dumb_terminal
    screen = Screen(console) if terminal and config.dashboard is not False else None
    if config.dashboard and not terminal:
        _say(console, "standard error is no terminal that can be drawn on: there is no dashboard")
    covering = (lambda: False) if screen is None else (lambda: screen.is_open)
    outputs = Outputs(config, source, rules, params, model.report, began, covering)
    return Monitor(
        source=source,
        classifier=classifier,
        detector=Detector(rules, params),
        params=params,
        state=state,
        sinks=outputs.sinks,
        console=console,
        screen=screen,
        top=config.top,
        duration_seconds=config.duration_seconds,
        explain=config.explain,
        reread=Reloader(config, lambda: _reread(options), outputs.change),
        signals=signals,
        supervisor=Supervisor.from_environment(),
    ).run()


def _reread(options: argparse.Namespace) -> "Config":
    """The configuration as it is now, looked over. Raises `UsageError`."""
    config = _load(options).config
    _checked(config)
    return config


def _load(options: argparse.Namespace) -> "Loaded":
    """The configuration that a command's options make."""
    from livetag.config import load

    keys = {key: value for key, value in vars(options).items() if key not in _NOT_KEYS}
    return load(getattr(options, "config", None), keys)


def _checked(config: "Config") -> "tuple[Rules, Params, float | None]":
    """What a configuration means: its rules, hyperparameters, and when a recording began.

    Raises `UsageError` for anything in it that cannot be.
    """
    from livetag.outputs import check_sinks
    from livetag.rules import resolve
    from livetag.yamnet.labels import class_map
    from livetag.yamnet.params import Params

    params = Params(patch_hop_seconds=config.patch_hop_seconds)
    rules = resolve(config, class_map())
    check_sinks(config, rules)
    return rules, params, _began(config)


def _began(config: "Config") -> float | None:
    """The UNIX time at which a recording began, if that is said."""
    from livetag.times import parse_time

    if config.since is None:
        return None
    try:
        return parse_time(config.since, time.time(), ago=False)
    except UsageError as error:
        raise UsageError(f"since: {error}") from error


def _check_since(config: "Config") -> None:
    if config.since is not None and not config.demo and config.input is None:
        raise UsageError("since: a microphone has its own time; it dates recordings (--input)")


def _source(config: "Config", began: float | None) -> "Source":
    if config.demo:
        from livetag.sources.demo import DemoSource

        return DemoSource(config.fast, began)
    if config.input == "-":
        from livetag.sources.file import StdinSource

        return StdinSource(config.rate, config.channels, began)
    if config.input is not None:
        from livetag.sources.file import FileSource

        return FileSource(Path(config.input), config.fast, began)
    _check_since(config)
    from livetag.sources.microphone import Microphone

    return Microphone(
        None if config.device is None else str(config.device),
        config.rate,
        config.stall_seconds,
        config.zeros_seconds,
        config.require_device,
        say=lambda message: _say(_stderr(), message),
    )


def _model(named: Path | None, console: "Console") -> "CompiledModel":
    """The compiled model; where it has to be fetched, with a progress bar."""
    from livetag.yamnet.compile import find_model, obtain_model

    ready = find_model(named, cache_dir())
    if ready is not None:
        return ready
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("  "), BarColumn(), DownloadColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("", total=None, visible=False)
    said = set()

    def progress(source: str, done: int, total: int) -> None:
        if source not in said:
            said.add(source)
            _say(bar.console, f"Fetching YAMNet's weights from {source}; their hash is checked.")
        bar.update(task, completed=done, total=total, visible=True)

    def say(message: str) -> None:
        bar.stop()
        _say(console, message)

    with bar:
        model = obtain_model(named, cache_dir(), progress, say)
    _say(console, f"The model is ready, and kept in {model.path.parent}")
    return model


def _named_weights(options: argparse.Namespace) -> Path | None:
    named = getattr(options, "weights", None) or os.environ.get("LIVETAG_WEIGHTS")
    return Path(named) if named else None


def _classify(options: argparse.Namespace) -> int:
    from livetag.report import PRINTERS
    from livetag.yamnet.classifier import LiteRTClassifier
    from livetag.yamnet.labels import class_map
    from livetag.yamnet.params import Params

    params = Params(patch_hop_seconds=options.hop)
    form = "json" if options.json else "frames" if options.frames else "text"
    classifier = LiteRTClassifier(_model(_named_weights(options), _stderr()).content)
    printer = PRINTERS[form](sys.stdout, class_map(), options.top)
    code = 0
    for path in options.files:
        try:
            printer.recording(path, classifier, params)
        except InputError as error:  # the other recordings are still wanted
            print(f"livetag: {error}", file=sys.stderr)
            code = error.exit_code
    return code


def _devices(options: argparse.Namespace) -> int:
    from livetag.audio.portaudio import answered, input_devices

    devices = answered(input_devices)
    if not devices:
        raise InputError("no input device was found")
    width = max(len(device.name) for device in devices)
    for device in devices:
        mark = "*" if device.default else " "
        print(
            f"{mark} {device.index:3}  {device.name:{width}}  {device.rate_hz} Hz  "
            f"{device.channels} ch  {device.host_api}"
        )
    return 0


def _model_fetch(options: argparse.Namespace) -> int:
    model = _model(_named_weights(options), _stderr())
    print(model.path)
    return 0


def _model_info(options: argparse.Namespace) -> int:
    from importlib.metadata import version

    from livetag.yamnet.compile import find_model

    model = find_model(_named_weights(options), cache_dir())
    if model is None:
        raise ModelError(
            f"no model is compiled yet in {cache_dir()}: `livetag model fetch` gets the published "
            "weights and compiles them"
        )
    report = model.report
    published = "published" if report.weights_published else "NOT the published ones"
    for name, value in (
        ("weights", f"{published}, {report.weights_source}"),
        ("weights SHA-256", report.weights_sha256),
        ("parameters", f"{report.parameters:,}"),
        ("compiled by", f"TensorFlow {report.tensorflow}, Keras {report.keras}"),
        ("compiled model", model.path),
        ("compiled SHA-256", report.sha256),
        ("differs from Keras", f"by {report.max_difference:.1e} at most"),
        ("runtime", f"LiteRT {version('ai-edge-litert')}, float32, 1 thread"),
        ("cache", cache_dir()),
    ):
        print(f"{name + ':':20}{value}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from livetag.doctor.examination import examine
    from livetag.doctor.report import print_json, print_text

    def meant(config: "Config") -> "tuple[Rules, Params]":
        rules, params, _ = _checked(config)
        _check_since(config)
        return rules, params

    checks = examine(lambda: _load(options), meant)
    as_json = getattr(options, "json", False)  # that of the configuration is the monitor's
    return print_json(checks, sys.stdout) if as_json else print_text(checks, sys.stdout)


def _history(options: argparse.Namespace) -> int:
    import math

    from livetag.config import read_environment
    from livetag.history_query import History, Query
    from livetag.history_report import PRINTERS
    from livetag.resources import history_path
    from livetag.times import parse_time
    from livetag.yamnet.labels import class_map

    now = time.time()
    since = -math.inf if options.since is None else parse_time(options.since, now)
    until = math.inf if options.until is None else parse_time(options.until, now)
    form = "json" if options.json else "csv" if options.csv else "text"
    print_as = PRINTERS["summary" if options.summary else form]
    usual = read_environment(os.environ)[0].get("history")
    named = options.file or (usual if isinstance(usual, str) else None)
    with History(Path(named) if named else history_path()) as history:
        names = options.label or []
        groups = history.groups() if names else set()
        labels = [class_map().find(name) for name in names if name not in groups]
        query = Query(
            since=since,
            until=until,
            classes=frozenset(label.index for label in labels) if names else None,
            groups=frozenset(groups.intersection(names)) if names else None,
            alerts_only=options.alerts,
        )
        if not print_as(sys.stdout, history, query):
            print("livetag: nothing of the kind is in the history", file=sys.stderr)
    return 0


def _config_check(options: argparse.Namespace) -> int:
    from livetag.config import load

    config = load(options.file, {}, {}).config
    try:
        _checked(config)
    except UsageError as error:
        raise UsageError(f"{options.file}: {error}") from error
    print(f"{options.file}: nothing is wrong with it")
    return 0


def _config_show(options: argparse.Namespace) -> int:
    from livetag.config_report import print_config
    from livetag.rules import resolve
    from livetag.yamnet.labels import class_map

    loaded = _load(options)
    for message in loaded.ignored:
        _say(_stderr(), message)
    resolve(loaded.config, class_map())
    print_config(loaded, sys.stdout)
    return 0


def _config_schema(options: argparse.Namespace) -> int:
    import json

    from livetag.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _service_install(options: argparse.Namespace) -> int:
    from livetag.service import asked_on_terminal, install, job_of
    from livetag.service_manager import manager_here

    console = _stderr()
    loaded = _load(options)
    for message in loaded.ignored:
        _say(console, message)
    config = loaded.config
    _checked(config)
    _check_since(config)
    job = job_of(options, config)
    manager = manager_here(job)
    if options.print:
        print(manager.text(job), end="")
        return 0
    manager.check()
    _model(None if config.weights is None else Path(config.weights), console)
    return install(manager, job, asked_on_terminal(options.yes, sys.stderr), sys.stderr)


def _service_status(options: argparse.Namespace) -> int:
    from livetag.service import status
    from livetag.service_manager import manager_here

    return status(manager_here(), sys.stdout)


def _service_uninstall(options: argparse.Namespace) -> int:
    from livetag.service import asked_on_terminal, uninstall
    from livetag.service_manager import manager_here

    return uninstall(manager_here(), asked_on_terminal(options.yes, sys.stderr), sys.stderr)


def _stderr() -> "Console":
    from rich.console import Console

    class Stderr(Console):
        def on_broken_pipe(self) -> None:
            """Go on where nobody reads stderr: rich would end the program."""

    return Stderr(stderr=True, highlight=False)


def _say(console: "Console", message: str) -> None:
    with contextlib.suppress(OSError):  # what cannot be said must not end the program
        console.print(f"livetag: {message}", markup=False, soft_wrap=True)


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "monitor": _monitor,
    "classify": _classify,
    "devices": _devices,
    "doctor": _doctor,
    "history": _history,
    "config check": _config_check,
    "config show": _config_show,
    "config schema": _config_schema,
    "model fetch": _model_fetch,
    "model info": _model_info,
    "service install": _service_install,
    "service status": _service_status,
    "service uninstall": _service_uninstall,
}
"""What runs each command, by the name that its options carry; it returns the exit code."""
