"""What `livetag classify` prints: for people, for scripts, and frame by frame."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from livetag.classify import Recording
from livetag.events import FloatArray
from livetag.report import PRINTERS
from livetag.yamnet.classifier import Classifier, Prediction
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params


class Counting(Classifier):
    """Speech 0.5 and Dog 0.1 in the first frame, Speech 0.5 and Dog 0.9 in those after it."""

    def __init__(self) -> None:
        self.frames = 0

    def __call__(self, patch: FloatArray) -> Prediction:
        scores = np.zeros(521, np.float32)
        scores[[0, 69]] = 0.5, 0.9 if self.frames else 0.1
        self.frames += 1
        return Prediction(scores, np.zeros(1024, np.float32))


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """A recording of three frames, in a folder whose name CSV has to quote."""
    folder = tmp_path / "a, b"
    folder.mkdir()
    path = folder / "sound.wav"
    soundfile.write(path, np.zeros(15_600 + 2 * 7_680), 16_000)
    return path


def printed(form: str, wav: Path, labels: ClassMap, top: int | None) -> str:
    out = io.StringIO()
    PRINTERS[form](out, labels, top).recording(Recording(wav, Counting(), Params()))
    return out.getvalue()


def test_text_is_the_file_and_a_line_for_each_of_its_top_classes(
    wav: Path, labels: ClassMap
) -> None:
    assert printed("text", wav, labels, 2) == f"{wav}\n  0.63  Dog\n  0.50  Speech\n"
    assert len(printed("text", wav, labels, None).splitlines()) == 1 + 5


def test_json_is_one_object_a_file(wav: Path, labels: ClassMap) -> None:
    (line,) = printed("json", wav, labels, 2).splitlines()
    assert json.loads(line) == {
        "type": "clip",
        "file": str(wav),
        "seconds": 1.935,
        "frames": 3,
        "top": [
            {"label": "Dog", "index": 69, "mid": "/m/0bt9lr", "score": 0.6333},
            {"label": "Speech", "index": 0, "mid": "/m/09x0r", "score": 0.5},
        ],
    }


def test_frames_are_a_row_for_each_frame_and_class(wav: Path, labels: ClassMap) -> None:
    rows = list(csv.DictReader(io.StringIO(printed("frames", wav, labels, None))))
    assert len(rows) == 3 * 521
    assert [row["index"] for row in rows[:521]] == [str(index) for index in range(521)]
    dog = [row for row in rows if row["label"] == "Dog"]
    assert [(row["frame"], row["start_s"], row["end_s"], row["score"]) for row in dog] == [
        ("0", "0.0", "0.975", "0.1"),
        ("1", "0.48", "1.455", "0.9"),
        ("2", "0.96", "1.935", "0.9"),
    ]
    assert {row["file"] for row in rows} == {str(wav)}
    assert dog[0]["mid"] == "/m/0bt9lr"


def test_frames_can_be_kept_to_the_top_classes_of_each(wav: Path, labels: ClassMap) -> None:
    rows = list(csv.DictReader(io.StringIO(printed("frames", wav, labels, 1))))
    assert [row["label"] for row in rows] == ["Speech", "Dog", "Dog"]


def test_several_files_share_one_header(wav: Path, labels: ClassMap) -> None:
    out = io.StringIO()
    printer = PRINTERS["frames"](out, labels, 1)
    for _ in range(2):
        printer.recording(Recording(wav, Counting(), Params()))
    assert out.getvalue().count("file,frame,start_s") == 1
    assert len(out.getvalue().splitlines()) == 1 + 2 * 3
