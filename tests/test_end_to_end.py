"""The installed command over a real capture device: PortAudio on a virtual microphone."""

import csv
import itertools
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from running import Running, running
from virtual_microphone import VirtualMicrophone

from livetag.audio.reader import AudioReader
from livetag.events import FloatArray
from livetag.resources import ASSETS_DIR
from livetag.sources.demo_sounds import RATE_HZ, SPEECH_ASSET, demo_sounds

SMOKE_ALARM = "Smoke detector, smoke alarm"

pytestmark = [pytest.mark.microphone, pytest.mark.usefixtures("compiled")]


@pytest.fixture(scope="module")
def smoke_alarm() -> FloatArray:
    """Eight seconds of the demo's smoke alarm, float32 at 16 kHz."""
    with AudioReader(ASSETS_DIR / SPEECH_ASSET) as reader:
        speech = next(reader.blocks(10 * RATE_HZ))
    return next(sound.samples for sound in demo_sounds(speech) if sound.name == "smoke alarm")


def listening(command: Running) -> bool:
    """Whether the microphone is heard: silence is the first event."""
    return any('"label":"Silence"' in line for line in command.lines)


def names(text: str) -> bool:
    return "Smoke detector" in text


def test_a_sound_becomes_alert_row_and_bar(
    microphone: VirtualMicrophone, smoke_alarm: FloatArray, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    arguments = ("monitor", "--csv", str(log))
    with running(*arguments, env=microphone.environment, terminal=True) as command:
        command.wait_until(lambda c: any("Silence" in line for line in c.screen), "dashboard")
        microphone.play(smoke_alarm, RATE_HZ)
        command.wait_until(lambda c: any(map(names, c.lines)), "alert on stdout")
        command.wait_until(
            lambda c: any(names(line) and "█" in line for line in c.screen), "bar that names it"
        )
        assert command.end() == 0
    time, label, score = command.lines[0].rstrip("\n").split("  ")
    assert label == SMOKE_ALARM
    assert 0.3 <= float(score) <= 1.0
    with log.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == SMOKE_ALARM]
    assert rows[0]["start"] == time
    assert float(rows[0]["peak_score"]) > 0.8
    assert float(rows[0]["end_s"]) > float(rows[0]["start_s"])


def test_the_terminal_is_left_clean(microphone: VirtualMicrophone) -> None:
    with running("monitor", env=microphone.environment, terminal=True) as command:
        command.wait_until(lambda c: any("windows/s" in line for line in c.screen), "dashboard")
        assert command.end() == 0
    rest = command.stderr.rpartition(b"\x1b[?1049l")[2]
    assert b"\x1b[?25h" in command.stderr.rpartition(b"\x1b[?25l")[2]  # the cursor is back
    assert rest.decode().count("heard default for") == 1


@pytest.mark.parametrize("rate_hz", ["44100", "48000"])
def test_any_device_rate_is_resampled(
    microphone: VirtualMicrophone, smoke_alarm: FloatArray, rate_hz: str
) -> None:
    arguments = ("monitor", "--json", "--rate", rate_hz)
    with running(*arguments, env=microphone.environment) as command:
        command.wait_until(listening, "audio")
        microphone.play(smoke_alarm, RATE_HZ)
        command.wait_until(lambda c: any(map(names, c.lines)), "alert")
        assert command.end(signal.SIGTERM) == 0
    records = [json.loads(line) for line in command.lines]
    ends = [record for record in records if record["type"] == "event_end"]
    alarm = next(record for record in ends if record["label"] == SMOKE_ALARM)
    assert alarm["peak_score"] > 0.9
    assert alarm["source"] == "default"


def test_stopping_ends_and_writes_open_events(
    microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    arguments = ("monitor", "--json", "--csv", str(log))
    with running(*arguments, env=microphone.environment) as command:
        command.wait_until(listening, "audio")
        assert command.end() == 0
    types = [json.loads(line)["type"] for line in command.lines]
    assert types.count("event_start") == types.count("event_end") > 0
    assert "Silence" in log.read_text(encoding="utf-8")


def test_a_second_run_appends_to_the_log(microphone: VirtualMicrophone, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    arguments = ("monitor", "--duration", "1.5", "--csv", str(log))
    for _ in range(2):
        with running(*arguments, env=microphone.environment) as command:
            assert command.wait() == 0
        assert b"Compiling" not in command.stderr
    lines = log.read_text(encoding="utf-8").splitlines()
    assert [line.startswith("start,end,") for line in lines].count(True) == 1
    assert len(lines) >= 3


def deaf(command: Running) -> bool:
    return b"NOTHING IS HEARD" in command.stderr


def heard_again(command: Running) -> bool:
    return b"default is heard again" in command.stderr


def gaps(command: Running) -> list[dict[str, Any]]:
    """The gaps' records; they have to follow one another where the audio is not back."""
    records = [json.loads(line) for line in command.lines]
    found = [record for record in records if record["type"] == "gap"]
    for piece, following in itertools.pairwise(found):
        if "ongoing" in piece:
            end_s = piece["start_s"] + piece["lost_seconds"]
            assert following["start_s"] == pytest.approx(end_s, abs=0.002)
    return found


def test_a_stalled_stream_is_told_and_heard_again(
    microphone: VirtualMicrophone, smoke_alarm: FloatArray
) -> None:
    with running("monitor", "--json", env=microphone.environment) as command:
        command.wait_until(listening, "audio")
        microphone.freeze()
        command.wait_until(deaf, "message")
        command.wait_until(lambda c: bool(gaps(c)), "gap while it goes on")
        microphone.thaw()
        command.wait_until(heard_again, "message")
        microphone.play(smoke_alarm, RATE_HZ)
        command.wait_until(lambda c: any(map(names, c.lines)), "alert after the gap")
        assert command.end() == 0
    first, *_, last = gaps(command)
    assert (first["reason"], first["ongoing"]) == ("stalled", True)
    assert first["lost_seconds"] > 1.5
    assert "ongoing" not in last
    records = [json.loads(line) for line in command.lines]
    ended = [r["end_s"] for r in records if r["type"] == "event_end" and r["end_s"] < 60]
    after = last["start_s"] + last["lost_seconds"]
    assert not [end for end in ended if first["start_s"] + 0.01 < end < after - 0.01]
    assert b"audio lost" in command.stderr


def test_a_stalled_stream_does_not_hold_up_the_end(microphone: VirtualMicrophone) -> None:
    with running("monitor", "--json", env=microphone.environment) as command:
        command.wait_until(listening, "audio")
        microphone.freeze()
        command.wait_until(deaf, "message")
        assert command.end() == 0
    last = json.loads(command.lines[-1])
    assert (last["type"], last["reason"], last["ongoing"]) == ("gap", "stalled", True)


def test_a_device_that_vanishes_and_comes_back_is_heard_again(
    microphone: VirtualMicrophone, smoke_alarm: FloatArray, tmp_path: Path
) -> None:
    history = tmp_path / "history.sqlite"
    arguments = ("monitor", "--json", "--history", str(history))
    with running(*arguments, env=microphone.environment, terminal=True) as command:
        command.wait_until(listening, "audio")
        microphone.vanish()
        command.wait_until(lambda c: "NO AUDIO" in c.screen[0], "alarm on the dashboard")
        command.wait_until(lambda c: bool(gaps(c)), "gap while it goes on")
        microphone.appear()
        command.wait_until(lambda c: "ongoing" not in gaps(c)[-1], "end of the gap")
        microphone.play(smoke_alarm, RATE_HZ)
        command.wait_until(lambda c: any(map(names, c.lines)), "alert after the gap")
        assert command.end() == 0
    assert {gap["reason"] for gap in gaps(command)} == {"ended"}
    message = command.stderr.decode()
    assert "NOTHING IS HEARD: default is gone" in message
    assert "Expression" not in message  # PortAudio's own words
    with running("history", "--json", "--file", str(history)) as shown:
        assert shown.wait() == 0
    kept = [json.loads(line) for line in shown.lines]
    (gap,) = [row for row in kept if row["type"] == "gap"]
    told = gaps(command)
    assert (gap["time"], gap["start_s"]) == (told[0]["time"], told[0]["start_s"])
    assert gap["lost_seconds"] == pytest.approx(sum(g["lost_seconds"] for g in told), abs=2e-3)


def test_a_required_device_that_vanishes_ends_the_monitor(microphone: VirtualMicrophone) -> None:
    arguments = ("monitor", "--json", "--require-device", "1")
    with running(*arguments, env=microphone.environment) as command:
        command.wait_until(listening, "audio")
        microphone.vanish()
        assert command.wait() == 3
    assert gaps(command)[-1] == json.loads(command.lines[-1])
    message = command.stderr.decode()
    assert "the microphone is required: default is gone" in message
    assert "Traceback" not in message


def test_a_required_device_is_waited_for(microphone: VirtualMicrophone) -> None:
    microphone.vanish()
    with running("monitor", "--json", env=microphone.environment) as command:
        assert command.wait() == 3  # without being asked to, it does not wait
    arguments = ("monitor", "--json", "--require-device", "60")
    with running(*arguments, env=microphone.environment) as command:
        command.wait_until(lambda c: b"waiting for it" in c.stderr, "message")
        microphone.appear()
        command.wait_until(listening, "audio")
        assert command.end() == 0


def test_a_sound_server_that_hangs_at_the_start_is_told_of(microphone: VirtualMicrophone) -> None:
    microphone.freeze()
    for arguments in (("devices",), ("monitor", "--json")):
        with running(*arguments, env=microphone.environment) as command:
            assert command.wait() == 3
        assert "the sound server does not answer" in command.stderr.decode()


def test_devices_marks_the_default(microphone: VirtualMicrophone) -> None:
    with running("devices", env=microphone.environment) as command:
        assert command.wait() == 0
    assert [line for line in command.lines if line.startswith("*") and "default" in line]
