"""How far a scan is, drawn while it goes on: files, hours, speed, time left, errors."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from livetag.scan.listing import Recording
from livetag.scan.worker import Broken, Done, Going, Report
from livetag.text import counted

if TYPE_CHECKING:
    from rich.console import Console


_BESIDE_WIDTH = len("- 12:34:56 left ")
"""Of what stands beside the words: a bar that has hardly any length left, and the time."""


class Tally:
    """What has been done in this run, and how fast."""

    def __init__(self) -> None:
        self.done = 0
        self.rows = 0
        self.broken: list[Broken] = []
        self._going: dict[Recording, Going] = {}
        self._finished_s = 0.0
        self._finished_bytes = 0
        self._began = time.monotonic()

    def count(self, report: Report) -> None:
        match report:
            case Going(recording):
                self._going[recording] = report
            case Done(recording, summary):
                self._finish(recording)
                self._finished_s += summary.seconds
                self.rows += summary.rows
                self.done += 1
            case Broken(recording):
                self._finish(recording)
                self.broken.append(report)

    def _finish(self, recording: Recording) -> None:
        self._going.pop(recording, None)
        self._finished_bytes += recording.size

    @property
    def heard_s(self) -> float:
        """Seconds of audio."""
        return self._finished_s + sum(going.seconds for going in self._going.values())

    @property
    def bytes(self) -> float:
        """Of the recordings, as far as they are done: sizes are known before lengths."""
        going = sum(going.share * going.recording.size for going in self._going.values())
        return self._finished_bytes + going

    @property
    def speed(self) -> float:
        """Seconds of audio a second."""
        return self.heard_s / max(time.monotonic() - self._began, 1e-3)

    @property
    def audio(self) -> str:
        """How much was heard, and how fast: `2.5 h of audio, 612 times real time`."""
        return f"{_length(self.heard_s)} of audio, {self.speed:,.0f} times real time"


class ProgressBar:
    """The line on the terminal; where there is none, nothing. A context manager.

    On a narrow terminal the bar goes first, then words do: what they say stays.
    """

    def __init__(self, console: "Console", recordings: Sequence[Recording]) -> None:
        """`recordings`: those that are to be done."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        said = TextColumn("{task.description}")
        time_left = TimeRemainingColumn(table_column=Column(no_wrap=True))  # the bar shrinks
        columns = (BarColumn(), said, time_left, TextColumn("left"))
        shown = console.is_terminal and not console.is_dumb_terminal
        self._console = console
        self._bar = Progress(*columns, console=console, transient=True, disable=not shown)
        total_bytes = sum(recording.size for recording in recordings)
        self._line = self._bar.add_task("", total=total_bytes)
        self._recordings = len(recordings)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, tally: Tally) -> None:
        """Draw what has changed."""
        self._bar.update(self._line, completed=tally.bytes, description=self._said(tally))

    def _said(self, tally: Tally) -> str:
        """All of it in words, or in short where the terminal's width has no room for them."""
        ended = tally.done + len(tally.broken)
        long = [f"{ended:,} of {counted(self._recordings, 'recording')}", tally.audio]
        short = [f"{ended:,}/{self._recordings:,}", f"{tally.speed:,.0f}x"]
        if tally.broken:
            for said in (long, short):
                said.append(f"{len(tally.broken):,} broken")
        words = ", ".join(long)
        has_room = len(words) + _BESIDE_WIDTH <= self._console.width
        return words if has_room else " ".join(short)


def _length(seconds: float) -> str:
    if seconds < 60.0:
        return f"{seconds:.2f} s"
    return f"{seconds / 60.0:.1f} min" if seconds < 3_600.0 else f"{seconds / 3_600.0:,.2f} h"
