"""Whether what `monitor` writes can be written where it goes, and how much room there is.

Nothing is left behind, and nothing that is there is changed: a file without a name is written in
each folder, and files are opened.
"""

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from livetag import schema
from livetag.doctor.check import Check, judged
from livetag.errors import LivetagError, ModelError, UsageError
from livetag.history_file import connect, explain, is_begun
from livetag.log_format import LogFormat, RefusedError
from livetag.log_name import LogName
from livetag.resources import history_path
from livetag.sinks.annotations import AudacitySink, DcaseSink, RavenSink
from livetag.sinks.csv_log import CsvSink
from livetag.sinks.jsonl import JsonLinesSink

_LITTLE_BYTES = 100_000_000
_MODEL_BYTES = 64_000_000  # weights and compiled model take 33 MB, and as much while they are made
_FORMATS: dict[type[schema.TextLog], LogFormat] = {
    schema.CsvLog: CsvSink.log_format,
    schema.JsonLinesLog: JsonLinesSink.log_format,
    schema.AudacityLabels: AudacitySink.log_format,
    schema.RavenTable: RavenSink.log_format,
    schema.DcaseList: DcaseSink.log_format,
}


def check_sink(where: str, table: schema.SinkTable) -> Check:
    """Look at where a sink writes. Raises `LivetagError` where `monitor` would not open it.

    `where`: how it is asked for, `csv` or `sink 1`.
    """
    match table:
        case schema.HistoryLog():
            path = Path(table.path) if table.path else history_path()
            folder = _history_folder(path, made=path == history_path())
        case schema.Clips():
            path = Path(table.path)
            if path.exists() and not path.is_dir():
                raise UsageError(f"{path} is no folder: name another for the clips")
            folder = _existing(path)
        case _:
            name = LogName(Path(table.path))
            path = name.base_at(time.time())
            folder = _log_folder(path, name.users_folder(path), _FORMATS[type(table)])
    return _room(where, path, folder)


def check_cache(cache: Path, needed: bool) -> Check:
    """Look at where the model is kept. `needed`: it is still to be made there."""
    try:
        room = _room("cache", cache, _existing(cache))
        if needed and room.details["free_bytes"] < _MODEL_BYTES:
            failures = [f"the model needs {_MODEL_BYTES / 1e6:.0f} MB: make room"]
            code = ModelError.exit_code
            return judged("disk", room.found, room.details, failures=failures, exit_code=code)
        return room
    except LivetagError as error:
        advice = ["LIVETAG_CACHE_DIR names another folder for the model"]
        details = {"place": "cache", "path": str(cache)}
        found = f"cache {cache}: {error}"
        if needed:
            return judged("disk", found, details, failures=advice, exit_code=ModelError.exit_code)
        return judged("disk", found, details, warnings=advice)


def _room(where: str, path: Path, folder: Path) -> Check:
    """Write into a folder, and see how much more it could take."""
    if path.is_file() or path.is_dir() or not path.exists():
        _try_to_write(path, folder)
    free = shutil.disk_usage(folder).free
    found = f"{where} {path}: can be written, {free / 1e9:,.1f} GB free"
    details = {"place": where, "path": str(path), "free_bytes": free}
    advice = "little room is left on this disk: make some, or have it written elsewhere"
    return judged("disk", found, details, [advice] if free < _LITTLE_BYTES else [])


def _try_to_write(path: Path, folder: Path) -> None:
    try:
        if path.is_file():
            path.open("ab").close()
        else:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(4_096))
                file.flush()
    except OSError as error:
        raise LivetagError(
            f"{path} cannot be written ({error.strerror or error}): mend that, or name another"
        ) from error


def _history_folder(path: Path, made: bool) -> Path:
    """The folder of a history; `made`: it is made where it is missing."""
    if not path.exists():
        return _existing(path.parent) if made else path.parent
    try:
        with closing(connect(path)) as connection:
            is_begun(connection, path)
    except sqlite3.Error as error:
        raise LivetagError(f"the history {path} cannot be opened: {explain(error)}") from error
    _try_to_write(path.parent, path.parent)  # SQLite keeps files beside it
    return path.parent


def _log_folder(path: Path, own: Path, log_format: LogFormat) -> Path:
    """The folder of a log's file. Those below the user's `own` may be missing: they are made."""
    if path.is_dir():
        raise LivetagError(f"the log {path} cannot be written: it is a folder")
    if path.is_file() and path.stat().st_size:
        try:
            log_format.check(path)
        except RefusedError as error:
            raise UsageError(error.strerror) from error
    if not own.is_dir():
        raise LivetagError(f"the log {path} cannot be written: make the folder {own} first")
    return _existing(path.parent)


def _existing(folder: Path) -> Path:
    """A folder, or the nearest one above it that is there."""
    return next(above for above in (folder, *folder.absolute().parents) if above.exists())
