"""Log files: whole lines, one file after another by date and size, and nothing lost or spoilt."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zones

from livetag.appendfile import AppendFile
from livetag.errors import LivetagError, UsageError
from livetag.log_format import LogFormat, row_of
from livetag.logfile import LogFile

PLAIN = LogFormat()
HEADED = LogFormat(header="time,what")
ONE_STREAM = LogFormat(header="time,what", one_stream=True)
NOON = 1_795_348_800.0  # 2026-11-22T12:00 in UTC
DAY_SECONDS = 86_400.0


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    with zones.zone(zones.UTC):
        yield


@pytest.fixture
def berlin(utc: None) -> Iterator[None]:
    with zones.zone(zones.BERLIN):
        yield


def unix(*fields: int) -> float:
    return datetime(*fields, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def write_all(
    pattern: Path,
    records: list[tuple[str, float]],
    log_format: LogFormat = PLAIN,
    max_megabytes: float | None = None,
) -> None:
    log = LogFile(pattern, log_format, max_megabytes, opened_at=records[0][1])
    for record, at in records:
        log.write(record, at)
    log.close()


@pytest.mark.usefixtures("berlin")
def test_a_file_is_of_a_local_day(tmp_path: Path) -> None:
    before, after = unix(2026, 11, 21, 22, 59, 59), unix(2026, 11, 21, 23)
    write_all(tmp_path / "events-%Y-%m-%d.csv", [("a", before), ("b", after)], HEADED)
    assert contents(tmp_path) == {
        "events-2026-11-21.csv": "time,what\na\n",
        "events-2026-11-22.csv": "time,what\nb\n",
    }


@pytest.mark.usefixtures("berlin")
def test_days_of_23_and_25_hours_end_at_their_own_midnight(tmp_path: Path) -> None:
    """Summer time begins on 2026-03-29 and ends on 2026-10-25."""
    times = [
        unix(2026, 3, 28, 22, 59, 59),
        unix(2026, 3, 28, 23),
        unix(2026, 3, 29, 21, 59, 59),
        unix(2026, 3, 29, 22),
        unix(2026, 10, 24, 21, 59, 59),
        unix(2026, 10, 24, 22),
        unix(2026, 10, 25, 22, 59, 59),
        unix(2026, 10, 25, 23),
    ]
    write_all(tmp_path / "%m-%d", [(str(number), at) for number, at in enumerate(times)])
    assert contents(tmp_path) == {
        "03-28": "0\n",
        "03-29": "1\n2\n",
        "03-30": "3\n",
        "10-24": "4\n",
        "10-25": "5\n6\n",
        "10-26": "7\n",
    }


@pytest.mark.usefixtures("berlin")
def test_the_hour_that_is_there_twice_has_one_file(tmp_path: Path) -> None:
    first = unix(2026, 10, 25, 0, 30)  # 02:30 in summer time
    records = [(str(hour), first + hour * 3_600) for hour in range(3)]
    write_all(tmp_path / "%H.txt", records, ONE_STREAM)
    assert contents(tmp_path) == {"02.txt": "time,what\n0\n1\n", "03.txt": "time,what\n2\n"}


def test_an_event_that_began_yesterday_is_in_the_newer_file(tmp_path: Path) -> None:
    midnight = NOON + DAY_SECONDS / 2
    records = [("a", NOON), ("b", midnight + 1), ("late", midnight - 9), ("c", midnight + 2)]
    write_all(tmp_path / "%d.txt", records)
    assert contents(tmp_path) == {"22.txt": "a\n", "23.txt": "b\nlate\nc\n"}


@pytest.mark.parametrize("log_format", [PLAIN, HEADED, ONE_STREAM])
def test_a_log_opened_just_after_midnight_takes_what_began_before_it(
    log_format: LogFormat, tmp_path: Path
) -> None:
    """Yesterday's file may be another run's, to which nothing may be added, or not be there."""
    midnight = NOON + DAY_SECONDS / 2
    yesterday = tmp_path / "22.txt"
    yesterday.write_text("time,what\nanother run's\n")
    log = LogFile(tmp_path / "%d.txt", log_format, opened_at=midnight + 5)
    log.write("a", midnight - 3)
    log.write("b", midnight + 6)
    log.close()
    assert (tmp_path / "23.txt").read_text() == (
        f"{log_format.header}\na\nb\n" if log_format.header else "a\nb\n"
    )
    assert yesterday.read_text() == "time,what\nanother run's\n"


def test_a_clock_that_was_years_ahead_is_followed_back(tmp_path: Path) -> None:
    records = [("wrong", NOON + 3_653 * DAY_SECONDS), ("right", NOON), ("next", NOON + 1)]
    write_all(tmp_path / "%Y.txt", records)
    assert contents(tmp_path) == {"2036.txt": "wrong\n", "2026.txt": "right\nnext\n"}


def test_a_recording_of_years_ago_has_its_own_dates(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "%Y.txt", PLAIN, opened_at=NOON)
    log.write("a", NOON - DAY_SECONDS)
    log.write("b", NOON - 3_653 * DAY_SECONDS)
    log.close()
    assert contents(tmp_path) == {"2016.txt": "b\n", "2026.txt": "a\n"}


@pytest.mark.parametrize("pattern", ["none/events.csv", "none/%Y/events.csv", "%%Y/events.csv"])
def test_folders_of_the_user_are_the_users_to_make(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(
        LivetagError, match=r"events\.csv cannot be written: No such file"
    ) as caught:
        LogFile(tmp_path / pattern, PLAIN, opened_at=NOON)
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_code_that_is_no_date_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'%S' is no date"):
        LogFile(tmp_path / "%Y" / "%S.csv", PLAIN, opened_at=NOON)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_as_large_as_it_may_be_and_no_larger(tmp_path: Path) -> None:
    """The header is 10 bytes and each record 10 more: three fit."""
    records = [(f"record {number:02}", NOON) for number in range(7)]
    write_all(tmp_path / "log.csv", records, HEADED, max_megabytes=40e-6)
    assert contents(tmp_path) == {
        "log.csv": "time,what\nrecord 00\nrecord 01\nrecord 02\n",
        "log.2.csv": "time,what\nrecord 03\nrecord 04\nrecord 05\n",
        "log.3.csv": "time,what\nrecord 06\n",
    }


def test_a_million_bytes_are_a_megabyte_and_letters_may_be_several_bytes(tmp_path: Path) -> None:
    records = [("ü" * 170_000, NOON)] * 3  # 340,001 bytes each, with the end of the line
    write_all(tmp_path / "log", records, max_megabytes=1.0)
    assert {name: len(text) for name, text in contents(tmp_path).items()} == {
        "log": 340_002,
        "log.2": 170_001,
    }


def test_a_record_that_is_larger_than_a_file_may_be_has_one_to_itself(tmp_path: Path) -> None:
    records = [("a", NOON), ("b" * 100, NOON), ("c", NOON)]
    write_all(tmp_path / "log.csv", records, HEADED, max_megabytes=20e-6)
    assert list(contents(tmp_path).values()) == [
        "time,what\n" + "b" * 100 + "\n",
        "time,what\nc\n",
        "time,what\na\n",
    ]


def test_a_second_run_goes_on_with_the_last_file(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    write_all(path, [(f"{number:07}", NOON) for number in range(12)], max_megabytes=8e-6)
    path.unlink()  # what was put away leaves the others in their order
    for stranger in ("log.013.csv", "log.13.csv.gz", "log.99", "blog.99.csv", "log.x.csv"):
        (tmp_path / stranger).touch()
    write_all(path, [("again", NOON), ("and on", NOON)], max_megabytes=14e-6)
    assert (tmp_path / "log.12.csv").read_text() == "0000011\nagain\n"
    assert (tmp_path / "log.13.csv").read_text() == "and on\n"


def test_a_new_day_begins_again_with_its_last_file(tmp_path: Path) -> None:
    (tmp_path / "23.txt").write_text("first\n")
    (tmp_path / "23.2.txt").write_text("second\n")
    records = [("a", NOON), ("b", NOON), ("c", NOON + DAY_SECONDS)]
    write_all(tmp_path / "%d.txt", records, max_megabytes=8e-6)
    assert contents(tmp_path) == {
        "22.txt": "a\nb\n",
        "23.txt": "first\n",
        "23.2.txt": "second\n",
        "23.3.txt": "c\n",
    }


def test_a_file_is_closed_when_another_follows(tmp_path: Path) -> None:
    records = [(str(number), NOON + number * DAY_SECONDS) for number in range(3)]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        write_all(tmp_path / "%d.txt", records)
    assert len(contents(tmp_path)) == 3
    assert warned == []


def test_numbers_mean_nothing_where_size_does_not(tmp_path: Path) -> None:
    (tmp_path / "log.2.csv").write_text("another's\n")
    write_all(tmp_path / "log.csv", [("a", NOON)])
    assert contents(tmp_path) == {"log.2.csv": "another's\n", "log.csv": "a\n"}


def test_a_file_that_is_something_else_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "2026.csv"
    path.write_text("when,what\n1,Dog\n")
    with pytest.raises(UsageError, match=r"2026\.csv is not a log of livetag's"):
        LogFile(tmp_path / "%Y.csv", HEADED, opened_at=NOON)
    assert path.read_text() == "when,what\n1,Dog\n"


def test_a_file_that_is_something_else_fails_the_log_that_comes_to_it(tmp_path: Path) -> None:
    (tmp_path / "23.csv").write_text("milk,eggs\n")
    log = LogFile(tmp_path / "%d.csv", HEADED, opened_at=NOON)
    log.write("a", NOON)
    with pytest.raises(OSError, match=r"23\.csv is not a log of livetag's") as caught:
        log.write("b", NOON + DAY_SECONDS)
    assert str(caught.value.strerror).startswith(f"{tmp_path / '23.csv'} is not a log")
    log.close()
    assert contents(tmp_path) == {"22.csv": "time,what\na\n", "23.csv": "milk,eggs\n"}


@pytest.mark.parametrize("max_megabytes", [None, 1.0])
def test_a_file_of_one_stream_is_never_added_to(
    max_megabytes: float | None, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    path.touch()  # empty, it holds no times
    write_all(path, [("a", NOON)], ONE_STREAM, max_megabytes)
    with pytest.raises(UsageError, match=r"log\.csv is there already.*another stream's: name"):
        LogFile(path, ONE_STREAM, max_megabytes)
    assert path.read_text() == "time,what\na\n"


@pytest.mark.parametrize("content", ["time,what\n", "time,what", "ti"])
def test_a_file_of_one_stream_that_holds_no_times_is_gone_on_with(
    content: str, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    path.write_text(content)
    write_all(path, [("a", NOON)], ONE_STREAM)
    assert path.read_text() == "time,what\na\n"


def test_the_later_files_of_one_stream_are_not_added_to_either(tmp_path: Path) -> None:
    (tmp_path / "23.csv").write_text("time,what\nanother's\n")
    (tmp_path / "24.2.csv").write_text("time,what\nanother's\n")
    with pytest.raises(OSError, match=r"23\.csv is there already"):
        write_all(tmp_path / "%d.csv", [("a", NOON), ("b", NOON + DAY_SECONDS)], ONE_STREAM)
    with pytest.raises(UsageError, match=r"24\.2\.csv is there already"):
        write_all(tmp_path / "%d.csv", [("a", NOON + 2 * DAY_SECONDS)], ONE_STREAM, 1.0)


@pytest.mark.parametrize(
    ("cut", "mended"),
    [
        ('a,Dog\nb,"Smoke de', "a,Dog\n"),
        ("a,Dog\nb", "a,Dog\n"),
        ("a,Dog\nb,", "a,Dog\n"),
        ('a,Dog\nb,"', "a,Dog\n"),
        ('a,Dog\nb,"Smoke" alarm', "a,Dog\n"),
        ('a,Dog\nb,"Smoke, alarm"', 'a,Dog\nb,"Smoke, alarm"\n'),
        ("a,Dog\nb,Smoke", "a,Dog\nb,Smoke\n"),
        ("a,Dog\nb,Smoke,alarm", "a,Dog\n"),
        ("a,Dog\n" + 200_000 * "\0", "a,Dog\n"),
        ("a,Dog\n", "a,Dog\n"),
        ("a,D", "a,D\n"),
        ("a", ""),
    ],
)
def test_a_line_cut_short_by_a_crash_is_cut_off_unless_only_its_end_is_missing(
    cut: str, mended: str, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_text(cut)
    LogFile(path, LogFormat(is_whole=row_of(2))).close()
    assert path.read_text() == mended
    write_all(path, [("c,Bell", NOON)], LogFormat(is_whole=row_of(2)))
    assert path.read_text() == f"{mended}c,Bell\n"


def test_half_a_line_that_another_has_written_on_is_not_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which it may be at, as it is looked for."""
    path = tmp_path / "log"
    path.write_text("a\nb")

    def opened(path: Path, *arguments: Any) -> AppendFile:
        with path.open("a") as file:
            file.write(" and more\n")
        return AppendFile(path, *arguments)

    monkeypatch.setattr("livetag.logfile.AppendFile", opened)
    write_all(path, [("c", NOON)])
    assert path.read_text() == "a\nb and more\nc\n"


@pytest.mark.parametrize("cut", ["t", "time,wh", "time,what"])
def test_a_header_cut_short_by_a_crash_is_completed(cut: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(cut)
    write_all(path, [("Bell", NOON)], HEADED)
    assert path.read_text() == "time,what\nBell\n"


def test_text_that_is_no_utf_8_is_written_as_escapes(tmp_path: Path) -> None:
    write_all(tmp_path / "log", [("caf\udce9 \N{BELL}", NOON)])
    assert (tmp_path / "log").read_text(encoding="utf-8") == "caf\\udce9 \N{BELL}\n"


def test_a_process_that_is_killed_leaves_whole_lines(tmp_path: Path) -> None:
    """Each line that was reported as written is there, and none is torn."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from livetag.log_format import LogFormat\n"
        "from livetag.logfile import LogFile\n"
        "log = LogFile(Path(sys.argv[1]), LogFormat(), max_megabytes=0.002)\n"
        "for number in range(10**9):\n"
        "    log.write(f'{number:04} ' + 'x' * 100, 0.0)\n"
        "    print(number, flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "log.txt")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        reported = [child.stdout.readline() for _ in range(100)]
        child.kill()
        reported += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    text = "".join(contents(tmp_path).values())
    assert text.endswith("\n")
    lines = sorted(text.splitlines())
    assert lines == [f"{number:04} " + "x" * 100 for number in range(len(lines))]
    whole = [line for line in reported if line.endswith("\n")]
    assert len(lines) - len(whole) in {0, 1}


needs_full_disk = pytest.mark.skipif(
    not Path("/dev/full").is_char_device(), reason="this system has no /dev/full"
)


@needs_full_disk
def test_a_full_disk_is_told_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(LivetagError, match="the log /dev/full cannot be written: No space left"):
        LogFile(Path("/dev/full"), HEADED)
    log = LogFile(Path("/dev/full"), PLAIN)
    with pytest.raises(OSError, match="No space left"):
        log.write("a", NOON)


@needs_full_disk
def test_a_disk_that_is_full_at_midnight_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "23.csv").symlink_to("/dev/full")
    log = LogFile(tmp_path / "%d.csv", HEADED, opened_at=NOON)
    with pytest.raises(OSError, match="No space left") as caught:
        log.write("a", NOON + DAY_SECONDS)
    assert caught.value.strerror == f"{tmp_path / '23.csv'}: No space left on device"
    log.close()


# --- Disks that fill up, files and folders that go away -----------------------------------------


@contextlib.contextmanager
def room_for(more_bytes: int, path: Path) -> Iterator[None]:
    """The system itself refuses to let a file grow further: what fits is written."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.stat().st_size if path.exists() else 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + more_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 3, 4])
def test_a_record_for_which_there_is_no_room_is_in_the_file_once_when_there_is(
    room: int, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    log = LogFile(path, HEADED, opened_at=NOON)
    log.write("first", NOON)
    with room_for(room, path):
        for _ in range(3):
            with pytest.raises(OSError, match="File too large"):
                log.write("second", NOON)
            assert path.read_text() == "time,what\nfirst\n"
    log.write("second", NOON)
    log.close()
    assert path.read_text() == "time,what\nfirst\nsecond\n"


def test_a_header_for_which_there_is_no_room_is_written_when_there_is(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "%d.csv", HEADED, opened_at=NOON)
    with room_for(4, tmp_path / "23.csv"):
        for _ in range(2):
            with pytest.raises(OSError, match=r"23\.csv: File too large"):
                log.write("a", NOON + DAY_SECONDS)
    log.write("a", NOON + DAY_SECONDS)
    log.close()
    assert contents(tmp_path) == {"22.csv": "time,what\n", "23.csv": "time,what\na\n"}


def test_half_a_record_that_cannot_be_cut_off_is_before_another_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    log = LogFile(path, PLAIN)
    log.write("first", NOON)

    def refuse(_: AppendFile) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch, room_for(3, path):
        patch.setattr(AppendFile, "_cut_back", lambda _: None)
        with pytest.raises(OSError, match="File too large"):
            log.write("second", NOON)
        patch.setattr(AppendFile, "_cut_back", refuse)
        with pytest.raises(OSError, match="Read-only"):
            log.write("second", NOON)
        assert path.read_text() == "first\nsec"
    log.write("second", NOON)
    log.close()
    assert path.read_text() == "first\nsecond\n"


def test_half_a_record_that_another_has_written_behind_costs_it_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    log = LogFile(path, PLAIN)
    with monkeypatch.context() as patch, room_for(3, path):
        patch.setattr(AppendFile, "_cut_back", lambda _: None)
        with pytest.raises(OSError, match="File too large"):
            log.write("second", NOON)
    with path.open("a") as other:
        other.write("another's\n")
    log.write("second", NOON)
    log.close()
    assert path.read_text() == "secanother's\nsecond\n"


def test_a_disk_that_fails_to_take_a_record_has_it_once_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    log = LogFile(path, PLAIN)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("livetag.appendfile.sync_file", fail)
        with pytest.raises(OSError, match="Input/output"):
            log.write("a", NOON)
    assert path.read_text() == ""
    log.write("a", NOON)
    log.close()
    assert path.read_text() == "a\n"


@pytest.mark.parametrize("synced", [True, False])
def test_a_record_is_on_the_disk_when_it_is_written_where_that_is_asked_for(
    synced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    found: list[str] = []
    monkeypatch.setattr("livetag.appendfile.sync_file", lambda _: found.append(path.read_text()))
    log = LogFile(path, HEADED, synced=synced)
    log.write("a", NOON)
    log.close()
    assert found == (["time,what\n", "time,what\na\n"] if synced else [])


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("log_format", [PLAIN, HEADED, ONE_STREAM])
def test_a_file_that_is_moved_away_is_followed_by_a_new_one(
    log_format: LogFormat, told: bool, tmp_path: Path
) -> None:
    """As by logrotate, which tells with a signal, or does not."""
    path = tmp_path / "log"
    log = LogFile(path, log_format)
    log.write("a", NOON)
    log.reopen()  # which changes nothing while all is in its place
    path.rename(tmp_path / "log.1")
    header = f"{log_format.header}\n" if log_format.header else ""
    if told:
        log.reopen()
        assert path.read_text() == header
    log.write("b", NOON)
    log.close()
    assert contents(tmp_path) == {"log": f"{header}b\n", "log.1": f"{header}a\n"}


def test_a_file_that_is_removed_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = LogFile(path, HEADED, max_megabytes=14e-6)
    log.write("a", NOON)
    log.write("b", NOON)
    log.write("c", NOON)
    (tmp_path / "log.2.csv").unlink()
    log.write("d", NOON)
    log.close()
    assert contents(tmp_path) == {"log.csv": "time,what\na\nb\n", "log.2.csv": "time,what\nd\n"}


def test_a_log_in_the_place_of_another_is_gone_on_with_unless_it_is_none(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = LogFile(path, HEADED)
    path.unlink()
    path.write_text("time,what\nanother's\n")
    log.write("a", NOON)
    assert path.read_text() == "time,what\nanother's\na\n"
    path.unlink()
    path.write_text("milk,eggs\n")
    with pytest.raises(OSError, match="is not a log of livetag's"):
        log.write("b", NOON)
    path.unlink()
    log.write("b", NOON)
    log.close()
    assert path.read_text() == "time,what\nb\n"


def test_a_folder_that_goes_away_is_not_made_again_and_the_record_waits(tmp_path: Path) -> None:
    folder, away = tmp_path / "logs", tmp_path / "away"
    folder.mkdir()
    log = LogFile(folder / "log", PLAIN)
    log.write("a", NOON)
    folder.rename(away)
    for _ in range(2):
        with pytest.raises(FileNotFoundError) as caught:
            log.write("b", NOON)
        assert caught.value.strerror == "No such file or directory"
    with pytest.raises(FileNotFoundError):
        log.reopen()
    assert not folder.exists()
    away.rename(folder)
    log.write("b", NOON)
    assert (folder / "log").read_text() == "a\nb\n"
    folder.rename(away)
    folder.mkdir()
    log.write("c", NOON)
    log.close()
    assert contents(tmp_path) == {"away/log": "a\nb\n", "logs/log": "c\n"}


def test_a_folder_that_a_date_names_is_made_again(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "%m" / "log", PLAIN, opened_at=NOON)
    (tmp_path / "11" / "log").unlink()
    (tmp_path / "11").rmdir()
    log.write("a", NOON)
    log.close()
    assert contents(tmp_path) == {"11/log": "a\n"}


def test_a_folder_that_vanishes_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = LogFile(folder / "%m" / "%d.csv", PLAIN, max_megabytes=1.0, opened_at=NOON)
    log.write("a", NOON)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"22\.csv: No such file"):
        log.write("b", NOON + 1)
    with pytest.raises(OSError, match=r"23\.csv: No such file"):
        log.write("c", NOON + DAY_SECONDS)
    log.close()
    assert contents(tmp_path) == {"elsewhere/11/22.csv": "a\n"}


def test_what_cannot_be_opened_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(LivetagError, match="cannot be written: Is a directory"):
        LogFile(tmp_path, PLAIN)
    (tmp_path / "file").touch()
    with pytest.raises(LivetagError, match="cannot be written: Not a directory"):
        LogFile(tmp_path / "file" / "log", PLAIN)
    (tmp_path / "2026").touch()
    with pytest.raises(LivetagError, match="cannot be written: File exists"):
        LogFile(tmp_path / "%Y" / "log", PLAIN, opened_at=NOON)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_without_permission_is_an_error_with_the_reason(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LivetagError, match="cannot be written: Permission denied"):
        LogFile(tmp_path / "log", PLAIN)
    tmp_path.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_takes_records_as_they_come(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = LogFile(pipe, ONE_STREAM, max_megabytes=1e-6)
    log.write("a", NOON)
    log.write("b", NOON)
    assert os.read(reader, 100) == b"time,what\na\nb\n"
    log.close()
    os.close(reader)
