"""A file that takes whole records; what a log makes of it is tried in test_logfile."""

import errno
import os
from pathlib import Path

import pytest

from livetag.appendfile import AppendFile


def test_records_follow_what_is_there_and_are_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before\n")
    file = AppendFile(path, synced=True)
    assert file.size == 7
    for number in range(3):
        file.append(b"%d\n" % number)
        assert path.read_bytes().endswith(b"%d\n" % number)
    assert file.size == 13
    file.close()


def test_two_that_write_one_file_overwrite_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    one, other = AppendFile(path, synced=False), AppendFile(path, synced=False)
    for file in (one, other, other, one):
        file.append(b"1\n" if file is one else b"2\n")
    assert path.read_bytes() == b"1\n2\n2\n1\n"
    one.close()
    other.close()


def test_it_knows_whether_a_path_leads_to_it(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    file = AppendFile(path, synced=True)
    link.symlink_to(path)
    assert file.is_at(path)
    assert file.is_at(link)
    path.rename(tmp_path / "moved")
    assert not file.is_at(path)
    assert file.is_at(tmp_path / "moved")
    path.touch()
    assert not file.is_at(path)
    assert not file.is_at(path / "below")
    file.close()


def test_half_a_record_is_cut_off_at_the_latest_as_the_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "file"
    file = AppendFile(path, synced=True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, before[1]))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(AppendFile, "_cut_back", lambda _: None)
            with pytest.raises(OSError, match="File too large"):
                file.append(b"record\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"rec"
    file.close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize("synced", [True, False])
def test_a_new_file_s_name_is_on_the_disk_before_its_records(
    synced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []
    monkeypatch.setattr("livetag.appendfile.sync_folder", folders.append)
    for _ in range(2):
        AppendFile(tmp_path / "file", synced).close()
    assert folders == ([tmp_path] if synced else [])


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_a_device_is_neither_synced_nor_cut() -> None:
    file = AppendFile(Path("/dev/full"), synced=True)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left") as caught:
            file.append(b"record\n")
        assert caught.value.errno == errno.ENOSPC
    file.close()
    file = AppendFile(Path(os.devnull), synced=True)
    file.append(b"record\n")
    assert file.size == 0
    file.close()
