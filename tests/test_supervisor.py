"""What a service manager gets to read, from a real socket."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import PATIENCE_SECONDS, running

from livetag.supervisor import STATUS_SECONDS, Supervisor

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")


class Manager:
    """The socket of a service manager."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def next(self) -> list[str]:
        """The lines of the next message, however long it takes to come."""
        self.socket.settimeout(PATIENCE_SECONDS)
        lines = self.socket.recv(65_536).decode().split("\n")
        self.socket.setblocking(False)
        return lines

    def told(self) -> list[str]:
        """Every message that came since it was last asked."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(65_536).decode())
            except BlockingIOError:
                return messages


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def manager(path: str) -> Iterator[Manager]:
    manager = Manager(path)
    yield manager
    manager.socket.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_each_state_is_told_in_the_words_of_the_protocol(manager: Manager, path: str) -> None:
    supervisor = Supervisor.from_environment({"NOTIFY_SOCKET": path})
    supervisor.ready()
    supervisor.alive("hearing the demo")
    supervisor.stopping()
    assert manager.told() == ["READY=1", "STATUS=hearing the demo", "STOPPING=1"]


def test_a_reload_carries_the_time_by_the_clock_that_systemd_compares(
    manager: Manager, path: str
) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    Supervisor(path).reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    ((first, second),) = (message.split("\n") for message in manager.told())
    assert first == "RELOADING=1"
    name, _, microseconds = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(microseconds) <= after


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_an_abstract_name_is_a_socket_too() -> None:
    name = f"livetag-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    Supervisor.from_environment({"NOTIFY_SOCKET": f"@{name}"}).ready()
    assert manager.told() == ["READY=1"]
    manager.socket.close()


def test_the_watchdog_is_fed_at_half_its_time_and_no_more_often(
    manager: Manager, path: str, clock: Clock
) -> None:
    supervisor = Supervisor(path, 60.0, clock)
    supervisor.alive("hearing")
    assert manager.told() == ["WATCHDOG=1\nSTATUS=hearing"]
    clock.now += 29.9
    supervisor.alive("hearing")
    assert manager.told() == []
    clock.now += 0.1
    supervisor.alive("hearing")
    supervisor.alive("hearing")
    assert manager.told() == ["WATCHDOG=1"]


def test_a_status_is_told_when_it_changes_but_not_each_time_that_it_does(
    manager: Manager, path: str, clock: Clock
) -> None:
    supervisor = Supervisor(path, None, clock)
    for status in ("1 window", "1 window", "2 windows", "3 windows"):
        supervisor.alive(status)
    assert manager.told() == ["STATUS=1 window"]
    clock.now += STATUS_SECONDS
    supervisor.alive("4 windows")
    clock.now += STATUS_SECONDS
    supervisor.alive("4 windows")
    assert manager.told() == ["STATUS=4 windows"]


@pytest.mark.parametrize(
    ("variables", "fed"),
    [
        ({"WATCHDOG_USEC": "2000000"}, True),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({}, False),
    ],
)
def test_only_a_watchdog_of_our_own_is_fed(
    manager: Manager, path: str, variables: dict[str, str], fed: bool
) -> None:
    Supervisor.from_environment({"NOTIFY_SOCKET": path, **variables}).alive("hearing")
    assert manager.told() == ["WATCHDOG=1\nSTATUS=hearing" if fed else "STATUS=hearing"]


def test_the_interval_is_half_of_the_watchdogs_microseconds(manager: Manager, path: str) -> None:
    environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1"}
    supervisor = Supervisor.from_environment(environment)
    told: list[str] = []
    for _ in range(1_000):  # by then, half a microsecond has passed
        supervisor.alive("hearing")
        told += manager.told()
    assert told[:2] == ["WATCHDOG=1\nSTATUS=hearing", "WATCHDOG=1"]


def test_a_status_stays_one_line_that_systemd_takes(manager: Manager, path: str) -> None:
    supervisor = Supervisor(path)
    supervisor.alive("a\nREADY=1\r\tmicrophone \udcff" + "𝄞" * 10_000)
    (message,) = manager.told()
    assert message.startswith("STATUS=a READY=1 microphone ?𝄞𝄞")
    assert "\n" not in message
    assert len(message.encode()) < 4_096


@pytest.mark.parametrize("address", [None, "", "vsock:2:1234", "relative", "@", "/a\0b"])
def test_where_there_is_no_manager_nothing_is_told_and_nothing_fails(address: str | None) -> None:
    supervisor = Supervisor(address, 0.001)
    supervisor.ready()
    supervisor.alive("hearing")
    supervisor.reloading()
    supervisor.stopping()


def test_without_the_variable_nobody_is_told(manager: Manager) -> None:
    Supervisor.from_environment({}).ready()
    assert manager.told() == []


def test_what_a_manager_was_not_there_for_is_told_again(path: str, clock: Clock) -> None:
    supervisor = Supervisor(path, 60.0, clock)
    supervisor.alive("hearing")  # nobody listens: it does not count as told
    manager = Manager(path)
    supervisor.alive("hearing")
    assert manager.told() == ["WATCHDOG=1\nSTATUS=hearing"]
    manager.socket.close()


def test_a_manager_that_does_not_read_holds_up_nobody(manager: Manager, path: str) -> None:
    supervisor = Supervisor(path)

    def tell_all_day() -> None:
        for _ in range(10_000):
            supervisor.ready()

    telling = threading.Thread(target=tell_all_day, daemon=True)
    telling.start()
    telling.join(60.0)
    assert not telling.is_alive()
    assert len(manager.told()) < 10_000  # its queue was full


@pytest.mark.usefixtures("compiled")
def test_a_monitor_tells_its_manager_from_ready_to_stopping(manager: Manager, path: str) -> None:
    environment = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"}
    environment.pop("WATCHDOG_PID", None)
    with running("monitor", "--demo", env=environment) as monitor:
        assert manager.next() == ["READY=1"]
        assert manager.next() == ["WATCHDOG=1", "STATUS=hearing demo, 0 alerts"]
        assert manager.next() == ["WATCHDOG=1"]
        monitor.process.send_signal(signal.SIGHUP)
        for news in ("RELOADING=1", "READY=1"):
            told = manager.next()
            while told[0] != news:
                assert told[0].startswith(("WATCHDOG=1", "STATUS="))
                told = manager.next()
        assert monitor.end(signal.SIGTERM) == 0
    assert manager.told()[-1] == "STOPPING=1"
