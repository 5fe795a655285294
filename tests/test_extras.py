"""What needs an extra that is not installed: one rule for all of them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from livetag.cli import main


@pytest.mark.parametrize(
    ("library", "extra", "command"),
    [
        ("matplotlib", "plot", "plot a/dog.wav"),
        ("plotly", "plot", "plot a/dog.wav -o dog.html"),
        ("pyarrow", "parquet", "scan a -o events.parquet"),
        ("distributed", "cluster", "scan a -o a.csv --engine dask --scheduler tcp://127.0.0.1:1"),
        ("fsspec", "cluster", "scan s3://bucket/a -o events.csv"),
        ("fsspec", "cluster", "scan a -o s3://bucket/events.csv"),
        ("openvino", "bfloat16", "scan a -o events.csv --precision bfloat16"),
        ("openvino", "bfloat16", "classify a/dog.wav --precision bfloat16"),
        ("ai_edge_quantizer", "int8", "classify a/dog.wav --precision int8"),
        ("ai_edge_quantizer", "int8", "scan a -o events.csv --precision int8"),
        ("onnxruntime", "onnx", "model export -o yamnet.onnx"),
        ("sklearn", "evaluate", "evaluate ."),
        ("matplotlib", "evaluate", "evaluate . --plot classes.png"),
        ("sed_eval", "evaluate", "evaluate --events reference.txt estimated.txt"),
    ],
)
def test_it_is_wrong_use_names_the_extra_and_leaves_nothing(
    library: str,
    extra: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fetched(*_: object) -> None:
        pytest.fail("the model is not to be fetched for what cannot be")

    monkeypatch.setattr("livetag.yamnet.compile.obtain_weights", fetched)
    monkeypatch.setenv("LIVETAG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    soundfile.write("a/dog.wav", np.zeros(16_000), 16_000)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setitem(sys.modules, library, None)
    assert main(command.split()) == 2
    written = capsys.readouterr()
    assert f"pip install 'livetag[{extra}]'" in written.err
    assert written.out == ""
    assert sorted(tmp_path.rglob("*")) == before
