"""livetag as a library: its names, what they give, and the examples of its page."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from running import LIVETAG
from virtual_microphone import VirtualMicrophone

import livetag
from livetag import library
from livetag.audio.reader import AudioReader
from livetag.events import FloatArray
from livetag.resources import ASSETS_DIR
from livetag.sources.demo import DemoSource
from livetag.sources.demo_sounds import RATE_HZ, SPEECH_ASSET, demo_sounds
from livetag.yamnet.precision import Precision

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```",
    (ROOT / "docs" / "api.md").read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)
SPEECH = ASSETS_DIR / SPEECH_ASSET


@pytest.fixture(scope="module")
def tagger(compiled: object) -> livetag.Tagger:
    return livetag.load()


@pytest.fixture(scope="module")
def speech() -> FloatArray:
    with AudioReader(SPEECH) as reader:
        return np.concatenate(list(reader.blocks(RATE_HZ)))


def test_a_file_and_its_samples_are_the_same(tagger: livetag.Tagger, speech: FloatArray) -> None:
    of_file = tagger.classify(str(SPEECH))
    assert of_file.top(1)[0][0].name == "Speech"
    assert of_file.seconds == pytest.approx(len(speech) / RATE_HZ)
    frames = len(of_file.start_s)
    assert of_file.scores.shape == (frames, 521)
    assert of_file.embeddings.shape == (frames, 1_024)
    assert np.diff(of_file.start_s) == pytest.approx(0.48)
    for samples in (speech, np.stack([speech, speech], axis=1).astype(np.float64)):
        of_samples = tagger.classify(samples, RATE_HZ)
        assert of_samples.scores == pytest.approx(of_file.scores, abs=1e-6)


def test_a_precision_is_that_of_the_command(faster: Precision, tmp_path: Path) -> None:
    tagger = livetag.load(precision=faster)
    command = [LIVETAG, "classify", str(SPEECH), "--frames", "--precision", faster]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    scores = [float(row.rpartition(",")[2]) for row in done.stdout.splitlines()[1:]]
    assert scores == pytest.approx(tagger.classify(SPEECH).scores.ravel(), abs=6e-5)
    assert scores != pytest.approx(livetag.load().classify(SPEECH).scores.ravel(), abs=1e-3)
    yard(tmp_path / "yard.wav")
    command = [LIVETAG, "scan", str(tmp_path / "yard.wav"), "-o", str(tmp_path / "theirs.csv")]
    subprocess.run([*command, "--precision", faster], capture_output=True, check=True)
    assert tagger.scan([tmp_path / "yard.wav"], tmp_path / "ours.csv", workers=1).done == 1
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


def test_a_precision_that_there_is_none_of_is_told() -> None:
    with pytest.raises(livetag.UsageError, match="'float16' is none of float32, bfloat16, int8"):
        livetag.load(precision="float16")  # type: ignore[arg-type]


def test_classify_gives_what_the_command_prints(tagger: livetag.Tagger) -> None:
    done = subprocess.run(
        [LIVETAG, "classify", str(SPEECH), "--top", "3"], capture_output=True, text=True, check=True
    )
    shown = "".join(
        f"  {score:.2f}  {label.name}\n" for label, score in tagger.classify(SPEECH).top(3)
    )
    assert done.stdout == f"{SPEECH}\n{shown}"


def test_events_are_those_of_the_monitor(tagger: livetag.Tagger, tmp_path: Path) -> None:
    command = [LIVETAG, "monitor", "--input", str(SPEECH), "--fast", "--csv", str(tmp_path / "log")]
    subprocess.run([*command, "--threshold", "0.1"], capture_output=True, check=True)
    rows = (tmp_path / "log").read_text("utf-8").splitlines()[1:]
    config = livetag.Config(threshold=0.1)
    events = [e for e in tagger.events(SPEECH, config=config) if isinstance(e, livetag.EventEnd)]
    assert len(rows) == len(events) > 0
    for row, event in zip(rows, events, strict=True):
        seconds = f"{round(event.start.start_s, 3)},{round(event.end_s, 3)}"
        assert f",{seconds},{event.start.label.index}," in row


def test_events_of_samples_can_be_stopped(tagger: livetag.Tagger, speech: FloatArray) -> None:
    stop = threading.Event()

    def first(events: Iterator[object]) -> list[object]:
        kinds: list[object] = []
        for event in events:
            kinds.append(type(event))
            stop.set()
        return kinds

    assert first(tagger.events(speech, RATE_HZ, stop=stop)) == [
        livetag.EventStart,
        livetag.EventEnd,
    ]


def test_what_cannot_be_is_told(tagger: livetag.Tagger, speech: FloatArray, tmp_path: Path) -> None:
    cases: list[tuple[type[livetag.LivetagError], str, object, int | None]] = [
        (livetag.UsageError, "samples need one", speech, None),
        (livetag.UsageError, "knows its own rate", SPEECH, 16_000),
        (livetag.UsageError, "of 1,000 to 768,000 Hz", speech, 5),
        (livetag.InputError, "does not exist", tmp_path / "none.wav", None),
        (livetag.InputError, "floating-point", np.zeros(10, np.int16), 16_000),
        (livetag.InputError, "floating-point", np.zeros((2, 2, 2), np.float32), 16_000),
        (livetag.InputError, "is no number", np.array([0.0, np.nan]), 16_000),
        (livetag.InputError, "holds no sound", np.zeros(0, np.float32), 16_000),
    ]
    for error, words, sound, rate_hz in cases:
        with pytest.raises(error, match=words):
            tagger.classify(sound, rate_hz)  # type: ignore[arg-type]
    with pytest.raises(livetag.InputError, match="is no audio"):
        list(tagger.events(ROOT / "README.md"))
    text: Any = "0.3"
    for config in (livetag.Config(threshold=3), livetag.Config(threshold=text)):
        with pytest.raises(livetag.UsageError, match=r"threshold: .* is not a number above 0"):
            list(tagger.events(SPEECH, config=config))
        with pytest.raises(livetag.UsageError, match="config: threshold"):
            tagger.scan(SPEECH, tmp_path / "out.csv", config=config)
    with pytest.raises(livetag.ModelError, match=r"there are no weights .* weights= "):
        livetag.load(tmp_path / "none.h5")


def test_a_preset_is_a_configuration() -> None:
    assert livetag.load_config("baby").alert != livetag.Config().alert
    with pytest.raises(livetag.UsageError, match="there is no configuration 'bay'"):
        livetag.load_config("bay")


def test_livetag_offers_what_its_library_does_and_its_version() -> None:
    assert livetag.__all__ == sorted([*library.__all__, "__version__"])


def test_import_livetag_loads_nothing_else_and_knows_its_names() -> None:
    program = (
        "import sys, livetag\n"
        "loaded = sorted(name for name in sys.modules if name.partition('.')[0] == 'livetag')\n"
        "assert loaded == ['livetag', 'livetag.version'], loaded\n"
        "assert set(livetag.__all__) <= set(dir(livetag))\n"
        "assert all(getattr(livetag, name) is not None for name in livetag.__all__)\n"
        "assert not hasattr(livetag, 'no_such_name')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# --- The examples of docs/api.md ----------------------------------------------------------------


def yard(path: Path) -> None:
    """A recording of a bell, and of speech after it."""
    with AudioReader(SPEECH) as reader:
        speech = next(reader.blocks(10 * RATE_HZ))
    sounds = {sound.name: sound.samples for sound in demo_sounds(speech)}
    soundfile.write(path, np.concatenate([sounds["doorbell"], sounds["speech"]]), RATE_HZ)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("example", [one for one in EXAMPLES if "microphone" not in one])
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    yard(tmp_path / "yard.wav")
    (tmp_path / "archive").mkdir()
    yard(tmp_path / "archive" / "1.wav")
    done = ran(example, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.usefixtures("compiled")
def test_the_example_of_the_bell_tells_of_nothing_else(tmp_path: Path) -> None:
    yard(tmp_path / "yard.wav")
    (example,) = [one for one in EXAMPLES if "Doorbell" in one]
    (line,) = ran(example, tmp_path).stdout.splitlines()
    assert re.fullmatch(r"0\.0 to 3\.\d s: Doorbell, 0\.\d\d", line)


def ran(program: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """A program of its own, run in a folder."""
    (folder / "example.py").write_text(program, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "example.py"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.usefixtures("compiled")
def test_a_scan_writes_what_the_command_does_and_tells_what_is_broken(
    tagger: livetag.Tagger, tmp_path: Path
) -> None:
    (tmp_path / "archive").mkdir()
    yard(tmp_path / "archive" / "1.wav")
    (tmp_path / "archive" / "2.wav").write_bytes(b"no audio")
    command = [LIVETAG, "scan", str(tmp_path / "archive"), "-o", str(tmp_path / "theirs.csv")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 3
    result = tagger.scan(tmp_path / "archive", tmp_path / "ours.csv", workers=1)
    assert result.done == 1
    assert list(result.broken) == [str(tmp_path / "archive" / "2.wav")]
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()
    with pytest.raises(
        livetag.UsageError, match=r"ours\.csv holds what is heard in .*1\.wav, which"
    ):
        tagger.scan([tmp_path / "archive" / "2.wav"], tmp_path / "ours.csv")
    (part,) = (tmp_path / "ours.csv.parts").glob("*/*.csv")
    before = part.stat()
    tagger.scan([tmp_path / "archive"], tmp_path / "ours.csv", workers=1, replace=True)
    assert (part.stat().st_ino, part.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    yard(tmp_path / "archive" / "2.wav")
    assert tagger.scan([tmp_path / "archive"], tmp_path / "ours.csv").done == 2
    with pytest.raises(livetag.UsageError, match=r"is there already: .* replace=True\) replaces"):
        tagger.scan([tmp_path / "archive"], tmp_path / "ours.csv")


def test_rules_that_look_at_the_hour_need_to_be_told_it(
    tagger: livetag.Tagger, tmp_path: Path
) -> None:
    yard(tmp_path / "yard.wav")
    with pytest.raises(livetag.UsageError, match=r"say when it began \(.*since="):
        tagger.scan(tmp_path, tmp_path / "a.csv", config=livetag.Config(hours="22:00-07:00"))
    alerts = []
    for since in ("2026-11-22T23:00", "2026-11-22T12:00"):
        config = livetag.Config(hours="22:00-07:00", alert=("Speech",), since=since)
        tagger.scan(tmp_path, tmp_path / f"{since}.csv", config=config, workers=1)
        rows = (tmp_path / f"{since}.csv").read_text("utf-8").splitlines()
        alerts.append([row for row in rows if ",Speech," in row and row.endswith(",true")])
    assert [len(alerts[0]) > 0, len(alerts[1])] == [True, 0]


def test_events_are_of_the_hour_at_which_a_recording_or_samples_began(
    tagger: livetag.Tagger, tmp_path: Path
) -> None:
    yard(tmp_path / "yard.wav")
    samples, rate_hz = soundfile.read(tmp_path / "yard.wav")
    unsaid = livetag.Config(hours="22:00-07:00")
    for source, rate in ((tmp_path / "yard.wav", None), (samples, rate_hz)):
        with pytest.raises(livetag.UsageError, match=r"say when it began \(--since, since=\)"):
            next(tagger.events(source, rate, config=unsaid))
        for since, alerts in (("2026-11-22T23:00", True), ("2026-11-22T12:00", False)):
            config = livetag.Config(hours="22:00-07:00", alert=("Speech",), since=since)
            events = list(tagger.events(source, rate, config=config))
            starts = [event for event in events if isinstance(event, livetag.EventStart)]
            assert any(start.alert for start in starts) is alerts
            began = starts[0].time - starts[0].start_s
            assert began == pytest.approx(datetime.fromisoformat(since).timestamp())


def test_a_source_has_an_hour_of_its_own(tagger: livetag.Tagger) -> None:
    config = livetag.Config(hours="22:00-07:00")
    events = list(tagger.events(DemoSource(fast=True), config=config))
    assert any(isinstance(event, livetag.EventStart) for event in events)


@pytest.mark.microphone
@pytest.mark.usefixtures("compiled")
def test_the_example_of_a_microphone_runs(microphone: VirtualMicrophone) -> None:
    (example,) = [one for one in EXAMPLES if "microphone" in one]
    with AudioReader(SPEECH) as reader:
        speech = next(reader.blocks(10 * RATE_HZ))
    (alarm,) = [s.samples for s in demo_sounds(speech) if s.name == "smoke alarm"]
    with subprocess.Popen(
        [sys.executable, "-uc", example],
        env=microphone.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None:
            microphone.play(alarm, RATE_HZ)
        assert process.stdout is not None
        assert "alarm" in process.stdout.read().lower()
    assert process.returncode == 0


def test_there_are_five_examples_and_more() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("below", ["import", "fails"])
def test_a_program_that_its_workers_cannot_import_has_one_error_that_says_so(
    below: str, tmp_path: Path
) -> None:
    yard(tmp_path / "yard.wav")
    scan = "livetag.load().scan('.', 'events.csv', workers=2)"
    programs = {
        "import": f"import livetag\n{scan}\n",
        "fails": f"import livetag\nif __name__ == '__main__':\n    {scan}\nraise SystemExit(3)\n",
    }
    done = ran(programs[below], tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("livetag.errors.LivetagError: the scan's workers cannot begin: ")
    assert last.endswith('`if __name__ == "__main__":`')
