"""Labelled recordings with their scores: what metrics are computed from."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from livetag.classify import Clip
from livetag.errors import InputError, UsageError
from livetag.evaluation.categories import Categories
from livetag.evaluation.labelled import LabelledClip, LabelledSet
from livetag.evaluation.metrics import BoolArray, FloatArray
from livetag.text import counted

_LONGER_SECONDS = 1.0
_MOST_TOLD = 5
_MOST_MIDS = 6  # AudioSet has so many


@dataclass(frozen=True, slots=True)
class Scored:
    """Truth bool[clips, categories] and scores float32[clips, categories] of what could be read.

    A clip's scores are the mean over its frames.
    """

    truth: BoolArray
    scores: FloatArray
    failures: list[str]
    """Why recordings could not be read; they are in neither array."""
    longer: int
    """Recordings a second longer than they should be, or more: taken whole all the same."""


class Truth:
    """Which categories a label means, looked up once for each label."""

    def __init__(self, clips: Iterable[LabelledClip], categories: Categories) -> None:
        """Raises `UsageError` where there are labels that name no category."""
        self._categories = len(categories)
        self._rows: dict[str, int | None] = {}
        errors: list[str] = []
        for label in dict.fromkeys(label for clip in clips for label in clip.labels):
            try:
                self._rows[label] = categories.row(label)
            except UsageError as error:
                errors.append("..." if len(errors) == _MOST_TOLD else str(error))
            if len(errors) > _MOST_TOLD:
                break
        if errors:
            told = "".join(f"\n  {error}" for error in errors)
            raise UsageError(f"labels that are not known; {categories.advice}:{told}")

    @property
    def left_out(self) -> list[str]:
        """Mids that are no classes of YAMNet's."""
        return [label for label, row in self._rows.items() if row is None]

    def of(self, clip: LabelledClip) -> BoolArray:
        """Which categories are true of a clip, bool[categories]."""
        truth = np.zeros(self._categories, np.bool_)
        truth[[row for label in clip.labels if (row := self._rows[label]) is not None]] = True
        return truth


def score(
    clips: list[LabelledClip],
    truth: Truth,
    categories: Categories,
    results: Iterable[Clip | InputError],
    on_clip: Callable[[], None],
) -> Scored:
    """Put together the clips and what classifying each gave, in the same order.

    `on_clip` is called after each. Raises `InputError` where no recording could be read.
    """
    truths, scores, failures, longer = [], [], [], 0
    for clip, result in zip(clips, results, strict=True):
        if isinstance(result, InputError):
            failures.append(str(result))
        else:
            truths.append(truth.of(clip))
            scores.append(categories.scores(result.mean_scores))
            longer += clip.seconds is not None and result.seconds > clip.seconds + _LONGER_SECONDS
        on_clip()
    if not scores:
        raise InputError("\n".join(["no recording could be read:", *failures[:_MOST_TOLD]]))
    return Scored(np.stack(truths), np.stack(scores), failures, longer)


def notes(found: LabelledSet, truth: Truth, scored: Scored) -> Iterator[str]:
    """What is not in the numbers, and why, each in a line."""
    if found.missing:
        listed = len(found.clips) + found.missing
        yield f"{found.missing:,} of {listed:,} listed segments are not in the folder of --audio"
    if truth.left_out:
        mids = sorted(truth.left_out)
        more = ", ..." if len(mids) > _MOST_MIDS else ""
        yield f"left out, as no classes of YAMNet's: {', '.join(mids[:_MOST_MIDS])}{more}"
    if scored.longer:
        longer = counted(scored.longer, "recording")
        yield f"longer than the listed segment, and taken whole: {longer}"
    yield from scored.failures
    if scored.failures:
        yield f"not counted, as it cannot be read: {counted(len(scored.failures), 'recording')}"
