"""The commands' options, as argparse reads them. Says what there is; does nothing.

The names of the monitor's options are the keys of its configuration.
"""

import argparse
from pathlib import Path
from typing import Any

from livetag.recording_options import (
    add_classify,
    add_detection,
    add_evaluate,
    add_plot,
    add_scan,
    add_weights,
    count,
)
from livetag.version import __version__
from livetag.yamnet.export_plan import FORMATS, INPUTS, PRECISIONS


def build_parser() -> argparse.ArgumentParser:
    """The parser; the namespaces it makes name their command in `command`."""
    parser = argparse.ArgumentParser(
        prog="livetag",
        description="Listens to a microphone and says what it hears.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"livetag {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_monitor(commands)
    add_classify(commands)
    add_scan(commands)
    add_evaluate(commands)
    add_plot(commands)
    _add_history(commands)
    _add_config(commands)
    _add_service(commands)
    devices = commands.add_parser("devices", help="input devices, the default marked")
    devices.set_defaults(command="devices")
    _add_doctor(commands)
    _add_model(commands)
    return parser


def _add_model(commands: Any) -> None:
    model = commands.add_parser("model", help="the model: fetch it, what is known of it, export it")
    actions = model.add_subparsers(required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="fetch and compile the weights, if they are missing")
    info = actions.add_parser("info", help="source, hash, parameters, runtime and cache paths")
    export = actions.add_parser(
        "export",
        help="write it as a TensorFlow SavedModel, for LiteRT, or as ONNX",
        description="Writes the model for other programs, and compares what was written with the "
        "Keras network.",
        allow_abbrev=False,
    )
    add = export.add_argument
    add(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="a file.tflite (LiteRT), a file.onnx (ONNX), or a new folder (SavedModel)",
    )
    add("--format", choices=FORMATS, help="whatever the ending of PATH is")
    add("--input", choices=INPUTS, default="waveform", help="what goes in (default waveform)")
    add("--precision", choices=PRECISIONS, default="float32", help="of LiteRT (default float32)")
    add(
        "--calibrate",
        action="extend",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="recordings like those that int8 is for",
    )
    add("--force", action="store_true", help="replace an export that is there")
    for action, name in ((fetch, "fetch"), (info, "info"), (export, "export")):
        add_weights(action)
        action.set_defaults(command=f"model {name}")


def _add_monitor(commands: Any) -> None:
    parser = commands.add_parser(
        "monitor",
        help="listen, show, alert, log",
        description="Listens, shows what it hears, alerts on the classes you choose, logs events.",
        epilog="Every option can stand in the configuration file, too, and more: see "
        "config/default.toml.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    _add_settings(parser)
    parser.set_defaults(command="monitor")


def _add_doctor(commands: Any) -> None:
    parser = commands.add_parser(
        "doctor",
        help="whether `monitor` would work, and what to do where it would not",
        description="Looks at all that `livetag monitor` would use with the same options. Opens "
        "the microphone for three seconds.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    _add_settings(parser)
    parser.set_defaults(command="doctor")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """The options that are keys of the configuration, and `--config`."""
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--device", metavar="NAME|INDEX", help="the microphone to listen to")
    source.add_argument("--input", metavar="FILE|-", help="a recording, or a stream on stdin")
    source.add_argument("--demo", action="store_true", help="the built-in minute of sounds")
    add("--rate", type=int, metavar="HZ", help="of the microphone, or of raw s16le on stdin")
    add("--channels", type=int, metavar="N", help="channels of raw stdin (default 1)")
    add(
        "--require-device",
        type=float,
        metavar="SECONDS",
        help="end with exit code 3 where the microphone is away for longer",
    )
    add("--fast", action="store_true", help="replay as fast as it goes")
    add("--since", metavar="TIME", help="when a recording began: 2026-11-22T08:00:00")
    add("--duration", dest="duration_seconds", type=float, metavar="SECONDS", help="of audio")
    add_detection(parser)
    add("--top", type=count, metavar="N", help="classes on the dashboard (default 10)")
    add(
        "-v",
        "--explain",
        action="store_true",
        help="say what kept a class from alerting when its score came near",
    )
    add("--json", action="store_true", help="stdout gets one JSON object a line")
    add("--csv", metavar="PATH", help="append every event to this log")
    add("--jsonl", metavar="PATH", help="append every record to this file, as JSON Lines")
    add("--audacity", metavar="PATH", help="write events as Audacity labels")
    add("--raven", metavar="PATH", help="write events as a Raven selection table")
    add("--dcase", metavar="PATH", help="append events as a DCASE event list")
    add(
        "--history",
        nargs="?",
        const=True,
        metavar="PATH",
        help="keep events in the history that `livetag history` shows",
    )
    add("--clips", metavar="FOLDER", help="keep the sound of each alert in this folder")
    add("--spectrogram", action=argparse.BooleanOptionalAction, help="on the dashboard, or not")
    add("--dashboard", action=argparse.BooleanOptionalAction, help="draw it (default), or do not")
    add_weights(parser)


def _add_config(commands: Any) -> None:
    parser = commands.add_parser("config", help="configurations: check one, or show what is set")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="check a configuration file")
    check.add_argument("file", metavar="NAME|PATH")
    check.set_defaults(command="config check")
    show = actions.add_parser(
        "show",
        help="the configuration in force, and what set each key",
        description="Prints the configuration that `livetag monitor` would have with the same "
        "options, and where each key comes from.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    _add_settings(show)
    show.set_defaults(command="config show")
    schema = actions.add_parser("schema", help="the JSON Schema of a configuration, for editors")
    schema.set_defaults(command="config schema")


def _add_service(commands: Any) -> None:
    parser = commands.add_parser("service", help="keep livetag running: systemd, launchd on macOS")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    install = actions.add_parser(
        "install",
        help="run `livetag monitor` now, after failures, and at each login",
        description="Shows the file for systemd or launchd that runs `livetag monitor` with the "
        "same options, and asks before it writes it and starts livetag.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    _add_settings(install)
    form = install.add_mutually_exclusive_group()
    form.add_argument("--yes", action="store_true", default=False, help="do not ask")
    form.add_argument("--print", action="store_true", default=False, help="print the file alone")
    install.set_defaults(command="service install")
    status = actions.add_parser("status", help="whether it runs, and what it says")
    status.set_defaults(command="service status")
    uninstall = actions.add_parser("uninstall", help="end it, and remove the file")
    uninstall.add_argument("--yes", action="store_true", help="do not ask")
    uninstall.set_defaults(command="service uninstall")


def monitor_arguments(options: argparse.Namespace) -> list[str]:
    """The command line of `livetag monitor` that gives it the settings among these options."""
    parser = argparse.ArgumentParser()
    _add_settings(parser)
    arguments = []
    for action in parser._actions:
        value = getattr(options, action.dest, None)
        flags = [flag for flag in action.option_strings if flag.startswith("--")]
        if value is None or action.dest == "help":
            continue
        if isinstance(value, bool):
            arguments.append(flags[0 if value else -1])
        else:
            values = value if isinstance(value, list) else [value]
            arguments += [f"{flags[0]}={one}" for one in values]
    return arguments


def _add_history(commands: Any) -> None:
    parser = commands.add_parser(
        "history",
        help="what was heard: events, or a summary",
        description="Prints what `livetag monitor --history` has kept.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--since", metavar="TIME", help="from then on: 2026-11-22T08:00:00, 2026-11-22, 24h, 7d")
    add("--until", metavar="TIME", help="to that time")
    add("--label", action="append", metavar="LABEL", help="this class alone; may be repeated")
    add("--alerts", action="store_true", help="alerts alone")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line")
    form.add_argument("--csv", action="store_true", help="one CSV row an event")
    form.add_argument("--summary", action="store_true", help="a table by class, a map of hours")
    add("--file", type=Path, metavar="PATH", help="the history, where it is not the usual one")
    parser.set_defaults(command="history")
