"""`livetag scan` as a user runs it: what it finds, and that it always comes to the same end."""

import contextlib
import csv
import errno
import os
import random
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
from running import PATIENCE_SECONDS, Running, run, running

from livetag.audio import reader
from livetag.cli import main
from livetag.events import FloatArray
from livetag.scan.job import Job
from livetag.scan.listing import list_recordings
from livetag.scan.worker import Done, Failed, RecordingWork, Task
from livetag.schema import Config
from livetag.sinks.annotations import RavenSink
from livetag.sources.demo import demo_chunks
from livetag.yamnet.classifier import BATCH_PATCHES, LiteRTClassifier
from livetag.yamnet.compile import CompiledModel
from livetag.yamnet.features import log_mel_spectrogram, padding, patches
from livetag.yamnet.params import Params
from livetag.yamnet.precision import Precision

RATE_HZ = 16_000
SHORT_ONES = 12
pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture(scope="module")
def demo() -> FloatArray:
    """The demo's first 48 seconds, at 16 kHz."""
    return np.concatenate(list(islice(demo_chunks(), 20 * 48)))[: 48 * RATE_HZ]


@pytest.fixture(scope="module")
def archive(demo: FloatArray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long recording, and short ones in folders: of other rates, forms and channels, too."""
    folder = tmp_path_factory.mktemp("archive")
    soundfile.write(folder / "long.wav", np.tile(demo, 20), RATE_HZ)
    for at in range(SHORT_ONES):
        part = demo[at * 3 * RATE_HZ :][: 9 * RATE_HZ]
        path = folder / f"site {at % 3}" / f"{at}.{('wav', 'flac', 'ogg')[at % 3]}"
        path.parent.mkdir(exist_ok=True)
        stereo = np.stack((part, part / 2), axis=1)
        soundfile.write(path, stereo if at == 4 else part, 22_050 if at == 5 else RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def expected(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a scan of the archive that runs through gives, as CSV."""
    out = tmp_path_factory.mktemp("expected") / "events.csv"
    scanned(archive, out, "--workers", "2")
    return out.read_bytes()


def scanned(
    archive: Path, out: Path, *options: str, also: Path | None = None, code: int = 0
) -> str:
    """Run a scan to its end; what it said."""
    paths = [str(path) for path in (archive, also) if path]
    done = run("scan", *paths, "-o", str(out), *options)
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert done.stdout == b""
    return said


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- Results ------------------------------------------------------------------------------------


def test_events_are_those_of_the_monitor_to_the_last_digit(
    archive: Path, expected: bytes, tmp_path: Path
) -> None:
    (tmp_path / "events.csv").write_bytes(expected)
    found = rows(tmp_path / "events.csv")
    assert len(found) > 3 * SHORT_ONES
    for recording in ("long.wav", "site 1/4.flac", "site 2/5.ogg"):
        log = tmp_path / "log.csv"
        log.unlink(missing_ok=True)
        heard = run("monitor", "--input", str(archive / recording), "--fast", "--csv", str(log))
        assert heard.returncode == 0
        ours = [row for row in found if row["file"] == str(archive / recording)]
        alerts = [row for row in ours if row["alert"] == "true"]
        assert len(heard.stdout.splitlines()) == len(alerts)
        shared = ours[0].keys() & rows(log)[0].keys()
        assert len(shared) == 8
        assert [{key: row[key] for key in shared} for row in ours] == [
            {key: row[key] for key in shared} for row in rows(log)
        ]


@pytest.mark.parametrize("workers", ["1", "3"])
def test_results_do_not_depend_on_the_number_of_workers(
    workers: str, archive: Path, expected: bytes, tmp_path: Path
) -> None:
    scanned(archive, tmp_path / "events.csv", "--workers", workers)
    assert (tmp_path / "events.csv").read_bytes() == expected


def test_options_are_those_of_the_monitor(archive: Path, tmp_path: Path) -> None:
    options = ["--alert", "Speech=0.9", "--hop", "0.96", "--threshold", "0.6"]
    scanned(archive / "site 0", tmp_path / "events.jsonl", *options)
    assert b'"label":"Speech"' in (tmp_path / "events.jsonl").read_bytes()
    for contradiction, told in (
        (("--format", "jsonl"), "e.csv says csv, and --format jsonl: leave one of them out"),
        (("--floor", "0.2"), "--floor is the lowest score of --windows"),
        (("-o", "-"), "results go to a file or a folder"),
    ):
        assert told in scanned(archive, tmp_path / "e.csv", *contradiction, code=2)
    said = scanned(archive, tmp_path / "e.csv", "--alert", "Dgo", code=2)
    assert "did you mean 'Dog'?" in said


def test_windows_and_embeddings_are_those_of_the_network(
    archive: Path, demo: FloatArray, classifier: LiteRTClassifier, tmp_path: Path
) -> None:
    params = Params()
    samples = soundfile.read(archive / "site 0/3.wav", dtype="float32")[0]
    samples = np.pad(samples, (0, padding(len(samples), params)))
    own = [classifier(patch) for patch in patches(log_mel_spectrogram(samples, params), params)]
    scanned(archive / "site 0/3.wav", tmp_path / "w.parquet", "--windows", "--floor", "0.3")
    table = pyarrow.parquet.read_table(tmp_path / "w.parquet").to_pylist()
    assert [(row["start_s"], row["index"], row["score"]) for row in table] == [
        (round(0.48 * at, 3), index, round(float(scores[index]), 4))
        for at, (scores, _) in enumerate(own)
        for index in np.flatnonzero(scores >= 0.3).tolist()
    ]
    scanned(archive / "site 0/3.wav", tmp_path / "e.npz", "--embeddings")
    with np.load(tmp_path / "e.npz") as arrays:
        assert np.array_equal(arrays["embeddings"], [embedding for _, embedding in own])
        assert arrays["files"].tolist() == [str(archive / "site 0/3.wav")]


def test_a_folder_gets_a_result_for_each_recording_and_only_new_ones_later(
    archive: Path, demo: FloatArray, tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "site 1").symlink_to(archive / "site 1")
    assert "no recording in" in scanned(source, out, code=3)  # a link is not followed
    scanned(archive / "site 1", out, "--format", "parquet")
    names = {str(path.relative_to(out)) for path in out.rglob("*.parquet")}
    assert names == {f"{at}.flac.parquet" for at in (1, 4, 7, 10)}
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    soundfile.write(source / "new.wav", demo[: 3 * RATE_HZ], RATE_HZ)
    said = scanned(archive / "site 1", out, "--format", "parquet", also=source / "new.wav")
    assert "already done: 4 of 5 recordings" in said
    assert "1 recording scanned" in said
    assert before.items() <= {path: path.stat().st_mtime_ns for path in out.glob("*")}.items()
    assert (out / "new.wav.parquet").is_file()


def test_annotations_go_beside_each_recording(demo: FloatArray, tmp_path: Path) -> None:
    for name in ("100%.wav", "b.wav"):
        soundfile.write(tmp_path / name, demo[: 9 * RATE_HZ], RATE_HZ)
    scanned(tmp_path, tmp_path / "events.csv", "--raven", "--audacity")
    labels = (tmp_path / "100%.wav.audacity.txt").read_text().splitlines()
    assert any(line.endswith("\tSpeech") for line in labels)
    table = (tmp_path / "b.wav.raven.txt").read_text().splitlines()
    assert len(table) == 1 + len(labels)
    assert len(rows(tmp_path / "events.csv")) == 2 * len(labels)
    assert len(list(tmp_path.glob(".*"))) == 0
    edited = tmp_path / "b.wav.raven.txt"
    edited.write_text("mine")
    said = scanned(tmp_path, tmp_path / "again.csv", "--raven", code=2)
    assert "100%.wav.raven.txt is there already (and 1 other file): --force (in a program, " in said
    assert edited.read_text() == "mine"
    assert not (tmp_path / "again.csv.parts").exists()
    scanned(tmp_path, tmp_path / "again.csv", "--raven", "--force")
    assert edited.read_text().splitlines() == table


def test_annotations_that_cannot_be_do_not_let_a_scan_begin(
    demo: FloatArray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """For root, every folder but those of a file system that can only be read is one to write."""
    for folder in "abc":
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "1.wav", demo[: 3 * RATE_HZ], RATE_HZ)
    shut = [tmp_path / "a", tmp_path / "c"]
    monkeypatch.setattr("livetag.scan.scan.os.access", lambda path, _: Path(path) not in shut)
    out = tmp_path / "events.csv"
    assert main(["scan", str(tmp_path), "-o", str(out), "--raven"]) == 1
    said = capsys.readouterr().err
    assert f"{shut[0]} cannot be written (nor 1 other folder), and annotations go beside" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    assert main(["scan", str(tmp_path), "-o", str(out)]) == 0


def test_an_annotation_that_cannot_be_begun_is_its_recording_s_error(
    demo: FloatArray, tmp_path: Path
) -> None:
    long_name = f"{'a' * 246}.wav"  # and with `.raven.txt`, no file can have it
    for name in (long_name, "b.wav"):
        soundfile.write(tmp_path / name, demo[: 3 * RATE_HZ], RATE_HZ)
    out = tmp_path / "events.csv"
    said = scanned(tmp_path, out, "--raven", code=3)
    assert f"{long_name}.raven.txt cannot be written: File name too long" in said
    assert (tmp_path / "b.wav.raven.txt").is_file()
    assert {row["file"] for row in rows(out)} == {str(tmp_path / "b.wav")}
    assert "already done: 1 of 2 recordings" in scanned(tmp_path, out, "--raven", code=3)


def test_an_annotation_that_a_full_disk_cuts_short_stops_the_scan_and_is_named(
    compiled: CompiledModel, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RavenSink, "write", full)
    sound = tmp_path / "b.wav"
    sound.write_bytes((archive / "site 0/0.wav").read_bytes())
    (recording,) = list_recordings([str(sound)])
    work = RecordingWork(Job("events", "csv", Config(), "", annotations=("raven",)), compiled.path)
    failed = work(Task(recording, tmp_path / "out.csv", tmp_path), lambda *_: None)
    assert isinstance(failed, Failed)
    assert str(failed.error) == f"{sound}.raven.txt cannot be written: No space left on device"
    assert list(tmp_path.iterdir()) == [sound]


# --- What goes wrong ----------------------------------------------------------------------------


def test_broken_recordings_are_listed_and_do_not_stop_the_rest(
    archive: Path, demo: FloatArray, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    soundfile.write(source / "good.wav", demo[: 5 * RATE_HZ], RATE_HZ)
    (source / "text.flac").write_text("no audio")
    soundfile.write(source / "empty.wav", demo[:0], RATE_HZ)
    cut = (archive / "site 1/4.flac").read_bytes()
    (source / "damaged.flac").write_bytes(cut[:9_000] + bytes(9_000) + cut[18_000:])
    os.mkfifo(source / "pipe.wav")
    out = tmp_path / "events.csv"
    said = scanned(source, out, also=tmp_path / "lost.wav", code=3)
    _, listed = said.split("could not be scanned:\n")
    *reasons, last = [line.removeprefix("livetag: ") for line in listed.splitlines()]
    assert len(reasons) == 5
    assert last.startswith("the same command tries them again, and nothing else: ")
    for name, reason in zip(
        ("damaged.flac", "empty.wav", "pipe.wav", "text.flac", "lost.wav"), reasons, strict=True
    ):
        assert name in reason
    assert {row["file"] for row in rows(out)} == {str(source / "good.wav")}


@pytest.mark.parametrize("name", ["events.csv", "events.parquet", "events"])
def test_what_was_broken_is_tried_again_by_the_same_command(
    name: str, archive: Path, demo: FloatArray, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for at, letter in enumerate("acd"):
        soundfile.write(source / f"{letter}.wav", demo[at * 5 * RATE_HZ :][: 5 * RATE_HZ], RATE_HZ)
    whole = (archive / "site 1/4.flac").read_bytes()
    (source / "b.flac").write_bytes(whole[:20_000])  # it is still being copied
    (tmp_path / "list").write_text(f"{source}\n{tmp_path / 'away.wav'}\n")
    command = ("--list", str(tmp_path / "list"))
    out = tmp_path / name
    said = scanned(source, out, *command, code=3)
    assert "3 recordings scanned" in said
    for _ in range(2):
        assert "livetag: the same command tries them again" in said
        said = scanned(source, out, *command, code=3)
        assert "already done: 3 of 5 recordings" in said
        assert "0 recordings scanned" in said
    if out.is_file():
        assert "a.wav (and 2 others), which is not named" in scanned(archive, out, code=2)
    (source / "b.flac").write_bytes(whole)
    soundfile.write(tmp_path / "away.wav", demo[: 3 * RATE_HZ], RATE_HZ)
    assert "2 recordings scanned" in scanned(source, out, *command)
    through = tmp_path / f"through-{name}"
    scanned(source, through, *command)
    results = [path for path in through.rglob("*.csv") if path.is_file()] or [through]
    for path in results:
        again = out / path.relative_to(through)
        assert again.read_bytes() == path.read_bytes()
    assert len(results) == (1 if out.is_file() else 5)
    assert not (tmp_path / f"{name}.parts").exists()


def test_an_output_file_keeps_what_was_heard_in_a_recording_that_is_cut_now(
    archive: Path, demo: FloatArray, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    whole = (archive / "site 1/4.flac").read_bytes()
    (source / "a.flac").write_bytes(whole)
    soundfile.write(source / "b.wav", demo[: 5 * RATE_HZ], RATE_HZ)
    (source / "c.wav").write_text("no audio")
    out = tmp_path / "events.csv"
    scanned(source, out, code=3)
    before = out.read_bytes()
    (source / "a.flac").write_bytes(whole[:20_000])
    said = scanned(source, out, code=3)
    assert f"{out} stays as it is: it holds what was heard in {source / 'a.flac'}," in said
    assert [line for line in said.splitlines() if "c.wav" in line]
    assert out.read_bytes() == before
    (source / "a.flac").write_bytes(whole)
    soundfile.write(source / "c.wav", demo[: 3 * RATE_HZ], RATE_HZ)
    scanned(source, out)
    scanned(source, tmp_path / "through.csv")
    assert out.read_bytes() == (tmp_path / "through.csv").read_bytes()


def test_an_output_that_is_there_is_no_output_unless_it_is_forced(
    archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "events.csv"
    scanned(archive / "site 0/3.wav", out)
    before = out.read_bytes()
    assert "is there already" in scanned(archive / "site 0/0.wav", out, code=2)
    assert out.read_bytes() == before
    scanned(archive / "site 0/0.wav", out, "--force")
    assert str(archive / "site 0/0.wav") in out.read_text()


# --- Interrupted --------------------------------------------------------------------------------


def parts(out: Path) -> set[Path]:
    return set(out.with_name(f"{out.name}.parts").glob("[0-9a-f][0-9a-f]/*"))


def wait_for_parts(scan: Running, out: Path, count: int) -> None:
    """Wait until so many recordings are done, and others are being done."""
    in_work = out.with_name(f"{out.name}.parts") / "tmp"
    while len(parts(out)) < count or not list(in_work.glob("*.csv")):
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"it ended with {scan.process.wait(timeout=0.01)}: {scan.stderr.decode()}")


@pytest.fixture
def interrupted(archive: Path, tmp_path: Path) -> Callable[..., Path]:
    """Start a scan; do something to it when so many parts are there; wait for its end.

    The longest recording comes first and takes as long as dozens of the others: there is always
    something left to do.
    """

    def interrupt(
        count: int, act: Callable[[Running], None], code: int, said: str, *options: str
    ) -> Path:
        out = tmp_path / "events.csv"
        with running("scan", str(archive), "-o", str(out), "--workers", "2", *options) as scan:
            wait_for_parts(scan, out, count)
            act(scan)
            assert scan.wait() == code
        assert said in scan.stderr.decode()
        assert not out.exists()
        return out

    return interrupt


def children(process: int) -> list[int]:
    return [
        int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def workers_of(process: int) -> list[int]:
    """They are forked from a process that has their imports."""
    return [worker for child in children(process) for worker in children(child)]


def go_on(archive: Path, out: Path, expected: bytes, *options: str) -> None:
    """The same command again; what is whole is not done twice, and the result is the same."""
    whole = len(parts(out))
    said = scanned(archive, out, "--workers", "2", *options)
    if whole:
        assert f"already done: {whole} of {SHORT_ONES + 1} recordings" in said
    noun = "recording" if whole == SHORT_ONES else "recordings"
    assert f"{SHORT_ONES + 1 - whole} {noun} scanned" in said
    assert out.read_bytes() == expected
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_scan_that_is_killed_goes_on_and_ends_as_one_that_was_not(
    seed: int, archive: Path, expected: bytes, interrupted: Callable[..., Path]
) -> None:
    workers: list[int] = []

    def kill(scan: Running) -> None:
        process = scan.process.pid
        workers.extend(map(os.pidfd_open, children(process) + workers_of(process)))
        scan.process.kill()

    moment = random.Random(seed).randrange(SHORT_ONES)
    out = interrupted(moment, kill, -signal.SIGKILL, "")
    assert len(workers) >= 2
    for worker in workers:  # those that nobody waits for end, too
        assert select.select([worker], [], [], PATIENCE_SECONDS)[0]
        os.close(worker)
    go_on(archive, out, expected)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_a_terminal_that_goes_say_how_to_go_on(
    number: signal.Signals, archive: Path, expected: bytes, interrupted: Callable[..., Path]
) -> None:
    def ask(scan: Running) -> None:
        scan.process.send_signal(number)

    out = interrupted(2, ask, 130, f"of {SHORT_ONES + 1} recordings are done; the same command")
    assert len(parts(out)) >= 2
    go_on(archive, out, expected)


def test_a_scan_goes_on_in_its_own_precision_alone(
    archive: Path, expected: bytes, faster: Precision, interrupted: Callable[..., Path]
) -> None:
    options = ("--precision", faster)
    through = archive.parent / f"{faster}.csv"
    scanned(archive, through, *options, "--workers", "1")
    others = through.read_bytes()
    assert others != expected
    assert 0.8 < len(others.splitlines()) / len(expected.splitlines()) < 1.25
    out = interrupted(2, lambda scan: scan.process.kill(), -signal.SIGKILL, "", *options)
    said = scanned(archive, out, code=2)
    assert re.search(r"holds the results of another scan, which differs in .*precision", said)
    go_on(archive, out, others, *options)


def test_a_precision_that_cannot_run_here_leaves_nothing(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    out = str(tmp_path / "events.csv")
    assert main(["scan", str(archive), "-o", out, "--precision", "bfloat16"]) == 2
    assert "pip install 'livetag[bfloat16]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_killed_breaks_its_recording_alone(
    archive: Path, expected: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "events.csv"
    with running("scan", str(archive), "-o", str(out), "--workers", "1") as scan:
        wait_for_parts(scan, out, 0)
        (worker,) = workers_of(scan.process.pid)
        os.kill(worker, signal.SIGKILL)
        assert scan.wait() == 3
    assert "long.wav: its worker was ended by signal 9: is memory short?" in scan.stderr.decode()
    missing = [row for row in expected.decode().splitlines() if "long.wav" in row]
    found = out.read_text().splitlines()
    assert found == [row for row in expected.decode().splitlines() if row not in missing]
    assert len(found) > SHORT_ONES


def test_a_folder_for_temporary_files_with_a_long_name_is_no_hindrance(
    archive: Path, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    out = tmp_path / "events.csv"
    scanned(archive, out)
    assert out.read_bytes() == expected


# --- Means --------------------------------------------------------------------------------------


def test_a_long_recording_is_read_in_blocks(
    compiled: CompiledModel, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker's process does, done here."""
    sizes = []
    plain = reader._mono

    def noted(block: FloatArray) -> FloatArray:
        sizes.append(block.size)
        return plain(block)

    monkeypatch.setattr(reader, "_mono", noted)
    (recording,) = list_recordings([str(archive / "long.wav")])
    work = RecordingWork(Job("events", "csv", Config(), ""), compiled.path)
    heard: list[tuple[float, float]] = []
    task = Task(recording, tmp_path / "a" / "b.csv", tmp_path)
    done = work(task, lambda *seconds: heard.append(seconds))
    assert isinstance(done, Done)
    assert done.summary.seconds == 960.0
    assert heard[0] == (BATCH_PATCHES * 0.48, 960.0)
    assert heard[-1] == (960.0, 960.0)
    assert max(sizes) == BATCH_PATCHES * 7_680


def test_a_worker_loads_neither_tensorflow_nor_what_else_it_does_not_use(
    compiled: CompiledModel, archive: Path, tmp_path: Path
) -> None:
    program = f"""
import sys
from pathlib import Path
from livetag.scan.job import Job
from livetag.scan.listing import list_recordings
from livetag.scan.worker import RecordingWork, Task
from livetag.schema import Config
folder = Path({str(tmp_path)!r})
(recording,) = list_recordings([{str(archive / "site 0/3.wav")!r}])
work = RecordingWork(Job("events", "csv", Config(), ""), Path({str(compiled.path)!r}))
print(type(work(Task(recording, folder / "result", folder), lambda *_: None)).__name__)
print(*sorted(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    kind, modules = done.stdout.splitlines()
    assert kind == "Done"
    unwanted = {"tensorflow", "keras", "openvino", "sounddevice", "rich", "pyarrow", "distributed"}
    assert unwanted.isdisjoint(modules.split())
