"""The picture in a terminal: never wider than it, and readable without colour."""

import io

import numpy as np
import pytest
from plotting import bell, drawn
from rich.cells import cell_len
from rich.text import Text

from livetag.events import FloatArray
from livetag.plot.overview import Row
from livetag.plot.terminal import print_picture
from livetag.yamnet.labels import class_map

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TERM", "COLUMNS", "LINES")


def printed(
    monkeypatch: pytest.MonkeyPatch,
    *,
    width: int = 80,
    seconds: float = 8.0,
    with_rules: bool = True,
    encoding: str = "utf-8",
    environment: dict[str, str] | None = None,
    samples: FloatArray | None = None,
    count: int = 3,
    terminal: bool = False,
) -> str:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in {"COLUMNS": str(width), **(environment or {})}.items():
        monkeypatch.setenv(name, value)
    there, rows = drawn(bell(seconds) if samples is None else samples, with_rules, count)
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(file, "isatty", lambda: terminal, raising=False)
    print_picture(file, there, rows)
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(encoding)


def line_with(text: str, picture: str) -> str:
    (line,) = [line for line in picture.splitlines() if text in line]
    return line


@pytest.mark.parametrize("width", [1, 11, 20, 40, 80, 300])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_terminal(
    width: int, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(monkeypatch, width=width, encoding=encoding).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert len(lines) == 1 + 4 + 16 + 3 + 2


@pytest.mark.parametrize(
    ("height", "waveform", "spectrum"),
    [(10, 2, 4), (20, 2, 4), (24, 2, 8), (25, 3, 8), (80, 4, 16)],
)
def test_all_of_it_is_on_the_terminal_at_once(
    height: int, waveform: int, spectrum: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"LINES": str(height), "TERM": "xterm", "NO_COLOR": "1"}
    picture = printed(monkeypatch, environment=environment, count=10, terminal=True)
    lines = Text.from_ansi(picture).plain.splitlines()
    assert len(lines) == 1 + waveform + spectrum + 10 + 2
    assert len(lines) < height or height == 10
    assert "4 kHz" in picture


@pytest.mark.parametrize("width", [45, 60, 100])
def test_the_legend_is_whole(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    *_, legend = printed(monkeypatch, width=width).splitlines()
    assert legend.endswith("threshold")


def test_names_times_frequencies_and_thresholds_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = printed(monkeypatch)
    assert picture.startswith("bell.wav   8 s, peak ")
    for text in ("waveform", "4 kHz", "500 Hz", " 5 s", "! Doorbell", " of 0.50"):
        assert text in picture
    without = printed(monkeypatch, with_rules=False)
    assert "!" not in without
    assert " of " not in without


def test_a_sound_is_drawn_where_it_sounds(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = printed(monkeypatch, width=100)
    names = len("Child speech, kid speaking ")
    row = line_with("! Doorbell", picture)[names:].removesuffix(" of 0.50")
    begin, end = row.index("!"), row.index("]")
    assert set(row[begin + 1 : end]) <= set("▇█")
    seconds_a_cell = 8.0 / len(row)
    assert (begin * seconds_a_cell, end * seconds_a_cell) == pytest.approx((3.0, 5.0), abs=0.5)
    spectrum = line_with("1 kHz", picture)[names:]
    loud = [at * seconds_a_cell for at, char in enumerate(spectrum) if char in "▒▓█"]
    assert (loud[0], loud[-1]) == pytest.approx((3.0, 5.0), abs=0.3)


@pytest.mark.parametrize(("value", "line"), [(0.5, "▀"), (0.0, " ")])
def test_samples_that_are_all_the_same_are_a_line(
    value: float, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = printed(monkeypatch, samples=np.full(10, value, np.float32))
    assert line_with("waveform", picture).partition("waveform ")[2].startswith(line * 9)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "\x1b[38;2;"),
        ({"TERM": "xterm-256color"}, "\x1b[38;5;"),
        ({"TERM": "xterm"}, "\x1b[3"),
    ],
)
def test_a_terminal_gets_the_colours_it_has(
    environment: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = printed(monkeypatch, environment={"FORCE_COLOR": "1", **environment})
    assert wanted in picture
    assert ("38;2" in picture) == ("38;2" in wanted)
    assert ("38;5" in picture) == ("38;5" in wanted)
    assert "▀" in picture


def test_no_color_leaves_colours_out_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = printed(monkeypatch)
    forced = {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}
    told = Text.from_ansi(printed(monkeypatch, environment=forced))
    assert told.plain.splitlines() == plain.splitlines()
    assert not any(
        span.style.color or span.style.bgcolor  # type: ignore[union-attr]
        for span in told.spans
    )


def test_ascii_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    picture = printed(monkeypatch, encoding="ascii", environment=forced)
    assert "?" not in picture
    assert "####" in picture


def test_a_long_name_is_whole_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = max(class_map(), key=lambda label: len(label.name))
    monkeypatch.setenv("COLUMNS", "120")
    there, _ = drawn(np.zeros(16_000, np.float32))
    out = io.StringIO()
    print_picture(out, there, [Row(longest)])
    assert longest.name in out.getvalue()
