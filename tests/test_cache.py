"""The cache: only a folder of the user's own is used, and only files of the user's own in it."""

import os
import stat
from pathlib import Path

import pytest

from livetag.cache import (
    cache_lock,
    cached_sha256,
    check_cache,
    read_cached,
    temporary_folder,
    write_cached,
)
from livetag.errors import ModelError
from livetag.files import WRITING_PREFIX

MOST = 1_000
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    with cache_lock(folder):
        pass
    return folder


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file or a folder be another user's: only root can, others become another user."""
    if os.geteuid() == 0:
        os.chown(path, 12_345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)


@posix
def test_a_cache_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with cache_lock(tmp_path / "parent" / "cache"):
            pass
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "parent" / "cache").stat().st_mode) == 0o700


def test_a_cache_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert not check_cache(tmp_path / "none")
    assert not check_cache(tmp_path / "none" / "below")
    with pytest.raises(FileNotFoundError):
        read_cached(tmp_path / "none", "file", MOST)


def test_what_is_written_to_the_cache_is_read_again(cache: Path) -> None:
    write_cached(cache / "file", b"content")
    assert read_cached(cache, "file", MOST) == b"content"
    assert len(cached_sha256(cache, "file", MOST)) == 64
    assert {path.name for path in cache.iterdir()} == {"lock", "file"}


def test_a_cache_that_is_a_link_is_refused_and_the_folder_named(
    cache: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(cache, target_is_directory=True)
    write_cached(cache / "file", b"content")
    with pytest.raises(ModelError, match=rf"is a link.*LIVETAG_CACHE_DIR={cache}"):
        read_cached(link, "file", MOST)
    with pytest.raises(ModelError, match="is a link"), cache_lock(link):
        pass


def test_a_link_to_nowhere_is_not_made_a_cache(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="is a link"), cache_lock(tmp_path / "link"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_folders_that_lead_to_the_cache_may_be_links(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "home").symlink_to(tmp_path, target_is_directory=True)
    write_cached(cache / "file", b"content")
    assert read_cached(tmp_path / "home" / "cache", "file", MOST) == b"content"


def test_a_file_where_the_cache_should_be_is_an_error_that_names_the_way_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"is no folder\. LIVETAG_CACHE_DIR") as caught:
        check_cache(tmp_path / "file")
    assert caught.value.exit_code == 4


@posix
def test_a_cache_that_everybody_may_write_to_is_refused(cache: Path) -> None:
    cache.chmod(0o777)
    with pytest.raises(ModelError, match=r"written to by anybody.*chmod.*LIVETAG_CACHE_DIR"):
        check_cache(cache)
    cache.chmod(0o1777)  # others can still put a file there before we do
    with pytest.raises(ModelError, match="written to by anybody"):
        check_cache(cache)
    cache.chmod(0o775)  # a group of its own for each user is what many systems have
    assert check_cache(cache)


@posix
def test_a_cache_of_another_user_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_away(cache, monkeypatch)
    with pytest.raises(ModelError, match=r"belongs to another user \(uid \d+\).*chown"):
        check_cache(cache)


@posix
def test_a_cache_of_roots_may_be_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make one")
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    assert check_cache(cache)


def test_a_file_in_the_cache_that_is_a_link_is_not_read(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"somebody else's")
    (cache / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="it is a link"):
        read_cached(cache, "link", MOST)
    with pytest.raises(OSError, match="it is a link"):
        cached_sha256(cache, "link", MOST)


def test_a_folder_in_the_cache_that_is_a_link_is_not_followed(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "outside" / "inner").mkdir(parents=True)
    (tmp_path / "outside" / "inner" / "file").write_bytes(b"somebody else's")
    (cache / "folder").symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(OSError, match="is a link"):
        read_cached(cache, "folder/inner/file", MOST)


@posix
def test_a_file_in_the_cache_that_others_may_change_is_not_read(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cached(cache / "file", b"content")
    (cache / "file").chmod(0o666)
    with pytest.raises(PermissionError, match="written to by anybody"):
        read_cached(cache, "file", MOST)
    (cache / "file").chmod(0o644)
    assert read_cached(cache, "file", MOST) == b"content"
    if os.geteuid() == 0:
        give_away(cache / "file", monkeypatch)
        with pytest.raises(PermissionError, match="belongs to another user"):
            read_cached(cache, "file", MOST)


def test_writing_replaces_a_link_and_leaves_what_it_led_to(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"somebody else's")
    (cache / "file").symlink_to(tmp_path / "outside")
    write_cached(cache / "file", b"ours")
    assert read_cached(cache, "file", MOST) == b"ours"
    assert (tmp_path / "outside").read_bytes() == b"somebody else's"


def test_a_lock_that_is_a_link_is_refused(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"somebody else's")
    (cache / "lock").unlink()
    (cache / "lock").symlink_to(tmp_path / "outside")
    with pytest.raises(ModelError, match="lock is a link: remove it"), cache_lock(cache):
        pass
    assert (tmp_path / "outside").read_bytes() == b"somebody else's"


def test_a_temporary_folder_is_in_the_cache_and_goes_again(cache: Path) -> None:
    with temporary_folder(cache) as folder:
        assert folder.parent == cache
        (folder / "file").touch()
    assert {path.name for path in cache.iterdir()} == {"lock"}


def test_what_a_process_that_was_killed_left_is_removed_under_the_lock(cache: Path) -> None:
    (cache / ".fetch-abc").mkdir()
    (cache / ".fetch-abc" / "weights").write_bytes(b"half")
    (cache / f"{WRITING_PREFIX}abc").write_bytes(b"half")
    with cache_lock(cache):
        assert {path.name for path in cache.iterdir()} == {"lock"}
