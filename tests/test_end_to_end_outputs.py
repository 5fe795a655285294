"""The installed command on a virtual microphone, while its outputs fail: it hears and tells.

What needs root, a disk of its own or much time is done by `reliability/outputs.py`.
"""

import contextlib
import csv
import json
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest
from running import LIVETAG, PATIENCE_SECONDS, Running, running
from virtual_microphone import VirtualMicrophone

from livetag.audio.reader import AudioReader
from livetag.events import FloatArray
from livetag.resources import ASSETS_DIR
from livetag.sources.demo_sounds import RATE_HZ, SPEECH_ASSET, demo_sounds

pytestmark = [pytest.mark.microphone, pytest.mark.usefixtures("compiled")]


@pytest.fixture(scope="module")
def siren() -> FloatArray:
    """Two seconds of the demo's siren, float32 at 16 kHz."""
    with AudioReader(ASSETS_DIR / SPEECH_ASSET) as reader:
        speech = next(reader.blocks(10 * RATE_HZ))
    sounds = {sound.name: sound.samples for sound in demo_sounds(speech)}
    return sounds["siren"][: 2 * RATE_HZ]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def arguments(tmp_path: Path, logs: Path) -> list[str]:
    """A monitor with a CSV log and a history in one folder, whose events end soon."""
    config = tmp_path / "livetag.toml"
    config.write_text("hold_seconds = 0.5\n", encoding="utf-8")
    outputs = ["--csv", str(logs / "events.csv"), "--history", str(logs / "history.sqlite")]
    return ["monitor", "--json", "--no-dashboard", "--config", str(config), *outputs]


def listening(command: Running) -> bool:
    """Whether the microphone is heard: silence is the first event."""
    return any('"label":"Silence"' in line for line in command.lines)


def siren_is_over(command: Running) -> bool:
    ended = (line for line in command.lines if '"type":"event_end"' in line)
    return any('"label":"Siren"' in line for line in ended)


def printed(command: Running) -> list[tuple[str, float]]:
    """Label and start of each event that ended."""
    records = [json.loads(line) for line in command.lines]
    return [(r["label"], r["start_s"]) for r in records if r["type"] == "event_end"]


def in_csv(path: Path) -> list[tuple[str, float]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["label"], float(row["start_s"])) for row in csv.DictReader(file, strict=True)]


def in_history(path: Path) -> list[tuple[str, float]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT label, start_s FROM events ORDER BY id").fetchall()


def test_what_is_heard_while_the_folder_is_away_is_written_when_it_is_back(
    microphone: VirtualMicrophone, siren: FloatArray, logs: Path, arguments: list[str]
) -> None:
    away = logs.with_name("away")
    with running(*arguments, env=microphone.environment) as command:
        command.wait_until(listening, "audio")
        logs.rename(away)
        microphone.play(siren, RATE_HZ)
        command.wait_until(lambda c: c.stderr.count(b"trying again") == 2, "messages")
        command.wait_until(siren_is_over, "end of the siren")
        assert not logs.exists()
        away.rename(logs)
        command.wait_until(lambda c: c.stderr.count(b"is written again") == 2, "messages")
        assert command.end() == 0
    assert "Siren" in dict(printed(command))
    assert in_csv(logs / "events.csv") == in_history(logs / "history.sqlite") == printed(command)
    assert b"events.csv cannot be written (No such file or directory): trying" in command.stderr
    assert b"left out" not in command.stderr


def test_what_is_lost_with_a_folder_is_counted(
    microphone: VirtualMicrophone, siren: FloatArray, logs: Path, arguments: list[str]
) -> None:
    away = logs.with_name("away")
    with running(*arguments, env=microphone.environment) as command:
        command.wait_until(listening, "audio")
        logs.rename(away)
        microphone.play(siren, RATE_HZ)
        command.wait_until(siren_is_over, "end of the siren")
        assert command.end() == 1
    lost = len(printed(command)) - len(in_csv(away / "events.csv"))
    assert lost > 1
    for name in ("events.csv", "history.sqlite"):
        said = f"{name} cannot be written (No such file or directory): {lost} records left out"
        assert said in command.stderr.decode()


def test_what_is_heard_while_the_history_is_locked_is_written_once(
    microphone: VirtualMicrophone, siren: FloatArray, logs: Path, arguments: list[str]
) -> None:
    with running(*arguments, env=microphone.environment) as command:
        command.wait_until(listening, "audio")
        with contextlib.closing(sqlite3.connect(logs / "history.sqlite")) as other:
            other.execute("BEGIN IMMEDIATE")
            microphone.play(siren, RATE_HZ)
            command.wait_until(siren_is_over, "end of the siren")
            assert in_history(logs / "history.sqlite") == []
            other.rollback()
        assert command.end() == 0
    assert in_history(logs / "history.sqlite") == printed(command)


def test_a_history_that_stays_locked_holds_up_no_end_and_is_told(
    microphone: VirtualMicrophone, siren: FloatArray, logs: Path, arguments: list[str]
) -> None:
    with running(*arguments, env=microphone.environment) as command:
        command.wait_until(listening, "audio")
        with contextlib.closing(sqlite3.connect(logs / "history.sqlite")) as other:
            other.execute("BEGIN IMMEDIATE")
            assert command.end() == 1
    lost = len(printed(command))
    said = f"history.sqlite did not take all that it was to: {lost} record"
    assert said in command.stderr.decode()
    assert in_csv(logs / "events.csv") == printed(command)


def test_a_reader_that_has_seen_enough_ends_nothing_but_its_pipe(
    microphone: VirtualMicrophone, siren: FloatArray, logs: Path, arguments: list[str]
) -> None:
    """`livetag monitor | head -1`; with a log, livetag goes on."""
    with subprocess.Popen(
        [LIVETAG, *arguments],
        env=microphone.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert b'"label":"Silence"' in process.stdout.readline()
            process.stdout.close()
            microphone.play(siren, RATE_HZ)
            assert b"standard output was closed: nothing more" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()
    assert "Siren" in dict(in_csv(logs / "events.csv"))


def test_when_there_is_nowhere_left_to_write_it_ends(
    microphone: VirtualMicrophone, siren: FloatArray
) -> None:
    with subprocess.Popen(
        [LIVETAG, "monitor", "--json", "--no-dashboard"],
        env=microphone.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            microphone.play(siren, RATE_HZ)
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()
