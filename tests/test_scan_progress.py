"""How far a scan is: what is counted, and what is drawn of it."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from livetag.scan.analysis import Summary
from livetag.scan.listing import Recording
from livetag.scan.progress import ProgressBar, Tally
from livetag.scan.worker import Broken, Done, Going

ONE, TWO, THREE = (
    Recording(name, name, name, size) for name, size in (("a", 5), ("b", 3), ("c", 0))
)
REPORTS = (
    Going(ONE, 600.0, 0.3),
    Going(TWO, 60.0, 0.0),
    Going(ONE, 1_200.0, 0.6),
    Done(TWO, Summary(90.0, 7)),
    Broken(THREE, "no audio"),
)


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let so many seconds pass."""
    now = [1_000.0]
    monkeypatch.setattr("livetag.scan.progress.time.monotonic", lambda: now[0])

    def passing(seconds: float) -> None:
        now[0] += seconds

    return passing


def test_what_is_heard_counts_as_it_comes_and_once(passing: Callable[[float], None]) -> None:
    tally = Tally()
    heard = []
    for report in REPORTS:
        tally.count(report)
        heard.append(tally.heard_s)
    passing(3.0)
    assert heard == [600.0, 660.0, 1_260.0, 1_290.0, 1_290.0]
    assert (tally.done, tally.rows, tally.broken) == (1, 7, [REPORTS[-1]])
    assert tally.audio == "21.5 min of audio, 430 times real time"
    tally.count(Broken(ONE, "its worker died"))
    assert tally.heard_s == 90.0


def test_how_far_it_is_grows_within_a_recording() -> None:
    tally = Tally()
    far = []
    for report in (*REPORTS, Done(ONE, Summary(2_000.0, 1))):
        tally.count(report)
        far.append(tally.bytes)
    assert far == pytest.approx([1.5, 1.5, 3.0, 6.0, 6.0, 8.0])


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.05, "0.05 s"), (59.0, "59.00 s"), (90.0, "1.5 min"), (9_000.0, "2.50 h")],
)
def test_what_is_heard_is_told_in_a_unit_that_suits_it(seconds: float, told: str) -> None:
    tally = Tally()
    tally.count(Done(ONE, Summary(seconds, 1)))
    assert tally.audio.startswith(f"{told} of audio, ")


def last_line(tally: Tally, width: int) -> str:
    """What a terminal of this width shows in the end."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None)
    with ProgressBar(console, [ONE, TWO, THREE]) as bar:
        for report in REPORTS:
            tally.count(report)
            bar.show(tally)
    drawn = [line for line in screen.getvalue().replace("\r", "\n").split("\n") if "left" in line]
    return drawn[-1].removeprefix("\x1b[2K")


@pytest.mark.usefixtures("passing")
@pytest.mark.parametrize(
    ("width", "told"),
    [
        (120, "2 of 3 recordings, 21.5 min of audio, 645 times real time, 1 broken 0:00:01 left"),
        (97, "2 of 3 recordings, 21.5 min of audio, 645 times real time, 1 broken 0:00:01 left"),
        (80, "2/3 645x 1 broken 0:00:01 left"),
        (40, "2/3 645x 1 broken 0:00:01 left"),
    ],
)
def test_a_terminal_shows_files_speed_time_left_and_errors_however_narrow(
    width: int, told: str, passing: Callable[[float], None]
) -> None:
    tally = Tally()
    passing(2.0)
    line = last_line(tally, width)
    assert line.endswith(f" {told}")
    assert len(line) <= width


def test_where_there_is_no_terminal_nothing_is_drawn() -> None:
    file = io.StringIO()
    tally = Tally()
    with ProgressBar(Console(file=file), [ONE]) as bar:
        tally.count(REPORTS[0])
        bar.show(tally)
    assert file.getvalue() == ""
