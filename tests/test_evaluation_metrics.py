"""Metrics against implementations of their own, on random scores with and without ties."""

from math import inf, isclose

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import label_ranking_average_precision_score

from livetag.evaluation.metrics import (
    BoolArray,
    ClassMetrics,
    FloatArray,
    Summary,
    accuracy,
    d_prime,
    measure,
    summarize,
)

Table = tuple[BoolArray, FloatArray]


def table(seed: int, clips: int, classes: int, levels: int | None) -> Table:
    """Truth and scores; `levels`: of so many values alone, so that there are ties."""
    random = np.random.default_rng(seed)
    truth = random.random((clips, classes)) < random.uniform(0.05, 0.6, classes)
    scores = random.random((clips, classes)) + 0.3 * truth
    if levels is not None:
        scores = np.round(scores * levels) / levels
    return truth, scores.astype(np.float32)


tables = st.builds(
    table,
    seed=st.integers(0, 2**32 - 1),
    clips=st.integers(1, 40),
    classes=st.integers(1, 8),
    levels=st.sampled_from([None, 1, 3, 10]),
)


def auc_by_pairs(truth: BoolArray, scores: FloatArray) -> float:
    """How often a positive scores higher than a negative; a tie counts half."""
    wins = [
        1.0 if positive > negative else 0.5 if positive == negative else 0.0
        for positive in scores[truth]
        for negative in scores[~truth]
    ]
    return sum(wins) / len(wins)


def precision_by_thresholds(truth: BoolArray, scores: FloatArray) -> float:
    """The mean over the positives of the precision with each one's score as the threshold."""
    precisions = [truth[scores >= score].mean() for score in scores[truth]]
    return float(np.mean(precisions))


def lwlrap_by_retrieval(truth: BoolArray, scores: FloatArray) -> list[float | None]:
    """By lists, each cut after a label; what scores the same is retrieved with it."""
    precisions: list[list[float]] = [[] for _ in range(truth.shape[1])]
    for labels, clip in zip(truth, scores, strict=True):
        for label in np.flatnonzero(labels):
            retrieved = [other for other in range(len(clip)) if clip[other] >= clip[label]]
            right = [other for other in retrieved if labels[other]]
            precisions[label].append(len(right) / len(retrieved))
    return [sum(own) / len(own) if own else None for own in precisions]


def near(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(tables)
def test_each_class_agrees_with_implementations_of_other_kinds(data: Table) -> None:
    truth, scores = data
    lwlraps = lwlrap_by_retrieval(truth, scores)
    for column, found in enumerate(measure(truth, scores)):
        own, own_scores = truth[:, column], scores[:, column]
        assert (found.positives, found.negatives) == (own.sum(), (~own).sum())
        assert near(found.lwlrap, lwlraps[column])
        if own.all() or not own.any():
            assert (found.auc, found.d_prime, found.average_precision) == (None, None, None)
        else:
            auc = auc_by_pairs(own, own_scores)
            assert near(found.auc, auc)
            assert found.average_precision == pytest.approx(
                precision_by_thresholds(own, own_scores)
            )
            assert found.d_prime == pytest.approx(np.sqrt(2.0) * norm.ppf(auc), abs=1e-9)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(tables)
def test_the_lwlrap_of_all_labels_is_scikit_learns_with_clips_weighted_by_their_labels(
    data: Table,
) -> None:
    truth, scores = data
    labels = truth.sum(axis=1)
    found = summary(truth, scores).lwlrap
    if not labels.any():
        assert found is None
        return
    labelled = labels > 0  # which it does not leave out by itself
    expected = label_ranking_average_precision_score(
        truth[labelled], scores[labelled], sample_weight=labels[labelled]
    )
    assert found == pytest.approx(expected)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(tables)
def test_balanced_is_the_mean_over_the_classes_that_have_a_value(data: Table) -> None:
    truth, scores = data
    classes, found = measure(truth, scores), summary(truth, scores)
    for name, value in (
        ("auc", found.mean_auc),
        ("average_precision", found.mean_average_precision),
        ("lwlrap", found.mean_lwlrap),
    ):
        known = [getattr(one, name) for one in classes if getattr(one, name) is not None]
        assert near(value, float(np.mean(known)) if known else None)
    if found.mean_auc is not None:
        assert found.d_prime_of_mean_auc == d_prime(found.mean_auc)


def summary(truth: BoolArray, scores: FloatArray) -> Summary:
    return summarize(truth, scores, measure(truth, scores))


def columns(*own: tuple[list[int], list[float]]) -> Table:
    """A table by its columns: what is true, and the scores."""
    truth = np.array([column for column, _ in own], np.bool_).T
    return truth, np.array([column for _, column in own], np.float32).T


def test_values_worked_out_by_hand() -> None:
    """Of two positives, one is first and one third of four: three of four pairs are right."""
    truth, scores = columns(([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]))
    (found,) = measure(truth, scores)
    assert found.auc == pytest.approx(3 / 4)
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert found.d_prime == pytest.approx(np.sqrt(2) * 0.6744897501960817)


def test_chance_has_a_d_prime_of_zero_and_yamnets_published_one_is_an_auc_of_0_949() -> None:
    assert d_prime(0.5) == 0.0
    assert norm.cdf(2.318 / np.sqrt(2.0)) == pytest.approx(0.9494, abs=1e-4)
    assert d_prime(float(norm.cdf(2.318 / np.sqrt(2.0)))) == pytest.approx(2.318)


def test_a_class_without_positives_is_in_no_average_and_counted() -> None:
    truth, scores = columns(([1, 0, 0], [0.2, 0.9, 0.1]), ([0, 0, 0], [0.5, 0.5, 0.5]))
    first, second = measure(truth, scores)
    assert second == ClassMetrics(0, 3)
    found = summary(truth, scores)
    assert (found.classes, found.without_positives, found.without_negatives) == (2, 1, 0)
    assert found.mean_auc == first.auc == pytest.approx(0.5)
    assert found.mean_average_precision == first.average_precision
    assert found.mean_lwlrap == found.lwlrap == pytest.approx(0.5)


def test_a_class_without_negatives_has_a_lwlrap_alone() -> None:
    truth, scores = columns(([1, 1], [0.9, 0.1]), ([1, 0], [0.5, 0.5]))
    first, second = measure(truth, scores)
    assert first == ClassMetrics(2, 0, lwlrap=(1 + 1 / 2) / 2)
    found = summary(truth, scores)
    assert (found.without_negatives, found.mean_auc) == (1, second.auc)


def test_one_class_in_every_recording_leaves_nothing_to_tell_apart() -> None:
    truth, scores = columns(([1, 1], [0.9, 0.1]))
    found = summary(truth, scores)
    assert (found.mean_auc, found.mean_d_prime, found.d_prime_of_mean_auc) == (None, None, None)
    assert (found.mean_average_precision, found.accuracy, found.lwlrap) == (None, None, 1.0)


def test_what_is_told_apart_perfectly_has_an_infinite_d_prime_and_so_has_the_mean() -> None:
    truth, scores = columns(
        ([1, 0, 0], [0.9, 0.1, 0.2]), ([0, 1, 1], [0.5, 0.4, 0.6]), ([0, 1, 0], [0.1, 0.3, 0.2])
    )
    assert [one.d_prime for one in measure(truth, scores)] == [inf, 0.0, inf]
    found = summary(truth, scores)
    assert (found.mean_d_prime, found.infinite) == (inf, 2)
    assert found.mean_auc == pytest.approx(5 / 6)
    assert found.d_prime_of_mean_auc == pytest.approx(d_prime(5 / 6))


def test_infinities_of_both_signs_have_no_mean() -> None:
    truth, scores = columns(([1, 0], [0.9, 0.1]), ([1, 0], [0.1, 0.9]))
    found = summary(truth, scores)
    assert (found.mean_d_prime, found.infinite, found.d_prime_of_mean_auc) == (None, 2, 0.0)


def test_ties_win_nothing() -> None:
    truth, scores = columns(([1, 0], [0.5, 0.5]), ([0, 1], [0.5, 0.5]))
    first, _ = measure(truth, scores)
    assert (first.auc, first.average_precision, first.lwlrap) == (0.5, 0.5, 0.5)
    assert accuracy(truth, scores) == 0.0


def test_accuracy_is_of_the_highest_score() -> None:
    truth, scores = columns(
        ([1, 1, 0, 0], [0.9, 0.2, 0.4, 0.1]), ([0, 0, 1, 1], [0.1, 0.3, 0.5, 0.2])
    )
    assert accuracy(truth, scores) == 0.75


@pytest.mark.parametrize("clip", [[1, 1], [0, 0]], ids=["two labels", "no label"])
def test_there_is_no_accuracy_unless_each_recording_has_one_label(clip: list[int]) -> None:
    truth = np.array([[1, 0], [0, 1], clip], np.bool_)
    assert accuracy(truth, np.zeros((3, 2), np.float32)) is None


def test_a_recording_without_labels_counts_as_a_negative_of_each_class() -> None:
    truth, scores = columns(([1, 0, 0], [0.5, 0.1, 0.9]))
    assert measure(truth, scores)[0].auc == 0.5
    assert measure(truth[:2], scores[:2])[0].auc == 1.0
