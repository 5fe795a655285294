"""What Audacity, Raven Pro and DCASE's tools read: their columns, and times of one stream."""

import csv
import errno
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from livetag.appendfile import AppendFile
from livetag.errors import LivetagError, UsageError
from livetag.events import EventAlert, EventEnd, EventStart, Gap
from livetag.sinks.annotations import AudacitySink, DcaseSink, RavenSink
from livetag.sinks.base import Selection
from livetag.yamnet.labels import ClassMap, Label

UNIX_TIME = 1_795_365_912.48
DAY_SECONDS = 86_400.0
SINKS: list[Any] = [AudacitySink, RavenSink, DcaseSink]
SEPARATE: list[Any] = [AudacitySink, RavenSink]
"""Those whose files hold one stream's times alone."""


def ended(label: Label | str = "Dog", start_s: float = 12.48, group: str = "") -> EventEnd:
    label = label if isinstance(label, Label) else Label(69, "/m/0bt9lr", label)
    at = UNIX_TIME + start_s
    start = EventStart(label, at, start_s, 0.97, 0.5, -31.0, True, group)
    return EventEnd(start, at + 2.88, start_s + 2.88, 0.99004, 0.95, 6, -28.0, True)


def written(path: Path, kind: Any, *items: Any, source: str = "yard.wav", **options: Any) -> str:
    sink = kind(path, source, **options)
    for item in items:
        sink.write(item)
    sink.close()
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "yard.txt"


def test_audacity_gets_start_end_and_label(path: Path) -> None:
    label = "Baby cry, infant cry"
    text = written(path, AudacitySink, ended(), ended(label, 3_600.0))
    assert text == f"12.480000\t15.360000\tDog\n3600.000000\t3602.880000\t{label}\n"


def test_raven_gets_a_selection_table(path: Path) -> None:
    written(path, RavenSink, ended(), ended("Fire alarm", 20.0))
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert first == {
        "Selection": "1",
        "View": "Spectrogram 1",
        "Channel": "1",
        "Begin Time (s)": "12.480000",
        "End Time (s)": "15.360000",
        "Low Freq (Hz)": "125",
        "High Freq (Hz)": "7500",
        "Begin File": "yard.wav",
        "Label": "Dog",
        "Score": "0.9900",
    }
    assert (second["Selection"], second["Label"]) == ("2", "Fire alarm")


def test_dcase_gets_file_onset_offset_and_label(path: Path) -> None:
    assert written(path, DcaseSink, ended()) == "yard.wav\t12.480\t15.360\tDog\n"


def as_dcase_util_reads(path: Path) -> list[list[str]]:
    """It lets `csv` guess the separator from the first 1,024 characters, and falls back on tab."""
    text = path.read_text(encoding="utf-8")
    try:
        guess = csv.Sniffer().sniff(text[:1_024]).delimiter
    except csv.Error:
        guess = "\t"
    guess = guess if guess in "\t,; " else "\t"
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=guess))


@pytest.mark.parametrize("source", ["yard.wav", "a, b; c.flac", "bob's.wav", "demo", 'a "b".wav'])
def test_dcase_tools_read_back_every_class_name(
    source: str, labels: ClassMap, tmp_path: Path
) -> None:
    for label in labels:
        path = tmp_path / f"{label.index}.txt"
        written(path, DcaseSink, ended(label), ended(label, 20.0), source=source)
        assert as_dcase_util_reads(path) == [
            [source, "12.480", "15.360", label.name],
            [source, "20.000", "22.880", label.name],
        ]
    path = tmp_path / "all.txt"
    written(path, DcaseSink, *map(ended, labels), source=source)
    assert [row[3] for row in as_dcase_util_reads(path)] == [label.name for label in labels]


def test_dcase_tools_take_no_microphone_for_a_list(path: Path) -> None:
    text = written(path, DcaseSink, ended(), source="USB, 2: hw:1.0")
    assert text == '"USB, 2_ hw_1.0"\t12.480\t15.360\tDog\n'


def test_dcase_file_names_stay_as_they_are(path: Path) -> None:
    text = written(path, DcaseSink, ended(), source="take#2:1.wav")
    assert text.startswith("take#2:1.wav\t")


@pytest.mark.parametrize("kind", SINKS)
def test_an_event_of_a_group_has_the_label_that_was_heard(kind: Any, path: Path) -> None:
    assert "Bark" in written(path, kind, ended("Bark", group="pets"))
    assert "pets" not in path.read_text()


@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.parametrize("strange", ["a\tb", "a\nb", "a\r\nb", "a\u2028b", "a\x85b"])
def test_a_strange_name_moves_no_column_and_makes_no_line(
    kind: Any, strange: str, tmp_path: Path
) -> None:
    plain = written(tmp_path / "plain", kind, ended(), source="x")
    text = written(tmp_path / "strange", kind, ended(strange), source=strange)
    assert [len(line.split("\t")) for line in text.splitlines()] == [
        len(line.split("\t")) for line in plain.splitlines()
    ]
    assert "a b" in text


@pytest.mark.parametrize("kind", SINKS)
def test_ends_alone_are_written_and_only_those_selected(kind: Any, path: Path) -> None:
    end = ended("Cat")
    empty = written(path, kind)
    path.unlink()
    unwanted = (
        end.start,
        EventAlert(end.start, end.start.label, UNIX_TIME, 13.0, 0.9),
        Gap(UNIX_TIME, 1.0, 0.2, "overflow"),
        replace(end, alert=False),
        ended(Label(0, "/m/09x0r", "Speech")),
    )
    selection = Selection(alerts_only=True, classes={69})
    assert written(path, kind, *unwanted, selection=selection) == empty
    path.unlink()
    assert "Cat" in written(path, kind, *unwanted, end, selection=selection)


@pytest.mark.parametrize("kind", SEPARATE)
def test_times_of_another_stream_are_never_added(kind: Any, path: Path) -> None:
    text = written(path, kind, ended())
    with pytest.raises(UsageError, match=r"yard\.txt is there already, .* or remove it"):
        kind(path, "yard.wav")
    assert path.read_text() == text


def test_a_dcase_list_is_of_many_streams(path: Path) -> None:
    written(path, DcaseSink, ended())
    written(path, DcaseSink, ended("Baby cry, infant cry"), source="b, c.wav")
    written(path, DcaseSink, ended("Cat"), source="d.wav")
    assert [row[0] for row in as_dcase_util_reads(path)] == ["yard.wav", "b, c.wav", "d.wav"]


@pytest.mark.parametrize("content", ["filename\tonset\toffset\tevent_label\n", "1.0\t2.0\tDog\n"])
def test_a_dcase_list_of_other_columns_is_refused(content: str, path: Path) -> None:
    path.write_text(content)
    with pytest.raises(UsageError, match=r"yard\.txt is not a log of livetag's"):
        DcaseSink(path, "yard.wav")
    assert path.read_text() == content


@pytest.mark.parametrize("kind", SINKS)
def test_a_new_file_each_day_goes_on_counting(kind: Any, tmp_path: Path) -> None:
    days = [ended("Dog", start_s) for start_s in (1.0, 2.0, 1.0 + 3 * DAY_SECONDS)]
    written(tmp_path / "%j.txt", kind, *days, opened_at=UNIX_TIME)
    first, second = sorted(tmp_path.iterdir())
    assert first.read_text().count("Dog") == 2
    assert second.read_text().count("Dog") == 1
    if kind is RavenSink:
        headers = [file.read_text().splitlines()[0] for file in (first, second)]
        assert headers[0] == headers[1]
        assert second.read_text().splitlines()[1].startswith("3\t")


@pytest.mark.parametrize("kind", SINKS)
def test_the_first_file_is_of_the_time_at_which_it_opens(kind: Any, tmp_path: Path) -> None:
    kind(tmp_path / "%Y", "yard.wav", opened_at=1e9).close()
    assert [path.name for path in tmp_path.iterdir()] == ["2001"]


@pytest.mark.parametrize("kind", SEPARATE)
def test_an_event_that_began_before_midnight_is_in_the_file_of_a_run_that_began_after_it(
    kind: Any, tmp_path: Path
) -> None:
    midnight = datetime(2026, 11, 22).timestamp()
    end = ended()
    start = replace(end.start, time=midnight - 2.0)
    late = replace(end, start=start, end_time=midnight + 1.0)
    (tmp_path / "21.txt").write_text("another run's\n")
    written(tmp_path / "%d.txt", kind, late, opened_at=midnight + 0.5)
    assert "Dog" in (tmp_path / "22.txt").read_text()
    assert (tmp_path / "21.txt").read_text() == "another run's\n"


@pytest.mark.parametrize("kind", SINKS)
def test_a_file_that_grew_too_large_is_followed_by_another(kind: Any, path: Path) -> None:
    written(path, kind, *[ended()] * 40, max_megabytes=0.0005)
    files = list(path.parent.iterdir())
    assert max(file.stat().st_size for file in files) <= 500
    assert sum(file.read_text().count("Dog") for file in files) == 40


@pytest.mark.parametrize("kind", SINKS)
def test_a_file_that_cannot_be_opened_is_an_error_with_the_reason(
    kind: Any, tmp_path: Path
) -> None:
    with pytest.raises(LivetagError, match=r"yard\.txt cannot be written: No such file"):
        kind(tmp_path / "no folder" / "yard.txt", "yard.wav")


@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_a_full_disk_fails_the_write(kind: Any, path: Path) -> None:
    path.symlink_to("/dev/full")
    with pytest.raises((OSError, LivetagError), match="No space left"):
        written(path, kind, ended())


@pytest.mark.parametrize("kind", SINKS)
def test_what_could_not_be_written_is_written_once_when_it_can_be(
    kind: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no selection's number is left out."""
    text = written(path, kind, ended("Dog"), ended("Cat"))
    path.unlink()
    sink = kind(path, "yard.wav")
    sink.write(ended("Dog"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(AppendFile, "append", full)
        for attempt in (lambda: sink.write(ended("Cat")), sink.retry, sink.retry):
            with pytest.raises(OSError, match="No space left"):
                attempt()
    sink.retry()
    sink.retry()
    sink.close()
    assert path.read_text() == text


@pytest.mark.parametrize("kind", SINKS)
def test_a_file_that_was_moved_away_is_opened_again_without_a_record(kind: Any, path: Path) -> None:
    empty = written(path, kind)
    path.unlink()
    sink = kind(path, "yard.wav")
    sink.write(ended())
    for again in (sink.reopen, sink.retry):
        path.rename(path.with_suffix(".1"))
        again()
        assert path.read_text() == empty
    sink.close()


@pytest.mark.parametrize("kind", SINKS)
def test_what_is_not_written_is_no_loss(kind: Any, path: Path) -> None:
    sink = kind(path, "yard.wav", Selection(alerts_only=True))
    end = ended()
    items = (end, replace(end, alert=False), end.start, Gap(UNIX_TIME, 1.0, 0.2, "overflow"))
    assert [sink.writes(item) for item in items] == [True, False, False, False]
    sink.close()
