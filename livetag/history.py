"""The history: what was heard and when, in an SQLite database that any tool may query.

Times are UNIX seconds (UTC) with fractions, as SQLite's functions take them:
`SELECT datetime(start, 'unixepoch', 'localtime'), label FROM events`. Seconds named `..._s` count
from the start of the run's audio. Several monitors may write one history while others read it: it
is in WAL mode, whose files beside it (`-wal`, `-shm`) belong to it.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from livetag.errors import LivetagError
from livetag.events import EventEnd, Gap
from livetag.history_file import begin, check_disk, connect, create, explain, is_locked
from livetag.records import level, rounded, score

SAVE_SECONDS = 60.0  # of audio, after which a run without events says that it goes on
_LEAST_SECONDS = 0.001  # of a gap that is kept
_LEAST_OPEN_SECONDS = 0.05  # and of one that has only begun
_WRITE_BUSY_SECONDS = 0.25  # until somebody else is let decide how long to wait


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

    Where the file is moved or removed meanwhile, one of its name has the run from then on, with a
    row of its own.

    Methods raise `sqlite3.Error`, which `history_file.explain` has in words, and those that open a
    file again `LivetagError` and `OSError`: nothing is written then, and they may be called again.
    One thread at a time may use it.
    """

    def __init__(
        self,
        path: Path,
        run: Run,
        clock: Callable[[], float] = time.time,
        synced: bool = True,
    ) -> None:
        """Open the history, or begin one. Raises `UsageError` for a file that is something else.

        `synced`: what is committed is on the disk itself, and outlives a power failure; otherwise
        one may take the last minutes of it.

        Raises `LivetagError` where it cannot be opened or written.
        """
        self._path = path
        self._run = run
        self._synced = synced
        self._origin = clock()  # UNIX time at which the stream has second 0
        self._began_s = 0.0  # where in the stream this file begins
        self._heard_s = 0.0
        self._saved_s = 0.0
        self._is_closed = False
        self._open_gap: tuple[Gap, int | None] | None = None  # its first piece, and its row
        create(path)
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        """Open the file, and begin the run in it."""
        connection = connect(self._path)
        try:
            begin(connection, self._path)
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._synced else 'NORMAL'}")
            cursor = connection.execute(
                "INSERT INTO runs (started, heard_until, source, version, model_sha256,"
                " weights_source, hop_seconds, configuration) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*self._spanned(), *map(_storable, astuple(self._run))),
            )
            connection.execute(f"PRAGMA busy_timeout = {round(_WRITE_BUSY_SECONDS * 1e3)}")
            self._file = self._path.stat()
        except sqlite3.Error as error:
            connection.close()
            raise LivetagError(
                f"the history {self._path} cannot be written: {explain(error)}"
            ) from error
        except BaseException:
            connection.close()
            raise
        self._run_id = cursor.lastrowid
        self._open_gap = None
        return connection

    def reopen(self) -> None:
        """Go on in a new file where the one that is written no longer has its name."""
        with suppress(FileNotFoundError, NotADirectoryError):
            if not self._is_closed and os.path.samestat(self._path.stat(), self._file):
                check_disk(self._path)
                return
        create(self._path)  # or, where its folder is gone, go on with the old file
        if not self._is_closed:
            self._leave()
            self._is_closed = True
            self._began_s = self._heard_s
        self._connection = self._open()
        self._is_closed = False

    def event(self, event: EventEnd) -> None:
        start = event.start
        row = (
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
                f"INSERT INTO events VALUES (NULL, ?{', ?' * len(row)})",
                (self._run_id, *map(_storable, row)),
            )

    def gap(self, gap: Gap) -> None:
        """Write a gap. One that goes on comes in pieces, and has one row."""
        with self._saving():  # which may begin another file, and the run anew
            first, row_id = gap, None
            if self._open_gap is not None and self._open_gap[0].reason == gap.reason:
                first, row_id = self._open_gap
            lost = rounded(gap.start_s + gap.lost_seconds - first.start_s)
            if lost >= (_LEAST_OPEN_SECONDS if gap.ongoing else _LEAST_SECONDS):
                row = first.time, rounded(first.start_s), lost, first.reason
                row_id = self._connection.execute(
                    "REPLACE INTO gaps VALUES (?, ?, ?, ?, ?, ?)", (row_id, self._run_id, *row)
                ).lastrowid
        self._open_gap = (first, row_id) if gap.ongoing else None

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
        """End the run. While the history is locked, it stays open, and may be closed again."""
        try:
            with self._saving():
                self._connection.execute(
                    "UPDATE runs SET ended = ? WHERE id = ?", (self._spanned()[1], self._run_id)
                )
        except BaseException as error:
            if not (isinstance(error, sqlite3.Error) and is_locked(error)):
                self._leave()
            raise
        self._leave()

    def _leave(self) -> None:
        """Close the file, with all that was written in it: what stands beside it has its name."""
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """A transaction, in which the run says how far it came."""
        self.reopen()
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute(
                "UPDATE runs SET started = ?, heard_until = ? WHERE id = ?",
                (*self._spanned(), self._run_id),
            )
        self._saved_s = self._heard_s

    def _spanned(self) -> tuple[float, float]:
        """From when to when the run has been heard in this file, in UNIX time."""
        return self._origin + self._began_s, self._origin + self._heard_s


def _storable(value: object) -> object:
    """Names of files may hold bytes that are no text; SQLite takes none of them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
