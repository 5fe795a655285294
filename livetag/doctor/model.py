"""Whether there is a model to run, and whether this machine runs it fast enough."""

import contextlib
import importlib.util
import itertools
import time
from pathlib import Path

import numpy as np

from livetag.detector import Detector
from livetag.doctor.check import Check, judged
from livetag.errors import ModelError
from livetag.events import AudioBlock, Scores
from livetag.pipeline import analyze
from livetag.rules import Rules
from livetag.sources.base import BLOCK_SECONDS, numbered
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import CompiledModel, compiled_path, find_model
from livetag.yamnet.params import Params
from livetag.yamnet.weights import PUBLISHED, cached_weights, inspect

_WORK_SECONDS = 1.0
_MOST_AUDIO_SECONDS = 120.0
_SLOW = 3.0  # times real time; below, other programs may leave too little
_TOO_SLOW = 1.0
_FETCH = "`livetag model fetch` fetches and compiles it"


def check_model(named: Path | None, cache: Path) -> Check:
    """Whether the compiled model is there. Raises `ModelError` where the named weights are not."""
    model = find_model(named, cache)
    if model is None:
        return _missing(named, cache)
    report = model.report
    published = "published weights" if report.weights_published else "NOT the published weights"
    found = f"{published} ({report.weights_source}), compiled: {model.path}, its hash is right"
    details = {
        "compiled": str(model.path),
        "sha256": report.sha256,
        "weights_sha256": report.weights_sha256,
        "weights_source": report.weights_source,
        "published": report.weights_published,
        "max_difference": report.max_difference,
        "tensorflow": report.tensorflow,
        "keras": report.keras,
    }
    return Check("model", "ok", found, details=details)


def _missing(named: Path | None, cache: Path) -> Check:
    """Nothing is downloaded or compiled here: that takes a minute and a network."""
    weights = cached_weights(cache) if named is None else inspect(named)
    digests = PUBLISHED if weights is None else (weights.sha256,)
    there = any(compiled_path(cache, digest).exists() for digest in digests)
    state = f"the compiled model in {cache} is {'damaged' if there else 'missing'}"
    details = {"cache": str(cache), "weights": None if weights is None else str(weights.path)}
    if weights is None:
        found = f"{state}, and so are the weights"
        return Check("model", "fail", found, _FETCH, details, ModelError.exit_code)
    if importlib.util.find_spec("tensorflow") is None:
        found = f"{state}, and there is no TensorFlow to compile {weights.path}"
        advice = "install livetag again with all its packages"
        return Check("model", "fail", found, advice, details, ModelError.exit_code)
    found = f"{state}: the first start compiles {weights.path}, in up to a minute"
    return Check("model", "warn", found, "`livetag model fetch` compiles it now", details)


def check_speed(
    named: Path | None, cache: Path, rules: Rules, params: Params, rate_hz: int
) -> Check:
    """Run the whole analysis on noise, for a second of work."""
    model = None
    with contextlib.suppress(ModelError):  # which is told already
        model = find_model(named, cache)
    if model is None:
        return Check("speed", "warn", "not measured: there is no model to run", "see above")
    return judge_speed(*measure_speed(model, rules, params, rate_hz), params)


def measure_speed(
    model: CompiledModel, rules: Rules, params: Params, rate_hz: int
) -> tuple[int, float, float]:
    """Windows classified, seconds of audio in them, and seconds that it took."""
    classifier = LiteRTClassifier(model.content)
    classifier(np.zeros((params.patch_frames, params.mel_bands), np.float32))  # the first is slow
    random = np.random.default_rng(0)
    noise = (0.1 * random.standard_normal(round(BLOCK_SECONDS * rate_hz))).astype(np.float32)
    blocks = numbered(itertools.repeat(noise))
    least_s = min(params.window_seconds + params.patch_hop_seconds, _MOST_AUDIO_SECONDS)
    windows, audio_s = 0, 0.0
    started = time.perf_counter()
    for item in analyze(blocks, rate_hz, classifier, Detector(rules, params), params):
        if isinstance(item, Scores):
            windows += 1
        elif isinstance(item, AudioBlock):
            worked = time.perf_counter() - started > _WORK_SECONDS
            if audio_s >= (least_s if worked else _MOST_AUDIO_SECONDS):
                break
            audio_s = (item.first_sample + len(item.samples)) / rate_hz
    return windows, audio_s, time.perf_counter() - started


def judge_speed(windows: int, audio_s: float, took_s: float, params: Params) -> Check:
    """Say whether so many windows in so much audio were classified fast enough."""
    times = audio_s / took_s
    hop = f"a hop of {params.patch_hop_seconds:g} s"
    found = f"{times:,.0f} times real time" if times >= 10 else f"{times:.1f} times real time"
    found += f" with {hop}: {1_000 * took_s / windows:.1f} ms a window"
    details = {
        "times_real_time": round(times, 2),
        "ms_per_window": round(1_000 * took_s / windows, 3),
        "windows": windows,
        "hop_seconds": params.patch_hop_seconds,
    }
    wider = "a larger --hop needs less; so does a computer that does less besides"
    failures = [f"livetag would fall behind: {wider}"] if times < _TOO_SLOW else []
    warnings = [wider] if _TOO_SLOW <= times < _SLOW else []
    return judged("speed", found, details, warnings, failures)
