"""The process in which TensorFlow runs: how its failures become errors (bounds: test_compile)."""

import subprocess
import sys

import pytest

from livetag.errors import LivetagError, ModelError
from livetag.yamnet.tensorflow_process import run_apart, tell_why


def failing(monkeypatch: pytest.MonkeyPatch, status: int, stderr: str) -> None:
    done = subprocess.CompletedProcess([], status, stdout=None, stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)


@pytest.mark.parametrize(("status", "kind"), [(1, LivetagError), (4, ModelError)])
def test_a_process_that_says_why_it_failed_is_an_error_of_that_kind(
    status: int, kind: type[LivetagError], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, status, "W0000 a warning\nlivetag: the disk is full\nI0000 more of it\n")
    with pytest.raises(LivetagError) as caught:
        run_apart("some.module", [], "exported")
    assert type(caught.value) is kind
    assert str(caught.value) == "the model could not be exported: the disk is full"


def test_a_process_that_ends_well_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    run_apart("calendar", ["2026", "11"], "exported")
    run_apart("calendar", ["2026", "11"], "exported", stdout=2)
    assert capfd.readouterr().err.count("November 2026") == 1


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ModelError("no\nweights"), 4, "no weights"),
        (OSError("no\nweights"), 1, "no weights"),
        (OSError(28, "No space left"), 1, "what was made cannot be kept: No space left"),
        (OSError(2, "No such file", "a.h5"), 1, "a.h5: No such file"),
    ],
)
def test_an_error_is_told_in_one_line(
    error: Exception, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell_why(error) == code
    assert capsys.readouterr().err == f"livetag: {told}\n"


def test_tensorflow_is_not_imported_by_starting_its_process() -> None:
    program = (
        "import sys, livetag.yamnet.export, livetag.yamnet.compile_process; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert {b"tensorflow", b"keras", b"tf2onnx", b"onnxruntime"}.isdisjoint(done.stdout.split())
