"""The folder of clips: names that stay in it, files whole or not at all, old ones out."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from livetag.errors import LivetagError, UsageError
from livetag.retention import clip_name, keep_within, make_folder, store

NOW = datetime(2026, 11, 22, 8, 0, 0).timestamp()
DAY = 86_400.0


def clip(folder: Path, age_days: float, sound_bytes: int = 900, label: str = "Dog") -> str:
    """Plant a clip of so many bytes and 100 more; its name."""
    name = clip_name(NOW - age_days * DAY, label)
    (folder / f"{name}.flac").write_bytes(b"s" * sound_bytes)
    (folder / f"{name}.json").write_bytes(b"j" * 100)
    return name


def kept(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def files(*names: str) -> set[str]:
    return {f"{name}{suffix}" for name in names for suffix in (".flac", ".json")}


@pytest.mark.parametrize(
    ("label", "slug"),
    [
        ("Dog", "dog"),
        ("Smoke detector, smoke alarm", "smoke-detector-smoke-alarm"),
        ("Crème brûlée", "creme-brulee"),
        ("../../etc/x", "etc-x"),
        ("a/b", "a-b"),
        ("a\\b:c*?", "a-b-c"),
        ("", "sound"),
        ("\x00", "sound"),
        ("..", "sound"),
        ("\udce9", "sound"),
        ("🐕", "sound"),
        ("🐕 bark\n", "bark"),
        ("CON", "con"),
        ("-x-", "x"),
        ("x" * 500, "x" * 60),
        ("x" * 59 + " yz", "x" * 59),
    ],
)
def test_of_a_label_only_letters_digits_and_hyphens_reach_the_name(label: str, slug: str) -> None:
    assert clip_name(NOW + 12.48, label) == f"2026-11-22T08-00-12.480_{slug}"


def test_names_sort_by_time() -> None:
    times = [NOW + seconds for seconds in (0.0, 0.5, 9.999, 10.0, 3_600.0, 40 * DAY, 400 * DAY)]
    names = [clip_name(time, "z" if time == NOW else "a") for time in times]
    assert names == sorted(names)


def test_clips_are_out_after_their_days_by_the_time_in_their_names(tmp_path: Path) -> None:
    young, old = clip(tmp_path, 6.99), clip(tmp_path, 7.01)
    os.utime(tmp_path / f"{old}.flac", (NOW, NOW))
    os.utime(tmp_path / f"{young}.flac", (0.0, 0.0))
    keep_within(tmp_path, 7.0, 1.0, NOW)
    assert kept(tmp_path) == files(young)


def test_the_newest_clip_goes_with_age_too(tmp_path: Path) -> None:
    clip(tmp_path, 31.0)
    keep_within(tmp_path, 30.0, 1.0, NOW)
    assert kept(tmp_path) == set()


def test_the_oldest_clips_are_out_until_the_rest_is_within_the_megabytes(tmp_path: Path) -> None:
    names = [
        clip(tmp_path, age, label=label) for age, label in zip((4, 3, 2, 1), "zyxw", strict=True)
    ]
    keep_within(tmp_path, 30.0, 0.004, NOW)  # four clips of 1,000 bytes are exactly that
    assert kept(tmp_path) == files(*names)
    keep_within(tmp_path, 30.0, 0.003_999, NOW)
    assert kept(tmp_path) == files(*names[1:])
    keep_within(tmp_path, 30.0, 0.002_5, NOW)
    assert kept(tmp_path) == files(*names[2:])


def test_a_clip_that_is_larger_than_all_that_is_allowed_stays_while_it_is_the_newest(
    tmp_path: Path,
) -> None:
    clip(tmp_path, 2.0)
    large = clip(tmp_path, 1.0, sound_bytes=50_000)
    keep_within(tmp_path, 30.0, 0.01, NOW)
    assert kept(tmp_path) == files(large)
    newer = clip(tmp_path, 0.5)
    keep_within(tmp_path, 30.0, 0.01, NOW)
    assert kept(tmp_path) == files(newer)


def test_a_hundred_years_reach_back_before_all_clocks(tmp_path: Path) -> None:
    name = clip(tmp_path, 0.0)
    keep_within(tmp_path, 36_500.0, 1.0, 0.0)
    assert kept(tmp_path) == files(name)


@pytest.mark.parametrize(
    "foreign",
    [
        "notes.txt",
        "2020-01-01T00-00-00.000_dog.mp3",
        "2020-01-01T00-00-00.000_dog.flac.bak",
        "2020-01-01T00-00-00.000_Dog.flac",
        "2020-01-01T00-00-00.000_.flac",
        "2020-01-01T00-00-00_dog.flac",
        "x2020-01-01T00-00-00.000_dog.flac",
        "2020-01-01T00-00-00.000_dog.flac\n",
        "٢٠٢٠-01-01T00-00-00.000_dog.flac",
        ".2020-01-01T00-00-00.000_dog.part",
        ".notes.part",
    ],
)
def test_files_with_other_names_are_neither_counted_nor_removed(
    foreign: str, tmp_path: Path
) -> None:
    (tmp_path / foreign).write_bytes(b"f" * 100_000)
    os.utime(tmp_path / foreign, (0.0, 0.0))
    names = [clip(tmp_path, 2.0), clip(tmp_path, 1.0)]
    keep_within(tmp_path, 30.0, 0.002, NOW)
    assert kept(tmp_path) == files(*names) | {foreign}


def test_links_and_folders_with_a_clips_name_stay_and_so_does_what_they_lead_to(
    tmp_path: Path,
) -> None:
    folder, elsewhere = tmp_path / "clips", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_bytes(b"e" * 100_000)
    (folder / "2020-01-01T00-00-00.000_dog.flac").symlink_to(elsewhere)
    (folder / "2020-01-02T00-00-00.000_dog.flac").mkdir()
    (folder / ".2020-01-03T00-00-00.000_dog.flac.part").symlink_to(elsewhere)
    before = kept(folder)
    names = [clip(folder, 2.0), clip(folder, 1.0)]
    keep_within(folder, 30.0, 0.002, NOW)
    assert kept(folder) == before | files(*names)
    assert elsewhere.stat().st_size == 100_000


def test_a_sidecar_alone_or_a_sound_alone_is_out_like_a_clip(tmp_path: Path) -> None:
    name = clip(tmp_path, 40.0)
    (tmp_path / f"{name}.json").unlink()
    other = clip(tmp_path, 41.0)
    (tmp_path / f"{other}.flac").unlink()
    keep_within(tmp_path, 30.0, 1.0, NOW)
    assert kept(tmp_path) == set()


def test_parts_of_a_crash_are_removed_and_those_being_written_are_not(tmp_path: Path) -> None:
    name = clip_name(NOW, "Dog")
    crashed, written = tmp_path / f".{name}.flac.part", tmp_path / f".{name}-2.json.part"
    crashed.touch()
    written.touch()
    os.utime(crashed, (NOW - DAY, 0.0))
    keep_within(tmp_path, 30.0, 1.0, NOW)
    assert kept(tmp_path) == {written.name}


def test_a_file_that_may_not_be_removed_stays_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, old, new = clip(tmp_path, 3.0), clip(tmp_path, 2.0), clip(tmp_path, 1.0)
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith(held):
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    keep_within(tmp_path, 30.0, 0.002, NOW)
    assert kept(tmp_path) == files(held, new)
    assert not kept(tmp_path) & files(old)


def test_a_sidecar_is_removed_before_its_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(tmp_path, 40.0)
    removed: list[str] = []
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok: removed.append(path.suffix))
    keep_within(tmp_path, 30.0, 1.0, NOW)
    assert removed == [".json", ".flac"]


def test_a_folder_that_is_gone_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        keep_within(tmp_path / "gone", 30.0, 1.0, NOW)


def sidecar(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return content


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    for content in (b"one", b"two", b"three"):
        store(tmp_path, "name", ".flac", content, {"type": "event_end"})
    assert kept(tmp_path) == files("name", "name-2", "name-3")
    assert (tmp_path / "name.flac").read_bytes() == b"one"
    assert (tmp_path / "name-3.flac").read_bytes() == b"three"
    assert sidecar(tmp_path, "name-2") == {"type": "event_end", "file": "name-2.flac"}


@pytest.mark.parametrize("taken", ["name.flac", "name.wav", "name.json", ".name.json.part"])
def test_a_clip_shares_its_name_with_no_other_file(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).write_bytes(b"mine")
    store(tmp_path, "name", ".wav", b"sound", {})
    assert kept(tmp_path) == {taken, "name-2.wav", "name-2.json"}
    assert (tmp_path / taken).read_bytes() == b"mine"


@pytest.mark.parametrize(
    "planted", ["name.flac", "name.json", ".name.flac.part", ".name.json.part"]
)
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_planted_at_the_name_is_not_followed(
    planted: str, dangling: bool, tmp_path: Path
) -> None:
    folder, target = tmp_path / "clips", tmp_path / "target"
    folder.mkdir()
    if not dangling:
        target.write_bytes(b"mine")
    (folder / planted).symlink_to(target)
    store(folder, "name", ".flac", b"sound", {})
    assert kept(folder) == {planted, "name-2.flac", "name-2.json"}
    assert (folder / planted).is_symlink()
    assert target.exists() is not dangling
    assert dangling or target.read_bytes() == b"mine"


@pytest.mark.parametrize("limit", [10, 1_000])
def test_a_disk_that_fills_up_is_an_oserror_and_leaves_nothing_behind(
    limit: int, tmp_path: Path
) -> None:
    """In the sidecar, or in the sound: the system itself refuses to let a file grow."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            store(tmp_path, "name", ".flac", b"s" * 5_000, {"type": "event_end"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert kept(tmp_path) == set()


def test_the_sound_has_its_name_before_the_sidecar_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename
    found: list[set[str]] = []

    def noted(path: Path, target: Path) -> Path:
        result = rename(path, target)
        found.append(kept(tmp_path))
        return result

    monkeypatch.setattr(Path, "rename", noted)
    store(tmp_path, "name", ".flac", b"sound", {})
    assert found == [{"name.flac", ".name.json.part"}, {"name.flac", "name.json"}]


def test_a_clip_outlives_a_power_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its content is on the disk before it has its name, and then its name is."""
    synced: list[tuple[Path | None, set[str]]] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((None, kept(tmp_path))))
    monkeypatch.setattr(
        "livetag.retention.sync_folder", lambda folder: synced.append((folder, kept(tmp_path)))
    )
    store(tmp_path, "name", ".flac", b"sound", {})
    assert synced == [
        (None, {".name.json.part", ".name.flac.part"}),
        (None, {".name.json.part", "name.flac"}),
        (tmp_path, {"name.json", "name.flac"}),
    ]


def test_a_sound_whose_sidecar_cannot_be_written_is_not_there_twice_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def broken(path: Path, target: Path) -> Path:
        if target.suffix == ".json":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", broken)
        with pytest.raises(OSError, match="Input/output"):
            store(tmp_path, "name", ".flac", b"sound", {})
    assert kept(tmp_path) == set()
    store(tmp_path, "name", ".flac", b"sound", {})
    assert kept(tmp_path) == files("name")


def test_a_missing_folder_is_made_with_its_parents_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "clips"
    make_folder(folder)
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_there_keeps_its_mode_and_its_files(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "notes.txt").touch()
    make_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert kept(tmp_path) == {"notes.txt"}


@pytest.mark.parametrize("below", ["", "clips"])
def test_a_path_that_is_a_file_or_leads_through_one_is_wrong_use(
    below: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(UsageError, match="is no folder: name another"):
        make_folder(tmp_path / "file" / below)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_folder_that_cannot_be_written_is_an_error_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(dir: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(LivetagError, match=r"cannot be written: Read-only file system"):
        make_folder(tmp_path)
