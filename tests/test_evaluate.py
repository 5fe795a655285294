"""`livetag evaluate` as a user runs it: on recordings cut from the demo, and on its events."""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from running import run, running

from livetag.classify import Clip
from livetag.cli import main
from livetag.errors import InputError, ModelError
from livetag.evaluation.workers import classify_here, classify_in_processes
from livetag.sources.demo import demo_chunks
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import CompiledModel
from livetag.yamnet.params import Params
from livetag.yamnet.precision import Precision

RATE_HZ = 16_000
CUTS = {
    "Speech": ((0.5, 2.5), (2.5, 4.5)),
    "Siren": ((25.0, 27.0), (28.0, 30.0)),
    "Clock": ((38.0, 40.0), (40.0, 42.0)),
}
"""Seconds of the demo in which each is heard."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of class folders with two recordings each."""
    root = tmp_path_factory.mktemp("labelled")
    demo = np.concatenate(list(demo_chunks()))
    for name, cuts in CUTS.items():
        (root / name).mkdir()
        for number, (begin_s, end_s) in enumerate(cuts):
            samples = demo[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ)]
            soundfile.write(root / name / f"{number}.wav", samples, RATE_HZ)
    return root


@pytest.fixture(scope="module")
def categories(folder: Path) -> Path:
    path = folder.parent / "map.csv"
    path.write_text(
        "category,yamnet_labels\nSpeech,Speech\nSiren,Siren|Police car (siren)\n"
        "Clock,Clock|Tick-tock|Tick\n"
    )
    return path


def test_a_folder_of_class_folders_is_measured_against_all_classes(folder: Path) -> None:
    options = (str(folder), "--json", "--per-class")
    done, again = run("evaluate", *options), run("evaluate", *options, "--workers", "2")
    assert (done.returncode, done.stderr) == (again.returncode, again.stderr) == (0, b"")
    assert again.stdout == done.stdout
    found = json.loads(done.stdout)
    assert (found["clips"], found["classes"], found["without_positives"]) == (6, 521, 518)
    assert found["mean_average_precision"] > 0.9
    assert found["mean_auc"] > 0.9
    assert 0.3 < found["lwlrap"] <= 1.0
    assert [one["label"] for one in found["per_class"]] == ["Speech", "Siren", "Clock"]


def test_a_map_makes_it_a_choice_between_categories(
    folder: Path, categories: Path, tmp_path: Path
) -> None:
    table, picture = tmp_path / "classes.csv", tmp_path / "classes.png"
    options = ("--map", str(categories), "-o", str(table), "--plot", str(picture))
    done = run("evaluate", str(folder), *options)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "6 recordings, 3 classes, float32"
    assert "  accuracy, one class of 3            1.000" in lines
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["Speech", "Siren", "Clock"]
    assert {row["average_precision"] for row in rows} == {"1.0"}
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"classes.csv", "classes.png"}


def outcomes(results: Iterator[Clip | InputError]) -> list[object]:
    return [
        str(one) if isinstance(one, InputError) else (one.seconds, one.mean_scores.tobytes())
        for one in results
    ]


def test_processes_give_clips_in_order_and_what_could_not_be_read(
    folder: Path, compiled: CompiledModel
) -> None:
    paths = [*sorted(folder.rglob("*.wav")), Path(__file__), *sorted(folder.rglob("*.wav"))]
    here = outcomes(classify_here(paths, LiteRTClassifier(compiled.content), Params()))
    assert outcomes(classify_in_processes(paths, compiled.content, "float32", 2)) == here
    assert "is no audio" in str(here[6])


def test_what_processes_cannot_load_is_told_as_it_is(folder: Path) -> None:
    with pytest.raises(ModelError, match="the compiled model cannot be loaded"):
        list(classify_in_processes(folder.rglob("*.wav"), b"no model" * 9, "float32", 2))


def test_the_precision_that_ran_is_told(
    folder: Path, categories: Path, faster: Precision, tmp_path: Path
) -> None:
    options = (str(folder), "--map", str(categories), "--precision", faster)
    done, again = run("evaluate", *options, "--json"), run("evaluate", *options, "--workers", "2")
    assert (done.returncode, done.stderr) == (again.returncode, again.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert (found["precision"], found["accuracy"]) == (faster, 1.0)
    assert again.stdout.decode().splitlines()[0] == f"6 recordings, 3 classes, {faster}"


def test_a_table_of_files_and_labels(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text(
        "file,labels\nSpeech/0.wav,/m/09x0r\nClock/0.wav,Clock|Tick-tock\nSiren/0.wav,siren\n"
    )
    found = json.loads(run("evaluate", str(path), "--audio", str(folder), "--json").stdout)
    assert (found["clips"], found["without_positives"]) == (3, 521 - 4)
    assert "accuracy" in found
    assert found["accuracy"] is None  # one has two labels


def test_audiosets_list_with_what_is_at_hand(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "eval_segments.csv"
    path.write_text(
        "# Segments csv created Sun Mar  5 10:54:25 2017\n"
        "# num_ytids=3, num_segs=3, num_unique_labels=3, num_positive_labels=4\n"
        "# YTID, start_seconds, end_seconds, positive_labels\n"
        'abcdefghij0, 30.000, 32.000, "/m/09x0r,/m/02zsn"\n'
        'abcdefghij1, 30.000, 32.000, "/m/03kmc9"\n'
        'abcdefghij2, 30.000, 32.000, "/m/01x3z"\n'
    )
    audio = tmp_path / "audio"
    audio.mkdir()
    os.link(folder / "Speech" / "0.wav", audio / "Yabcdefghij0_30.000_32.000.wav")
    os.link(folder / "Siren" / "0.wav", audio / "abcdefghij1.wav")
    done = run("evaluate", str(path), "--audio", str(audio), "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["clips"], found["missing"]) == (0, 2, 1)
    assert found["mean_auc"] == 1.0
    said = done.stderr.decode().splitlines()
    assert said[0].startswith("livetag: 1 of 3 listed segments are not in the folder")
    assert said[1].endswith("no classes of YAMNet's: /m/02zsn")


def test_a_broken_recording_is_told_at_the_end_and_the_rest_counts(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "Dog").mkdir()
    (tmp_path / "Dog" / "broken.wav").write_text("no audio")
    (tmp_path / "Speech").symlink_to(folder / "Speech")
    done = run("evaluate", str(tmp_path), "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["clips"], found["failed"]) == (3, 2, 1)
    assert b"broken.wav is no audio" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "name labelled recordings, or --events"),
        (("x", "--events", "a", "b"), 2, "name labelled recordings, or --events"),
        (("x", "--collar", "0.1"), 2, "--collar is for --events alone"),
        (("--events", "a", "b", "--plot", "x.png"), 2, "--plot says nothing of --events"),
        (("--events", "a", "b", "--precision", "int8"), 2, "--precision says nothing of --events"),
        (("x", "--plot", "x.jpg"), 2, "ends with one of .png"),
        (("x", "-o", "/nonexistent/x.csv"), 2, "there is no folder /nonexistent"),
        (("/nonexistent",), 3, "No such file"),
        (("--events", "/nonexistent", "b"), 3, "No such file"),
        (("x", "--workers", "0"), 2, "whole number"),
        (("--events", "a", "b", "--collar", "0"), 2, "'0' is not a number of seconds above 0"),
        (("--events", "a", "b", "--length-share", "2"), 2, "'2' is not a share from 0 to 1"),
    ],
)
def test_wrong_use_is_told(
    arguments: tuple[str, ...], code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        found = main(["evaluate", *arguments])
    except SystemExit as end:  # argparse's
        found = int(end.code or 0)
    out, err = capfd.readouterr()
    assert (found, out) == (code, "")
    assert message in err


def test_folders_that_name_no_class_are_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog_bark").mkdir()
    for name in ("dog", "dog_bark"):
        soundfile.write(tmp_path / name / "a.wav", np.zeros(100), RATE_HZ)
    done = run("evaluate", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"livetag: labels that are not known; --map says")
    assert b"'dog_bark'; did you mean 'Bark'" in done.stderr


def test_progress_is_drawn_on_a_terminal_and_gone_in_the_end(folder: Path) -> None:
    with running("evaluate", str(folder), terminal=True) as command:
        assert command.wait() == 0
        assert command.lines[0] == "6 recordings, 521 classes, float32\n"
        assert "".join(command.screen).strip() == ""
        assert b"6/6" in command.stderr


# --- Event lists --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What was to be heard in the demo, and what livetag writes that it heard."""
    root = tmp_path_factory.mktemp("lists")
    (root / "reference.txt").write_text("0.0\t5.9\tvoice\n23.5\t30.5\tSiren\n37.5\t43.5\tclock\n")
    assert run("monitor", "--demo", "--fast", "--dcase", str(root / "demo.txt")).returncode == 0
    return root / "reference.txt", root / "demo.txt"


def test_livetags_own_events_against_a_reference(lists: tuple[Path, Path], tmp_path: Path) -> None:
    categories = tmp_path / "map.csv"
    categories.write_text(
        "category,yamnet_labels\nvoice,Speech\nSiren,Siren\nclock,Clock|Tick|Tick-tock\n"
    )
    table = tmp_path / "events.csv"
    options = ("--map", str(categories), "--collar", "0.5", "-o", str(table), "--json")
    done = run("evaluate", "--events", *map(str, lists), *options)
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert (found["recordings"], found["by_event"]["reference"]) == (1, 3)
    assert found["by_event"]["f1"] > 0.6
    assert found["by_segment"]["f1"] > 0.9
    with table.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 6


def test_without_a_map_labels_are_compared_as_they_stand(lists: tuple[Path, Path]) -> None:
    done = run("evaluate", "--events", *map(str, lists), "--onset-only", "--collar", "0.5")
    assert done.returncode == 0
    first, _, by_event, _ = done.stdout.decode().splitlines()
    assert first == "1 recording, 3 labels, collar 0.5 s, segments of 1 s"
    assert by_event.split() == ["by", "event", "0.500", "1.000", "0.333", "0.667", "3", "1"]
    assert b"left out, as the reference has not: " in done.stderr


def test_a_reference_without_events_is_no_reference(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_text("a.wav\n")
    done = run("evaluate", "--events", str(path), str(path))
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"has no events to be found" in done.stderr
