"""The fuzzer: a short, seeded share of its runs, and that it sees what it looks for."""

import os
import signal
import struct
from pathlib import Path
from typing import NoReturn

import _fuzz_bytes
import _fuzz_seeds as seeds
import fuzz
import pytest
from _fuzz_readers import READERS, Reader
from hypothesis import strategies as st

from livetag.errors import InputError, UsageError

SEED = 20_261_122
SHARE = {"hdf5": 60, "checkpoint": 40}
"""Runs of readers that are slow; of the others a hundred."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it takes POSIX processes")
@pytest.mark.parametrize("name", [name for name, reader in READERS.items() if reader.usual])
def test_no_reader_breaks(name: str, tmp_path: Path) -> None:
    runs = SHARE.get(name, 100)
    outcome = fuzz.fuzz(name, runs, SEED, tmp_path)
    assert outcome.findings == []
    assert outcome.runs == runs == sum(outcome.answers.values())
    assert outcome.answers["read"] > 0  # what is broken beyond all reading tries little


def reader_that(read: object) -> Reader:
    assert callable(read)
    return Reader(st.binary, read, (InputError,), guard="a test")


def test_an_error_of_the_right_kind_is_good(tmp_path: Path) -> None:
    def refuse(case: bytes, folder: Path) -> NoReturn:
        raise InputError("no audio")

    assert fuzz._answer(reader_that(refuse), b"", tmp_path) == "InputError"
    assert fuzz._answer(reader_that(lambda *_: None), b"", tmp_path) == "read"


@pytest.mark.parametrize("error", [UsageError("wrong kind"), ValueError("a\nb"), MemoryError()])
def test_another_error_is_found(error: Exception, tmp_path: Path) -> None:
    def fail(case: bytes, folder: Path) -> NoReturn:
        raise error

    answer = fuzz._answer(reader_that(fail), b"", tmp_path)
    assert answer.startswith(f"!{type(error).__name__}")
    assert "\n" not in answer


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it takes POSIX processes")
def test_a_crash_and_an_endless_loop_in_a_process_of_its_own_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(case: bytes, folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def loop(case: bytes, folder: Path) -> None:
        signal.pause()

    assert fuzz._forked(reader_that(crash), b"", tmp_path) == "status -9 (in a test)"
    assert fuzz._forked(reader_that(lambda *_: None), b"", tmp_path) == "read"
    monkeypatch.setattr(fuzz, "CASE_SECONDS", 0.1)
    assert fuzz._forked(reader_that(loop), b"", tmp_path) == "an endless loop (in a test)"


def test_a_process_that_ends_before_its_work_is_found(tmp_path: Path) -> None:
    outcome = fuzz.fuzz("no such reader", 1, SEED, tmp_path)
    assert "status 1 KeyError" in outcome.findings[0]


def test_what_a_process_wrote_before_it_crashed_counts(tmp_path: Path) -> None:
    outcome = fuzz.Outcome()
    (tmp_path / "answers").write_text("read\nInputError\nread\n", encoding="utf-8")
    (tmp_path / "stderr").write_text("", encoding="utf-8")
    assert fuzz._collect(tmp_path, outcome, "it was killed") == "it was killed"
    assert outcome.runs == 4
    assert outcome.answers == {"read": 2, "InputError": 1}
    (tmp_path / "answers").write_text("read\n!ValueError: x\n", encoding="utf-8")
    assert fuzz._collect(tmp_path, fuzz.Outcome(), "") == "ValueError: x"


def test_edits_do_what_they_are_called() -> None:
    seed, other = bytes(range(100)), b"\xaa" * 100

    def edited(kind: str, place: int, value: int, length: int) -> bytes:
        return _fuzz_bytes.edited(seed, other, [(kind, False, place, value, length)])

    assert edited("cut", 10, 0, 0) == seed[:10]
    assert edited("drop", 10, 0, 5) == seed[:10] + seed[15:]
    assert edited("zeros", 10, 0, 5) == seed[:10] + bytes(5) + seed[15:]
    assert edited("byte", 10, 7, 0)[10] == 7
    assert edited("bit", 10, 0, 0)[10] == 11
    assert edited("number", 98, 12, 0) == seed[:98] + b"\xff\xff"
    assert edited("splice", 10, 0, 1) == seed[:10] + b"\xaa" * 4 + seed[11:]
    assert edited("insert", 10, 1, 1) == seed[:10] + b"\1\0" + seed[10:]
    assert edited("repeat", 0, 1, 3) == seed[:3] * 2 + seed
    assert all(edited(kind, 100, 3, 64) for kind in _fuzz_bytes.KINDS)  # at the very end, too


def test_ogg_is_repaired_to_what_it_was() -> None:
    content = seeds.sound("OGG", "VORBIS")
    damaged = content[:22] + struct.pack("<I", 1) + content[26:]
    assert _fuzz_bytes.ogg_repaired(damaged) == content
