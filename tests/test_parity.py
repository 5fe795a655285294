"""livetag against the official network: the one inside the published SavedModel.

That network is run as published, features and all; its answers are also kept as golden files.
Tolerances are absolute where no other is named.
"""

import platform
from pathlib import Path
from typing import Any

import golden
import numpy as np
import pytest

from livetag.classify import Recording
from livetag.events import FloatArray
from livetag.resources import ASSETS_DIR
from livetag.yamnet.classifier import Classifier, KerasClassifier, LiteRTClassifier
from livetag.yamnet.features import log_mel_spectrogram, padding, patches
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params
from livetag.yamnet.weights import Weights

NAMES = ("zeros", "noise", "sine", "speech")
LITERT = 1e-4  # of scores, of embeddings (which reach 9) and of log-mel (-6.9 to 5)
KERAS = 1e-5  # of scores and embeddings


@pytest.fixture(scope="module")
def waveforms() -> dict[str, FloatArray]:
    return golden.waveforms()


@pytest.fixture(scope="module")
def official(savedmodel: Weights) -> golden.Official:
    return golden.load_official(savedmodel.path)


@pytest.fixture(scope="module")
def answers(
    official: golden.Official, waveforms: dict[str, FloatArray]
) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
    """By sound: the official scores [n, 521], embeddings [n, 1024] and log-mel [frames, 64]."""
    return {name: official(waveform) for name, waveform in waveforms.items()}


@pytest.fixture(scope="module")
def keras_classifier(savedmodel: Weights) -> KerasClassifier:
    return KerasClassifier(savedmodel)


def features_of(waveform: FloatArray, params: Params) -> FloatArray:
    """The log-mel spectrogram, float32[frames, 64], of a waveform padded to whole patches."""
    zeros = np.zeros(padding(len(waveform), params), np.float32)
    return log_mel_spectrogram(np.concatenate((waveform, zeros)), params)


def run(
    classifier: Classifier, log_mel: FloatArray, params: Params
) -> tuple[FloatArray, FloatArray]:
    """Scores [n, 521] and embeddings [n, 1024] of a log-mel spectrogram's patches."""
    predictions = [classifier(patch) for patch in patches(log_mel, params)]
    return (
        np.stack([prediction.scores for prediction in predictions]),
        np.stack([prediction.embedding for prediction in predictions]),
    )


def assert_close(ours: FloatArray, theirs: FloatArray, tolerance: float) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=tolerance, strict=True)


def test_the_golden_sounds_are_the_sounds_of_the_other_tests(
    waveforms: dict[str, FloatArray], sounds: dict[str, FloatArray]
) -> None:
    for name, sound in sounds.items():
        np.testing.assert_array_equal(waveforms[name], sound)


@pytest.mark.parametrize("name", NAMES)
def test_log_mel_is_the_official_one(
    answers: dict[str, Any], waveforms: dict[str, FloatArray], params: Params, name: str
) -> None:
    assert_close(features_of(waveforms[name], params), answers[name][2], LITERT)


@pytest.mark.parametrize("name", NAMES)
def test_litert_scores_and_embeddings_are_the_official_ones_from_the_samples_on(
    answers: dict[str, Any],
    waveforms: dict[str, FloatArray],
    classifier: LiteRTClassifier,
    params: Params,
    name: str,
) -> None:
    scores, embeddings = run(classifier, features_of(waveforms[name], params), params)
    assert_close(scores, answers[name][0], LITERT)
    assert_close(embeddings, answers[name][1], LITERT)


@pytest.mark.parametrize("name", NAMES)
def test_keras_scores_and_embeddings_are_the_official_ones_for_the_same_patches(
    answers: dict[str, Any], keras_classifier: KerasClassifier, params: Params, name: str
) -> None:
    """The patches in one batch, as the official network takes them: one by one rounds otherwise."""
    their_scores, their_embeddings, their_log_mel = answers[name]
    scores, embeddings = keras_classifier.model(patches(their_log_mel, params), training=False)
    assert_close(np.asarray(scores), their_scores, KERAS)
    assert_close(np.asarray(embeddings), their_embeddings, KERAS)


@pytest.mark.parametrize("name", NAMES)
def test_keras_scores_and_embeddings_are_the_official_ones_from_the_samples_on(
    answers: dict[str, Any],
    waveforms: dict[str, FloatArray],
    keras_classifier: KerasClassifier,
    params: Params,
    name: str,
) -> None:
    scores, embeddings = run(keras_classifier, features_of(waveforms[name], params), params)
    assert_close(scores, answers[name][0], LITERT)
    assert_close(embeddings, answers[name][1], LITERT)


@pytest.mark.parametrize("samples", [1, 399, 15_599, 15_600, 15_601, 23_280, 23_281])
def test_a_recording_of_any_length_is_padded_as_the_official_network_pads_it(
    official: golden.Official,
    waveforms: dict[str, FloatArray],
    classifier: LiteRTClassifier,
    params: Params,
    samples: int,
) -> None:
    waveform = waveforms["speech"][20_000 : 20_000 + samples]
    their_scores, _, their_log_mel = official(waveform)
    log_mel = features_of(waveform, params)
    assert_close(log_mel, their_log_mel, LITERT)
    assert_close(run(classifier, log_mel, params)[0], their_scores, LITERT)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("zeros", "Silence"), ("noise", "White noise"), ("sine", "Sine wave"), ("speech", "Speech")],
)
def test_the_expected_class_is_in_the_top_ten_of_the_clip(
    waveforms: dict[str, FloatArray],
    classifier: LiteRTClassifier,
    labels: ClassMap,
    params: Params,
    name: str,
    expected: str,
) -> None:
    """As in the reference's own yamnet_test.py."""
    scores, _ = run(classifier, features_of(waveforms[name], params), params)
    top = np.argsort(-scores.mean(axis=0))[:10]
    assert expected in [labels[int(index)].name for index in top]


def test_a_classified_file_has_the_official_clip_scores(
    answers: dict[str, Any], classifier: LiteRTClassifier, params: Params
) -> None:
    clip = Recording(ASSETS_DIR / "demo_speech.flac", classifier, params).clip()
    their_scores = answers["speech"][0]
    assert clip.frames == len(their_scores)
    assert_close(clip.mean_scores, their_scores.mean(axis=0), LITERT)


@pytest.mark.parametrize("name", NAMES)
def test_litert_keeps_to_the_golden_files(
    waveforms: dict[str, FloatArray], classifier: LiteRTClassifier, params: Params, name: str
) -> None:
    log_mel = features_of(waveforms[name], params)
    scores, embeddings = run(classifier, log_mel, params)
    with np.load(golden.GOLDEN_DIR / f"{name}.npz") as file:
        top = file["top_classes"]
        assert_close(scores[:, top], file["top_scores"], LITERT)
        assert_close(scores.mean(axis=0)[top], file["top_mean_scores"], LITERT)
        assert_close(embeddings[:, :: golden.VALUE_STEP], file["embeddings"], LITERT)
        assert_close(log_mel[:: golden.FRAME_STEP], file["log_mel"], LITERT)
        others = np.delete(scores.mean(axis=0), top)
        assert others.max() <= file["top_mean_scores"].min() + LITERT


def test_the_command_that_rewrites_the_golden_files_makes_those_that_are_kept(
    official: golden.Official, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept_dir, kept_window = golden.GOLDEN_DIR, golden.WINDOW_PATH
    monkeypatch.setattr(golden, "load_official", lambda _: official)
    monkeypatch.setattr(golden, "GOLDEN_DIR", tmp_path / "golden")
    monkeypatch.setattr(golden, "WINDOW_PATH", tmp_path / "stft_window.npy")
    assert golden.main() == 0
    written = sorted(path.name for path in golden.GOLDEN_DIR.iterdir())
    assert written == sorted(path.name for path in kept_dir.iterdir())
    assert written == sorted(f"{name}.npz" for name in NAMES)
    for name in written:
        with np.load(kept_dir / name) as kept, np.load(golden.GOLDEN_DIR / name) as fresh:
            assert sorted(kept) == sorted(fresh)
            assert fresh["top_classes"][0] == kept["top_classes"][0]
            for key in ("top_mean_scores", "embeddings", "log_mel"):
                assert_close(fresh[key], kept[key], LITERT)
    window, fresh_window = np.load(kept_window), np.load(golden.WINDOW_PATH)
    assert_close(window, fresh_window, 3e-7)
    if platform.machine().lower() in {"x86_64", "amd64"}:
        np.testing.assert_array_equal(window, fresh_window)
