"""Lists of events: their forms, which belong together, and sed_eval's numbers of them."""

from pathlib import Path

import pytest

from livetag.errors import InputError, UsageError
from livetag.evaluation.categories import read_map
from livetag.evaluation.event_lists import ListedEvent, Pair, mapped, paired, read_lists
from livetag.evaluation.event_metrics import EventMetrics, Rules, score_events
from livetag.events import EventEnd, EventStart
from livetag.sinks.annotations import DcaseSink
from livetag.yamnet.labels import ClassMap

DOG = ListedEvent(1.0, 2.0, "Dog")


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def events(*own: tuple[float, float, str]) -> list[ListedEvent]:
    return [ListedEvent(*one) for one in own]


# --- Reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "recording"),
    [
        ("a.wav\t1.0\t2.0\tDog\n", "a"),
        ("audio/street/a.wav\t1\t2\tDog\n", "a"),
        ("filename\tonset\toffset\tevent_label\na.wav\t1.0\t2.0\tDog\n", "a"),
        ("a.wav,1.0,2.0,Dog\n", "a"),
        ('"a, b.wav", 1.0, 2.0, "Dog"\n', "a, b"),
        ("a_1.000\t1.0\t2.0\tDog\n", "a_1.000"),
        ("1.0\t2.0\tDog\n", ""),
        ("event_onset,event_offset,event_label\n1.0,2.0,Dog\n", ""),
    ],
)
def test_the_forms_of_a_list(text: str, recording: str, tmp_path: Path) -> None:
    assert read_lists(written(tmp_path / "list.txt", text)) == {recording: [DOG]}


def test_a_recording_may_be_listed_without_events(tmp_path: Path) -> None:
    path = written(tmp_path / "list.txt", "b.wav\na.wav\t1.0\t2.0\tDog\nc.wav\t\t\t\n")
    assert read_lists(path) == {"a": [DOG], "b": [], "c": []}


def test_a_folder_has_a_list_for_each_recording_or_lists_of_many(tmp_path: Path) -> None:
    written(tmp_path / "x" / "a.txt", "1.0\t2.0\tDog\n")
    written(tmp_path / "x" / "b.ann", "")
    written(tmp_path / "x" / "all.tsv", "c.wav\t1.0\t2.0\tDog\n")
    written(tmp_path / "x" / "README.md", "no list")
    assert read_lists(tmp_path / "x") == {"a": [DOG], "b": [], "c": [DOG]}


def test_a_folder_without_lists_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no event lists"):
        read_lists(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "a.wav\t2.0\t1.0\tDog",
        "a.wav\t-1.0\t1.0\tDog",
        "a.wav\tnan\t1.0\tDog",
        "a.wav\t1.0\tinf\tDog",
        "a.wav\t1.0\t2.0\t",
        "a.wav\tx\t2.0\tDog",
        "a.wav\tscene\t1.0\t2.0\tDog",
        "1.0\t2.0",
    ],
)
def test_a_line_that_is_no_event_is_told_of(line: str, tmp_path: Path) -> None:
    path = written(tmp_path / "list.txt", f"a.wav\t1.0\t2.0\tDog\n{line}\n")
    with pytest.raises(InputError, match=r"list\.txt, line 2 is no event: onset, offset"):
        read_lists(path)


def test_what_livetag_writes_is_read_back_whatever_the_class_is_called(
    tmp_path: Path, labels: ClassMap
) -> None:
    sink = DcaseSink(tmp_path / "list.txt", "a, b's.wav")
    for label in labels:
        start = EventStart(label, 1e9, 1.0, 0.97, 0.5, -31.0, True)
        sink.write(EventEnd(start, 1e9 + 1, 2.0, 0.99, 0.95, 6, -28.0, True))
    sink.close()
    assert read_lists(tmp_path / "list.txt") == {
        "a, b's": [ListedEvent(1.0, 2.0, label.name) for label in labels]
    }


# --- Pairing ------------------------------------------------------------------------------------


def test_lists_are_paired_by_recording_and_a_missing_one_has_no_events() -> None:
    pairs, others = paired({"a": [DOG], "b": [DOG], "c": []}, {"a": [], "c": [DOG], "d": [DOG]})
    assert pairs == [Pair([DOG], []), Pair([DOG], []), Pair([], [DOG])]
    assert others == 1


@pytest.mark.parametrize(("reference", "estimated"), [("", ""), ("", "demo"), ("a", "")])
def test_two_lists_of_one_recording_belong_together_where_one_has_no_name(
    reference: str, estimated: str
) -> None:
    assert paired({reference: [DOG]}, {estimated: []}) == ([Pair([DOG], [])], 0)


def test_lists_of_other_recordings_are_an_error_that_names_some() -> None:
    with pytest.raises(InputError, match="the reference has 'a', 'b', the other has 'c'"):
        paired({"b": [DOG], "a": []}, {"c": [DOG]})


def test_a_map_makes_one_event_of_what_overlaps(tmp_path: Path, labels: ClassMap) -> None:
    text = "category,yamnet_labels\ndog,Dog|Bark\nrain,Rain\n"
    categories = read_map(written(tmp_path / "map.csv", text), labels)
    estimated = events(
        (3.0, 4.0, "Bark"),
        (1.0, 2.0, "Dog"),
        (1.5, 1.6, "Bark"),
        (2.0, 2.5, "Bark"),
        (1.0, 9.0, "Speech"),
        (2.2, 3.2, "Rain"),
    )
    (pair,) = mapped([Pair(events((1.0, 2.5, "dog")), estimated)], categories)
    assert pair.reference == events((1.0, 2.5, "dog"))
    assert sorted(pair.estimated, key=lambda one: one.onset_s) == events(
        (1.0, 2.5, "dog"), (2.2, 3.2, "rain"), (3.0, 4.0, "dog")
    )


# --- Scores -------------------------------------------------------------------------------------


def overall(pair: Pair, rules: Rules | None = None) -> EventMetrics:
    return score_events([pair], ["Dog", "Rain"], rules or Rules()).by_event.overall


def test_values_worked_out_by_hand() -> None:
    """Two of three are found, one of them as another label; and one is made up."""
    reference = events((1.0, 2.0, "Dog"), (5.0, 6.0, "Dog"), (8.0, 9.0, "Rain"))
    estimated = events((1.1, 2.1, "Dog"), (5.0, 6.0, "Rain"), (3.0, 3.5, "Dog"))
    found = overall(Pair(reference, estimated))
    assert (found.reference, found.estimated) == (3, 3)
    assert found.precision == found.recall == found.f1 == pytest.approx(1 / 3)
    assert found.substitution_rate == found.deletion_rate == pytest.approx(1 / 3)
    assert found.insertion_rate == pytest.approx(1 / 3)
    assert found.error_rate == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("estimated", "rules", "f1"),
    [
        ((1.2, 2.0), Rules(), 1.0),
        ((1.21, 2.0), Rules(), 0.0),
        ((1.21, 2.0), Rules(collar_seconds=0.25), 1.0),
        ((1.0, 2.5), Rules(), 1.0),
        ((1.0, 2.5), Rules(length_share=0.0), 0.0),
        ((1.0, 9.0), Rules(), 0.0),
        ((1.0, 9.0), Rules(onset_only=True), 1.0),
    ],
)
def test_the_rules_say_when_an_event_is_found(
    estimated: tuple[float, float], rules: Rules, f1: float
) -> None:
    assert overall(Pair([DOG], [ListedEvent(*estimated, "Dog")]), rules).f1 == f1


def test_segments_are_of_the_length_that_is_asked_for() -> None:
    pair = Pair(events((0.0, 4.0, "Dog")), events((0.0, 1.0, "Dog")))
    for seconds, f1 in ((1.0, 0.4), (4.0, 1.0)):
        scores = score_events([pair], ["Dog"], Rules(segment_seconds=seconds)).by_segment
        assert scores.overall.f1 == pytest.approx(f1)
        assert scores.by_label["Dog"].reference == 4.0 / seconds


def test_labels_that_were_never_estimated_count_as_zero_in_the_mean() -> None:
    pair = Pair([DOG, ListedEvent(5.0, 6.0, "Rain")], [DOG])
    scores = score_events([pair], ["Dog", "Rain"], Rules())
    rain = scores.by_event.by_label["Rain"]
    assert (rain.f1, rain.precision, rain.recall, rain.error_rate) == (0.0, None, 0.0, 1.0)
    assert (scores.by_event.mean_f1, scores.by_segment.mean_f1) == (0.5, 0.5)


def test_recordings_are_kept_apart_and_empty_ones_do_no_harm() -> None:
    pairs = [Pair([DOG], []), Pair([], [DOG]), Pair([], []), Pair([DOG], [DOG])]
    found = score_events(pairs, ["Dog"], Rules()).by_event.overall
    assert (found.reference, found.estimated, found.f1) == (2, 2, 0.5)


def test_labels_that_are_not_asked_for_are_left_out() -> None:
    found = overall(Pair([DOG], [DOG, ListedEvent(1.0, 2.0, "Speech")]))
    assert (found.estimated, found.f1, found.error_rate) == (1, 1.0, 0.0)


def test_every_class_can_be_a_label(labels: ClassMap) -> None:
    """sed_eval takes some texts for more than a text."""
    names = [label.name for label in labels]
    own = [ListedEvent(1.0, 2.0, name) for name in names[::10]]
    scores = score_events([Pair(own, own)], names[::10], Rules())
    assert all(one.f1 == 1.0 for one in scores.by_event.by_label.values())


def test_more_segments_than_memory_holds_are_refused() -> None:
    with pytest.raises(UsageError, match="a larger --segment"):
        overall(Pair([ListedEvent(0.0, 1e9, "Dog")], []))
