"""Names of logs: a date's file in a date's folder, and numbers that go on."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zones

from livetag.errors import UsageError
from livetag.log_name import CODES, LogName

NOON = 1_795_348_800.0  # 2026-11-22T12:00 in UTC


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    with zones.zone(zones.UTC):
        yield


def name_at(pattern: str, at: float) -> str:
    return LogName(Path(pattern)).base_at(at).as_posix()


# --- Dates --------------------------------------------------------------------------------------


def test_every_code_is_a_number_of_the_local_date() -> None:
    at = datetime(2027, 1, 1, 8, tzinfo=UTC).timestamp()
    with zones.zone(zones.BERLIN):
        assert name_at("_".join(CODES), at) == "2027_01_01_09_001_2026_53"


def test_codes_may_stand_anywhere_and_a_percent_sign_is_written_twice() -> None:
    assert name_at("100%% of %Y/%m-%d, %%Y.txt", NOON) == "100% of 2026/11-22, %Y.txt"
    assert name_at("plain/events.csv", NOON) == "plain/events.csv"


@pytest.mark.parametrize(
    "pattern", ["100%.csv", "100%", "%", "%s.csv", "%x.csv", "%A.csv", "%S", "% d", "%%%", "%/x"]
)
def test_a_code_that_is_no_number_of_a_date_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match=re.escape("there are %Y, %m, %d")) as caught:
        LogName(Path(pattern))
    assert "%%" in str(caught.value)


def test_a_name_that_is_no_text_takes_dates_all_the_same() -> None:
    """A file's name may hold any bytes; Python carries those that are no UTF-8 as surrogates."""
    assert name_at("caf\udce9-%Y.txt", NOON) == "caf\udce9-2026.txt"


# --- Folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "users"),
    [
        ("events.csv", ""),
        ("%Y.csv", ""),
        ("%Y/%m/events.csv", ""),
        ("logs/%Y.csv", "logs"),
        ("logs/%Y/plain/%m/events.csv", "logs"),
        ("logs/plain/events.csv", "logs/plain"),
        ("100%%/%Y/events.csv", "100%"),
        ("100%%/events.csv", "100%"),
    ],
)
def test_folders_that_dates_name_are_made_where_the_users_are_there(
    pattern: str, users: str, tmp_path: Path
) -> None:
    name = LogName(tmp_path / pattern)
    base = name.base_at(NOON)
    assert name.users_folder(base) == tmp_path / users
    (tmp_path / users).mkdir(parents=True, exist_ok=True)
    name.make_folders(base, synced=False)
    base.touch()


def test_folders_of_the_user_are_not_made(tmp_path: Path) -> None:
    for pattern in ("none/events.csv", "none/%Y.csv"):
        name = LogName(tmp_path / pattern)
        name.make_folders(name.base_at(NOON), synced=False)
    name = LogName(tmp_path / "none" / "%Y" / "events.csv")
    with pytest.raises(FileNotFoundError):
        name.make_folders(name.base_at(NOON), synced=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("synced", [True, False])
def test_folders_that_are_made_are_on_the_disk_where_that_is_asked_for(
    synced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Path] = []
    monkeypatch.setattr("livetag.log_name.sync_folder", found.append)
    name = LogName(tmp_path / "%Y" / "%m" / "log")
    for _ in range(2):
        name.make_folders(name.base_at(NOON), synced)
    assert found == ([tmp_path, tmp_path / "2026"] if synced else [])


# --- Numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "second"),
    [
        ("log", "log.2"),
        ("log.old.csv", "log.old.2.csv"),
        (".log", ".log.2"),
        ("%Y.%m", "2026.11.2"),
        ("%Y.csv", "2026.2.csv"),
    ],
)
def test_the_number_stands_before_the_suffix(pattern: str, second: str, tmp_path: Path) -> None:
    name = LogName(tmp_path / pattern)
    base = name.base_at(NOON)
    assert name.numbered(base, 1) == base
    assert name.numbered(base, 2) == tmp_path / second
    assert name.last_number(base) == 1
    (tmp_path / second).touch()
    assert name.last_number(base) == 2


def test_names_that_are_no_numbers_of_this_log_do_not_count(tmp_path: Path) -> None:
    for other in (
        "log.013.csv",
        "log.13.csv.gz",
        "log.99",
        "blog.99.csv",
        "log.x.csv",
        "log.0.csv",
    ):
        (tmp_path / other).touch()
    name = LogName(tmp_path / "log.csv")
    assert name.last_number(tmp_path / "log.csv") == 1
    (tmp_path / "log.12.csv").touch()
    assert name.last_number(tmp_path / "log.csv") == 12
