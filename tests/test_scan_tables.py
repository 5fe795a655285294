"""Results as files: what is in them, and that parts merged are what was written at once."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from livetag.errors import UsageError
from livetag.events import EventEnd, EventStart, Scores
from livetag.scan import npz, parquet
from livetag.scan.job import FORMATS, Job
from livetag.scan.tables import COLUMNS, Row, embedding_row, event_row, window_rows
from livetag.schema import Config
from livetag.yamnet.labels import ClassMap

QUOTED = 'a, "b"\n.wav'


def ended(labels: ClassMap, level_dbfs: float) -> EventEnd:
    start = EventStart(labels[69], 100.0, 1.23456, 0.9, 0.25, -30.0, True, "dog, cat")
    return EventEnd(start, 102.0, 3.2, 0.99004, 0.95, 4, level_dbfs, True)


def window(labels: ClassMap, at: int) -> Scores:
    random = np.random.default_rng(at)
    scores = random.uniform(0.0, 0.09, len(labels)).astype(np.float32)
    scores[[0, 69]] = 0.1, 0.87654
    embedding = random.normal(size=1_024).astype(np.float32)
    return Scores(0.48 * at, 0.48 * at + 0.975, scores, embedding, -20.0, None)


@pytest.fixture
def event_rows(labels: ClassMap) -> list[Row]:
    return [event_row(QUOTED, ended(labels, -12.34)), event_row("b", ended(labels, float("-inf")))]


def written(path: Path, form: str, rows: Sequence[Row], product: Any = "events") -> Path:
    table = FORMATS[form](path, COLUMNS[product])
    for row in rows:
        table.add(row)
    table.close()
    return path


def test_an_events_row_is_rounded_as_records_are(event_rows: list[Row]) -> None:
    names = [column.name for column in COLUMNS["events"]]
    assert dict(zip(names, event_rows[0], strict=True)) == {
        "file": QUOTED,
        "start_s": 1.235,
        "end_s": 3.2,
        "index": 69,
        "mid": "/m/0bt9lr",
        "label": "Dog",
        "group": "dog, cat",
        "peak_score": 0.99,
        "mean_score": 0.95,
        "threshold": 0.25,
        "windows": 4,
        "level_dbfs": -12.3,
        "alert": True,
    }


def test_a_windows_rows_are_the_classes_at_or_above_the_floor(labels: ClassMap) -> None:
    rows = list(window_rows("a", window(labels, 2), 0.1, labels))
    assert rows == [
        ("a", 0.96, 1.935, 0, "/m/09x0r", "Speech", 0.1),
        ("a", 0.96, 1.935, 69, "/m/0bt9lr", "Dog", 0.8765),
    ]


def test_csv_has_a_header_and_quotes(event_rows: list[Row], tmp_path: Path) -> None:
    with written(tmp_path / "x.csv", "csv", event_rows).open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert list(first) == [column.name for column in COLUMNS["events"]]
    assert (first["file"], first["level_dbfs"], first["alert"]) == (QUOTED, "-12.3", "true")
    assert second["level_dbfs"] == ""


def test_json_lines_have_an_object_a_row(event_rows: list[Row], tmp_path: Path) -> None:
    lines = written(tmp_path / "x.jsonl", "jsonl", event_rows).read_text("utf-8").splitlines()
    first, second = map(json.loads, lines)
    assert tuple(first.values()) == event_rows[0]
    assert second["level_dbfs"] is None


def test_parquet_has_types(event_rows: list[Row], tmp_path: Path) -> None:
    table = pyarrow.parquet.read_table(written(tmp_path / "x.parquet", "parquet", event_rows))
    types = {field.name: str(field.type) for field in table.schema}
    kinds = {str: "string", float: "double", int: "int32", bool: "bool"}
    assert types == {column.name: kinds[column.kind] for column in COLUMNS["events"]}
    assert [tuple(row.values()) for row in table.to_pylist()] == event_rows


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("cuts", [(), (0,), (1,), (2,), (0, 1, 1)])
def test_parts_merged_are_what_is_written_at_once(
    form: str, cuts: tuple[int, ...], event_rows: list[Row], tmp_path: Path
) -> None:
    whole = written(tmp_path / "whole", form, event_rows)
    pairs = zip((0, *cuts), (*cuts, len(event_rows)), strict=True)
    parts = [
        written(tmp_path / f"part{at}", form, event_rows[begin:end])
        for at, (begin, end) in enumerate(pairs)
    ]
    FORMATS[form].merge(parts, tmp_path / "merged", COLUMNS["events"])
    assert (tmp_path / "merged").read_bytes() == whole.read_bytes()


def test_embeddings_of_many_files_are_one_archive(labels: ClassMap, tmp_path: Path) -> None:
    windows = [window(labels, at) for at in range(5)]
    rows = [embedding_row("a" if at < 3 else "bb", one) for at, one in enumerate(windows)]
    written(tmp_path / "whole.npz", "npz", rows, "embeddings")
    with np.load(tmp_path / "whole.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["embeddings"], [one.embedding for one in windows])
        assert arrays["embeddings"].dtype == np.float32
        assert arrays["start_s"].tolist() == [0.0, 0.48, 0.96, 1.44, 1.92]
        assert arrays["files"][arrays["file"]].tolist() == ["a", "a", "a", "bb", "bb"]
    parts = [
        written(tmp_path / f"{at}.npz", "npz", some, "embeddings")
        for at, some in enumerate([rows[:3], rows[3:]])
    ]
    npz.NpzTable.merge(parts, tmp_path / "merged.npz")
    assert (tmp_path / "merged.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_no_embeddings_at_all_are_empty_arrays(tmp_path: Path) -> None:
    npz.NpzTable.merge([written(tmp_path / "a", "npz", [], "embeddings")], tmp_path / "b")
    with np.load(tmp_path / "b", allow_pickle=False) as arrays:
        assert arrays["embeddings"].shape == (0, 1_024)
        assert arrays["files"].shape == (0,)


def test_embeddings_in_parquet_are_lists_of_fixed_size(
    labels: ClassMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_GROUP_EMBEDDINGS", 2)
    rows = [embedding_row("a", window(labels, at)) for at in range(5)]
    written(tmp_path / "whole", "parquet", rows, "embeddings")
    parquet.ParquetTable.merge([tmp_path / "whole"] * 2, tmp_path / "twice", COLUMNS["embeddings"])
    table = pyarrow.parquet.read_table(tmp_path / "twice")
    assert str(table.schema.field("embedding").type) == "fixed_size_list<element: float>[1024]"
    found = np.stack(table["embedding"].to_numpy(zero_copy_only=False))
    assert np.array_equal(found, [row[-1] for row in rows * 2])


@pytest.mark.parametrize(
    ("product", "form"), [("events", "npz"), ("embeddings", "csv"), ("embeddings", "jsonl")]
)
def test_what_a_form_cannot_hold_is_an_error(product: Any, form: str) -> None:
    with pytest.raises(UsageError, match=f"{product} go to .* and not to {form}"):
        Job(product, form, Config(), "")


def test_parquet_without_pyarrow_is_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"pip install 'livetag\[parquet\]'"):
        Job("events", "parquet", Config(), "")


def test_a_rule_of_hours_needs_to_know_when_recordings_begin() -> None:
    config = Config(hours="22:00-07:00")
    with pytest.raises(UsageError, match="--since"):
        Job("events", "csv", config, "")
    Job("events", "csv", config, "", began=0.0)
