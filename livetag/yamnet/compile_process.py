"""The compiling process: the Keras network to a LiteRT flatbuffer, checked before it is kept.

`python -m livetag.yamnet.compile_process WEIGHTS PRECISION TARGET`, started by
`livetag.yamnet.compile`. What it compiles is the export from patches, without the class map.
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
from livetag.yamnet.export_calibration import demo_windows
from livetag.yamnet.export_check import Difference, compare, too_far
from livetag.yamnet.export_graph import Outputs, build_graph
from livetag.yamnet.export_litert import converted
from livetag.yamnet.export_plan import Plan
from livetag.yamnet.features import FloatArray
from livetag.yamnet.params import Params
from livetag.yamnet.tensorflow_process import ending_process_after, limit_memory, tell_why
from livetag.yamnet.weights import Weights, inspect

Compiled = Literal["float32", "int8"]


def compile_model(weights: Weights, precision: Compiled, target: Path) -> Report:
    """Compile, check against Keras over several sounds, and write `target` and its report.

    Raises `ModelError`, and keeps nothing, where the two differ by more than an export may.
    """
    import keras
    import tensorflow as tf

    with ending_process_after():
        model = KerasClassifier(weights).model
    plan = Plan("litert", "patches", precision)
    content = _convert(plan, model)
    differences = _compared(plan, LiteRTClassifier(content), model)
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


def _convert(plan: Plan, model: Any) -> bytes:
    calibration = demo_windows(Params()) if plan.precision == "int8" else None
    return converted(plan, build_graph(plan, model, calibration), model)


def _compared(plan: Plan, classifier: LiteRTClassifier, model: Any) -> list[Difference]:
    """What the compiled network differs from Keras by: patches one by one, and in batches."""

    def one_by_one(patches: FloatArray) -> Outputs:
        return _named([classifier(patch) for patch in patches])

    def in_batches(patches: FloatArray) -> Outputs:
        return _named(classifier.many(list(patches)))

    return compare(plan, one_by_one, model) + compare(plan, in_batches, model)


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
