"""The page: in a real browser, which has nothing but the file; and what stands in that."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser, browsing, found
from conftest import skip_unless_required
from plotting import RATE_HZ, bell, drawn, seen

from livetag.plot.overview import Row
from livetag.plot.page import page
from livetag.plot.sound import Sound
from livetag.yamnet.labels import class_map

SECONDS = 8.0
BEGIN_S = 3.0
ENDS = "picture._fullLayout.xaxis.range.map((end) => Date.parse(end + 'Z') / 1000)"
DRAWN = "document.querySelectorAll('.heatmaplayer image').length === 2"


def encoded(samples: np.ndarray[Any, Any], rate_hz: int = RATE_HZ, claimed: float = 1.0) -> bytes:
    sound = Sound(rate_hz, claimed)
    for at in range(0, len(samples), 1_283):
        sound.push(samples[at : at + 1_283])
    return sound.encoded()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a bell."""
    path = tmp_path_factory.mktemp("page") / "bell.html"
    samples = bell(SECONDS, BEGIN_S)
    path.write_bytes(page(*drawn(samples), encoded(samples)))
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = found()
    if program is None:
        skip_unless_required("there is no browser: apt install chromium")
    with browsing(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def opened(browser: Browser, written: Path) -> Browser:
    """The page, drawn, and its sound ready."""
    browser.open(written)
    browser.wait_for(DRAWN)
    browser.wait_for("sound.readyState === 4")
    return browser


@pytest.fixture
def shown(opened: Browser) -> Browser:
    """The page as it was when it was opened."""
    opened.value("sound.pause(), sound.currentTime = 0")
    opened.wait_for("!sound.seeking")
    opened.value("Plotly.relayout(picture, {'xaxis.range': [...wholeRange]}).then(() => 0)")
    return opened


def place_of(browser: Browser, seconds: float, height: float) -> tuple[float, float]:
    """Where a moment is on the screen; `height` is 0 at the panels' top and 1 at their bottom."""
    x, y = browser.value(
        "(() => { const box = picture.getBoundingClientRect(), axis = picture._fullLayout.xaxis,"
        "size = picture._fullLayout._size; return [box.left + axis._offset + axis.l2p("
        f"{seconds * 1_000}), box.top + size.t + {height} * size.h]; }})()"
    )
    return x, y


def cursor_seconds(browser: Browser) -> float:
    """The moment at which the cursor stands."""
    ms = browser.value(
        "picture._fullLayout.xaxis.p2l(cursor.getBoundingClientRect().left + 1"
        " - picture.getBoundingClientRect().left - picture._fullLayout.xaxis._offset)"
    )
    return float(ms) / 1_000


# --- In a browser -------------------------------------------------------------------------------


def test_the_page_draws_itself_without_a_network_and_without_a_fault(shown: Browser) -> None:
    assert shown.problems == []
    outside = [url for url in shown.requested if not url.startswith(("file:", "data:", "blob:"))]
    assert outside == []
    text = shown.value("document.body.innerText")
    for words in ("bell.wav", "! Doorbell", "Speech", "4 kHz", "0:05", "0.50", "thick ones alerts"):
        assert words in text


def test_the_sound_is_the_recording_s_and_as_long(shown: Browser) -> None:
    """Decoded by the browser itself: loud where the bell is, and silent elsewhere."""
    assert shown.value("sound.duration") == pytest.approx(SECONDS, abs=0.05)
    levels = shown.value(
        "fetch(sound.src).then((answer) => answer.arrayBuffer())"
        ".then((bytes) => new OfflineAudioContext(1, 16000, 16000).decodeAudioData(bytes))"
        ".then((heard) => { const samples = heard.getChannelData(0), levels = [];"
        "for (let at = 0; at + 1600 <= samples.length; at += 1600)"
        " levels.push(Math.hypot(...samples.subarray(at, at + 1600)) / 40);"
        "return levels; })"
    )
    loud = np.flatnonzero(np.array(levels) > 0.1)
    assert (loud[0], loud[-1]) == pytest.approx((30, 49), abs=1)


@pytest.mark.parametrize("height", [0.05, 0.4, 0.9])
def test_a_click_moves_sound_and_cursor_there(height: float, shown: Browser) -> None:
    shown.click(*place_of(shown, 5.0, height))
    shown.wait_for("!sound.seeking && sound.currentTime > 1")
    assert shown.value("sound.currentTime") == pytest.approx(5.0, abs=0.05)
    assert not shown.value("cursor.hidden")
    assert cursor_seconds(shown) == pytest.approx(5.0, abs=0.05)


def test_the_cursor_goes_with_the_sound(shown: Browser) -> None:
    shown.value("sound.play()")
    shown.wait_for("sound.currentTime > 0.4")
    shown.value("sound.pause()")
    shown.wait_for("sound.paused")
    shown.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    heard = shown.value("sound.currentTime")
    assert heard > 0.4
    assert cursor_seconds(shown) == pytest.approx(heard, abs=0.05)


def test_a_cursor_that_goes_out_of_sight_turns_the_page(shown: Browser) -> None:
    part = "['1970-01-01 00:00:01', '1970-01-01 00:00:02']"
    shown.value(f"Plotly.relayout(picture, {{'xaxis.range': {part}}}).then(() => 0)")
    shown.click(*place_of(shown, 1.8, 0.5))
    shown.wait_for("!sound.seeking && !cursor.hidden")
    shown.value("sound.play()")
    shown.wait_for("sound.currentTime > 2.1")
    shown.value("sound.pause()")
    shown.wait_for("!cursor.hidden")
    assert shown.value(ENDS) == pytest.approx([2.0, 3.0], abs=0.01)


def test_at_the_end_the_cursor_is_at_the_end(shown: Browser) -> None:
    shown.value("sound.currentTime = sound.duration - 0.1; sound.play()")
    shown.wait_for("sound.ended && sound.paused")
    assert not shown.value("cursor.hidden")
    assert cursor_seconds(shown) == pytest.approx(SECONDS, abs=0.05)
    assert shown.value(ENDS) == pytest.approx([0.0, SECONDS])


def test_the_cursor_is_placed_once_a_frame_however_long_it_plays(shown: Browser) -> None:
    shown.value("sound.play()")
    shown.wait_for("sound.currentTime > 1")  # by then, the sound has told its time more than once
    calls = shown.value(
        "new Promise((done) => { let calls = 0, frames = 0; const place = placeCursor;"
        "placeCursor = () => { calls += 1; place(); };"
        "const look = () => { frames += 1; if (frames < 20) return requestAnimationFrame(look);"
        "placeCursor = place; done(calls); }; requestAnimationFrame(look); })"
    )
    assert calls <= 21


def test_the_space_bar_plays_and_pauses(shown: Browser) -> None:
    key = {"key": " ", "code": "Space", "text": " ", "windowsVirtualKeyCode": 32}
    for wanted in ("!sound.paused", "sound.paused"):
        shown.call("Input.dispatchKeyEvent", type="keyDown", **key)
        shown.call("Input.dispatchKeyEvent", type="keyUp", **key)
        shown.wait_for(wanted)


def test_zooming_shows_a_part_and_leaves_the_sound_alone(shown: Browser) -> None:
    (x, y), (end, _) = place_of(shown, 2.0, 0.4), place_of(shown, 4.0, 0.4)
    place = {"button": "left", "clickCount": 1}
    shown.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **place)
    for at in np.linspace(x, end, 5):
        shown.call("Input.dispatchMouseEvent", type="mouseMoved", x=float(at), y=y, buttons=1)
    shown.call("Input.dispatchMouseEvent", type="mouseReleased", x=end, y=y, **place)
    shown.wait_for(f"({ENDS})[1] < 5")
    assert shown.value(ENDS) == pytest.approx([2.0, 4.0], abs=0.05)
    assert shown.value("sound.currentTime") == 0
    assert shown.value("cursor.hidden")  # it is at the beginning, which is out of sight
    shown.value("sound.currentTime = 3")
    shown.wait_for("!cursor.hidden")
    assert cursor_seconds(shown) == pytest.approx(3.0, abs=0.05)


def test_a_double_click_shows_all_and_leaves_the_sound_alone(shown: Browser) -> None:
    part = "['1970-01-01 00:00:01', '1970-01-01 00:00:05']"
    shown.value(f"Plotly.relayout(picture, {{'xaxis.range': {part}}}).then(() => 0)")
    shown.value("sound.currentTime = 2")
    shown.wait_for("!sound.seeking")
    shown.click(*place_of(shown, 3.0, 0.4), times=2)
    shown.wait_for(f"({ENDS})[1] > 7 && !sound.seeking")
    assert shown.value(ENDS) == pytest.approx([0.0, SECONDS])
    assert shown.value("sound.currentTime") == pytest.approx(2.0, abs=0.05)
    assert cursor_seconds(shown) == pytest.approx(2.0, abs=0.05)


def test_the_mouse_is_told_what_is_under_it(shown: Browser) -> None:
    hovered = "document.querySelector('.hoverlayer').textContent"
    shown.move(*place_of(shown, 4.0, 0.87))
    shown.wait_for(f"{hovered}.includes('Doorbell')")
    told = shown.value(hovered)
    assert re.search(r"0:0[34]\.\d+.*Doorbell: 0\.90", told), told
    shown.move(*place_of(shown, 4.0, 0.4))
    shown.wait_for(f"{hovered}.includes('log mel')")
    assert re.search(r"[\d,]+ Hz: log mel", shown.value(hovered))


def test_a_page_without_sound_says_so_and_has_no_player(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "silent.html"
    path.write_bytes(page(*drawn(bell(1.0)), b"", "no sound <here>"))
    browser.open(path)
    browser.wait_for(DRAWN)
    text = browser.value("document.body.innerText")
    assert "no sound <here>" in text
    assert "space bar" not in text
    assert "thick ones alerts" in text
    assert browser.value("document.querySelector('audio')") is None
    assert browser.problems == []


def test_a_name_is_text_and_nothing_else(browser: Browser, tmp_path: Path) -> None:
    name = "</script><img src=x onerror='evil = 2'>&amp;@@sound@@"
    there = seen(bell(1.0), name=name)
    path = tmp_path / "name.html"
    path.write_bytes(page(there, [Row(class_map()[0])], b""))
    browser.open(path)
    assert name in browser.value("document.body.innerText")
    assert browser.value("window.evil === undefined")


# --- What stands in it --------------------------------------------------------------------------


def figure(content: bytes) -> dict[str, Any]:
    (found,) = re.findall(rb'id="figure">(.*?)</script>', content, re.DOTALL)
    drawn: dict[str, Any] = json.loads(found)
    return drawn


def test_a_page_names_nothing_outside_that_it_would_load(written: Path) -> None:
    content = written.read_text(encoding="utf-8")
    own = re.sub(r"<script>/\*\*.*?</script>", "", content, count=1, flags=re.DOTALL)
    assert len(own) < len(content) // 2  # plotly.js was taken out
    assert re.findall(r"""(?:src|href)=["'](?!data:)[^"']""", own) == []
    assert "http" not in own


def marks(content: bytes) -> list[dict[str, Any]]:
    """What is drawn over the scores."""
    traces = figure(content)["data"]
    return [trace for trace in traces if trace.get("yaxis") == "y3" and "mode" in trace]


def test_events_are_framed_alerts_apart(written: Path) -> None:
    lines = [trace for trace in marks(written.read_bytes()) if trace["mode"] == "lines"]
    framed = [trace["x"] for trace in lines]
    assert [len(x) for x in framed] == [0, 6]
    begin, end = (np.datetime64(at) for at in framed[1][:2])
    midnight = np.datetime64("1970-01-01")
    seconds = [(at - midnight) / np.timedelta64(1, "s") for at in (begin, end)]
    assert seconds == pytest.approx([BEGIN_S, BEGIN_S + 2.0], abs=0.5)


def test_without_rules_there_are_no_marks() -> None:
    content = page(*drawn(bell(1.0), with_rules=False), b"")
    assert figure(content)["layout"]["annotations"] == []
    assert b"thick ones alerts" not in content
    assert all(trace["x"] == [] for trace in marks(content))


def test_the_page_says_what_its_marks_are(written: Path) -> None:
    page_text = written.read_text(encoding="utf-8")
    assert "thick ones alerts; point at the triangle at the start of one to read of it" in page_text


@pytest.mark.parametrize(("count", "pixels"), [(5, 130), (40, 260)])
def test_a_scale_of_colours_is_beside_the_first_rows(count: int, pixels: int) -> None:
    spectrum, scores = (
        trace["colorbar"]
        for trace in figure(page(*drawn(bell(1.0), count=count), b""))["data"]
        if trace["type"] == "heatmap"
    )
    assert (spectrum["len"], scores["len"]) == (260, pixels)
    assert spectrum["lenmode"] == scores["lenmode"] == "pixels"


# --- The sound ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [1_000, 8_000, 16_000, 44_100, 96_000])
@pytest.mark.parametrize(("claimed", "highest_hz"), [(600.0, 48_000), (601.0, 16_000)])
def test_sound_is_as_long_as_the_recording_and_coarser_where_that_is_long(
    rate_hz: int, claimed: float, highest_hz: int
) -> None:
    import io

    import soundfile

    tone = np.sin(np.arange(2 * rate_hz) / rate_hz * 2 * np.pi * 300).astype(np.float32) * 0.5
    heard, heard_hz = soundfile.read(io.BytesIO(encoded(tone, rate_hz, claimed)), dtype="float32")
    assert heard_hz == min(max(rate_hz, 8_000), highest_hz)
    assert len(heard) / heard_hz == pytest.approx(2.0, abs=0.01)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.5 / np.sqrt(2), abs=0.02)


def test_of_more_than_a_page_can_have_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetag.plot.sound.MOST_SECONDS", 1_800.0)
    sound = Sound(8_000, 1.0)
    told = []
    for _ in range(4):
        sound.push(np.zeros(900 * 8_000, np.float32))
        told.append(sound.left_out.partition(", and")[0])
    too_long = "the page is without its sound: it can have 0.5 hours of it"
    assert told == ["", "", too_long, too_long]
    assert sound.encoded() == b""
