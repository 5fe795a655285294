"""Files from outside: regular ones of a bounded size, and nothing that waits. And whole ones."""

import hashlib
import os
import sys
from pathlib import Path

import pytest

from livetag.files import open_regular, read_regular, sha256_of, write_whole

MOST = 1_000


def test_a_file_is_read_whole_up_to_its_bound_and_hashed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(250)) * 4)
    assert read_regular(path, MOST) == path.read_bytes()
    assert sha256_of(path, MOST) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_larger_than_its_bound_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    for read in (read_regular, sha256_of):
        with pytest.raises(OSError, match="larger than 2 MiB"):
            read(path, 2 << 20)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's /proc")
def test_a_file_that_holds_more_than_it_claims_is_refused() -> None:
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    for read in (read_regular, sha256_of):
        with pytest.raises(OSError, match="larger than 0 KiB"):
            read(path, 10)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"regular|[Pp]ermission|directory"):
        open_regular(tmp_path, MOST)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        open_regular(tmp_path / "pipe", MOST)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device")
def test_a_device_that_never_ends_is_refused() -> None:
    with pytest.raises(OSError, match="no regular file"):
        sha256_of(Path("/dev/zero"), MOST)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(OSError, match="no file can have this name"):
        open_regular(Path("a\0b"), MOST)


def test_a_link_is_followed_only_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_regular(tmp_path / "link", MOST) == b"content"
    with pytest.raises(OSError, match="it is a link"):
        open_regular(tmp_path / "link", MOST, follow_link=False)


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="the system cannot refuse links")
def test_a_link_that_takes_a_files_place_as_it_is_opened_is_refused_by_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)  # as it was a moment ago
    with pytest.raises(OSError, match=r"[Tt]oo many"):
        open_regular(tmp_path / "link", MOST, follow_link=False)


# --- Written whole ------------------------------------------------------------------------------


def test_a_file_is_written_in_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write_whole(path, b"new", 0o640)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_whole(link, b"new", 0o644)
    assert not link.is_symlink()
    assert (link.read_bytes(), target.read_bytes()) == (b"new", b"old")


def test_a_file_that_cannot_be_whole_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new", 0o644)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
