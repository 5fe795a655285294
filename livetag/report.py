"""How `livetag classify` prints recordings: as text, JSON, or CSV frame by frame."""

import csv
import json
from typing import Any, Protocol, TextIO

import numpy as np

from livetag.classify import Recording
from livetag.events import FloatArray, best
from livetag.text import printable
from livetag.yamnet.labels import ClassMap

DEFAULT_TOP = 5
_SCORE_PLACES = 4


class Printer(Protocol):
    """Classifies recordings and prints them, one after another."""

    def __init__(self, out: TextIO, labels: ClassMap, top: int | None) -> None: ...

    def recording(self, recording: Recording) -> None: ...


class _ClipPrinter:
    """What the two that print a whole recording at once share."""

    def __init__(self, out: TextIO, labels: ClassMap, top: int | None) -> None:
        self._out = out
        self._labels = labels
        self._top = top or DEFAULT_TOP


class TextPrinter(_ClipPrinter):
    """The file's name, and a line for each of its top classes."""

    def recording(self, recording: Recording) -> None:
        clip = recording.clip()
        print(printable(recording.name), file=self._out)
        for index in clip.top(self._top):
            name = self._labels[index].name
            print(f"  {clip.mean_scores[index]:.2f}  {name}", file=self._out, flush=True)


class JsonPrinter(_ClipPrinter):
    """One object a file."""

    def recording(self, recording: Recording) -> None:
        clip = recording.clip()
        result = {
            "type": "clip",
            "file": recording.name,
            "seconds": round(clip.seconds, 3),
            "frames": clip.frames,
            "top": [self._class(index, clip.mean_scores[index]) for index in clip.top(self._top)],
        }
        print(json.dumps(result, separators=(",", ":")), file=self._out, flush=True)

    def _class(self, index: int, score: np.float32) -> dict[str, Any]:
        label = self._labels[index]
        rounded = round(float(score), _SCORE_PLACES)
        return {"label": label.name, "index": label.index, "mid": label.mid, "score": rounded}


class FramesPrinter:
    """CSV: a row for each frame and class; with `top`, for each frame's best classes alone."""

    COLUMNS = ("file", "frame", "start_s", "end_s", "index", "mid", "label", "score")

    def __init__(self, out: TextIO, labels: ClassMap, top: int | None) -> None:
        self._writer = csv.writer(out, lineterminator="\n")
        self._writer.writerow(self.COLUMNS)
        self._labels = labels
        self._top = top

    def recording(self, recording: Recording) -> None:
        for frame in recording.frames():
            place = recording.name, frame.number, round(frame.start_s, 3), round(frame.end_s, 3)
            for index in self._indices(frame.scores):
                label = self._labels[index]
                score = round(float(frame.scores[index]), _SCORE_PLACES)
                self._writer.writerow((*place, label.index, label.mid, label.name, score))

    def _indices(self, scores: FloatArray) -> list[int]:
        if self._top is None:
            return list(range(len(scores)))
        return best(scores, self._top)


PRINTERS: dict[str, type[Printer]] = {
    "text": TextPrinter,
    "json": JsonPrinter,
    "frames": FramesPrinter,
}
