"""An event that goes on: what its windows add up to."""

import math
from dataclasses import dataclass

from livetag.events import EventEnd, EventStart


@dataclass(slots=True)
class OpenEvent:
    """An event that goes on. `first_s` and `last_s` are the starts of its first and last window.

    `alerted`: the user was told of it. `paused_...`: of the windows since the last that met the
    release, which are the event's if it goes on after them.
    """

    start: EventStart
    first_s: float
    last_s: float = 0.0
    peak_score: float = 0.0
    score_sum: float = 0.0
    windows: int = 0
    level_dbfs: float = -math.inf
    alerted: bool = False
    paused_sum: float = 0.0
    paused_windows: int = 0
    paused_level_dbfs: float = -math.inf

    def go_on(self, start_s: float, score: float, level_dbfs: float) -> None:
        """Count a window, and those of the pause before it."""
        self.last_s = start_s
        self.peak_score = max(self.peak_score, score)
        self.score_sum += score + self.paused_sum
        self.windows += 1 + self.paused_windows
        self.level_dbfs = max(self.level_dbfs, level_dbfs, self.paused_level_dbfs)
        self.paused_sum, self.paused_windows, self.paused_level_dbfs = 0.0, 0, -math.inf

    def pause(self, score: float, level_dbfs: float) -> None:
        """Note a window that counts if the event goes on after it."""
        self.paused_sum += score
        self.paused_windows += 1
        self.paused_level_dbfs = max(self.paused_level_dbfs, level_dbfs)

    def end(self, end_s: float) -> EventEnd:
        """The event as it has been. It is dated from its start: the clock may have been set since.

        A pause at its end is no part of it.
        """
        start = self.start
        return EventEnd(
            start=start,
            end_time=start.time + (end_s - start.start_s),
            end_s=end_s,
            peak_score=self.peak_score,
            mean_score=self.score_sum / self.windows,
            windows=self.windows,
            level_dbfs=self.level_dbfs,
            alert=self.alerted,
        )
