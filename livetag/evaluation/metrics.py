"""How well scores tell classes apart: numbers from truth and scores, and nothing else.

The only room that imports scikit-learn. The definitions are those by which YAMNet was measured
(tensorflow/models, research/audioset/yamnet, README.md: "the balanced average d-prime is 2.318,
balanced mAP is 0.306, and the balanced average lwlrap is 0.393"). Balanced: the mean over the
classes, each of the same weight.

- AUC: the area under the receiver operating characteristic; a tie counts half.
- d-prime: sqrt(2) times the AUC's quantile of the normal distribution (S. Hershey et al., "CNN
  architectures for large-scale audio classification", ICASSP 2017). Infinite for an AUC of 1 or 0.
- Average precision: the mean over the positives of the precision down to each, not interpolated.
- lwlrap, label-weighted label-ranking average precision (E. Fonseca et al., "Audio tagging with
  noisy labels and minimal supervision", DCASE 2019, whose metric is D. Ellis's): for each label of
  a clip, the share of the clip's own labels among the classes that score as high or higher. A
  class's lwlrap is the mean over the clips that have it; the overall one, over all labels.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isnan, nan, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from livetag.errors import not_installed

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """How well one class is told from the rest; None where it cannot be said.

    Without positives there is nothing to measure, and without negatives nothing to tell apart: then
    the lwlrap alone, which ranks the classes of one clip, is left.
    """

    positives: int
    negatives: int
    auc: float | None = None
    d_prime: float | None = None
    average_precision: float | None = None
    lwlrap: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The averages over the classes that have a value; None where none has.

    `mean_*` are the balanced ones. `accuracy`: of clips with one label each, the share whose label
    has a higher score than every other class; None where clips have more labels, or none.
    """

    clips: int
    classes: int
    without_positives: int
    without_negatives: int
    infinite: int
    """Classes with an AUC of 1 or 0, whose d-prime is infinite, and so the mean's."""
    mean_d_prime: float | None
    d_prime_of_mean_auc: float | None
    mean_auc: float | None
    mean_average_precision: float | None
    mean_lwlrap: float | None
    lwlrap: float | None
    accuracy: float | None


def check_installed() -> None:
    """Raise `UsageError` where scikit-learn is missing: before the work that it is needed after."""
    try:
        import sklearn.metrics  # noqa: F401
    except ModuleNotFoundError as error:
        raise not_installed("evaluate needs scikit-learn", "evaluate") from error


def measure(truth: BoolArray, scores: FloatArray) -> list[ClassMetrics]:
    """Each class's metrics, of truth bool[clips, classes] and scores float32[clips, classes]."""
    lwlraps = label_precision_sums(truth, scores) / np.maximum(1, truth.sum(axis=0))
    return [
        _class_metrics(truth[:, column], scores[:, column], float(lwlrap))
        for column, lwlrap in enumerate(lwlraps)
    ]


def _class_metrics(truth: BoolArray, scores: FloatArray, lwlrap: float) -> ClassMetrics:
    from sklearn.metrics import average_precision_score, roc_auc_score

    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives:
        return ClassMetrics(positives, negatives)
    if not negatives:
        return ClassMetrics(positives, negatives, lwlrap=lwlrap)
    auc = float(roc_auc_score(truth, scores))
    average_precision = float(average_precision_score(truth, scores))
    return ClassMetrics(positives, negatives, auc, d_prime(auc), average_precision, lwlrap)


def summarize(truth: BoolArray, scores: FloatArray, classes: list[ClassMetrics]) -> Summary:
    """What is true of all classes; `classes` are those of `measure`."""
    mean_auc = _mean(one.auc for one in classes)
    lwlraps = [(one.lwlrap, one.positives) for one in classes if one.lwlrap is not None]
    labels = sum(positives for _, positives in lwlraps)
    return Summary(
        clips=len(truth),
        classes=len(classes),
        without_positives=sum(not one.positives for one in classes),
        without_negatives=sum(not one.negatives for one in classes),
        infinite=sum(one.auc in {0.0, 1.0} for one in classes),
        mean_d_prime=_mean(one.d_prime for one in classes),
        d_prime_of_mean_auc=None if mean_auc is None else d_prime(mean_auc),
        mean_auc=mean_auc,
        mean_average_precision=_mean(one.average_precision for one in classes),
        mean_lwlrap=_mean(one.lwlrap for one in classes),
        lwlrap=sum(value * n for value, n in lwlraps) / labels if labels else None,
        accuracy=accuracy(truth, scores),
    )


def d_prime(auc: float) -> float:
    """The separation, in standard deviations, of two normal distributions with this AUC."""
    if auc in {0.0, 1.0}:
        return inf if auc else -inf
    return sqrt(2.0) * NormalDist().inv_cdf(auc)


def label_precision_sums(truth: BoolArray, scores: FloatArray) -> npt.NDArray[np.float64]:
    """The lwlrap's precisions, float64[classes]: each class's, added up over its clips.

    As scikit-learn's `label_ranking_average_precision_score` counts, which gives no value for each
    class: a class that scores the same is taken to rank before, so that ties win nothing.
    """
    sums = np.zeros(truth.shape[1])
    for labels, clip_scores in zip(truth, scores, strict=True):
        own = clip_scores[labels]
        hits = (own >= own[:, np.newaxis]).sum(axis=1)
        ranks = (clip_scores >= own[:, np.newaxis]).sum(axis=1)
        sums[labels] += hits / ranks
    return sums


def accuracy(truth: BoolArray, scores: FloatArray) -> float | None:
    """Of clips with one label each, the share whose label alone scores highest; None otherwise."""
    if not len(truth) or truth.shape[1] < 2 or not (truth.sum(axis=1) == 1).all():
        return None
    others = np.where(truth, -np.inf, scores).max(axis=1)
    return float((scores[truth] > others).mean())


def _mean(values: Iterable[float | None]) -> float | None:
    """None, too, where both infinities are among them."""
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else nan
    return None if isnan(mean) else mean
