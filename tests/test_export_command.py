"""`livetag model export`: what it prints, what it refuses, and that nothing is left half done."""

import dataclasses
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from running import run

from livetag.errors import InputError, LivetagError, UsageError
from livetag.events import FloatArray
from livetag.resources import ASSETS_DIR
from livetag.yamnet import export as export_room
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import CompiledModel
from livetag.yamnet.export import check_export, export_model
from livetag.yamnet.export_calibration import demo_windows, recorded_windows
from livetag.yamnet.export_check import Difference
from livetag.yamnet.export_plan import Plan, format_of
from livetag.yamnet.features import log_mel_spectrogram, patches
from livetag.yamnet.params import Params
from livetag.yamnet.weights import Weights

LITERT = Plan("litert")
SPEECH = ASSETS_DIR / "demo_speech.flac"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# The command


def test_an_export_is_written_and_its_difference_printed(
    savedmodel: Weights, compiled: CompiledModel, sounds: dict[str, FloatArray], tmp_path: Path
) -> None:
    target = tmp_path / "yamnet.tflite"
    done = run("model", "export", "-o", str(target), "--input", "patches")
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.decode().splitlines()
    assert first == f"{target}: LiteRT, patches in, float32, 15.0 MB. It differs from Keras:"
    assert [line.split()[0] for line in rest] == ["predictions", "embeddings"]
    assert all(line.endswith("at most (bound: 0.0001)") for line in rest)
    said = done.stderr.decode().splitlines()
    assert len(said) == 3
    assert all(line.startswith("livetag: ") for line in said)
    assert names(tmp_path) == {"yamnet.tflite"}

    from ai_edge_litert.interpreter import Interpreter

    windows = patches(log_mel_spectrogram(sounds["noise"], Params()), Params())
    outputs = Interpreter(str(target)).get_signature_runner()(patches=windows)
    ours = LiteRTClassifier(compiled.content)
    for window, scores in zip(windows, outputs["predictions"], strict=True):
        np.testing.assert_allclose(scores, ours(window).scores, rtol=0.0, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: -o/--output"),
        (("-o", "a.h5"), "a.h5: what format? .tflite is LiteRT"),
        (("-o", "a", "--input", "patches"), "a SavedModel takes waveforms"),
        (("-o", "a", "--precision", "float16"), "--precision float16: only LiteRT"),
        (("-o", "a.onnx", "--precision", "int8"), "--precision int8: only LiteRT"),
        (("-o", "a.tflite", "--precision", "int4"), "invalid choice: 'int4'"),
        (("-o", "a.tflite", "--calibrate", "b.wav"), "only --precision int8 is calibrated"),
        (("-o", "none/a.tflite"), "none/a.tflite: there is no folder none"),
        (("-o", "there.tflite"), "there.tflite exists: name another place, or replace it"),
    ],
)
def test_what_cannot_be_exported_is_wrong_use(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "there.tflite").write_bytes(b"mine")
    done = run("model", "export", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert done.stdout == b""
    assert names(tmp_path) == {"there.tflite"}


def test_what_is_no_recording_or_no_weights_has_its_own_exit_code(
    savedmodel: Weights, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.h5"
    notes.write_text("no sound, no weights\n", encoding="utf-8")
    export = ("model", "export", "-o", str(tmp_path / "a.tflite"))
    done = run(*export, "--precision", "int8", "--calibrate", str(SPEECH), str(notes))
    assert (done.returncode, done.stdout) == (3, b"")
    assert f"{notes} is no audio" in done.stderr.decode()
    done = run(*export, "--weights", str(notes))
    assert (done.returncode, done.stdout) == (4, b"")
    error = done.stderr.decode().splitlines()[-1]
    assert error.startswith(f"livetag: {notes} holds no YAMNet")
    assert names(tmp_path) == {"notes.h5"}


# What is there already


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.tflite", "litert"), ("A.TFLITE", "litert"), ("a.onnx", "onnx"), ("a", "savedmodel")],
)
def test_the_ending_says_the_format(name: str, expected: str) -> None:
    assert format_of(Path("some.folder") / name) == expected


def test_a_missing_library_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs tf2onnx and onnxruntime: .*'livetag\[onnx\]'"):
        check_export(Plan("onnx"), tmp_path / "a.onnx", force=False)
    check_export(LITERT, tmp_path / "a.tflite", force=False)


def test_force_replaces_an_export_and_nothing_else(tmp_path: Path) -> None:
    file, mine, saved = tmp_path / "a.tflite", tmp_path / "mine", tmp_path / "saved"
    file.write_bytes(b"an export")
    for folder in (mine, saved):
        folder.mkdir()
    (saved / "saved_model.pb").write_bytes(b"an export")
    (mine / "thesis.tex").write_text("mine")
    check_export(LITERT, file, force=True)
    check_export(Plan("savedmodel"), saved, force=True)
    with pytest.raises(UsageError, match=r"mine exists, and is no SavedModel"):
        check_export(Plan("savedmodel"), mine, force=True)
    with pytest.raises(UsageError, match=r"mine exists, and is no file"):
        check_export(LITERT, mine, force=True)
    with pytest.raises(UsageError, match=r"a\.tflite exists, and is no SavedModel"):
        check_export(Plan("savedmodel"), file, force=True)


# Moving it into its place. TensorFlow's process has a stand-in: it takes seconds


def made(content: str, largest: float = 1e-6) -> Callable[..., None]:
    """A process that makes a file, or a SavedModel's folder, and a report."""

    def run_apart(module: str, arguments: list[str], *_: Any, **__: Any) -> None:
        target, report, kind = Path(arguments[1]), Path(arguments[2]), arguments[4]
        if kind == "savedmodel":
            target.mkdir()
            (target / "saved_model.pb").write_text(content)
        else:
            target.write_text(content)
        difference = Difference("predictions", largest, largest, 1e-4, "largest")
        report.write_text(json.dumps([dataclasses.asdict(difference)]))

    return run_apart


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    return Weights(tmp_path / "yamnet.h5", "HDF5", "", published=False)


def test_an_export_takes_its_place_whole_also_where_there_is_one(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, folder = tmp_path / "a.tflite", tmp_path / "saved"
    for content in ("first", "second"):
        monkeypatch.setattr(export_room, "run_apart", made(content))
        (difference,) = export_model(LITERT, weights, [], file)
        assert difference.largest == 1e-6
        export_model(Plan("savedmodel"), weights, [], folder)
        assert file.read_text() == content
        assert (folder / "saved_model.pb").read_text() == content
        assert names(tmp_path) == {"a.tflite", "saved"}


def test_a_link_stays_one(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "a.tflite"
    link.symlink_to(tmp_path / "disk" / "b.tflite")
    monkeypatch.setattr(export_room, "run_apart", made("here"))
    export_model(LITERT, weights, [], link)
    assert link.is_symlink()
    assert (tmp_path / "disk" / "b.tflite").read_text() == "here"


@pytest.mark.parametrize("largest", [2e-4, float("nan")])
def test_an_export_over_its_bound_is_refused_and_what_was_there_stays(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, largest: float
) -> None:
    target = tmp_path / "a.tflite"
    target.write_text("mine")
    monkeypatch.setattr(export_room, "run_apart", made("wrong", largest))
    with pytest.raises(LivetagError, match=r"differs from Keras too much.*predictions by") as error:
        export_model(LITERT, weights, [], target)
    assert error.value.exit_code == 1
    assert target.read_text() == "mine"
    assert names(tmp_path) == {"a.tflite"}


def test_a_folder_that_cannot_be_replaced_is_put_back(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = tmp_path / "saved"
    monkeypatch.setattr(export_room, "run_apart", made("mine"))
    export_model(Plan("savedmodel"), weights, [], target)

    def replace(self: Path, place: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(export_room, "run_apart", made("new"))
    with pytest.raises(LivetagError, match=r"saved cannot be written: No space left"):
        export_model(Plan("savedmodel"), weights, [], target)
    assert (target / "saved_model.pb").read_text() == "mine"
    assert names(tmp_path) == {"saved"}


# Calibration


def test_the_demo_is_half_of_a_calibration_or_more(tmp_path: Path) -> None:
    demo = demo_windows(Params())
    assert demo.shape == (123, 96, 64)
    minute = tmp_path / "minute.wav"
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 8_000 * 60)
    soundfile.write(minute, noise, 8_000)
    for recordings, windows in (([SPEECH], 11), ([minute], 123), ([minute, SPEECH], 61 + 11)):
        recorded = recorded_windows(recordings, Params())
        assert recorded.shape == (windows, 96, 64)
        assert len(recorded) <= len(demo)


def test_a_recordings_windows_are_taken_from_all_of_it(tmp_path: Path) -> None:
    loud = tmp_path / "louder.wav"
    samples = np.random.default_rng(0).uniform(-1.0, 1.0, 16_000 * 40)
    soundfile.write(loud, samples * np.linspace(0.0, 1.0, len(samples)), 16_000)
    shutil.copy(loud, tmp_path / "again.wav")
    levels = recorded_windows([loud, tmp_path / "again.wav"], Params()).mean(axis=(1, 2))
    assert len(levels) == 2 * 61
    assert np.all(np.diff(levels[:60]) > -0.2)
    assert levels[59] - levels[0] > 2.0
    np.testing.assert_array_equal(levels[61:], levels[:61])


def test_a_recording_that_is_none_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        recorded_windows([tmp_path / "none.wav"], Params())
