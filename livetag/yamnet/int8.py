"""The network in int8, as livetag runs it: the only room that imports ai-edge-quantizer.

Nearly all of the network's multiplications are in convolutions of 1 by 1. These become products of
matrices here, with a row for each place, as the last layer is one already: LiteRT then rounds each
row to 8 bits as it comes, within the row's own range. Their weights are rounded beforehand, each
output's within its own. Everything else stays in float32. So nothing is calibrated, and what is
loud does not coarsen what is quiet: with one range for a whole layer, as the export in int8 has it,
three times as many decisions come out otherwise than in float32
(`python benchmarks/precisions.py`).
"""

import importlib.util
from typing import Any

import numpy as np

from livetag.errors import not_installed
from livetag.yamnet.export_graph import Outputs
from livetag.yamnet.features import FloatArray
from livetag.yamnet.params import Params

_LEFT_IN_FLOAT32 = "layer2_pointwise_conv"
"""Its rows hold 32 values: rounding them takes as long as it saves, and a sixth of the decisions
that came out otherwise did so for that."""


def check_installed() -> None:
    """Raise `UsageError` where what makes the model is missing. To run it takes LiteRT alone."""
    if importlib.util.find_spec("ai_edge_quantizer") is None:
        raise not_installed("the model in int8 is made with ai-edge-quantizer", "int8")


def build_row_graph(model: Any) -> Any:
    """The Keras network as a `tf.function` of patches, float32[n, 96, 64]: what to quantize."""
    import tensorflow as tf

    params = Params()
    pointwise = [layer.name for layer in model.layers if layer.name.endswith("_pointwise_conv")]
    matrices = {name: _matrix(model, name) for name in pointwise if name != _LEFT_IN_FLOAT32}
    within = {f"{name}_{rest}" for name in matrices for rest in ("bn", "relu")}

    def network(patches: Any) -> Outputs:
        values, outputs = patches, {}
        for layer in model.layers[1:]:
            if layer.name in matrices:
                weights, bias = matrices[layer.name]
                rows = tf.reshape(values, [-1, weights.shape[0]])
                rows = tf.nn.relu(tf.matmul(rows, weights) + bias)
                values = tf.reshape(rows, [-1, *values.shape[1:3], weights.shape[1]])
            elif layer.name not in within:
                values = outputs[layer.name] = layer(values)
        return {"predictions": outputs["scores"], "embeddings": outputs["embedding"]}

    shape = (None, params.patch_frames, params.mel_bands)
    return tf.function(network, input_signature=[tf.TensorSpec(shape, tf.float32, name="patches")])


def _matrix(model: Any, name: str) -> tuple[FloatArray, FloatArray]:
    """A 1 by 1 convolution and what normalises it, as float32[channels, filters] and a bias."""
    (kernel,) = model.get_layer(name).weights
    normalisation = model.get_layer(f"{name}_bn")
    beta, mean, variance = map(np.asarray, normalisation.weights)
    scale = 1.0 / np.sqrt(variance + normalisation.epsilon)
    return np.asarray(kernel)[0, 0] * scale, beta - mean * scale


def quantized(flatbuffer: bytes) -> bytes:
    """A flatbuffer whose matrices are in int8, of one that is in float32."""
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(flatbuffer)
    quantizer.add_dynamic_config(".*", TFLOperationName.FULLY_CONNECTED, num_bits=8)
    return bytes(quantizer.quantize().quantized_model)
