"""The options of the commands that read recordings, as argparse reads them."""

import argparse
from pathlib import Path
from typing import Any


def add_classify(commands: Any) -> None:
    """Add `livetag classify`."""
    parser = commands.add_parser(
        "classify",
        help="top classes of recordings, as the reference does",
        description="Prints the classes with the highest mean score over each recording's frames.",
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--top", type=count, metavar="N", help="classes to print (default 5)")
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
    add_weights(parser)
    parser.set_defaults(command="classify")


def add_plot(commands: Any) -> None:
    """Add `livetag plot`. The names of its options are keys of the configuration, but for two."""
    parser = commands.add_parser(
        "plot",
        help="a recording's picture: waveform, spectrogram, scores, events",
        description="Draws waveform, log-mel spectrogram and the scores of the top classes over "
        "time. With --config, --alert or --threshold, events and thresholds are marked, as "
        "`livetag monitor --input FILE --fast` would find them.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE")
    add(
        "-o",
        dest="output",
        default=None,
        metavar="PATH|-",
        help="a .png, .svg or .html, or - for the terminal (default: FILE's name, .png, in the "
        "current folder)",
    )
    add(
        "--hop",
        dest="patch_hop_seconds",
        type=float,
        metavar="SECONDS",
        help="from window to window: a multiple of 0.01 (default 0.1; with rules the monitor's)",
    )
    add("--top", type=count, metavar="N", help="classes to show (default 10)")
    add("--config", metavar="NAME|PATH", help="rules of a preset or a TOML file")
    add("--threshold", type=float, metavar="SCORE", help="at which events start")
    add("--alert", action="append", metavar="LABEL[=SCORE]", help="alert on this class")
    add_weights(parser)
    parser.set_defaults(command="plot")


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Let the user name other weights."""
    parser.add_argument(
        "--weights",
        default=argparse.SUPPRESS,
        metavar="PATH",
        help="YAMNet's weights: an HDF5 file or a SavedModel folder",
    )


def count(text: str) -> int:
    """How many classes: at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)
