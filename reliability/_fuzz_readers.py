"""What the fuzzer feeds: each reader of files, streams and settings, and how to break its food.

A reader takes bytes and a folder of its own. It may succeed, or raise a `LivetagError` of the kinds
that are documented for it; anything else is a finding.
"""

import contextlib
import io
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import _fuzz_checkpoint
import _fuzz_seeds as seeds
import numpy as np
from _fuzz_bytes import damaged, edited, edits, ogg_repaired
from hypothesis import strategies as st

from livetag.audio.pipe import PipeReader
from livetag.audio.reader import AudioReader, open_stdin
from livetag.config import load, variable
from livetag.errors import InputError, LivetagError, ModelError, UsageError
from livetag.evaluation.categories import read_map
from livetag.evaluation.event_lists import read_lists
from livetag.evaluation.labelled import read_labelled
from livetag.history import HistoryWriter, Run
from livetag.history_file import explain
from livetag.history_query import History, Query
from livetag.outputs import check_sinks
from livetag.rules import resolve
from livetag.scan.listing import list_recordings
from livetag.schema import KEYS
from livetag.yamnet.arrays import read_arrays
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import cached_model, compiled_path, find_model
from livetag.yamnet.labels import class_map, read_class_map
from livetag.yamnet.params import Params
from livetag.yamnet.weights import Weights

Cases = st.SearchStrategy[bytes]
_GIB = 1 << 30
_GUARD = "the compiling process"


@dataclass(frozen=True)
class Reader:
    """`share`: of all runs. `memory_bytes`: of address space, beyond which it fails.

    `guard`: in livetag, the process in which this is read, whose crash or hang is told as an error.
    """

    cases: Callable[[], Cases]
    read: Callable[[bytes, Path], None]
    kinds: tuple[type[LivetagError], ...]
    share: float = 1.0
    memory_bytes: int = 3 * _GIB
    guard: str = ""
    usual: bool = True


# --- Audio


def _hear(reader: AudioReader | PipeReader) -> None:
    frames = max(1, reader.rate_hz // 10)
    for block in reader.blocks(frames):
        assert block.dtype == np.float32
        assert block.ndim == 1
        assert 0 < len(block) <= frames
        assert np.abs(block).max() <= 100.0


def _read_recording(case: bytes, folder: Path) -> None:
    path = folder / "case"
    path.write_bytes(case)
    with AudioReader(path) as reader:
        _hear(reader)


def _wavs() -> Cases:
    number = st.one_of(st.integers(0, 1 << 32), st.sampled_from((1, 2, 200, 1_024, 768_000)))
    lying = st.builds(
        seeds.wav,
        rate_hz=number,
        channels=number,
        bits=st.sampled_from((0, 1, 4, 8, 12, 16, 24, 32, 33, 64, 65_535)),
        tag=st.sampled_from((0, 1, 2, 3, 6, 7, 0x11, 0x31, 0x55, 0xFFFE)),
        claimed=number,
        body=st.binary(max_size=600),
    )
    return damaged(seeds.wavs(), 4) | lying


def _oggs() -> Cases:
    """A changed page is caught by its checksum: most get the right one again."""
    broken = damaged([seeds.sound("OGG", "VORBIS"), seeds.sound("OGG", "OPUS")], 3)
    return st.one_of(broken, broken.map(ogg_repaired), broken.map(ogg_repaired))


@contextlib.contextmanager
def _piped(case: bytes) -> Iterator[None]:
    """Standard input is a pipe, into which a thread writes."""
    reading, writing = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(case)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    with os.fdopen(reading) as stdin, mock.patch("sys.stdin", stdin):
        yield
    thread.join()


def _read_wav_stream(case: bytes, folder: Path) -> None:
    with _piped(case), PipeReader(lambda: open_stdin(None, 1)) as reader:
        _hear(reader)


_RATES_HZ = (1_000, 8_000, 16_000, 44_100, 768_000)
_CHANNELS = (1, 2, 3, 200, 1_024)


def _read_raw_stream(case: bytes, folder: Path) -> None:
    """The first two bytes choose rate and channels."""
    rate_hz = _RATES_HZ[case[0] % len(_RATES_HZ)] if case else 16_000
    channels = _CHANNELS[case[1] % len(_CHANNELS)] if len(case) > 1 else 1
    with _piped(case[2:]), PipeReader(lambda: open_stdin(rate_hz, channels)) as reader:
        _hear(reader)


# --- Text


def _read_classes(case: bytes, folder: Path) -> None:
    path = folder / "map.csv"
    path.write_bytes(case)
    labels = read_class_map(path)
    for text in ("0", "dog", "\0", "x" * 99):
        with contextlib.suppress(UsageError):
            labels.find(text)


def _class_maps() -> Cases:
    field = st.sampled_from(("0", "1", "2", "-1", "1e9", "/m/a", "Dog", '"', '""', "\r", "\0", "é"))
    row = st.lists(field, max_size=5).map(",".join)
    rows = st.lists(row, max_size=8).map("\r\n".join)
    text = st.tuples(st.sampled_from(("index,mid,display_name\r\n", "")), rows)
    return damaged(seeds.class_maps()) | text.map(lambda parts: "".join(parts).encode())


def _read_labelled(case: bytes, folder: Path) -> None:
    """As `livetag evaluate` reads what says what is heard."""
    path = folder / "case"
    path.write_bytes(case)
    for read in (
        lambda: read_labelled(path, folder),
        lambda: read_map(path, class_map()),
        lambda: read_lists(path),
    ):
        with contextlib.suppress(UsageError, InputError):
            read()
    read_labelled(path, folder)


def _read_scan_list(case: bytes, folder: Path) -> None:
    """As `livetag scan --list` does, in an empty folder: patterns may not roam."""
    path = folder / "list"
    path.write_bytes(case.replace(b"/", b"_").replace(b"..", b"__").replace(b":", b"_"))
    with contextlib.chdir(folder):
        list_recordings([], [str(path)])


def _check_configuration(path: str | None, environment: dict[str, str]) -> None:
    """As `livetag config check` does."""
    config = load(path, {}, environment).config
    Params(patch_hop_seconds=config.patch_hop_seconds)
    check_sinks(config, resolve(config, class_map()))


def _read_configuration(case: bytes, folder: Path) -> None:
    path = folder / "case.toml"
    path.write_bytes(case)
    _check_configuration(str(path), {})


_NAMES = st.sampled_from(
    ("Dog", "dog", "69", "Speech", "pets", "noise", "", " ", "x" * 300, "\\u0000", "%Y", "Dog=nan")
)
_TEXTS = st.one_of(_NAMES, st.text(max_size=12).map(lambda text: json.dumps(text)[1:-1]))


def _values() -> st.SearchStrategy[str]:
    number = st.one_of(
        st.sampled_from(
            ("nan", "-nan", "inf", "-inf", "1e999", "-0.0", "0x7fffffffffffffff", "9" * 5_000)
        ),
        st.integers(-3, 1 << 70).map(str),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
    )
    simple = st.one_of(
        number,
        st.sampled_from(("true", "false", "1979-05-27T07:32:00Z", "07:32:00", "[[[[]]]]")),
        _TEXTS.map(lambda text: f'"{text}"'),
    )
    lists = st.lists(simple, max_size=4).map(lambda items: f"[{', '.join(items)}]")
    tables = st.dictionaries(st.sampled_from(("label", "kind", "path", "x")), simple, max_size=3)
    inline = tables.map(lambda held: "{" + ", ".join(f"{k} = {v}" for k, v in held.items()) + "}")
    deep = st.integers(1, 3_000).map(lambda depth: "[" * depth + "]" * depth)
    return st.one_of(simple, simple, lists, inline, deep)


def _configurations() -> Cases:
    keys = st.sampled_from(
        (*KEYS, "label", "group", "kind", "path", "alert", "labels", "never_with", "a.b", "'x'")
    )
    kinds = ("csv", "jsonl", "audacity", "raven", "dcase", "history", "clips", "x")
    line = st.one_of(
        st.builds(lambda key, value: f"{key} = {value}", keys, _values()),
        st.sampled_from(("[[rule]]", "[[sink]]", "[groups]", "[rule]", "[[groups]]", "# x")),
        st.sampled_from(kinds).map(lambda kind: f'[[sink]]\nkind = "{kind}"\npath = "x"'),
        st.builds(lambda name, text: f'[groups]\n{name} = ["{text}"]', _NAMES, _TEXTS),
        st.integers(1, 40_000).map(lambda dots: ".".join("a" * dots) + " = 1"),
    )
    text = st.lists(line, max_size=10).map("\n".join).map(str.encode)
    return st.one_of(damaged(seeds.configurations()), text, text)


def _read_environment(case: bytes, folder: Path) -> None:
    """`NAME=VALUE`, one after another, with null characters between."""
    pairs = (item.split("=", 1) for item in case.decode().split("\0") if "=" in item)
    _check_configuration(None, {name: value for name, value in pairs if name != "LIVETAG_CONFIG"})


def _environments() -> Cases:
    names = st.sampled_from([*map(variable, KEYS), "LIVETAG_X", "LIVETAG_RULE", "LIVETAG_"])
    values = st.one_of(
        st.sampled_from(
            ("nan", "inf", "1e999", "9" * 5_000, "true", "0", "-1", "Dog;Cat", ";", "Dog=2", "a%")
        ),
        st.integers(-3, 1 << 70).map(str),
        st.floats().map(repr),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
        st.integers(1, 120_000).map(lambda length: "x" * length),
    )
    pairs = st.dictionaries(names, values, max_size=4)
    return pairs.map(lambda held: "\0".join(f"{k}={v}" for k, v in held.items()).encode())


# --- Weights and models


def _read_hdf5(case: bytes, folder: Path) -> None:
    path = folder / "case.h5"
    path.write_bytes(case)
    _check_arrays(read_arrays(Weights(path, "HDF5", "", published=False)))


def _check_arrays(arrays: Sequence[Any]) -> None:
    assert len(arrays) == 110
    assert all(array.dtype == np.float32 for array in arrays)


def _read_checkpoint(case: bytes, folder: Path) -> None:
    (folder / "variables").mkdir(exist_ok=True)
    (folder / "variables/variables.index").write_bytes(case)
    with (folder / "variables/variables.data-00000-of-00001").open("wb") as file:
        file.truncate(_fuzz_checkpoint.seed()[1])
    _check_arrays(read_arrays(Weights(folder, "SavedModel", "", published=False)))


def _checkpoints() -> Cases:
    index, _ = _fuzz_checkpoint.seed()
    held = _fuzz_checkpoint.entries(index)

    def built(changes: list[tuple[int, bool, list[Any]]]) -> bytes:
        changed = list(held)
        for number, in_key, what in changes:
            at = number % len(changed)
            key, value = changed[at]
            other = changed[(number + 1) % len(changed)][1]
            changed[at] = (
                (edited(key, b"variables", what), value)
                if in_key
                else (key, edited(value, other, what))
            )
        return _fuzz_checkpoint.table(sorted(changed))

    change = st.tuples(st.integers(0, 200), st.booleans(), edits(3))
    return damaged([index]) | st.lists(change, min_size=1, max_size=4).map(built)


def _read_report(case: bytes, folder: Path) -> None:
    """A model that is no model, whose report has its hash, or has not."""
    digest = "1" * 64
    model = compiled_path(folder, digest)
    model.write_bytes(b"")
    model.with_suffix(".json").write_bytes(case)
    found = cached_model(folder, digest)
    if found is not None:  # as `livetag model info` prints it
        f"{found.report.parameters:,} {found.report.max_difference:.1e}"


def _reports() -> Cases:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    right = seeds.reports()[0].replace(b"0" * 64, empty.encode())
    scalar = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9))
    value = st.recursive(scalar, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
    fields = st.dictionaries(st.sampled_from(sorted(json.loads(right))), value, max_size=3)
    changed = fields.map(lambda held: json.dumps(json.loads(right) | held).encode())
    deep = st.integers(1, 5_000).map(lambda depth: b"[" * depth)
    return st.one_of(damaged([right, *seeds.reports()]), changed, deep)


def _run_model(case: bytes, folder: Path) -> None:
    classifier = LiteRTClassifier(case)
    for _ in range(2):
        classifier(np.zeros((96, 64), np.float32))


def _models() -> Cases:
    from livetag.resources import cache_dir

    model = find_model(None, cache_dir())
    assert model is not None, "the model is not compiled yet: `livetag model fetch`"
    return damaged([model.content], most_edits=3)


# --- The history


def _read_history(case: bytes, folder: Path) -> None:
    from livetag.history_report import PRINTERS

    path = folder / "case.sqlite"
    path.write_bytes(case)
    for beside in ("-wal", "-shm", "-journal"):
        Path(f"{path}{beside}").unlink(missing_ok=True)
    with History(path) as history:
        history.groups()
        for print_as in PRINTERS.values():
            print_as(io.StringIO(), history, Query())


def _go_on_with_history(case: bytes, folder: Path) -> None:
    """As the monitor does: `sqlite3.Error` is what its sink tells of."""
    path = folder / "case.sqlite"
    path.write_bytes(case)
    for beside in ("-wal", "-shm", "-journal"):
        Path(f"{path}{beside}").unlink(missing_ok=True)
    run = Run("demo", "1.0", "0" * 64, "HDF5", 0.48, "{}")
    try:
        writer = HistoryWriter(path, run, lambda: 1_795_000_000.0)
        try:
            writer.event(seeds.event(3))
        finally:
            writer.close()
    except sqlite3.Error as error:
        raise LivetagError(explain(error)) from error


READERS: dict[str, Reader] = {
    "wav": Reader(_wavs, _read_recording, (InputError,), 2.0),
    "flac": Reader(lambda: damaged([seeds.sound("FLAC")], 3), _read_recording, (InputError,)),
    "ogg": Reader(_oggs, _read_recording, (InputError,)),
    "mp3": Reader(lambda: damaged([seeds.sound("MP3")], 4), _read_recording, (InputError,)),
    "other-audio": Reader(
        lambda: damaged(seeds.other_sounds(), 4), _read_recording, (InputError,), 2.0
    ),
    "stdin-wav": Reader(_wavs, _read_wav_stream, (InputError,)),
    "stdin-raw": Reader(lambda: st.binary(max_size=4_000), _read_raw_stream, (InputError,), 0.3),
    "class-map": Reader(_class_maps, _read_classes, (LivetagError,)),
    "configuration": Reader(_configurations, _read_configuration, (UsageError,), 2.0),
    "environment": Reader(_environments, _read_environment, (UsageError,)),
    "hdf5": Reader(lambda: damaged(seeds.hdf5s(), 4), _read_hdf5, (ModelError,), 2.0, guard=_GUARD),
    "checkpoint": Reader(
        _checkpoints, _read_checkpoint, (ModelError,), memory_bytes=8 * _GIB, guard=_GUARD
    ),
    "labelled": Reader(lambda: damaged(seeds.labelled()), _read_labelled, (UsageError, InputError)),
    "scan-list": Reader(
        lambda: damaged([b"a.wav\nb/*.flac\n", b"a.wav\0b c.ogg\0", b"**/*.wav\n[ab]?.wav\n"]),
        _read_scan_list,
        (UsageError, InputError),
        0.5,
    ),
    "report": Reader(_reports, _read_report, (ModelError,)),
    "history": Reader(
        lambda: damaged([seeds.history()], 4), _read_history, (LivetagError, InputError, UsageError)
    ),
    "history-log": Reader(
        lambda: damaged([seeds.history()], 4),
        _go_on_with_history,
        (LivetagError, InputError, UsageError),
        0.5,
    ),
    "model": Reader(_models, _run_model, (ModelError,), guard="the program itself", usual=False),
}
"""By name. Those that are not `usual` run only where they are named."""
