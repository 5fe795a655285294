"""The network as a TensorFlow SavedModel, to be used as the one on TensorFlow Hub is.

As the published exporter has it (tensorflow/models, research/audioset/yamnet, `export.py`): called
with float32[n], 16 kHz mono, it answers scores, embeddings and log-mel; `class_map_path` leads to
the class map, an asset. The signature `serving_default` numbers its outputs, as the published one
does; `named` has them by name. Its variables stand where `livetag.yamnet.arrays` looks for them, so
that it can be named with `--weights`.
"""

from pathlib import Path
from typing import Any

from livetag.errors import LivetagError
from livetag.resources import CLASS_MAP_PATH
from livetag.yamnet.export_graph import ORDER, Outputs
from livetag.yamnet.features import FloatArray


def write_savedmodel(graph: Any, model: Any, folder: Path) -> None:
    """Write the SavedModel of a graph from waveforms. Raises `LivetagError` where that fails."""
    import tensorflow as tf

    def call(waveform: Any) -> list[Any]:
        outputs = graph(waveform)
        return [outputs[name] for name in ORDER]

    module = tf.Module()
    module.__call__ = tf.function(call, input_signature=graph.input_signature)
    module.class_map = tf.saved_model.Asset(str(CLASS_MAP_PATH))
    module.class_map_path = tf.function(lambda: module.class_map.asset_path, input_signature=[])
    for number, layer in enumerate(layer for layer in model.layers if layer.weights):
        node = tf.Module()
        for variable in layer.weights:
            setattr(node, variable.name, variable.value)
        setattr(module, f"layer_with_weights-{number}", node)
    signatures = {
        "serving_default": module.__call__.get_concrete_function(),
        "named": graph.get_concrete_function(),
    }
    try:
        tf.saved_model.save(module, str(folder), signatures)
    except tf.errors.OpError as error:  # a full disk, say
        raise LivetagError(f"the SavedModel cannot be written: {error.message}") from error


class SavedModel:
    """A SavedModel that was written, to be run."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        self._loaded = tf.saved_model.load(str(folder))

    def __call__(self, waveform: FloatArray) -> Outputs:
        return dict(zip(ORDER, map(_numpy, self._loaded(waveform)), strict=True))


def _numpy(tensor: Any) -> FloatArray:
    array: FloatArray = tensor.numpy()
    return array
