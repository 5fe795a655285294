"""What stands in livetag's outputs, read as any other program reads it, and what is wrong there."""

import csv
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile

from livetag.sinks.annotations import RAVEN_COLUMNS
from livetag.sinks.csv_log import COLUMNS

Event = tuple[str, float, float]
"""Label, and from when to when: seconds of the stream, to a hundredth."""


@dataclass
class Written:
    """One output: its events in their order, and what a crash has left there besides.

    `half`: last lines of files that end in the middle; of clips, files without their others.
    `closed`: whole lines that are no record. `wrong`: what cannot be read at all, and why.
    """

    events: list[Event] = field(default_factory=list)
    half: int = 0
    closed: int = 0
    wrong: list[str] = field(default_factory=list)


def event(label: str, start_s: float | str, end_s: float | str) -> Event:
    return label, round(float(start_s), 2), round(float(end_s), 2)


def event_ends(lines: list[str]) -> list[Event]:
    """The events that ended, of lines of JSON."""
    records = (json.loads(line) for line in lines)
    return [
        event(record["label"], record["start_s"], record["end_s"])
        for record in records
        if record["type"] == "event_end"
    ]


def read_csv(folder: Path, pattern: str) -> Written:
    def row(line: str) -> Event:
        (fields,) = csv.reader([line], strict=True)
        named = dict(zip(COLUMNS, fields, strict=True))
        return event(named["label"], named["start_s"], named["end_s"])

    return _read_lines(folder, pattern, row, header=",".join(COLUMNS))


def read_jsonl(folder: Path, pattern: str) -> Written:
    def record(line: str) -> Event | None:
        found = event_ends([line])
        return found[0] if found else None

    return _read_lines(folder, pattern, record)


def read_dcase(folder: Path, pattern: str) -> Written:
    def row(line: str) -> Event:
        (fields,) = csv.reader([line], delimiter="\t", strict=True)
        _, onset, offset, label = fields
        return event(label, onset, offset)

    return _read_lines(folder, pattern, row)


def read_audacity(folder: Path, pattern: str) -> Written:
    def row(line: str) -> Event:
        start, end, label = line.split("\t")
        return event(label, start, end)

    return _read_lines(folder, pattern, row)


def read_raven(folder: Path, pattern: str) -> Written:
    def row(line: str) -> Event:
        named = dict(zip(RAVEN_COLUMNS, line.split("\t"), strict=True))
        return event(named["Label"], named["Begin Time (s)"], named["End Time (s)"])

    return _read_lines(folder, pattern, row, header="\t".join(RAVEN_COLUMNS))


def read_history(folder: Path, pattern: str) -> Written:
    written = Written()
    path = folder / pattern
    if not path.exists() or not path.stat().st_size:
        return written
    connection = sqlite3.connect(path)
    try:
        (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok":
            written.wrong.append(f"{path.name}: {answer}")
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables:
            rows = connection.execute("SELECT label, start_s, end_s FROM events ORDER BY id")
            written.events = [event(*row) for row in rows]
    except sqlite3.Error as error:
        written.wrong.append(f"{path.name}: {error}")
    finally:
        connection.close()
    return written


def read_clips(folder: Path, pattern: str) -> Written:
    """A folder: sounds that can be decoded to their end, and their sidecars."""
    written = Written()
    files = {path.name for path in (folder / pattern).glob("*")}
    sidecars = sorted(name for name in files if name.endswith(".json"))
    for name in sidecars:
        try:
            fields: dict[str, Any] = json.loads((folder / pattern / name).read_bytes())
            sound = folder / pattern / fields["file"]
            samples, rate_hz = soundfile.read(sound)
            seconds = fields["clip_end_s"] - fields["clip_start_s"]
            if abs(len(samples) / rate_hz - seconds) > 0.01:
                written.wrong.append(f"{name}: {len(samples) / rate_hz:.2f} s of {seconds:.2f} s")
            written.events.append(event(fields["label"], fields["start_s"], fields["end_s"]))
            files -= {name, sound.name}
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            written.wrong.append(f"{name}: {error}")
    written.half = len(files)
    return written


READERS: dict[str, Callable[[Path, str], Written]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "dcase": read_dcase,
    "audacity": read_audacity,
    "raven": read_raven,
    "history": read_history,
    "clips": read_clips,
}


def _read_lines(
    folder: Path, pattern: str, parse: Callable[[str], Event | None], header: str = ""
) -> Written:
    """The files of a log in the order in which they were begun."""
    written = Written()
    for path in sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name)):
        *lines, rest = path.read_text(encoding="utf-8").split("\n")
        written.half += bool(rest)
        if header and lines and lines.pop(0) != header:
            written.wrong.append(f"{path.name}: no header")
        for line in lines:
            try:
                found = parse(line)
            except (ValueError, KeyError, csv.Error):
                written.closed += 1
            else:
                written.events += [found] if found else []
    return written
