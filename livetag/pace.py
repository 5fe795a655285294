"""How much is classified: by rule, less of it while analysis cannot keep up with the microphone.

What decides is how many seconds of captured audio wait to be analyzed, and nothing else: no clock,
no load of the machine. A recording's audio never waits, so it is never analyzed any differently.

Where too much waits, one step after another is taken, and each is given its time to help: first a
window every 2, 4, 8 ... hops is classified, as long as windows still cover all audio; then the
dashboard is drawn less often. When nothing has waited for a while, the last step is taken back. If
that was too early, the next try has to wait twice as long, so that a load that stays does not make
the pace go back and forth.

Seconds here are those of the newest audio captured: those of the stream at its source, which pass
as the clock's do, however slowly the stream is analyzed.
"""

import math
from dataclasses import dataclass

BEHIND_SECONDS = 3.0
"""With more audio waiting, something has to be done: what less load leaves is caught up unaided.

However little is analyzed then, all nine steps of the shortest hop are taken before 20 s wait; the
ring buffer holds 30 s.
"""
SETTLING_SECONDS = 2.0
"""After a step, so long passes until it is seen whether it helps: load comes in bursts."""
LEAST_CATCHING_UP = 0.25
"""A step helps where this much less waits after each second: the whole ring in two minutes."""
KEEPING_UP_SECONDS = 0.5
"""Analysis keeps up while no more waits: some blocks do, when others have their turn."""
CALM_SECONDS = 10.0
"""Analysis has to keep up for so long before a step is taken back, ..."""
LONGEST_CALM_SECONDS = 300.0
"""... twice as long after each one taken back too early, and so long at the most."""
TRIAL_SECONDS = 60.0
"""A step was not taken back too early if analysis then keeps up for so long."""
WIDEST_HOP_SECONDS = 0.96
"""Windows so far apart cover all audio: they are 0.975 s long."""
FRAME_FACTORS = 4, 16
"""The dashboard's frames, four a second, become one a second, then one in four seconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One window of `every` is classified; frames stay `frame_factor` times as long as usual."""

    every: int
    frame_factor: int = 1


def steps(hop_seconds: float) -> list[Step]:
    """The steps from the usual pace to the slowest one. Of wide hops, no window is left out."""
    widest = int(WIDEST_HOP_SECONDS / hop_seconds + 1e-6)
    found = [Step(1)]
    while found[-1].every < widest:
        found.append(Step(min(2 * found[-1].every, widest)))
    return found + [Step(found[-1].every, factor) for factor in FRAME_FACTORS]


class Pacing:
    """The step in force, and when another one is to be."""

    def __init__(self, hop_seconds: float) -> None:
        self._steps = steps(hop_seconds)
        self._at = 0
        self._look_at_s = -math.inf  # when it is seen whether the last step helps
        self._behind_then_s = 0.0  # how much waited when that was last seen
        self._calm_since_s = 0.0
        self._patience_s = CALM_SECONDS
        self._on_trial = False  # a step was taken back, and it is not certain that it was right

    @property
    def step(self) -> Step:
        return self._steps[self._at]

    @property
    def degraded(self) -> bool:
        return self._at > 0

    def update(self, newest_s: float, behind_s: float) -> bool:
        """Take how much audio waits, now that all up to `newest_s` is captured.

        Return whether another step is in force from now on.
        """
        if behind_s > KEEPING_UP_SECONDS:
            self._calm_since_s = newest_s
        if behind_s > BEHIND_SECONDS:
            return self._fall_back(newest_s, behind_s)
        self._behind_then_s = 0.0
        return self._recover(newest_s)

    def _fall_back(self, newest_s: float, behind_s: float) -> bool:
        if newest_s < self._look_at_s:
            return False
        caught_up_s = self._behind_then_s - behind_s
        self._look_at_s = newest_s + SETTLING_SECONDS
        self._behind_then_s = behind_s
        if caught_up_s >= LEAST_CATCHING_UP * SETTLING_SECONDS or self._at + 1 == len(self._steps):
            return False
        if self._on_trial:
            self._on_trial = False
            self._patience_s = min(2 * self._patience_s, LONGEST_CALM_SECONDS)
        self._at += 1
        return True

    def _recover(self, newest_s: float) -> bool:
        calm_s = newest_s - self._calm_since_s
        if self._on_trial and calm_s >= TRIAL_SECONDS:
            self._on_trial = False
            self._patience_s = CALM_SECONDS
        if self._at == 0 or calm_s < self._patience_s:
            return False
        self._at -= 1
        self._on_trial = True
        self._calm_since_s = newest_s
        return True
