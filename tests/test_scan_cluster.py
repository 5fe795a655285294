"""A scan on a Dask cluster, and results at fsspec addresses: as on this machine alone.

The cluster is a real one: a scheduler and two workers, each a process of its own.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import fsspec
import numpy as np
import pytest
import soundfile
from conftest import killed_after
from running import PATIENCE_SECONDS, run, running

from livetag.errors import InputError, UsageError
from livetag.scan import remote
from livetag.scan.cluster import _bundled
from livetag.scan.job import Job
from livetag.scan.listing import Recording, list_recordings
from livetag.scan.remote_output import RemoteOutput
from livetag.scan.worker import Task, put
from livetag.schema import Config
from livetag.sources.demo import demo_chunks

RATE_HZ = 16_000
JOB = Job("events", "csv", Config(), "model")
FORCED = Job("events", "csv", Config(threshold=0.5), "model", replace=True)


class Dask(NamedTuple):
    """A scheduler's address, and its workers' processes."""

    scheduler: str
    workers: list["subprocess.Popen[str]"]


@contextlib.contextmanager
def started(
    *command: str, said: str, cwd: Path | None = None
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process, and what of a line it has said matches a pattern."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stderr=subprocess.PIPE, stdout=None, text=True, cwd=cwd
    )
    assert process.stderr is not None
    try:
        found = next(filter(None, (re.search(said, line) for line in process.stderr)))
        yield process, found[1]
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    options = ("--no-dashboard", "--host", "127.0.0.1", "--port", "0")
    with contextlib.ExitStack() as stack:
        _, address = stack.enter_context(
            started("distributed.cli.dask_scheduler", *options, said=r"Scheduler at:\s+(tcp\S+)")
        )
        worker = ("distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1")
        places = ("--no-dashboard", "--local-directory", str(tmp_path / "dask"))
        workers = [
            stack.enter_context(started(*worker, *places, said=r"(Registered) to:", cwd=tmp_path))[
                0
            ]
            for _ in range(2)
        ]
        yield Dask(address, workers)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long recording, eight short ones, and one that is none."""
    folder = tmp_path_factory.mktemp("archive")
    demo = np.concatenate(list(islice(demo_chunks(), 20 * 48)))[: 48 * RATE_HZ]
    soundfile.write(folder / "long.wav", np.tile(demo, 10), RATE_HZ)
    for at in range(8):
        soundfile.write(folder / f"{at}.flac", demo[at * 3 * RATE_HZ :][: 9 * RATE_HZ], RATE_HZ)
    (folder / "none.wav").write_text("no audio")
    return folder


@pytest.mark.usefixtures("compiled")
def test_a_cluster_that_loses_a_worker_gives_what_this_machine_gives(
    dask: Dask, archive: Path, tmp_path: Path
) -> None:
    addresses = f"file://{archive}/*.*"
    local, out = tmp_path / "local.csv", tmp_path / "out.csv"
    here = run("scan", addresses, "-o", str(local))
    assert here.returncode == 3
    command = ["scan", addresses, "-o", f"file://{out}", "--engine", "dask"]
    with running(*command, "--scheduler", dask.scheduler) as scan:
        parts = out.with_name("out.csv.parts")
        while len(list(parts.glob("??/*.csv"))) < 2:
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.fail(f"it ended: {scan.process.wait(0.01)}, {scan.stderr.decode()}")
        at_long = max(dask.workers, key=lambda worker: cpu_seconds(worker.pid))
        at_long.send_signal(signal.SIGKILL)
        assert len(list(parts.glob("??/*.csv"))) < 9  # it was half-way
        assert scan.wait() == 3
    said = scan.stderr.decode()
    assert "9 recordings scanned" in said
    assert "Warning" not in said
    assert re.search(r"1 recording could not be scanned:\n.*none\.wav is no audio", said)
    assert out.read_bytes() == local.read_bytes()
    assert len(local.read_text().splitlines()) > 30
    assert parts.exists()  # until all can be read


@pytest.mark.usefixtures("compiled")
def test_a_worker_without_openvino_is_told_of(archive: Path, dask: Dask, tmp_path: Path) -> None:
    """The workers' current folder has an `openvino` that cannot be imported."""
    (tmp_path / "openvino.py").write_text("raise ImportError")
    out = tmp_path / "out.csv"
    command = ["scan", f"{archive}/0.flac", "-o", str(out), "--precision", "bfloat16"]
    done = run(*command, "--engine", "dask", "--scheduler", dask.scheduler)
    assert done.returncode == 2
    told = (
        b"livetag: on a Dask worker: bfloat16 needs OpenVINO, which is not installed: pip install"
    )
    assert told in done.stderr
    assert not out.exists()


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_short_recordings_are_bundled() -> None:
    sizes = [20 << 20, 5 << 20, 4 << 20, *[1_000] * 150]
    tasks = [Task(Recording(f"{at}", "", "", size), "", None) for at, size in enumerate(sizes)]
    bundles = list(_bundled(tasks))
    assert [len(bundle) for bundle in bundles] == [1, 2, 100, 50]
    assert [task for bundle in bundles for task in bundle] == tasks


def test_an_engine_that_cannot_be_is_wrong_use(tmp_path: Path) -> None:
    out = str(tmp_path / "out.csv")
    for options in (["--engine", "dask"], ["--scheduler", "tcp://127.0.0.1:1"]):
        done = run("scan", str(tmp_path), "-o", out, *options)
        assert done.returncode == 2
        assert b"--engine dask needs --scheduler ADDRESS" in done.stderr


@pytest.mark.usefixtures("compiled")
def test_paths_that_workers_elsewhere_would_not_find_are_wrong_use(archive: Path) -> None:
    dask = ["--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"]
    for path, out in (("0.flac", "/tmp/out.csv"), (f"{archive}/0.flac", "out.csv")):
        done = run("scan", path, "-o", out, *dask, cwd=archive)
        assert done.returncode == 2
        assert b"name recordings and output by absolute paths, or by addresses" in done.stderr


# --- Addresses ----------------------------------------------------------------------------------


@pytest.fixture
def bucket() -> str:
    """Files in memory, as fsspec has them; and nothing from other tests."""
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for name in ("a/2.flac", "a/1.wav", "a/b/3.ogg", "a/notes.txt"):
        memory.pipe_file(f"/bucket/{name}", name.encode())
    return "memory://bucket"


def test_addresses_name_files_folders_and_patterns(bucket: str, tmp_path: Path) -> None:
    def names(*paths: str, lists: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        return [(one.name, one.place) for one in list_recordings(paths, lists)]

    root = "memory:///bucket/a"
    assert names(f"{bucket}/a") == [
        (f"{root}/1.wav", "1.wav"),
        (f"{root}/2.flac", "2.flac"),
        (f"{root}/b/3.ogg", "b/3.ogg"),
    ]
    assert names(f"{bucket}/a/*.flac") == [(f"{root}/2.flac", "2.flac")]
    (tmp_path / "list").write_text(f"{root}/notes.txt\n")
    assert names(lists=(str(tmp_path / "list"),)) == [(f"{root}/notes.txt", "notes.txt")]
    with pytest.raises(InputError, match=r"cannot be listed"):
        names(f"{bucket}/lost.wav")


def test_what_is_at_an_address_is_copied_and_the_copy_goes(bucket: str) -> None:
    with remote.local_copy(f"{bucket}/a/1.wav") as path:
        assert path.name == "1.wav"
        assert path.read_bytes() == b"a/1.wav"
    assert not path.exists()
    with (
        pytest.raises(InputError, match=r"lost\.wav cannot be read"),
        remote.local_copy(f"{bucket}/lost.wav"),
    ):
        pytest.fail("it was copied")
    with pytest.raises(UsageError, match="cannot be read: Protocol not known"):
        remote.filesystem("nowhere://a")


def test_addresses_without_fsspec_are_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"pip install 'livetag\[cluster\]'"):
        remote.filesystem("s3://bucket/a.wav")


@pytest.mark.parametrize("name", ["out.csv", "results"])
def test_a_remote_output_knows_what_it_has(name: str, bucket: str, tmp_path: Path) -> None:
    address = f"{bucket}/{name}"
    recordings = list_recordings([f"{bucket}/a"])
    first, second, _ = recordings
    output = RemoteOutput(address, JOB)
    output.check(recordings)
    with output.open() as begun:
        assert not begun
        for one in (first, second):
            (tmp_path / "written").write_text(f"header\n{one.place}\n")
            put(tmp_path / "written", output.result(one))
            mark = output.mark(one)
            if mark is not None:
                (tmp_path / "written").touch()
                put(tmp_path / "written", mark)
    other = RemoteOutput(address, Job("events", "csv", Config(threshold=0.5), "model"))
    with pytest.raises(UsageError, match="differs in threshold"), other.open():
        pytest.fail("it was opened")
    again = RemoteOutput(address, JOB)
    again.check(recordings)
    with again.open() as begun:
        assert begun
        assert [again.has(one) for one in recordings] == [True, True, False]
        again.finish([second, first], unread={"3.ogg": "it is lost"})
    again = RemoteOutput(address, JOB)
    if name == "out.csv":
        with pytest.raises(UsageError, match=r"holds what is heard in memory://\S*2\.flac, which"):
            again.check(recordings[:1])
    again.check(recordings)
    with again.open() as begun:
        assert begun
        assert [again.has(one) for one in recordings] == [True, True, False]
        again.finish([second, first], unread={})
    memory = fsspec.filesystem("memory")
    if name == "out.csv":
        header, *rows = memory.cat_file(f"/bucket/{name}").decode().splitlines()
        assert header.startswith("file,start_s")
        assert rows == ["2.flac", "1.wav"]
        assert not memory.exists(f"/bucket/{name}.parts")
        with pytest.raises(UsageError, match=r"out\.csv is there already"):
            RemoteOutput(address, JOB).check(recordings)
    else:
        assert memory.cat_file(f"/bucket/{name}/1.wav.csv") == b"header\n1.wav\n"
        with RemoteOutput(address, FORCED).open() as begun:
            assert not begun


def merged_at(
    address: str, recordings: list[Recording], folder: Path, unread: dict[str, str]
) -> None:
    """Have an output file of the results of recordings."""
    output = RemoteOutput(address, JOB)
    output.check(recordings)
    with output.open():
        for one in recordings:
            (folder / "written").write_text(f"header\n{one.place}\n")
            put(folder / "written", output.result(one))
        output.finish(recordings, unread)


@pytest.mark.parametrize("removed", range(4))
def test_a_scan_that_is_killed_while_parts_go_loses_nothing_at_an_address(
    removed: int, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = list_recordings([f"{bucket}/a"])[:2]
    memory = fsspec.filesystem("memory")
    with monkeypatch.context() as patch:
        patch.setattr(memory, "mv", memory.cp_file)  # as that removes, too
        patch.setattr(memory, "rm_file", killed_after(removed, memory.rm_file))
        with pytest.raises(KeyboardInterrupt):
            merged_at(f"{bucket}/out.csv", recordings, tmp_path, unread={})
    again = RemoteOutput(f"{bucket}/out.csv", JOB)
    with pytest.raises(UsageError, match=r"out\.csv (holds what is heard in|is there already)"):
        again.check(recordings[:1])
    if removed < 3:
        again.check(recordings)


@pytest.mark.parametrize(
    "note", [b"", b"{", b"\xff", b"[]", b'{"recordings": null}', b'{"recordings": [1]}']
)
def test_a_damaged_note_at_an_address_is_an_error_that_says_what_to_do(
    note: bytes, bucket: str, tmp_path: Path
) -> None:
    recordings = list_recordings([f"{bucket}/a"])
    merged_at(f"{bucket}/out.csv", recordings, tmp_path, unread={"4.wav": "it is lost"})
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/bucket/out.csv.parts/merged.json", note)
    again = RemoteOutput(f"{bucket}/out.csv", JOB)
    with pytest.raises(
        UsageError, match=r"out\.csv is .* is damaged: .* let --force .* replace it"
    ):
        again.check(recordings)
    memory.pipe_file("/bucket/out.csv.parts/job.json", note)
    with pytest.raises(UsageError, match=r"differs in .* or let --force"), again.open():
        pytest.fail("it was opened")


def test_a_file_at_an_address_keeps_what_it_holds_of_a_recording_that_is_broken_now(
    bucket: str, tmp_path: Path
) -> None:
    recordings = list_recordings([f"{bucket}/a"])[:2]
    merged_at(f"{bucket}/out.csv", recordings, tmp_path, unread={"4.wav": "it is lost"})
    memory = fsspec.filesystem("memory")
    before = memory.cat_file("/bucket/out.csv")
    again = RemoteOutput(f"{bucket}/out.csv", JOB)
    again.check(recordings)
    with again.open(), pytest.raises(InputError, match=r"(?s)out\.csv stays as it .*\nit is cut"):
        again.finish(recordings[:1], unread={recordings[1].name: "it is cut"})
    assert memory.cat_file("/bucket/out.csv") == before
    assert memory.exists("/bucket/out.csv.parts/merged.json")
