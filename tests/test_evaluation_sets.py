"""Labelled sets as people have them: class folders, tables, AudioSet's lists; and maps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livetag.errors import InputError, UsageError
from livetag.evaluation.audioset import Segment, SegmentFiles
from livetag.evaluation.categories import Categories, YamnetClasses, read_map
from livetag.evaluation.labelled import LabelledClip, LabelledSet, read_labelled, split_labels
from livetag.yamnet.labels import ClassMap

SEGMENTS = """# Segments csv created Sun Mar  5 10:54:25 2017
# num_ytids=3, num_segs=3, num_unique_labels=3, num_positive_labels=5
# YTID, start_seconds, end_seconds, positive_labels
--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/0bt9lr"
-0RWZT-miFs, 420.000, 430.000, "/m/03v3yw"
Ytooshortid, 30.000, 40.000, "/m/09x0r,/m/02zsn"
"""


def touched(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def labels_by_name(found: LabelledSet) -> dict[str, tuple[str, ...]]:
    return {clip.path.name: clip.labels for clip in found.clips}


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    touched(tmp_path, "Dog/b.WAV", "Dog/deep/a.flac", "Rain/c.ogg", "labels.csv", "d.wav")
    touched(tmp_path, "Rain/notes.txt", "Rain/.e.wav", ".git/f.wav")
    found = read_labelled(tmp_path, None)
    assert labels_by_name(found) == {"b.WAV": ("Dog",), "a.flac": ("Dog",), "c.ogg": ("Rain",)}
    assert found.missing == 0


def test_a_class_folder_that_cannot_be_listed_is_told_of(
    tmp_path: Path, forbidden: Callable[[Path], None]
) -> None:
    touched(tmp_path, "Dog/a.wav", "Rain/deep/b.wav")
    forbidden(tmp_path / "Rain" / "deep")
    with pytest.raises(InputError, match=r"Rain/deep cannot be read: Permission denied"):
        read_labelled(tmp_path, None)


def test_a_folder_without_class_folders_is_no_set(tmp_path: Path) -> None:
    touched(tmp_path, "a.wav")
    with pytest.raises(InputError, match="no recordings in folders, each named by a class"):
        read_labelled(tmp_path, None)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("file,labels\na.wav,Dog|Bark\n", ("Dog", "Bark")),
        ('file,label\na.wav,"Baby cry, infant cry"\n', ("Baby cry, infant cry",)),
        ("fname,labels,mids,split\na.wav,x,/m/0bt9lr,val\n", ("/m/0bt9lr",)),
        ('fname,labels,mids\na.wav,x,"/m/0bt9lr,/m/05tny_"\n', ("/m/0bt9lr", "/m/05tny_")),
        ("fold,category,filename\n1,dog,a.wav\n", ("dog",)),
        ("file,label\na.wav,Dog\n\na.wav,Rain\n", ("Dog", "Rain")),
        ("\ufefffile,label\na.wav, Dog \n", ("Dog",)),
        ("file,label\na.wav,\n", ()),
    ],
)
def test_a_table_of_files_and_labels(text: str, labels: tuple[str, ...], tmp_path: Path) -> None:
    found = read_labelled(written(tmp_path / "set.csv", text), None)
    assert found.clips == [LabelledClip(tmp_path / "a.wav", labels)]


def test_the_files_of_a_table_may_stand_elsewhere_and_lack_an_extension(tmp_path: Path) -> None:
    path = written(tmp_path / "set.csv", "fname,label\n123,Dog\nwith,Dog\n")
    touched(tmp_path, "audio/123.wav", "audio/with")
    found = read_labelled(path, tmp_path / "audio")
    assert [clip.path.name for clip in found.clips] == ["123.wav", "with"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column file or filename or fname or path"),
        ("file,b\n1,2\n", "no column mids or labels or label or category"),
        ("file,label\na.wav\n", "line 2: it has fewer columns"),
        ("file,label\n", "has no recordings"),
        ("", "no column file"),
    ],
)
def test_a_table_that_is_no_set_is_told_of(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_labelled(written(tmp_path / "set.csv", text), None)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"file,label\n\xe9.wav,Dog\n", b"RIFF\xf4"])
def test_what_is_no_text_is_no_table(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not text in UTF-8"):
        read_labelled(path, None)


def test_a_set_that_is_not_there_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_labelled(tmp_path / "none.csv", None)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("Rain|Rain on surface", ["Rain", "Rain on surface"]),
        ("Waves, surf", ["Waves, surf"]),
        ("/m/0bt9lr,/t/dd00002", ["/m/0bt9lr", "/t/dd00002"]),
        ("/m/0bt9lr|Waves, surf", ["/m/0bt9lr", "Waves, surf"]),
        (" | ", []),
    ],
)
def test_labels_are_separated_as_their_kind_is(cell: str, labels: list[str]) -> None:
    assert split_labels(cell) == labels


# --- AudioSet's lists ---------------------------------------------------------------------------


def test_audiosets_own_list_with_the_segments_that_are_at_hand(tmp_path: Path) -> None:
    path = written(tmp_path / "eval_segments.csv", SEGMENTS)
    touched(tmp_path, "audio/--4gqARaEJE.wav", "audio/other.wav", "audio/Ytooshortid_30.000.flac")
    found = read_labelled(path, tmp_path / "audio")
    assert labels_by_name(found) == {
        "--4gqARaEJE.wav": ("/m/068hy", "/m/0bt9lr"),
        "Ytooshortid_30.000.flac": ("/m/09x0r", "/m/02zsn"),
    }
    assert found.missing == 1
    assert {clip.seconds for clip in found.clips} == {10.0}


def test_a_list_whose_header_is_no_comment(tmp_path: Path) -> None:
    text = SEGMENTS.replace("# YTID", "YTID").partition("\n")[2].partition("\n")[2]
    assert text.startswith("YTID, start")
    touched(tmp_path, "--4gqARaEJE.wav")
    found = read_labelled(written(tmp_path / "list.csv", text), tmp_path)
    assert (len(found.clips), found.missing) == (1, 2)


@pytest.mark.parametrize("line", ["--4gqARaEJE, 0.000, 10.000", '--4gqARaEJE, x, 10.0, "/m/0b"'])
def test_a_line_that_is_no_segment_is_told_of(line: str, tmp_path: Path) -> None:
    path = written(tmp_path / "list.csv", SEGMENTS + line)
    with pytest.raises(InputError, match="line 7 is no segment"):
        read_labelled(path, tmp_path)


def test_a_list_wants_a_folder_and_segments_in_it(tmp_path: Path) -> None:
    path = written(tmp_path / "list.csv", SEGMENTS)
    with pytest.raises(UsageError, match="name their folder with --audio"):
        read_labelled(path, None)
    with pytest.raises(InputError, match="none of its 3 segments is in the folder"):
        read_labelled(path, tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        read_labelled(path, tmp_path / "none")


SEGMENT = Segment("-0RWZT-miFs", 420.0, 430.0, "/m/03v3yw")


@pytest.mark.parametrize(
    "name",
    [
        "-0RWZT-miFs.wav",
        "Y-0RWZT-miFs.wav",
        "-0RWZT-miFs_420.wav",
        "-0RWZT-miFs_420.000.flac",
        "-0RWZT-miFs_420_430.mp3",
        "-0RWZT-miFs_420.000_430.000.wav",
        "-0RWZT-miFs_420.000-430.000.wav",
        "-0RWZT-miFs_420000_430000.flac",
        "-0RWZT-miFs~420000~430000.wav",
        "Y-0RWZT-miFs_420.000_430.000.wav",
        "deep/down/-0RWZT-miFs.ogg",
    ],
)
def test_segments_are_found_as_downloaders_name_them(name: str, tmp_path: Path) -> None:
    (path,) = touched(tmp_path, name)
    assert SegmentFiles(tmp_path).find(SEGMENT) == path


@pytest.mark.parametrize(
    "name",
    [
        "-0RWZT-miFs_30.000.wav",
        "-0RWZT-miFsx.wav",
        "-0RWZT-miF.wav",
        "-0RWZT-miFs.json",
        "X-0RWZT-miFs.wav",
    ],
)
def test_a_file_of_another_segment_is_not_taken_for_one(name: str, tmp_path: Path) -> None:
    touched(tmp_path, name)
    assert SegmentFiles(tmp_path).find(SEGMENT) is None


def test_a_file_with_the_segments_start_is_taken_before_one_without(tmp_path: Path) -> None:
    touched(tmp_path, "-0RWZT-miFs.wav", "-0RWZT-miFs_30.000.wav", "-0RWZT-miFs_420.000.wav")
    found = SegmentFiles(tmp_path).find(SEGMENT)
    assert found is not None
    assert found.name == "-0RWZT-miFs_420.000.wav"


def test_a_video_that_begins_with_a_y_is_no_prefix(tmp_path: Path) -> None:
    touched(tmp_path, "Y1234567890.wav")
    assert SegmentFiles(tmp_path).find(Segment("Y1234567890", 0.0, 10.0, "")) is not None


# --- What labels mean ---------------------------------------------------------------------------


def test_yamnets_classes_are_named_by_name_mid_or_index(labels: ClassMap) -> None:
    classes = YamnetClasses(labels)
    assert [classes.row(text) for text in ("dog", "/m/0bt9lr", "69")] == [69, 69, 69]
    assert len(classes) == 521
    assert classes[69].name == "Dog"


def test_mids_that_yamnet_leaves_out_are_known_to_be_none_of_its_classes(labels: ClassMap) -> None:
    """Female speech and the rest of AudioSet's six; a name that is wrong is an error."""
    classes = YamnetClasses(labels)
    assert classes.row("/m/02zsn") is None
    with pytest.raises(UsageError, match="did you mean 'Dog'"):
        classes.row("Dgo")


MAP = """category,yamnet_labels
dog_bark,Dog|Bark
sea_waves,"Waves, surf|/m/05kq4"
"""


@pytest.fixture
def categories(tmp_path: Path, labels: ClassMap) -> Categories:
    return read_map(written(tmp_path / "map.csv", MAP), labels)


def test_a_map_gives_categories_the_classes_they_stand_for(categories: Categories) -> None:
    assert [[label.name for label in one.classes] for one in categories] == [
        ["Dog", "Bark"],
        ["Waves, surf", "Ocean"],
    ]
    assert [categories.row(text) for text in ("Dog_Bark", "sea_waves")] == [0, 1]


def test_a_category_scores_as_the_highest_of_its_classes(categories: Categories) -> None:
    scores = np.zeros(521, np.float32)
    scores[[69, 70]] = 0.25, 0.5
    assert categories.scores(scores).tolist() == [0.5, 0.0]


@pytest.mark.parametrize("label", ["dog_barks", "Dog", "/m/0bt9lr"])
def test_a_label_that_is_in_no_map_is_an_error(label: str, categories: Categories) -> None:
    with pytest.raises(UsageError, match=r"map\.csv has no category"):
        categories.row(label)


def test_a_category_nearly_named_is_hinted_at(categories: Categories) -> None:
    with pytest.raises(UsageError, match="did you mean 'dog_bark'"):
        categories.row("dog_barks")


def test_a_class_is_named_by_the_categories_that_have_it(categories: Categories) -> None:
    assert categories.named_by("bark") == ["dog_bark"]
    assert categories.named_by("/m/05kq4") == ["sea_waves"]
    assert categories.named_by("DOG_BARK") == ["dog_bark"]
    assert categories.named_by("Speech") == []


def test_a_table_of_recordings_can_be_a_map(tmp_path: Path, labels: ClassMap) -> None:
    text = "file,yamnet_labels,category\na,Dog|Bark,dog\nb,Dog|Bark,dog\nc,Rain,rain\n"
    assert [one.name for one in read_map(written(tmp_path / "m.csv", text), labels)] == [
        "dog",
        "rain",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("category,classes\ndog,Dog\n", "not the columns category and yamnet_labels"),
        (
            "category,yamnet_labels\ndog,Dgo\n",
            "line 2: no class is called 'Dgo'; did you mean 'Dog'",
        ),
        ("category,yamnet_labels\ndog,\n", "line 2: a category and its YAMNet classes are wanted"),
        ("category,yamnet_labels\ndog,Dog\ndog,Bark\n", "line 3: 'dog' stood for other classes"),
        ("category,yamnet_labels\n", "has no categories"),
    ],
)
def test_a_map_that_is_wrong_is_told_of(
    text: str, message: str, tmp_path: Path, labels: ClassMap
) -> None:
    with pytest.raises(UsageError, match=message):
        read_map(written(tmp_path / "map.csv", text), labels)
