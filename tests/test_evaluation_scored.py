"""Labels and recordings put together: what counts, what is left out, and what is said of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livetag.classify import Clip
from livetag.errors import InputError, UsageError
from livetag.evaluation.categories import YamnetClasses
from livetag.evaluation.labelled import LabelledClip, LabelledSet
from livetag.evaluation.scored import Scored, Truth, notes, score
from livetag.yamnet.labels import ClassMap


def clip(index: int, seconds: float = 10.0) -> Clip:
    """A recording in which one class scores 1."""
    return Clip(seconds, 1, np.eye(521, dtype=np.float32)[index])


def labelled(*labels: str, seconds: float | None = None) -> LabelledClip:
    return LabelledClip(Path("a.wav"), labels, seconds)


@pytest.fixture
def classes(labels: ClassMap) -> YamnetClasses:
    return YamnetClasses(labels)


def scored(
    clips: list[LabelledClip], classes: YamnetClasses, *results: Clip | InputError
) -> Scored:
    return score(clips, Truth(clips, classes), classes, results, lambda: None)


def test_each_clip_has_its_labels_and_its_scores(classes: YamnetClasses) -> None:
    clips = [labelled("Dog", "/m/09x0r"), labelled(), labelled("Rain")]
    found = scored(clips, classes, clip(69), clip(0), clip(1))
    assert [np.flatnonzero(row).tolist() for row in found.truth] == [
        [0, 69],
        [],
        [classes.row("Rain")],
    ]
    assert found.scores.argmax(axis=1).tolist() == [69, 0, 1]
    assert found.truth.shape == found.scores.shape == (3, 521)


def test_a_recording_that_cannot_be_read_is_left_out_and_the_rest_counts(
    classes: YamnetClasses,
) -> None:
    clips = [labelled("Dog"), labelled("Rain"), labelled("Speech")]
    found = scored(clips, classes, clip(69), InputError("broken.wav is no audio"), clip(0))
    assert np.argwhere(found.truth).tolist() == [[0, 69], [1, 0]]
    assert found.failures == ["broken.wav is no audio"]


def test_where_no_recording_can_be_read_there_is_nothing_to_measure(classes: YamnetClasses) -> None:
    with pytest.raises(InputError, match="no recording could be read:\nx is no audio"):
        scored([labelled("Dog")], classes, InputError("x is no audio"))


def test_recordings_longer_than_their_segments_are_counted(classes: YamnetClasses) -> None:
    clips = [labelled(seconds=seconds) for seconds in (10.0, 10.0, None)]
    found = scored(clips, classes, clip(0, 10.4), clip(0, 181.0), clip(0, 181.0))
    assert found.longer == 1


def test_all_labels_that_are_wrong_are_told_at_once(classes: YamnetClasses) -> None:
    clips = [labelled("dog_bark"), labelled("Dog"), labelled("rain_fall"), labelled("dog_bark")]
    with pytest.raises(UsageError) as told:
        Truth(clips, classes)
    first, *rest = str(told.value).splitlines()
    assert first == "labels that are not known; --map says which classes other names stand for:"
    assert ["dog_bark" in rest[0], "rain_fall" in rest[1], len(rest)] == [True, True, 2]


def test_of_very_many_wrong_labels_a_few_are_told(classes: YamnetClasses) -> None:
    with pytest.raises(UsageError) as told:
        Truth([labelled(*(f"label {number}" for number in range(1_000)))], classes)
    assert len(str(told.value).splitlines()) == 7
    assert str(told.value).endswith("\n  ...")


def test_each_clip_is_told_of_as_it_is_done(classes: YamnetClasses) -> None:
    """A progress bar follows."""
    done: list[int] = []

    def results() -> Iterator[Clip]:
        for number in range(3):
            assert len(done) == number
            yield clip(0)

    clips = [labelled("Dog")] * 3
    score(clips, Truth(clips, classes), classes, results(), lambda: done.append(1))
    assert len(done) == 3


def test_what_is_not_in_the_numbers_is_said(classes: YamnetClasses) -> None:
    clips = [labelled("Dog", "/m/02zsn", seconds=1.0), labelled("/m/05zppz")]
    found = LabelledSet(clips, missing=3)
    truth = Truth(clips, classes)
    result = score(clips, truth, classes, [clip(69), InputError("x is no audio")], lambda: None)
    assert list(notes(found, truth, result)) == [
        "3 of 5 listed segments are not in the folder of --audio",
        "left out, as no classes of YAMNet's: /m/02zsn, /m/05zppz",
        "longer than the listed segment, and taken whole: 1 recording",
        "x is no audio",
        "not counted, as it cannot be read: 1 recording",
    ]


def test_where_all_is_in_the_numbers_nothing_is_said(classes: YamnetClasses) -> None:
    clips = [labelled("Dog")]
    truth = Truth(clips, classes)
    result = score(clips, truth, classes, [clip(69)], lambda: None)
    assert list(notes(LabelledSet(clips), truth, result)) == []
