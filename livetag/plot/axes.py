"""Where a picture's axes have marks, and what stands there."""

import math

import numpy as np

from livetag.yamnet.features import hz_to_mel
from livetag.yamnet.params import Params

_FREQUENCIES_HZ = (250, 500, 1_000, 2_000, 4_000)
SHORT_S = 0.1
"""A shorter recording's time is told in more decimals."""
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_STEPS_S = (
    *(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3),
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(_MINUTE_S * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(_HOUR_S * hours for hours in (1, 2, 3, 6, 12)),
)


def time_marks(seconds: float, most: int) -> list[tuple[float, str]]:
    """Places on a time axis of some seconds, `most` and the one at 0 at the most."""
    wanted = seconds / max(1, most)
    days = _DAY_S * math.ceil(wanted / _DAY_S)
    step = next((step for step in _STEPS_S if step >= wanted), days)
    return [(at * step, clock(at * step, seconds)) for at in range(int(seconds / step) + 1)]


def clock(at_s: float, seconds: float, places: int = 0) -> str:
    """A place in a recording of some seconds: `0.06 ms`, `2.5 s`, `1:05`, `1:02:05`."""
    if seconds < SHORT_S:
        return f"{at_s * 1e3:.3g} ms"
    if seconds < _MINUTE_S:
        return f"{round(at_s, 2):g} s"
    minutes, rest = divmod(round(at_s, places), _MINUTE_S)
    text = f"{rest:0{places + 3 if places else 2}.{places}f}"
    if seconds < _HOUR_S:
        return f"{minutes:.0f}:{text}"
    return f"{minutes // 60:.0f}:{minutes % 60:02.0f}:{text}"


def frequency_marks(params: Params) -> list[tuple[float, str]]:
    """Places on an axis of mel bands, the middle of the lowest being 0, with their frequencies."""
    low, high = hz_to_mel(np.array([params.mel_min_hz, params.mel_max_hz]))
    bands = (hz_to_mel(np.array(_FREQUENCIES_HZ, float)) - low) / (high - low)
    places = bands * (params.mel_bands + 1) - 1
    return [
        (float(place), f"{hz / 1_000:g} kHz" if hz >= 1_000 else f"{hz} Hz")
        for place, hz in zip(places, _FREQUENCIES_HZ, strict=True)
    ]


def frequency_names(params: Params, lines: int) -> list[str]:
    """What stands beside each line of a spectrogram of so many, the highest frequency first."""
    names = [""] * lines
    for band, text in frequency_marks(params):
        names[lines - 1 - int((band + 0.5) * lines / params.mel_bands)] = text
    return names


def band_centres_hz(params: Params) -> list[float]:
    """The frequency in the middle of each mel band."""
    low, high = hz_to_mel(np.array([params.mel_min_hz, params.mel_max_hz]))
    mels = np.linspace(low, high, params.mel_bands + 2)[1:-1]
    hertz: list[float] = (700.0 * np.expm1(mels / 1127.0)).tolist()
    return hertz
