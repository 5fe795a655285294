"""The compiled model: made once, checked against Keras, kept whole, and not used when damaged."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livetag.errors import ModelError
from livetag.events import FloatArray
from livetag.yamnet import compile as compile_room
from livetag.yamnet import compile_process, tensorflow_process
from livetag.yamnet.arrays import read_arrays
from livetag.yamnet.classifier import LiteRTClassifier, Prediction
from livetag.yamnet.compile import (
    CompiledModel,
    cached_model,
    compiled_path,
    find_model,
    obtain_model,
)
from livetag.yamnet.compile_process import compile_model, main
from livetag.yamnet.precision import Precision
from livetag.yamnet.weights import HDF5_SIGNATURE, Weights

Copy = Callable[[Path], Path]
MOST_DIFFERENCE = 1e-4


def quiet(what: str, received: int, total: int) -> None:
    """Progress that nobody looks at."""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def copy(compiled: CompiledModel) -> Copy:
    """Puts the compiled model and its report into a cache; answers where the model is."""
    return copier(compiled)


def copier(model: CompiledModel) -> Copy:
    def copy_into(cache: Path) -> Path:
        cache.mkdir(exist_ok=True)
        target = cache / model.path.name
        target.write_bytes(model.content)
        shutil.copy(model.path.with_suffix(".json"), target.with_suffix(".json"))
        return target

    return copy_into


def compile_nothing(weights: Weights, precision: Precision, target: Path) -> None:
    pytest.fail("nothing is to be compiled")


@pytest.fixture
def no_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_room, "_compile_in_process", compile_nothing)


@pytest.fixture
def no_converting(compiled: CompiledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The converter answers with the published network, whatever it is given: it takes seconds."""
    monkeypatch.setattr(compile_process, "_convert", lambda *_: compiled.content)


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
    assert 0.0 < report.max_difference <= MOST_DIFFERENCE
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
    mine.write_bytes(HDF5_SIGNATURE + b"mine")
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


def test_int8_has_a_model_of_its_own_and_bfloat16_has_that_of_float32(
    copy: Copy, compiled: CompiledModel, compiled_int8: CompiledModel, tmp_path: Path
) -> None:
    copy(tmp_path)
    assert find_model(None, tmp_path, "int8") is None
    assert find_model(None, tmp_path, "bfloat16") == find_model(None, tmp_path)
    path = copier(compiled_int8)(tmp_path)
    found, other = find_model(None, tmp_path, "int8"), find_model(None, tmp_path)
    assert (found and found.content, other and other.content) == (
        compiled_int8.content,
        compiled.content,
    )
    assert path == compiled_path(tmp_path, compiled_int8.report.weights_sha256, "int8")
    assert len(compiled_int8.content) < 0.3 * len(compiled.content)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_int8_model_is_made_again_and_the_other_one_stays(
    copy: Copy,
    compiled_int8: CompiledModel,
    savedmodel: Weights,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    damage: str,
) -> None:
    copy(tmp_path)
    copy_int8, made = copier(compiled_int8), []
    DAMAGES[damage](copy_int8(tmp_path))

    def compile_again(weights: Weights, precision: Precision, target: Path) -> None:
        made.append((weights, precision, target))
        copy_int8(tmp_path)

    monkeypatch.setattr(compile_room, "obtain_weights", lambda *_: savedmodel)
    monkeypatch.setattr(compile_room, "_compile_in_process", compile_again)
    said: list[str] = []
    for _ in range(2):  # made once
        found = obtain_model(None, tmp_path, quiet, said.append, "int8")
        assert found.content == compiled_int8.content
    assert made == [(savedmodel, "int8", tmp_path / compiled_int8.path.name)]
    assert said == [
        "Compiling the model in int8, once for this machine: this takes up to a minute."
    ]
    assert find_model(None, tmp_path) is not None


# Checking it


def test_int8_is_kept_where_it_is_near_keras_in_the_mean(
    compiled_int8: CompiledModel,
    savedmodel: Weights,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(compile_process, "_convert", lambda *_: compiled_int8.content)
    report = compile_model(savedmodel, "int8", tmp_path / "model.tflite")
    assert report.max_difference > 0.1  # of some embedding's value
    assert names(tmp_path) == {"model.tflite", "model.json"}
    (tmp_path / "model.tflite").unlink()
    (tmp_path / "model.json").unlink()
    arrays = read_arrays(savedmodel)
    arrays[-1] = arrays[-1] + np.float32(2.0)  # the last layer's biases
    monkeypatch.setattr("livetag.yamnet.classifier.read_arrays", lambda _: arrays)
    with pytest.raises(ModelError, match=r"predictions by \S+ in the mean \(bound: 0\.05\)"):
        compile_model(savedmodel, "int8", tmp_path / "model.tflite")
    assert names(tmp_path) == set()


def test_a_model_that_differs_from_keras_is_refused_and_not_kept(
    no_converting: None, savedmodel: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arrays = read_arrays(savedmodel)
    arrays[-1] = arrays[-1] + np.float32(0.01)  # the last layer's biases
    monkeypatch.setattr("livetag.yamnet.classifier.read_arrays", lambda _: arrays)
    told = r"differs from Keras too much \(predictions by \d\.\de-03 at most \(bound: 0\.0001\)"
    with pytest.raises(ModelError, match=told):
        compile_model(savedmodel, "float32", tmp_path / "model.tflite")
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

    monkeypatch.setattr(compile_process, "LiteRTClassifier", NanAtFirst)
    with pytest.raises(ModelError, match=r"differs from Keras too much \(predictions by nan"):
        compile_model(savedmodel, "float32", tmp_path / "model.tflite")
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
        compile_model(savedmodel, "float32", tmp_path / "model.tflite")
    assert names(tmp_path) == set()


def test_the_compiling_process_ends_with_one_line_and_exit_code_4(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    notes = tmp_path / "notes.h5"
    notes.write_text("these are no weights\n", encoding="utf-8")
    assert main(str(notes), "float32", str(tmp_path / "model.tflite")) == ModelError.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"livetag: {notes} holds no YAMNet weights that can be read")
    assert names(tmp_path) == {"notes.h5"}


def test_a_compiling_process_that_fails_is_an_error_with_its_message(tmp_path: Path) -> None:
    mine = tmp_path / "mine.h5"
    mine.write_bytes(HDF5_SIGNATURE + b"mine")
    cache = tmp_path / "cache"
    with pytest.raises(ModelError) as caught:
        obtain_model(mine, cache, quiet, lambda _: None)
    assert str(caught.value).startswith(
        f"the model could not be compiled: {mine} holds no YAMNet weights that can be read"
    )
    assert names(cache) == {"lock"}


def test_what_is_no_file_of_weights_is_told_of_before_anything_is_compiled(tmp_path: Path) -> None:
    model = tmp_path / "yamnet.tflite"
    model.write_bytes(b"\x1c\x00\x00\x00TFL3")
    with pytest.raises(
        ModelError, match=r"yamnet\.tflite holds no YAMNet weights .*neither an HDF5"
    ):
        obtain_model(model, tmp_path / "cache", quiet, pytest.fail)
    assert names(tmp_path) == {"yamnet.tflite"}


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


# What the cache and the compiling process are not trusted with


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": "many"},
        {"max_difference": "1e-5"},
        {"max_difference": None},
        {"weights_published": 1},
        {"sha256": ["a"]},
        {"tensorflow": {}},
        {"more": 1},
        {"weights_sha256": "0" * 64},
    ],
)
def test_a_report_with_other_fields_types_or_weights_is_damaged(
    copy: Copy, compiled: CompiledModel, tmp_path: Path, change: dict[str, Any]
) -> None:
    path = copy(tmp_path).with_suffix(".json")
    values = dataclasses.asdict(compiled.report)
    assert cached_model(tmp_path, compiled.report.weights_sha256) is not None
    path.write_text(json.dumps(values | change), encoding="utf-8")
    assert cached_model(tmp_path, compiled.report.weights_sha256) is None


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "3", '{"sha256": 1}', "[" * 100_000, "\0", "NaN"]
)
def test_what_is_no_report_is_damaged(
    copy: Copy, compiled: CompiledModel, tmp_path: Path, text: str
) -> None:
    copy(tmp_path).with_suffix(".json").write_text(text, encoding="utf-8")
    assert cached_model(tmp_path, compiled.report.weights_sha256) is None


@pytest.mark.parametrize("suffix", [".tflite", ".json"])
def test_a_compiled_model_or_a_report_that_is_a_link_is_not_used(
    copy: Copy, compiled: CompiledModel, tmp_path: Path, suffix: str
) -> None:
    path = copy(tmp_path / "cache").with_suffix(suffix)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cached_model(tmp_path / "cache", compiled.report.weights_sha256) is None


def test_a_compiled_model_far_too_large_is_not_read(
    copy: Copy, compiled: CompiledModel, tmp_path: Path
) -> None:
    with copy(tmp_path).open("r+b") as file:
        file.truncate(1 << 40)
    assert cached_model(tmp_path, compiled.report.weights_sha256) is None


def test_a_cache_that_is_a_link_gives_no_model_but_an_error(copy: Copy, tmp_path: Path) -> None:
    copy(tmp_path / "elsewhere")
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"is a link.*LIVETAG_CACHE_DIR"):
        find_model(None, tmp_path / "cache")


def test_another_network_is_refused() -> None:
    import tensorflow as tf

    spec = tf.TensorSpec((1, 96, 64), tf.float32)
    double = tf.function(lambda patch: 2 * patch, input_signature=[spec]).get_concrete_function()
    content = bytes(tf.lite.TFLiteConverter.from_concrete_functions([double]).convert())
    with pytest.raises(ModelError, match=r"is not YAMNet: it has no tensor of the shape \(1, 521"):
        LiteRTClassifier(content)


def test_a_network_that_cannot_run_is_an_error(
    compiled: CompiledModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = LiteRTClassifier(compiled.content)

    def invoke() -> None:
        raise RuntimeError("node 7 failed to invoke")

    monkeypatch.setattr(classifier._networks[1]._interpreter, "invoke", invoke)
    with pytest.raises(ModelError, match="cannot run: node 7"):
        classifier(np.zeros((96, 64), np.float32))


def ended(status: int, stderr: str = "") -> Callable[..., subprocess.CompletedProcess[str]]:
    done = subprocess.CompletedProcess([], status, stdout="", stderr=stderr)
    return lambda *_, **__: done


@pytest.mark.parametrize(
    ("status", "reason"),
    [(-11, r"status -11: is memory short\?"), (-6, r"status -6: is memory short\?"), (1, "boom")],
)
def test_a_compiling_process_that_crashes_is_an_error_that_says_what_to_do(
    status: int, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.h5"
    mine.write_bytes(HDF5_SIGNATURE + b"mine")
    stderr = "Traceback (most recent call last):\nboom" if status > 0 else ""
    monkeypatch.setattr(subprocess, "run", ended(status, stderr))
    with pytest.raises(ModelError, match=rf"{reason}.*--weights.*leave them out") as caught:
        obtain_model(mine, tmp_path / "cache", quiet, lambda _: None)
    assert caught.value.exit_code == 4
    assert "Traceback" not in str(caught.value)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="the system has no alarm")
def test_weights_that_cannot_be_read_to_an_end_are_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.h5"
    mine.write_bytes(HDF5_SIGNATURE + b"mine")
    monkeypatch.setattr(subprocess, "run", ended(-signal.SIGALRM))
    with pytest.raises(ModelError, match="could not be read within 120 s"):
        obtain_model(mine, tmp_path / "cache", quiet, lambda _: None)


def test_a_compiling_process_that_does_not_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.h5"
    mine.write_bytes(HDF5_SIGNATURE + b"mine")
    monkeypatch.setattr(tensorflow_process, "_MOST_SECONDS", 0.0)
    with pytest.raises(ModelError, match=r"was not compiled within 0 minutes.*--weights"):
        obtain_model(mine, tmp_path / "cache", quiet, lambda _: None)
    assert names(tmp_path / "cache") == {"lock"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others do not keep to the limit")
def test_the_compiling_process_has_a_bound_for_its_memory() -> None:
    program = "from livetag.yamnet.tensorflow_process import limit_memory\nlimit_memory()\n"
    for size, status in ((1 << 30, 0), (5 << 30, 1)):
        take = f"import mmap\nmmap.mmap(-1, {size}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)"
        done = subprocess.run(
            [sys.executable, "-c", program + take], capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
