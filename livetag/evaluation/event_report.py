"""How `livetag evaluate --events` tells what event lists gave: text, JSON, and CSV by label."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, TextIO

from livetag.evaluation.event_lists import Pair
from livetag.evaluation.event_metrics import EventMetrics, EventScores, Rules, Scores
from livetag.text import counted, printable

_METRICS = tuple(field.name for field in fields(EventMetrics))
CSV_COLUMNS = ("label", "by", *(name for name in _METRICS if name != "substitution_rate"))
_SHOWN = ("f1", "precision", "recall", "error_rate")
_PLACES = 6


@dataclass(frozen=True, slots=True)
class EventReport:
    """All that is told of event lists."""

    recordings: int
    rules: Rules
    scores: EventScores

    @property
    def parts(self) -> dict[str, Scores]:
        return {"event": self.scores.by_event, "segment": self.scores.by_segment}


def print_text(out: TextIO, report: EventReport, per_class: bool) -> None:
    """A table of F1, precision, recall and error rate, event by event and by segment."""
    labels = len(report.scores.by_event.by_label)
    recordings = counted(report.recordings, "recording")
    print(f"{recordings}, {counted(labels, 'label')}, {_rules(report.rules)}", file=out)
    heads = ("F1", "precision", "recall", "errors", "reference", "estimated")
    print(f"  {'':10}{''.join(f'{head:>10}' for head in heads)}", file=out)
    for by, scores in report.parts.items():
        print(f"  {f'by {by}':10}{_line(scores.overall)}", file=out)
    if per_class:
        for by, scores in report.parts.items():
            print(file=out)
            for label, metrics in scores.by_label.items():
                print(f"  {f'by {by}':10}{_line(metrics)}  {printable(label)}", file=out)
            print(f"  {f'by {by}':10}{_shown(scores.mean_f1)}{'':50}  mean of the labels", file=out)


def _rules(rules: Rules) -> str:
    offset = "" if rules.onset_only else f" (offset: or {rules.length_share:.0%} of the length)"
    return f"collar {rules.collar_seconds:g} s{offset}, segments of {rules.segment_seconds:g} s"


def _line(metrics: EventMetrics) -> str:
    values = "".join(_shown(getattr(metrics, name)) for name in _SHOWN)
    return f"{values}{metrics.reference:>10,}{metrics.estimated:>10,}"


def _shown(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.3f}':>10}"


def print_json(out: TextIO, report: EventReport, per_class: bool) -> None:
    """One object; what cannot be said is null."""
    result: dict[str, Any] = {
        "type": "event_evaluation",
        "recordings": report.recordings,
        **asdict(report.rules),
    }
    for by, scores in report.parts.items():
        result[f"by_{by}"] = {**_rounded(scores.overall), "mean_f1": _value(scores.mean_f1)}
        if per_class:
            rows = [{"label": label} | _rounded(one) for label, one in scores.by_label.items()]
            result[f"by_{by}"]["per_class"] = rows
    print(json.dumps(result, separators=(",", ":")), file=out)


def notes(pairs: list[Pair], labels: list[str], others: int) -> Iterator[str]:
    """What is not in the numbers, each in a line: recordings and labels the reference has not."""
    if others:
        yield f"left out, as the reference has not: {counted(others, 'estimated recording')}"
    known = set(labels)
    left_out = [one.label for pair in pairs for one in pair.estimated if one.label not in known]
    if left_out:
        events = counted(len(left_out), "estimated event")
        names = counted(len(set(left_out)), "label")
        yield f"left out, as the reference has not: {events} of {names}"


def csv_text(report: EventReport) -> str:
    """A header, and two rows for each label: by event and by segment."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for by, scores in report.parts.items():
        for label, metrics in scores.by_label.items():
            writer.writerow({"label": label, "by": by, **_rounded(metrics)})
    return out.getvalue()


def _rounded(metrics: EventMetrics) -> dict[str, Any]:
    return {name: _value(value) for name, value in asdict(metrics).items()}


def _value(value: object) -> object:
    return round(value, _PLACES) if isinstance(value, float) else value
