"""The class map: the 521 published classes, and how a user may name one."""

import hashlib
from pathlib import Path

import pytest

from livetag.errors import LivetagError, UsageError
from livetag.resources import CLASS_MAP_PATH
from livetag.yamnet import labels as labels_room
from livetag.yamnet.labels import ClassMap, read_class_map

# Of yamnet_class_map.csv in tensorflow/models, research/audioset/yamnet.
PUBLISHED_SHA256 = "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2"
REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_class_map_is_the_published_one(labels: ClassMap) -> None:
    assert hashlib.sha256(CLASS_MAP_PATH.read_bytes()).hexdigest() == PUBLISHED_SHA256
    assert len(labels) == 521
    assert [label.index for label in labels] == list(range(521))
    assert (labels[0].name, labels[0].mid) == ("Speech", "/m/09x0r")
    assert (labels[427].name, labels[427].mid) == ("Firecracker", "/g/122z_qxw")
    assert (labels[520].name, labels[520].mid) == ("Field recording", "/m/07hvw1")


def test_every_class_is_found_by_its_name_in_any_case_its_mid_and_its_index(
    labels: ClassMap,
) -> None:
    for label in labels:
        for text in (label.name, label.name.upper(), label.name.lower(), f" {label.name} "):
            assert labels.find(text) == label
        assert labels.find(label.mid) == label
        assert labels.find(str(label.index)) == label


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("Dgo", "Dog"),
        ("doorbel", "Doorbell"),
        ("smoke alarm", "Smoke detector, smoke alarm"),
        ("baby", "Baby cry, infant cry"),
        ("infant cry", "Baby cry, infant cry"),
        ("siren)", "Siren"),
        ("vacuum", "Vacuum cleaner"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one_first(
    labels: ClassMap, text: str, nearest: str
) -> None:
    with pytest.raises(UsageError) as caught:
        labels.find(text)
    assert f"{text!r}; did you mean {nearest!r}" in str(caught.value)


def test_at_most_three_names_are_proposed(labels: ClassMap) -> None:
    with pytest.raises(UsageError) as caught:
        labels.find("music of")
    assert str(caught.value).count(" or ") == 2


@pytest.mark.parametrize("text", ["xyzzyq", "", "  ", "521", "-1", "6.5", "/m/none"])
def test_what_is_like_no_name_is_refused_without_a_proposal(labels: ClassMap, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        labels.find(text)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("index,mid,display_name\n1,/m/b,B\n0,/m/a,A\n", "unordered"),
        ("index,mid,display_name\n0,/m/a,A\n2,/m/c,C\n", "missing"),
        ("index,mid,display_name\n", "missing"),
        ("index,name\n0,A\n", "cannot be read"),
        ("index,mid,display_name\nfirst,/m/a,A\n", "cannot be read"),
        ("", "missing"),
        ("index,mid,display_name\n0,/m/a\n", "missing"),
        ("index,mid,display_name\n0,/m/a,\n", "missing"),
        ("index,mid,display_name\n0,/m/a,A\n,,\n", "cannot be read"),
        ("index,mid,display_name\n0,/m/a,'" + "x" * 200_000, "cannot be read"),
        ('index,mid,display_name\n0,/m/a,"A\n', "cannot be read"),
        ("index,mid,display_name\n" + "9" * 5_000 + ",/m/a,A\n", "cannot be read"),
        ("x" * 2_000_000, "larger than 1 MiB"),
    ],
)
def test_a_class_map_that_is_not_whole_is_refused(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / "map.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LivetagError, match=reason):
        read_class_map(path)


def test_the_class_map_stands_once_in_the_tree() -> None:
    generated = {"build", "dist", "__pycache__"}
    copies = []
    for path in REPOSITORY.rglob("*"):
        inside = path.relative_to(REPOSITORY).parts
        hidden = any(part.startswith(".") or part in generated for part in inside)
        if not hidden and path.is_file() and path.read_bytes().count(b"/m/") > 300:
            copies.append(path)
    assert copies == [REPOSITORY / "yamnet_class_map.csv"]


def test_a_class_map_of_no_text_and_one_that_is_no_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_bytes(b"\xff\xfe\0\0")
    for wrong in (path, tmp_path, tmp_path / "none.csv"):
        with pytest.raises(LivetagError, match="cannot be read"):
            read_class_map(wrong)


def test_a_class_map_with_fewer_classes_than_scores_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "map.csv"
    path.write_text("index,mid,display_name\n0,/m/a,A\n", encoding="utf-8")
    monkeypatch.setattr(labels_room, "CLASS_MAP_PATH", path)
    with pytest.raises(LivetagError, match="has 1 classes: reinstall livetag"):
        labels_room.class_map.__wrapped__()


def test_a_name_of_any_length_is_told_in_a_few_words(labels: ClassMap) -> None:
    with pytest.raises(UsageError) as caught:
        labels.find("x" * 100_000)
    assert len(str(caught.value)) < 300
