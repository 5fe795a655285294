"""What is in files of weights: arrays, whatever else somebody has put there."""

import base64
import io
import json
import marshal
import re
import shutil
import signal
import struct
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import _fuzz_seeds as seeds
import numpy as np
import pytest

from livetag.errors import ModelError
from livetag.events import FloatArray
from livetag.yamnet.arrays import read_arrays
from livetag.yamnet.params import Params
from livetag.yamnet.weights import VARIABLES, Weights, inspect


@pytest.fixture(scope="module")
def published(savedmodel: Weights) -> list[FloatArray]:
    return read_arrays(savedmodel)


@pytest.fixture(scope="module")
def legacy(published: list[FloatArray]) -> Any:
    """The network as the reference builds it, in the Keras of its day, with published weights."""
    import tf_keras

    model = legacy_network(tf_keras.layers, tf_keras.Model)
    model.set_weights(published)
    return model


def legacy_network(layers: Any, model: Any) -> Any:
    """As in yamnet.py of tensorflow/models, research/audioset/yamnet, from the patches on."""

    def normalised(net: Any, name: str) -> Any:
        net = layers.BatchNormalization(name=f"{name}/bn", center=True, scale=False, epsilon=1e-4)(
            net
        )
        return layers.ReLU(name=f"{name}/relu")(net)

    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    filters = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    common = {"padding": "same", "use_bias": False}
    patches = layers.Input((96, 64))
    net = layers.Reshape((96, 64, 1))(patches)
    net = normalised(
        layers.Conv2D(32, 3, strides=2, name="layer1/conv", **common)(net), "layer1/conv"
    )
    for number, (stride, count) in enumerate(zip(strides, filters, strict=True), start=2):
        name = f"layer{number}/depthwise_conv"
        net = layers.DepthwiseConv2D(3, strides=stride, name=name, **common)(net)
        net = normalised(net, name)
        name = f"layer{number}/pointwise_conv"
        net = normalised(layers.Conv2D(count, 1, name=name, **common)(net), name)
    embedding = layers.GlobalAveragePooling2D()(net)
    scores = layers.Activation("sigmoid")(layers.Dense(521, name="logits")(embedding))
    return model(patches, [scores, embedding])


@pytest.fixture(scope="module")
def legacy_file(legacy: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published weights in the layout of the published yamnet.h5."""
    path = tmp_path_factory.mktemp("legacy") / "yamnet.h5"
    legacy.save_weights(path)
    return path


def test_a_legacy_hdf5_file_holds_the_same_arrays_as_the_savedmodel(
    legacy_file: Path, published: list[FloatArray]
) -> None:
    found = inspect(legacy_file)
    assert (found.kind, found.published) == ("HDF5", False)
    arrays = read_arrays(found)
    assert len(arrays) == len(published) == 110
    for ours, theirs in zip(arrays, published, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


def test_the_network_of_a_legacy_hdf5_file_is_the_one_that_wrote_it(
    legacy: Any, legacy_file: Path, sounds: dict[str, FloatArray], params: Params
) -> None:
    from livetag.yamnet.classifier import KerasClassifier
    from livetag.yamnet.features import log_mel_spectrogram, patches

    (patch, *_) = patches(log_mel_spectrogram(sounds["noise"], params), params)
    prediction = KerasClassifier(inspect(legacy_file))(patch)
    scores, embedding = legacy(patch[np.newaxis], training=False)
    np.testing.assert_allclose(prediction.scores, np.asarray(scores)[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(prediction.embedding, np.asarray(embedding)[0], rtol=0, atol=1e-4)


def assert_no_model(path: Path) -> None:
    """Reading weights at a path is the user's error: no model, and the path is named."""
    with pytest.raises(ModelError) as caught:
        read_arrays(inspect(path))
    assert caught.value.exit_code == 4
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_truncated_hdf5_file_is_no_model(legacy_file: Path, tmp_path: Path, kept: float) -> None:
    content = legacy_file.read_bytes()
    path = tmp_path / "truncated.h5"
    path.write_bytes(content[: int(len(content) * kept)])
    assert_no_model(path)


def test_files_of_another_kind_are_no_model(tmp_path: Path) -> None:
    import h5py

    text = tmp_path / "notes.h5"
    text.write_text("these are no weights\n", encoding="utf-8")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["temperatures"] = np.arange(3.0)
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (text, other, folder, tmp_path / "nowhere.h5"):
        assert_no_model(path)


@pytest.mark.parametrize(
    "damage", ["variables cut off", "variables overwritten", "no index", "index of another kind"]
)
def test_a_damaged_savedmodel_is_no_model(savedmodel: Weights, tmp_path: Path, damage: str) -> None:
    variables = (savedmodel.path / VARIABLES).read_bytes()
    table: bytes | None = (savedmodel.path / "variables/variables.index").read_bytes()
    if damage == "variables cut off":
        variables = variables[:1_000_000]
    elif damage == "variables overwritten":
        variables = bytes(5_000) + variables[5_000:]
    else:
        table = None if damage == "no index" else b"no index" * 999
    (tmp_path / "variables").mkdir()
    (tmp_path / VARIABLES).write_bytes(variables)
    if table is not None:
        (tmp_path / "variables/variables.index").write_bytes(table)
    assert_no_model(tmp_path)


# What somebody has put there on purpose


def refused(path: Path) -> str:
    """Why weights are refused."""
    with pytest.raises(ModelError) as caught:
        read_arrays(inspect(path))
    return str(caught.value)


def hdf5(folder: Path, twist: str = "") -> Path:
    path = folder / "weights.h5"
    path.write_bytes(seeds.hdf5(twist=twist))
    return path


def test_the_layout_alone_is_read(tmp_path: Path) -> None:
    """What the others are made from is right but for what they change."""
    arrays = read_arrays(inspect(hdf5(tmp_path)))
    assert len(arrays) == 110
    assert not any(array.any() for array in arrays)


@pytest.mark.parametrize(
    ("twist", "reason"),
    [
        ("external link", "w0 in w0 is a link to elsewhere"),
        ("soft link", "w0 in w0 is a link to elsewhere"),
        ("huge", r"array 1 has the shape \(1099511627776,\)"),
        ("packed", "is compressed"),
        ("strings", "does not hold floating-point numbers"),
        ("objects", "weight_names holds something else than names"),
        ("many names", "layer_names is no list of at most 256 names"),
    ],
)
def test_what_does_not_belong_there_is_refused(twist: str, reason: str, tmp_path: Path) -> None:
    assert re.search(reason, refused(hdf5(tmp_path, twist)))


def test_a_file_that_an_external_link_names_is_not_read(tmp_path: Path) -> None:
    """It has what is asked for: only that it is another file keeps it from being read."""
    import h5py

    with h5py.File(tmp_path / "elsewhere.h5", "w") as file:
        file["w0"] = np.ones((3, 3, 1, 32), np.float32)
    assert "is a link to elsewhere" in refused(hdf5(tmp_path, "external link"))


def replace_first(path: Path, **storage: Any) -> None:
    """Store the first array in another way."""
    import h5py

    with h5py.File(path, "r+") as file:
        del file["layer_0/w0"]
        file["layer_0"].create_dataset("w0", (3, 3, 1, 32), "f4", **storage)


def test_arrays_stored_in_other_files_are_not_read(tmp_path: Path) -> None:
    import h5py

    (tmp_path / "secret").write_bytes(bytes(3 * 3 * 32 * 4))
    path = hdf5(tmp_path)
    replace_first(path, external=[(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)])
    assert "w0 is stored in another file" in refused(path)

    path = hdf5(tmp_path)
    layout = h5py.VirtualLayout((3, 3, 1, 32), "f4")
    layout[:] = h5py.VirtualSource(path.with_name("other.h5"), "w0", (3, 3, 1, 32))
    with h5py.File(path, "r+") as file:
        del file["layer_0/w0"]
        file["layer_0"].create_virtual_dataset("w0", layout)
    assert "w0 is stored in another file" in refused(path)


@pytest.mark.parametrize("kind", ["f2", "f8", ">f4"])
def test_other_floating_point_numbers_are_taken(kind: str, tmp_path: Path) -> None:
    import h5py

    path = hdf5(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["layer_0/w0"]
        file["layer_0"].create_dataset("w0", data=np.full((3, 3, 1, 32), 0.5), dtype=kind)
    first, *_ = read_arrays(inspect(path))
    assert first.dtype == np.float32
    assert (first == 0.5).all()


@pytest.mark.parametrize(("kind", "shape"), [("i4", (3, 3, 1, 32)), ("f4", (3, 3, 1, 31))])
def test_another_type_and_another_shape_are_refused(
    kind: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    import h5py

    path = hdf5(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["layer_0/w0"]
        file["layer_0"].create_dataset("w0", shape, kind)
    assert "array 1" in refused(path)


@pytest.mark.parametrize(("change", "count"), [(-1, "109 arrays"), (1, "more than 110 arrays")])
def test_an_array_too_few_and_one_too_many_are_refused(
    change: int, count: str, tmp_path: Path
) -> None:
    import h5py

    path = hdf5(tmp_path)
    with h5py.File(path, "r+") as file:
        names = [b"w0", b"w1", b"w0"]
        file["layer_27"].attrs["weight_names"] = names[: 2 + change]
    assert f"{count}; YAMNet has 110" in refused(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_weights_that_are_no_finite_numbers_make_no_network(value: float, tmp_path: Path) -> None:
    import h5py

    from livetag.yamnet.classifier import KerasClassifier

    path = hdf5(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["layer_3/w1"]
        file["layer_3"]["w1"] = np.full(64, value)
    with pytest.raises(ModelError, match="are not finite numbers"):
        KerasClassifier(inspect(path))


def test_a_lambda_layer_stored_beside_the_weights_is_never_run(tmp_path: Path) -> None:
    """Keras keeps a Lambda's code as marshalled bytes in `model_config`, and runs it on loading."""
    import h5py

    mark = tmp_path / "it ran"
    code = compile(f"open({str(mark)!r}, 'w').close()", "lambda", "exec")
    packed = base64.b64encode(marshal.dumps(code)).decode()
    types.FunctionType(marshal.loads(base64.b64decode(packed)), {})()
    assert mark.exists()  # it would
    mark.unlink()
    layer = {"class_name": "Lambda", "config": {"name": "x", "function": [packed, None, None]}}
    path = hdf5(tmp_path)
    with h5py.File(path, "r+") as file:
        config = {"class_name": "Sequential", "config": {"layers": [layer]}}
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["training_config"] = packed
    assert len(read_arrays(inspect(path))) == 110
    assert not mark.exists()


def test_the_graph_of_a_savedmodel_is_not_looked_at(
    savedmodel: Weights, published: list[FloatArray], tmp_path: Path, monkeypatch: Any
) -> None:
    import tensorflow as tf

    folder = tmp_path / "model"
    shutil.copytree(savedmodel.path, folder)
    (folder / "saved_model.pb").write_bytes(b"no graph")
    monkeypatch.setattr(tf.saved_model, "load", lambda *_, **__: pytest.fail("it was loaded"))
    found = inspect(folder)
    assert found.published
    for ours, theirs in zip(read_arrays(found), published, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="the system has no alarm")
def test_a_file_that_sends_hdf5_into_an_endless_loop_ends_the_process_that_reads_it(
    tmp_path: Path,
) -> None:
    """A name in the global heap whose length, rounded up, is zero: HDF5 1.14 reads it for ever."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["layer_names"] = ["layer_0"]  # of variable length: it is in the heap
    content = bytearray(buffer.getvalue())
    heap = content.index(b"GCOL")
    content[heap + 24 : heap + 32] = struct.pack("<Q", (1 << 64) - 16)
    path = tmp_path / "endless.h5"
    path.write_bytes(content)
    program = (
        "from pathlib import Path\n"
        "from livetag.errors import ModelError\n"
        "from livetag.yamnet.arrays import read_arrays\n"
        "from livetag.yamnet.tensorflow_process import ending_process_after\n"
        "from livetag.yamnet.weights import inspect\n"
        "with ending_process_after(1):\n"
        "    try:\n"
        f"        read_arrays(inspect(Path({str(path)!r})))\n"
        "    except ModelError:\n"
        "        print('refused')\n"  # by an HDF5 that has no such loop any more
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGALRM or done.stdout == "refused\n"
