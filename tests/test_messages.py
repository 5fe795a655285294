"""Messages: said at once, or hidden by the dashboard and said when it is gone."""

import contextlib
import errno
import io
import re
import sys
import threading
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from livetag import messages
from livetag.messages import Messages
from livetag.screen import LEAVES_SCREEN, Screen

TIMED = r"livetag: \d\d:\d\d:\d\d "


class Said:
    """Messages, with a dashboard that may cover them, and what is written and shown."""

    def __init__(self, may_wait: bool = False) -> None:
        self.written = io.StringIO()
        self.shown: list[str] = []
        self.stop = threading.Event()
        console = Console(
            file=self.written, width=40, height=10, force_terminal=True, highlight=False
        )
        self.screen = Screen(console)
        self.messages = Messages(
            console, self.screen, lambda text, _: self.shown.append(text), may_wait, self.stop
        )

    def cover(self) -> None:
        self.screen.draw(Text("the dashboard"))

    def uncover(self) -> str:
        """Close the dashboard; what was written until now."""
        self.screen.close()
        return self.written.getvalue()


def test_what_happens_is_told_with_its_time_and_on_one_line_however_long() -> None:
    said = Said()
    said.messages.tell("something has happened that takes more than a line of this terminal")
    said.messages.say("goodbye")
    said.messages.print("a [red]line[/] of\x1b[2Jits own")
    told, goodbye, own = said.written.getvalue().splitlines()
    assert re.fullmatch(TIMED + "something has .* of this terminal", told)
    assert goodbye == "livetag: goodbye"
    assert own == "a [red]line[/] of?[2Jits own"
    assert said.shown == []


def test_what_the_dashboard_hides_is_shown_there_and_said_once_when_it_is_gone() -> None:
    said = Said()
    said.cover()
    assert said.messages.covered
    said.messages.tell("one")
    said.messages.tell("two")
    before = said.uncover()
    assert not said.messages.covered
    assert "livetag: " not in before
    assert [text[9:] for text in said.shown] == ["one", "two"]
    said.messages.say_hidden()
    said.messages.say_hidden()
    after = said.written.getvalue().removeprefix(before)
    assert re.fullmatch(f"{TIMED}one\n{TIMED}two\n", after)


def test_of_many_hidden_messages_the_latest_are_said() -> None:
    said = Said()
    said.cover()
    for number in range(messages._KEPT + 5):
        said.messages.tell(f"number {number}")
    before = said.uncover()
    said.messages.say_hidden()
    lines = said.written.getvalue().removeprefix(before).splitlines()
    assert len(lines) == messages._KEPT
    assert lines[0].endswith("number 5")


def test_last_words_are_on_the_terminal_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said()
    monkeypatch.setattr(sys, "stderr", said.written)
    said.messages.last_words()
    assert said.written.getvalue() == "livetag: stopped\n"
    said.cover()
    said.messages.tell("one")
    said.messages.last_words()
    words = said.written.getvalue().partition(LEAVES_SCREEN)[2]
    assert re.fullmatch(f"{TIMED}one\nlivetag: stopped\n", words)


def test_a_terminal_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said()

    def fail(_: str) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(said.written, "write", fail)
    said.messages.say("hello")
    said.messages.say_hidden()


@pytest.mark.parametrize(
    ("may_wait", "stopped", "drained"), [(True, False, 3), (True, True, 0), (False, False, 0)]
)
def test_a_recording_waits_until_all_is_read_or_it_is_stopped_and_a_microphone_does_not(
    may_wait: bool, stopped: bool, drained: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said(may_wait)
    if stopped:
        said.stop.set()
    slow: Any = SlowRelay()
    monkeypatch.setattr(messages, "relayed_stderr", lambda: contextlib.nullcontext(slow))
    with said.messages.relayed():
        assert [said.screen.relay] == [slow]
        said.messages.say("hello")
        assert slow.drains == 0  # there is room for more
        said.messages.wait()
    assert slow.drains == drained


class SlowRelay:
    """A relay whose reader has read all when it was waited for three times."""

    def __init__(self) -> None:
        self.drains = 0

    @property
    def waiting(self) -> int:
        return 30 - 10 * self.drains

    def drain(self, seconds: float) -> None:
        self.drains += 1
