"""What the doctor says of the places that are written to. It writes nothing there."""

import shutil
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from livetag import schema
from livetag.doctor import places
from livetag.doctor.check import Check
from livetag.doctor.places import check_cache, check_sink
from livetag.errors import LivetagError, UsageError
from livetag.history import HistoryWriter, Run
from livetag.sinks.csv_log import CsvSink

RUN = Run("demo", "1", "2", "HDF5", 0.48, "{}")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}


def csv(path: Path | str) -> Check:
    return check_sink("csv", schema.CsvLog(path=str(path)))


def test_a_log_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    assert csv(log).status == "ok"
    assert contents(tmp_path) == {}
    CsvSink(log, "demo").close()
    before = contents(tmp_path)
    check = csv(log)
    assert (check.status, check.details["place"]) == ("ok", "csv")
    assert check.found.startswith(f"csv {log}: can be written, ")
    assert contents(tmp_path) == before


def test_a_log_in_the_current_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert csv("log.csv").status == "ok"
    assert csv("%Y/%m/log.csv").status == "ok"


def test_folders_that_dates_name_may_be_missing_and_others_not(tmp_path: Path) -> None:
    assert csv(tmp_path / "%Y" / "logs" / "%m-%d.csv").status == "ok"
    for missing in ("logs/events.csv", "logs/%Y/events.csv", "100%%/events.csv"):
        with pytest.raises(LivetagError, match="make the folder") as caught:
            csv(tmp_path / missing)
        assert not isinstance(caught.value, UsageError)
    assert contents(tmp_path) == {}


def test_a_folder_with_a_percent_sign_in_its_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "100%").mkdir()
    for there in ("100%%/events.csv", "100%%/%Y/events.csv"):
        assert csv(tmp_path / there).status == "ok"


def test_the_file_of_today_is_the_one_that_counts(tmp_path: Path) -> None:
    today = tmp_path / time.strftime("%Y.csv")
    today.write_text("something else\n")
    with pytest.raises(UsageError, match="is not a log of livetag's"):
        csv(tmp_path / "%Y.csv")


@pytest.mark.parametrize("kind", [schema.CsvLog, schema.JsonLinesLog, schema.DcaseList])
def test_a_file_that_is_something_else_is_refused(
    kind: type[schema.CsvLog | schema.JsonLinesLog | schema.DcaseList], tmp_path: Path
) -> None:
    path = tmp_path / "notes.txt"
    path.touch()
    assert check_sink("sink 1", kind(path=str(path))).status == "ok"  # empty: it may be begun
    path.write_text("my notes\n")
    with pytest.raises(UsageError, match="its first line differs"):
        check_sink("sink 1", kind(path=str(path)))


def test_half_a_header_is_completed_by_the_monitor(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("start,end,sta")
    assert csv(log).status == "ok"
    raven = schema.RavenTable(path=str(tmp_path / "raven.txt"))
    (tmp_path / "raven.txt").write_text("Selection\tView\t")
    assert check_sink("raven", raven).status == "ok"
    log.write_text("start,end,sta\n")
    with pytest.raises(UsageError, match="its first line differs"):
        csv(log)


@pytest.mark.parametrize("kind", [schema.AudacityLabels, schema.RavenTable])
def test_labels_of_another_stream_are_refused(
    kind: type[schema.AudacityLabels | schema.RavenTable], tmp_path: Path
) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("0.0\t1.0\tDog\n")
    with pytest.raises(UsageError, match="another stream's"):
        check_sink("audacity", kind(path=str(path)))


def test_a_folder_is_no_log_and_a_pipe_is_one(tmp_path: Path) -> None:
    with pytest.raises(LivetagError, match="it is a folder"):
        csv(tmp_path)
    assert csv("/dev/null").status == "ok"


def test_what_may_not_be_written_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    with pytest.raises(LivetagError, match=r"log.csv cannot be written \(Read-only file system\)"):
        csv(tmp_path / "log.csv")
    with pytest.raises(LivetagError, match="cannot be written"):
        check_sink("clips", schema.Clips(path=str(tmp_path / "new" / "clips")))
    assert check_cache(tmp_path, needed=False).status == "warn"
    check = check_cache(tmp_path, needed=True)
    assert (check.status, check.exit_code) == ("fail", 4)
    assert "LIVETAG_CACHE_DIR" in check.advice


def test_little_room_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=99_000_000))
    check = csv(tmp_path / "log.csv")
    assert (check.status, check.details["free_bytes"]) == ("warn", 99_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=101_000_000))
    assert csv(tmp_path / "log.csv").status == "ok"


def history(path: Path) -> Check:
    return check_sink("history", schema.HistoryLog(path=str(path)))


def test_a_history_is_opened_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    assert history(path).status == "ok"
    assert contents(tmp_path) == {}
    HistoryWriter(path, RUN).close()
    before = contents(tmp_path)
    assert history(path).status == "ok"
    assert contents(tmp_path) == before


def test_what_is_no_history_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("my notes, which are longer than the header that SQLite files have" * 20)
    with pytest.raises(UsageError, match="not a history"):
        history(text)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(UsageError, match="another program's"):
        history(other)
    with pytest.raises(LivetagError, match="cannot be written"):
        history(tmp_path / "missing" / "history.sqlite")


def test_the_usual_history_s_folder_is_made_by_the_monitor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = tmp_path / "share" / "livetag" / "history.sqlite"
    monkeypatch.setattr(places, "history_path", lambda: usual)
    check = check_sink("history", schema.HistoryLog())
    assert (check.status, check.details["path"]) == ("ok", str(usual))
    assert contents(tmp_path) == {}


def test_clips_go_into_a_folder_that_may_be_missing(tmp_path: Path) -> None:
    clips = schema.Clips(path=str(tmp_path / "a" / "clips"))
    assert check_sink("clips", clips).status == "ok"
    assert contents(tmp_path) == {}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "clips").touch()
    with pytest.raises(UsageError, match="is no folder"):
        check_sink("clips", clips)


def test_a_disk_without_room_for_the_model_fails_where_it_is_still_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert check_cache(tmp_path, needed=False).status == "warn"
    check = check_cache(tmp_path, needed=True)
    assert (check.status, check.exit_code) == ("fail", 4)
    assert check.advice == "the model needs 64 MB: make room"
