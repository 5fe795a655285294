"""Whole recordings: the mean over the frames that the reference would make, in blocks."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from conftest import FakeClassifier

from livetag.classify import Clip, Frame, Recording
from livetag.errors import InputError
from livetag.events import FloatArray
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.features import log_mel_spectrogram, padding, patches
from livetag.yamnet.params import Params


def written(folder: Path, samples: FloatArray, rate_hz: int = 16_000) -> Path:
    path = folder / "sound.wav"
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    return path


def noise(samples: int) -> FloatArray:
    return np.random.default_rng(5).uniform(-0.5, 0.5, samples).astype(np.float32)


def batch(samples: FloatArray, classifier: LiteRTClassifier, params: Params) -> FloatArray:
    """float32[frames, 521]: all at once, as the reference does it."""
    zeros = np.zeros(padding(len(samples), params), np.float32)
    log_mel = log_mel_spectrogram(np.concatenate((samples, zeros)), params)
    return np.stack([classifier(patch).scores for patch in patches(log_mel, params)])


@pytest.mark.parametrize("hop_seconds", [0.48, 0.96, 0.1, 2.0])
def test_frames_and_their_mean_are_those_of_the_batch_computation(
    hop_seconds: float, tmp_path: Path, sounds: dict[str, FloatArray], classifier: LiteRTClassifier
) -> None:
    params = Params(patch_hop_seconds=hop_seconds)
    samples = np.concatenate((sounds["noise"] * 0.1, sounds["sine"] * 0.5))[:70_123]
    path = written(tmp_path, samples)
    expected = batch(samples, classifier, params)
    frames = list(Recording(path, classifier, params).frames())
    assert np.array_equal(np.stack([frame.scores for frame in frames]), expected)
    assert [frame.number for frame in frames] == list(range(len(expected)))
    starts = [number * hop_seconds for number in range(len(expected))]
    assert [frame.start_s for frame in frames] == pytest.approx(starts)
    assert [frame.end_s for frame in frames] == pytest.approx([start + 0.975 for start in starts])
    clip = Recording(path, classifier, params).clip()
    assert clip.mean_scores == pytest.approx(expected.mean(axis=0), abs=1e-6)
    assert clip.frames == len(expected)
    assert clip.seconds == pytest.approx(70_123 / 16_000)


def test_a_recording_of_another_rate_is_resampled_whole(
    tmp_path: Path, classifier: LiteRTClassifier
) -> None:
    samples = noise(2 * 44_100)
    expected = batch(soxr.resample(samples, 44_100, 16_000, quality="HQ"), classifier, Params())
    frames = list(Recording(written(tmp_path, samples, 44_100), classifier, Params()).frames())
    assert np.array_equal(np.stack([frame.scores for frame in frames]), expected)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_a_recording_read_in_many_blocks_gives_what_one_block_gives(
    rate_hz: int,
    tmp_path: Path,
    classifier: LiteRTClassifier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = written(tmp_path, noise(3 * rate_hz + 17), rate_hz)
    results: list[list[Frame]] = []
    for block_seconds in (10.0, 0.013):
        monkeypatch.setattr("livetag.classify._BLOCK_SECONDS", block_seconds)
        results.append(list(Recording(path, classifier, Params()).frames()))
    assert len(results[0]) == 6
    for one, many in zip(*results, strict=True):
        assert one.start_s == many.start_s
        assert np.array_equal(one.scores, many.scores)


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (15_599, 1), (15_600, 1), (15_601, 2), (23_280, 2), (23_281, 3)]
)
def test_a_recording_is_padded_to_whole_frames(
    samples: int, frames: int, tmp_path: Path, fake_classifier: FakeClassifier
) -> None:
    clip = Recording(written(tmp_path, noise(samples)), fake_classifier, Params()).clip()
    assert clip.frames == frames == fake_classifier.patches


def test_a_recording_of_one_sample_is_a_frame_at_any_rate(
    tmp_path: Path, fake_classifier: FakeClassifier
) -> None:
    """At 48 kHz a sample is a third of one at 16 kHz."""
    for rate_hz in (8_000, 48_000, 192_000):
        clip = Recording(written(tmp_path, noise(1), rate_hz), fake_classifier, Params()).clip()
        assert clip.frames == 1
        assert np.isfinite(clip.mean_scores).all()


def test_a_recording_without_samples_is_an_input_error(
    tmp_path: Path, fake_classifier: FakeClassifier
) -> None:
    path = written(tmp_path, noise(0))
    assert path.stat().st_size >= struct.calcsize("12s8s")  # it has a header
    with pytest.raises(InputError, match=r"sound\.wav holds no sound"):
        Recording(path, fake_classifier, Params()).clip()


def test_a_clip_is_whole_even_where_only_some_frames_were_asked_for(
    tmp_path: Path, fake_classifier: FakeClassifier
) -> None:
    recording = Recording(written(tmp_path, noise(48_000)), fake_classifier, Params())
    frames = recording.frames()
    next(frames)
    next(frames)
    clip = recording.clip()
    assert clip.frames == 6
    assert clip.seconds == 3.0
    assert clip.mean_scores.max() == 1.0  # as in each frame


def test_a_clip_after_all_frames_reads_nothing_again(
    tmp_path: Path, fake_classifier: FakeClassifier
) -> None:
    recording = Recording(written(tmp_path, noise(48_000)), fake_classifier, Params())
    frames = list(recording.frames())
    assert recording.clip().frames == len(frames) == fake_classifier.patches


def test_the_top_classes_are_the_highest_first_and_ties_in_order() -> None:
    mean = np.zeros(521, np.float32)
    mean[[7, 3, 500]] = 0.5, 0.9, 0.5
    assert Clip(1.0, 1, mean).top(4) == [3, 7, 500, 0]
