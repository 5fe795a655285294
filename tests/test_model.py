"""The Keras network: the published architecture, counted, and what weights it takes."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from livetag.errors import ModelError
from livetag.events import FloatArray
from livetag.yamnet.params import Params

if TYPE_CHECKING:
    import keras

# Output heights, widths and channels of the 14 blocks, for a patch of 96 frames and 64 bands.
BLOCK_SHAPES = (
    [(48, 32, 32), (48, 32, 64)]
    + [(24, 16, 128)] * 2
    + [(12, 8, 256)] * 2
    + [(6, 4, 512)] * 6
    + [(3, 2, 1_024)] * 2
)


@pytest.fixture(scope="module")
def model(params: Params) -> "keras.Model":
    from livetag.yamnet.model import build_model

    return build_model(params)


@pytest.fixture
def arrays(model: "keras.Model") -> list[FloatArray]:
    """Arrays of the right number and shapes, each filled with a value of its own."""
    return [
        np.full(variable.shape, 0.001 * number, np.float32)
        for number, variable in enumerate(model.weights)
    ]


def convolutions(model: "keras.Model") -> list[Any]:
    import keras

    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def test_a_patch_becomes_521_scores_and_an_embedding_of_1024(model: "keras.Model") -> None:
    assert model.input_shape == (None, 96, 64)
    assert model.output_shape == [(None, 521), (None, 1_024)]


def test_scores_are_sigmoids_each_class_by_itself(model: "keras.Model") -> None:
    for variable in model.weights:
        variable.assign(np.zeros(variable.shape, np.float32))
    logits = np.linspace(-4.0, 4.0, 521, dtype=np.float32)
    model.weights[-1].assign(logits)  # the bias, which alone is left of the last layer
    scores, embedding = model(np.ones((1, 96, 64), np.float32), training=False)
    np.testing.assert_allclose(np.asarray(scores)[0], 1.0 / (1.0 + np.exp(-logits)), rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(embedding), 0.0)


def test_fourteen_blocks_halve_the_patch_five_times(model: "keras.Model") -> None:
    import keras

    layers = convolutions(model)
    kernels = [type(layer).__name__ for layer in layers]
    assert kernels == ["Conv2D"] + ["DepthwiseConv2D", "Conv2D"] * 13
    assert [layer.kernel_size for layer in layers] == [(3, 3)] + [(3, 3), (1, 1)] * 13
    block_ends = [layers[0], *layers[2::2]]
    assert [tuple(layer.output.shape[1:]) for layer in block_ends] == BLOCK_SHAPES
    assert not any(layer.use_bias for layer in layers)
    # Each convolution is followed by a batch normalisation and a ReLU of its own.
    following = [model.layers[model.layers.index(layer) + 1] for layer in layers]
    assert all(isinstance(layer, keras.layers.BatchNormalization) for layer in following)
    assert {(layer.center, layer.scale, layer.epsilon) for layer in following} == {
        (True, False, 1e-4)
    }
    assert sum(isinstance(layer, keras.layers.ReLU) for layer in model.layers) == 27


def test_the_network_has_3_7_million_weights(model: "keras.Model") -> None:
    sizes = [int(np.prod(variable.shape)) for variable in model.weights]
    assert len(sizes) == 27 * (1 + 3) + 2  # kernels, batch norms, the last layer
    assert sum(sizes) == 3_751_369


def test_the_network_takes_69_2_million_multiplies_a_patch(model: "keras.Model") -> None:
    import keras

    multiplies = 0
    for layer in convolutions(model):
        _, height, width, channels = layer.output.shape
        kernel_height, kernel_width, inputs, _ = layer.kernel.shape
        each = kernel_height * kernel_width
        if not isinstance(layer, keras.layers.DepthwiseConv2D):  # which sums over no channels
            each *= inputs
        multiplies += height * width * channels * each
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            multiplies += int(np.prod(layer.kernel.shape))
    assert multiplies == 69_165_056


def test_weights_are_taken_in_the_order_of_the_layers(
    model: "keras.Model", arrays: list[FloatArray]
) -> None:
    from livetag.yamnet.model import set_weights

    set_weights(model, arrays)
    for variable, array in zip(model.weights, arrays, strict=True):
        np.testing.assert_array_equal(variable.numpy(), array)


def test_a_missing_or_left_over_array_is_refused(
    model: "keras.Model", arrays: list[FloatArray]
) -> None:
    from livetag.yamnet.model import set_weights

    for wrong in (arrays[:-1], [*arrays, arrays[-1]], []):
        with pytest.raises(ModelError, match=rf"hold {len(wrong)} arrays; YAMNet has 110"):
            set_weights(model, wrong)


def test_an_array_of_another_shape_is_refused_by_name(
    model: "keras.Model", arrays: list[FloatArray]
) -> None:
    from livetag.yamnet.model import set_weights

    arrays[0] = np.zeros((3, 3, 32, 1), np.float32)  # as many values in another order
    with pytest.raises(ModelError, match=r"layer1_conv.*\(3, 3, 32, 1\).*\(3, 3, 1, 32\)"):
        set_weights(model, arrays)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_array_that_holds_no_finite_number_is_refused_by_name(
    model: "keras.Model", arrays: list[FloatArray], value: float
) -> None:
    from livetag.yamnet.model import set_weights

    arrays[-1][520] = value
    with pytest.raises(ModelError, match=r"logits.*not finite"):
        set_weights(model, arrays)
