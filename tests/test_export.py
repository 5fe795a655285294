"""Exports of the model: each is written, run by its own runtime on real sound, and compared.

One export of each kind is made for all tests. Sounds are the demo's speech and what it is cut to.
"""

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import golden
import numpy as np
import pytest

from livetag.errors import LivetagError
from livetag.events import FloatArray
from livetag.resources import CLASS_MAP_PATH
from livetag.yamnet import export_check
from livetag.yamnet.arrays import read_arrays
from livetag.yamnet.classifier import KerasClassifier
from livetag.yamnet.export_check import Bounds, Difference, bounds_of, compare
from livetag.yamnet.export_graph import _int8_ranges
from livetag.yamnet.export_plan import Plan
from livetag.yamnet.export_process import export
from livetag.yamnet.features import log_mel_spectrogram, padding, patches
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params
from livetag.yamnet.weights import Weights, inspect

EXACT = 1e-4
LENGTHS = (1, 15_600, 15_601, 23_281)

Exported = tuple[Path, list[Difference]]
Maker = Callable[..., Exported]


@pytest.fixture(scope="module")
def make(savedmodel: Weights, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    def made(name: str, *plan: Any) -> Exported:
        target = tmp_path_factory.mktemp("export") / name
        differences = export(Plan(*plan), savedmodel, None, target, lambda _: None)
        return target, differences

    return made


@pytest.fixture(scope="module")
def folder(make: Maker) -> Exported:
    return make("yamnet", "savedmodel")


@pytest.fixture(scope="module")
def loaded(folder: Exported) -> Any:
    """The SavedModel, as its users load it."""
    import tensorflow as tf

    return tf.saved_model.load(str(folder[0]))


@pytest.fixture(scope="module")
def litert(make: Maker) -> Exported:
    return make("yamnet.tflite", "litert")


@pytest.fixture(scope="module")
def float16(make: Maker) -> Exported:
    return make("float16.tflite", "litert", "waveform", "float16")


@pytest.fixture(scope="module")
def int8(
    savedmodel: Weights, expected: dict[str, FloatArray], tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """Calibrated on the demo, and on a recording of the speech."""
    target = tmp_path_factory.mktemp("export") / "int8.tflite"
    recorded = patches(expected["log_mel_spectrogram"], Params())
    said: list[str] = []
    plan = Plan("litert", "waveform", "int8")
    differences = export(plan, savedmodel, recorded, target, said.append)
    own = f"{len(recorded)} of the recordings named"
    assert f"Calibrating int8 on 123 windows of the demo, and {own}." in said
    return target, differences


@pytest.fixture(scope="module")
def onnx(make: Maker) -> Exported:
    return make("yamnet.onnx", "onnx")


@pytest.fixture(scope="module")
def speech() -> FloatArray:
    return golden.waveforms()["speech"]


@pytest.fixture(scope="module")
def keras_model(savedmodel: Weights) -> Any:
    return KerasClassifier(savedmodel).model


def keras_outputs(model: Any, waveform: FloatArray, params: Params) -> dict[str, FloatArray]:
    """What Keras says of a waveform, with livetag's own features."""
    padded = np.concatenate((waveform, np.zeros(padding(len(waveform), params), np.float32)))
    log_mel = log_mel_spectrogram(padded, params)
    predictions, embeddings = model(patches(log_mel, params), training=False)
    return {
        "predictions": np.asarray(predictions),
        "embeddings": np.asarray(embeddings),
        "log_mel_spectrogram": log_mel,
    }


@pytest.fixture(scope="module")
def expected(keras_model: Any, speech: FloatArray, params: Params) -> dict[str, FloatArray]:
    return keras_outputs(keras_model, speech, params)


def litert_runner(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path)).get_signature_runner()


def assert_close(found: Any, expected: FloatArray, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0.0, atol=tolerance, strict=True)


# The SavedModel


def test_code_for_the_published_savedmodel_runs_with_ours(
    loaded: Any, speech: FloatArray, labels: ClassMap
) -> None:
    """As on the model's page: called with a waveform, it answers three things, in order."""
    import tensorflow as tf

    scores, embeddings, log_mel_spectrogram = loaded(speech)
    scores.shape.assert_is_compatible_with([None, 521])
    embeddings.shape.assert_is_compatible_with([None, 1024])
    log_mel_spectrogram.shape.assert_is_compatible_with([None, 64])
    class_map_path = loaded.class_map_path().numpy()
    with tf.io.gfile.GFile(class_map_path) as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    assert names == [label.name for label in labels]
    assert names[scores.numpy().mean(axis=0).argmax()] == "Speech"


def test_the_savedmodels_signatures_number_or_name_its_outputs(
    loaded: Any, speech: FloatArray, expected: dict[str, FloatArray]
) -> None:
    import tensorflow as tf

    signatures = loaded.signatures
    numbered = signatures["serving_default"](waveform=tf.constant(speech))
    named = signatures["named"](waveform=tf.constant(speech))
    assert named.keys() == expected.keys()
    for number, (name, array) in enumerate(expected.items()):
        assert_close(named[name], array, EXACT)
        assert_close(numbered[f"output_{number}"], array, EXACT)


def test_the_savedmodel_pads_and_answers_as_keras_with_our_features(
    loaded: Any, keras_model: Any, speech: FloatArray, params: Params
) -> None:
    for samples in LENGTHS:
        waveform = speech[20_000 : 20_000 + samples]
        expected = keras_outputs(keras_model, waveform, params)
        for found, theirs in zip(loaded(waveform), expected.values(), strict=True):
            assert_close(found, theirs, EXACT)


def test_the_savedmodel_can_be_named_as_weights(folder: Exported, savedmodel: Weights) -> None:
    weights = inspect(folder[0])
    assert (weights.kind, weights.published) == ("SavedModel", False)
    for ours, theirs in zip(read_arrays(weights), read_arrays(savedmodel), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_savedmodel_carries_the_class_map_as_an_asset(folder: Exported) -> None:
    asset = folder[0] / "assets" / "yamnet_class_map.csv"
    assert asset.read_bytes() == CLASS_MAP_PATH.read_bytes()


# LiteRT


def test_litert_takes_any_number_of_samples(
    litert: Exported, speech: FloatArray, params: Params
) -> None:
    run = litert_runner(litert[0])
    for samples in LENGTHS:
        outputs = run(waveform=speech[:samples])
        padded = samples + padding(samples, params)
        windows = 1 + (padded - params.window_samples) // params.patch_hop_samples
        shapes = {name: array.shape for name, array in outputs.items()}
        assert shapes == {
            "predictions": (windows, 521),
            "embeddings": (windows, 1_024),
            "log_mel_spectrogram": (48 * windows + 48, 64),
        }


@pytest.mark.parametrize("kind", ["litert", "float16", "int8"])
def test_litert_has_float32_at_both_ends_and_builtin_operations_between(
    request: pytest.FixtureRequest, kind: str
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(request.getfixturevalue(kind)[0]))
    interpreter.allocate_tensors()  # fails where an operation is TensorFlow's own
    operations = {each["op_name"] for each in interpreter._get_ops_details()}
    assert "RFFT2D" in operations
    assert not any(name.startswith(("Flex", "CUSTOM")) for name in operations)
    ends = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    assert [each["dtype"] for each in ends] == [np.float32] * 4


def test_litert_answers_as_keras_does(
    litert: Exported, speech: FloatArray, expected: dict[str, FloatArray]
) -> None:
    outputs = litert_runner(litert[0])(waveform=speech)
    assert_close(outputs["predictions"], expected["predictions"], EXACT)
    assert_close(outputs["embeddings"], expected["embeddings"], EXACT)
    assert_close(outputs["log_mel_spectrogram"], expected["log_mel_spectrogram"], 1e-3)


def test_float16_is_half_as_large_and_nearly_the_same(
    litert: Exported, float16: Exported, speech: FloatArray, expected: dict[str, FloatArray]
) -> None:
    assert float16[0].stat().st_size < 0.52 * litert[0].stat().st_size
    outputs = litert_runner(float16[0])(waveform=speech)
    assert_close(outputs["predictions"], expected["predictions"], 2e-2)
    assert_close(outputs["log_mel_spectrogram"], expected["log_mel_spectrogram"], 2e-3)


def test_int8_rounds_the_network_and_leaves_the_features(
    litert: Exported, int8: Exported, speech: FloatArray, expected: dict[str, FloatArray]
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    assert int8[0].stat().st_size < 0.3 * litert[0].stat().st_size
    kernels = [
        detail["dtype"]
        for detail in Interpreter(str(int8[0])).get_tensor_details()
        if len(detail["shape"]) == 4 and detail["shape"][-1] * detail["shape"][0] >= 512
    ]
    assert len(kernels) > 20
    assert set(kernels) == {np.int8}
    outputs = litert_runner(int8[0])(waveform=speech)
    assert_close(outputs["log_mel_spectrogram"], expected["log_mel_spectrogram"], 1e-3)
    off = np.abs(outputs["predictions"] - expected["predictions"]).max(axis=1)
    assert 1e-3 < off.mean() < 0.1
    assert outputs["predictions"].mean(axis=0).argmax() == 0  # Speech


def test_int8_has_finer_steps_where_the_calibration_is_quieter(
    keras_model: Any, expected: dict[str, FloatArray], sounds: dict[str, FloatArray], params: Params
) -> None:
    windows = patches(expected["log_mel_spectrogram"], params)
    noise = patches(log_mel_spectrogram(sounds["noise"], params), params)
    spoken, noisy = (_int8_ranges(keras_model, each, params) for each in (windows, noise))
    assert len(spoken) == 27 + 3  # each ReLU; patches, embedding and logits
    assert spoken["logits"] == noisy["logits"] == (-8.0, 8.0)
    assert spoken["patches"] == pytest.approx((np.log(0.001), windows.max()))
    assert noisy["layer12_pointwise_conv_relu"][1] > 3 * spoken["layer12_pointwise_conv_relu"][1]
    layer = keras_model.get_layer("layer1_conv_relu")
    first_block = type(keras_model)(keras_model.input, layer.output)
    highest = np.max(first_block(windows), axis=(1, 2, 3))
    assert np.mean(highest <= spoken["layer1_conv_relu"][1]) == pytest.approx(0.6, abs=0.1)


def test_int8_is_calibrated_also_where_a_layer_gives_nothing(keras_model: Any) -> None:
    silence = np.full((1, 96, 64), np.log(0.001), np.float32)
    for lowest, highest in _int8_ranges(keras_model, silence, Params()).values():
        assert lowest < highest


@pytest.mark.parametrize("kind", ["litert", "int8"])
def test_a_litert_file_carries_the_class_map(request: pytest.FixtureRequest, kind: str) -> None:
    path, _ = request.getfixturevalue(kind)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["yamnet_class_map.csv"]
        assert archive.read("yamnet_class_map.csv") == CLASS_MAP_PATH.read_bytes()


# ONNX


def test_onnx_answers_as_keras_does_and_carries_the_class_map(
    onnx: Exported, speech: FloatArray, expected: dict[str, FloatArray], params: Params
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx[0], providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["waveform"]
    names = [each.name for each in session.get_outputs()]
    assert names == list(expected) == ["predictions", "embeddings", "log_mel_spectrogram"]
    found = dict(zip(names, session.run(names, {"waveform": speech}), strict=True))
    assert_close(found["predictions"], expected["predictions"], EXACT)
    assert_close(found["embeddings"], expected["embeddings"], EXACT)
    assert_close(found["log_mel_spectrogram"], expected["log_mel_spectrogram"], 1e-3)
    for samples in LENGTHS:
        (scores,) = session.run(["predictions"], {"waveform": speech[:samples]})
        padded = samples + padding(samples, params)
        assert len(scores) == 1 + (padded - params.window_samples) // params.patch_hop_samples
    class_map = session.get_modelmeta().custom_metadata_map["yamnet_class_map.csv"]
    assert class_map == CLASS_MAP_PATH.read_text(encoding="utf-8")


# The comparison


@pytest.mark.parametrize("kind", ["folder", "litert", "float16", "int8", "onnx"])
def test_what_is_told_of_an_export_is_within_its_bounds(
    request: pytest.FixtureRequest, kind: str
) -> None:
    _, differences = request.getfixturevalue(kind)
    outputs = [each.output for each in differences]
    assert outputs == ["predictions", "embeddings", "log_mel_spectrogram"]
    for difference in differences:
        assert difference.within
        assert 0.0 < difference.mean < difference.largest


@pytest.mark.parametrize("wrong", [0.01, np.nan])
def test_an_export_that_is_wrong_once_is_not_within_its_bound(
    keras_model: Any, wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tones = [np.full(20_000, level, np.float32) for level in (0.1, 0.2, 0.3)]
    monkeypatch.setattr(export_check, "check_sounds", lambda _: iter(tones))
    calls = 0

    def run(windows: FloatArray) -> dict[str, FloatArray]:
        nonlocal calls
        calls += 1
        predictions, embeddings = (np.array(part) for part in keras_model(windows, training=False))
        if calls == 2:
            predictions[0, 7] += wrong
        return {"predictions": predictions, "embeddings": embeddings}

    predictions, embeddings = compare(Plan("litert", "patches"), run, keras_model)
    assert (predictions.within, embeddings.within) == (False, True)
    np.testing.assert_allclose(predictions.largest, wrong, atol=1e-6)
    assert calls == 3


def test_other_outputs_are_an_error(keras_model: Any) -> None:
    def run(windows: FloatArray) -> dict[str, FloatArray]:
        return {"predictions": np.zeros((len(windows), 520), np.float32)}

    with pytest.raises(LivetagError, match=r"has other outputs than YAMNet.*520"):
        compare(Plan("litert", "patches"), run, keras_model)


def test_int8_is_bounded_in_the_mean_and_the_others_everywhere() -> None:
    int8 = bounds_of(Plan("litert", "waveform", "int8"))
    assert int8 == Bounds(0.2, 3.0, 1e-2, "mean")
    assert Difference("predictions", 0.7, 0.1, int8.predictions, int8.measure).within
    assert not Difference("predictions", 0.7, 0.21, int8.predictions, int8.measure).within
    for plan in (Plan("savedmodel"), Plan("litert"), Plan("onnx", "patches")):
        bounds = bounds_of(plan)
        assert (bounds.predictions, bounds.measure) == (EXACT, "largest")
