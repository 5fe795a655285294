"""The signals that end a monitor: the first one asks, the second one and an alarm interrupt."""

import signal
import threading
from collections.abc import Iterator

import pytest

from livetag.signals import STOP_SIGNALS, interrupt_on_signals, stopped_by_signals

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX's signals")
PATIENCE_SECONDS = 30.0
EVERY_SIGNAL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


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


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in EVERY_SIGNAL]


def test_the_signals_are_those_of_a_terminal_of_a_service_and_of_a_terminal_that_goes() -> None:
    assert list(STOP_SIGNALS) == EVERY_SIGNAL


@pytest.mark.parametrize("number", EVERY_SIGNAL)
def test_the_first_signal_stops_and_interrupts_nothing(number: signal.Signals) -> None:
    before = handlers()
    stop = threading.Event()
    with stopped_by_signals(stop, PATIENCE_SECONDS):
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
    assert handlers() == before


@pytest.mark.parametrize("first", EVERY_SIGNAL)
@pytest.mark.parametrize("second", EVERY_SIGNAL)
def test_a_second_signal_interrupts_at_once(first: signal.Signals, second: signal.Signals) -> None:
    before = handlers()
    stop = threading.Event()
    with stopped_by_signals(stop, PATIENCE_SECONDS):
        signal.raise_signal(first)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)
    assert handlers() == before


def test_what_takes_longer_than_the_patience_is_interrupted() -> None:
    stop = threading.Event()
    with stopped_by_signals(stop, 0.05):
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            threading.Event().wait(PATIENCE_SECONDS)


def test_what_ends_in_time_is_not_interrupted_later() -> None:
    with stopped_by_signals(threading.Event(), PATIENCE_SECONDS):
        signal.raise_signal(signal.SIGINT)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0.0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


def test_without_a_signal_no_alarm_is_set_however_long_it_takes() -> None:
    with stopped_by_signals(threading.Event(), 0.01):
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


def test_a_hang_up_that_is_ignored_stays_so_as_nohup_has_it() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = threading.Event()
    with stopped_by_signals(stop, PATIENCE_SECONDS):
        signal.raise_signal(signal.SIGHUP)
        assert not stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
    assert stop.is_set()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_shells_ignore_for_programs_in_the_background_is_heeded(
    number: signal.Signals,
) -> None:
    signal.signal(number, signal.SIG_IGN)
    stop = threading.Event()
    with stopped_by_signals(stop, PATIENCE_SECONDS):
        signal.raise_signal(number)
        assert stop.is_set()
    assert signal.getsignal(number) == signal.SIG_IGN


def test_another_thread_than_main_leaves_the_signals_alone() -> None:
    before = handlers()
    within: list[object] = []

    def run() -> None:
        with stopped_by_signals(threading.Event(), PATIENCE_SECONDS):
            within.extend(handlers())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert within == before == handlers()


@pytest.mark.parametrize("number", EVERY_SIGNAL)
def test_before_there_is_a_monitor_to_stop_each_signal_interrupts(number: signal.Signals) -> None:
    interrupt_on_signals()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_before_there_is_a_monitor_an_ignored_hang_up_is_ignored_too() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt_on_signals()
    signal.raise_signal(signal.SIGHUP)
