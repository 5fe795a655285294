"""The compiling process: the Keras network to a LiteRT flatbuffer, checked before it is kept.

`python -m livetag.yamnet.compile_process WEIGHTS PRECISION TARGET`, started by
`livetag.yamnet.compile`. What it compiles is the export from patches, without the class map; in
int8, it is `livetag.yamnet.int8`'s.
"""

import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from livetag.cache import write_cached
from livetag.errors import LivetagError, ModelError
from livetag.yamnet.classifier import KerasClassifier, LiteRTClassifier, Prediction
from livetag.yamnet.compile import Report
from livetag.yamnet.export_check import Bounds, Difference, bounds_of, compare, too_far
from livetag.yamnet.export_graph import Outputs, build_graph
from livetag.yamnet.export_litert import converted
from livetag.yamnet.export_plan import Plan
from livetag.yamnet.features import FloatArray
from livetag.yamnet.int8 import build_row_graph, quantized
from livetag.yamnet.tensorflow_process import ending_process_after, limit_memory, tell_why
from livetag.yamnet.weights import Weights, inspect

Compiled = Literal["float32", "int8"]
_PLAN = Plan("litert", "patches")
_BOUNDS: dict[Compiled, Bounds] = {
    "float32": bounds_of(_PLAN),
    "int8": Bounds(0.05, 1.0, 0.0, "mean"),
}
"""Measured, of int8: 0.022 and 0.24 in the mean, 0.16 and 0.71 at most."""


def compile_model(weights: Weights, precision: Compiled, target: Path) -> Report:
    """Compile, check against Keras over several sounds, and write `target` and its report.

    Raises `ModelError`, and keeps nothing, where the two differ by more than `_BOUNDS` allow.
    """
    import keras
    import tensorflow as tf

    with ending_process_after():
        model = KerasClassifier(weights).model
    content = _convert(precision, model)
    differences = _compared(LiteRTClassifier(content), model, _BOUNDS[precision])
    if wrong := too_far(differences):
        raise ModelError(
            f"the compiled model differs from Keras too much ({wrong}): please report this with "
            "`livetag model info`"
        )
    report = Report(
        sha256=hashlib.sha256(content).hexdigest(),
        weights_sha256=weights.sha256,
        weights_source=weights.kind,
        weights_published=weights.published,
        parameters=int(model.count_params()),
        max_difference=max(each.largest for each in differences),
        tensorflow=str(tf.__version__),
        keras=str(keras.__version__),
    )
    write_cached(target, content)
    write_cached(target.with_suffix(".json"), json.dumps(asdict(report), indent=2).encode())
    return report


def _convert(precision: Compiled, model: Any) -> bytes:
    if precision == "int8":
        return quantized(converted(_PLAN, build_row_graph(model), model))
    return converted(_PLAN, build_graph(_PLAN, model, None), model)


def _compared(classifier: LiteRTClassifier, model: Any, bounds: Bounds) -> list[Difference]:
    """What the compiled network differs from Keras by: patches one by one, and in batches."""

    def one_by_one(patches: FloatArray) -> Outputs:
        return _named([classifier(patch) for patch in patches])

    def in_batches(patches: FloatArray) -> Outputs:
        return _named(classifier.many(list(patches)))

    alone, together = (compare(_PLAN, run, model, bounds) for run in (one_by_one, in_batches))
    return alone + together


def _named(predictions: list[Prediction]) -> Outputs:
    scores, embeddings = zip(*predictions, strict=True)
    return {"predictions": np.stack(scores), "embeddings": np.stack(embeddings)}


def main(weights: str, precision: Any, target: str) -> int:
    """The process: exit code 0, or a message on stderr and 4."""
    try:
        compile_model(inspect(Path(weights)), precision, Path(target))
    except (LivetagError, OSError) as error:
        tell_why(error)
        return ModelError.exit_code
    return 0


if __name__ == "__main__":
    limit_memory()
    sys.exit(main(*sys.argv[1:]))
