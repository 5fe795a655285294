"""How an evaluation is told: text, JSON, CSV and the picture."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest

from livetag.errors import UsageError
from livetag.evaluation import event_report, report
from livetag.evaluation.categories import Categories, Category, YamnetClasses
from livetag.evaluation.event_lists import ListedEvent, Pair
from livetag.evaluation.event_metrics import Rules, score_events
from livetag.evaluation.metrics import measure, summarize
from livetag.evaluation.plot import draw, picture_format
from livetag.evaluation.report import Report
from livetag.yamnet.labels import ClassMap

TRUTH = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], np.bool_)
SCORES = np.array([[0.9, 0.1, 0.2], [0.3, 0.4, 0.1], [0.5, 0.8, 0.1], [0.2, 0.6, 0.7]], np.float32)


def reported(categories: Categories, truth: np.ndarray, scores: np.ndarray) -> Report:
    classes = measure(truth, scores)
    summary = summarize(truth, scores, classes)
    return Report("float32", summary, categories, classes, failed=1, missing=2)


@pytest.fixture
def small(labels: ClassMap) -> Report:
    """Dogs in two of four recordings, rain in the others, and a category that is in none."""
    dog = Category("dog", (labels.find("Dog"), labels.find("Bark")))
    others = [Category(name, (labels.find(name),)) for name in ("Rain", "Siren")]
    return reported(Categories([dog, *others], "the test"), TRUTH, SCORES)


def printed(print_as: Callable[[TextIO, Report, bool], None], one: Report, classes: bool) -> str:
    out = io.StringIO()
    print_as(out, one, classes)
    return out.getvalue()


def test_text_has_a_line_for_each_average(small: Report) -> None:
    lines = printed(report.print_text, small, False).splitlines()
    assert lines[0] == "4 recordings, 3 classes, float32"
    values = dict(line.strip().rsplit(maxsplit=1) for line in lines[1:8])
    assert values["mean average precision, balanced"] == "0.917"
    assert values["AUC, balanced"] == "0.875"
    assert values["d-prime, balanced"] == "inf"
    assert values["d-prime of the balanced AUC"] == "1.627"
    assert values["accuracy, one class of 3"] == "0.500"
    assert lines[8:] == [
        "  2 of 3 classes have recordings: the others are in no average, but can be what scores "
        "highest",
        "  1 class with an AUC of 1 or 0, and so an infinite d-prime",
    ]


def test_without_an_accuracy_classes_without_recordings_do_not_matter(small: Report) -> None:
    severally = replace(small, summary=replace(small.summary, accuracy=None, without_positives=2))
    lines = printed(report.print_text, severally, False).splitlines()
    assert "  1 of 3 classes has recordings: the others are in no average" in lines


def test_text_can_have_a_line_for_each_class_that_has_recordings(small: Report) -> None:
    lines = printed(report.print_text, small, True).splitlines()
    rows = [line.split() for line in lines[lines.index("") + 2 :]]
    assert [row[-1] for row in rows] == ["dog", "Rain"]
    assert rows[0] == ["2", "0.750", "0.954", "0.833", "0.750", "dog"]


def test_json_is_one_object_without_infinities(small: Report) -> None:
    text = printed(report.print_json, small, True)
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (found["type"], found["precision"], found["clips"]) == ("evaluation", "float32", 4)
    assert (found["failed"], found["missing"], found["without_positives"]) == (1, 2, 1)
    assert (found["mean_d_prime"], found["infinite"]) == (None, 1)
    assert found["mean_auc"] == 0.875
    assert [one["label"] for one in found["per_class"]] == ["dog", "Rain"]
    assert found["per_class"][1]["d_prime"] is None
    assert "per_class" not in json.loads(printed(report.print_json, small, False))


def test_the_csv_has_a_row_for_each_class_and_empty_cells_for_what_is_not_known(
    small: Report,
) -> None:
    dog, rain, siren = csv.DictReader(io.StringIO(report.csv_text(small)))
    assert tuple(dog) == report.CSV_COLUMNS
    assert (dog["label"], dog["mids"]) == ("dog", "/m/0bt9lr|/m/05tny_")
    assert (dog["positives"], dog["negatives"], dog["auc"]) == ("2", "2", "0.75")
    assert float(rain["d_prime"]) == inf
    assert [siren[name] for name in report.CSV_COLUMNS[4:]] == ["", "", "", ""]


# --- The picture --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_a_picture_is_of_the_format_that_its_name_asks_for(
    name: str, begins: bytes, small: Report
) -> None:
    file_format = picture_format(Path(f"plot.{name.upper()}"))
    assert draw(small, file_format).startswith(begins)


def test_a_picture_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ends with one of \.png, \.svg, \.pdf"):
        picture_format(Path("plot.jpg"))


def texts(svg: bytes) -> str:
    """What the picture says: matplotlib draws letters as shapes, and keeps the text in comments."""
    return svg.decode()


def test_the_picture_names_each_class_with_its_recordings(small: Report) -> None:
    svg = texts(draw(small, "svg"))
    for text in (
        "dog  (2)",
        "Rain  (2)",
        "average precision",
        "lwlrap",
        "d-prime (arrow: infinite)",
    ):
        assert f"<!-- {text} -->" in svg
    assert "Siren" not in svg


def test_of_many_classes_the_best_and_the_worst_are_drawn(labels: ClassMap) -> None:
    random = np.random.default_rng(1)
    truth = random.random((60, 521)) < 0.2
    scores = random.random((60, 521)).astype(np.float32)
    one = reported(YamnetClasses(labels), truth, scores)
    ranked = sorted(
        (metrics.average_precision, category.name)
        for category, metrics in one.rows
        if metrics.average_precision is not None
    )
    svg = texts(draw(one, "svg"))
    drawn = {name for _, name in ranked if f"<!-- {name}  (" in svg}
    assert drawn == {name for _, name in [*ranked[:25], *ranked[-25:]]}
    assert f"{len(ranked) - 50:,} classes between the best and the worst left out" in svg


def test_a_class_may_have_a_name_that_matplotlib_would_read_as_mathematics(
    labels: ClassMap,
) -> None:
    names = ("$x_{", "a\nb", "100 %")
    categories = Categories((Category(name, (labels[0],)) for name in names), "the test")
    svg = texts(draw(reported(categories, TRUTH, SCORES), "svg"))
    assert "<!-- $x_{  (2) -->" in svg
    assert "<!-- a?b  (2) -->" in svg


def test_there_is_no_picture_of_nothing(labels: ClassMap) -> None:
    one = reported(YamnetClasses(labels), np.zeros((1, 521), np.bool_), np.zeros((1, 521)))
    with pytest.raises(UsageError, match="nothing to plot"):
        draw(one, "svg")


# --- Event lists --------------------------------------------------------------------------------


@pytest.fixture
def heard() -> event_report.EventReport:
    dog, rain = ListedEvent(0.0, 2.0, "Dog"), ListedEvent(4.0, 5.0, "Rain")
    scores = score_events([Pair([dog, rain], [dog])], ["Dog", "Rain"], Rules())
    return event_report.EventReport(1, Rules(), scores)


def test_events_as_text(heard: event_report.EventReport) -> None:
    out = io.StringIO()
    event_report.print_text(out, heard, True)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("1 recording, 2 labels, collar 0.2 s (offset: or 50% of the length)")
    assert lines[2].split() == ["by", "event", "0.667", "1.000", "0.500", "0.500", "2", "1"]
    assert lines[3].split() == ["by", "segment", "0.800", "1.000", "0.667", "0.333", "3", "2"]
    assert lines[6].split() == ["by", "event", "0.000", "-", "0.000", "1.000", "1", "0", "Rain"]
    assert lines[7].split() == ["by", "event", "0.500", "mean", "of", "the", "labels"]


def test_events_as_json(heard: event_report.EventReport) -> None:
    out = io.StringIO()
    event_report.print_json(out, heard, True)
    found = json.loads(out.getvalue())
    assert (found["type"], found["recordings"]) == ("event_evaluation", 1)
    assert (found["collar_seconds"], found["onset_only"]) == (0.2, False)
    assert (found["by_event"]["f1"], found["by_event"]["mean_f1"]) == (0.666667, 0.5)
    rain = found["by_segment"]["per_class"][1]
    assert (rain["label"], rain["precision"], rain["recall"]) == ("Rain", None, 0.0)


def test_events_as_csv(heard: event_report.EventReport) -> None:
    rows = list(csv.DictReader(io.StringIO(event_report.csv_text(heard))))
    assert tuple(rows[0]) == event_report.CSV_COLUMNS
    assert [(row["label"], row["by"], row["reference"]) for row in rows] == [
        ("Dog", "event", "1"),
        ("Rain", "event", "1"),
        ("Dog", "segment", "2"),
        ("Rain", "segment", "1"),
    ]
    assert (rows[1]["f1"], rows[1]["precision"]) == ("0.0", "")
