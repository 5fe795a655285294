"""Rules for tests of what decides: every value is set by the test, or out of the way."""

from typing import Any

import numpy as np

from livetag.events import FloatArray
from livetag.rules import Rules, resolve
from livetag.schema import convert
from livetag.yamnet.labels import class_map

ONE_WINDOW_EACH: dict[str, Any] = {
    "threshold": 0.5,
    "release": 0.5,
    "confirm": (1, 1),
    "sure": 1.0,
    "short": (),
    "short_threshold": 0.5,
    "hold_seconds": 1.0,
    "max_seconds": 1_000.0,
    "cooldown_seconds": 0.0,
    "alert": (),
}
"""What is set where a test says nothing else: all but the hold is out of the way."""


def rules_of(**values: Any) -> Rules:
    """The rules of a configuration with these values."""
    return resolve(convert(ONE_WINDOW_EACH | values, "the test"), class_map())


def place_of(rules: Rules, name: str) -> int:
    """Where the rule of a class or a group stands."""
    for at, rule in enumerate(rules.all):
        if name == rule.group:
            return at
    return class_map().find(name).index


def scores_of(**by_name: float) -> FloatArray:
    """One window's scores, float32[521]: these, and 0 for the rest."""
    scores = np.zeros(521, np.float32)
    for name, score in by_name.items():
        scores[class_map().find(name).index] = score
    return scores
