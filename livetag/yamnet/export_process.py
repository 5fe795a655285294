"""The exporting process: builds the graph, writes it, runs what it wrote, and compares.

`python -m livetag.yamnet.export_process WEIGHTS TARGET REPORT CALIBRATION FORMAT INPUT PRECISION`,
started by `livetag.yamnet.export`. It prints what it is at, a line each.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from livetag.errors import LivetagError
from livetag.yamnet.classifier import KerasClassifier
from livetag.yamnet.export_calibration import demo_windows
from livetag.yamnet.export_check import Difference, compare
from livetag.yamnet.export_graph import Outputs, build_graph
from livetag.yamnet.export_litert import LiteRT, write_litert
from livetag.yamnet.export_onnx import Onnx, write_onnx
from livetag.yamnet.export_plan import Plan
from livetag.yamnet.export_savedmodel import SavedModel, write_savedmodel
from livetag.yamnet.features import FloatArray
from livetag.yamnet.params import Params
from livetag.yamnet.tensorflow_process import ending_process_after, limit_memory, tell_why
from livetag.yamnet.weights import Weights, inspect

Say = Callable[[str], None]


def export(
    plan: Plan, weights: Weights, recorded: FloatArray | None, target: Path, say: Say
) -> list[Difference]:
    """Write an export, and compare what was written with Keras. Raises `LivetagError`."""
    say("Building the network.")
    with ending_process_after():
        model = KerasClassifier(weights).model
    calibration = None
    if plan.precision == "int8":
        calibration = demo_windows(Params())
        own = "nothing else" if recorded is None else f"{len(recorded)} of the recordings named"
        say(f"Calibrating int8 on {len(calibration)} windows of the demo, and {own}.")
        if recorded is not None:
            calibration = np.concatenate((calibration, recorded))
    say(f"Writing it as {plan}.")
    run = _written(plan, build_graph(plan, model, calibration), model, target)
    say("Comparing what was written with the Keras network.")
    return compare(plan, run, model)


def _written(plan: Plan, graph: Any, model: Any, target: Path) -> Callable[[FloatArray], Outputs]:
    if plan.format == "savedmodel":
        write_savedmodel(graph, model, target)
        return SavedModel(target)
    if plan.format == "litert":
        write_litert(plan, graph, model, target)
        return LiteRT(target)
    write_onnx(graph, target)
    return Onnx(target)


def main(weights: str, target: str, report: str, calibration: str, *plan: Any) -> int:
    """The process: exit code 0, or a message on stderr and that of the error."""
    # What libraries print is none of our words.
    words = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        recorded = np.load(calibration, allow_pickle=False) if calibration else None
        differences = export(
            Plan(*plan),
            inspect(Path(weights)),
            recorded,
            Path(target),
            lambda message: print(f"livetag: {message}", file=words),
        )
        Path(report).write_text(json.dumps([dataclasses.asdict(each) for each in differences]))
    except (LivetagError, OSError) as error:
        return tell_why(error)
    return 0


if __name__ == "__main__":
    limit_memory()
    sys.exit(main(*sys.argv[1:]))
