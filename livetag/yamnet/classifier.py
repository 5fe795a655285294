"""What turns a log-mel patch into scores: LiteRT, which runs, and Keras, the reference."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np

from livetag.errors import ModelError
from livetag.stderr import native_stderr_silenced
from livetag.yamnet.arrays import read_arrays
from livetag.yamnet.features import FloatArray
from livetag.yamnet.params import Params
from livetag.yamnet.weights import Weights

EMBEDDING_SIZE = 1_024
BATCH_PATCHES = 32
"""Patches that go through the network at once, where so many wait.

Measured on an AMD EPYC: a patch takes the network 0.8 of its time, in batches of 16, 32 or 64
alike. What livetag does between two batches finds the processor's caches full of weights; with 32
instead of 16, there is half as much of that, and a scan takes 0.97 of the time.
"""
_BATCHES = BATCH_PATCHES, 8, 1
"""What is left of full batches goes in smaller ones: short recordings are nothing else."""


class Prediction(NamedTuple):
    """What the network says of one patch: scores float32[521], embedding float32[1024]."""

    scores: FloatArray
    embedding: FloatArray


class Classifier(Protocol):
    """Anything that scores patches."""

    def __call__(self, patch: FloatArray) -> Prediction:
        """Score one patch, float32[96, 64]."""
        ...

    def many(self, patches: Sequence[FloatArray]) -> list[Prediction]:
        """Score patches, float32[96, 64] each: the same bits as one by one."""
        return [self(patch) for patch in patches]


def predicted(
    classifier: Classifier, patches: Iterable[tuple[int, FloatArray]]
) -> Iterator[tuple[int, Prediction]]:
    """Patches with their first samples, scored batch by batch: none waits for a full one."""
    waiting = iter(patches)
    while batch := list(islice(waiting, BATCH_PATCHES)):
        predictions = classifier.many([patch for _, patch in batch])
        for (first_sample, _), prediction in zip(batch, predictions, strict=True):
            yield first_sample, prediction


class LiteRTClassifier(Classifier):
    """The compiled network on LiteRT, one thread. Not safe to share between threads."""

    def __init__(self, content: bytes) -> None:
        """Raises `ModelError` where it cannot be loaded, or is not YAMNet."""
        self._content = content
        self._networks = {1: _Network(content, 1)}  # a live stream needs no other

    def __call__(self, patch: FloatArray) -> Prediction:
        """Score one patch. Raises `ModelError` where the model cannot run."""
        return self._networks[1]([patch])[0]

    def many(self, patches: Sequence[FloatArray]) -> list[Prediction]:
        """Score patches, full batches at once. Raises `ModelError` where the model cannot run."""
        predictions: list[Prediction] = []
        for size in _BATCHES:
            while len(patches) - len(predictions) >= size:
                if size not in self._networks:
                    self._networks[size] = _Network(self._content, size)
                first = len(predictions)
                predictions += self._networks[size](patches[first : first + size])
        return predictions


class _Network:
    """The compiled network, made ready for so many patches at once."""

    def __init__(self, content: bytes, batch: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        params = Params()
        shape = params.patch_frames, params.mel_bands
        try:
            with native_stderr_silenced():
                interpreter = Interpreter(model_content=content, num_threads=1)
                self._input = _tensor(interpreter.get_input_details(), (1, *shape))
                outputs = interpreter.get_output_details()
                self._scores = _tensor(outputs, (1, params.num_classes))
                self._embedding = _tensor(outputs, (1, EMBEDDING_SIZE))
                if batch > 1:
                    interpreter.resize_tensor_input(self._input, (batch, *shape))
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the compiled model cannot be loaded: {error}") from error
        self._interpreter = interpreter

    def __call__(self, patches: Sequence[FloatArray]) -> list[Prediction]:
        interpreter = self._interpreter
        patches_in = interpreter.tensor(self._input)()
        for at, patch in enumerate(patches):
            patches_in[at] = patch
        del patches_in  # LiteRT does not run while somebody holds one of its arrays
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise ModelError(f"the compiled model cannot run: {error}") from error
        scores = interpreter.get_tensor(self._scores)
        embeddings = interpreter.get_tensor(self._embedding)
        return [Prediction(*rows) for rows in zip(scores, embeddings, strict=True)]


def _tensor(details: list[dict[str, Any]], shape: tuple[int, ...]) -> int:
    """Where the tensor of a shape is, float32. Raises `ModelError` where there is none."""
    for detail in details:
        if tuple(detail["shape"]) == shape and detail["dtype"] is np.float32:
            return int(detail["index"])
    raise ModelError(f"the compiled model is not YAMNet: it has no tensor of the shape {shape}")


class KerasClassifier(Classifier):
    """The Keras network itself: slow, and what the compiled one is checked against."""

    def __init__(self, weights: Weights, params: Params | None = None) -> None:
        from livetag.yamnet.model import build_model, set_weights

        self.model = build_model(params or Params())
        set_weights(self.model, read_arrays(weights))

    def __call__(self, patch: FloatArray) -> Prediction:
        scores, embedding = self.model(patch[np.newaxis], training=False)
        return Prediction(np.asarray(scores)[0], np.asarray(embedding)[0])
