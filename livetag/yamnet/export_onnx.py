"""The network as an ONNX model, which takes any number of samples, or of patches.

tf2onnx has no Fourier transform but a product with the transform's matrix. The class map is in the
model's metadata, as `yamnet_class_map.csv`.
"""

from pathlib import Path
from typing import Any

from livetag.resources import CLASS_MAP_PATH
from livetag.yamnet.export_graph import ORDER, Outputs
from livetag.yamnet.features import FloatArray

_OPSET = 17  # ONNX Runtime has it since 1.12, of 2022


def write_onnx(graph: Any, path: Path) -> None:
    """Write the ONNX model of a graph."""
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(graph, graph.input_signature, opset=_OPSET)
    model.graph.output.sort(key=lambda output: ORDER.index(output.name))  # tf2onnx: by name
    class_map = model.metadata_props.add()
    class_map.key = CLASS_MAP_PATH.name
    class_map.value = CLASS_MAP_PATH.read_text(encoding="utf-8")
    path.write_bytes(model.SerializeToString())


class Onnx:
    """An ONNX model that was written, to be run."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, values: FloatArray) -> Outputs:
        outputs = self._session.run(self._outputs, {self._input: values})
        return dict(zip(self._outputs, outputs, strict=True))
