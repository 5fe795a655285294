"""A recording's overview to draw: a bell for two seconds in a silence, without a model."""

import numpy as np

from livetag.events import FloatArray
from livetag.plot.overview import Overview, Row, chosen_rows, overview
from livetag.rules import Rules, resolve
from livetag.schema import Config
from livetag.sources.base import numbered
from livetag.yamnet.classifier import Classifier, Prediction
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

RATE_HZ = 16_000
SPEECH, DOORBELL = 0, 349


class Bell(Classifier):
    """A classifier that hears a doorbell in what is loud, and people talking faintly always."""

    def __call__(self, patch: FloatArray) -> Prediction:
        scores = np.zeros(521, np.float32)
        scores[SPEECH] = 0.1
        scores[DOORBELL] = 0.9 if float(patch.mean()) > -5.0 else 0.0
        return Prediction(scores, np.zeros(1024, np.float32))


def bell(seconds: float = 8.0, begin_s: float = 3.0) -> FloatArray:
    """float32[n]: a tone from `begin_s` on for two seconds, over silence."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(1).normal(0.0, 0.2, len(time_s))
    sounds = (time_s >= begin_s) & (time_s < begin_s + 2.0)
    return np.where(sounds, noise, 0.0).astype(np.float32)


def rules(*alerts: str, **values: object) -> Rules:
    return resolve(Config(alert=alerts, **values), class_map())  # type: ignore[arg-type]


def seen(samples: FloatArray, hop_seconds: float = 0.1, name: str = "bell.wav") -> Overview:
    blocks = numbered(samples[at : at + 1_283] for at in range(0, len(samples), 1_283))
    params = Params(patch_hop_seconds=hop_seconds)
    return overview(name, blocks, RATE_HZ, Bell(), rules("Doorbell=0.5"), params)


def drawn(
    samples: FloatArray, with_rules: bool = True, count: int = 3
) -> tuple[Overview, list[Row]]:
    """What a renderer is given."""
    there = seen(samples)
    return there, chosen_rows(there, rules("Doorbell=0.5"), count, with_rules)
