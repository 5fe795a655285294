"""`livetag plot` as it is run: what it writes where, what it says, and what it refuses."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from plotting import RATE_HZ
from running import run, running

from livetag.audio.reader import AudioReader
from livetag.plot.overview import overview
from livetag.rules import resolve
from livetag.schema import Config
from livetag.sources.base import numbered
from livetag.sources.demo import demo_chunks
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import CompiledModel
from livetag.yamnet.labels import ClassMap
from livetag.yamnet.params import Params


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's first twenty seconds: speech, smoke alarm, doorbell."""
    path = tmp_path_factory.mktemp("recording") / "hall.wav"
    soundfile.write(path, np.concatenate(list(demo_chunks()))[: 20 * RATE_HZ], RATE_HZ)
    return path


@pytest.mark.usefixtures("compiled")
def test_without_a_name_the_picture_is_in_this_folder_under_the_recording_s(
    recording: Path, tmp_path: Path
) -> None:
    done = run("plot", str(recording), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode().endswith("livetag: wrote hall.png\n")  # matplotlib may speak, too
    assert [path.name for path in tmp_path.iterdir()] == ["hall.png"]
    assert (tmp_path / "hall.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("compiled")
def test_a_terminal_shows_how_much_is_read_until_it_is(recording: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.svg"
    with running("plot", str(recording), "-o", str(output), terminal=True) as command:
        assert command.wait() == 0
        assert re.search(rb"read .*\d%", command.stderr)
        seen = "\n".join(command.screen)
    assert "livetag: wrote " in seen
    assert "%" not in seen


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", b"<?xml"), ("b.HTML", b"<!doctype html>"), ("c.PNG", b"\x89PNG")]
)
def test_the_ending_says_what_is_written(
    name: str, begins: bytes, recording: Path, tmp_path: Path
) -> None:
    output = tmp_path / name
    output.write_text("what was there before")
    done = run("plot", str(recording), "-o", str(output), "--alert", "Doorbell", "--top", "5")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode().endswith(f"livetag: wrote {output}\n")
    assert output.read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.usefixtures("compiled")
def test_a_dash_is_the_terminal_and_writes_no_file(recording: Path, tmp_path: Path) -> None:
    done = run("plot", str(recording), "-o", "-", "--alert", "Doorbell=0.6", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("hall.wav   20 s, peak ")
    (doorbell,) = [line for line in lines if "! Doorbell" in line]
    assert doorbell.endswith(" of 0.60")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("compiled")
def test_a_rule_of_hours_goes_by_when_the_recording_began(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "night.toml").write_text('alert = ["Doorbell"]\nhours = "22:00-07:00"\n', "utf-8")
    arguments = ("plot", str(recording), "-o", "-", "--config", "night.toml")

    for since, alerts in (("2026-11-22T23:00", 1), ("2026-11-22T12:00", 0)):
        done = run(*arguments, "--since", since, cwd=tmp_path)
        (row,) = [row for row in done.stdout.split(b"\n") if b"! Doorbell" in row]
        assert row.count(b"!") == 1 + alerts
        assert row.count(b"[") == 1 - alerts
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert b"a rule looks at the hour" in done.stderr
    assert b"(--since, since=)" in done.stderr


@pytest.mark.usefixtures("compiled")
def test_events_are_those_of_the_monitor(recording: Path, tmp_path: Path) -> None:
    arguments = ("--config", "home", "--alert", "Doorbell", "--threshold", "0.4")
    monitored = run("monitor", "--fast", "--input", str(recording), "--json", *arguments)
    records = [json.loads(line) for line in monitored.stdout.splitlines()]
    expected = {_event(record) for record in records if record["type"] == "event_end"}
    assert len(expected) > 3
    output = tmp_path / "hall.html"
    assert (
        run("plot", str(recording), "-o", str(output), "--top", "521", *arguments).returncode == 0
    )
    content = output.read_text(encoding="utf-8").partition('id="figure">')[2]
    figure = json.loads(content.partition("</script>")[0])
    marks = [trace for trace in figure["data"] if trace.get("mode") == "markers"]
    told = [text for trace in marks for text in trace["text"]]
    assert sorted(told) == sorted(expected)


def _event(record: dict[str, Any]) -> str:
    """A record of the monitor's in the page's words."""
    name = f"{record['group']}: {record['label']}" if "group" in record else record["label"]
    kind = "alert" if record["alert"] else "event"
    begin, end = (f"{round(record[key], 2):g} s" for key in ("start_s", "end_s"))
    return f"{name}: {kind}<br>{begin} to {end}, up to {record['peak_score']:.2f}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["-o", "a.pdf"],
            "-o a.pdf: a picture ends in .png, .svg, .html, or is - for the terminal",
        ),
        (["-o", "png"], "-o png: a picture ends in .png, .svg, .html, or is - for the terminal"),
        (["-o", "no/where/a.png"], "-o no/where/a.png cannot be: there is no folder no/where"),
        (["-o", "folder.png"], "-o folder.png is a folder"),
        (["--hop", "0.123"], "a hop of 0.123 s cannot be taken"),
        (["--alert", "Dgo"], "no class is called 'Dgo'; did you mean 'Dog'?"),
        (["--config", "nowhere"], "there is no configuration 'nowhere'"),
        (["--top", "0"], "'0' is no whole number of 1 or more"),
    ],
)
def test_what_cannot_be_is_wrong_use_before_anything_is_read(
    options: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.png").mkdir()
    done = run("plot", "no_such_recording.wav", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is no audio that can be read"), (None, "does not exist"), ("header", "holds no sound")],
)
def test_what_is_no_recording_has_no_picture(
    content: bytes | str | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "sound.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        soundfile.write(path, np.zeros(0), RATE_HZ)
    done = run("plot", str(path), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, b"")
    assert message in done.stderr.decode()
    assert not (tmp_path / "sound.png").exists()


@pytest.mark.usefixtures("compiled")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a folder that takes no file")
def test_a_picture_that_cannot_be_written_is_told(recording: Path) -> None:
    done = run("plot", str(recording), "-o", "/proc/hall.png")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith("livetag: /proc/hall.png cannot be written: ")


def test_stereo_is_drawn_as_it_is_heard(
    tmp_path: Path, compiled: CompiledModel, labels: ClassMap
) -> None:
    """As the mean of the channels, which the network gets."""
    left = np.random.default_rng(2).uniform(-0.5, 0.5, RATE_HZ).astype(np.float32)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack((left, np.zeros_like(left)), 1), RATE_HZ, subtype="FLOAT")
    rules, classifier = resolve(Config(), labels), LiteRTClassifier(compiled.content)
    with AudioReader(path) as reader:
        assert reader.claimed_seconds == 1.0
        there = overview(
            "stereo", numbered(reader.blocks(999)), RATE_HZ, classifier, rules, Params()
        )
    assert there.peak == pytest.approx(np.abs(left).max() / 2)
