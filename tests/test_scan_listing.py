"""Which recordings a scan is of."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from livetag.errors import InputError, UsageError
from livetag.scan.listing import check_places, list_recordings


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of files, in the current folder."""
    for name in (
        "b.wav",
        "a/2.FLAC",
        "a/1.ogg",
        "a/notes.txt",
        "a/._1.ogg",
        ".trash/3.wav",
        "c/d/4.mp3",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*paths: str, lists: tuple[str, ...] = ()) -> list[str]:
    return [recording.name for recording in list_recordings(paths, lists)]


@pytest.mark.usefixtures("archive")
def test_folders_are_searched_for_recordings_that_are_not_hidden_in_the_order_of_names() -> None:
    assert names(".") == ["b.wav", "a/1.ogg", "a/2.FLAC", "c/d/4.mp3"]
    assert names("c", "a") == ["c/d/4.mp3", "a/1.ogg", "a/2.FLAC"]


def test_files_of_kinds_that_cannot_be_read_are_told_of_once(archive: Path) -> None:
    for name in ("a/1.m4a", "a/2.M4A", "a/3.aac", "a/._4.wma", "c/5.amr"):
        (archive / name).touch()
    said: list[str] = []
    assert len(list_recordings(["**", "a"], say=said.append)) == 4
    kinds = "4 files of kinds that cannot be read (.m4a 2, .aac 1, .amr 1)"
    assert said == [f"left out: {kinds}; convert them, to FLAC say"]
    (archive / "c/d/4.mp3").unlink()
    with pytest.raises(InputError, match="there is no recording in c: "):
        list_recordings(["c"], say=said.append)
    assert said[1].startswith("left out: 1 file of kinds that cannot be read (.amr 1); ")
    list_recordings(["a/3.aac"], say=said.append)  # a file that is named is taken
    assert len(said) == 2


@pytest.mark.usefixtures("archive")
def test_files_are_taken_whatever_they_are_called_and_each_once() -> None:
    assert names("a/notes.txt", "b.wav", "./b.wav", ".") == [
        *("a/notes.txt", "b.wav", "a/1.ogg", "a/2.FLAC", "c/d/4.mp3")
    ]


def test_a_file_that_has_several_names_is_there_once_by_its_own(archive: Path) -> None:
    (archive / "a/0.wav").symlink_to("../b.wav")
    (archive / "z").symlink_to("a")
    assert names(".", str(archive), "*/*.ogg", "z", "a/../b.wav") == [
        *("b.wav", "a/1.ogg", "a/2.FLAC", "c/d/4.mp3")
    ]
    assert names("a", ".") == ["a/1.ogg", "a/2.FLAC", "b.wav", "c/d/4.mp3"]
    assert names("a") == ["a/0.wav", "a/1.ogg", "a/2.FLAC"]
    assert names("z/1.ogg", "a") == ["a/0.wav", "a/1.ogg", "a/2.FLAC"]


def test_links_to_what_is_elsewhere_are_one_by_the_first(archive: Path) -> None:
    for name in ("1.wav", "0.wav"):
        (archive / "c" / name).symlink_to(archive / "b.wav")
    assert names("c") == ["c/0.wav", "c/d/4.mp3"]
    (archive / "c/d/4.mp3").unlink()
    (archive / "c/d/5.mp3").symlink_to("4.mp3")
    (archive / "c/d/loop.mp3").symlink_to("loop.mp3")
    *_, lost, loop = list_recordings(["c"])
    assert (lost.name, lost.unusable) == ("c/d/5.mp3", "No such file or directory")
    assert (loop.name, loop.unusable) == ("c/d/loop.mp3", "Too many levels of symbolic links")


def test_patterns_match_recordings_and_folders(archive: Path) -> None:
    assert names("*/*.ogg") == ["a/1.ogg"]
    assert names(f"{archive}/**/*.*3") == [f"{archive}/c/d/4.mp3"]
    assert names("[ac]") == ["a/1.ogg", "a/2.FLAC", "c/d/4.mp3"]
    (archive / "[x].wav").touch()
    assert names("[x].wav") == ["[x].wav"]
    with pytest.raises(InputError, match=r"nothing matches \*\.opus"):
        names("*.opus")


@pytest.mark.parametrize("separator", ["\n", "\0", "\r\n"])
def test_lists_hold_a_path_a_line_or_between_null_characters(
    separator: str, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = separator.join(["c/d/4.mp3", "b.wav", ""]).encode()
    (archive / "list").write_bytes(text)
    assert names("a", lists=("list",)) == ["a/1.ogg", "a/2.FLAC", "c/d/4.mp3", "b.wav"]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert names(lists=("-",)) == ["c/d/4.mp3", "b.wav"]


@pytest.mark.usefixtures("archive")
def test_a_list_that_is_not_there_and_an_empty_one_are_errors() -> None:
    with pytest.raises(InputError, match=r"the list lost cannot be read: No such file"):
        names(lists=("lost",))
    Path("empty").touch()
    with pytest.raises(InputError, match=r"there is no recording in empty"):
        names(lists=("empty",))
    Path("c/d/4.mp3").unlink()
    with pytest.raises(InputError, match=r"there is no recording in c/d/\.\., .*: name files"):
        names("c/d/..", lists=("empty",))


def test_what_cannot_be_read_is_listed_with_the_reason(archive: Path) -> None:
    os.mkfifo(archive / "pipe.wav")
    lost, pipe = list_recordings(["lost.wav", "pipe.wav"])
    assert lost.unusable == "No such file or directory"
    assert pipe.unusable == "it is no file"


def test_a_folder_that_cannot_be_listed_is_told_of(
    archive: Path, forbidden: Callable[[Path], None]
) -> None:
    forbidden(Path("a"))
    *others, last = list_recordings(["."])
    assert [recording.name for recording in others] == ["b.wav", "c/d/4.mp3"]
    assert (last.name, last.unusable) == ("a", "Permission denied")
    forbidden(archive)
    (only,) = list_recordings([str(archive)])
    assert (only.name, only.unusable) == (str(archive), "Permission denied")


@pytest.mark.parametrize(
    ("pattern", "others"),
    [
        ("**/*.*", ["b.wav", "c/d/4.mp3"]),
        ("**/4.mp3", ["c/d/4.mp3"]),
        ("?/*.ogg", []),
        ("a/*", []),
        ("[ab]*", ["b.wav"]),
        ("a/*/**", []),
    ],
)
def test_a_folder_that_a_pattern_cannot_look_into_is_told_of(
    pattern: str, others: list[str], archive: Path, forbidden: Callable[[Path], None]
) -> None:
    forbidden(Path("a"))
    found = list_recordings([pattern])
    assert [one.name for one in found if not one.unusable] == others
    assert [(one.name, one.unusable) for one in found if one.unusable] == [
        ("a", "Permission denied")
    ]
    forbidden(archive / "c/d")
    (only,) = list_recordings([f"{archive}/c/**/*.mp3"])
    assert (only.name, only.unusable) == (f"{archive}/c/d", "Permission denied")


@pytest.mark.usefixtures("archive")
def test_a_folder_that_a_pattern_does_not_look_into_is_none_of_its_errors(
    forbidden: Callable[[Path], None],
) -> None:
    forbidden(Path("a"))
    assert names("c/**/*.mp3") == names("*/d/*") == ["c/d/4.mp3"]
    forbidden(Path())
    assert names("c/*/*.mp3") == ["c/d/4.mp3"]
    (only,) = list_recordings(["*.wav"])
    assert (only.name, only.unusable) == (".", "Permission denied")


def test_a_name_that_no_file_can_have_is_told_of_that_recording(tmp_path: Path) -> None:
    (only,) = list_recordings([str(tmp_path / ("a" * 300 + ".wav"))])
    assert only.unusable == "File name too long"


def test_a_name_that_no_text_can_hold_is_escaped(archive: Path) -> None:
    (archive / os.fsdecode(b"\xff.wav")).touch()
    recording = list_recordings([os.fsdecode(b"\xff.wav")])[0]
    assert recording.name == "\\udcff.wav"
    assert Path(recording.path).exists()


def test_the_key_is_that_of_name_size_and_time(archive: Path) -> None:
    (before,) = list_recordings(["b.wav"])
    assert list_recordings(["b.wav"])[0].key == before.key
    os.utime(archive / "b.wav", ns=(0, before.modified_ns + 1))
    (touched,) = list_recordings(["b.wav"])
    (archive / "b.wav").write_bytes(b"longer than before")
    os.utime(archive / "b.wav", ns=(0, touched.modified_ns))
    (grown,) = list_recordings(["b.wav"])
    assert len({before.key, touched.key, grown.key, list_recordings(["a/1.ogg"])[0].key}) == 4


def test_two_results_of_one_name_are_an_error(archive: Path) -> None:
    (archive / "c/1.ogg").touch()
    check_places(list_recordings(["."]))
    with pytest.raises(UsageError, match=r"results of a/1\.ogg and c/1\.ogg .* called 1\.ogg: "):
        check_places(list_recordings(["a", "c"]))
