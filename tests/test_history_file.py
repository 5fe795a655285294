"""The file of a history: begun once, told from every other, and never made of one."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

import livetag.history_file
from livetag.errors import LivetagError, UsageError
from livetag.history_file import begin, check_disk, connect, create, explain, is_begun, is_locked
from livetag.history_schema import VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


def begun(path: Path) -> None:
    """As a monitor begins a history, or goes on with one."""
    create(path)
    with closing(connect(path)) as connection:
        begin(connection, path)


def looked_at(path: Path) -> bool:
    """As a reader looks whether it is one."""
    with closing(connect(path)) as connection:
        return is_begun(connection, path)


def done(path: Path, statement: str) -> list[tuple[object, ...]]:
    """What any program can do there."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def test_a_history_is_begun_once_and_gone_on_with(path: Path) -> None:
    begun(path)
    assert looked_at(path)
    tables = done(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    assert tables == [("events",), ("gaps",), ("runs",)]
    content = path.read_bytes()
    begun(path)
    assert path.read_bytes() == content


def test_readers_and_writers_may_be_at_work_at_once(path: Path) -> None:
    begun(path)
    assert done(path, "PRAGMA journal_mode") == [("wal",)]


def test_an_empty_file_is_none_yet_and_becomes_one(path: Path) -> None:
    create(path)
    assert path.read_bytes() == b""
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not looked_at(path)
    begun(path)
    assert looked_at(path)


def test_what_lies_beside_an_empty_file_is_another_s_and_goes(path: Path) -> None:
    beside = [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm")]
    for file in beside:
        file.write_bytes(b"of a history that was moved away" * 99)
    begun(path)
    assert looked_at(path)
    assert list(path.parent.iterdir()) == [path]


def test_the_user_s_own_history_gets_its_folder_and_no_other_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "share" / "livetag" / "history.sqlite"
    monkeypatch.setattr(livetag.history_file, "history_path", lambda: own)
    create(own)
    assert own.is_file()
    with pytest.raises(LivetagError, match=r"history\.sqlite cannot be opened: No such file"):
        create(tmp_path / "other" / "history.sqlite")


def test_what_cannot_be_opened_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(LivetagError, match="cannot be opened: it is a folder"):
        connect(tmp_path)
    with pytest.raises(LivetagError, match="it cannot be opened, or the files beside it"):
        connect(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"time,label\n1,Dog\n", b"\xff" * 9_000, b"SQLite"])
def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(
    content: bytes, path: Path
) -> None:
    path.write_bytes(content)
    for attempt in (begun, looked_at):
        with pytest.raises(UsageError, match=r"is not a history of livetag's .*: name another"):
            attempt(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE events (start REAL)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"],
)
def test_another_program_s_database_is_refused_and_stays_as_it_is(
    statement: str, path: Path
) -> None:
    done(path, statement)
    content = path.read_bytes()
    for attempt in (begun, looked_at):
        with pytest.raises(UsageError, match="another program's SQLite database: name another"):
            attempt(path)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_newer_livetag_s_history_is_refused(path: Path) -> None:
    begun(path)
    done(path, f"PRAGMA user_version = {VERSION + 1}")
    for attempt in (begun, looked_at):
        with pytest.raises(UsageError, match=r"newer livetag \(schema 2; .*: upgrade livetag"):
            attempt(path)
    assert done(path, "SELECT count(*) FROM runs") == [(0,)]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_sqlite_is_not_given_files_that_may_only_be_read(
    suffix: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(path)
    with closing(connect(path)) as connection:
        connection.execute("SELECT count(*) FROM runs").fetchall()  # the files beside it are there
        check_disk(path)
        monkeypatch.setattr("os.access", lambda file, _: file.name != f"{path.name}{suffix}")
        with pytest.raises(OSError, match="it may only be read"):
            check_disk(path)


def test_a_lock_is_told_from_other_errors_and_all_are_told_in_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(livetag.history_file, "BUSY_SECONDS", 0.01)
    begun(path)
    with closing(connect(path)) as one, closing(connect(path)) as other:
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as locked:
            other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as wrong:
            other.execute("SELECT 1 FROM nowhere")
    assert is_locked(locked.value)
    assert explain(locked.value) == "another program has kept it locked for 5 s"
    assert not is_locked(wrong.value)
    assert explain(wrong.value) == "no such table: nowhere"
