"""Sets of labelled recordings: a folder of class folders, a CSV, or a list of AudioSet's segments.

Reads lists and the names of files, no sound, and does not know what labels mean.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from livetag.errors import InputError, UsageError
from livetag.evaluation.audioset import SegmentFiles, is_segment_list, read_segments
from livetag.evaluation.categories import SEPARATOR, is_mid
from livetag.evaluation.suffixes import is_audio
from livetag.evaluation.tables import read_rows

FILE_COLUMNS = ("file", "filename", "fname", "path")
LABEL_COLUMNS = ("mids", "labels", "label", "category")
"""The first of them that a CSV has is taken."""


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A recording, all the labels that are true of it, and how long it should be, if that is known.

    One without labels counts as a recording of none of the classes.
    """

    path: Path
    labels: tuple[str, ...]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """The recordings, and how many more are listed by AudioSet and not at hand."""

    clips: list[LabelledClip]
    missing: int = 0


def read_labelled(source: Path, audio: Path | None) -> LabelledSet:
    """Read a set of any of the three forms.

    `audio`: the folder with the recordings, for a list of AudioSet's, which has to be told, or for
    a CSV that does not stand among them. Raises `InputError` where there is no recording, or
    a CSV lacks a column, and `UsageError` for a list of AudioSet's without that folder.
    """
    if source.is_dir():
        found = LabelledSet(_class_folders(source))
    elif is_segment_list(source):
        found = _segments(source, audio)
    else:
        found = LabelledSet(_table(source, audio or source.parent))
    if not found.clips:
        raise InputError(f"{source} has no recordings{_hint(source, found)}")
    return found


def _hint(source: Path, found: LabelledSet) -> str:
    if found.missing:
        return f" at hand: none of its {found.missing:,} segments is in the folder of --audio"
    return " in folders, each named by a class" if source.is_dir() else ""


def _class_folders(folder: Path) -> list[LabelledClip]:
    clips = []
    try:
        class_folders = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        _refuse(error)
    for class_folder in class_folders:
        if not class_folder.name.startswith("."):
            paths = sorted(path for path in _files_below(class_folder) if is_audio(path))
            clips += [LabelledClip(path, (class_folder.name,)) for path in paths]
    return clips


def _files_below(folder: Path) -> Iterator[Path]:
    """Raises `InputError` where a folder cannot be listed: its recordings would be missing."""
    for parent, _, files in os.walk(folder, onerror=_refuse):
        yield from (Path(parent, name) for name in files)


def _refuse(error: OSError) -> NoReturn:
    raise InputError(f"{error.filename} cannot be read: {error.strerror or error}") from error


def _table(path: Path, folder: Path) -> list[LabelledClip]:
    rows = read_rows(path)
    _, header = next(rows, (0, []))
    file_column = _column(path, header, FILE_COLUMNS)
    label_column = _column(path, header, LABEL_COLUMNS)
    clips: dict[Path, LabelledClip] = {}
    for line, cells in rows:
        if len(cells) <= max(file_column, label_column) or not cells[file_column]:
            raise InputError(f"{path}, line {line}: it has fewer columns than the first line")
        file = _located(folder, cells[file_column])
        before = clips[file].labels if file in clips else ()
        clips[file] = LabelledClip(file, (*before, *split_labels(cells[label_column])))
    return list(clips.values())


def _column(path: Path, header: list[str], names: tuple[str, ...]) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise InputError(f"{path} has no column {' or '.join(names)} in its first line")


def _located(folder: Path, name: str) -> Path:
    """The file of this name, which FSD50K gives without its extension."""
    path = folder / name
    return path if path.suffix or path.exists() else path.with_suffix(".wav")


def split_labels(cell: str) -> list[str]:
    """The labels of a cell: separated by `|`, or mids by commas."""
    separator = "," if is_mid(cell) and SEPARATOR not in cell else SEPARATOR
    return [label.strip() for label in cell.split(separator) if label.strip()]


def _segments(path: Path, audio: Path | None) -> LabelledSet:
    if audio is None:
        raise UsageError(f"{path} is a list of AudioSet's segments: name their folder with --audio")
    files = SegmentFiles(audio)
    clips, missing = [], 0
    for segment in read_segments(path):
        file = files.find(segment)
        if file is None:
            missing += 1
        else:
            labels = tuple(split_labels(segment.mids))
            clips.append(LabelledClip(file, labels, segment.end_s - segment.start_s))
    return LabelledSet(clips, missing)
