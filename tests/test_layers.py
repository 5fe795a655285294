"""The shapes of the weights, known without a file."""

from math import prod

from livetag.yamnet.layers import weight_shapes
from livetag.yamnet.params import Params


def test_the_shapes_are_those_of_the_network() -> None:
    from livetag.yamnet.model import build_model

    network = build_model(Params())
    assert weight_shapes(Params()) == [tuple(variable.shape) for variable in network.weights]


def test_the_parameters_are_as_many_as_published() -> None:
    shapes = weight_shapes(Params())
    assert len(shapes) == 110
    assert sum(map(prod, shapes)) == 3_751_369
