"""The hyperparameters: the published values, what follows from them, and which hops are taken."""

import dataclasses
import math

import pytest

from livetag.errors import UsageError
from livetag.yamnet.params import Params

PUBLISHED = {  # tensorflow/models, research/audioset/yamnet/params.py
    "sample_rate_hz": 16_000,
    "stft_window_seconds": 0.025,
    "stft_hop_seconds": 0.010,
    "mel_bands": 64,
    "mel_min_hz": 125.0,
    "mel_max_hz": 7_500.0,
    "log_offset": 0.001,
    "patch_window_seconds": 0.96,
    "patch_hop_seconds": 0.48,
    "num_classes": 521,
    "conv_padding": "same",
    "batchnorm_center": True,
    "batchnorm_scale": False,
    "batchnorm_epsilon": 1e-4,
    "classifier_activation": "sigmoid",
}


def test_the_values_are_the_published_ones(params: Params) -> None:
    assert dataclasses.asdict(params) == PUBLISHED


def test_lengths_in_samples_and_frames_follow_from_the_values(params: Params) -> None:
    assert params.stft_window_samples == 400
    assert params.stft_hop_samples == 160
    assert params.fft_length == 512
    assert params.patch_frames == 96
    assert params.patch_hop_frames == 48
    assert params.patch_hop_samples == 7_680
    assert params.window_samples == 15_600
    assert params.window_seconds == 0.975


def test_a_window_power_of_two_long_is_its_own_fft_length() -> None:
    assert Params(stft_window_seconds=0.032).fft_length == 512


@pytest.mark.parametrize(
    ("hop_seconds", "samples"),
    [(0.01, 160), (0.07, 1_120), (0.29, 4_640), (0.48, 7_680), (0.96, 15_360), (2.0, 32_000)],
)
def test_a_multiple_of_the_stft_hop_is_taken_exactly(hop_seconds: float, samples: int) -> None:
    assert Params(patch_hop_seconds=hop_seconds).patch_hop_samples == samples


@pytest.mark.parametrize(
    "hop_seconds", [0.015, 0.005, 0.0, -0.48, 0.4801, math.nan, math.inf, -math.inf]
)
def test_any_other_hop_is_refused_and_never_rounded(hop_seconds: float) -> None:
    with pytest.raises(UsageError, match=r"multiple of 0\.01 s") as caught:
        Params(patch_hop_seconds=hop_seconds)
    assert str(hop_seconds) in str(caught.value)


def test_params_cannot_change_once_they_are_checked(params: Params) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        params.patch_hop_seconds = 0.015  # type: ignore[misc]
