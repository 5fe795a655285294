"""The file of a history: made, told from other files, and begun; and SQLite's errors in words.

What is in it is no matter here, but for the tables that a new one gets.
"""

import errno
import os
import sqlite3
import time
from pathlib import Path

from livetag.disk import check_room
from livetag.errors import LivetagError, UsageError
from livetag.history_schema import APPLICATION_ID, STATEMENTS, VERSION
from livetag.resources import history_path

BUSY_SECONDS = 5.0
"""So long a lock of another program is waited for."""
_ROOM_BYTES = 262_144  # more than a transaction takes


def create(path: Path) -> None:
    """An empty file, where there is none, for its owner alone: it tells who is at home when.

    Raises `LivetagError` where it cannot be written.
    """
    try:
        if path == history_path():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
        check_disk(path)
    except OSError as error:
        raise LivetagError(f"the history {path} cannot be opened: {error.strerror}") from error


def check_disk(path: Path) -> None:
    """Raise `OSError` where a write would fail: SQLite may not come to say so.

    It writes to `-shm` as to memory, and there the system has but one answer to a failure (a full
    btrfs, a file made immutable): SIGBUS, the end of the process.
    """
    check_room(path.parent, _ROOM_BYTES)
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(f"{path.name}{suffix}")
        if file.exists() and not os.access(file, os.W_OK):
            raise OSError(errno.EACCES, "it may only be read")


def connect(path: Path) -> sqlite3.Connection:
    """Open a file that is there. Raises `LivetagError`."""
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # transactions begin where the code says so
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        reason = "it is a folder" if path.is_dir() else explain(error)
        raise LivetagError(f"the history {path} cannot be opened: {reason}") from error


def begin(connection: sqlite3.Connection, path: Path) -> None:
    """Give an empty file its tables. Raises as `is_begun` does, and `sqlite3.Error`."""
    with connection:
        connection.execute("BEGIN")
        begun = is_begun(connection, path)
    if not begun:
        with connection:
            connection.execute("BEGIN EXCLUSIVE")
            if not is_begun(connection, path):  # nor did another monitor begin it meanwhile
                _remove_beside(path)
                for statement in STATEMENTS:
                    connection.execute(statement)
    _use_wal(connection)


def is_begun(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether a history is there: False for an empty file, `UsageError` for something else.

    Raises `LivetagError` for a damaged one, or `sqlite3.Error`.
    """
    try:
        application, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except UnicodeDecodeError as error:  # in what SQLite has to say of a damaged file
        raise LivetagError(f"the history {path} cannot be read: it is damaged") from error
    except sqlite3.DatabaseError as error:
        if _code(error) != sqlite3.SQLITE_NOTADB:
            raise
        raise UsageError(
            f"{path} is not a history of livetag's (nor any SQLite database): name another file"
        ) from error
    if application == APPLICATION_ID and version <= VERSION:
        return True
    if application == APPLICATION_ID:
        raise UsageError(
            f"{path} is the history of a newer livetag (schema {version}; this one knows"
            f" {VERSION}): upgrade livetag, or name another file"
        )
    if application or version or tables:
        raise UsageError(f"{path} is another program's SQLite database: name another file")
    return False


def _remove_beside(path: Path) -> None:
    """Remove what stands beside an empty database that one has to oneself: it is of another.

    Who still writes that one, whose name is gone, keeps the files. SQLite would take them for this
    one's, and removes but the first of them itself.
    """
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers and writers work at once, where the file system can.

    SQLite does not wait for another that does the same at this moment.
    """
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
        time.sleep(0.02)


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another program has kept the history to itself: it may work later."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def explain(error: sqlite3.Error) -> str:
    """What went wrong, in words for the user."""
    return _REASONS.get(_code(error), str(error))


_REASONS = {
    sqlite3.SQLITE_BUSY: f"another program has kept it locked for {BUSY_SECONDS:g} s",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened, or the files beside it cannot be made",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_FULL: "no space left on the disk",
    sqlite3.SQLITE_IOERR: "the disk failed",
    sqlite3.SQLITE_READONLY: "it may only be read",
}


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is Python's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
