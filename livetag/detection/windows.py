"""The latest windows: as the rules see them, and which of them begin an event."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livetag.events import FloatArray
from livetag.rules import Rule, Rules, Succession

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Window:
    """One window: every class's score, float32[521], and what the rules make of it.

    `heard`: every rule's score; `values`: the same, 0 where it is too quiet; `met` and `going_on`:
    whether that met the threshold, and the release.
    """

    number: int
    start_s: float
    scores: FloatArray
    level_dbfs: float
    heard: FloatArray
    values: FloatArray
    met: BoolArray
    going_on: BoolArray

    def best_member(self, rule: Rule) -> int:
        """The class of a rule with the highest score."""
        return max(rule.members, key=lambda index: float(self.scores[index]))


class Windows:
    """The latest windows, as many as confirm an event of any rule."""

    def __init__(self, rules: Rules) -> None:
        self._recent: deque[Window] = deque()
        self._number = 0
        self._first_number = 1  # of the windows since nothing was heard
        self._spent: dict[int, int] = {}  # the last window of a rule's last event
        self._follow(rules)

    @property
    def latest(self) -> Window:
        return self._recent[-1]

    def push(self, start_s: float, scores: FloatArray, level_dbfs: float) -> Window:
        """Take the next window's scores, float32[521], and level."""
        self._number += 1
        window = self._judged(self._number, start_s, scores, level_dbfs)
        self._recent.append(window)
        return window

    def confirming(self, at: int) -> list[Window]:
        """The windows that a rule's event begins with, now that the latest met its threshold.

        None where too few met it, and the latest is not sure.
        """
        rule = self._rules[at]
        windows = self._unspent(at)
        met = [window for window in windows if window.met[at]]
        if len(met) < rule.confirm[0] and self.latest.values[at] < self._sure[at]:
            return []
        return [window for window in windows if window.number >= met[0].number]

    def met(self, at: int) -> int:
        """How many windows that may confirm a rule's next event met its threshold."""
        return sum(bool(window.met[at]) for window in self._unspent(at))

    def spend(self, at: int, *, but_the_latest: bool = False) -> None:
        """Let no window until now confirm a rule's next event: they were its last one's."""
        self._spent[at] = self._number - but_the_latest

    def is_first(self, window: Window) -> bool:
        """Whether nothing was heard just before it."""
        return window.number == self._first_number

    def clear(self) -> None:
        """Begin anew: what was heard until now does not go on."""
        self._recent.clear()
        self._first_number = self._number + 1

    def _unspent(self, at: int) -> list[Window]:
        """The windows that a rule's next event can be confirmed by, oldest first."""
        oldest = self._number - self._rules[at].confirm[1]
        after = max(oldest, self._spent.get(at, 0))
        return [window for window in self._recent if window.number > after]

    def adopt(self, change: Succession) -> None:
        """Go on by other rules, by which the windows until now are seen from now on, too."""
        self._spent = change.moved(self._spent)
        self._follow(change.after)

    def _follow(self, rules: Rules) -> None:
        self._rules = rules.all
        self._groups = [(at, list(rule.members)) for at, rule in enumerate(rules.all) if rule.group]
        self._thresholds = np.array([rule.threshold for rule in rules.all], np.float32)
        self._releases = np.array([rule.release for rule in rules.all], np.float32)
        self._sure = np.array([rule.sure for rule in rules.all], np.float32)
        self._least_levels = np.array([rule.min_level_dbfs for rule in rules.all])
        self._highest_least_level = float(self._least_levels.max())
        judged = (
            self._judged(old.number, old.start_s, old.scores, old.level_dbfs)
            for old in self._recent
        )
        self._recent = deque(judged, maxlen=rules.longest_confirmation)

    def _judged(self, number: int, start_s: float, scores: FloatArray, level_dbfs: float) -> Window:
        """A window as the rules in force see it."""
        heard = values = self._rule_scores(scores)
        if level_dbfs < self._highest_least_level:
            values = np.where(level_dbfs >= self._least_levels, heard, np.float32(0.0))
        met, going_on = values >= self._thresholds, values >= self._releases
        return Window(number, start_s, scores, level_dbfs, heard, values, met, going_on)

    def _rule_scores(self, scores: FloatArray) -> FloatArray:
        """Each rule's score: a class's own, a group's best."""
        found = np.empty(len(self._rules), np.float32)
        found[: len(scores)] = scores
        for at, members in self._groups:
            found[at] = scores[members].max()
        return found
