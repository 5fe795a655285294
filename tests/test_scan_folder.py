"""Where results go: whose the folder is, what is done already, and what becomes of parts."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import killed_after

from livetag.errors import InputError, LivetagError, UsageError
from livetag.scan.folder import FileOutput, FolderOutput, Output
from livetag.scan.job import Job
from livetag.scan.listing import Recording
from livetag.scan.output import form_of, output_at
from livetag.scan.worker import put
from livetag.schema import Config

JOB = Job("events", "csv", Config(), "model")
OTHER = Job("events", "csv", Config(threshold=0.5), "other")
FORCED = Job("events", "csv", Config(threshold=0.5), "other", replace=True)
ONE, TWO = Recording("x/1.wav", "x/1.wav", "1.wav", 10, 1), Recording("2.wav", "2.wav", "2.wav")
DAMAGED_NOTES = (b"", b"{", b"\xff", b"[]", b'{"recordings": null}', b'{"recordings": [1]}')
TWO_IS_UNREAD = {TWO.name: "2.wav cannot be read: it is text"}
HEADER = "file,start_s,end_s\n"
Make = Callable[[Path, Job], Output]


def finish_one(output: Output, recording: Recording) -> None:
    assert output.temporary is not None
    written = output.temporary / "written"
    written.write_text(f"{HEADER}{recording.name},0,1\n")
    put(written, output.result(recording))
    mark = output.mark(recording)
    if mark is not None:
        written.touch()
        put(written, mark)


def as_file(path: Path, job: Job) -> Output:
    return FileOutput(path / "out.csv", job)


def as_folder(path: Path, job: Job) -> Output:
    return FolderOutput(path / "out", job)


@pytest.mark.parametrize("make", [as_file, as_folder])
def test_what_is_done_is_known_by_recording_and_job(make: Make, tmp_path: Path) -> None:
    output = make(tmp_path, JOB)
    with output.open() as begun:
        assert not begun
        assert not output.has(ONE)
        finish_one(output, ONE)
    with output.open() as begun:
        assert begun
        assert output.has(ONE)
        assert not output.has(TWO)
        assert not output.has(Recording("x/1.wav", "x/1.wav", "1.wav", 11, 1))
        Path(output.result(ONE)).write_text("")  # as a power failure may leave it
        assert not output.has(ONE)


@pytest.mark.parametrize("make", [as_file, as_folder])
def test_another_jobs_results_are_refused_unless_they_are_to_be_replaced(
    make: Make, tmp_path: Path
) -> None:
    output = make(tmp_path, JOB)
    with output.open():
        finish_one(output, ONE)
    expected = r"out\S* holds the .* differs in model, threshold\. Go on .*--force"
    with pytest.raises(UsageError, match=expected), make(tmp_path, OTHER).open():
        pytest.fail("it was opened")
    with make(tmp_path, FORCED).open() as begun:
        assert not begun
        assert not output.has(ONE)


@pytest.mark.parametrize("make", [as_file, as_folder])
def test_what_is_half_written_goes_and_what_is_whole_stays(make: Make, tmp_path: Path) -> None:
    output = make(tmp_path, JOB)
    with output.open():
        finish_one(output, ONE)
        (tmp_path.joinpath(output.temporary or "") / "half").touch()
    with output.open():
        assert not any(path.name == "half" for path in tmp_path.rglob("*"))
        assert output.has(ONE)


@pytest.mark.parametrize("make", [as_file, as_folder])
def test_a_folder_that_two_want_is_an_error_for_the_second(make: Make, tmp_path: Path) -> None:
    output = make(tmp_path, JOB)
    with (
        output.open(),
        pytest.raises(UsageError, match="another livetag writes to"),
        make(tmp_path, JOB).open(),
    ):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Job("windows", "parquet", Config(), "model", 0.1), "product: events, now windows"),
        (Job("events", "jsonl", Config(threshold=0.5), "model"), "form, threshold"),
        (Job("events", "csv", Config(), "model", annotations=("raven",)), "raven beside"),
    ],
)
def test_what_differs_is_named_and_not_what_follows_from_it(
    other: Job, told: str, tmp_path: Path
) -> None:
    with as_folder(tmp_path, JOB).open():
        pass
    with pytest.raises(UsageError, match=rf" differs in {told}\. Go on"):
        as_folder(tmp_path, other).open().__enter__()
    (tmp_path / "out/.livetag-scan/job.json").write_text("{")
    with pytest.raises(UsageError, match=r"differs in livetag, model, .*product, form"):
        as_folder(tmp_path, JOB).open().__enter__()


def test_a_folder_that_is_no_scans_is_left_alone(tmp_path: Path) -> None:
    output = FileOutput(tmp_path / "out.csv", FORCED)
    (output.state / "photos").mkdir(parents=True)
    with (
        pytest.raises(UsageError, match="is no scan's: move it away"),
        output.open(),
    ):
        pytest.fail("it was opened")
    assert (output.state / "photos").is_dir()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    output = FolderOutput(tmp_path / "file" / "out", JOB)
    with pytest.raises(LivetagError, match=r"cannot be written: Not a directory"):
        output.open().__enter__()


def test_parts_are_merged_in_order_and_go(tmp_path: Path) -> None:
    output = FileOutput(tmp_path / "out.csv", JOB)
    with output.open():
        finish_one(output, ONE)
        finish_one(output, TWO)
        output.finish([TWO, ONE], unread={})
    header, *rows = (tmp_path / "out.csv").read_text().splitlines()
    assert header.startswith("file,start_s,end_s,index")
    assert rows == ["2.wav,0,1", "x/1.wav,0,1"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("removed", range(4))
def test_a_scan_that_is_killed_while_parts_go_is_one_that_goes_on(
    removed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = FileOutput(tmp_path / "out.csv", JOB)
    with output.open():
        finish_one(output, ONE)
        finish_one(output, TWO)
        monkeypatch.setattr(shutil, "rmtree", killed_after(removed, shutil.rmtree))
        with pytest.raises(KeyboardInterrupt):
            output.finish([ONE, TWO], unread={})
        monkeypatch.undo()
    again = FileOutput(tmp_path / "out.csv", JOB)
    with pytest.raises(UsageError, match=r"out\.csv (holds what is heard in 2|is there already)"):
        again.check([ONE])
    if removed == 3:  # nothing was left to do
        return
    again.check([ONE, TWO])
    with again.open() as begun:
        assert begun
        for one in (ONE, TWO):
            if not again.has(one):
                finish_one(again, one)
        again.finish([ONE, TWO], unread={})
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert (tmp_path / "out.csv").read_text().endswith("x/1.wav,0,1\n2.wav,0,1\n")


def test_parts_stay_as_long_as_a_recording_cannot_be_read(tmp_path: Path) -> None:
    output = FileOutput(tmp_path / "out.csv", JOB)
    output.check([ONE, TWO])
    with output.open():
        finish_one(output, ONE)
        output.finish([ONE], unread=TWO_IS_UNREAD)
    assert (tmp_path / "out.csv").read_text().endswith("\nx/1.wav,0,1\n")
    again = FileOutput(tmp_path / "out.csv", JOB)
    again.check([TWO, ONE])
    with again.open() as begun:
        assert begun
        assert [again.has(one) for one in (ONE, TWO)] == [True, False]
        finish_one(again, TWO)
        again.finish([TWO, ONE], unread={})
    assert (tmp_path / "out.csv").read_text().endswith("\n2.wav,0,1\nx/1.wav,0,1\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_file_with_some_recordings_is_not_replaced_by_one_without_them(tmp_path: Path) -> None:
    """As where the share is away again, or where other recordings are named."""
    output = FileOutput(tmp_path / "out.csv", JOB)
    with output.open():
        finish_one(output, ONE)
        finish_one(output, TWO)
        output.finish([ONE, TWO], unread={"3.wav": "lost"})
    away = [Recording(one.name, one.path, one.place, unusable="lost") for one in (ONE, TWO)]
    for now, said in (
        (away, r"out\.csv holds what is heard in x/1\.wav \(and 1 other\), .* not named now"),
        ([ONE], r"out\.csv holds what is heard in 2\.wav, which .* let --force .* replace it"),
    ):
        with pytest.raises(UsageError, match=said):
            FileOutput(tmp_path / "out.csv", JOB).check(now)
    larger = Recording(ONE.name, ONE.path, ONE.place, ONE.size + 1, ONE.modified_ns + 1)
    FileOutput(tmp_path / "out.csv", JOB).check([larger, TWO])
    forced = FileOutput(tmp_path / "out.csv", FORCED)
    forced.check([ONE])
    with forced.open():
        pass  # it ends before it has merged anything
    with pytest.raises(UsageError, match=r"out\.csv is there already: --force .* replaces it"):
        FileOutput(tmp_path / "out.csv", JOB).check([ONE, TWO])


@pytest.mark.parametrize("note", DAMAGED_NOTES)
def test_a_file_whose_note_is_damaged_is_not_replaced(note: bytes, tmp_path: Path) -> None:
    output = FileOutput(tmp_path / "out.csv", JOB)
    with output.open():
        finish_one(output, ONE)
        output.finish([ONE], unread=TWO_IS_UNREAD)
    (output.state / "merged.json").write_bytes(note)
    with pytest.raises(
        UsageError, match=r"out\.csv is .* is damaged: .* let --force .* replace it"
    ):
        FileOutput(tmp_path / "out.csv", JOB).check([ONE])
    forced = FileOutput(tmp_path / "out.csv", replace(JOB, replace=True))
    forced.check([ONE])
    with forced.open() as begun:
        assert begun
        forced.finish([ONE], unread={})
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_what_a_file_holds_is_on_the_disk_before_the_file_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    output = FileOutput(out, JOB)
    synced: list[tuple[str, bool]] = []

    def sync_file(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, size > 0))

    with output.open():
        finish_one(output, ONE)
        monkeypatch.setattr("livetag.scan.folder.sync_file", sync_file)
        monkeypatch.setattr(
            "livetag.scan.folder.sync_folder",
            lambda folder: synced.append((folder.name, out.exists())),
        )
        output.finish([ONE], unread=TWO_IS_UNREAD)
    assert synced == [
        ("merged.csv", True),
        ("merged.json", True),
        ("out.csv.parts", False),
        (tmp_path.name, True),
    ]


def test_a_file_keeps_what_it_holds_of_a_recording_that_is_another_file_now_and_broken(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.csv"
    output = FileOutput(out, JOB)
    with output.open():
        finish_one(output, ONE)
        output.finish([ONE], unread=TWO_IS_UNREAD)
    before = out.read_bytes()
    again = FileOutput(out, JOB)
    cut = Recording(ONE.name, ONE.path, ONE.place, ONE.size - 1, ONE.modified_ns + 1)
    again.check([cut, TWO])
    with again.open():
        assert not again.has(cut)
        finish_one(again, TWO)
        with pytest.raises(
            InputError, match=r"(?s)out\.csv stays as it is: .*1\.wav,.*\nit is cut"
        ):
            again.finish([TWO], unread={cut.name: "it is cut"})
    assert out.read_bytes() == before
    repaired = FileOutput(out, JOB)
    repaired.check([cut, TWO])
    with repaired.open():
        assert repaired.has(TWO)
        finish_one(repaired, cut)
        repaired.finish([cut, TWO], unread={})
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert out.read_text().endswith("\nx/1.wav,0,1\n2.wav,0,1\n")
    forced = FileOutput(out, replace(JOB, replace=True))
    with forced.open():
        finish_one(forced, TWO)
        forced.finish([TWO], unread={ONE.name: "it is cut"})
        forced.finish([], unread={ONE.name: "it is cut", **TWO_IS_UNREAD})
    assert len(out.read_text().splitlines()) == 1


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    output = FileOutput(tmp_path / "out.csv", JOB)
    output.check([ONE])
    with output.open():
        finish_one(output, ONE)
        (tmp_path / "out.csv").write_text("mine")
        with pytest.raises(UsageError, match="is there already"):
            output.finish([ONE], unread={})
        assert output.has(ONE)
    assert (tmp_path / "out.csv").read_text() == "mine"


def test_a_result_that_is_there_is_replaced_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "out.csv").touch()
    with pytest.raises(UsageError, match=r"out\.csv is there already: --force .* replaces it"):
        FileOutput(tmp_path / "out.csv", JOB).check([ONE])
    FileOutput(tmp_path / "out.csv", FORCED).check([ONE])
    (tmp_path / "1.wav.csv").touch()
    with pytest.raises(UsageError, match=r"1\.wav\.csv is there already"):
        FolderOutput(tmp_path, JOB).check([ONE])


def test_an_output_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    for output, reason in (
        (FileOutput(tmp_path / "folder.csv", JOB), "is a folder"),
        (FileOutput(tmp_path / "lost" / "out.csv", JOB), "lost is no folder: make it first"),
        (FolderOutput(tmp_path / "file", JOB), r"is a file, and its ending none of \.csv"),
    ):
        with pytest.raises(UsageError, match=reason):
            output.check([ONE])


@pytest.mark.parametrize("name", ["out.json", "out.csv.gz", "OUT.TXT", "out.wav"])
def test_a_name_with_another_ending_is_a_folder_s_only_where_that_is_meant(
    name: str, tmp_path: Path
) -> None:
    named = str(tmp_path / name)
    told = rf"{name}: a file of results is a \.csv, .* a slash at the end \(.*{name}/\) makes a"
    for address in (named, f"s3://bucket/{name}"):
        with pytest.raises(UsageError, match=told):
            form_of(address, "events", "csv")
        assert form_of(f"{address}/", "embeddings") == "npz"
    assert isinstance(output_at(f"{named}/", JOB), FolderOutput)
    Path(named).mkdir()
    assert form_of(named, "windows", "jsonl") == "jsonl"


@pytest.mark.parametrize("name", ["out", "out/", "results.2026", ".results", "..", "out.csv/"])
def test_other_names_are_folders(name: str, tmp_path: Path) -> None:
    named = f"{tmp_path}/{name}"
    assert form_of(named, "events") == "csv"
    assert isinstance(output_at(named, JOB), FolderOutput)
    assert isinstance(output_at(f"{tmp_path}/Out.CSV", JOB), FileOutput)
