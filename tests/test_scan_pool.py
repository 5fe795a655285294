"""Workers: every task has one report, whatever becomes of the worker that was at it."""

import errno
import os
import select
import signal
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from livetag.errors import LivetagError
from livetag.scan.analysis import Heard, Summary
from livetag.scan.listing import Recording
from livetag.scan.pool import Pool
from livetag.scan.processes import forked
from livetag.scan.worker import Broken, Done, Failed, Going, Report, Task


def work(task: Task, heard: Heard) -> Done | Broken | Failed:
    """What the recording's name says; it runs in another process."""
    match task.recording.name.split():
        case ["killed"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case ["exits"]:
            os._exit(7)
        case ["raises"]:
            raise ZeroDivisionError("by nothing")
        case ["breaks"]:
            return Broken(task.recording, "no audio")
        case ["fails"]:
            return Failed(LivetagError("the disk is full"))
        case ["interrupted"]:
            os.kill(os.getpid(), signal.SIGINT)
        case ["first", folder]:  # opens its end when the other one does
            Path(folder, "pipe").read_text()
        case ["second", folder]:
            Path(folder, "pipe").write_text("x")
    return Done(task.recording, Summary(1.0, os.getpid()))


def tasks(*names: str) -> list[Task]:
    return [Task(Recording(name, name, name), Path("r"), Path("t")) for name in names]


def reports(*names: str, workers: int = 2) -> dict[str, Report]:
    with Pool(work, workers) as pool:
        found = list(pool.run(tasks(*names)))
    assert len({report.recording for report in found}) == len(found) == len(names)
    assert not any(isinstance(report, Going) for report in found)
    return {report.recording.name: report for report in found}


def test_every_task_is_done_once() -> None:
    names = [f"ok{at}" for at in range(20)]
    assert all(isinstance(report, Done) for report in reports(*names).values())
    assert reports(workers=3) == {}


def test_workers_are_at_work_at_the_same_time(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = reports(f"first {tmp_path}", f"second {tmp_path}", workers=2)
    done = [report for report in found.values() if isinstance(report, Done)]
    assert len({report.summary.rows for report in done}) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_dies_takes_its_recording_alone(workers: int) -> None:
    found = reports("ok1", "killed", "ok2", "exits", "ok3", "raises", "breaks", workers=workers)
    broken = {name: one.reason for name, one in found.items() if isinstance(one, Broken)}
    assert broken == {
        "killed": "killed: its worker was ended by signal 9: is memory short?",
        "exits": "exits: its worker ended with status 7",
        "raises": "raises: a fault of livetag's own: ZeroDivisionError: by nothing",
        "breaks": "no audio",
    }


def test_ctrl_c_does_not_reach_the_workers() -> None:
    assert isinstance(reports("interrupted")["interrupted"], Done)


def test_a_scan_that_cannot_go_on_ends_and_leaves_no_worker() -> None:
    with (
        pytest.raises(LivetagError, match="the disk is full"),
        Pool(work, 2) as pool,
    ):
        list(pool.run(tasks("ok", "fails", *(f"ok{at}" for at in range(9)))))
    assert not any(worker.is_alive for worker in pool._workers)


@pytest.mark.parametrize("lost", ["process", "socket"])
def test_workers_are_started_where_none_can_be_forked_any_more(lost: str) -> None:
    """The system ended the process for want of memory, or somebody cleared temporary files."""
    starter = forked()
    with Pool(work, 1, starter) as pool:
        assert all(isinstance(one, Done) for one in pool.run(tasks("before")))
    if lost == "socket":
        Path(forkserver._forkserver._forkserver_address).unlink()  # type: ignore[attr-defined]
    (server,) = forkservers()
    ended = os.pidfd_open(server)
    if lost == "process":
        os.kill(server, signal.SIGKILL)
    with Pool(work, 2, starter) as pool:
        assert all(isinstance(one, Done) for one in pool.run(tasks("after", "later")))
    if lost == "socket":  # for the tests to come
        os.kill(server, signal.SIGKILL)
    assert select.select([ended], [], [], 10.0)[0]
    os.close(ended)


def forkservers() -> list[int]:
    """The children of this process that are forked."""
    told = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return [
        int(child)
        for child in told.split()
        if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def test_where_no_worker_can_be_started_the_scan_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(BaseProcess, "start", refuse)
    with (
        pytest.raises(LivetagError, match="no worker can be started: Resource temporarily"),
        Pool(work, 1, forked()) as pool,
    ):
        list(pool.run(tasks("ok")))
