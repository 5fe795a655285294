"""A damaged history: an error that says so, whatever is asked of it, and no endless answer."""

import gc
import io
import sqlite3
from collections.abc import Callable
from pathlib import Path

import _fuzz_seeds as seeds
import pytest

from livetag.errors import LivetagError
from livetag.history import HistoryWriter, Run
from livetag.history_query import History, Query
from livetag.history_report import PRINTERS

RUN = Run("demo", "1.0", "0" * 64, "HDF5", 0.48, "{}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "history.sqlite"
    file.write_bytes(seeds.history())
    return file


def printed(path: Path, form: str) -> str:
    out = io.StringIO()
    with History(path) as history:
        PRINTERS[form](out, history, Query())
    return out.getvalue()


def change(path: Path, *statements: str) -> None:
    """Write what livetag does not, as a damaged page would have it: NULL where there is none."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')")
    connection.close()
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_the_history_that_is_damaged_here_is_whole() -> None:
    """What the other tests change is what they find."""
    assert len(seeds.history()) > 20_000


@pytest.mark.parametrize("form", PRINTERS)
def test_a_whole_history_is_printed(path: Path, form: str) -> None:
    assert len(printed(path, form).splitlines()) > 20


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET alert = NULL",
        "UPDATE events SET alert = 'yes'",
        "UPDATE events SET start = 1e300",
        "UPDATE events SET start = -9e999",
        'UPDATE events SET "end" = NULL',
        "UPDATE events SET label = NULL",
        "UPDATE events SET label = x'ff00'",
        "UPDATE events SET peak_score = 'loud'",
        "UPDATE events SET class_index = 9.5",
        "UPDATE events SET windows = x''",
        "UPDATE events SET level_dbfs = 'low'",
        "UPDATE runs SET source = x'07'",
    ],
)
def test_values_that_livetag_does_not_write_are_an_error(path: Path, statement: str) -> None:
    change(path, statement)
    with pytest.raises(LivetagError, match=r"history\.sqlite cannot be read: it is damaged"):
        printed(path, "json")


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_an_answer_that_breaks_off_leaves_nothing_to_complain_of(path: Path) -> None:
    """Python tells on stderr of what goes wrong in a generator that is thrown away."""
    change(path, "UPDATE events SET label = NULL WHERE id = 5")
    with pytest.raises(LivetagError):
        printed(path, "text")
    gc.collect()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gaps SET lost_seconds = 9e999",
        "UPDATE gaps SET lost_seconds = NULL",
        "UPDATE gaps SET reason = NULL",
    ],
)
def test_damaged_gaps_are_an_error(path: Path, statement: str) -> None:
    change(path, statement)
    with pytest.raises(LivetagError, match="it is damaged"):
        printed(path, "text")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET alert = NULL",
        "UPDATE events SET start = 1e300 WHERE id = 5",
        "UPDATE runs SET heard_until = 1e300",
        "UPDATE runs SET heard_until = 'late'",
        "UPDATE runs SET started = -1e300, heard_until = 2e9",
    ],
)
def test_a_summary_of_what_is_damaged_is_an_error_and_no_map_of_all_time(
    path: Path, statement: str
) -> None:
    change(path, statement)
    with pytest.raises(LivetagError, match="it is damaged"):
        printed(path, "summary")


def test_a_schema_that_is_no_text_is_an_error_for_reader_and_writer(path: Path) -> None:
    """SQLite tells of it in its own bytes, which Python cannot decode."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE gaps", b"CREATE TABLE \xff\xf0ps"))
    openers: list[Callable[[], object]] = [lambda: History(path), lambda: HistoryWriter(path, RUN)]
    for opened in openers:
        with pytest.raises(LivetagError, match=r"damaged|malformed"):
            opened()


@pytest.mark.parametrize("kept", [1, 16, 100, 4_096, 9_000, 20_000])
@pytest.mark.parametrize("form", PRINTERS)
def test_a_history_cut_anywhere_is_an_error_or_what_is_left(
    path: Path, form: str, kept: int
) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(LivetagError):
        printed(path, form)
