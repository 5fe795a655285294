"""An export of the network: written beside its target, checked, and then moved there as a whole.

TensorFlow runs in a process of its own (`livetag.yamnet.export_process`).
"""

import importlib.util
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from livetag.disk import sync_file, sync_folder
from livetag.errors import LivetagError, UsageError, writing
from livetag.yamnet.export_calibration import recorded_windows
from livetag.yamnet.export_check import Difference, too_far
from livetag.yamnet.export_plan import NAMES, Format, Plan
from livetag.yamnet.params import Params
from livetag.yamnet.tensorflow_process import run_apart
from livetag.yamnet.weights import Weights

_STDERR = 2  # the process says there what it is at
_NEEDS: dict[Format, tuple[str, ...]] = {
    "savedmodel": (),
    "litert": (),
    "onnx": ("tf2onnx", "onnxruntime"),
}


def check_export(plan: Plan, target: Path, force: bool) -> None:
    """Raise `UsageError` where an export cannot be written: seen before the long work."""
    missing = [name for name in _NEEDS[plan.format] if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{NAMES[plan.format]} needs {' and '.join(missing)}: "
            f"pip install 'livetag[{plan.format}]'"
        )
    if not target.parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")
    if not target.exists():
        return
    if not force:
        raise UsageError(f"{target} exists: name another place, or replace it with --force")
    if plan.format == "savedmodel" and not (target / "saved_model.pb").is_file():
        raise UsageError(f"{target} exists, and is no SavedModel: --force does not replace it")
    if plan.format != "savedmodel" and not target.is_file():
        raise UsageError(f"{target} exists, and is no file: --force does not replace it")


def export_model(
    plan: Plan, weights: Weights, recordings: Sequence[Path], target: Path
) -> list[Difference]:
    """Write an export of weights, also over one that is there; how far its outputs are from Keras.

    `recordings`: what int8 is calibrated on, beside the demo. What is being done is said on
    standard error. Raises `LivetagError`, and writes nothing, where an output is off by more than
    its bound, `InputError` for a recording and `ModelError` for weights that cannot be read.
    """
    target = target.resolve()  # what a link leads to is replaced, not the link
    with (
        writing(target),
        tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as name,
    ):
        folder = Path(name)
        calibration = folder / "calibration.npy"
        if recordings:
            np.save(calibration, recorded_windows(recordings, Params()))
        made, report = folder / "made", folder / "report.json"
        paths = [weights.path, made, report, calibration if recordings else ""]
        arguments = [*map(str, paths), plan.format, plan.input, plan.precision]
        run_apart("livetag.yamnet.export_process", arguments, "exported", stdout=_STDERR)
        differences = [Difference(**each) for each in json.loads(report.read_bytes())]
        if wrong := too_far(differences):
            raise LivetagError(f"the export differs from Keras too much, and was not kept: {wrong}")
        _move(made, target, folder / "replaced")
    return differences


def _move(made: Path, target: Path, replaced: Path) -> None:
    """Put what was made in its place, when all of it is on the disk."""
    for path in [made, *made.rglob("*")]:
        if path.is_file():
            with path.open("rb+") as file:
                sync_file(file.fileno())
    if target.is_dir():
        target.rename(replaced)  # a folder can only be moved to where nothing is
    try:
        made.replace(target)
    except OSError:
        if replaced.exists():
            replaced.rename(target)
        raise
    sync_folder(target.parent)
