"""`livetag monitor`: puts the rooms of the live program together."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from livetag.commands.base import check_since, checked, load_settings, ready_model, say, stderr
from livetag.stderr import native_stderr_silenced

if TYPE_CHECKING:
    from livetag.schema import Config
    from livetag.sources.base import Source


def run(options: argparse.Namespace) -> int:
    """Listen until the source ends or somebody ends it."""
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
    console = stderr()
    loaded = load_settings(options)
    for message in loaded.ignored:
        say(console, message)
    config = loaded.config
    rules, params, began = checked(config)
    source = _source(config, began)
    model = ready_model(None if config.weights is None else Path(config.weights), console)
    classifier = LiteRTClassifier(model.content)
    state = MonitorState(rules, params, source.name, source.rate_hz, time.monotonic())
    terminal = console.is_terminal and not console.is_dumb_terminal
    screen = Screen(console) if terminal and config.dashboard is not False else None
    if config.dashboard and not terminal:
        say(console, "standard error is no terminal that can be drawn on: there is no dashboard")
    covering = (lambda: False) if screen is None else (lambda: screen.is_open)
    outputs = Outputs(config, source, rules, params, model.report, began, covering)
    return Monitor(
        source=source,
        classifier=classifier,
        detector=Detector(rules, params),
        params=params,
        state=state,
        sinks=outputs.sinks,
        unclipped=outputs.unclipped,
        console=console,
        screen=screen,
        top=config.top,
        duration_seconds=config.duration_seconds,
        explain=config.explain,
        spectrogram=config.spectrogram,
        reread=Reloader(config, lambda: _reread(options), outputs.change),
        signals=signals,
        supervisor=Supervisor.from_environment(),
    ).run()


def _reread(options: argparse.Namespace) -> "Config":
    """The configuration as it is now, looked over. Raises `UsageError`."""
    config = load_settings(options).config
    checked(config)
    return config


def _source(config: "Config", began: float | None) -> "Source":
    if config.demo:
        from livetag.sources.demo import DemoSource

        return DemoSource(config.fast, began)
    if config.input == "-":
        from livetag.sources.file import StdinSource

        return StdinSource(config.rate, config.channels, began)
    if config.input is not None:
        from livetag.sources.file import FileSource

        with native_stderr_silenced():
            return FileSource(Path(config.input), config.fast, began)
    check_since(config)
    from livetag.sources.microphone import Microphone

    return Microphone(
        None if config.device is None else str(config.device),
        config.rate,
        config.stall_seconds,
        config.zeros_seconds,
        config.require_device,
        say=lambda message: say(stderr(), message),
    )
