"""Sounds that a network is tried on before it is kept: none is a recording, all are hard for it."""

import numpy as np
import numpy.typing as npt

from livetag.yamnet.params import Params

_SECONDS = 3


def trial_sounds(params: Params) -> list[npt.NDArray[np.float32]]:
    """Silence, noise, a sine at full scale, and clicks: float32[n] each, at 16 kHz."""
    time_s = np.arange(_SECONDS * params.sample_rate_hz) / params.sample_rate_hz
    random = np.random.default_rng(0)
    sounds = (
        np.zeros_like(time_s),
        random.uniform(-1.0, 1.0, time_s.shape),
        np.sin(2 * np.pi * 440.0 * time_s),
        (np.arange(len(time_s)) % 8_000 == 0) * 0.5,
    )
    return [sound.astype(np.float32) for sound in sounds]
