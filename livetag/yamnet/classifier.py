"""What turns a log-mel patch into scores: LiteRT, which runs, and Keras, the reference."""

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from livetag.errors import ModelError
from livetag.stderr import native_stderr_silenced
from livetag.yamnet.features import FloatArray
from livetag.yamnet.params import Params
from livetag.yamnet.weights import Weights, read_arrays


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
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        by_size = {int(np.prod(detail["shape"])): detail["index"] for detail in outputs}
        try:
            self._scores, self._embedding = by_size[521], by_size[1024]
        except KeyError as error:
            raise ModelError("the compiled model is not YAMNet: its outputs differ") from error

    def __call__(self, patch: FloatArray) -> Prediction:
        interpreter = self._interpreter
        interpreter.tensor(self._input)()[0] = patch
        interpreter.invoke()
        return Prediction(
            interpreter.get_tensor(self._scores)[0], interpreter.get_tensor(self._embedding)[0]
        )


class KerasClassifier:
    """The Keras network itself: slow, and what the compiled one is checked against."""

    def __init__(self, weights: Weights, params: Params | None = None) -> None:
        from livetag.yamnet.model import build_model, set_weights

        self.model = build_model(params or Params())
        set_weights(self.model, read_arrays(weights))

    def __call__(self, patch: FloatArray) -> Prediction:
        scores, embedding = self.model(patch[np.newaxis], training=False)
        return Prediction(np.asarray(scores)[0], np.asarray(embedding)[0])
