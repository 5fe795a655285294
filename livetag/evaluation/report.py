"""How `livetag evaluate` tells what labelled recordings gave: text, JSON, and CSV by class."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, TextIO

from livetag.evaluation.categories import SEPARATOR, Categories, Category
from livetag.evaluation.metrics import ClassMetrics, Summary
from livetag.text import counted, printable

_VALUES = ("auc", "d_prime", "average_precision", "lwlrap")
CSV_COLUMNS = ("label", "mids", "positives", "negatives", *_VALUES)
_PLACES = 6


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told: the averages, and each category's metrics, in the order of `categories`."""

    precision: str
    """In which numbers the network was computed: `float32`."""
    summary: Summary
    categories: Categories
    classes: list[ClassMetrics]
    failed: int
    missing: int

    @property
    def rows(self) -> Iterator[tuple[Category, ClassMetrics]]:
        return zip(self.categories, self.classes, strict=True)


def print_text(out: TextIO, report: Report, per_class: bool) -> None:
    """A line for each average; with `per_class`, one for each class that has positives."""
    one = report.summary
    recordings = counted(one.clips, "recording")
    print(f"{recordings}, {_classes(one.classes)}, {report.precision}", file=out)
    for name, value in _averages(one):
        print(f"  {name:35}{_shown(value):>6}", file=out)
    if one.without_positives:
        print(f"  {_compared(one)}", file=out)
    for number, what in (
        (one.without_negatives, "in every recording: only their lwlrap is known"),
        (one.infinite, "with an AUC of 1 or 0, and so an infinite d-prime"),
    ):
        if number:
            print(f"  {_classes(number)} {what}", file=out)
    if per_class:
        print(file=out)
        _print_classes(out, report)


def _classes(number: int) -> str:
    return counted(number, "class", "classes")


def _compared(one: Summary) -> str:
    """Which classes count, where some have no recordings."""
    there = one.classes - one.without_positives
    have = f"{there:,} of {_classes(one.classes)} {'has' if there == 1 else 'have'} recordings"
    if one.accuracy is None:
        return f"{have}: the others are in no average"
    return f"{have}: the others are in no average, but can be what scores highest"


def _averages(one: Summary) -> list[tuple[str, float | None]]:
    accuracy = f"accuracy, one class of {one.classes:,}"
    return [
        ("d-prime, balanced", one.mean_d_prime),
        ("mean average precision, balanced", one.mean_average_precision),
        ("lwlrap, balanced", one.mean_lwlrap),
        ("lwlrap, of all labels", one.lwlrap),
        ("AUC, balanced", one.mean_auc),
        ("d-prime of the balanced AUC", one.d_prime_of_mean_auc),
        *([] if one.accuracy is None else [(accuracy, one.accuracy)]),
    ]


def _print_classes(out: TextIO, report: Report) -> None:
    heads = ("positives", "AUC", "d-prime", "AP", "lwlrap")
    print("".join(f"{head:>9}" for head in heads) + "  class", file=out)
    for category, one in report.rows:
        if one.positives:
            values = (one.auc, one.d_prime, one.average_precision, one.lwlrap)
            texts = (f"{one.positives:,}", *map(_shown, values))
            line = "".join(f"{text:>9}" for text in texts)
            print(f"{line}  {printable(category.name)}", file=out)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def print_json(out: TextIO, report: Report, per_class: bool) -> None:
    """One object. What is infinite or cannot be said is null."""
    fields = {name: _number(value) for name, value in asdict(report.summary).items()}
    result: dict[str, Any] = {
        "type": "evaluation",
        "precision": report.precision,
        **fields,
        "failed": report.failed,
        "missing": report.missing,
    }
    if per_class:
        result["per_class"] = [
            {name: _number(value) for name, value in _row(category, one).items()}
            for category, one in report.rows
            if one.positives
        ]
    print(json.dumps(result, separators=(",", ":")), file=out)


def _number(value: object) -> object:
    if not isinstance(value, float):
        return value
    return round(value, _PLACES) if isfinite(value) else None


def csv_text(report: Report) -> str:
    """A header, and a row for each class, those without positives included."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for category, one in report.rows:
        row = _row(category, one)
        known = {name: round(row[name], _PLACES) for name in _VALUES if row[name] is not None}
        writer.writerow(row | known)
    return out.getvalue()


def _row(category: Category, one: ClassMetrics) -> dict[str, Any]:
    mids = SEPARATOR.join(label.mid for label in category.classes)
    return {"label": category.name, "mids": mids, **asdict(one)}
