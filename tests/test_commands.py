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
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from running import LIVETAG, run, running

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
    assert fields | {"alert"} == set(start)
    assert {"end_s", "end_time", "peak_score", "mean_score", "windows"} == set(end) - set(start)
    assert all(start[key] == end[key] for key in set(start) - {"type"})
    assert (start["index"], start["mid"]) == (labels.find(start["label"]).index, "/m/01y3hg")
    assert (start["threshold"], start["alert"]) == (0.3, True)
    assert end["peak_score"] >= end["mean_score"] >= 0.3
    assert end["end_s"] - end["start_s"] == pytest.approx(end["windows"] * 0.48, abs=2e-3)


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
    smoke = [r for r in events(run(*arguments, env=env).stdout) if "Smoke" in str(r["label"])]
    assert smoke[0]["threshold"] == 0.3
    assert all(round(float(str(r["start_s"])) / 0.96, 6).is_integer() for r in smoke)


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
    command = f"'{LIVETAG}' monitor --demo --json | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1
    assert b"Traceback" not in done.stderr
    assert b"standard output was closed" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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
def test_a_reader_that_does_not_read_cannot_hold_up_the_end(demo_wav: Path) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4_096)
    command = [LIVETAG, "monitor", "--input", str(demo_wav), "--fast", "--json"]
    process = subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    waiting, pause = array.array("i", [0]), threading.Event()
    for _ in range(600):  # until no further record goes into the pipe
        fcntl.ioctl(reading, termios.FIONREAD, waiting)
        if waiting[0] > 3_500:
            break
        pause.wait(0.1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    os.close(reading)
    assert process.returncode == 0
    assert stderr == b"livetag: stopped\n"


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
    text += "_compile_in_process(Weights(Path('none.h5'), 'HDF5', '', False), Path('none.tflite'))"
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
