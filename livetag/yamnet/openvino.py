"""The network in bfloat16, on OpenVINO: the only room that imports it (the extra `bfloat16`).

bfloat16 has float32's range and 8 of its 24 bits. Processors that multiply it are faster with it;
LiteRT does not make use of that.
"""

import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livetag.errors import ModelError, UsageError, not_installed
from livetag.stderr import native_stderr_silenced
from livetag.yamnet.classifier import BATCH_PATCHES, EMBEDDING_SIZE, Classifier, Prediction
from livetag.yamnet.features import FloatArray
from livetag.yamnet.params import Params

_SETTINGS = {
    "INFERENCE_PRECISION_HINT": "bf16",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,  # the workers of a scan would all be on one core
}
_TELEMETRY = "openvino_telemetry"


class OpenVINOClassifier(Classifier):
    """The compiled network, float32, run in bfloat16 on one thread. Not safe to share."""

    def __init__(self, content: bytes) -> None:
        """Raises as `opened` does, and `ModelError` where the model cannot be loaded."""
        core = opened()
        try:
            # Of LiteRT's flatbuffers, OpenVINO reads files alone, of this ending.
            with tempfile.TemporaryDirectory() as folder, native_stderr_silenced():
                path = Path(folder, "yamnet.tflite")
                path.write_bytes(content)
                model = core.read_model(path)
            self._request = core.compile_model(model, "CPU", _SETTINGS).create_infer_request()
        except (OSError, RuntimeError) as error:
            raise ModelError(f"the compiled model cannot be loaded: {error}") from error

    def __call__(self, patch: FloatArray) -> Prediction:
        """Score one patch. Raises `ModelError` where the model cannot run."""
        return self.many([patch])[0]

    def many(self, patches: Sequence[FloatArray]) -> list[Prediction]:
        """Score patches, a batch at a time, the last one as it is: no size needs another network.

        Raises `ModelError` where the model cannot run.
        """
        predictions: list[Prediction] = []
        for first in range(0, len(patches), BATCH_PATCHES):
            try:
                self._request.infer([np.stack(patches[first : first + BATCH_PATCHES])])
            except RuntimeError as error:
                raise ModelError(f"the compiled model cannot run: {error}") from error
            outputs = {each.shape[-1]: each.data.copy() for each in self._request.output_tensors}
            rows = zip(outputs[Params().num_classes], outputs[EMBEDDING_SIZE], strict=True)
            predictions += [Prediction(*row) for row in rows]
        return predictions


def check_usable() -> None:
    """Raise `UsageError` as `opened` does; but where Linux says that it will do, import nothing.

    That takes a tenth of a second, which whoever only hands out work should not spend.
    """
    if importlib.util.find_spec("openvino") is None or not _linux_says_bfloat16():
        opened()


def _linux_says_bfloat16() -> bool:
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def opened() -> Any:
    """OpenVINO's core. Raises `UsageError` where it is missing, or the processor has no bfloat16.

    OpenVINO would run the network in float32 there, and not say so.
    """
    # `import openvino` tells Google Analytics of it, and keeps a count in the home folder. Where
    # the package that does so is missing, it has a stand-in.
    sys.modules.setdefault(_TELEMETRY, None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise not_installed("bfloat16 needs OpenVINO", "bfloat16") from error
    finally:
        if sys.modules.get(_TELEMETRY) is None:
            sys.modules.pop(_TELEMETRY, None)
    core = openvino.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UsageError(
            "this processor has no arithmetic for bfloat16: what runs on it is float32 and int8"
        )
    return core
