"""The classifier: what goes through the network in batches gives the same bits as one by one."""

from collections.abc import Iterator

import numpy as np
import pytest

from livetag.errors import ModelError
from livetag.events import FloatArray
from livetag.yamnet.classifier import BATCH_PATCHES, LiteRTClassifier, predicted


def some_patches(count: int) -> FloatArray:
    """float32[count, 96, 64]: noise as loud as log-mel patches are, seeded."""
    random = np.random.default_rng(20_261_125)
    return random.normal(-3.0, 2.0, (count, 96, 64)).astype(np.float32)


@pytest.mark.parametrize("count", [0, 1, BATCH_PATCHES - 1, BATCH_PATCHES, 2 * BATCH_PATCHES + 3])
def test_many_patches_have_the_bits_of_each_alone(count: int, classifier: LiteRTClassifier) -> None:
    patches = some_patches(count)
    found = classifier.many(list(patches))
    assert len(found) == count
    for (scores, embedding), patch in zip(found, patches, strict=True):
        alone = classifier(patch)
        assert np.array_equal(scores, alone.scores)
        assert np.array_equal(embedding, alone.embedding)


def test_batches_keep_the_order_and_wait_for_no_more_patches_than_they_hold(
    classifier: LiteRTClassifier,
) -> None:
    patches = some_patches(BATCH_PATCHES + 2)
    taken: list[int] = []

    def numbered_patches() -> Iterator[tuple[int, FloatArray]]:
        for at, patch in enumerate(patches):
            taken.append(at)
            yield 160 * at, patch

    found = predicted(classifier, numbered_patches())
    first_sample, (scores, _) = next(found)
    assert first_sample == 0
    assert len(taken) == BATCH_PATCHES
    assert np.array_equal(scores, classifier(patches[0]).scores)
    assert [first for first, _ in found] == [160 * at for at in range(1, len(patches))]


def test_a_batch_that_cannot_run_is_an_error(
    classifier: LiteRTClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = list(some_patches(BATCH_PATCHES))
    classifier.many(patches)

    def invoke() -> None:
        raise RuntimeError("node 7 failed to invoke")

    network = classifier._networks[BATCH_PATCHES]
    monkeypatch.setattr(network._interpreter, "invoke", invoke)
    with pytest.raises(ModelError, match="cannot run: node 7"):
        classifier.many(patches)
    assert classifier(patches[0]).scores.shape == (521,)
