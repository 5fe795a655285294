"""The sinks that a configuration asks for: which are opened, what each is given, what is not."""

import contextlib
import csv
import io
import json
import signal
import sqlite3
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import numpy as np
import pytest
import soundfile

from livetag import cli
from livetag.errors import LivetagError, UsageError
from livetag.events import AudioBlock, EventEnd, EventStart, Item, Scores
from livetag.outputs import Outputs, check_sinks, sink_tables
from livetag.resources import history_path
from livetag.rules import Rules, resolve
from livetag.schema import Config, convert
from livetag.sinks.annotations import AudacitySink, DcaseSink, RavenSink
from livetag.sinks.base import Sink
from livetag.sinks.clips import ClipSink
from livetag.sinks.console import ConsoleSink
from livetag.sinks.csv_log import CsvSink
from livetag.sinks.history_log import HistorySink
from livetag.sinks.jsonl import JsonLinesSink
from livetag.sources.base import Source
from livetag.yamnet.compile import Report
from livetag.yamnet.labels import ClassMap, class_map
from livetag.yamnet.params import Params

RATE_HZ = 16_000
BEGAN = 1_800_000_000.0
KINDS: dict[str, type[Any]] = {
    "csv": CsvSink,
    "jsonl": JsonLinesSink,
    "audacity": AudacitySink,
    "raven": RavenSink,
    "dcase": DcaseSink,
    "history": HistorySink,
    "clips": ClipSink,
}
TEXT_KINDS = ("csv", "jsonl", "audacity", "raven", "dcase")
REPORT = Report("5" * 64, "7" * 64, "a test", True, 3, 0.0, "2", "3")
SOURCE = cast(Source, SimpleNamespace(name="kitchen.wav", rate_hz=RATE_HZ, live=False))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written where the user keeps things."""
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture
def opened() -> Iterator[Callable[..., list[Sink]]]:
    """Open the sinks of a configuration; they are closed when the test ends."""
    everything: list[Sink] = []

    def open_all(
        began: float | None = BEGAN,
        covered: bool = False,
        source: Source = SOURCE,
        **values: Any,
    ) -> list[Sink]:
        config = convert({"alert": ["Dog", "Cat"], **values}, "the test")
        rules = resolve(config, class_map())
        params = Params(patch_hop_seconds=config.patch_hop_seconds)
        sinks = Outputs(config, source, rules, params, REPORT, began, lambda: covered).sinks
        everything.extend(sinks)
        return sinks

    yield open_all
    for sink in everything:
        with contextlib.suppress(OSError):  # those that a test has closed
            sink.close()


def table(kind: str, path: Path, **values: Any) -> dict[str, Any]:
    """A `[[sink]]` whose clips, if it has any, are of the bare event."""
    rolls = {"pre_roll_seconds": 0.0, "post_roll_seconds": 0.0} if kind == "clips" else {}
    return {"kind": kind, "path": str(path), **rolls, **values}


def event(name: str, begin_s: float, alert: bool) -> tuple[EventStart, EventEnd]:
    label = class_map().find(name)
    start = EventStart(label, BEGAN + begin_s, begin_s, 0.9, 0.5, -20.0, alert)
    end_s = begin_s + 0.5
    return start, EventEnd(start, BEGAN + end_s, end_s, 0.95, 0.9, 3, -20.0, alert)


def played(names: Sequence[tuple[str, bool]]) -> list[Item]:
    """A stream of a second for each event, of its class and with or without an alert."""
    items: list[Item] = []
    for number, (name, alert) in enumerate(names):
        samples = np.full(RATE_HZ, 0.1, np.float32)
        items.append(AudioBlock(samples, number * RATE_HZ, wall_time=BEGAN + number))
        scores = np.zeros(521, np.float32)
        items.append(
            Scores(float(number), number + 0.975, scores, np.zeros(1024, np.float32), -20.0, None)
        )
        items += event(name, number + 0.25, alert)
    return items


HEARD = (("Dog", True), ("Dog", False), ("Cat", True), ("Speech", False))


def feed(sink: Sink, items: Sequence[Item]) -> None:
    """Give a sink what it takes, as the fan-out does, and close it."""
    for item in items:
        if isinstance(item, sink.takes):
            sink.write(item)
    sink.close()


def labels_in(kind: str, path: Path) -> list[str]:
    """The labels of the events in what a sink wrote, by their starts."""
    match kind:
        case "history":
            with sqlite3.connect(path) as database:
                rows = database.execute("SELECT label FROM events ORDER BY start").fetchall()
            return [label for (label,) in rows]
        case "clips":
            sidecars = [json.loads(one.read_text("utf-8")) for one in sorted(path.glob("*.json"))]
            assert all((path / one["file"]).is_file() for one in sidecars)
            return [one["label"] for one in sidecars]
        case "jsonl":
            records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            return [one["label"] for one in records if one["type"] == "event_end"]
        case "csv":
            rows_ = csv.DictReader(path.read_text("utf-8").splitlines())
            return [row["label"] for row in rows_]
        case _:
            lines = path.read_text("utf-8").splitlines()[1 if kind == "raven" else 0 :]
            column = {"audacity": 2, "raven": 8, "dcase": 3}[kind]
            return [line.split("\t")[column] for line in lines]


# --- Which sinks there are ----------------------------------------------------------------------


def test_without_any_there_is_standard_output_alone(opened: Callable[..., list[Sink]]) -> None:
    (console,) = opened()
    assert isinstance(console, ConsoleSink)


@pytest.mark.parametrize("kind", KINDS)
def test_the_short_form_opens_a_sink_that_gets_every_event_and_clips_every_alert(
    kind: str, opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    path = tmp_path / "mine"
    _, sink = opened(**{kind: str(path)})
    assert type(sink) is KINDS[kind]
    assert sink.name == str(path)
    feed(sink, played(HEARD))
    everything = [name for name, alert in HEARD if alert or kind != "clips"]
    assert labels_in(kind, path) == everything


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_opens_a_sink_with_a_selection_of_its_own(
    kind: str, opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    selections: list[tuple[dict[str, Any], list[str]]] = [
        ({"alerts_only": False}, ["Dog", "Dog", "Cat", "Speech"]),
        ({"alerts_only": True}, ["Dog", "Cat"]),
        ({"alerts_only": False, "labels": ["Dog"]}, ["Dog", "Dog"]),
        ({"alerts_only": True, "labels": ["dog", "/m/09x0r"]}, ["Dog"]),
        ({"alerts_only": False, "labels": ["pets"]}, ["Dog", "Dog", "Cat"]),
    ]
    paths = [tmp_path / f"{number}" for number in range(len(selections))]
    tables = [
        table(kind, path, **values) for path, (values, _) in zip(paths, selections, strict=True)
    ]
    sinks = opened(groups={"pets": ["Dog", "Cat"]}, sink=tables)[1:]
    assert [type(sink) for sink in sinks] == [KINDS[kind]] * len(selections)
    for sink in sinks:
        feed(sink, played(HEARD))
    for path, (_, expected) in zip(paths, selections, strict=True):
        assert labels_in(kind, path) == expected


def test_every_kind_at_once_in_both_forms(
    opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    short = {kind: str(tmp_path / f"short-{kind}") for kind in KINDS}
    tables = [table(kind, tmp_path / f"table-{kind}", labels=["Cat"]) for kind in KINDS]
    sinks = opened(**short, sink=tables)
    assert len(sinks) == 1 + 2 * len(KINDS)
    assert len({sink.name for sink in sinks}) == len(sinks)
    for sink in sinks[1:]:
        feed(sink, played(HEARD))
    for kind in KINDS:
        assert labels_in(kind, tmp_path / f"table-{kind}") == ["Cat"]
        assert len(labels_in(kind, tmp_path / f"short-{kind}")) == (2 if kind == "clips" else 4)


def test_the_history_is_off_the_users_own_or_at_a_path(
    opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    assert len(opened(history=False)) == 1
    usual = history_path()
    assert tmp_path in usual.parents
    for values in ({"history": True}, {"sink": [{"kind": "history"}]}):
        _, sink = opened(**values)
        assert sink.name == str(usual)
    assert usual.is_file()
    _, other = opened(history=str(tmp_path / "other.sqlite"))
    assert other.name == str(tmp_path / "other.sqlite")


def test_a_history_knows_its_run_and_the_configuration_in_force(
    opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    path = tmp_path / "h.sqlite"
    opened(history=str(path), patch_hop_seconds=0.24, threshold=0.37)
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        (run,) = database.execute("SELECT * FROM runs").fetchall()
    assert (run["source"], run["hop_seconds"]) == ("kitchen.wav", 0.24)
    assert (run["model_sha256"], run["weights_source"]) == ("5" * 64, "a test")
    configuration = convert(json.loads(run["configuration"]), "the history")
    assert (configuration.threshold, configuration.alert) == (0.37, ("Dog", "Cat"))


# --- What a sink is given besides ---------------------------------------------------------------


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_a_pattern_is_of_the_day_on_which_a_recording_began(
    kind: str, opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    opened(**{kind: str(tmp_path / "%Y-%m-%d.log")})
    day = f"{datetime.fromtimestamp(BEGAN):%Y-%m-%d}.log"
    assert [path.name for path in tmp_path.glob("*.log")] == [day]


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_a_table_s_file_is_followed_by_another_when_it_is_full(
    kind: str, opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    _, sink = opened(sink=[table(kind, tmp_path / "log.txt", max_megabytes=0.000_4)])
    feed(sink, played(HEARD * 10))
    names = {path.name for path in tmp_path.glob("log*")}
    assert {"log.txt", "log.2.txt", "log.3.txt"} <= names
    assert all(path.stat().st_size <= 400 or kind == "jsonl" for path in tmp_path.glob("log*"))


def test_clips_have_the_settings_of_their_table(
    opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    values: dict[str, Any] = {"format": "wav", "pre_roll_seconds": 0.25, "max_seconds": 0.375}
    _, sink = opened(sink=[table("clips", tmp_path / "clips") | values])
    feed(sink, played(HEARD))
    clips = sorted((tmp_path / "clips").glob("*.wav"))
    assert len(clips) == 2
    assert [soundfile.info(path).duration for path in clips] == [0.625, 0.625]
    assert soundfile.info(clips[0]).samplerate == RATE_HZ


def test_clips_are_withheld_with_what_is_never_to_be_kept(
    opened: Callable[..., list[Sink]], tmp_path: Path, labels: ClassMap
) -> None:
    """A group's name stands for its members."""
    groups = {"voices": ["Speech", "Singing"]}
    tables = [
        table("clips", tmp_path / "all"),
        table("clips", tmp_path / "some", never_with=["voices"], never_score=0.3),
    ]
    items = played((("Dog", True), ("Cat", True)))
    (window,) = [item for item in items if isinstance(item, Scores) and item.start_s == 1.0]
    window.scores[labels.find("Singing").index] = 0.31
    for sink in opened(patch_hop_seconds=1.0, groups=groups, sink=tables)[1:]:
        feed(sink, items)
    assert labels_in("clips", tmp_path / "all") == ["Dog", "Cat"]
    assert labels_in("clips", tmp_path / "some") == ["Dog"]


def test_a_clip_begins_before_an_event_however_late_it_is_confirmed(
    opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    """The longest confirmation of any rule is looked back for."""
    folder = tmp_path / "clips"
    clips = table("clips", folder) | {"pre_roll_seconds": 3.0}
    rule = {"label": "Dog", "confirm": [2, 20]}
    _, sink = opened(patch_hop_seconds=0.48, confirm=(1, 1), rule=[rule], sink=[clips])
    seconds = 40
    silence = np.zeros(RATE_HZ, np.float32)
    late_by = 19 * 0.48 + 0.975  # from the start of the first window to the end of the last
    start, end = event("Dog", seconds - late_by, alert=True)
    blocks = [AudioBlock(silence, nth * RATE_HZ, wall_time=None) for nth in range(seconds)]
    feed(sink, [*blocks, start, end])
    (sidecar,) = [json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")]
    assert sidecar["pre_roll_seconds"] == pytest.approx(3.0, abs=1e-3)
    assert sidecar["clip_start_s"] == pytest.approx(start.start_s - 3.0, abs=1e-3)


@pytest.mark.parametrize(
    ("values", "name", "held"),
    [
        ({}, "Dog", True),  # which may come to alert while it goes on
        ({}, "Speech", False),
        ({"alerts_only": False}, "Speech", True),
        ({"labels": ["pets", "Speech"]}, "Dog", True),
        ({"labels": ["pets", "Speech"]}, "Speech", False),
        ({"labels": ["Speech"]}, "Dog", False),
        ({"labels": ["Speech"], "alerts_only": False}, "Speech", True),
    ],
)
def test_clips_of_alerts_hold_no_audio_of_what_never_alerts(
    values: dict[str, Any],
    name: str,
    held: bool,
    opened: Callable[..., list[Sink]],
    tmp_path: Path,
) -> None:
    clips = {"kind": "clips", "path": str(tmp_path / "clips"), "max_seconds": 100.0, **values}
    groups = {"pets": ["Dog", "Cat"]}
    _, sink = opened(groups=groups, alert=["pets"], confirm=(1, 1), sink=[clips])
    start, _ = event(name, 1.0, alert=False)
    first = np.zeros(RATE_HZ, np.float32)
    reference = weakref.ref(first)
    for number in range(60):
        sink.write(
            AudioBlock(first if number == 1 else np.zeros(RATE_HZ, np.float32), number * RATE_HZ)
        )
        if number == 1:
            sink.write(start)
            del first
            first = np.zeros(RATE_HZ, np.float32)
    assert (reference() is not None) is held


@pytest.mark.parametrize("live", [False, True])
def test_only_a_microphone_s_clips_push_old_ones_out(
    live: bool, opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "2020-01-01T00-00-00.000_dog.flac").touch()
    source = cast(Source, SimpleNamespace(name="kitchen", rate_hz=RATE_HZ, live=live))
    opened(began=1e9, source=source, clips=str(folder))
    assert len(list(folder.iterdir())) == (0 if live else 1)


@pytest.mark.parametrize("as_json", [False, True])
def test_standard_output_carries_lines_or_objects(
    as_json: bool, opened: Callable[..., list[Sink]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()  # which is no file
    monkeypatch.setattr(sys, "stdout", out)
    (console,) = opened(json=as_json)
    feed(console, played(HEARD))
    lines = out.getvalue().splitlines()
    assert len(lines) == (8 if as_json else 2)
    assert all(line.startswith("{") == as_json for line in lines)


@pytest.mark.parametrize(
    ("covered", "terminal", "held"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_lines_wait_where_the_dashboard_covers_the_terminal_they_would_go_to(
    covered: bool,
    terminal: bool,
    held: bool,
    opened: Callable[..., list[Sink]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdout", out)
    (console,) = opened(covered=covered)
    start, _ = event("Dog", 1.0, alert=True)
    console.write(start)
    assert (out.getvalue() == "") is held
    console.close()
    assert out.getvalue().count("Dog") == 1


# --- What is refused ----------------------------------------------------------------------------


def checked(**values: Any) -> None:
    config = convert(values, "the test")
    check_sinks(config, resolve(config, class_map()))


@pytest.mark.parametrize("look", ["check", "open"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_label_that_is_none_is_named_with_its_sink(
    kind: str, look: str, opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    tables = [
        table("jsonl", tmp_path / "first", labels=["Dog"]),
        table(kind, tmp_path / "second", labels=["Dog", "Dgo"]),
    ]
    with pytest.raises(UsageError, match=r"^sink 2: labels: .*'Dgo'.*did you mean 'Dog'"):
        (checked if look == "check" else opened)(sink=tables)


@pytest.mark.parametrize("look", ["check", "open"])
def test_a_table_keeps_its_number_beside_short_forms(
    look: str, opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    """As every other message about it has it: the first `[[sink]]` of the file is sink 1."""
    values: dict[str, Any] = {
        "csv": str(tmp_path / "a.csv"),
        "history": str(tmp_path / "h.sqlite"),
        "sink": [table("clips", tmp_path / "clips", never_with=["Dgo"])],
    }
    with pytest.raises(UsageError, match=r"^sink 1: never_with: "):
        (checked if look == "check" else opened)(**values)


def test_labels_may_be_those_of_the_configurations_groups(tmp_path: Path) -> None:
    tables = [table("clips", tmp_path / "a", labels=["pets"], never_with=["pets"])]
    checked(groups={"pets": ["Dog", "Cat"]}, sink=tables)
    with pytest.raises(UsageError, match="sink 1: labels"):
        checked(sink=tables)


@pytest.mark.parametrize("kind", TEXT_KINDS)
@pytest.mark.parametrize("form", ["short", "table"])
def test_a_code_that_is_no_date_is_told_before_anything_is_opened(
    kind: str, form: str, tmp_path: Path
) -> None:
    path = tmp_path / "%Y" / "%B.log"
    values = {kind: str(path)} if form == "short" else {"sink": [table(kind, path)]}
    with pytest.raises(UsageError, match="'%B' is no date"):
        checked(**values)
    assert list(tmp_path.iterdir()) == []


def test_a_look_at_sinks_opens_none(tmp_path: Path) -> None:
    tables = [table(kind, tmp_path / f"table-{kind}") for kind in KINDS]
    short = {kind: str(tmp_path / f"short-{kind}") for kind in KINDS}
    checked(**short, sink=tables)
    assert len(sink_tables(convert({**short, "sink": tables}, "the test"))) == 2 * len(KINDS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_where_nothing_can_be_is_an_error_that_names_it(
    kind: str, opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder\n", encoding="utf-8")
    with pytest.raises(LivetagError) as caught:
        opened(**{kind: str(blocked / "inside")})
    assert str(blocked) in str(caught.value)
    assert blocked.read_text(encoding="utf-8") == "not a folder\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_sink_that_cannot_be_opened_leaves_none_open(
    kind: str, opened: Callable[..., list[Sink]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    close = KINDS[kind].close

    def noted_close(sink: Sink) -> None:
        closed.append(sink.name)
        close(sink)

    monkeypatch.setattr(KINDS[kind], "close", noted_close)
    tables = [
        table(kind, tmp_path / "first"),
        table(kind, tmp_path / "second"),
        table("csv", tmp_path / "none" / "third"),
        table(kind, tmp_path / "fourth"),
    ]
    with pytest.raises(LivetagError, match="third"):
        opened(sink=tables)
    assert closed == [str(tmp_path / "second"), str(tmp_path / "first")]
    assert not (tmp_path / "fourth").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_two_sinks_of_one_place_are_refused_before_anything_is_opened(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "a"
    for other in (str(place), "a", "./a", f"{tmp_path}/b/../a"):
        values = {kind: other, "sink": [table("dcase", tmp_path / "b"), table("jsonl", place)]}
        with pytest.raises(UsageError, match=f"^{kind} and sink 2 both write .*: give each its"):
            checked(**values)
    twice = [table(kind, tmp_path / "a"), table(kind, tmp_path / "a")]
    with pytest.raises(UsageError, match=r"^sink 1 and sink 2 both write "):
        checked(sink=twice)
    link = tmp_path / "link"
    link.symlink_to(place)
    with pytest.raises(UsageError, match="both write"):
        checked(sink=[table(kind, place), table(kind, link)])
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_names_that_dates_part_are_places_of_their_own(tmp_path: Path) -> None:
    checked(sink=[table("csv", tmp_path / "%Y.csv"), table("csv", tmp_path / "%m.csv")])
    with pytest.raises(UsageError, match="both write"):
        checked(sink=[table("csv", tmp_path / "%Y.csv"), table("jsonl", tmp_path / "%Y.csv")])


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_something_else_is_refused_and_left_alone(
    kind: str, opened: Callable[..., list[Sink]], tmp_path: Path
) -> None:
    path = tmp_path / "shopping"
    path.write_text("milk,eggs\n" * 20, encoding="utf-8")
    with pytest.raises(UsageError, match="shopping"):
        opened(**{kind: str(path)})
    assert path.read_text(encoding="utf-8") == "milk,eggs\n" * 20


# --- Another configuration ----------------------------------------------------------------------


class InForce:
    """Outputs that another configuration's follow, as after a reload."""

    def __init__(self, **values: Any) -> None:
        config, rules = self._made(values)
        params = Params(patch_hop_seconds=config.patch_hop_seconds)
        self.outputs = Outputs(config, SOURCE, rules, params, REPORT, BEGAN, lambda: False)
        self.closing = list(self.outputs.sinks)

    def change(self, **values: Any) -> tuple[list[Sink], list[Sink]]:
        gone, new, adopt = self.outputs.change(*self._made(values))
        adopt()
        self.closing += new
        return list(gone), list(new)

    @staticmethod
    def _made(values: dict[str, Any]) -> tuple[Config, Rules]:
        config = convert({"alert": ["Dog", "Cat"], **values}, "the test")
        return config, resolve(config, class_map())


@pytest.fixture
def in_force() -> Iterator[Callable[..., InForce]]:
    made: list[InForce] = []

    def make(**values: Any) -> InForce:
        made.append(InForce(**values))
        return made[-1]

    yield make
    for sink in (sink for one in made for sink in one.closing):
        with contextlib.suppress(OSError):
            sink.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_for_as_before_stays_as_it_is(
    kind: str, in_force: Callable[..., InForce], tmp_path: Path
) -> None:
    """Though it stands elsewhere in the configuration, whose other keys change."""
    path = tmp_path / "kept"
    one = in_force(sink=[table("csv", tmp_path / "one"), table(kind, path)])
    console, first, kept = one.outputs.sinks
    gone, (new,) = one.change(threshold=0.5, sink=[table(kind, path), table("csv", tmp_path / "x")])
    assert gone == [first]
    assert one.outputs.sinks == [console, kept, new]
    feed(kept, played(HEARD))
    assert len(labels_in(kind, path)) == (2 if kind == "clips" else 4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_for_no_more_goes_and_what_is_new_comes(
    kind: str, in_force: Callable[..., InForce], tmp_path: Path
) -> None:
    one = in_force(**{kind: str(tmp_path / "old")})
    console, old = one.outputs.sinks
    gone, (new,) = one.change(**{kind: str(tmp_path / "new")})
    assert gone == [old]
    assert type(new) is KINDS[kind]
    assert one.outputs.sinks == [console, new]
    assert one.change() == ([new], [])
    assert one.outputs.sinks == [console]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "dcase", "history", "clips"])
def test_a_sink_with_another_selection_follows_at_the_same_place(
    kind: str, in_force: Callable[..., InForce], tmp_path: Path
) -> None:
    path = tmp_path / "kept"
    one = in_force(sink=[table(kind, path, labels=["Dog"])])
    (_, old) = one.outputs.sinks
    items = played(HEARD)
    gone, (new,) = one.change(sink=[table(kind, path, labels=["Cat"])])
    assert gone == [old]
    feed(old, items)
    feed(new, items)
    assert sorted(set(labels_in(kind, path))) == ["Cat", "Dog"]


def test_clips_follow_rules_that_they_depend_on(
    in_force: Callable[..., InForce], tmp_path: Path
) -> None:
    clips: dict[str, Any] = {"sink": [table("clips", tmp_path / "c", never_with=["voices"])]}
    one = in_force(groups={"voices": ["Speech"]}, **clips)
    same, changed = ({"groups": {"voices": ["Speech", *more]}} for more in ([], ["Singing"]))
    assert one.change(**same, **clips, threshold=0.6, cooldown_seconds=3.0) == ([], [])
    for values in (
        changed,
        {**changed, "alert": ["Dog"]},
        {**changed, "alert": ["Dog"], "confirm": (5, 9)},
    ):
        gone, new = one.change(**values, **clips)
        assert (len(gone), len(new)) == (1, 1)
        gone[0].close()


@pytest.mark.parametrize("kind", ["audacity", "raven"])
def test_a_stream_s_file_goes_on_with_another_selection(
    kind: str, in_force: Callable[..., InForce], tmp_path: Path
) -> None:
    path = tmp_path / "labels"
    one = in_force(sink=[table(kind, path), table("csv", tmp_path / "csv")])
    console, labels, old = one.outputs.sinks
    (_, dog), (_, cat) = event("Dog", 0.0, alert=True), event("Cat", 1.0, alert=True)
    labels.write(dog)
    limits: dict[str, Any] = {"labels": ["Cat"], "max_megabytes": 3e-4}
    gone, (new,) = one.change(sink=[table("csv", tmp_path / "new"), table(kind, path, **limits)])
    assert gone == [old]
    assert one.outputs.sinks == [console, new, labels]
    for end in (dog, cat):
        labels.write(end)
    assert labels_in(kind, path) == ["Dog", "Cat"]
    for _ in range(20):
        labels.write(cat)
    assert (tmp_path / "labels.2").is_file()
    if kind == "raven":
        assert [line.split("\t")[0] for line in path.read_text().splitlines()[1:3]] == ["1", "2"]


def test_what_is_not_adopted_leaves_a_stream_s_file_its_selection(
    in_force: Callable[..., InForce], tmp_path: Path
) -> None:
    path = tmp_path / "labels"
    one = in_force(sink=[table("audacity", path)])
    with pytest.raises(LivetagError, match="cannot be written"):
        one.change(
            sink=[table("audacity", path, labels=["Dog"]), table("csv", tmp_path / "no" / "csv")]
        )
    feed(one.outputs.sinks[1], played(HEARD))
    assert len(labels_in("audacity", path)) == 4


@pytest.mark.parametrize("kind", ["audacity", "raven"])
def test_another_stream_s_file_cannot_be_begun_anew_and_then_all_stays(
    kind: str, in_force: Callable[..., InForce], tmp_path: Path
) -> None:
    path, other = tmp_path / "labels", tmp_path / "other"
    other.write_text("1.0\t2.0\tDog\n")
    one = in_force(sink=[table(kind, path), table("csv", tmp_path / "csv")])
    before = one.outputs.sinks
    before[1].write(event("Dog", 0.0, alert=True)[1])
    with pytest.raises(UsageError, match="is there already"):
        one.change(sink=[table("jsonl", tmp_path / "new"), table(kind, other, labels=["Dog"])])
    assert one.outputs.sinks == before
    feed(before[1], played(HEARD))
    assert len(labels_in(kind, path)) == 5


# --- Before the microphone ----------------------------------------------------------------------


class UnopenedMicrophone:
    """A microphone that must not be listened to."""

    name = "kitchen"
    rate_hz = RATE_HZ
    live = True
    failure = None

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Self:
        pytest.fail("the microphone was opened")

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def signals_as_they_were() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("compiled", "signals_as_they_were")
@pytest.mark.parametrize(
    ("option", "path", "code"),
    [
        *((f"--{kind}", "none/x", 1) for kind in TEXT_KINDS),
        ("--history", "file/x", 1),
        ("--clips", "file/x", 2),
        *((f"--{kind}", "file", 2) for kind in KINDS),
    ],
)
def test_a_sink_that_cannot_be_opened_is_told_before_the_microphone_is(
    option: str,
    path: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("milk,eggs\n" * 20, encoding="utf-8")
    monkeypatch.setattr("livetag.sources.microphone.Microphone", UnopenedMicrophone)
    assert cli.main(["monitor", option, str(tmp_path / path)]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert str(tmp_path / path) in told.err
    assert told.err.count("\n") == 1
