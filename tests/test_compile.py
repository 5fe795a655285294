"""The compiled model: made once, checked against Keras, kept whole, and not used when damaged."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livetag.errors import ModelError
from livetag.events import FloatArray
from livetag.yamnet import compile as compile_room
from livetag.yamnet.classifier import LiteRTClassifier, Prediction
from livetag.yamnet.compile import (
    MAX_DIFFERENCE,
    CompiledModel,
    cached_model,
    compile_model,
    compiled_path,
    find_model,
    main,
    obtain_model,
)
from livetag.yamnet.weights import Weights, read_arrays

Copy = Callable[[Path], Path]


def quiet(what: str, received: int, total: int) -> None:
    """Progress that nobody looks at."""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def copy(compiled: CompiledModel) -> Copy:
    """Puts the compiled model and its report into a cache; answers where the model is."""

    def copy_into(cache: Path) -> Path:
        cache.mkdir(exist_ok=True)
        target = cache / compiled.path.name
        target.write_bytes(compiled.content)
        shutil.copy(compiled.path.with_suffix(".json"), target.with_suffix(".json"))
        return target

    return copy_into


def compile_nothing(weights: Weights, target: Path) -> None:
    pytest.fail("nothing is to be compiled")


@pytest.fixture
def no_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_room, "_compile_in_process", compile_nothing)


@pytest.fixture
def no_converting(compiled: CompiledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The converter answers with the published network, whatever it is given: it takes seconds."""
    monkeypatch.setattr(compile_room, "_convert", lambda _: compiled.content)


# Obtaining it


def test_the_published_weights_are_compiled_once_and_said_so_once(
    savedmodel: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(savedmodel.path, tmp_path / "yamnet_savedmodel")
    said: list[str] = []
    made = obtain_model(None, tmp_path, quiet, said.append)
    assert len(said) == 1
    assert "once" in said[0]
    assert made.path == compiled_path(tmp_path, savedmodel.sha256)
    assert made.path.read_bytes() == made.content
    report = made.report
    assert report.sha256 == hashlib.sha256(made.content).hexdigest()
    assert report.weights_sha256 == savedmodel.sha256
    assert (report.weights_source, report.weights_published) == ("SavedModel", True)
    assert report.parameters == 3_751_369
    assert 0.0 < report.max_difference <= MAX_DIFFERENCE
    report_path = made.path.with_suffix(".json")
    assert json.loads(report_path.read_text(encoding="utf-8")) == dataclasses.asdict(report)
    assert names(tmp_path) == {"yamnet_savedmodel", "lock", made.path.name, report_path.name}

    monkeypatch.setattr(compile_room, "_compile_in_process", compile_nothing)
    assert obtain_model(None, tmp_path, quiet, said.append) == made
    assert len(said) == 1


def test_a_compiled_model_in_the_cache_is_used_without_its_weights(
    copy: Copy, no_compiling: None, compiled: CompiledModel, tmp_path: Path
) -> None:
    path = copy(tmp_path)
    found = obtain_model(None, tmp_path, quiet, pytest.fail)
    assert (found.path, found.content, found.report) == (path, compiled.content, compiled.report)


def test_weights_that_the_user_names_are_not_run_as_the_published_ones(
    copy: Copy, savedmodel: Weights, tmp_path: Path
) -> None:
    path = copy(tmp_path)
    mine = tmp_path / "mine.h5"
    mine.write_bytes(b"mine")
    assert find_model(mine, tmp_path) is None
    found = find_model(savedmodel.path, tmp_path)  # these are the published ones
    assert found is not None
    assert found.path == path


def test_what_another_process_compiled_meanwhile_is_used(
    copy: Copy,
    no_compiling: None,
    savedmodel: Weights,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def obtain_weights(*_: Any) -> Weights:
        copy(tmp_path)
        return savedmodel

    monkeypatch.setattr(compile_room, "obtain_weights", obtain_weights)
    found = obtain_model(None, tmp_path, quiet, pytest.fail)
    assert found.path == compiled_path(tmp_path, savedmodel.sha256)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace_report(content: bytes) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.with_suffix(".json").write_bytes(content)

    return replace


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a bit of the model flipped": flip_a_bit,
    "the model cut in half": cut_in_half,
    "no model": Path.unlink,
    "no report": lambda path: path.with_suffix(".json").unlink(),
    "the report cut in half": lambda path: cut_in_half(path.with_suffix(".json")),
    "the report a list": replace_report(b"[]"),
    "the report without its keys": replace_report(b"{}"),
    "the report no text": replace_report(b"\xff"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_compiled_model_is_not_used_but_made_again(
    copy: Copy,
    savedmodel: Weights,
    compiled: CompiledModel,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    damage: str,
) -> None:
    DAMAGES[damage](copy(tmp_path))
    assert cached_model(tmp_path, savedmodel.sha256) is None
    assert find_model(None, tmp_path) is None
    said: list[str] = []
    monkeypatch.setattr(compile_room, "obtain_weights", lambda *_: savedmodel)
    monkeypatch.setattr(compile_room, "_compile_in_process", lambda *_: copy(tmp_path))
    assert obtain_model(None, tmp_path, quiet, said.append).content == compiled.content
    assert len(said) == 1


# Checking it


def test_a_model_that_differs_from_keras_is_refused_and_not_kept(
    no_converting: None, savedmodel: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arrays = read_arrays(savedmodel)
    arrays[-1] = arrays[-1] + np.float32(0.01)  # the last layer's biases
    monkeypatch.setattr("livetag.yamnet.classifier.read_arrays", lambda _: arrays)
    with pytest.raises(ModelError, match=r"differs from Keras by 0\.00\d+, more than 0\.0001"):
        compile_model(savedmodel, tmp_path / "model.tflite")
    assert names(tmp_path) == set()


def test_a_model_that_answers_nan_even_once_is_refused_and_not_kept(
    no_converting: None, savedmodel: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class NanAtFirst(LiteRTClassifier):
        first = True

        def __call__(self, patch: FloatArray) -> Prediction:
            prediction = super().__call__(patch)
            if self.first:
                prediction.scores[7] = np.nan
                self.first = False
            return prediction

    monkeypatch.setattr(compile_room, "LiteRTClassifier", NanAtFirst)
    with pytest.raises(ModelError, match=r"differs from Keras by nan"):
        compile_model(savedmodel, tmp_path / "model.tflite")
    assert names(tmp_path) == set()


def test_what_is_no_model_for_litert_is_refused() -> None:
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        LiteRTClassifier(b"no flatbuffer" * 99)


# Failing


def test_a_disk_that_fills_up_leaves_no_half_written_model(
    no_converting: None, savedmodel: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=r"No space left"):
        compile_model(savedmodel, tmp_path / "model.tflite")
    assert names(tmp_path) == set()


def test_the_compiling_process_ends_with_one_line_and_exit_code_4(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    notes = tmp_path / "notes.h5"
    notes.write_text("these are no weights\n", encoding="utf-8")
    assert main(str(notes), str(tmp_path / "model.tflite")) == ModelError.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"livetag: {notes} holds no YAMNet weights that can be read")
    assert names(tmp_path) == {"notes.h5"}


def test_a_compiling_process_that_fails_is_an_error_with_its_message(tmp_path: Path) -> None:
    notes = tmp_path / "notes.h5"
    notes.write_text("these are no weights\n", encoding="utf-8")
    cache = tmp_path / "cache"
    with pytest.raises(ModelError) as caught:
        obtain_model(notes, cache, quiet, lambda _: None)
    assert str(caught.value).startswith(
        f"the model could not be compiled: {notes} holds no YAMNet weights that can be read"
    )
    assert names(cache) == {"lock"}


def test_a_compiling_process_that_is_killed_is_not_explained_by_what_tensorflow_logged(
    savedmodel: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(savedmodel.path, tmp_path / "yamnet_savedmodel")
    noise = "WARNING:absl:Please consider providing the trackable_obj argument\n"
    killed = subprocess.CompletedProcess([], -9, stdout="", stderr=noise)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(ModelError, match=r"status -9: is memory short") as caught:
        obtain_model(None, tmp_path, quiet, lambda _: None)
    assert "trackable_obj" not in str(caught.value)
