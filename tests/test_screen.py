"""The dashboard's place on the terminal: when it is drawn, and that it is left as it was."""

import io
import os
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console
from rich.text import Text

from livetag.relay import Relay
from livetag.screen import Screen

ENTERS, LEAVES = "\x1b[?1049h", "\x1b[?1049l"
HIDES_CURSOR, SHOWS_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    """What is drawn; from `gone` on, nobody sees it."""

    gone = False

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError(5, "Input/output error")
        return super().write(text)


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def screen(terminal: Terminal) -> Screen:
    return Screen(Console(file=terminal, width=20, height=4, force_terminal=True))


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The process's group, and that in the foreground of its terminal; an error where it has none.

    Both are the same to begin with.
    """
    made: dict[str, Any] = {"ours": 7, "foreground": 7}

    def foreground(_: int) -> int:
        if isinstance(made["foreground"], OSError):
            raise made["foreground"]
        return int(made["foreground"])

    monkeypatch.setattr(os, "getpgrp", lambda: made["ours"])
    monkeypatch.setattr(os, "tcgetpgrp", foreground, raising=False)
    return made


def test_the_terminal_is_taken_with_the_first_frame_and_given_back_once(
    screen: Screen, terminal: Terminal
) -> None:
    assert not screen.is_open
    screen.draw(Text("one"))
    assert screen.is_open
    screen.draw(Text("two"))
    screen.close()
    assert not screen.is_open
    screen.close()
    shown = terminal.getvalue()
    assert [shown.count(code) for code in (ENTERS, LEAVES, HIDES_CURSOR, SHOWS_CURSOR)] == [1] * 4
    assert shown.index(ENTERS) < shown.index("one") < shown.index("two") < shown.index(LEAVES)


def test_after_it_was_given_back_it_is_taken_anew(screen: Screen, terminal: Terminal) -> None:
    screen.draw(Text("one"))
    screen.close()
    screen.draw(Text("two"))
    screen.close()
    _, first, second = terminal.getvalue().split(ENTERS)
    assert ("one" in first, "two" in second) == (True, True)
    assert first.count(LEAVES) == second.count(LEAVES) == 1


def test_in_the_background_nothing_is_drawn_and_the_terminal_is_the_shell_s(
    screen: Screen, terminal: Terminal, groups: dict[str, Any]
) -> None:
    assert screen.wants_frame()
    screen.draw(Text("one"))
    groups["foreground"] = 8
    assert not screen.wants_frame()
    assert not screen.is_open
    assert terminal.getvalue().endswith(LEAVES)
    groups["foreground"] = 7
    assert screen.wants_frame()


def test_a_terminal_that_controls_somebody_else_is_drawn_on(
    screen: Screen, groups: dict[str, Any]
) -> None:
    groups["foreground"] = OSError(25, "Inappropriate ioctl for device")
    assert screen.wants_frame()


def test_frames_are_left_out_while_the_terminal_takes_none_or_is_gone(
    screen: Screen, groups: dict[str, Any]
) -> None:
    relay = SimpleNamespace(gone=False, waiting=0)
    screen.relay = cast(Relay, relay)
    assert screen.wants_frame()
    relay.waiting = 80
    assert not screen.wants_frame()
    relay.waiting, relay.gone = 0, True
    assert not screen.wants_frame()


def test_a_terminal_that_cannot_be_written_is_no_fault(screen: Screen, terminal: Terminal) -> None:
    screen.draw(Text("one"))
    terminal.gone = True
    screen.draw(Text("two"))
    screen.close()
    assert not screen.is_open


def test_each_frame_has_the_size_that_the_terminal_has_now(
    screen: Screen, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = iter([(30, 3), (10, 2), (0, 0)])  # the last of a serial line, which does not know
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size(next(sizes)))
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(fileno=lambda: 2))
    lines = []
    for _ in range(3):
        terminal.truncate(0)
        screen.draw(Text("x"))
        lines.append(terminal.getvalue().rpartition("\x1b[H")[2].split("\n"))
    assert [(len(one), len(one[-1])) for one in lines] == [(3, 30), (2, 10), (2, 10)]


class NotedRelay:
    """A relay that notes whether the screen is open while it is waited for."""

    gone, waiting = False, 0

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.open_while_drained: list[bool] = []

    def drain(self, _: float) -> None:
        self.open_while_drained.append(self._screen.is_open)


def test_it_is_open_until_the_terminal_has_been_given_back(screen: Screen) -> None:
    """What another thread writes before would go to a screen that nobody sees again."""
    relay = NotedRelay(screen)
    screen.relay = cast(Relay, relay)
    screen.draw(Text("one"))
    screen.close()
    screen.close()
    assert relay.open_while_drained == [True]
    assert not screen.is_open
