"""The YAMNet network in Keras: MobileNet v1 with 521 sigmoid outputs.

With `compile` and `arrays`, one of the rooms that need TensorFlow. Layers, names and order are
those of the reference (tensorflow/models, research/audioset/yamnet, `yamnet.py`), so that published
weights fit in order.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from livetag.errors import ModelError
from livetag.yamnet.layers import FIRST_FILTERS, SEPARABLE_LAYERS
from livetag.yamnet.params import Params


def build_model(params: Params) -> keras.Model:
    """The network, untrained: float32[n, 96, 64] to scores [n, 521] and embedding [n, 1024]."""
    patches = keras.Input((params.patch_frames, params.mel_bands), name="log_mel_patch")
    net = keras.layers.Reshape((params.patch_frames, params.mel_bands, 1))(patches)
    net = _convolution(net, "layer1", params)
    for number, (stride, filters) in enumerate(SEPARABLE_LAYERS, start=2):
        net = _separable_convolution(net, f"layer{number}", stride, filters, params)
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(net)
    logits = keras.layers.Dense(params.num_classes, name="logits")(embedding)
    scores = keras.layers.Activation(params.classifier_activation, name="scores")(logits)
    return keras.Model(patches, [scores, embedding], name="yamnet")


def _convolution(net: Any, name: str, params: Params) -> Any:
    net = keras.layers.Conv2D(
        FIRST_FILTERS,
        kernel_size=3,
        strides=2,
        padding=params.conv_padding,
        use_bias=False,
        name=f"{name}_conv",
    )(net)
    return _normalise(net, f"{name}_conv", params)


def _separable_convolution(net: Any, name: str, stride: int, filters: int, params: Params) -> Any:
    net = keras.layers.DepthwiseConv2D(
        kernel_size=3,
        strides=stride,
        padding=params.conv_padding,
        use_bias=False,
        name=f"{name}_depthwise_conv",
    )(net)
    net = _normalise(net, f"{name}_depthwise_conv", params)
    net = keras.layers.Conv2D(
        filters,
        kernel_size=1,
        padding=params.conv_padding,
        use_bias=False,
        name=f"{name}_pointwise_conv",
    )(net)
    return _normalise(net, f"{name}_pointwise_conv", params)


def _normalise(net: Any, name: str, params: Params) -> Any:
    net = keras.layers.BatchNormalization(
        center=params.batchnorm_center,
        scale=params.batchnorm_scale,
        epsilon=params.batchnorm_epsilon,
        name=f"{name}_bn",
    )(net)
    return keras.layers.ReLU(name=f"{name}_relu")(net)


def set_weights(model: keras.Model, arrays: Sequence[npt.NDArray[np.float32]]) -> None:
    """Give the model its weights, in the order of its layers.

    Raises `ModelError` where an array is missing, left over, not finite or of another shape.
    """
    variables = model.weights
    if len(arrays) != len(variables):
        raise ModelError(f"the weights hold {len(arrays)} arrays; YAMNet has {len(variables)}")
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise ModelError(
                f"the weights of {variable.path} have shape {array.shape}; "
                f"YAMNet's have {tuple(variable.shape)}"
            )
        if not np.isfinite(array).all():
            raise ModelError(f"the weights of {variable.path} are not finite numbers")
        variable.assign(array)
