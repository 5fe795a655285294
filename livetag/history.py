"""The history: what was heard and when, in an SQLite database that any tool may query.

Times are UNIX seconds (UTC) with fractions, as SQLite's functions take them:
`SELECT datetime(start, 'unixepoch', 'localtime'), label FROM events`. Seconds named `..._s` count
from the start of the run's audio. Several monitors may write one history while others read it: it
is in WAL mode, whose files beside it (`-wal`, `-shm`) belong to it. What was committed outlives the
process; a power failure may take the last minutes of it.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from livetag.errors import LivetagError, UsageError
from livetag.events import EventEnd, Gap
from livetag.records import level, rounded, score
from livetag.resources import history_path

SCHEMA_VERSION = 1
BUSY_SECONDS = 5.0
SAVE_SECONDS = 60.0  # of audio, after which a run without events says that it goes on

_APPLICATION_ID = int.from_bytes(b"ltag", "big")
_SCHEMA = (
    """CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started REAL NOT NULL,       -- when its audio began
    heard_until REAL NOT NULL,   -- as far as it came; while it goes on, to a minute
    ended REAL,                  -- the same; NULL while it goes on, and where it was killed
    source TEXT NOT NULL,
    version TEXT NOT NULL,       -- of livetag
    model_sha256 TEXT NOT NULL,
    weights_source TEXT NOT NULL,
    hop_seconds REAL NOT NULL,
    configuration TEXT NOT NULL  -- JSON
)""",
    """CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    start REAL NOT NULL,
    "end" REAL NOT NULL,
    start_s REAL NOT NULL,
    end_s REAL NOT NULL,
    class_index INTEGER NOT NULL,
    mid TEXT NOT NULL,
    label TEXT NOT NULL,
    group_name TEXT NOT NULL,    -- '' for none
    alert INTEGER NOT NULL,      -- 1 if the user was told of it
    withheld TEXT NOT NULL,      -- what kept it from being an alert; '' for nothing
    peak_score REAL NOT NULL,
    mean_score REAL NOT NULL,
    windows INTEGER NOT NULL,
    threshold REAL NOT NULL,
    level_dbfs REAL              -- NULL for digital silence
)""",
    """CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    start REAL NOT NULL,
    start_s REAL NOT NULL,
    lost_seconds REAL NOT NULL,
    reason TEXT NOT NULL
)""",
    "CREATE INDEX events_by_start ON events (start)",
    "CREATE INDEX events_by_class ON events (class_index, start)",
    "CREATE INDEX gaps_by_start ON gaps (start)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


@dataclass(frozen=True)
class Run:
    """What is running: one monitor, from its start to its end. `configuration` is JSON."""

    source: str
    version: str
    model_sha256: str
    weights_source: str
    hop_seconds: float
    configuration: str


class HistoryWriter:
    """Writes one run. What it is given is committed when its methods return.

    They raise `sqlite3.Error`; `explain` has it in words. One thread at a time may use it.
    """

    def __init__(self, path: Path, run: Run, clock: Callable[[], float] = time.time) -> None:
        """Open the history, or begin one. Raises `UsageError` for a file that is something else.

        Raises `LivetagError` where it cannot be opened or written.
        """
        _create(path)
        connection = connect(path)
        try:
            _prepare(connection, path)
            self._origin = clock()  # UNIX time at which the stream has second 0
            cursor = connection.execute(
                "INSERT INTO runs (started, heard_until, source, version, model_sha256,"
                " weights_source, hop_seconds, configuration) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (self._origin, self._origin, *map(_storable, astuple(run))),
            )
        except sqlite3.Error as error:
            connection.close()
            raise LivetagError(f"the history {path} cannot be written: {explain(error)}") from error
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._run_id = cursor.lastrowid
        self._heard_s = 0.0
        self._saved_s = 0.0

    def event(self, event: EventEnd) -> None:
        start = event.start
        row = (
            self._run_id,
            start.time,
            event.end_time,
            rounded(start.start_s),
            rounded(event.end_s),
            start.label.index,
            start.label.mid,
            start.label.name,
            start.group,
            event.alert,
            start.withheld,
            score(event.peak_score),
            score(event.mean_score),
            event.windows,
            score(start.threshold),
            level(event.level_dbfs),
        )
        with self._saving():
            self._connection.execute(
                f"INSERT INTO events VALUES (NULL{', ?' * len(row)})", tuple(map(_storable, row))
            )

    def gap(self, gap: Gap) -> None:
        row = self._run_id, gap.time, rounded(gap.start_s), rounded(gap.lost_seconds), gap.reason
        with self._saving():
            self._connection.execute("INSERT INTO gaps VALUES (NULL, ?, ?, ?, ?, ?)", row)

    def date(self, stream_s: float, unix_time: float) -> None:
        """Take note of where the stream's seconds stand on the wall clock."""
        self._origin = unix_time - stream_s
        self._heard_s = max(self._heard_s, stream_s)

    def heard(self, stream_s: float) -> None:
        """Take note of how far the audio came; it is saved now and then."""
        self._heard_s = max(self._heard_s, stream_s)
        if self._heard_s - self._saved_s >= SAVE_SECONDS:
            with self._saving():
                pass

    def close(self) -> None:
        """End the run."""
        try:
            with self._saving():
                self._connection.execute(
                    "UPDATE runs SET ended = ? WHERE id = ?",
                    (self._origin + self._heard_s, self._run_id),
                )
        finally:
            self._connection.close()

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """A transaction, in which the run says how far it came."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute(
                "UPDATE runs SET started = ?, heard_until = ? WHERE id = ?",
                (self._origin, self._origin + self._heard_s, self._run_id),
            )
        self._saved_s = self._heard_s


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


def is_begun(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether a history is there: False for an empty file, `UsageError` for something else."""
    try:
        application, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if _code(error) != sqlite3.SQLITE_NOTADB:
            raise
        raise UsageError(
            f"{path} is not a history of livetag's (nor any SQLite database): name another file"
        ) from error
    if application == _APPLICATION_ID and version <= SCHEMA_VERSION:
        return True
    if application == _APPLICATION_ID:
        raise UsageError(
            f"{path} is the history of a newer livetag (schema {version}; this one knows"
            f" {SCHEMA_VERSION}): upgrade livetag, or name another file"
        )
    if application or version or tables:
        raise UsageError(f"{path} is another program's SQLite database: name another file")
    return False


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


def _create(path: Path) -> None:
    """An empty file, where there is none, for its owner alone: it tells who is at home when."""
    try:
        if path == history_path():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise LivetagError(f"the history {path} cannot be opened: {error.strerror}") from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Give an empty file its tables."""
    with connection:
        connection.execute("BEGIN")
        begun = is_begun(connection, path)
    if not begun:
        _use_wal(connection)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if not is_begun(connection, path):  # nor did another monitor begin it meanwhile
            for statement in _SCHEMA:
                connection.execute(statement)
    connection.execute("PRAGMA synchronous = NORMAL")


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


def _storable(value: object) -> object:
    """Names of files may hold bytes that are no text; SQLite takes none of them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
