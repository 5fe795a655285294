"""The screen: every line fits any terminal, says what it should, and says it without colour."""

import io
import re
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from livetag.dashboard import Dashboard, render
from livetag.events import (
    EventAlert,
    EventEnd,
    EventStart,
    Explanation,
    Gap,
    Item,
    Level,
    LogMel,
    Pace,
    Scores,
)
from livetag.rules import resolve
from livetag.schema import Config
from livetag.state import MonitorState
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params

SPEECH, DOG, MUSIC, DOORBELL, SIREN, SMOKE_ALARM = 0, 69, 132, 349, 390, 393
SIZES = [(80, 24), (200, 50), (40, 10), (20, 5)]
TINY = [(21, 6), (16, 4), (10, 3), (3, 2), (1, 1)]


ALERTS = ("Dog=0.5", "Smoke detector, smoke alarm=0.3")


def heard(config: Config, labels: ClassMap) -> MonitorState:
    """After 62 s: a dog that is over; speech, a smoke alarm and, the youngest, music go on."""
    state = MonitorState(
        rules=resolve(config, labels),
        params=Params(),
        source_name="USB Microphone",
        rate_hz=44_100,
        started_at=1_000.0,
    )
    row = np.zeros(521, np.float32)
    row[[SPEECH, DOG, SMOKE_ALARM]] = 0.75, 0.25, 0.5
    for number in range(40):
        state.apply(
            Scores(number / 2, number / 2 + 1, row, np.zeros(1024, np.float32), -20.0, None),
            1_042.0 + number / 2,
        )
    dog = EventStart(labels[DOG], 1_760_000_000.0, 10.0, 0.91, 0.5, -20.0, alert=True)
    alarm = EventStart(labels[SMOKE_ALARM], 1_760_000_050.0, 55.0, 0.42, 0.3, -20.0, alert=True)
    speech = EventStart(labels[SPEECH], 1_760_000_020.0, 0.0, 0.8, 0.5, -20.0, alert=False)
    music = EventStart(labels[MUSIC], 1_760_000_055.0, 60.0, 0.6, 0.5, -20.0, alert=False)
    for event in (speech, dog, alarm, music):
        state.apply(event, 1_060.0)
    state.apply(EventEnd(dog, 1_760_000_004.0, 14.0, 0.95, 0.8, 8, -20.0, alert=True), 1_061.0)
    state.apply(Level(62.0, -20.0, -12.0, clipped=False), 1_062.0)
    state.tick(1_062.0)
    return state


@pytest.fixture
def state(labels: ClassMap) -> MonitorState:
    return heard(Config(threshold=0.5, alert=ALERTS), labels)


def rendered(
    state: MonitorState,
    width: int = 80,
    height: int = 24,
    encoding: str = "utf-8",
    no_color: bool = True,
    colour: str | None = None,
    explain: bool = False,
    spectrogram: bool = False,
) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=file,
        width=width,
        height=height,
        force_terminal=True,
        color_system=colour,  # type: ignore[arg-type]
        no_color=no_color,
        legacy_windows=False,
    )
    console.print(render(state, 10, explain, spectrogram), end="")
    file.flush()
    buffer = file.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(encoding)


def screen(
    state: MonitorState,
    width: int = 80,
    height: int = 24,
    encoding: str = "utf-8",
    explain: bool = False,
    spectrogram: bool = False,
) -> list[str]:
    text = rendered(state, width, height, encoding, explain=explain, spectrogram=spectrogram)
    return text.split("\n")


def line_with(lines: list[str], text: str) -> str:
    (line,) = [line for line in lines if text in line]
    return line


def alerts_column(lines: list[str]) -> list[str]:
    """What stands under `Alerts`, on 80 columns; empty rows left out."""
    begin = next(number for number, line in enumerate(lines) if "Alerts (" in line)
    return [line[33:].strip() for line in lines[begin + 1 : -1] if line[33:].strip()]


# --- Size ---------------------------------------------------------------------------------------


def messed_up(state: MonitorState) -> MonitorState:
    """Everything that makes lines longer."""
    state.source_name = "Микрофон 麦克风 " * 20
    state.apply(Gap(0.0, 0.0, 123_456.7, "stalled"), 1_062.0)
    state.apply(Level(1e6, -3.0, 0.0, clipped=True), 1_062.0)
    state.apply(Pace(0.0, 0.0, 29.5, 0.96, 16, degraded=True), 1_062.0)
    state.notice("a message of great length " * 20, state.now)
    state.notice("another 麦克风", state.now)
    for number in range(50):
        index = (SPEECH, SMOKE_ALARM)[number % 2]
        name = "麦克风 " * 30 if number % 3 else "a name of great length " * 20
        event = EventStart(state.labels[index], 1e9, 5.0, 0.9, 0.3, -20.0, True, f"{name}{number}")
        state.apply(event, 1_062.0)
        state.apply(
            Explanation(state.labels[index], 1e9, 5.0, 0.2, "while " + "Ü麦" * 40, event.group),
            1_062.0,
        )
    state.tick(9e6)
    return state


@pytest.mark.parametrize(("width", "height"), SIZES + TINY)
@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("more", [False, True])
def test_a_frame_has_exactly_the_terminal_s_size(
    width: int, height: int, crowded: bool, more: bool, state: MonitorState
) -> None:
    shown = messed_up(state) if crowded else state
    lines = screen(shown, width, height, explain=more, spectrogram=more)
    assert len(lines) == height
    assert {cell_len(line) for line in lines} == {width}


@pytest.mark.parametrize(("width", "height"), [(80, 24), (20, 5)])
def test_before_there_is_anything_to_show_a_frame_has_its_size_too(
    width: int, height: int, labels: ClassMap
) -> None:
    lines = screen(
        MonitorState(resolve(Config(), labels), Params(), "mic", 16_000, 0.0), width, height
    )
    assert len(lines) == height
    assert {cell_len(line) for line in lines} == {width}


def test_a_name_with_control_characters_does_not_break_the_frame(state: MonitorState) -> None:
    state.source_name = "two\nlines\x1b[31m.wav"
    lines = screen(state)
    assert len(lines) == 24
    assert "\x1b[31m" not in "".join(lines)


def test_a_group_s_name_with_control_characters_does_not_break_the_frame(
    state: MonitorState, labels: ClassMap
) -> None:
    event = EventStart(labels[DOG], 1.76e9, 60.0, 0.9, 0.5, -20.0, alert=True, group="a\nb\x1b[2J")
    state.apply(event, 1_062.0)
    explanation = Explanation(labels[DOG], 1.76e9, 60.0, 0.9, "0.27 of 0.30", event.group)
    state.apply(explanation, 1_062.0)
    lines = screen(state, explain=True)
    assert len(lines) == 24
    assert "\x1b[2J" not in "".join(lines)


# --- What it says -------------------------------------------------------------------------------


def test_the_header_names_the_source_and_its_rate(state: MonitorState) -> None:
    assert "USB Microphone  44.1 kHz" in screen(state)[0]


def test_the_meter_shows_level_and_held_peak(state: MonitorState) -> None:
    line = line_with(screen(state), "Level")
    assert " -20.0 dBFS" in line
    assert "peak  -12.0" in line
    meter = line[line.index("Level") + 7 : line.index(" -20.0")].rstrip()
    assert meter.count("█") == pytest.approx(len(meter) * 40 / 60, abs=1)
    assert meter.index("│") == pytest.approx(len(meter) * 48 / 60, abs=1)
    assert "CLIP" not in line
    state.apply(Level(62.1, -3.0, 0.0, clipped=True), 1_062.1)
    state.tick(1_062.2)
    assert "CLIP" in line_with(screen(state), "Level")


def test_a_class_has_a_name_a_bar_with_its_threshold_and_a_score(state: MonitorState) -> None:
    lines = screen(state, 120, 30)
    speech, dog = line_with(lines, "0.75"), line_with(lines, "0.25")
    assert speech.startswith(" Speech ")
    assert dog.startswith("!Dog ")
    begin, end = dog.index("█"), dog.index(" 0.25")
    width = end - begin
    assert dog[begin:end].count("█") == pytest.approx(width * 0.25, abs=1)
    assert speech[begin:end].count("█") == pytest.approx(width * 0.75, abs=1)
    assert dog[begin:end].index("┊") == pytest.approx(width * 0.5, abs=1)
    assert speech[begin:end].index("┊") == dog[begin:end].index("┊")  # inside the bar, too
    order = [line for line in lines if re.search(r" 0\.(75|50|25) ", line)]
    assert [line[1:6] for line in order] == ["Speec", "Smoke", "Dog  "]


def test_what_is_sounding_has_its_age_alerts_first(state: MonitorState) -> None:
    lines = screen(state)
    begin = next(number for number, line in enumerate(lines) if "Sounding now (3)" in line)
    assert re.match(r"!Smoke detector, smok… +7 s", lines[begin + 1])
    assert re.match(r" Music +2 s", lines[begin + 2])
    assert re.match(r" Speech +1:02", lines[begin + 3])


def test_alerts_have_local_time_and_score_newest_first(state: MonitorState) -> None:
    lines = screen(state)
    begin = next(number for number, line in enumerate(lines) if "Alerts (2)" in line)
    for line, unix_time, name, score in (
        (lines[begin + 1], 1_760_000_050, "Smoke detector, smoke alarm", "0.42"),
        (lines[begin + 2], 1_760_000_000, "Dog", "0.91"),
    ):
        right = line[33:]
        assert datetime.fromtimestamp(unix_time).strftime("%H:%M:%S") in right
        assert name in right
        assert score in right


@pytest.mark.parametrize(("width", "name"), [(63, "smoke alarm "), (40, "smoke… ")])
def test_a_narrow_screen_has_the_alerts_alone_over_its_whole_width(
    width: int, name: str, state: MonitorState
) -> None:
    lines = screen(state, width, 20)
    begin = next(number for number, line in enumerate(lines) if "Alerts (2)" in line)
    assert lines[begin].endswith(" Sounding now (3) ──")
    clock = datetime.fromtimestamp(1_760_000_050).strftime("%H:%M:%S")
    assert re.fullmatch(rf" {clock}  Smoke detector, {name} *0\.42 ", lines[begin + 1])
    assert not any(line.startswith((" Music", "!Smoke detector, smoke alarm ")) for line in lines)


def test_a_narrow_screen_has_no_title_that_runs_into_another(state: MonitorState) -> None:
    lines = Dashboard(state, top=3, explain=True).lines(40, 12)
    drawn = ["".join(segment.text for segment in line) for line in lines]
    rule = next(line for line in drawn if "Alerts (2), or why not" in line)
    assert "Sounding" not in rule


def test_a_late_alert_is_listed_with_the_time_and_score_at_which_it_came(
    state: MonitorState, labels: ClassMap
) -> None:
    withheld = EventStart(
        labels[SIREN], 1_760_000_056.0, 61.0, 0.6, 0.5, -20.0, alert=False, withheld="while Music"
    )
    state.apply(withheld, 1_061.0)
    assert "Siren" not in "".join(alerts_column(screen(state)))
    state.apply(EventAlert(withheld, labels[SIREN], 1_760_000_061.0, 66.0, 0.87), 1_062.0)
    clock = datetime.fromtimestamp(1_760_000_061).strftime("%H:%M:%S")
    assert re.fullmatch(rf"{clock}  Siren +0\.87", alerts_column(screen(state))[0])
    assert line_with(screen(state), "!Siren")


def test_a_group_s_event_names_the_group_and_the_member(
    state: MonitorState, labels: ClassMap
) -> None:
    event = EventStart(
        labels[SIREN], 1_760_000_060.0, 62.0, 0.8, 0.5, -20.0, alert=True, group="alarms"
    )
    state.apply(event, 1_062.0)
    lines = screen(state)
    assert line_with(lines, "!alarms: Siren")
    assert re.search(r"  alarms: Siren +0\.80", alerts_column(lines)[0])


def test_ignored_classes_have_no_row(labels: ClassMap) -> None:
    config = Config(threshold=0.5, alert=ALERTS[1:], ignore=("Speech", "Dog"))
    lines = screen(heard(config, labels))
    (row,) = [line for line in lines if "┊" in line]
    assert row.startswith("!Smoke detector, smoke")


def test_a_member_of_a_group_has_its_group_s_threshold_and_mark(labels: ClassMap) -> None:
    config = Config(threshold=0.5, alert=("pets=0.2",), groups={"pets": ("Dog", "Bark")})
    line = line_with(screen(heard(config, labels), 120, 30), " 0.25 ")
    assert line.startswith("!Dog ")
    begin, end = line.index("█"), line.index(" 0.25")
    assert line[begin:end].index("┊") == pytest.approx((end - begin) * 0.2, abs=1)


# --- Explanations -------------------------------------------------------------------------------


@pytest.fixture
def explained(state: MonitorState, labels: ClassMap) -> MonitorState:
    """Between the two alerts a siren came near; after them a doorbell was withheld."""
    for index, unix_time, why, group in (
        (SIREN, 1_760_000_030.0, "0.27 of 0.30", ""),
        (DOORBELL, 1_760_000_058.0, "cooldown 41 s", "bells"),
    ):
        state.apply(Explanation(labels[index], unix_time, 30.0, 0.27, why, group), 1_062.0)
    return state


def test_explanations_stand_among_the_alerts_newest_first_with_the_reason_for_the_score(
    explained: MonitorState,
) -> None:
    lines = screen(explained, explain=True)
    assert "Alerts (2), or why not" in "".join(lines)  # they are none
    expected = (
        (1_760_000_058, r"bells: D\S* +\(cooldown 41 s\)"),
        (1_760_000_050, r"Smoke detector\S* .* 0\.42"),
        (1_760_000_030, r"Siren +\(0\.27 of 0\.30\)"),
        (1_760_000_000, r"Dog +0\.91"),
    )
    for line, (unix_time, text) in zip(alerts_column(lines), expected, strict=True):
        clock = datetime.fromtimestamp(unix_time).strftime("%H:%M:%S")
        assert re.fullmatch(rf"{clock}  {text}", line)


def test_explanations_are_not_shown_unasked(explained: MonitorState) -> None:
    text = "".join(screen(explained))
    assert "Siren" not in text
    assert "cooldown" not in text
    assert "Alerts (2) " in text
    assert "why not" not in text


def test_the_reason_is_whole_where_the_name_is_cut(
    explained: MonitorState, labels: ClassMap
) -> None:
    why = "while Male speech, man speaking"
    explained.apply(Explanation(labels[SMOKE_ALARM], 1.76e9 + 61, 61.0, 0.4, why), 1_062.0)
    assert f"({why})" in "".join(screen(explained, 120, 30, explain=True))


def test_a_reason_that_is_longer_than_its_column_leaves_the_frame_whole(
    explained: MonitorState, labels: ClassMap
) -> None:
    why = "while Children shouting, Chatter, Crowd and much else that goes on"
    explained.apply(Explanation(labels[DOG], 1.76e9 + 61, 61.0, 0.4, why), 1_062.0)
    line = alerts_column(screen(explained, explain=True))[0]
    assert "(while Children" in line


# --- The footer ---------------------------------------------------------------------------------


def test_the_footer_tells_rates_and_lost_audio(state: MonitorState) -> None:
    assert "2.0 windows/s" in screen(state)[-1]
    assert "lost nothing" in screen(state)[-1]
    assert "up 1:02" in screen(state)[-1]
    state.apply(Gap(0.0, 62.0, 0.31, "overflow"), 1_062.0)
    assert "lost 0.3 s" in screen(state)[-1]


def test_no_audio_is_told_in_words(state: MonitorState) -> None:
    assert "NO AUDIO" not in screen(state)[0]
    state.tick(1_065.5)
    assert "NO AUDIO for 3 s" in screen(state)[0]
    assert "NO AUDIO" in screen(state, 40, 10)[0]
    state.source_name = "a microphone whose name is longer than this terminal is wide " * 2
    assert "NO AUDIO" in screen(state)[0]


def test_analysis_that_cannot_keep_up_is_told_in_words_until_it_does(state: MonitorState) -> None:
    def says(pace: Pace, width: int = 80) -> str:
        state.apply(pace, 1_062.0)
        return screen(state, width)[0]

    behind = Pace(1_760_000_060.0, 60.0, 4.0, 0.96, 1, degraded=True)
    assert " DEGRADED: a window every 0.96 s  USB Microphone  44.1 kHz" in says(behind)
    slower = replace(behind, frame_factor=4)
    assert "DEGRADED: a window every 0.96 s, frames 4 times as long  USB" in says(slower)
    assert "DEGRADED" in says(slower, 40)
    assert "DEGRADED" not in says(replace(behind, hop_seconds=0.48, degraded=False))


def test_notices_are_shown_above_the_footer(state: MonitorState) -> None:
    for message in ("first", "second", "third"):
        state.notice(message, state.now)
    assert [line.rstrip() for line in screen(state)[-3:-1]] == ["second", "third"]
    state.tick(state.now + 61.0)
    assert state.notices == []


def test_a_notice_that_is_cut_says_so(state: MonitorState) -> None:
    state.notice("events.csv cannot be written\x1b[2J " * 9, state.now)
    cut = screen(state)[-2]
    assert len(cut) == 80
    assert cut.endswith("…")
    assert "\x1b" not in cut
    state.notice("x" * 80, state.now)
    assert screen(state)[-2] == "x" * 80


# --- Characters and colours ---------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), SIZES[:3])
def test_a_terminal_that_knows_ascii_only_gets_ascii_only(
    width: int, height: int, state: MonitorState
) -> None:
    lines = screen(state, width, height, encoding="ascii")
    assert len(lines) == height
    assert {len(line) for line in lines} == {width}
    assert "#" in "".join(lines)


def test_no_color_means_no_colour_codes(state: MonitorState) -> None:
    state.apply(Gap(0.0, 0.0, 1.0, "overflow"), 1_062.0)

    def colours(text: str) -> list[str]:
        codes = [
            code for found in re.findall(r"\x1b\[([\d;]*)m", text) for code in found.split(";")
        ]
        return [code for code in codes if re.fullmatch(r"[349]\d|10\d", code)]

    assert colours(rendered(state, no_color=False, colour="standard")) != []
    assert colours(rendered(state, no_color=True, colour="standard")) == []


def test_every_alarming_thing_is_told_in_words_too(state: MonitorState, labels: ClassMap) -> None:
    """With all styles taken away, something different stands there."""
    before = screen(state)
    changes: list[Item] = [
        Level(62.1, -3.0, 0.0, clipped=True),
        Gap(0.0, 62.0, 0.31, "overflow"),
        Pace(0.0, 62.0, 4.0, 0.96, 1, degraded=True),
        EventStart(labels[SIREN], 1_760_000_060.0, 62.0, 0.8, 0.5, -20.0, alert=True),
    ]
    for change in changes:
        state.apply(change, 1_062.0)
        after = screen(state)
        assert after != before
        before = after


def test_an_alert_that_sounds_differs_from_another_event_by_more_than_colour(
    state: MonitorState, labels: ClassMap
) -> None:
    state.sounding.clear()
    lines = []
    for alert in (False, True):
        event = EventStart(labels[SIREN], 1_760_000_060.0, 60.0, 0.8, 0.5, -20.0, alert=alert)
        state.sounding["", SIREN] = event
        lines.append(line_with(rendered(state, colour="standard").split("\n"), "Siren"))
    assert lines[0] != lines[1]


def test_drawing_changes_nothing(state: MonitorState) -> None:
    first = Dashboard(state, 10).lines(80, 24)
    assert Dashboard(state, 10).lines(80, 24) == first


# --- The spectrogram ----------------------------------------------------------------------------


@pytest.fixture
def hissing(state: MonitorState) -> MonitorState:
    """The last ten seconds of the half minute have a hiss: high frequencies alone."""
    frames = np.full((3_000, 64), -6.9, np.float32)
    frames[2_000:, 48:] = 2.0
    state.apply(LogMel(32.0, frames), 1_062.0)
    return state


def spectrogram_of(lines: list[str]) -> list[str]:
    """What stands between its rule and the next."""
    begin = next(number for number, line in enumerate(lines) if "Spectrogram" in line)
    end = next(number for number, line in enumerate(lines) if "Top classes" in line)
    return lines[begin + 1 : end]


def test_there_is_no_spectrogram_unless_it_is_asked_for(hissing: MonitorState) -> None:
    assert "Spectrogram" not in rendered(hissing)
    assert "Spectrogram" in rendered(hissing, spectrogram=True)


@pytest.mark.parametrize(("encoding", "hiss"), [("utf-8", "█"), ("ascii", "#")])
def test_a_sound_stands_at_its_time_and_frequency_without_colour(
    encoding: str, hiss: str, hissing: MonitorState
) -> None:
    lines = spectrogram_of(screen(hissing, encoding=encoding, spectrogram=True))
    names, pictures = [line[:8] for line in lines], [line[8:] for line in lines]
    assert [name.strip() for name in names] == ["4 kHz", "2 kHz", "1 kHz", "500 Hz"]
    assert pictures == [" " * 48 + hiss * 24, *[" " * 72] * 3]


@pytest.mark.parametrize(
    ("depth", "hiss"),
    [("standard", "107m"), ("256", "48;5;230m"), ("truecolor", "48;2;252;253;191")],
)
def test_it_has_the_colours_that_the_terminal_has(
    depth: str, hiss: str, hissing: MonitorState
) -> None:
    text = rendered(hissing, colour=depth, no_color=False, spectrogram=True)
    (line,) = [line for line in text.split("\n") if "4 kHz" in line]
    assert hiss in line
    plain = rendered(hissing, colour=depth, no_color=True, spectrogram=True)
    assert hiss not in plain
    assert "█" * 24 in plain


@pytest.mark.parametrize(
    ("height", "lines"), [(9, 0), (10, 2), (19, 2), (24, 4), (40, 8), (100, 8)]
)
def test_it_takes_a_fifth_of_the_screen_at_the_most(
    height: int, lines: int, hissing: MonitorState
) -> None:
    there = screen(hissing, height=height, spectrogram=True)
    assert len(spectrogram_of(there) if lines else []) == lines
    assert ("Spectrogram" in "".join(there)) == (lines > 0)
    assert "Top classes" in "".join(there)


def test_on_a_narrow_screen_it_is_without_names(hissing: MonitorState) -> None:
    lines = spectrogram_of(screen(hissing, width=30, spectrogram=True))
    assert lines == [" " * 20 + "█" * 10, *[" " * 30] * 3]


def test_before_anything_is_heard_it_is_empty(state: MonitorState) -> None:
    lines = spectrogram_of(screen(state, spectrogram=True))
    assert [line[8:].strip() for line in lines] == [""] * 4
