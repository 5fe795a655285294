"""What turns a log-mel patch into scores: LiteRT, which runs, and Keras, the reference."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from livetag.errors import ModelError
from livetag.stderr import native_stderr_silenced
from livetag.yamnet.arrays import read_arrays
from livetag.yamnet.features import FloatArray
from livetag.yamnet.params import Params
from livetag.yamnet.weights import Weights

EMBEDDING_SIZE = 1_024


class Prediction(NamedTuple):
    """What the network says of one patch: scores float32[521], embedding float32[1024]."""

    scores: FloatArray
    embedding: FloatArray


class Classifier(Protocol):
    """Anything that scores patches, one at a time."""

    def __call__(self, patch: FloatArray) -> Prediction:
        """Score one patch, float32[96, 64]."""
        ...


class LiteRTClassifier:
    """The compiled network on LiteRT, one thread. Not safe to share between threads."""

    def __init__(self, model: Path | bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        content = model if isinstance(model, bytes) else model.read_bytes()
        try:
            with native_stderr_silenced():
                self._interpreter = Interpreter(model_content=content, num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the compiled model cannot be loaded: {error}") from error
        params = Params()
        inputs, outputs = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        self._input = _tensor(inputs, (1, params.patch_frames, params.mel_bands))
        self._scores = _tensor(outputs, (1, params.num_classes))
        self._embedding = _tensor(outputs, (1, EMBEDDING_SIZE))

    def __call__(self, patch: FloatArray) -> Prediction:
        """Score one patch. Raises `ModelError` where the model cannot run."""
        interpreter = self._interpreter
        interpreter.tensor(self._input)()[0] = patch
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise ModelError(f"the compiled model cannot run: {error}") from error
        return Prediction(
            interpreter.get_tensor(self._scores)[0], interpreter.get_tensor(self._embedding)[0]
        )


def _tensor(details: list[dict[str, Any]], shape: tuple[int, ...]) -> int:
    """Where the tensor of a shape is, float32. Raises `ModelError` where there is none."""
    for detail in details:
        if tuple(detail["shape"]) == shape and detail["dtype"] is np.float32:
            return int(detail["index"])
    raise ModelError(f"the compiled model is not YAMNet: it has no tensor of the shape {shape}")


class KerasClassifier:
    """The Keras network itself: slow, and what the compiled one is checked against."""

    def __init__(self, weights: Weights, params: Params | None = None) -> None:
        from livetag.yamnet.model import build_model, set_weights

        self.model = build_model(params or Params())
        set_weights(self.model, read_arrays(weights))

    def __call__(self, patch: FloatArray) -> Prediction:
        scores, embedding = self.model(patch[np.newaxis], training=False)
        return Prediction(np.asarray(scores)[0], np.asarray(embedding)[0])
