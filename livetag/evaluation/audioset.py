"""AudioSet's own lists of segments, and the files that downloaders make of them.

https://research.google.com/audioset/download.html: `# YTID, start_seconds, end_seconds,
positive_labels`, the last one mids in quotes, separated by commas.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livetag.errors import InputError
from livetag.evaluation.suffixes import is_audio
from livetag.evaluation.tables import read_rows

_ID_CHARACTERS = 11  # of a YouTube video's identifier
_TIMES = re.compile(r"(?:[-_~., ](\d+(?:\.\d+)?)(?:[-_~, ]\d+(?:\.\d+)?)?)?")
_FIRST_CELLS = ("ytid", "segments csv created")


@dataclass(frozen=True, slots=True)
class Segment:
    """A line of a list: seconds of a video, and the mids of what is heard there."""

    video: str
    start_s: float
    end_s: float
    mids: str


def is_segment_list(path: Path) -> bool:
    """Whether a table begins as AudioSet's lists do."""
    _, cells = next(read_rows(path), (0, [""]))
    return cells[0].lstrip("# ").lower().startswith(_FIRST_CELLS)


def read_segments(path: Path) -> Iterator[Segment]:
    """Yield the segments of a list. Raises `InputError` for a line that is none."""
    for line, cells in read_rows(path):
        if cells[0].lstrip("# ").lower().startswith("ytid") or cells[0].startswith("#"):
            continue
        try:
            video, start_s, end_s, mids = cells
            yield Segment(video, float(start_s), float(end_s), mids)
        except ValueError as error:
            raise InputError(f"{path}, line {line} is no segment of AudioSet's") from error


class SegmentFiles:
    """The recordings below a folder, found by the video that their names begin with.

    Downloaders write `ID.wav`, `YID.wav` (PANNs), `ID_30.000.wav`, `ID_30_40.flac`,
    `YID_30.000_40.000.wav` (DCASE) or `ID_30000_40000.flac`, in milliseconds (audiosetdl). A file
    whose name has another start than the segment's is not taken for it.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder")
        self._files: dict[str, list[tuple[str | None, Path]]] = {}
        for path in sorted(path for path in folder.rglob("*") if is_audio(path)):
            for video, start in _parsed(path.stem):
                self._files.setdefault(video, []).append((start, path))

    def find(self, segment: Segment) -> Path | None:
        """The segment's file; one that is named by its start, too, before one that is not."""
        found = self._files.get(segment.video, [])
        for start, path in found:
            if start and float(start) in {segment.start_s, 1_000 * segment.start_s}:
                return path
        return next((path for start, path in found if start is None), None)


def _parsed(stem: str) -> Iterator[tuple[str, str | None]]:
    """The videos that a name may begin with, and the start that follows."""
    for begin in (0, 1) if stem.startswith("Y") else (0,):
        end = begin + _ID_CHARACTERS
        times = _TIMES.fullmatch(stem, end)
        if len(stem) >= end and times:
            yield stem[begin:end], times[1]
