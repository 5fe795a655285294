"""How far an export, or what livetag runs itself, is from the Keras network on its own features."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from livetag.errors import LivetagError
from livetag.sources.demo import demo_chunks
from livetag.yamnet.export_graph import Outputs
from livetag.yamnet.export_plan import Plan, Precision
from livetag.yamnet.features import FloatArray, log_mel_spectrogram, padding, patches
from livetag.yamnet.params import Params
from livetag.yamnet.trial_sounds import trial_sounds

Measure = Literal["largest", "mean"]


@dataclass(frozen=True)
class Bounds:
    """How far each output may be off. `measure`: in any row, or in the mean over rows."""

    predictions: float
    embeddings: float
    log_mel_spectrogram: float
    measure: Measure = "largest"


_EXACT = Bounds(1e-4, 1e-4, 1e-4)
"""As for the model that livetag runs itself. Measured: at most 2e-5."""
_OTHER_TRANSFORM = Bounds(1e-4, 5e-3, 1e-2)
"""LiteRT transforms in float64, ONNX by a matrix: below a loud pure tone the empty mel bands hold
rounding errors of the reference's own transform, which neither of them makes. Measured, for a sine
at full scale: predictions 6e-5, embeddings 1.4e-3, log-mel 2.7e-3."""
# Measured: float16 0.008, 0.03 and 0.003; int8 0.08 (0.15 calibrated on rain), 1.9 and 0.0001, on
# single windows up to 0.8. With the converter's usual ranges, up to the largest value, predictions
# in int8 are off by 0.21 in the mean on ESC-10, and by 0.65 where it is calibrated on that.
_BY_PRECISION: dict[Precision, Bounds] = {
    "float16": Bounds(2e-2, 1e-1, 1e-2),
    "int8": Bounds(0.2, 3.0, 1e-2, "mean"),
}


@dataclass(frozen=True)
class Difference:
    """Of one output: the largest in any row, and the mean of each row's largest.

    A row is a window's scores or embedding, or a frame of log-mel.
    """

    output: str
    largest: float
    mean: float
    bound: float
    measure: Measure

    @property
    def within(self) -> bool:
        """Whether it keeps to its bound, which nothing does that is no number."""
        return bool(getattr(self, self.measure) <= self.bound)

    def __str__(self) -> str:
        if self.measure == "largest":
            return f"by {self.largest:.1e} at most (bound: {self.bound:g})"
        return f"by {self.mean:.1e} in the mean (bound: {self.bound:g}), {self.largest:.1e} at most"


def too_far(differences: list[Difference]) -> str:
    """Which outputs are off by more than their bounds, in words; empty for none."""
    return "; ".join(f"{each.output} {each}" for each in differences if not each.within)


def bounds_of(plan: Plan) -> Bounds:
    """The bounds of an export."""
    if plan.precision in _BY_PRECISION:
        return _BY_PRECISION[plan.precision]
    own_transform = plan.input == "waveform" and plan.format != "savedmodel"
    return _OTHER_TRANSFORM if own_transform else _EXACT


def check_sounds(params: Params) -> Iterator[FloatArray]:
    """Yield the sounds of a check: the trial sounds, less than a window of noise, the demo."""
    trial = trial_sounds(params)
    yield from trial
    yield trial[1][: params.window_samples // 2]
    yield np.concatenate(list(demo_chunks()))


def compare(
    plan: Plan,
    export: Callable[[FloatArray], Outputs],
    model: Any,
    bounds: Bounds | None = None,
) -> list[Difference]:
    """What each output of an export differs by. Raises `LivetagError` for other outputs.

    `bounds`: the plan's, where no others are given.
    """
    params = Params()
    rows: dict[str, list[FloatArray]] = {}
    for sound in check_sounds(params):
        padded = np.concatenate((sound, np.zeros(padding(len(sound), params), np.float32)))
        log_mel = log_mel_spectrogram(padded, params)
        windows = patches(log_mel, params)
        predictions, embeddings = map(np.asarray, model(windows, training=False))
        expected = {"predictions": predictions, "embeddings": embeddings}
        if plan.input == "waveform":
            expected["log_mel_spectrogram"] = log_mel
        found = export(sound if plan.input == "waveform" else windows)
        shapes = {name: array.shape for name, array in found.items()}
        if shapes != {name: array.shape for name, array in expected.items()}:
            raise LivetagError(f"the export has other outputs than YAMNet: {shapes}")
        for name, array in expected.items():
            rows.setdefault(name, []).append(np.abs(found[name] - array).max(axis=1))
    bounds = bounds or bounds_of(plan)
    return [
        Difference(name, *_largest_and_mean(each), getattr(bounds, name), bounds.measure)
        for name, each in rows.items()
    ]


def _largest_and_mean(rows: list[FloatArray]) -> tuple[float, float]:
    joined = np.concatenate(rows)
    return float(joined.max()), float(joined.mean())
