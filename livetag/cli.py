"""The commands: the only room that builds a `Config` and puts the others together.

Rooms are imported by the command that needs them: what is not used costs no start-up time and
need not be installed.
"""

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

# One frame's arithmetic is too small to share between threads, and sharing it would spin a core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from livetag.errors import InputError, LivetagError, ModelError
from livetag.options import build_parser
from livetag.resources import cache_dir

if TYPE_CHECKING:
    from rich.console import Console

    from livetag.config import Config
    from livetag.sources.base import Source
    from livetag.yamnet.compile import CompiledModel

_INTERRUPTED = 130  # as shells report a program that Ctrl-C ended
_NOT_KEYS = {"command", "config"}  # of a command's options; the others are configuration keys


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. No user error shows a traceback."""
    for name in ("stdout", "stderr"):  # closed by whoever started us
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = build_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may hold what it cannot encode
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _COMMANDS[options.command](options)
        sys.stdout.flush()
        return code
    except LivetagError as error:
        print(f"livetag: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        # Mostly our output, which names no file and cannot be written. What waits in its buffer
        # must not be tried again at exit.
        _abandon_stdout()
        if not isinstance(error, BrokenPipeError):  # its reader simply had enough
            reason = f"standard output cannot be written: {error.strerror or error}"
            print(f"livetag: {error if error.filename else reason}", file=sys.stderr)
        return LivetagError.exit_code
    except KeyboardInterrupt:
        _abandon_stdout()
        print("livetag: stopped", file=sys.stderr)
        return 0 if options.command == "monitor" else _INTERRUPTED
    except Exception as error:
        if os.environ.get("LIVETAG_DEBUG"):
            raise
        print(
            f"livetag: a fault of livetag's own: {type(error).__name__}: {error}. "
            "Please report it, with what LIVETAG_DEBUG=1 shows.",
            file=sys.stderr,
        )
        return LivetagError.exit_code


def _abandon_stdout() -> None:
    """Send what waits in stdout's buffer nowhere: nobody takes it, and Python's end would wait."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _monitor(options: argparse.Namespace) -> int:
    from livetag.config import load
    from livetag.detector import Detector, alert_thresholds
    from livetag.monitor import Monitor, interrupt_on_signals
    from livetag.state import MonitorState
    from livetag.yamnet.classifier import LiteRTClassifier
    from livetag.yamnet.labels import class_map
    from livetag.yamnet.params import Params

    interrupt_on_signals()  # while things are being set up
    console = _stderr()
    keys = {key: value for key, value in vars(options).items() if key not in _NOT_KEYS}
    config, ignored = load(getattr(options, "config", None), keys)
    for message in ignored:
        _say(console, message)
    labels = class_map()
    params = Params(patch_hop_seconds=config.patch_hop_seconds)
    alerts = alert_thresholds(config.alert, labels, config.threshold)
    source = _source(config)
    weights = None if config.weights is None else Path(config.weights)
    classifier = LiteRTClassifier(_model(weights, console).content)
    detector = Detector(labels, params, config.threshold, alerts, config.hold_seconds)
    state = MonitorState(
        labels=labels,
        params=params,
        source_name=source.name,
        rate_hz=source.rate_hz,
        alert_thresholds={label.index: own for label, own in alerts.items()},
        threshold=config.threshold,
        started_at=time.monotonic(),
    )
    terminal = console.is_terminal and not console.is_dumb_terminal
    dashboard = terminal and config.dashboard is not False
    if config.dashboard and not terminal:
        _say(console, "standard error is no terminal that can be drawn on: there is no dashboard")
    return Monitor(
        source=source,
        classifier=classifier,
        detector=detector,
        params=params,
        state=state,
        sinks=_sinks(config, source.name, dashboard),
        console=console,
        dashboard_top=config.top if dashboard else None,
        duration_seconds=config.duration_seconds,
    ).run()


def _source(config: "Config") -> "Source":
    if config.demo:
        from livetag.sources.demo import DemoSource

        return DemoSource(config.fast)
    if config.input == "-":
        from livetag.sources.file import StdinSource

        return StdinSource(config.rate, config.channels)
    if config.input is not None:
        from livetag.sources.file import FileSource

        return FileSource(Path(config.input), config.fast)
    from livetag.sources.microphone import Microphone

    return Microphone(None if config.device is None else str(config.device), config.rate)


def _sinks(config: "Config", source: str, dashboard: bool) -> list[Any]:
    from livetag.sinks.console import ConsoleSink
    from livetag.sinks.csv_log import CsvSink

    covered = dashboard and sys.stdout.isatty()  # the dashboard has the terminal to itself
    sinks: list[Any] = [ConsoleSink(sys.stdout, source, config.json, held=covered)]
    if config.csv is not None:
        sinks.append(CsvSink(Path(config.csv), source))
    return sinks


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
    from livetag.sources.microphone import input_devices

    devices = input_devices()
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


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "monitor": _monitor,
    "classify": _classify,
    "devices": _devices,
    "model fetch": _model_fetch,
    "model info": _model_info,
}


def _stderr() -> "Console":
    from rich.console import Console

    class Stderr(Console):
        def on_broken_pipe(self) -> None:
            """Go on where nobody reads stderr: rich would end the program."""

    return Stderr(stderr=True, highlight=False)


def _say(console: "Console", message: str) -> None:
    with contextlib.suppress(OSError):  # what cannot be said must not end the program
        console.print(f"livetag: {message}", markup=False, soft_wrap=True)
