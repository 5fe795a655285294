"""The network as a LiteRT flatbuffer (`.tflite`), of builtin operations alone.

Any number of samples, or of patches, goes in: the signature's runner gives the input its size. The
class map is in the file, where LiteRT's metadata has associated files: a ZIP archive that follows
the flatbuffer.
"""

import zipfile
from pathlib import Path
from typing import Any

from livetag.resources import CLASS_MAP_PATH
from livetag.stderr import native_stderr_silenced
from livetag.yamnet.export_graph import Outputs
from livetag.yamnet.export_plan import Plan
from livetag.yamnet.features import FloatArray


def write_litert(plan: Plan, graph: Any, model: Any, path: Path) -> None:
    """Write the flatbuffer of a graph, and the class map."""
    path.write_bytes(converted(plan, graph, model))
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(CLASS_MAP_PATH, CLASS_MAP_PATH.name)


def converted(plan: Plan, graph: Any, model: Any) -> bytes:
    """The flatbuffer of a graph."""
    import tensorflow as tf

    module = tf.Module()  # what it holds the converter freezes; the others it leaves without values
    module.weights = [variable.value for variable in model.weights]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [graph.get_concrete_function()], module
    )
    if plan.precision != "float32":  # int8 is in the graph
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if plan.precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


class LiteRT:
    """A flatbuffer that was written, to be run."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with native_stderr_silenced():
            self._run = Interpreter(str(path), num_threads=1).get_signature_runner()
        (self._input,) = self._run.get_input_details()

    def __call__(self, values: FloatArray) -> Outputs:
        outputs: Outputs = self._run(**{self._input: values})
        return outputs
