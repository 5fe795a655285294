"""What is exported, as TensorFlow runs it: a waveform, or log-mel patches, to named outputs.

The features are those of `livetag.yamnet.features`, with the same constants; the padding is the
reference's. For int8 the network carries the ranges that its values are rounded within, so that
the converter rounds what lies between them and nothing else: features stay in float32.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from livetag.yamnet.export_plan import Plan, Precision
from livetag.yamnet.features import FloatArray, mel_matrix, stft_window
from livetag.yamnet.params import Params

Outputs = dict[str, Any]
"""By name: `predictions` [n, 521], `embeddings` [n, 1024], `log_mel_spectrogram` [frames, 64]."""
ORDER = ("predictions", "embeddings", "log_mel_spectrogram")
"""Of outputs where they are numbered, as the published exporter has it."""
Ranges = dict[str, tuple[float, float]]
"""By layer, "patches" for the input: the lowest and the highest value that int8 can hold."""

_INT8_SHARE = 0.6
"""Of the calibration's windows, how many keep below a layer's highest value.

Loud rain or an engine drives YAMNet's middle layers six times higher than other sounds. With steps
wide enough for that, int8 named 43 of 80 ESC-10 recordings; with those values cut, 76 to 77, as
float32 does. 0.5 and 0.75 were worse, for windows of ESC-10 or for the demo's.
"""
_LOGITS_RANGE = (-8.0, 8.0)  # scores from 0.0003 to 0.9997; digital silence gives logits of -670
_LEAST_HIGHEST = 1e-3  # where a layer answered nothing but zeros
_WINDOWS_AT_ONCE = 32


def build_graph(plan: Plan, model: Any, calibration: FloatArray | None) -> Any:
    """A `tf.function` of one tensor, `waveform` float32[n] or `patches` float32[n, 96, 64].

    `model`: the Keras network. `calibration`: patches, float32[n, 96, 64], for int8.
    """
    import tensorflow as tf

    params = Params()
    window = _window_parts(plan.precision, params)
    ranges = {} if calibration is None else _int8_ranges(model, calibration, params)

    def network(patches: Any) -> Outputs:
        return _run(model, patches, lambda name, values: _rounded(values, ranges.get(name)))

    def with_features(waveform: Any) -> Outputs:
        log_mel = _log_mel(_padded(waveform, params), window, params)
        patches = tf.signal.frame(log_mel, params.patch_frames, params.patch_hop_frames, axis=0)
        return network(patches) | {"log_mel_spectrogram": log_mel}

    if plan.input == "waveform":
        signature = tf.TensorSpec((None,), tf.float32, name="waveform")
        return tf.function(with_features, input_signature=[signature])
    shape = (None, params.patch_frames, params.mel_bands)
    return tf.function(network, input_signature=[tf.TensorSpec(shape, tf.float32, name="patches")])


def _padded(waveform: Any, params: Params) -> Any:
    """`livetag.yamnet.features.padding`, in TensorFlow."""
    import tensorflow as tf

    samples = tf.shape(waveform)[0]
    beyond_first = tf.maximum(0, samples - params.window_samples)
    # ONNX divides towards zero: what is divided must not be negative.
    hops = (beyond_first + params.patch_hop_samples - 1) // params.patch_hop_samples
    whole = params.window_samples + hops * params.patch_hop_samples
    return tf.pad(waveform, [[0, whole - samples]])


def _log_mel(waveform: Any, window: list[FloatArray], params: Params) -> Any:
    """`livetag.yamnet.features.log_mel_spectrogram`, in TensorFlow."""
    import tensorflow as tf

    frames = tf.signal.frame(waveform, params.stft_window_samples, params.stft_hop_samples)
    windowed = sum(frames * part for part in window)
    magnitude = tf.abs(tf.signal.rfft(windowed, [params.fft_length]))
    return tf.math.log(tf.matmul(magnitude, mel_matrix(params)) + params.log_offset)


def _window_parts(precision: Precision, params: Params) -> list[FloatArray]:
    """The STFT window, as one array or as two, whose sum it is, where constants become float16.

    With a window rounded to float16, log-mel below a sine at full scale is off by 2.5.
    """
    window = stft_window(params)
    if precision != "float16":
        return [window]
    rounded = window.astype(np.float16).astype(np.float32)
    return [rounded, window - rounded]


def _run(model: Any, patches: Any, after: Callable[[str, Any], Any]) -> Outputs:
    """The network, whose layers are a chain; `after` answers what goes on from each of them."""
    values = after("patches", patches)
    outputs = {}
    for layer in model.layers[1:]:
        values = outputs[layer.name] = after(layer.name, layer(values))
    return {"predictions": outputs["scores"], "embeddings": outputs["embedding"]}


def _rounded(values: Any, within: tuple[float, float] | None) -> Any:
    """Values as int8 holds them, in 256 steps; where no range is given, as they are."""
    import tensorflow as tf

    if within is None:
        return values
    return tf.quantization.fake_quant_with_min_max_args(values, *within)


def _int8_ranges(model: Any, calibration: FloatArray, params: Params) -> Ranges:
    """The ranges of the network's values over patches, float32[n, 96, 64]."""
    highest: dict[str, list[FloatArray]] = {}

    def note(name: str, values: Any) -> Any:
        if name == "embedding" or name.endswith("relu"):
            axes = tuple(range(1, len(values.shape)))
            highest.setdefault(name, []).append(np.asarray(values).max(axis=axes))
        return values

    for first in range(0, len(calibration), _WINDOWS_AT_ONCE):
        _run(model, calibration[first : first + _WINDOWS_AT_ONCE], note)
    ranges = {
        name: (0.0, max(_LEAST_HIGHEST, float(np.quantile(np.concatenate(each), _INT8_SHARE))))
        for name, each in highest.items()
    }
    lowest = math.log(params.log_offset)
    loudest = max(lowest + 1.0, float(calibration.max()))
    return ranges | {"patches": (lowest, loudest), "logits": _LOGITS_RANGE}
