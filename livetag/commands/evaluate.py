"""`livetag evaluate`: how right the scores of labelled recordings are, or lists of events."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from livetag.commands.base import named_weights, ready_model, say, stderr
from livetag.errors import InputError, UsageError, writing
from livetag.files import write_whole
from livetag.stderr import native_stderr_silenced

if TYPE_CHECKING:
    from rich.console import Console

    from livetag.evaluation.categories import Categories
    from livetag.evaluation.labelled import LabelledClip
    from livetag.evaluation.scored import Scored, Truth
    from livetag.yamnet.precision import Precision

_RECORDING_OPTIONS = ("audio", "plot", "precision", "workers")
_EVENT_OPTIONS = ("collar_seconds", "length_share", "onset_only", "segment_seconds")


def run(options: argparse.Namespace) -> int:
    """Evaluate recordings, or with `--events` lists of events."""
    if (options.labelled is None) == (options.events is None):
        raise UsageError("evaluate: name labelled recordings, or --events REFERENCE ESTIMATED")
    _refuse(options, _RECORDING_OPTIONS if options.events else _EVENT_OPTIONS)
    for path in (options.csv, options.plot):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}")
    if options.events:
        return _evaluate_events(options)
    return _evaluate_recordings(options)


def _refuse(options: argparse.Namespace, names: tuple[str, ...]) -> None:
    """Raise `UsageError` where one of these was given: it would do nothing."""
    for name in names:
        if getattr(options, name) is not None:
            option = "--" + name.removesuffix("_seconds").replace("_", "-")
            where = "says nothing of --events" if options.events else "is for --events alone"
            raise UsageError(f"evaluate: {option} {where}")


def _evaluate_recordings(options: argparse.Namespace) -> int:
    from livetag.evaluation import metrics, report
    from livetag.evaluation.categories import YamnetClasses, read_map
    from livetag.evaluation.labelled import read_labelled
    from livetag.evaluation.plot import draw, picture_format
    from livetag.evaluation.scored import Truth, notes
    from livetag.yamnet.labels import class_map

    metrics.check_installed()
    picture = None if options.plot is None else picture_format(options.plot)
    labels, console = class_map(), stderr()
    categories = read_map(options.map, labels) if options.map else YamnetClasses(labels)
    found = read_labelled(options.labelled, options.audio)
    truth = Truth(found.clips, categories)
    precision: Precision = options.precision or "float32"
    scored = _scored(options, precision, found.clips, truth, categories, console)
    classes = metrics.measure(scored.truth, scored.scores)
    result = report.Report(
        precision=precision,
        summary=metrics.summarize(scored.truth, scored.scores, classes),
        categories=categories,
        classes=classes,
        failed=len(scored.failures),
        missing=found.missing,
    )
    print_as = report.print_json if options.json else report.print_text
    print_as(sys.stdout, result, options.per_class)
    if options.csv:
        _write(options.csv, report.csv_text(result).encode())
    if picture:
        _write(options.plot, draw(result, picture))
    for note in notes(found, truth, scored):
        say(console, note)
    return InputError.exit_code if scored.failures else 0


def _scored(
    options: argparse.Namespace,
    precision: "Precision",
    clips: "list[LabelledClip]",
    truth: "Truth",
    categories: "Categories",
    console: "Console",
) -> "Scored":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from livetag.evaluation.scored import score
    from livetag.evaluation.workers import classify_here, classify_in_processes
    from livetag.yamnet.params import Params
    from livetag.yamnet.runtime import check_runs, load_classifier

    check_runs(precision)
    model = ready_model(named_weights(options), console, precision).content
    paths = (clip.path for clip in clips)
    if options.workers and options.workers > 1:
        results = classify_in_processes(paths, model, precision, options.workers)
    else:
        results = classify_here(paths, load_classifier(model, precision), Params())
    columns = (MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with native_stderr_silenced(), bar:
        task = bar.add_task("", total=len(clips))
        return score(clips, truth, categories, results, lambda: bar.advance(task))


def _evaluate_events(options: argparse.Namespace) -> int:
    from livetag.evaluation import event_metrics, event_report
    from livetag.evaluation.categories import read_map
    from livetag.evaluation.event_lists import mapped, paired, read_lists
    from livetag.yamnet.labels import class_map

    event_metrics.check_installed()
    reference, estimated = (read_lists(path) for path in options.events)
    pairs, others = paired(reference, estimated)
    if options.map:
        pairs = mapped(pairs, read_map(options.map, class_map()))
    given = {
        name: value for name in _EVENT_OPTIONS if (value := getattr(options, name)) is not None
    }
    rules = event_metrics.Rules(**given)
    labels = sorted({event.label for pair in pairs for event in pair.reference})
    if not labels:
        raise InputError(f"{options.events[0]} has no events to be found")
    scores = event_metrics.score_events(pairs, labels, rules)
    result = event_report.EventReport(len(pairs), rules, scores)
    print_as = event_report.print_json if options.json else event_report.print_text
    print_as(sys.stdout, result, options.per_class)
    if options.csv:
        _write(options.csv, event_report.csv_text(result).encode())
    for note in event_report.notes(pairs, labels, others):
        say(stderr(), note)
    return 0


def _write(path: Path, content: bytes) -> None:
    """Write a file whole, or to what is no regular file, as `/dev/stdout`, as it is."""
    with writing(path):
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            write_whole(path.resolve(), content, 0o644)
