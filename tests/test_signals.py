"""What signals ask for: the end, which a second one does not wait for; a reload; a redraw."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from livetag import signals as signals_room
from livetag.signals import (
    ENDING,
    Signals,
    end_anyway,
    end_as_the_system_does,
    has_terminal,
    suspend,
)

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX's signals")
PATIENCE_SECONDS = 30.0
EVERY_SIGNAL = [
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGTSTP,
    signal.SIGWINCH,
    signal.SIGTTOU,
]


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """Each test begins as a program does that a terminal has started."""
    numbers = (*EVERY_SIGNAL, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    for number, handler in before.items():
        signal.signal(number, handler)


class Terminal:
    """The terminal that controls the process, as a test has it."""

    there = False


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made_up = Terminal()
    monkeypatch.setattr(signals_room, "has_terminal", lambda: made_up.there)
    return made_up


class Ended(BaseException):
    """What these tests have in the place of a process's end."""


def end_at_once() -> None:
    raise Ended


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in EVERY_SIGNAL]


# --- The end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_stops_and_interrupts_nothing(number: signal.Signals) -> None:
    before = handlers()
    stop = threading.Event()
    with Signals().heeded(stop, end_at_once, PATIENCE_SECONDS, draws=True):
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.wait(PATIENCE_SECONDS)
    assert handlers()[2:] == before[2:]


@pytest.mark.parametrize("first", ENDING)
@pytest.mark.parametrize("second", ENDING)
def test_a_second_signal_ends_at_once_and_so_does_any_that_comes_when_the_monitor_has_ended(
    first: signal.Signals, second: signal.Signals
) -> None:
    stop = threading.Event()
    with Signals().heeded(stop, end_at_once, PATIENCE_SECONDS):
        signal.raise_signal(first)
        for _ in range(2):
            with pytest.raises(Ended):
                signal.raise_signal(second)
        assert stop.wait(PATIENCE_SECONDS)
    with pytest.raises(Ended):
        signal.raise_signal(second)


def test_without_a_signal_all_is_as_before() -> None:
    before = handlers()
    with Signals().heeded(threading.Event(), end_at_once, PATIENCE_SECONDS, draws=True):
        assert handlers() != before
    assert handlers() == before


def test_a_signal_that_interrupts_the_stopping_itself_does_not_hang() -> None:
    """The event's lock is held at that moment."""
    stop = threading.Event()
    with Signals().heeded(stop, end_at_once, PATIENCE_SECONDS):
        with vars(stop)["_cond"]:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Ended):
                signal.raise_signal(signal.SIGINT)
        assert stop.wait(PATIENCE_SECONDS)


def test_what_takes_longer_than_the_patience_is_ended() -> None:
    with Signals().heeded(threading.Event(), end_at_once, 0.05):
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Ended):
            threading.Event().wait(PATIENCE_SECONDS)


def test_what_ends_in_time_is_not_interrupted_later() -> None:
    with Signals().heeded(threading.Event(), end_at_once, PATIENCE_SECONDS):
        signal.raise_signal(signal.SIGINT)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0.0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


def test_without_a_signal_no_alarm_is_set_however_long_it_takes() -> None:
    with Signals().heeded(threading.Event(), end_at_once, 0.01):
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


@pytest.mark.parametrize("number", ENDING)
def test_what_shells_ignore_for_programs_in_the_background_is_heeded(
    number: signal.Signals,
) -> None:
    signal.signal(number, signal.SIG_IGN)
    stop = threading.Event()
    with Signals().heeded(stop, end_at_once, PATIENCE_SECONDS):
        signal.raise_signal(number)
        assert stop.wait(PATIENCE_SECONDS)


def test_another_thread_than_main_leaves_the_signals_alone() -> None:
    before = handlers()
    within: list[object] = []

    def run() -> None:
        with Signals().heeded(threading.Event(), end_at_once, PATIENCE_SECONDS, draws=True):
            within.extend(handlers())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert within == before == handlers()


def test_at_the_very_end_a_signal_does_what_it_does_without_python() -> None:
    Signals().interrupt()
    end_as_the_system_does()
    assert [signal.getsignal(number) for number in ENDING] == [signal.SIG_DFL] * 2
    end_anyway()
    assert [signal.getsignal(number) for number in ENDING] == [signal.SIG_IGN] * 2


# --- SIGHUP -------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [False, True])
def test_a_hang_up_asks_for_a_reload_once(there: bool, terminal: Terminal) -> None:
    """Of a service, which has no terminal, or of a program whose terminal is there."""
    terminal.there = there
    stop, signals = threading.Event(), Signals()
    with signals.heeded(stop, end_at_once, PATIENCE_SECONDS):
        assert not signals.asked_to_reload()
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        assert [signals.asked_to_reload() for _ in range(2)] == [True, False]
        signal.raise_signal(signal.SIGHUP)
        assert signals.asked_to_reload()
    assert not stop.is_set()


def test_a_hang_up_whose_terminal_is_gone_asks_for_the_end(terminal: Terminal) -> None:
    terminal.there = True
    stop, signals = threading.Event(), Signals()
    with signals.heeded(stop, end_at_once, PATIENCE_SECONDS):
        terminal.there = False
        signal.raise_signal(signal.SIGHUP)
        assert not signals.asked_to_reload()
        assert stop.wait(PATIENCE_SECONDS)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0.0
        signal.raise_signal(signal.SIGHUP)  # the shell's, after the system's
        assert not signals.asked_to_reload()
        with pytest.raises(Ended):
            signal.raise_signal(signal.SIGTERM)


def test_a_hang_up_that_is_ignored_stays_so_as_nohup_has_it(terminal: Terminal) -> None:
    terminal.there = True
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop, signals = threading.Event(), Signals()
    signals.interrupt()
    with signals.heeded(stop, end_at_once, PATIENCE_SECONDS):
        terminal.there = False
        signal.raise_signal(signal.SIGHUP)
        assert not signals.asked_to_reload()
    assert not stop.is_set()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


# --- Before there is a monitor to stop ----------------------------------------------------------


@pytest.mark.parametrize("number", ENDING)
def test_while_things_are_set_up_what_ends_the_monitor_interrupts(number: signal.Signals) -> None:
    Signals().interrupt()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_while_things_are_set_up_a_terminal_that_goes_interrupts(terminal: Terminal) -> None:
    terminal.there = True
    Signals().interrupt()
    terminal.there = False
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGHUP)


def test_while_things_are_set_up_a_reload_is_kept_for_the_monitor() -> None:
    signals = Signals()
    signals.interrupt()
    signal.raise_signal(signal.SIGHUP)
    with signals.heeded(threading.Event(), end_at_once, PATIENCE_SECONDS):
        assert signals.asked_to_reload()


# --- The terminal -------------------------------------------------------------------------------


def test_ctrl_z_and_another_size_are_for_what_draws() -> None:
    signals = Signals()
    with signals.heeded(threading.Event(), end_at_once, PATIENCE_SECONDS, draws=True):
        assert not signals.asked_to_suspend()
        signal.raise_signal(signal.SIGTSTP)
        assert [signals.asked_to_suspend() for _ in range(2)] == [True, False]
        assert not signals.asked_to_redraw()
        signal.raise_signal(signal.SIGWINCH)
        assert [signals.asked_to_redraw() for _ in range(2)] == [True, False]
    with signals.heeded(threading.Event(), end_at_once, PATIENCE_SECONDS):
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL


def test_ctrl_z_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    signals = Signals()
    with signals.heeded(threading.Event(), end_at_once, PATIENCE_SECONDS, draws=True):
        signal.raise_signal(signal.SIGTSTP)
        assert not signals.asked_to_suspend()


def test_a_message_from_the_background_does_not_stop_the_process() -> None:
    with Signals().heeded(threading.Event(), end_at_once, PATIENCE_SECONDS):
        assert signal.getsignal(signal.SIGTTOU) == signal.SIG_IGN


def test_to_be_stopped_is_left_to_the_system_and_is_noted_again_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: list[tuple[int, object]] = []
    monkeypatch.setattr(
        signal,
        "raise_signal",
        lambda number: raised.append((number, signal.getsignal(number))),
    )
    with Signals().heeded(threading.Event(), end_at_once, PATIENCE_SECONDS, draws=True):
        noting = signal.getsignal(signal.SIGTSTP)
        suspend()
        assert raised == [(signal.SIGTSTP, signal.SIG_DFL)]
        assert signal.getsignal(signal.SIGTSTP) == noting


def test_a_session_of_its_own_has_no_terminal() -> None:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:  # nothing but this is run in it
        with contextlib.suppress(BaseException):
            os.setsid()
            os.write(writing, b"1" if has_terminal() else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1) == b"0"
    os.close(reading)
    os.close(writing)
