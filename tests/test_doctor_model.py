"""What the doctor says of the model, and of this machine's speed."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from conftest import RATE_HZ

from livetag.doctor import model
from livetag.doctor.model import check_model, check_speed, judge_speed
from livetag.errors import ModelError
from livetag.resources import cache_dir
from livetag.rules import Rules, resolve
from livetag.schema import Config
from livetag.yamnet.compile import CompiledModel
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params
from livetag.yamnet.weights import Weights


@pytest.fixture
def rules(labels: ClassMap) -> Rules:
    return resolve(Config(), labels)


def test_the_compiled_model_is_found(compiled: CompiledModel) -> None:
    check = check_model(None, cache_dir())
    assert (check.status, check.details["published"]) == ("ok", True)
    assert str(compiled.path) in check.found
    assert check.details["sha256"] == compiled.report.sha256


def test_without_weights_there_is_no_model(tmp_path: Path) -> None:
    check = check_model(None, tmp_path)
    assert (check.status, check.exit_code) == ("fail", ModelError.exit_code)
    assert "livetag model fetch" in check.advice
    assert list(tmp_path.iterdir()) == []  # nothing was fetched
    with pytest.raises(ModelError, match="there are no weights"):
        check_model(tmp_path / "weights.h5", tmp_path)


def test_a_damaged_model_is_said_to_be(compiled: CompiledModel, tmp_path: Path) -> None:
    for file in (compiled.path, compiled.path.with_suffix(".json")):
        shutil.copy(file, tmp_path)
    assert check_model(None, tmp_path).status == "ok"
    (tmp_path / compiled.path.name).write_bytes(compiled.content[:-1])
    check = check_model(None, tmp_path)
    assert check.status == "fail"
    assert "is damaged" in check.found


def test_weights_that_wait_to_be_compiled_need_a_compiler(
    savedmodel: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = check_model(savedmodel.path, tmp_path)
    assert check.status == "warn"
    assert "the first start compiles" in check.found
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check = check_model(savedmodel.path, tmp_path)
    assert (check.status, check.exit_code) == ("fail", ModelError.exit_code)


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 44_100])
def test_speed_is_measured_with_the_whole_analysis(
    compiled: CompiledModel, rules: Rules, rate_hz: int
) -> None:
    hop = Params(patch_hop_seconds=0.96)
    windows, audio_s, took_s = model.measure_speed(compiled, rules, hop, rate_hz)
    assert windows == int((audio_s - 0.975) / 0.96) + 1
    assert audio_s >= 1.92  # two windows at the least
    assert took_s > 0.0


def test_a_long_hop_does_not_make_it_long(compiled: CompiledModel, rules: Rules) -> None:
    hour = Params(patch_hop_seconds=3_600.0)
    windows, audio_s, _ = model.measure_speed(compiled, rules, hour, RATE_HZ)
    assert windows == 1
    assert audio_s == pytest.approx(120.0, abs=0.1)


def test_without_a_model_speed_is_not_measured(rules: Rules, tmp_path: Path) -> None:
    check = check_speed(None, tmp_path, rules, Params(), RATE_HZ)
    assert (check.status, "not measured" in check.found) == ("warn", True)


@pytest.mark.parametrize(
    ("took_s", "status", "found"),
    [
        (0.05, "ok", "96 times real time with a hop of 0.48 s: 5.0 ms a window"),
        (1.5, "ok", "3.2 times"),
        (1.7, "warn", "2.8 times"),
        (4.7, "warn", "1.0 times"),
        (5.0, "fail", "1.0 times"),
    ],
)
def test_a_machine_that_is_too_slow_is_told_of(took_s: float, status: str, found: str) -> None:
    check = judge_speed(10, 4.8, took_s, Params())
    assert check.status == status
    assert check.found.startswith(found)
    assert bool(check.advice) == (status != "ok")
