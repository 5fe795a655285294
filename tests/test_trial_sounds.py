"""The sounds that a network is tried on."""

import numpy as np

from livetag.yamnet.params import Params
from livetag.yamnet.trial_sounds import trial_sounds


def test_the_trial_sounds_are_silence_noise_a_sine_and_clicks(params: Params) -> None:
    silence, noise, sine, clicks = trial_sounds(params)
    for sound in (silence, noise, sine, clicks):
        assert sound.shape == (48_000,)
        assert sound.dtype == np.float32
        assert np.abs(sound).max() <= 1.0
    assert not silence.any()
    assert abs(float(noise.std()) - 1 / np.sqrt(3)) < 0.01
    assert np.abs(np.fft.rfft(sine)).argmax() == 3 * 440
    assert np.flatnonzero(clicks).tolist() == list(range(0, 48_000, 8_000))
