"""The house: which room may import which, and which third-party library lives where.

The rooms and their floors are those of the design: a room imports only from floors below its own,
and siblings in one folder import only that folder's `base`.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

import livetag
from livetag.events import FloatArray
from livetag.yamnet.compile import CompiledModel

PACKAGE = Path(livetag.__file__).parent

FLOORS = {
    "livetag.audio": 0,
    "livetag.clocks": 0,
    "livetag.detection": 0,
    "livetag.doctor": 0,
    "livetag.scan": 0,
    "livetag.disk": 0,
    "livetag.errors": 0,
    "livetag.evaluation": 0,
    "livetag.audio.endings": 0,
    "livetag.evaluation.suffixes": 1,
    "livetag.log_format": 0,
    "livetag.memory": 0,
    "livetag.history_schema": 0,
    "livetag.files": 0,
    "livetag.plot": 0,
    "livetag.plot.palette": 0,
    "livetag.plot.track": 0,
    "livetag.sinks": 0,
    "livetag.sources": 0,
    "livetag.signals": 0,
    "livetag.stderr": 0,
    "livetag.supervisor": 0,
    "livetag.text": 0,
    "livetag.version": 0,
    "livetag.yamnet": 0,
    "livetag.yamnet.precision": 0,
    "livetag.relay": 0,
    "livetag.scan.remote": 1,
    "livetag.cache": 1,
    "livetag.log_name": 1,
    "livetag.lines": 1,
    "livetag.appendfile": 1,
    "livetag.recording_options": 1,
    "livetag.resources": 0,
    "livetag.scan.listing": 2,
    "livetag.scan.merged_file": 3,
    "livetag.hours": 1,
    "livetag.service_file": 1,
    "livetag.evaluation.metrics": 1,
    "livetag.evaluation.tables": 1,
    "livetag.yamnet.export_plan": 1,
    "livetag.yamnet.tensorflow_process": 1,
    "livetag.audio.loudness": 2,
    "livetag.audio.portaudio": 2,
    "livetag.audio.reader": 2,
    "livetag.audio.pipe": 3,
    "livetag.audio.resample": 2,
    "livetag.audio.ring": 2,
    "livetag.audio.samples": 3,
    "livetag.audio.writer": 2,
    "livetag.evaluation.audioset": 2,
    "livetag.halfblocks": 2,
    "livetag.history_file": 2,
    "livetag.names": 2,
    "livetag.options": 2,
    "livetag.schema": 2,
    "livetag.schema_words": 1,
    "livetag.service_manager": 2,
    "livetag.sources.demo_sounds": 2,
    "livetag.times": 2,
    "livetag.yamnet.labels": 1,
    "livetag.yamnet.params": 2,
    "livetag.audio.capture": 3,
    "livetag.config": 3,
    "livetag.doctor.check": 3,
    "livetag.evaluation.categories": 3,
    "livetag.events": 3,
    "livetag.logfile": 3,
    "livetag.pace": 3,
    "livetag.rules": 3,
    "livetag.yamnet.features": 3,
    "livetag.yamnet.layers": 3,
    "livetag.yamnet.trial_sounds": 3,
    "livetag.yamnet.weights": 3,
    "livetag.audio.outage": 5,
    "livetag.audio.timeline": 4,
    "livetag.audio.watch": 4,
    "livetag.config_report": 4,
    "livetag.gauges": 4,
    "livetag.detection.windows": 4,
    "livetag.detection.near": 5,
    "livetag.detection.alerts": 4,
    "livetag.detection.open_event": 4,
    "livetag.detector": 6,
    "livetag.doctor.machine": 4,
    "livetag.doctor.report": 4,
    "livetag.doctor.terminal": 4,
    "livetag.evaluation.event_lists": 4,
    "livetag.evaluation.labelled": 4,
    "livetag.evaluation.report": 4,
    "livetag.plot.axes": 4,
    "livetag.plot.sound": 4,
    "livetag.records": 4,
    "livetag.sinks.base": 4,
    "livetag.sources.base": 4,
    "livetag.spectrum": 4,
    "livetag.spectrum_panel": 5,
    "livetag.state": 5,
    "livetag.worker": 4,
    "livetag.yamnet.arrays": 4,
    "livetag.yamnet.export_graph": 4,
    "livetag.yamnet.model": 4,
    "livetag.evaluation.event_metrics": 5,
    "livetag.evaluation.plot": 5,
    "livetag.clip_cutter": 5,
    "livetag.dashboard": 6,
    "livetag.history": 5,
    "livetag.outlet": 5,
    "livetag.reload": 5,
    "livetag.retention": 5,
    "livetag.messages": 6,
    "livetag.screen": 5,
    "livetag.scan.tables": 5,
    "livetag.sinks.annotations": 5,
    "livetag.sinks.console": 5,
    "livetag.sinks.csv_log": 5,
    "livetag.sinks.jsonl": 5,
    "livetag.sources.demo": 5,
    "livetag.sources.file": 5,
    "livetag.sources.microphone": 6,
    "livetag.yamnet.classifier": 5,
    "livetag.yamnet.int8": 5,
    "livetag.yamnet.export_litert": 5,
    "livetag.yamnet.export_onnx": 5,
    "livetag.yamnet.export_savedmodel": 5,
    "livetag.classify": 6,
    "livetag.doctor.places": 6,
    "livetag.evaluation.event_report": 6,
    "livetag.fanout": 6,
    "livetag.history_query": 6,
    "livetag.pipeline": 7,
    "livetag.scan.npz": 6,
    "livetag.scan.parquet": 6,
    "livetag.scan.text_tables": 6,
    "livetag.sinks.clips": 6,
    "livetag.sinks.history_log": 6,
    "livetag.yamnet.compile": 6,
    "livetag.yamnet.openvino": 6,
    "livetag.yamnet.export_check": 6,
    "livetag.doctor.model": 8,
    "livetag.doctor.sound": 8,
    "livetag.evaluation.scored": 7,
    "livetag.history_map": 7,
    "livetag.monitor": 8,
    "livetag.outputs": 7,
    "livetag.plot.overview": 8,
    "livetag.report": 7,
    "livetag.scan.job": 7,
    "livetag.yamnet.export_calibration": 7,
    "livetag.yamnet.runtime": 7,
    "livetag.doctor.examination": 9,
    "livetag.history_report": 8,
    "livetag.evaluation.workers": 8,
    "livetag.scan.analysis": 8,
    "livetag.scan.folder": 8,
    "livetag.plot.figure": 9,
    "livetag.plot.page": 9,
    "livetag.plot.terminal": 9,
    "livetag.service": 8,
    "livetag.yamnet.compile_process": 8,
    "livetag.yamnet.export": 8,
    "livetag.yamnet.export_process": 8,
    "livetag.commands.base": 9,
    "livetag.scan.remote_output": 9,
    "livetag.scan.worker": 9,
    "livetag.scan.cluster": 10,
    "livetag.scan.output": 10,
    "livetag.scan.pool": 10,
    "livetag.scan.processes": 0,
    "livetag.scan.progress": 10,
    "livetag.scan.scan": 10,
    "livetag.commands.classify": 11,
    "livetag.commands.config": 11,
    "livetag.commands.devices": 11,
    "livetag.commands.doctor": 11,
    "livetag.commands.evaluate": 11,
    "livetag.commands.history": 11,
    "livetag.commands.model": 11,
    "livetag.commands.monitor": 11,
    "livetag.commands.plot": 11,
    "livetag.commands.scan": 11,
    "livetag.commands.service": 11,
    "livetag.library": 12,
    "livetag.commands": 12,
    "livetag.cli": 13,
    "livetag.__main__": 14,
    "livetag": 15,
}

LIBRARIES = {
    "ai_edge_litert": {"livetag.yamnet.classifier", "livetag.yamnet.export_litert"},
    "ai_edge_quantizer": {"livetag.yamnet.int8"},
    "distributed": {"livetag.scan.cluster"},
    "filelock": {"livetag.cache", "livetag.scan.folder"},
    "fsspec": {"livetag.scan.remote"},
    "h5py": {"livetag.yamnet.arrays"},
    "keras": {"livetag.yamnet.compile_process", "livetag.yamnet.model"},
    "matplotlib": {"livetag.evaluation.plot", "livetag.plot.figure"},
    "msgspec": {"livetag.schema"},
    "onnxruntime": {"livetag.yamnet.export_onnx"},
    "openvino": {"livetag.yamnet.openvino"},
    "platformdirs": {"livetag.resources"},
    "plotly": {"livetag.plot.page"},
    "rich": {
        "livetag.commands.base",
        "livetag.commands.evaluate",
        "livetag.commands.plot",
        "livetag.dashboard",
        "livetag.doctor.report",
        "livetag.doctor.terminal",
        "livetag.gauges",
        "livetag.halfblocks",
        "livetag.history_map",
        "livetag.history_report",
        "livetag.lines",
        "livetag.messages",
        "livetag.monitor",
        "livetag.scan.progress",
        "livetag.plot.terminal",
        "livetag.screen",
        "livetag.spectrum_panel",
    },
    "pyarrow": {"livetag.scan.parquet"},
    "sed_eval": {"livetag.evaluation.event_metrics"},
    "sklearn": {"livetag.evaluation.metrics"},
    "sounddevice": {"livetag.audio.portaudio"},
    "soundfile": {"livetag.audio.reader", "livetag.audio.writer"},
    "soxr": {"livetag.audio.resample"},
    "tensorflow": {
        "livetag.yamnet.arrays",
        "livetag.yamnet.compile_process",
        "livetag.yamnet.export_graph",
        "livetag.yamnet.export_litert",
        "livetag.yamnet.export_savedmodel",
        "livetag.yamnet.int8",
    },
    "tf2onnx": {"livetag.yamnet.export_onnx"},
    "tomli_w": {"livetag.config_report"},
}
EVERYWHERE = {"numpy", *sys.stdlib_module_names}


def rooms() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """Every module a file imports, in functions and under TYPE_CHECKING, too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            below = modules & rooms().keys()
            yield from below or {str(node.module)}


def test_every_room_has_a_floor() -> None:
    assert rooms().keys() == FLOORS.keys()


def test_a_room_imports_only_from_the_floors_below() -> None:
    wrong = [
        f"{room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS.get(other)})"
        for room, path in rooms().items()
        for other in imported(path)
        if other.partition(".")[0] == "livetag" and FLOORS.get(other, 99) >= FLOORS[room]
    ]
    assert wrong == []


def test_an_adapter_imports_no_sibling_but_the_base() -> None:
    """`sources.demo` plays `sources.demo_sounds`, which is data; otherwise siblings are apart."""
    wrong = []
    for room, path in rooms().items():
        folder = room.rpartition(".")[0]
        if folder not in {"livetag.commands", "livetag.sinks", "livetag.sources"}:
            continue
        siblings = {other for other in imported(path) if other.rpartition(".")[0] == folder}
        siblings -= {f"{folder}.base", "livetag.sources.demo_sounds"}
        wrong += [f"{room} imports {other}" for other in siblings]
    assert wrong == []


def test_each_library_is_imported_in_its_own_rooms_alone() -> None:
    users: dict[str, set[str]] = {}
    for room, path in rooms().items():
        for module in imported(path):
            top = module.partition(".")[0]
            if top != "livetag" and top not in EVERYWHERE:
                users.setdefault(top, set()).add(room)
    assert users == LIBRARIES


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["classify", "WAV"], ["tensorflow", "keras", "sounddevice"]),
        (["monitor", "--fast", "--input", "WAV"], ["tensorflow", "keras", "sounddevice"]),
        (["plot", "WAV", "-o", "-"], ["tensorflow", "sounddevice", "matplotlib", "plotly"]),
        (["model", "info"], ["tensorflow", "keras", "sounddevice", "soundfile"]),
    ],
    ids=["classify", "monitor", "plot", "model"],
)
def test_a_command_loads_no_library_that_it_does_not_use(
    arguments: list[str],
    unwanted: list[str],
    compiled: CompiledModel,
    sounds: dict[str, FloatArray],
    tmp_path: Path,
) -> None:
    wav = tmp_path / "noise.wav"
    soundfile.write(wav, sounds["noise"], 16_000)
    arguments = [str(wav) if argument == "WAV" else argument for argument in arguments]
    program = (
        "import json, sys\n"
        "from livetag.cli import main\n"
        f"code = main({arguments!r})\n"
        "print(json.dumps([code, sorted(sys.modules)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    assert "livetag.yamnet.compile" in modules  # the model was looked for
    assert set(unwanted).isdisjoint(modules)
