"""The options of the commands that read recordings, as argparse reads them."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livetag.yamnet.precision import PRECISIONS, Precision


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
    parser.add_argument(
        "--embeddings",
        type=Path,
        metavar="FILE.npz",
        help="write each frame's embedding, float32[1024], to this file, too",
    )
    _add_precision(parser, "float32")
    add_weights(parser)
    parser.set_defaults(command="classify")


def add_evaluate(commands: Any) -> None:
    """Add `livetag evaluate`."""
    parser = commands.add_parser(
        "evaluate",
        help="how right it is: d-prime, mAP, lwlrap of labelled recordings, F1 of event lists",
        description="Classifies labelled recordings and measures the scores, or compares a list of "
        "events with a reference.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "labelled",
        nargs="?",
        type=Path,
        metavar="LABELLED",
        help="a folder of class folders, a CSV of files and labels, or AudioSet's list of segments",
    )
    add("--audio", type=Path, metavar="FOLDER", help="where the recordings of a CSV or a list are")
    add("--map", type=Path, metavar="CSV", help="category,yamnet_labels: what categories stand for")
    add("--workers", type=count, metavar="N", help="processes that classify (default 1)")
    _add_precision(parser, None)
    add("--plot", type=Path, metavar="PATH", help="draw the classes: .png, .svg or .pdf")
    add(
        "--events",
        nargs=2,
        type=Path,
        metavar=("REFERENCE", "ESTIMATED"),
        help="event lists as --dcase writes them, or folders of such, instead of recordings",
    )
    add(
        "--collar",
        dest="collar_seconds",
        type=_seconds,
        metavar="SECONDS",
        help="how far an event's onset and offset may be off (default 0.2)",
    )
    add(
        "--length-share",
        type=_share,
        metavar="SHARE",
        help="the offset may also be off by this share of the length (default 0.5)",
    )
    add("--onset-only", action="store_true", default=None, help="the offset does not matter")
    add(
        "--segment",
        dest="segment_seconds",
        type=_seconds,
        metavar="SECONDS",
        help="length of a segment (default 1)",
    )
    add("--per-class", action="store_true", help="print each class, too")
    add("--json", action="store_true", help="print one JSON object")
    add("-o", "--csv", type=Path, metavar="PATH", help="write each class to this CSV")
    add_weights(parser)
    parser.set_defaults(command="evaluate")


def add_scan(commands: Any) -> None:
    """Add `livetag scan`."""
    parser = commands.add_parser(
        "scan",
        help="what is heard in an archive of recordings",
        description="Analyzes many recordings on all cores: the events that `livetag monitor` "
        "would have told of, the scores of windows, or embeddings. A scan that was stopped goes "
        "on with the same command.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="recordings, folders, or patterns as 'a/**/*.wav'")
    add(
        "--list",
        action="append",
        default=[],
        metavar="FILE|-",
        help="a file with a path a line, or standard input",
    )
    add(
        "-o",
        "--output",
        required=True,
        metavar="FILE|DIR",
        help="a .csv, .jsonl, .parquet or .npz, or a folder (NAME/) for one file a recording",
    )
    add(
        "--format",
        choices=("csv", "jsonl", "parquet", "npz"),
        help="of the files in a folder (default csv, of embeddings npz)",
    )
    product = parser.add_mutually_exclusive_group()
    parser.set_defaults(product="events")
    for name, what in (
        ("windows", "each window's scores instead of events"),
        ("embeddings", "each window's embedding, float32[1024], instead of events"),
    ):
        product.add_argument(
            f"--{name}", dest="product", action="store_const", const=name, help=what
        )
    add(
        "--floor",
        type=_score,
        metavar="SCORE",
        help="the lowest score that --windows keeps (default 0.1)",
    )
    for name, what in (("raven", "a Raven selection table"), ("audacity", "Audacity labels")):
        add(
            f"--{name}",
            dest="annotations",
            action="append_const",
            const=name,
            default=[],
            help=f"write {what} beside each recording, too",
        )
    add_detection(parser)
    add("--since", default=argparse.SUPPRESS, metavar="TIME", help="when each recording began")
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument(
        "--workers", type=count, metavar="N", help="processes of this machine (default: one a core)"
    )
    engine.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster, as tcp://10.0.0.1:8786, for --engine dask",
    )
    add("--engine", choices=("local", "dask"), default="local", help="who does it")
    _add_precision(parser, "float32")
    add("--force", action="store_true", help="replace results that are there")
    add_weights(parser)
    parser.set_defaults(command="scan")


def add_detection(parser: argparse.ArgumentParser, usual_hop: str = "0.48") -> None:
    """The options that say how events are decided on, which are keys of the configuration.

    `usual_hop`: what the hop is where nobody sets it, as the help says it.
    """
    add = parser.add_argument
    unset = argparse.SUPPRESS
    add(
        "--config",
        default=unset,
        metavar="NAME|PATH",
        help="a preset (baby, home, default) or a TOML file",
    )
    add(
        "--hop",
        dest="patch_hop_seconds",
        type=float,
        default=unset,
        metavar="SECONDS",
        help=f"from window to window: a multiple of 0.01 (default {usual_hop})",
    )
    add(
        "--threshold",
        type=float,
        default=unset,
        metavar="SCORE",
        help="at which events start (default 0.25)",
    )
    add(
        "--alert",
        action="append",
        default=unset,
        metavar="LABEL[=SCORE]",
        help="alert on this class, instead of the configured ones; may be repeated",
    )


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
    add_detection(parser, usual_hop="0.1; with rules the monitor's")
    add("--since", metavar="TIME", help="when the recording began: 2026-11-22T08:00:00")
    add("--top", type=count, metavar="N", help="classes to show (default 10)")
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


def _add_precision(parser: argparse.ArgumentParser, default: Precision | None) -> None:
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=default,
        help="of the network: float32 (default); bfloat16 and int8 are faster, and score otherwise",
    )


def count(text: str) -> int:
    """How many classes: at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    return _number(text, "a number of seconds above 0", lambda value: 0.0 < value < math.inf)


def _score(text: str) -> float:
    return _number(text, "a score from 0 to 1", lambda value: 0.0 <= value <= 1.0)


def _share(text: str) -> float:
    return _number(text, "a share from 0 to 1", lambda value: 0.0 <= value <= 1.0)


def _number(text: str, what: str, is_right: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not is_right(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value
