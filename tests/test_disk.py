"""What reaches the disk, and what has room there."""

import os
from pathlib import Path

import pytest

from livetag.disk import check_room, sync_file, sync_folder


def test_what_was_written_is_synced_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    with (tmp_path / "file").open("wb") as file:
        sync_file(file.fileno())  # for real
        monkeypatch.setattr(os, "fsync", synced.append)
        monkeypatch.delattr(os, "fdatasync", raising=False)  # as on macOS and Windows
        sync_file(file.fileno())
        assert synced == [file.fileno()]


def test_a_folder_is_synced_where_that_can_be_done_and_nobody_minds_where_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[os.stat_result] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor)))
    sync_folder(tmp_path)
    if os.name == "posix":
        (folder,) = synced
        assert os.path.samestat(folder, tmp_path.stat())
    sync_folder(tmp_path / "none")

    def refuse(_: int) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    sync_folder(tmp_path)


def test_room_is_tried_for_and_nothing_is_left(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    check_room(tmp_path, 100_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (99_999, before[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            check_room(tmp_path, 100_000)
        check_room(tmp_path, 99_999)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(FileNotFoundError):
        check_room(tmp_path / "none", 1)
    assert list(tmp_path.iterdir()) == []
