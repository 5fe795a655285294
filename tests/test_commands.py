"""The contract of the installed command, where no microphone is needed: output, exit codes."""

import array
import csv
import fcntl
import io
import json
import os
import re
import signal
import subprocess
import sys
import termios
import threading
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from running import LIVETAG, run, running

from livetag.config import load
from livetag.resources import PRESETS_DIR
from livetag.schema import KEYS, Config, convert
from livetag.sources.demo import demo_chunks
from livetag.sources.demo_sounds import RATE_HZ
from livetag.yamnet.labels import ClassMap

pytestmark = pytest.mark.usefixtures("compiled")

ALERT_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d  \S.*\S  [01]\.\d\d")
NO_SOUND_SERVER = os.environ | {
    "PULSE_SERVER": "unix:/nonexistent",
}


@pytest.fixture(scope="module")
def demo_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 20 s of the demo, at 44.1 kHz in stereo."""
    samples = np.concatenate(list(demo_chunks()))[: 20 * RATE_HZ]
    stereo = np.repeat(soxr.resample(samples, RATE_HZ, 44_100)[:, np.newaxis], 2, axis=1)
    path = tmp_path_factory.mktemp("demo") / "demo, part 1.wav"
    soundfile.write(path, stereo, 44_100, "PCM_16")
    return path


def events(stdout: bytes) -> list[dict[str, object]]:
    """JSON records without their wall-clock times, which differ from run to run."""
    records = [json.loads(line) for line in stdout.splitlines()]
    hidden = {"time", "end_time", "source"}
    return [{k: v for k, v in record.items() if k not in hidden} for record in records]


def test_alerts_are_one_line_each_and_stdout_holds_nothing_else(demo_wav: Path) -> None:
    done = run("monitor", "--input", str(demo_wav), "--fast")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert all(map(ALERT_LINE.fullmatch, lines))
    assert "Smoke detector, smoke alarm" in lines[0]
    assert done.stderr.decode().count("\n") == 1  # the summary; no dashboard
    assert re.search(
        r"heard .*wav for 20\.0 s: 41 windows, \d+ events, \d+ alerts, no audio lost",
        done.stderr.decode(),
    )


def test_json_records_have_the_documented_fields(demo_wav: Path, labels: ClassMap) -> None:
    done = run("monitor", "--input", str(demo_wav), "--fast", "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    start = next(
        r for r in records if r["type"] == "event_start" and r["label"].startswith("Smoke")
    )
    end = next(r for r in records if r["type"] == "event_end" and r["label"] == start["label"])
    fields = {"type", "time", "start_s", "label", "index", "mid", "score", "threshold", "source"}
    assert fields | {"alert", "level_dbfs"} == set(start)
    assert {"end_s", "end_time", "peak_score", "mean_score", "windows"} == set(end) - set(start)
    assert all(start[key] == end[key] for key in set(start) - {"type", "level_dbfs"})
    assert (start["index"], start["mid"]) == (labels.find(start["label"]).index, "/m/01y3hg")
    assert (start["threshold"], start["alert"]) == (Config().threshold, True)
    assert end["peak_score"] >= end["mean_score"] > 0.0
    assert 0.0 > end["level_dbfs"] >= start["level_dbfs"] > -60.0
    assert end["end_s"] > start["start_s"] > 6.0  # as the demo has it: 8 s from there on
    assert end["windows"] >= 1


def test_replays_give_the_same_events_at_any_pace_and_from_a_pipe(demo_wav: Path) -> None:
    fast = run("monitor", "--input", str(demo_wav), "--fast", "--json", "--duration", "12")
    paced = run("monitor", "--input", str(demo_wav), "--json", "--duration", "12")
    wav = demo_wav.read_bytes()
    piped = run("monitor", "--input", "-", "--json", "--duration", "12", stdin=wav)
    assert len(events(fast.stdout)) > 4
    assert events(fast.stdout) == events(paced.stdout) == events(piped.stdout)


def test_raw_samples_on_stdin(demo_wav: Path) -> None:
    samples, _ = soundfile.read(demo_wav, dtype="int16")
    arguments = ("monitor", "--input", "-", "--rate", "44100", "--channels", "2", "--json")
    done = run(*arguments, stdin=samples.tobytes())
    whole = run("monitor", "--input", str(demo_wav), "--fast", "--json")
    assert events(done.stdout) == events(whole.stdout)


def test_the_log_is_what_pandas_reads(demo_wav: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    done = run("monitor", "--input", str(demo_wav), "--fast", "--csv", str(log), "--json")
    rows = list(csv.DictReader(log.open(newline="", encoding="utf-8")))
    ends = [r for r in events(done.stdout) if r["type"] == "event_end"]
    assert [row["label"] for row in rows] == [end["label"] for end in ends]
    assert [float(row["peak_score"]) for row in rows] == [end["peak_score"] for end in ends]
    assert {row["source"] for row in rows} == {demo_wav.name}


def test_alert_options_choose_who_is_told_of(demo_wav: Path) -> None:
    options = ("--alert", "doorbell=0.9", "--alert", "/m/09x0r")
    done = run("monitor", "--input", str(demo_wav), "--fast", *options)
    told = [line.split("  ")[1] for line in done.stdout.decode().splitlines()]
    assert told == ["Speech", "Doorbell"]


def test_a_preset_and_the_environment_configure(demo_wav: Path) -> None:
    arguments = ("monitor", "--input", str(demo_wav), "--fast", "--config", "baby", "--json")
    env = os.environ | {"LIVETAG_PATCH_HOP_SECONDS": "0.96"}
    found = events(run(*arguments, env=env).stdout)
    alerts = {str(r["label"]) for r in found if r["alert"]}
    assert "Smoke detector, smoke alarm" in alerts
    assert "Doorbell" in {r["label"] for r in found} - alerts  # an alert by default
    starts = sorted({float(str(r["start_s"])) for r in found} - {0.0})
    assert len(starts) > 3
    hops = [(start - starts[0]) / 0.96 for start in starts]
    assert hops == pytest.approx([round(hop) for hop in hops], abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--demo", "--alert", "Dgo"], 2, "did you mean 'Dog'"),
        (["--demo", "--alert", "Dog=2"], 2, "above 0 and up to 1"),
        (["--demo", "--hop", "0.015"], 2, "multiple of 0.01"),
        (["--demo", "--threshold", "1.5"], 2, "threshold"),
        (["--demo", "--config", "nosuch"], 2, "default, home"),
        (["--demo", "--csv", "/nonexistent/log.csv"], 1, "/nonexistent/log.csv"),
        (["--demo", "--weights", "/nonexistent.h5"], 4, "--weights"),
        (["--input", "/nonexistent.wav"], 3, "does not exist"),
        (["--input", __file__], 3, "is no audio"),
        (["--demo", "--input", "x.wav"], 2, "not allowed with"),
        (["--demo", "--volume", "11"], 2, "unrecognized arguments"),
        (["--demo", "--since", "yesterday"], 2, "'yesterday' is no time"),
        (["--demo", "--since", "24h"], 2, "'24h' is no time"),
        (["--demo", "--since", "9999-12-31"], 2, "since: '9999-12-31' is no time at which a"),
        (["--since", "2026-11-22T08:00"], 2, "since: a microphone has its own time"),
    ],
)
def test_wrong_use_is_told_without_a_traceback(
    arguments: list[str], code: int, message: str
) -> None:
    done = run("monitor", *arguments)
    assert done.returncode == code
    assert message in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert done.stdout == b""


def test_without_a_microphone_the_monitor_says_so() -> None:
    listed = run("devices", env=NO_SOUND_SERVER)
    if listed.returncode == 0:
        pytest.skip("this machine has a microphone")
    done = run("monitor", env=NO_SOUND_SERVER)
    assert done.returncode == 3
    assert re.search(r"no microphone was found|PortAudio", done.stderr.decode())


def test_a_log_of_something_else_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "shopping.csv"
    log.write_text("milk,eggs\n")
    done = run("monitor", "--demo", "--fast", "--csv", str(log))
    assert done.returncode == 2
    assert log.read_text() == "milk,eggs\n"


def test_a_log_that_cannot_be_begun_is_told_at_once() -> None:
    done = run("monitor", "--demo", "--fast", "--csv", "/dev/full")
    assert done.returncode == 1
    assert "/dev/full cannot be written: No space left" in done.stderr.decode()


def test_a_log_that_fails_later_is_told_once_and_alerts_go_on(
    demo_wav: Path, tmp_path: Path
) -> None:
    """A limit of 1 KiB a file stands for a full disk."""
    log = tmp_path / "log.csv"
    command = f"ulimit -f 1; exec '{LIVETAG}' monitor --input '{demo_wav}' --fast --csv '{log}'"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().count("cannot be written") == 1
    assert b"Smoke detector" in done.stdout
    assert b"Doorbell" in done.stdout
    assert log.read_text(encoding="utf-8").count("\n") > 2


def test_a_closed_pipe_ends_the_monitor_quietly() -> None:
    command = f"'{LIVETAG}' monitor --demo --fast --json | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert done.stderr.count(b"standard output was closed") == 1


@pytest.mark.parametrize("option", ["--explain", "-v"])
def test_what_kept_a_class_from_alerting_is_told_on_stderr(
    option: str, demo_wav: Path, tmp_path: Path
) -> None:
    path = tmp_path / "strict.toml"
    path.write_text('alert = ["Doorbell=1.0"]\nhold_seconds = 0.5\n', encoding="utf-8")
    arguments = ("monitor", "--input", str(demo_wav), "--fast", "--config", str(path))
    done = run(*arguments, option)
    line = r"^\d{4}-\d\d-\d\dT\S+[+-]\d\d:\d\d  Doorbell  no alert: 0\.\d\d of 1\.00$"
    assert re.search(line, done.stderr.decode(), re.MULTILINE)
    assert (done.returncode, done.stdout) == (0, b"")
    unasked = run(*arguments)
    assert unasked.stderr.count(b"\n") == 1


def test_clips_that_are_not_kept_are_explained_and_counted(demo_wav: Path, tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    sink = f'[[sink]]\nkind = "clips"\npath = "{tmp_path / "clips"}"\nnever_with = ["Speech"]\n'
    path.write_text(f'alert = ["Speech", "Doorbell"]\n{sink}', encoding="utf-8")
    arguments = ("monitor", "--input", str(demo_wav), "--fast", "--config", str(path))
    done = run(*arguments, "--explain")
    told = done.stderr.decode().splitlines()
    assert [line.split("  ", 1)[1] for line in told[:-1] if "  no clip: " in line] == [
        "Speech  no clip: Speech in it"
    ]
    assert told[-1].endswith(", 2 alerts, no audio lost, 1 clip not kept (never_with)")
    assert [clip.suffix for clip in (tmp_path / "clips").glob("*doorbell.flac")] == [".flac"]
    unasked = run(*arguments)
    assert unasked.stderr.count(b"\n") == 1


def test_a_recording_is_dated_from_when_it_began(demo_wav: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    began = "2026-03-01T23:59:55+00:00"
    arguments = ("monitor", "--input", str(demo_wav), "--fast", "--json", "--csv", str(log))
    done = run(*arguments, "--since", began)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    rows = list(csv.DictReader(log.open(newline="", encoding="utf-8")))
    dated = [(record["time"], record["start_s"]) for record in records]
    dated += [(r["end_time"], r["end_s"]) for r in records if r["type"] == "event_end"]
    dated += [(row["start"], float(row["start_s"])) for row in rows]
    assert len(dated) > 10
    for text, seconds in dated:
        after_s = datetime.fromisoformat(text).timestamp() - seconds
        assert after_s == pytest.approx(datetime.fromisoformat(began).timestamp(), abs=2e-3)


# --- How it ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_demo_cleanly(number: signal.Signals) -> None:
    with running("monitor", "--demo", "--json") as command:
        command.wait_until(lambda c: bool(c.lines), "event")
        assert command.end(number) == 0
    types = [json.loads(line)["type"] for line in command.lines]
    assert types.count("event_start") == types.count("event_end")
    assert command.stderr.decode().startswith("livetag: heard demo for ")


def test_a_monitor_that_a_script_started_in_the_background_heeds_sigint() -> None:
    """Shells have SIGINT ignored by what scripts start with `&`."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which the command inherits
    try:
        with running("monitor", "--demo", "--json") as command:
            command.wait_until(lambda c: bool(c.lines), "event")
            assert command.end(signal.SIGINT) == 0
    finally:
        signal.signal(signal.SIGINT, previous)
    types = [json.loads(line)["type"] for line in command.lines]
    assert types.count("event_start") == types.count("event_end") > 0
    assert "heard demo for 60.0 s" not in command.stderr.decode()


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="no pipes of a chosen size here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_reader_that_does_not_read_cannot_hold_up_the_end(
    number: signal.Signals, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4_096)
    log = tmp_path / "log.csv"
    # So low a threshold makes more records than the pipe has room for while the demo still plays.
    command = [LIVETAG, "monitor", "--demo", "--json", "--threshold", "0.01", "--csv", str(log)]
    process = subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    waiting, pause = array.array("i", [0]), threading.Event()
    for _ in range(600):  # until no further record goes into the pipe
        fcntl.ioctl(reading, termios.FIONREAD, waiting)
        if waiting[0] > 3_500:
            break
        pause.wait(0.1)
    assert process.poll() is None
    began = time.monotonic()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert time.monotonic() - began < 20.0
    os.close(reading)
    assert process.returncode == 1
    assert stderr.count(b"standard output did not take all that it was to") == 1
    assert b"livetag: heard demo for " in stderr
    assert b"Traceback" not in stderr
    assert log.read_text(encoding="utf-8").count("\n") > 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("form", ["--json", "--explain"])
def test_standard_output_that_is_full_is_told_once(
    form: str, demo_wav: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    command = (
        f"exec '{LIVETAG}' monitor --input '{demo_wav}' --fast {form} --csv '{log}' >/dev/full"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.count(b"standard output cannot be written (No space left on device)") == 1
    assert b"for 20.0 s" in done.stderr  # the log is still wanted
    assert b"Exception ignored" not in done.stderr
    assert "Smoke detector" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_are_no_fault(closed: str, demo_wav: Path) -> None:
    command = f"exec '{LIVETAG}' monitor --input '{demo_wav}' --fast {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    command = f"exec '{LIVETAG}' monitor --demo --alert Dgo {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


def test_stderr_that_cannot_be_written_is_no_fault(demo_wav: Path) -> None:
    command = f"exec '{LIVETAG}' monitor --input '{demo_wav}' --fast 2>/dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert b"Smoke detector" in done.stdout


def test_events_lie_within_the_audio_with_a_long_hop(demo_wav: Path) -> None:
    arguments = ("monitor", "--input", str(demo_wav), "--fast", "--json", "--hop", "2.0")
    for record in events(run(*arguments, "--duration", "9").stdout):
        if record["type"] == "event_end":
            assert float(str(record["start_s"])) < float(str(record["end_s"])) <= 9.0


def test_a_recording_without_samples_is_no_input(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0, np.float32), 16_000)
    for arguments in (("monitor", "--fast", "--input", str(path)), ("classify", str(path))):
        done = run(*arguments)
        assert done.returncode == 3
        assert b"no sound" in done.stderr


@pytest.mark.usefixtures("compiled")
def test_the_spectrogram_rolls_on_the_dashboard_where_it_is_asked_for() -> None:
    with running("monitor", "--demo", "--spectrogram", terminal=True) as command:
        command.wait_until(
            lambda it: any(line.startswith("  1 kHz ") and "▀" in line for line in it.screen),
            "spectrogram of the speech",
        )
        assert "Spectrogram" in command.screen[2]
        assert command.end() == 0


def test_a_recording_of_no_numbers_is_heard_as_silence(tmp_path: Path) -> None:
    samples = np.full(32_000, np.nan, np.float32)
    samples[::2] = np.inf
    samples[1::4] = 1e30
    path = tmp_path / "broken.wav"
    soundfile.write(path, samples, 16_000, "FLOAT")
    with running("monitor", "--input", str(path), "--fast", terminal=True) as command:
        assert command.wait() == 0
    clip = json.loads(run("classify", "--json", str(path)).stdout)
    assert all(0.0 <= best["score"] <= 1.0 for best in clip["top"])


def test_files_in_the_current_folder_are_not_run(tmp_path: Path) -> None:
    for name in ("tensorflow.py", "keras.py", "pip.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemExit('hijacked')\n")
    text = "from livetag.yamnet.compile import _compile_in_process\n"
    text += "from livetag.yamnet.weights import Weights\nfrom pathlib import Path\n"
    text += "_compile_in_process(Weights(Path('none.h5'), 'HDF5', '', False), 'float32', Path('a'))"
    script = tmp_path.parent / "compile_none.py"
    script.write_text(text)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, timeout=120, check=False
    )
    assert b"hijacked" not in done.stderr
    assert b"there are no weights at none.h5" in done.stderr


def test_classify_prints_the_top_classes(demo_wav: Path) -> None:
    done = run("classify", str(demo_wav))
    lines = done.stdout.decode().splitlines()
    assert lines[0] == str(demo_wav)
    assert len(lines) == 6
    assert {"Speech", "Smoke detector, smoke alarm"} <= {line[8:] for line in lines[1:]}


def test_classify_as_json_and_as_frames_agree(demo_wav: Path) -> None:
    clip = json.loads(run("classify", "--json", "--top", "3", str(demo_wav)).stdout)
    assert (clip["type"], clip["file"], len(clip["top"])) == ("clip", str(demo_wav), 3)
    assert clip["seconds"] == pytest.approx(20.0, abs=1e-3)
    assert set(clip["top"][0]) == {"label", "index", "mid", "score"}
    table = io.StringIO(run("classify", "--frames", str(demo_wav)).stdout.decode())
    rows = list(csv.DictReader(table))
    assert len(rows) == clip["frames"] * 521
    best = clip["top"][0]
    scores = [float(row["score"]) for row in rows if row["label"] == best["label"]]
    assert np.mean(scores) == pytest.approx(best["score"], abs=1e-3)


def test_classify_goes_on_after_a_file_that_is_no_audio(demo_wav: Path) -> None:
    done = run("classify", __file__, str(demo_wav))
    assert done.returncode == 3
    assert "is no audio" in done.stderr.decode()
    assert done.stdout.decode().startswith(str(demo_wav))


def test_names_of_files_cannot_give_the_terminal_orders(demo_wav: Path, tmp_path: Path) -> None:
    name = "\x1b[31m\nlivetag: \x07.wav"
    (tmp_path / name).write_bytes(demo_wav.read_bytes()[:200_000])
    lost, text = tmp_path / f"lost{name}", tmp_path / f"text{name}"
    text.write_text("no audio")
    said = [run("classify", str(tmp_path / name), str(lost), str(text))]
    assert said[0].stdout.decode().splitlines()[0].endswith("/?[31m?livetag: ?.wav")
    said.append(run("scan", str(text), "-o", str(tmp_path / "a.csv")))
    said += [run(*command, str(lost)) for command in (("plot",), ("monitor", "--input"))]
    for done in said:
        assert b"?[31m" in done.stderr
        assert not {b"\x1b", b"\x07"} & {bytes([byte]) for byte in done.stdout + done.stderr}
    record = json.loads(run("classify", "--json", str(tmp_path / name)).stdout)
    assert record["file"] == str(tmp_path / name)


def test_what_decoders_think_of_a_file_is_not_told(tmp_path: Path) -> None:
    """An MP3 that was cut short, and one that is damaged: libmpg123 has a lot to say of them."""
    path = tmp_path / "bell" / "cut.mp3"
    path.parent.mkdir()
    noise = np.random.default_rng(1).normal(0.0, 0.1, 64_000)
    soundfile.write(path, noise, 16_000, format="MP3")
    whole = path.read_bytes()
    path.write_bytes(whole[:6_000])
    (tmp_path / "bell" / "damaged.mp3").write_bytes(whole[:6_000] + bytes(3_000) + whole[9_000:])
    (tmp_path / "map.csv").write_text("category,yamnet_labels\nbell,Bell\n")
    evaluate = ("evaluate", str(tmp_path), "--map", str(tmp_path / "map.csv"))
    for command in (
        ("classify", str(path), str(path.with_name("damaged.mp3"))),
        ("plot", str(path), "-o", "-"),
        ("scan", str(path.parent), "-o", str(tmp_path / "events.csv")),
        evaluate,
        (*evaluate, "--workers", "2"),
        ("monitor", "--fast", "--input", str(path)),
    ):
        done = run(*command)
        assert done.returncode in {0, 3}
        lines = done.stderr.decode().splitlines()
        assert all(line.startswith("livetag: ") for line in lines), lines


@pytest.mark.parametrize("form", ["FLAC", "OGG", "MP3"])
def test_classify_reads_compressed_recordings(demo_wav: Path, form: str, tmp_path: Path) -> None:
    samples, rate = soundfile.read(demo_wav, dtype="float32")
    path = tmp_path / f"demo.{form.lower()}"
    soundfile.write(path, samples, rate, format=form)
    clip = json.loads(run("classify", "--json", str(path)).stdout)
    assert {"Speech", "Smoke detector, smoke alarm"} <= {c["label"] for c in clip["top"]}


def test_model_info_tells_source_hash_and_runtime() -> None:
    text = run("model", "info").stdout.decode()
    for expected in ("published", "3,751,369", "LiteRT", "Keras", "cache:"):
        assert expected in text
    assert len(re.findall(r"\b[0-9a-f]{64}\b", text)) == 2


def test_model_info_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    done = run("model", "info", env=os.environ | {"LIVETAG_CACHE_DIR": str(tmp_path)})
    assert done.returncode == 4
    assert "livetag model fetch" in done.stderr.decode()


# --- Configurations -----------------------------------------------------------------------------

FULL = """
threshold = 0.4
confirm = [2, 3]
alert = ["Dog=0.3", "pets"]
unless = ["Music"]
ignore = ["Silence"]
explain = true

[groups]
pets = ["Dog", "Bark", "Meow"]
"a \\"name\\" = # [x]" = ["Smoke detector, smoke alarm"]

[[rule]]
group = "pets"
hours = "22:00-07:00"
cooldown_seconds = 60.0

[[rule]]
label = "Smoke detector, smoke alarm"
threshold = 0.2
min_level_dbfs = -45.0

[[sink]]
kind = "csv"
path = "pets-%Y-%m-%d.csv"
labels = ["pets"]

[[sink]]
kind = "clips"
path = "clips"
never_with = ["Speech"]
"""


@pytest.fixture
def full(tmp_path: Path) -> Path:
    path = tmp_path / "full.toml"
    path.write_text(FULL, encoding="utf-8")
    return path


def test_a_configuration_that_is_right_is_said_to_be(full: Path) -> None:
    for name in (str(full), *(preset.stem for preset in PRESETS_DIR.glob("*.toml"))):
        done = run("config", "check", name)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode().startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("thresold = 0.5", "did you mean 'threshold'"),
        ("threshold = 1.5", "threshold"),
        ('threshold = "high"', "threshold"),
        ("threshold = ", "is not TOML"),
        ("patch_hop_seconds = 0.015", "multiple of 0.01"),
        ('alert = ["Dgo"]', "did you mean 'Dog'"),
        ("threshold = 0.5\nrelease = 0.6", "the release 0.6 is above the threshold 0.5"),
        ('[[rule]]\ngroup = "pets"', "there is no group 'pets'"),
        ('[[rule]]\nlabel = "Dog"\nhours = "22-7"', "rule 1 (Dog): hours"),
        ('[[rule]]\nlabel = "Dog"\nunless = ["Musik"]', "did you mean 'Music'"),
        ('[[sink]]\nkind = "csv"\npath = "x.csv"\nlabels = ["Dgo"]', "sink 1: labels"),
        ('[[sink]]\nkind = "clips"\npath = "x"\nnever_with = ["Dgo"]', "sink 1: never_with"),
        ('[[sink]]\nkind = "cvs"\npath = "x.csv"', "cvs"),
        ('since = "yesterday"', "'yesterday' is no time"),
        ('csv = ""', "csv: "),
        ('[[rule]]\nlabel = "Dog"\ntreshold = 0.3', "did you mean 'threshold'"),
        ('ignore = ["Dog"]\n[[rule]]\nlabel = "Dog"', "ignore: Dog is to alert, too"),
        ('csv = "x"\n[[sink]]\nkind = "jsonl"\npath = "./x"', "csv and sink 1 both write"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_told_with_the_file(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text + "\n", encoding="utf-8")
    done = run("config", "check", str(path))
    assert (done.returncode, done.stdout) == (2, b"")
    assert str(path) in done.stderr.decode()
    assert message in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_configuration_that_is_not_there_is_told() -> None:
    done = run("config", "check", "/nonexistent.toml")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"default, home" in done.stderr


def test_the_configuration_in_force_is_printed_as_a_file_that_says_the_same(
    full: Path, tmp_path: Path
) -> None:
    shown = run("config", "show", "--config", str(full)).stdout.decode()
    assert (shown.count("\n[[rule]]\n"), shown.count("\n[[sink]]\n")) == (2, 2)
    expected = load(str(full), {}, {}).config
    assert convert(tomllib.loads(shown), "shown") == expected
    again = tmp_path / "again.toml"
    again.write_text(shown, encoding="utf-8")
    assert load(str(again), {}, {}).config == expected
    assert run("config", "check", str(again)).returncode == 0


def test_what_set_each_key_stands_beside_it(full: Path) -> None:
    env = os.environ | {"LIVETAG_PATCH_HOP_SECONDS": "0.96", "LIVETAG_TOP": "7"}
    options = ("--config", str(full), "--top", "5", "--alert", "Siren=0.2", "--csv", "a b.csv")
    done = run("config", "show", *options, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode()
    config = convert(tomllib.loads(shown), "shown")
    given = {"top": 5, "alert": ["Siren=0.2"], "csv": "a b.csv"}
    assert config == load(str(full), given, env).config
    for key, origin in (
        ("threshold", str(full)),
        ("patch_hop_seconds", "LIVETAG_PATCH_HOP_SECONDS"),
        ("top", "the command line"),
        ("csv", "the command line"),
        ("alert", "the command line"),
        ("fast", "default"),
    ):
        line = next(line for line in shown.splitlines() if line.startswith(f"{key} = "))
        assert line.endswith(f"# {origin}")


def test_a_variable_that_is_no_setting_is_told_beside_what_is_shown() -> None:
    done = run("config", "show", env=os.environ | {"LIVETAG_TRESHOLD": "0.9"})
    assert done.returncode == 0
    assert b"did you mean LIVETAG_THRESHOLD?" in done.stderr
    assert convert(tomllib.loads(done.stdout.decode()), "shown") == load(None, {}, {}).config


def test_a_configuration_that_cannot_be_is_not_shown() -> None:
    done = run("config", "show", "--alert", "Dgo")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"did you mean 'Dog'" in done.stderr


def test_the_schema_names_every_key_and_allows_no_other() -> None:
    done = run("config", "schema")
    shipped = PRESETS_DIR / "livetag.schema.json"
    assert done.stdout.decode() == shipped.read_text(encoding="utf-8")
    schema = json.loads(done.stdout)
    config = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    assert set(config["properties"]) == set(KEYS)
    assert config["additionalProperties"] is False


# --- All that is kept ---------------------------------------------------------------------------

MIDNIGHT = datetime(2026, 3, 2).timestamp()  # local; 20 s into the demo, which chirps then
BEGAN = datetime.fromtimestamp(MIDNIGHT - 20.0).isoformat()
DEMO = ("monitor", "--demo", "--fast", "--since", BEGAN)


@dataclass(frozen=True)
class Kept:
    """What one run of the demo left: its records on stdout, and a folder of files."""

    folder: Path
    records: list[dict[str, Any]]

    @property
    def ends(self) -> list[dict[str, Any]]:
        return [record for record in self.records if record["type"] == "event_end"]

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Every kind of sink at once."""
    folder = tmp_path_factory.mktemp("kept")
    files = {
        "--csv": "events.csv",
        "--jsonl": "records.jsonl",
        "--audacity": "labels.txt",
        "--raven": "selections.txt",
        "--dcase": "events.txt",
        "--history": "history.sqlite",
        "--clips": "clips",
    }
    options = [text for key, name in files.items() for text in (key, str(folder / name))]
    done = run(*DEMO, "--json", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"\n") == 1
    assert {path.name for path in folder.iterdir()} == set(files.values())
    return Kept(folder, [json.loads(line) for line in done.stdout.splitlines()])


def test_the_event_log_has_a_row_for_each_event_that_ended(kept: Kept) -> None:
    rows = list(csv.DictReader(kept.lines("events.csv")))
    assert len(rows) == len(kept.ends) > 20
    for row, end in zip(rows, kept.ends, strict=True):
        assert (row["start"], row["end"]) == (end["time"], end["end_time"])
        assert (row["label"], int(row["index"]), row["mid"]) == (
            end["label"],
            end["index"],
            end["mid"],
        )
        for key in ("start_s", "end_s", "peak_score", "mean_score", "threshold"):
            assert float(row[key]) == end[key]
        assert row["source"] == "demo"


def test_the_record_log_has_what_standard_output_had(kept: Kept) -> None:
    assert [json.loads(line) for line in kept.lines("records.jsonl")] == kept.records
    assert {record["type"] for record in kept.records} >= {"event_start", "event_end"}


def test_annotations_have_each_event_in_the_form_of_their_programs(kept: Kept) -> None:
    expected = [(end["label"], end["start_s"], end["end_s"]) for end in kept.ends]

    def near(found: list[tuple[str, float, float]]) -> None:
        assert [label for label, *_ in found] == [label for label, *_ in expected]
        for (_, *times), (_, *others) in zip(found, expected, strict=True):
            assert times == pytest.approx(others, abs=1e-3)

    audacity = [line.split("\t") for line in kept.lines("labels.txt")]
    near([(label, float(begin), float(end)) for begin, end, label in audacity])
    raven = list(csv.DictReader(kept.lines("selections.txt"), delimiter="\t"))
    near([(r["Label"], float(r["Begin Time (s)"]), float(r["End Time (s)"])) for r in raven])
    assert [int(row["Selection"]) for row in raven] == [*range(1, len(expected) + 1)]
    dcase = list(csv.reader(kept.lines("events.txt"), delimiter="\t"))
    near([(label, float(begin), float(end)) for _, begin, end, label in dcase])
    assert {file for file, *_ in dcase} == {"demo"}


def test_each_alert_has_a_clip_and_a_sidecar_and_nothing_else_has(kept: Kept) -> None:
    alerts = [end for end in kept.ends if end["alert"]]
    folder = kept.folder / "clips"
    sidecars = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    order = sorted(alerts, key=lambda end: (end["time"], end["label"]))
    assert [one["label"] for one in sidecars] == [end["label"] for end in order]
    assert len(list(folder.iterdir())) == 2 * len(alerts) > 6
    demo = np.concatenate(list(demo_chunks()))
    for sidecar, end in zip(sidecars, order, strict=True):
        assert {key: sidecar[key] for key in end} == end
        samples, rate = soundfile.read(folder / sidecar["file"], dtype="float32")
        assert rate == sidecar["rate_hz"] == RATE_HZ
        begin = round(sidecar["clip_start_s"] * RATE_HZ)
        heard = demo[begin : begin + len(samples)]
        assert np.abs(samples - heard).max() < 1e-3  # 16 bits
        assert len(samples) / rate == pytest.approx(
            sidecar["clip_end_s"] - sidecar["clip_start_s"], abs=1e-3
        )
        assert sidecar["clip_start_s"] <= end["start_s"] < end["end_s"] <= sidecar["clip_end_s"]


# --- The history --------------------------------------------------------------------------------


def history(kept: Kept, *options: str) -> list[str]:
    done = run("history", "--file", str(kept.folder / "history.sqlite"), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


def test_the_history_shows_each_event_in_the_order_of_their_starts(kept: Kept) -> None:
    lines = history(kept)
    assert len(lines) == len(kept.ends)
    assert lines == sorted(lines, key=lambda line: line.split()[0])
    for end in kept.ends:
        mark = "!" if end["alert"] else " "
        line = rf"^{re.escape(end['time'])} +[\d.]+ s  [01]\.\d\d {mark} {re.escape(end['label'])}"
        assert any(re.search(line, shown) for shown in lines)


def test_the_history_as_json_and_as_csv_has_what_was_heard(kept: Kept) -> None:
    objects = [json.loads(line) for line in history(kept, "--json")]
    rows = list(csv.DictReader(history(kept, "--csv")))
    assert len(objects) == len(rows) == len(kept.ends)
    ends = {(end["label"], end["time"]): end for end in kept.ends}
    for found, row in zip(objects, rows, strict=True):
        end = ends.pop((found["label"], found["time"]))
        shared = found.keys() & end.keys() - {"type"}
        assert {"end_time", "start_s", "end_s", "peak_score", "alert", "windows"} <= shared
        assert {key: found[key] for key in shared} == {key: end[key] for key in shared}
        assert (row["start"], row["end"], row["label"]) == (
            found["time"],
            found["end_time"],
            found["label"],
        )
        assert (int(row["alert"]), float(row["peak_score"])) == (
            found["alert"],
            found["peak_score"],
        )


def test_the_summary_counts_events_and_alerts_of_each_label(kept: Kept) -> None:
    shown = "\n".join(history(kept, "--summary"))
    alerts = [end for end in kept.ends if end["alert"]]
    assert f"{len(kept.ends)} events, {len(alerts)} alerts" in shown
    for label in {end["label"] for end in alerts if len(end["label"]) < 20}:
        events = sum(end["label"] == label for end in kept.ends)
        told = sum(end["label"] == label for end in alerts)
        assert re.search(rf"^{label} +{events} +{told} ", shown, re.MULTILINE), label
    for day in ("Sun 2026-03-01", "Mon 2026-03-02"):
        assert day in shown


def test_the_history_can_be_asked_for_a_time_labels_and_alerts(kept: Kept) -> None:
    def asked(*options: str) -> set[tuple[str, str]]:
        found = [json.loads(line) for line in history(kept, "--json", *options)]
        return {(one["label"], one["time"]) for one in found}

    def of(ends: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(end["label"], end["time"]) for end in ends}

    def began(end: dict[str, Any]) -> float:
        return datetime.fromisoformat(end["time"]).timestamp()

    later = of(end for end in kept.ends if began(end) >= MIDNIGHT)
    assert asked("--since", "2026-03-02") == later
    assert asked("--until", "2026-03-02") == of(kept.ends) - later
    assert 0 < len(later) < len(kept.ends)
    assert asked("--alerts") == of(end for end in kept.ends if end["alert"])
    both = {"Siren", "Smoke detector, smoke alarm"}
    options = ("--label", "siren", "--label", "/m/01y3hg")
    assert asked(*options) == of(end for end in kept.ends if end["label"] in both)
    late = {("Siren", end["time"]) for end in kept.ends if end["label"] == "Siren"}
    assert asked(*options, "--alerts", "--since", "2026-03-02T00:00") == late


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",), ("--summary",)])
def test_a_history_without_what_was_asked_for_says_so_and_that_is_no_error(
    form: tuple[str, ...], kept: Kept
) -> None:
    path = str(kept.folder / "history.sqlite")
    done = run("history", "--file", path, "--label", "Dog", "--until", "2026-03-02", *form)
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == (form == ("--csv",))
    assert done.stderr == b"livetag: nothing of the kind is in the history\n"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--file", "none.sqlite"), 3, "livetag monitor --history"),
        (("--file", "shopping"), 2, "shopping"),
        (("--file", "."), 1, "the history . "),
        (("--since", "yesterday"), 2, "'yesterday' is no time"),
        (("--until", "25:00"), 2, "'25:00' is no time"),
        (("--json", "--csv"), 2, "not allowed with"),
        (("--summary", "--json"), 2, "not allowed with"),
    ],
)
def test_a_history_that_cannot_be_shown_is_told_without_a_traceback(
    options: tuple[str, ...], code: int, message: str, tmp_path: Path
) -> None:
    (tmp_path / "shopping").write_text("milk,eggs\n" * 50, encoding="utf-8")
    done = run("history", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, b"")
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_name_that_is_no_group_of_the_history_and_no_class_is_told(kept: Kept) -> None:
    path = str(kept.folder / "history.sqlite")
    done = run("history", "--file", path, "--label", "Dgo")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"did you mean 'Dog'" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_group_of_the_history_comes_before_a_class_of_its_name(tmp_path: Path) -> None:
    text = """
        [groups]
        "Siren" = ["Smoke detector, smoke alarm", "Doorbell"]
        "in the house" = ["Speech", "Siren"]
        [[rule]]
        group = "Siren"
        [[rule]]
        group = "in the house"
        alert = false
    """
    options = ("--history", "h.sqlite", "--json")
    done = run(*configured(tmp_path, text), *options, cwd=tmp_path)
    assert done.returncode == 0
    records = [json.loads(line) for line in done.stdout.splitlines()]
    ends = [record for record in records if record["type"] == "event_end"]

    def asked(*names: str) -> set[tuple[str, str, str]]:
        labels = [option for name in names for option in ("--label", name)]
        shown = run("history", "--file", "h.sqlite", "--json", *labels, cwd=tmp_path)
        assert shown.returncode == 0
        found = [json.loads(line) for line in shown.stdout.splitlines()]
        return {(one.get("group", ""), one["label"], one["time"]) for one in found}

    def of(*groups: str, label: str = "") -> set[tuple[str, str, str]]:
        return {
            (one.get("group", ""), one["label"], one["time"])
            for one in ends
            if one.get("group") in groups or one["label"] == label
        }

    assert of("Siren") != set() != of("in the house")
    assert asked("Siren") == of("Siren")  # and no siren
    assert asked("in the house") == of("in the house")
    assert asked("/m/03kmc9") == of(label="Siren") != set()  # the class has other names
    assert asked("Siren", "speech") == of("Siren", label="Speech")


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",), ("--summary",)])
def test_a_history_s_reader_that_has_seen_enough_is_no_fault(
    form: tuple[str, ...], kept: Kept
) -> None:
    command = f"'{LIVETAG}' history --file '{kept.folder}/history.sqlite' {' '.join(form)} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("switch", ["--history", "true", "1"])
def test_the_usual_history_is_kept_and_shown(switch: str, tmp_path: Path) -> None:
    """However it was switched on: `livetag history` is run as the monitor was."""
    env = os.environ | {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    if switch != "--history":
        env["LIVETAG_HISTORY"] = switch
    options = (switch,) if switch == "--history" else ()
    done = run(*DEMO, "--duration", "10", *options, env=env, cwd=tmp_path)
    assert (done.returncode, done.stderr.count(b"\n")) == (0, 1)
    shown = run("history", "--alerts", env=env, cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"Smoke detector" in shown.stdout


def test_a_history_that_is_switched_off_is_not_kept(tmp_path: Path) -> None:
    env = {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path), "LIVETAG_HISTORY": "0"}
    done = run(*DEMO, "--duration", "2", env=os.environ | env, cwd=tmp_path)
    assert done.returncode == 0
    assert list(tmp_path.rglob("*sqlite*")) == []


def test_the_variable_names_the_history_of_both_commands(tmp_path: Path) -> None:
    env = os.environ | {"LIVETAG_HISTORY": str(tmp_path / "mine.sqlite")}
    assert run(*DEMO, "--duration", "10", env=env).returncode == 0
    shown = run("history", "--alerts", env=env)
    assert b"Smoke detector" in shown.stdout


# --- Sinks of a configuration -------------------------------------------------------------------


def configured(tmp_path: Path, text: str) -> tuple[str, ...]:
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    return (*DEMO, "--config", str(path))


def clip_labels(folder: Path) -> set[str]:
    return {json.loads(path.read_text("utf-8"))["label"] for path in folder.glob("*.json")}


def test_no_clip_is_kept_of_what_is_never_to_be(tmp_path: Path) -> None:
    """The demo speaks for its first six seconds; its smoke alarm comes soon after."""
    text = """
        [[sink]]
        kind = "clips"
        path = "all"
        pre_roll_seconds = 4.0
        [[sink]]
        kind = "clips"
        path = "quiet"
        pre_roll_seconds = 4.0
        never_with = ["Speech"]
    """
    done = run(*configured(tmp_path, text), "--json", cwd=tmp_path)
    assert done.returncode == 0
    records = [json.loads(line) for line in done.stdout.splitlines()]
    ends = [record for record in records if record["type"] == "event_end"]
    spoken_s = max(end["end_s"] for end in ends if end["label"] == "Speech")
    alerts = {end["label"]: end["start_s"] for end in ends if end["alert"]}
    near = {label for label, start_s in alerts.items() if start_s - 4.0 < spoken_s}
    assert "Smoke detector, smoke alarm" in near
    assert clip_labels(tmp_path / "all") == alerts.keys()
    kept_s = clip_labels(tmp_path / "quiet")
    assert near.isdisjoint(kept_s)
    assert {"Siren", "Doorbell"} <= kept_s


def test_each_sink_of_a_file_has_what_it_asks_for(tmp_path: Path) -> None:
    text = """
        [groups]
        birds = ["Bird", "Chirp, tweet"]
        [[sink]]
        kind = "jsonl"
        path = "alerts.jsonl"
        alerts_only = true
        [[sink]]
        kind = "csv"
        path = "birds.csv"
        labels = ["birds"]
        [[sink]]
        kind = "dcase"
        path = "sirens.txt"
        labels = ["Siren"]
    """
    done = run(*configured(tmp_path, text), "--audacity", "all.txt", cwd=tmp_path)
    assert done.returncode == 0
    alerts = [json.loads(line) for line in (tmp_path / "alerts.jsonl").open(encoding="utf-8")]
    assert {one["alert"] for one in alerts} == {True}
    told = [line.split("  ")[1] for line in done.stdout.decode().splitlines()]
    assert [one["label"] for one in alerts if one["type"] != "event_end"] == told
    rows = csv.DictReader((tmp_path / "birds.csv").read_text("utf-8").splitlines())
    assert {row["label"] for row in rows} == {"Bird", "Chirp, tweet"}
    assert (tmp_path / "sirens.txt").read_text("utf-8").count("\tSiren\n") == 1
    assert (tmp_path / "all.txt").read_text("utf-8").count("\n") > 20


def test_a_log_named_by_the_date_has_a_file_for_each_day(kept: Kept, tmp_path: Path) -> None:
    options = ("--csv", "%Y/%m-%d.csv", "--jsonl", "100%%-%j.jsonl")
    done = run(*DEMO, *options, cwd=tmp_path)
    assert done.returncode == 0
    days = [tmp_path / "2026" / name for name in ("03-01.csv", "03-02.csv")]
    texts = [day.read_text(encoding="utf-8").splitlines() for day in days]
    assert sorted((tmp_path / "2026").iterdir()) == days
    assert texts[0][0] == texts[1][0]
    assert [*texts[0], *texts[1][1:]] == kept.lines("events.csv")
    assert all(line.startswith("2026-03-01") for line in texts[0][1:])
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {"100%-060.jsonl", "100%-061.jsonl"}
    first, then = (
        [json.loads(x) for x in (tmp_path / f"100%-{day}.jsonl").open(encoding="utf-8")]
        for day in ("060", "061")
    )
    assert first + then == kept.records  # ends are beside what has begun meanwhile
    assert all(one["time"].startswith("2026-03-01") for one in first)
    assert then[0]["time"].startswith("2026-03-02")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_under_one_sink_leaves_the_others_complete(kept: Kept, tmp_path: Path) -> None:
    """Its own file for the second day is a device that has no room."""
    (tmp_path / "2026-03-02.jsonl").symlink_to("/dev/full")
    options = ("--jsonl", "%Y-%m-%d.jsonl", "--csv", "all.csv", "--history", "h.sqlite")
    done = run(*DEMO, "--json", *options, "--clips", "clips", cwd=tmp_path)
    assert done.returncode == 1
    told = done.stderr.decode()
    assert told.count("cannot be written") == told.count("No space left on device") == 1
    assert told.count("%Y-%m-%d.jsonl") == 1
    assert "heard demo for 60.0 s" in told
    assert [json.loads(line) for line in done.stdout.splitlines()] == kept.records
    assert (tmp_path / "all.csv").read_text("utf-8").splitlines() == kept.lines("events.csv")
    shown = run("history", "--file", str(tmp_path / "h.sqlite"))
    assert shown.stdout.decode().splitlines() == history(kept)
    assert len(list((tmp_path / "clips").iterdir())) == len(list((kept.folder / "clips").iterdir()))
    first = [json.loads(line) for line in (tmp_path / "2026-03-01.jsonl").open(encoding="utf-8")]
    assert first == kept.records[: len(first)] != []


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("option", ["--csv", "--raven"])
def test_a_full_disk_at_the_very_start_is_told_and_nothing_is_begun(
    option: str, tmp_path: Path
) -> None:
    done = run(*DEMO, option, "/dev/full", "--clips", "clips", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"/dev/full" in done.stderr


def test_alerts_of_the_command_line_silence_a_configurations_rules_and_keep_their_values(
    tmp_path: Path,
) -> None:
    text = """
        alert = ["Doorbell"]
        [groups]
        alarm = ["Smoke detector, smoke alarm", "Fire alarm"]
        [[rule]]
        group = "alarm"
        threshold = 0.21
        [[rule]]
        label = "Siren"
        threshold = 0.22
        [[rule]]
        label = "Speech"
        threshold = 0.23
        alert = false
    """
    arguments = (*configured(tmp_path, text), "--json")

    def told(*options: str, env: dict[str, str] | None = None) -> dict[str, tuple[bool, float]]:
        done = run(*arguments, *options, env=os.environ | (env or {}))
        assert done.returncode == 0
        starts = [json.loads(line) for line in done.stdout.splitlines()]
        return {
            one.get("group", one["label"]): (one["alert"], one["threshold"])
            for one in reversed(starts)
            if one["type"] == "event_start"
        }

    names = ("alarm", "Siren", "Doorbell", "Speech")
    thresholds = (0.21, 0.22, Config().threshold, 0.23)

    def expected(*alerting: str) -> list[tuple[bool, float]]:
        return [(name in alerting, at) for name, at in zip(names, thresholds, strict=True)]

    for options, env, alerting in (
        ((), {}, ("alarm", "Siren", "Doorbell")),
        (("--alert", "Siren"), {}, ("Siren",)),
        ((), {"LIVETAG_ALERT": "alarm; Speech"}, ("alarm", "Speech")),
        (("--alert", "alarm"), {"LIVETAG_ALERT": "Siren"}, ("alarm",)),
    ):
        found = told(*options, env=env)
        assert [found[name] for name in names] == expected(*alerting), options
    scored = told("--alert", "alarm=0.9")
    assert scored["alarm"] == (True, 0.9)
    assert scored["Siren"] == (False, 0.22)
