"""The arrays in a file of weights, read as data: nothing that such a file contains is run.

Whoever made the file is not trusted. How many arrays there are, of which shapes and of which type,
is known from `livetag.yamnet.layers`, and is looked at before any of them is read: a file cannot
claim more memory than YAMNet needs. Links that lead out of an HDF5 file, or anywhere else in it,
are not followed. What Keras stores beside the arrays (`model_config`, where a Lambda layer would
stand) and a SavedModel's graph are not looked at.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livetag.errors import ModelError
from livetag.yamnet.layers import Shape, weight_shapes
from livetag.yamnet.params import Params
from livetag.yamnet.weights import INDEX, Weights

FloatArray = npt.NDArray[np.float32]

_MOST_NAMES = 256  # in one attribute; the reference has 89 layers, and up to 4 weights in one
_MOST_NAME_BYTES = 256
_FLOAT_BYTES = (2, 4, 8)


def read_arrays(weights: Weights) -> list[FloatArray]:
    """The arrays of YAMNet's 55 weighted layers, in the order of the layers.

    A convolution has its kernel; a batch normalisation beta, moving mean and moving variance; the
    last layer kernel and bias. Raises `ModelError` where the file is not such a file.
    """
    shapes = weight_shapes(Params())
    try:
        read = _read_hdf5 if weights.kind == "HDF5" else _read_checkpoint
        with np.errstate(over="ignore"):  # infinity is refused where the network takes its weights
            return [np.asarray(array, np.float32) for array in read(weights.path, shapes)]
    except _UNREADABLE as error:
        advice = "copy it again, or name no weights, and the published ones are fetched"
        raise ModelError(
            f"{weights.path} holds no YAMNet weights that can be read ({error}): {advice}"
        ) from error


_UNREADABLE = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, MemoryError)
"""What h5py, TensorFlow and NumPy raise where a file is damaged or of another kind."""


def _check(found: list[tuple[Shape | None, str, int]], shapes: list[Shape]) -> None:
    """Compare shape, kind and bytes of what is there with what has to be. Raises `ValueError`."""
    if len(found) != len(shapes):
        raise ValueError(f"it has {_at_most(len(found), shapes)} arrays; YAMNet has {len(shapes)}")
    for number, ((shape, kind, size), expected) in enumerate(zip(found, shapes, strict=True), 1):
        if shape != expected:
            raise ValueError(f"array {number} has the shape {shape}; YAMNet's has {expected}")
        if kind != "f" or size not in _FLOAT_BYTES:
            raise ValueError(f"array {number} does not hold floating-point numbers")


def _at_most(count: int, shapes: list[Shape]) -> str:
    return f"more than {len(shapes)}" if count > len(shapes) else str(count)


def _read_hdf5(path: Path, shapes: list[Shape]) -> Iterator[npt.NDArray[Any]]:
    """Keras' legacy layout: groups named by `layer_names`, arrays by `weight_names`, in order."""
    import h5py

    with h5py.File(path, "r") as file:
        datasets: list[Any] = []
        for layer_name in _names(file, "layer_names"):
            layer = _member(file, layer_name)
            for weight_name in _names(layer, "weight_names"):
                if len(datasets) <= len(shapes):  # one too many is enough to know
                    datasets.append(_member(layer, weight_name))
        for dataset in datasets:
            _check_storage(dataset)
        _check([(each.shape, each.dtype.kind, each.dtype.itemsize) for each in datasets], shapes)
        for dataset in datasets:
            yield dataset[()]


def _names(group: Any, attribute: str) -> list[str]:
    """The names in an attribute, whose size and type are looked at before it is read."""
    import h5py

    held = group.attrs.get_id(attribute)
    if held.shape == (0,):  # what is written for no names has another type
        return []
    if len(held.shape) != 1 or held.shape[0] > _MOST_NAMES:
        raise ValueError(f"{attribute} is no list of at most {_MOST_NAMES} names")
    if not h5py.check_string_dtype(held.dtype) or held.dtype.itemsize > _MOST_NAME_BYTES:
        raise ValueError(f"{attribute} holds something else than names")
    return [n if isinstance(n, str) else n.decode() for n in group.attrs[attribute]]


def _member(group: Any, path: str) -> Any:
    """What is at a path in a group, when every step there is a real member, and not a link."""
    import h5py

    found = group
    for step in filter(None, path.split("/")):
        if step == "." or not isinstance(found, h5py.Group):
            raise ValueError(f"{path} leads nowhere")
        if not isinstance(found.get(step, getlink=True), h5py.HardLink):
            raise ValueError(f"{step} in {path} is a link to elsewhere")
        found = found[step]
    return found


def _check_storage(dataset: Any) -> None:
    """Refuse what is no array, is stored in other files, or is packed. Raises `ValueError`.

    The memory that unpacking takes is for whoever packed it to choose, and a filter that HDF5 does
    not have itself would be a library to load.
    """
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{dataset.name} is no array")
    how = dataset.id.get_create_plist()
    if how.get_layout() == h5py.h5d.VIRTUAL or how.get_external_count():
        raise ValueError(f"{dataset.name} is stored in another file")
    if how.get_nfilters():
        raise ValueError(f"{dataset.name} is compressed: h5repack -f NONE unpacks it")


_CHECKPOINT_KEY = re.compile(r"(?:^|/)layer_with_weights-(\d+)/(\w+)/\.ATTRIBUTES/VARIABLE_VALUE$")
_ORDER_IN_LAYER = (
    "kernel",
    "depthwise_kernel",
    "beta",
    "moving_mean",
    "moving_variance",
    "bias",
)


def _read_checkpoint(folder: Path, shapes: list[Shape]) -> Iterator[npt.NDArray[Any]]:
    """A SavedModel's variables, read as a checkpoint: its graph is not loaded."""
    import tensorflow as tf

    try:
        # `tf.train.load_checkpoint` would, for a folder, go where a file in it says.
        reader = tf.compat.v1.train.NewCheckpointReader(str(folder / INDEX.removesuffix(".index")))
        keys = {}
        for key in reader.get_variable_to_shape_map():
            match = _CHECKPOINT_KEY.search(key)
            if match and match[2] in _ORDER_IN_LAYER:
                keys[int(match[1]), _ORDER_IN_LAYER.index(match[2])] = key
        ordered = [keys[place] for place in sorted(keys)]
        held, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        _check(
            [
                (tuple(held[key]), "f" if types[key].is_floating else "", types[key].size)
                for key in ordered
            ],
            shapes,
        )
        for key in ordered:
            yield reader.get_tensor(key)
    except (tf.errors.OpError, IndexError) as error:
        raise ValueError(str(error)) from error
