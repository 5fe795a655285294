"""YAMNet's layers in numbers, and the shapes of their weights: known before any file is read.

Those of the reference (tensorflow/models, research/audioset/yamnet, `yamnet.py`): MobileNet v1.
"""

from livetag.yamnet.params import Params

FIRST_FILTERS = 32
SEPARABLE_LAYERS = (  # (stride, filters) of layers 2 to 14
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (2, 1024),
    (1, 1024),
)

Shape = tuple[int, ...]


def weight_shapes(params: Params) -> list[Shape]:
    """The shapes of the arrays of all weighted layers, in the order of the layers.

    A convolution has its kernel; a batch normalisation beta, moving mean and moving variance; the
    last layer kernel and bias.
    """
    shapes = _normalised((3, 3, 1, FIRST_FILTERS), FIRST_FILTERS)
    channels = FIRST_FILTERS
    for _, filters in SEPARABLE_LAYERS:
        shapes += _normalised((3, 3, channels, 1), channels)  # depthwise
        shapes += _normalised((1, 1, channels, filters), filters)  # pointwise
        channels = filters
    return [*shapes, (channels, params.num_classes), (params.num_classes,)]


def _normalised(kernel: Shape, filters: int) -> list[Shape]:
    """A convolution's kernel, and what normalises its output."""
    return [kernel, (filters,), (filters,), (filters,)]
