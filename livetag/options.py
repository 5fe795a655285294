"""The commands' options, as argparse reads them. Says what there is; does nothing.

The names of the monitor's options are the keys of its configuration.
"""

import argparse
from pathlib import Path
from typing import Any

from livetag import __version__


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
    _add_classify(commands)
    devices = commands.add_parser("devices", help="input devices, the default marked")
    devices.set_defaults(command="devices")
    model = commands.add_parser("model", help="the model: fetch it, or what is known of it")
    actions = model.add_subparsers(required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="fetch and compile the weights, if they are missing")
    info = actions.add_parser("info", help="source, hash, parameters, runtime and cache paths")
    for action, command in ((fetch, "model fetch"), (info, "model info")):
        _add_weights(action)
        action.set_defaults(command=command)
    return parser


def _add_monitor(commands: Any) -> None:
    parser = commands.add_parser(
        "monitor",
        help="listen, show, alert, log",
        description="Listens, shows what it hears, alerts on the classes you choose, logs events.",
        epilog="Every option can stand in the configuration file, too: see config/default.toml.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--device", metavar="NAME|INDEX", help="the microphone to listen to")
    source.add_argument("--input", metavar="FILE|-", help="a recording, or a stream on stdin")
    source.add_argument("--demo", action="store_true", help="the built-in minute of sounds")
    add("--rate", type=int, metavar="HZ", help="of the microphone, or of raw s16le on stdin")
    add("--channels", type=int, metavar="N", help="channels of raw stdin (default 1)")
    add("--fast", action="store_true", help="replay as fast as it goes")
    add("--duration", dest="duration_seconds", type=float, metavar="SECONDS", help="of audio")
    add("--config", metavar="NAME|PATH", help="a preset (baby, home, default) or a TOML file")
    add(
        "--hop",
        dest="patch_hop_seconds",
        type=float,
        metavar="SECONDS",
        help="from window to window: a multiple of 0.01 (default 0.48)",
    )
    add("--threshold", type=float, metavar="SCORE", help="at which events start (default 0.5)")
    add(
        "--alert",
        action="append",
        metavar="LABEL[=SCORE]",
        help="alert on this class, instead of the configured ones; may be repeated",
    )
    add("--top", type=_count, metavar="N", help="classes on the dashboard (default 10)")
    add("--csv", metavar="PATH", help="append every event to this log")
    add("--json", action="store_true", help="stdout gets one JSON object a line")
    add("--dashboard", action=argparse.BooleanOptionalAction, help="draw it (default), or do not")
    _add_weights(parser)
    parser.set_defaults(command="monitor")


def _add_classify(commands: Any) -> None:
    parser = commands.add_parser(
        "classify",
        help="top classes of recordings, as the reference does",
        description="Prints the classes with the highest mean score over each recording's frames.",
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--top", type=_count, metavar="N", help="classes to print (default 5)")
    parser.add_argument(
        "--hop",
        type=float,
        default=0.48,
        metavar="SECONDS",
        help="from frame to frame: a multiple of 0.01 (default 0.48)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a file")
    form.add_argument("--frames", action="store_true", help="one CSV row a frame and class")
    _add_weights(parser)
    parser.set_defaults(command="classify")


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        default=argparse.SUPPRESS,
        metavar="PATH",
        help="YAMNet's weights: an HDF5 file or a SavedModel folder",
    )


def _count(text: str) -> int:
    """How many classes: at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)
