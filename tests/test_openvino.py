"""bfloat16 on OpenVINO: where it runs, what is told where it does not, and that nobody hears of it.

What it answers is tested with the other precisions (`test_classifier`).
"""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import livetag
from livetag.cli import main
from livetag.errors import ModelError, UsageError
from livetag.yamnet import openvino
from livetag.yamnet.compile import CompiledModel
from livetag.yamnet.openvino import OpenVINOClassifier, opened
from livetag.yamnet.precision import Precision
from livetag.yamnet.runtime import check_runs, load_classifier


def test_without_openvino_the_extra_is_named(
    compiled: CompiledModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    for precision in ("float32", "int8"):
        check_runs(precision)
        load_classifier(compiled.content, precision)
    for attempt in (
        lambda: check_runs("bfloat16"),
        lambda: load_classifier(compiled.content, "bfloat16"),
    ):
        with pytest.raises(UsageError, match=r"pip install 'livetag\[bfloat16\]'"):
            attempt()


def test_what_cannot_run_is_seen_before_a_model_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setenv("LIVETAG_CACHE_DIR", str(tmp_path / "cache"))
    sound = tmp_path / "dogs" / "sound.wav"
    sound.parent.mkdir()
    soundfile.write(sound, np.zeros(16_000), 16_000)
    (tmp_path / "map.csv").write_text("category,yamnet_labels\ndogs,Dog\n")
    labelled = "--map", str(tmp_path / "map.csv"), str(tmp_path)
    for command in (["classify", str(sound)], ["evaluate", *labelled]):
        assert main([*command, "--precision", "bfloat16"]) == 2
        assert "pip install 'livetag[bfloat16]'" in capsys.readouterr().err
    with pytest.raises(UsageError, match="pip install"):
        livetag.load(precision="bfloat16")
    assert not (tmp_path / "cache").exists()


def test_a_processor_without_bfloat16_is_told_what_runs_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core = SimpleNamespace(get_property=lambda *_: ["FP32", "INT8", "WINOGRAD"])
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=lambda: core))
    with pytest.raises(UsageError, match="what runs on it is float32 and int8"):
        opened()


@pytest.mark.parametrize("linux_says", [True, False])
def test_where_linux_says_that_it_will_do_asking_imports_nothing(
    linux_says: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports: list[str] = []
    monkeypatch.setattr(openvino, "_linux_says_bfloat16", lambda: linux_says)
    monkeypatch.setattr(openvino, "opened", lambda: imports.append("openvino"))
    check_runs("bfloat16")
    assert imports == ([] if linux_says else ["openvino"])


def test_opening_it_tells_nobody_and_writes_nothing(tmp_path: Path) -> None:
    """`import openvino` alone would write into the home folder, and send from a process."""
    program = """
import contextlib, sys
seen = []
def note(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event.startswith(("socket.", "os.fork", "os.mkdir", "subprocess.")):
        seen.append((event, *map(str, arguments)))
sys.addaudithook(note)
from livetag.errors import UsageError
from livetag.yamnet.openvino import opened
with contextlib.suppress(UsageError):  # a processor without bfloat16 has OpenVINO all the same
    opened()
assert "openvino" in sys.modules
assert "openvino_telemetry" not in sys.modules
print(seen)
"""
    # Without `CI` in the environment, where it would keep quiet.
    environment = {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("faster", ["bfloat16"], indirect=True)
def test_what_is_no_model_and_what_cannot_run_are_errors(
    faster: Precision,
    compiled: CompiledModel,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ModelError, match="the compiled model cannot be loaded"):
        load_classifier(b"no flatbuffer" * 99, faster)
    assert capfd.readouterr() == ("", "")
    classifier = OpenVINOClassifier(compiled.content)

    def infer(_: object) -> None:
        raise RuntimeError("node 7 failed")

    monkeypatch.setattr(classifier, "_request", SimpleNamespace(infer=infer))
    with pytest.raises(ModelError, match="the compiled model cannot run: node 7"):
        classifier(np.zeros((96, 64), np.float32))
