"""The history: every event kept as it ends, by several monitors at once, and found again."""

import math
import multiprocessing
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import livetag.history
import livetag.history_file
from livetag.errors import InputError, LivetagError, UsageError
from livetag.events import EventEnd, EventStart, Gap, Item, Level
from livetag.history import HistoryWriter, Run
from livetag.history_query import History, Query
from livetag.sinks.base import EVERYTHING, Selection
from livetag.sinks.history_log import HistorySink
from livetag.yamnet.labels import Label

NOON = 1_795_348_800.0  # 2026-11-22 12:00 UTC
RUN = Run("USB Microphone", "0.2.0", "ab" * 32, "cache", 0.48, '{"top":10}')
DOG = Label(69, "/m/0bt9lr", "Dog")
BARK = Label(70, "/m/05tny_", "Bark")
SPEECH = Label(0, "/m/09x0r", "Speech")


def ended(
    label: Label = DOG,
    start_s: float = 12.48,
    seconds: float = 2.88,
    alert: bool = True,
    group: str = "",
    withheld: str = "",
    level_dbfs: float = -31.26,
    peak_score: float = 0.99004,
) -> EventEnd:
    """An event of a stream that began at noon."""
    start = EventStart(
        label, NOON + start_s, start_s, 0.9, 0.30000001192, level_dbfs, alert, group, withheld
    )
    end_s = start_s + seconds
    return EventEnd(start, NOON + end_s, end_s, peak_score, 0.95, 6, level_dbfs, alert)


def heard(end_s: float) -> Level:
    """Audio until there."""
    return Level(end_s, -60.0, -50.0, clipped=False)


def logged(path: Path, *items: Item, run: Run = RUN, selection: Selection = EVERYTHING) -> None:
    sink = HistorySink(path, run, selection)
    write_all(sink, items)
    sink.close()


def write_all(sink: HistorySink, items: Iterable[Item]) -> None:
    """An event's end comes after its start, and after the audio that it was found in."""
    for item in items:
        if isinstance(item, EventEnd):
            sink.write(item.start)
            sink.write(heard(item.end_s))
        sink.write(item)


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    """What any other program reads there."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def labels_of(path: Path, query: Query) -> list[str]:
    with History(path) as history:
        return [event.label for event in history.events(query)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a lock."""
    monkeypatch.setattr(livetag.history_file, "BUSY_SECONDS", 0.05)


def test_an_event_is_found_again_with_all_that_is_known_of_it(path: Path) -> None:
    logged(path, ended(BARK, group="dogs", alert=False, withheld="cooldown"))
    with History(path) as history:
        (event,) = history.events(Query())
    assert (event.start, event.end) == (NOON + 12.48, NOON + 15.36)
    assert (event.start_s, event.end_s, event.windows) == (12.48, 15.36, 6)
    assert (event.index, event.mid, event.label, event.group) == (70, BARK.mid, "Bark", "dogs")
    assert (event.peak_score, event.mean_score, event.threshold) == (0.99, 0.95, 0.3)
    assert (event.alert, event.withheld, event.level_dbfs) == (False, "cooldown", -31.3)
    assert (event.run, event.source) == (1, "USB Microphone")


def test_digital_silence_has_no_level(path: Path) -> None:
    logged(path, ended(level_dbfs=-math.inf))
    with History(path) as history:
        assert [event.level_dbfs for event in history.events(Query())] == [None]


def test_any_tool_reads_the_times_with_sqlite_s_own_functions(path: Path) -> None:
    logged(path, ended())
    statement = """SELECT datetime(start, 'unixepoch'), round("end" - start, 2) FROM events"""
    assert rows(path, statement) == [("2026-11-22 12:00:12", 2.88)]


def test_a_run_says_what_was_running(path: Path) -> None:
    logged(path, heard(60.0))
    statement = (
        "SELECT source, version, model_sha256, weights_source, hop_seconds,"
        " json_extract(configuration, '$.top') FROM runs"
    )
    assert rows(path, statement) == [("USB Microphone", "0.2.0", "ab" * 32, "cache", 0.48, 10)]


def test_gaps_are_kept(path: Path) -> None:
    logged(path, Gap(NOON + 3.0, 3.0, 0.21, "overflow"))
    with History(path) as history:
        (gap,) = history.gaps(Query())
        assert list(history.events(Query())) == []
    assert (gap.start, gap.start_s, gap.lost_seconds) == (NOON + 3.0, 3.0, 0.21)
    assert (gap.reason, gap.run, gap.source) == ("overflow", 1, "USB Microphone")


def test_an_event_can_be_read_when_write_returns(path: Path) -> None:
    sink = HistorySink(path, RUN)
    for number in (1, 2):
        sink.write(ended(start_s=10.0 * number))
        assert len(labels_of(path, Query())) == number
    sink.close()


def test_a_sink_is_written_by_a_thread_of_its_own(path: Path) -> None:
    sink = HistorySink(path, RUN)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            sink.write(ended())
            sink.close()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(30.0)
    assert failures == []
    assert labels_of(path, Query()) == ["Dog"]


def test_a_run_that_is_killed_keeps_its_events_and_never_ended(path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from test_history import *\n"
        f"sink = HistorySink(Path({str(path)!r}), RUN)\n"
        "write_all(sink, [ended(DOG), ended(SPEECH, 20.0)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    assert labels_of(path, Query()) == ["Dog", "Speech"]
    logged(path, ended(BARK, 30.0))
    assert labels_of(path, Query()) == ["Dog", "Speech", "Bark"]
    assert rows(path, "SELECT ended IS NULL, heard_until FROM runs") == [
        (1, NOON + 22.88),
        (0, NOON + 32.88),
    ]


def test_a_run_has_the_time_of_its_audio(path: Path) -> None:
    """A recording of last night, replayed now and fast, was heard last night."""
    logged(path, heard(5.0), ended(start_s=12.48), heard(3_600.0))
    (row,) = rows(path, "SELECT started, heard_until, ended FROM runs")
    assert row == pytest.approx((NOON, NOON + 3_600.0, NOON + 3_600.0), abs=1e-3)


def pieces(*seconds: float, reason: str = "zeros", begin_s: float = 3.0) -> list[Gap]:
    """Of a gap that goes on, and of the last one that ends it."""
    told = []
    for number, lost_s in enumerate(seconds, 1):
        told.append(Gap(NOON + begin_s, begin_s, lost_s, reason, ongoing=number < len(seconds)))
        begin_s += lost_s
    return told


def gaps_of(path: Path) -> list[tuple[float, float, str]]:
    with History(path) as history:
        return [(gap.start - NOON, gap.lost_seconds, gap.reason) for gap in history.gaps(Query())]


def test_the_pieces_of_a_gap_are_one_as_they_come(path: Path) -> None:
    sink = HistorySink(path, RUN)
    there = []
    for piece in (*pieces(0.001, 60.0, 60.0, 0.5), *pieces(0.25, begin_s=200.0)):
        sink.write(piece)
        there.append([seconds for _, seconds, _ in gaps_of(path)])
    assert there == [[], [60.001], [120.001], [120.501], [120.501, 0.25]]
    sink.close()
    assert gaps_of(path) == [(3.0, 120.501, "zeros"), (200.0, 0.25, "zeros")]


def test_a_gap_of_no_length_is_none(path: Path) -> None:
    logged(path, *pieces(0.0001, 0.0001), *pieces(0.01, begin_s=9.0))
    assert gaps_of(path) == [(9.0, 0.01, "zeros")]


def test_a_gap_that_goes_on_for_another_reason_is_another(path: Path) -> None:
    logged(path, *pieces(2.0, 1.0, 0.0)[:2], *pieces(4.0, 1.0, reason="ended", begin_s=6.0))
    assert gaps_of(path) == [(3.0, 3.0, "zeros"), (6.0, 5.0, "ended")]


def test_a_gap_goes_on_in_a_new_file_with_what_is_lost_from_then_on(path: Path) -> None:
    sink = HistorySink(path, RUN)
    first, second, last = pieces(2.0, 60.0, 1.0)
    sink.write(first)
    moved = path.rename(path.with_name("old.sqlite"))
    sink.write(second)
    sink.write(last)
    sink.close()
    assert gaps_of(moved) == [(3.0, 2.0, "zeros")]
    assert gaps_of(path) == [(5.0, 61.0, "zeros")]


def test_an_outage_of_which_each_minute_was_told_is_no_listening(path: Path) -> None:
    logged(path, *pieces(*[60.0] * 20, 1.0, begin_s=100.0), ended(start_s=2_000.0, seconds=10.0))
    with History(path) as history:
        assert history.listening() == [
            (NOON, NOON + 100.0),
            (NOON + 1_301.0, NOON + 2_010.0),
        ]


def shifted(end: EventEnd, seconds: float) -> EventEnd:
    """An event at another time of day; in the stream it stands where it did."""
    start = replace(end.start, time=end.start.time + seconds)
    return replace(end, start=start, end_time=end.end_time + seconds)


@pytest.mark.parametrize("days", [30.0, -30.0])
@pytest.mark.parametrize("by", ["event", "gap"])
def test_a_run_over_which_the_clock_was_set_is_as_long_as_its_audio(
    days: float, by: str, path: Path
) -> None:
    """And where the newest date has it: a clock is set to what is right."""
    jump_s = days * 86_400.0
    newest: Item = shifted(ended(start_s=100.0), jump_s)
    if by == "gap":
        newest = Gap(NOON + jump_s + 100.0, 100.0, 0.5, "overflow")
    logged(path, ended(start_s=10.0), newest, heard(200.0))
    (row,) = rows(path, "SELECT started, heard_until, ended FROM runs")
    right = NOON + jump_s
    assert row == pytest.approx((right, right + 200.0, right + 200.0), abs=1e-3)
    with History(path) as history:
        assert sum(end - begin for begin, end in history.listening()) == pytest.approx(200.0)


def test_an_event_that_goes_on_dates_its_run_before_it_has_ended(path: Path) -> None:
    """A recording of last night whose one sound goes on for hours; or one that is killed."""
    sink = HistorySink(path, RUN)
    write_all(sink, [ended(start_s=5.0).start, heard(3_600.0)])
    assert rows(path, "SELECT started, heard_until, ended FROM runs") == [
        (NOON, NOON + 3_600.0, None)
    ]
    sink.close()


def test_an_end_does_not_date_its_run_by_a_clock_that_was_set_meanwhile(path: Path) -> None:
    """An end is dated from its start; what came after has the clock that holds now."""
    long_one, hour_s = ended(start_s=10.0, seconds=90.0), 3_600.0
    sink = HistorySink(path, RUN)
    write_all(sink, [long_one.start, shifted(ended(BARK, 50.0), hour_s)])
    sink.write(long_one)
    sink.close()
    ((started,),) = rows(path, "SELECT started FROM runs")
    assert started == pytest.approx(NOON + hour_s)


def test_what_a_sink_takes_is_what_dates_its_run_and_what_it_writes() -> None:
    assert set(HistorySink.takes) == {EventStart, EventEnd, Gap, Level}


def test_a_run_in_which_nothing_happens_says_now_and_then_that_it_goes_on(path: Path) -> None:
    writer = HistoryWriter(path, RUN, clock=lambda: NOON)
    for second in range(200):
        writer.heard(float(second))
    with History(path) as history:
        assert history.listening() == [(NOON, NOON + 180.0)]
    writer.close()
    with History(path) as history:
        assert history.listening() == [(NOON, NOON + 199.0)]


def test_what_a_sink_was_not_to_write_dates_its_run_all_the_same(path: Path) -> None:
    told, untold = ended(), ended(SPEECH, 20.0, alert=False)
    gap = Gap(NOON + 50.0, 50.0, 1.0, "stalled")
    logged(path, untold, told, gap, selection=Selection(alerts_only=True))
    with History(path) as history:
        assert [event.label for event in history.events(Query())] == ["Dog"]
        assert len(list(history.gaps(Query()))) == 1
        assert history.listening() == [(NOON, NOON + 50.0)]


def test_queries_choose_by_time_class_group_and_alert(path: Path) -> None:
    logged(
        path,
        ended(SPEECH, 30.0, alert=False),
        ended(DOG, 10.0),
        ended(BARK, 20.0, group="dogs"),
        ended(DOG, 40.0, alert=False),
    )
    assert labels_of(path, Query()) == ["Dog", "Bark", "Speech", "Dog"]
    assert labels_of(path, Query(since=NOON + 20.0, until=NOON + 40.0)) == ["Bark", "Speech"]
    assert labels_of(path, Query(classes={0, 70})) == ["Bark", "Speech"]
    assert labels_of(path, Query(classes=set())) == []
    assert labels_of(path, Query(groups={"dogs"})) == ["Bark"]
    assert labels_of(path, Query(classes={0}, groups={"dogs", "cats"})) == ["Bark", "Speech"]
    assert labels_of(path, Query(classes={69}, alerts_only=True)) == ["Dog"]


@pytest.mark.parametrize("name", ["'); DROP TABLE events; --", "two\nlines", 'a "name"', "名前"])
def test_any_name_is_kept_as_it_is(name: str, path: Path) -> None:
    event = ended(Label(1, "/m/x", name), group=name, withheld=name)
    logged(path, event, run=Run(name, "1", "", "", 0.48, "{}"))
    with History(path) as history:
        (found,) = history.events(Query(groups={name}))
    assert {found.label, found.group, found.withheld, found.source} == {name}


def test_a_source_whose_name_is_no_text_is_kept_all_the_same(path: Path) -> None:
    """A file's name may hold any bytes; Python carries those that are no UTF-8 as surrogates."""
    logged(path, ended(), run=Run("caf\udce9.wav", "1", "", "", 0.48, "{}"))
    with History(path) as history:
        (found,) = history.events(Query())
    assert found.source.startswith("caf")
    assert found.source.endswith(".wav")


def test_a_summary_is_a_row_for_each_label_and_each_group(path: Path) -> None:
    logged(
        path,
        ended(SPEECH, 0.0, 4.0, alert=False, peak_score=0.6),
        ended(SPEECH, 50.0, 8.0, alert=False, peak_score=0.8),
        ended(SPEECH, 60.0, 1.0, alert=False, peak_score=0.7),
        ended(DOG, 10.0, 3.0),
        ended(DOG, 20.0, 3.0, group="Dog"),
        ended(BARK, 30.0, 5.0, group="Dog"),
    )
    with History(path) as history:
        group, dog, speech = history.summary(Query())
        (late,) = history.summary(Query(since=NOON + 55.0))
    assert (group.name, group.is_group, group.events, group.alerts) == ("Dog", True, 2, 2)
    assert (dog.name, dog.is_group, dog.events) == ("Dog", False, 1)
    assert (speech.name, speech.events, speech.alerts) == ("Speech", 3, 0)
    assert speech.total_seconds == pytest.approx(13.0)
    assert speech.longest_seconds == pytest.approx(8.0)
    assert (speech.highest_score, speech.last_start) == (0.8, NOON + 60.0)
    assert speech.mean_peak_score == pytest.approx(0.7)
    assert late.events == 1


def test_events_are_counted_by_the_quarter_of_an_hour(path: Path) -> None:
    logged(path, *(ended(start_s=start_s) for start_s in (0.0, 899.9, 900.0, 5_000.0)))
    with History(path) as history:
        assert list(history.quarters(Query())) == [
            (int(NOON), 2),
            (int(NOON) + 900, 1),
            (int(NOON) + 4_500, 1),
        ]
        assert list(history.quarters(Query(classes={0}))) == []


def test_it_listened_in_its_runs_but_not_in_their_long_gaps(path: Path) -> None:
    logged(
        path,
        Gap(NOON + 100.0, 100.0, 5.0, "overflow"),
        Gap(NOON + 1_000.0, 1_000.0, 3_600.0, "stalled"),
        Gap(NOON + 6_000.0, 6_000.0, 700.0, "stalled"),
        ended(start_s=8_000.0, seconds=10.0),
    )
    with History(path) as history:
        assert history.listening() == [
            (NOON, NOON + 1_000.0),
            (NOON + 4_600.0, NOON + 6_000.0),
            (NOON + 6_700.0, NOON + 8_010.0),
        ]
        assert history.listening(NOON + 500.0, NOON + 4_700.0) == [
            (NOON + 500.0, NOON + 1_000.0),
            (NOON + 4_600.0, NOON + 4_700.0),
        ]
        assert history.listening(since=NOON + 9_000.0) == []
        assert history.listening(until=NOON) == []


def test_where_two_monitors_listened_at_once_the_time_counts_once(path: Path) -> None:
    for began, seconds in ((0.0, 1_000.0), (100.0, 50.0), (900.0, 300.0), (2_000.0, 10.0)):
        writer = HistoryWriter(path, RUN, clock=lambda began=began: NOON + began)  # type: ignore[misc]
        writer.heard(seconds)
        writer.close()
    with History(path) as history:
        assert history.listening() == [
            (NOON, NOON + 1_200.0),
            (NOON + 2_000.0, NOON + 2_010.0),
        ]


def _write_many(path: Path, barrier: "multiprocessing.synchronize.Barrier", events: int) -> None:
    """As a monitor does, which tries again while another writes."""
    barrier.wait(60.0)
    sink = HistorySink(path, RUN)
    for number in range(events):
        patiently(lambda number=number: sink.write(ended(start_s=float(number))), sink.retry)  # type: ignore[misc]
    patiently(sink.close, sink.close)


def patiently(attempt: Callable[[], None], again: Callable[[], None]) -> None:
    while True:
        try:
            return attempt()
        except BlockingIOError:
            attempt = again


def test_several_monitors_begin_and_write_one_history_at_once(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    monitors = [context.Process(target=_write_many, args=(path, barrier, 25)) for _ in range(4)]
    for monitor in monitors:
        monitor.start()
    for monitor in monitors:
        monitor.join(120.0)
    assert [monitor.exitcode for monitor in monitors] == [0] * 4
    assert rows(path, "SELECT run_id, count(*) FROM events GROUP BY run_id") == [
        (run, 25) for run in (1, 2, 3, 4)
    ]


def test_a_monitor_waits_for_another_that_begins_the_history(path: Path) -> None:
    path.touch()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.2, other.execute, ["ROLLBACK"])
    done.start()
    logged(path, ended())
    done.join()
    other.close()
    assert labels_of(path, Query()) == ["Dog"]


@pytest.mark.usefixtures("impatient")
def test_a_reader_sees_one_moment_and_holds_up_no_writer(path: Path) -> None:
    sink = HistorySink(path, RUN)
    sink.write(ended(DOG))
    with History(path) as history:
        events = history.events(Query())
        assert next(events).label == "Dog"
        sink.write(ended(BARK, 20.0))
        assert list(events) == []
        assert len(list(history.summary(Query()))) == 1
    sink.close()
    assert labels_of(path, Query()) == ["Dog", "Bark"]


def test_reading_changes_nothing(path: Path) -> None:
    logged(path, ended())
    with History(path) as history, pytest.raises(sqlite3.OperationalError, match="readonly"):
        history._connection.execute("DELETE FROM events")


def test_a_history_is_for_its_owner_s_eyes(path: Path) -> None:
    sink = HistorySink(path, RUN)
    sink.write(ended())
    files = list(path.parent.iterdir())
    assert len(files) == 3  # SQLite keeps two beside it while it is open
    if os.name == "posix":
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    sink.close()


def test_a_history_that_cannot_be_opened_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(LivetagError, match=r"history\.sqlite cannot be opened: No such") as caught:
        HistorySink(tmp_path / "no folder" / "history.sqlite", RUN)
    assert caught.value.exit_code == 1
    with pytest.raises(LivetagError, match="it is a folder"):
        HistorySink(tmp_path, RUN)
    with pytest.raises(LivetagError, match="it is a folder"):
        History(tmp_path)


def test_something_else_is_refused_to_write_and_to_read_and_stays_as_it_is(path: Path) -> None:
    path.write_bytes(b"time,label\n1,Dog\n")
    for kind in (lambda: HistorySink(path, RUN), lambda: History(path)):
        with pytest.raises(UsageError, match=r"is not a history of livetag's .*: name another"):
            kind()
    assert path.read_bytes() == b"time,label\n1,Dog\n"


def test_where_there_is_no_history_the_error_says_how_to_keep_one(path: Path) -> None:
    with pytest.raises(InputError, match=r"no history at .* yet: `livetag monitor --history`"):
        History(path)
    assert not path.exists()
    path.touch()
    with pytest.raises(InputError, match="no history at"):
        History(path)
    logged(path, ended())  # an empty file becomes one
    assert labels_of(path, Query()) == ["Dog"]


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program at the history, which has to be there by then."""
    logged(path)
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


@pytest.mark.usefixtures("impatient")
def test_a_history_that_another_keeps_locked_cannot_be_opened_or_closed(
    path: Path, other: sqlite3.Connection
) -> None:
    sink = HistorySink(path, RUN)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LivetagError, match="cannot be written: another program"):
        HistorySink(path, RUN)
    with pytest.raises(OSError, match="another program has kept it locked") as caught:
        sink.close()
    assert str(caught.value.strerror).startswith("another program")


@pytest.mark.parametrize("item", [ended(), Gap(NOON + 3.0, 3.0, 0.2, "overflow"), heard(1e3)])
def test_what_another_keeps_from_being_written_is_written_once_when_it_lets_go(
    item: Item, path: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sink does not sit in the lock: whoever calls it may have to end."""
    monkeypatch.setattr(livetag.history, "_WRITE_BUSY_SECONDS", 0.01)
    sink = HistorySink(path, RUN)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BlockingIOError):
        sink.write(item)
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            sink.retry()
    with pytest.raises(BlockingIOError):
        sink.close()
    other.execute("ROLLBACK")
    sink.retry()
    sink.close()
    written = rows(path, "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM gaps)")
    assert written == [(isinstance(item, EventEnd), isinstance(item, Gap))]
    assert rows(path, "SELECT count(*) FROM runs WHERE ended IS NOT NULL") == [(2,)]


def test_the_groups_that_events_are_of_are_known_and_no_others(path: Path) -> None:
    names = {"dogs", "Dog", "'); --"}
    logged(path, ended(), *(ended(group=name) for name in names), ended(group="dogs"))
    with History(path) as history:
        assert history.groups() == names


def test_a_history_without_events_is_of_no_groups(path: Path) -> None:
    logged(path, heard(60.0))
    with History(path) as history:
        assert history.groups() == set()


def test_a_full_disk_is_an_error_and_what_was_written_stays(path: Path) -> None:
    sink = HistorySink(path, RUN)
    sink.write(ended())
    connection = sink._writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match="no space left on the disk"):
        write_all(sink, [ended(start_s=100.0 + number) for number in range(1_000)])
    sink.close()
    kept = labels_of(path, Query())
    assert 0 < len(kept) < 1_000


def test_what_a_full_disk_had_no_room_for_is_written_once_when_it_has(path: Path) -> None:
    sink = HistorySink(path, RUN)
    connection = sink._writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match="no space left on the disk"):
        write_all(sink, [ended(start_s=number / 100.0) for number in range(1_000)])
    with pytest.raises(OSError, match="no space left on the disk"):
        sink.retry()
    connection.execute(f"PRAGMA max_page_count = {pages + 100}")
    before = len(starts(path))
    sink.retry()
    sink.write(ended(start_s=(before + 1) / 100.0))
    sink.close()
    assert 0 < before < 999
    assert starts(path) == [number / 100.0 for number in range(before + 2)]


def test_a_disk_with_hardly_any_room_is_not_given_to_sqlite(path: Path) -> None:
    """Which writes to one of its files as to memory: a disk that is full may end the process."""
    resource = pytest.importorskip("resource")
    sink = HistorySink(path, RUN)
    sink.write(ended(start_s=10.0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            sink.write(ended(start_s=20.0))
        with pytest.raises(LivetagError, match="cannot be opened: No space left"):
            HistorySink(path.with_name("other"), RUN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    sink.retry()
    sink.close()
    assert starts(path) == [10.0, 20.0]
    assert {file.name for file in path.parent.iterdir()} == {path.name, "other"}


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_nor_are_files_that_may_only_be_read(
    suffix: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = HistorySink(path, RUN)
    sink.write(ended(start_s=10.0))
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda file, _: file.name != f"{path.name}{suffix}")
        with pytest.raises(OSError, match="it may only be read"):
            sink.write(ended(start_s=20.0))
    sink.retry()
    sink.close()
    assert starts(path) == [10.0, 20.0]


def test_what_is_to_outlive_a_power_failure_is_on_the_disk_when_it_is_committed(
    path: Path,
) -> None:
    """SQLite's FULL is 2: after each commit it waits for the disk. A recording can be had again."""
    for synced, expected in ((True, 2), (False, 1)):
        writer = HistoryWriter(path, RUN, synced=synced)
        assert writer._connection.execute("PRAGMA synchronous").fetchone() == (expected,)
        writer.close()


# --- A file that somebody moves or removes ------------------------------------------------------


def moved(path: Path, folder: str = "old", beside: bool = True) -> Path:
    """The history's new place; its two files come along, or stay."""
    other = path.parent / folder / path.name
    other.parent.mkdir()
    for suffix in ("", "-wal", "-shm") if beside else ("",):
        path.with_name(f"{path.name}{suffix}").rename(other.with_name(f"{path.name}{suffix}"))
    return other


def starts(path: Path) -> list[float]:
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    return [float(str(start)) for (start,) in rows(path, "SELECT start_s FROM events ORDER BY id")]


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("told", [True, False])
def test_a_history_that_is_moved_away_is_followed_by_a_new_one(
    told: bool, beside: bool, path: Path
) -> None:
    """What was written until then is in the old one, also what SQLite had beside it."""
    sink = HistorySink(path, RUN)
    write_all(sink, [ended(start_s=10.0), ended(start_s=20.0)])
    old = moved(path, beside=beside)
    if told:
        sink.reopen()
        assert path.exists()
    write_all(sink, [ended(start_s=30.0), heard(100.0)])
    sink.close()
    assert (starts(old), starts(path)) == ([10.0, 20.0], [30.0])
    (row,) = rows(path, "SELECT started, heard_until, ended, source FROM runs")
    began_s = 22.88 if told else 32.88
    assert row == (NOON + began_s, NOON + 100.0, NOON + 100.0, RUN.source)
    assert not list(path.parent.glob("*-wal"))


def test_a_history_that_is_removed_is_begun_anew(path: Path) -> None:
    sink = HistorySink(path, RUN)
    sink.write(ended(start_s=10.0))
    for file in path.parent.iterdir():
        file.unlink()
    sink.write(ended(start_s=20.0))
    sink.close()
    assert starts(path) == [20.0]
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600


ROUNDS = 8


def _write_in_rounds(
    path: Path, barrier: "multiprocessing.synchronize.Barrier", waits: bool
) -> None:
    """Write an event in each round, after the other monitor or with it; then the file is moved."""
    sink = HistorySink(path, RUN)
    for number in range(ROUNDS):
        barrier.wait(60.0)
        if waits:
            barrier.wait(60.0)
        patiently(lambda number=number: sink.write(ended(start_s=float(number))), sink.retry)  # type: ignore[misc]
        if not waits:
            barrier.wait(60.0)
        barrier.wait(60.0)
    patiently(sink.close, sink.close)


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_two_monitors_whose_history_is_moved_go_on_in_one(
    at_once: bool, empty: bool, path: Path
) -> None:
    """Also where an empty file takes its place at once: `create` of logrotate."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    monitors = [
        context.Process(target=_write_in_rounds, args=(path, barrier, waits))
        for waits in (False, not at_once)
    ]
    for monitor in monitors:
        monitor.start()
    histories = [path.with_name(f"{number}.sqlite") for number in range(ROUNDS)]
    for history in histories:
        for _ in range(3):
            barrier.wait(60.0)
        path.rename(history)
        if empty:
            path.touch()
    for monitor in monitors:
        monitor.join(60.0)
    assert [monitor.exitcode for monitor in monitors] == [0, 0]
    for number, history in enumerate(histories):
        assert starts(history) == [float(number)] * 2
        assert rows(history, "SELECT count(*) FROM runs") == [(2,)]


def test_a_history_in_the_place_of_another_is_gone_on_with(path: Path) -> None:
    """As when a copy is put back while a monitor runs."""
    sink = HistorySink(path, RUN)
    sink.write(ended(start_s=10.0))
    old = moved(path)
    logged(path, ended(start_s=1.0))
    sink.write(ended(start_s=20.0))
    sink.close()
    assert (starts(old), starts(path)) == ([10.0], [1.0, 20.0])
    assert rows(path, "SELECT run_id, start_s FROM events") == [(1, 1.0), (2, 20.0)]


def test_something_else_in_its_place_is_an_error_until_it_is_gone(path: Path) -> None:
    sink = HistorySink(path, RUN)
    moved(path)
    path.write_bytes(b"time,label\n")
    attempts: list[Callable[[], None]] = [lambda: sink.write(ended()), sink.retry, sink.reopen]
    for attempt in attempts:
        with pytest.raises(OSError, match="is not a history of livetag's"):
            attempt()
    assert path.read_bytes() == b"time,label\n"
    path.unlink()
    sink.retry()
    sink.close()
    assert starts(path) == [12.48]


def test_a_folder_that_comes_back_has_the_same_history(path: Path) -> None:
    folder = path.parent / "here"
    folder.mkdir()
    path = folder / path.name
    sink = HistorySink(path, RUN)
    sink.write(ended(start_s=10.0))
    folder.rename(folder.with_name("elsewhere"))
    attempts: list[Callable[[], None]] = [lambda: sink.write(ended()), sink.retry, sink.reopen]
    for attempt in attempts:
        with pytest.raises(FileNotFoundError):
            attempt()
    assert not folder.exists()
    folder.with_name("elsewhere").rename(folder)
    sink.retry()
    sink.close()
    assert starts(path) == [10.0, 12.48]
    assert rows(path, "SELECT count(*) FROM runs") == [(1,)]


def test_a_folder_that_is_made_again_has_a_new_history(path: Path) -> None:
    folder = path.parent / "here"
    folder.mkdir()
    path = folder / path.name
    sink = HistorySink(path, RUN)
    sink.write(ended(start_s=10.0))
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError):
        sink.write(ended(start_s=20.0))
    folder.mkdir()
    sink.retry()
    sink.close()
    assert starts(path) == [20.0]


def test_a_history_whose_folder_is_gone_is_closed_all_the_same(path: Path) -> None:
    folder = path.parent / "here"
    folder.mkdir()
    sink = HistorySink(folder / path.name, RUN)
    sink.write(ended())
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError):
        sink.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        sink._writer._connection.execute("SELECT 1")
    assert starts(path.parent / "elsewhere" / path.name) == [12.48]


def test_a_history_that_cannot_be_begun_anew_at_once_is_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = HistorySink(path, RUN)
    path.unlink()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(livetag.history, "begin", full)
        attempts: list[Callable[[], None]] = [lambda: sink.write(ended()), sink.retry, sink.reopen]
        for attempt in attempts:
            with pytest.raises(OSError, match="disk I/O error"):
                attempt()
    sink.retry()
    sink.close()
    assert starts(path) == [12.48]


def test_what_a_sink_would_write_are_events_that_are_wanted_and_gaps(path: Path) -> None:
    sink = HistorySink(path, RUN, Selection(alerts_only=True))
    items: list[Item] = [
        ended(),
        ended(alert=False),
        ended().start,
        heard(1.0),
        Gap(NOON, 1.0, 1.0, "lapped"),
    ]
    assert [sink.writes(item) for item in items] == [True, False, False, False, True]
    sink.close()


def test_a_damaged_history_is_an_error_that_says_so(path: Path) -> None:
    logged(path, *(ended(start_s=float(number)) for number in range(500)))
    content = bytearray(path.read_bytes())
    content[4_096:] = b"\xa5" * (len(content) - 4_096)
    path.write_bytes(content)
    with pytest.raises(LivetagError, match="cannot be read: it is damaged"), History(path) as old:
        list(old.events(Query()))
    with pytest.raises((LivetagError, OSError), match="it is damaged"):
        logged(path, ended())
