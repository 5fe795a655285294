"""Embeddings as NumPy's `.npz`: written in pieces, so that their number does not matter to memory.

embeddings  float32[n, 1024]
start_s     float64[n], where each begins in its recording
file        int32[n], which of `files` it is of
files       str[m]
"""

import contextlib
import os
import shutil
import tempfile
import zipfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from livetag.errors import writing
from livetag.scan.tables import Column, Row
from livetag.yamnet.classifier import EMBEDDING_SIZE

_EMBEDDINGS = "embeddings.npy"


class NpzTable:
    """An `.npz` being written; embeddings wait on the disk until their number is known."""

    def __init__(self, path: Path, columns: Sequence[Column] = ()) -> None:
        self._file = path.open("wb")
        self._embeddings = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
        self._start_s = array("d")
        self._of_file = array("i")
        self._files: list[str] = []

    def add(self, row: Row) -> None:
        name, start_s, _, embedding = row
        if not self._files or self._files[-1] != name:
            self._files.append(name)
        self._embeddings.write(np.asarray(embedding, np.float32).tobytes())
        self._start_s.append(start_s)
        self._of_file.append(len(self._files) - 1)

    def close(self) -> None:
        self._embeddings.seek(0)
        with self._file, self._embeddings:
            start_s, of_file = np.array(self._start_s), np.array(self._of_file, np.int32)
            _write(self._file, [self._embeddings], start_s, of_file, self._files)

    @classmethod
    def merge(cls, parts: Sequence[Path], path: Path, columns: Sequence[Column] = ()) -> None:
        start_s: list[npt.NDArray[np.float64]] = [np.empty(0)]
        of_file: list[npt.NDArray[np.int32]] = [np.empty(0, np.int32)]
        files: list[str] = []
        for part in parts:
            with np.load(part, allow_pickle=False) as arrays:
                start_s.append(arrays["start_s"])
                of_file.append(arrays["file"] + np.int32(len(files)))
                files += arrays["files"].tolist()
        with path.open("wb") as file:
            pieces = _embeddings_of(parts)
            _write(file, pieces, np.concatenate(start_s), np.concatenate(of_file), files)


@contextlib.contextmanager
def embeddings_file(path: Path) -> Iterator[NpzTable]:
    """A table that is at its path when all is well, and not before. Raises `LivetagError`."""
    being_written = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with writing(path):
        table = NpzTable(being_written)
    try:
        yield table
        with writing(path):
            table.close()
            being_written.replace(path)
    finally:
        being_written.unlink(missing_ok=True)


def _embeddings_of(parts: Sequence[Path]) -> Iterator[IO[bytes]]:
    for part in parts:
        with zipfile.ZipFile(part) as archive, archive.open(_EMBEDDINGS) as member:
            np.lib.format.read_magic(member)
            np.lib.format.read_array_header_1_0(member)
            yield member


def _write(
    file: IO[bytes],
    embeddings: Iterator[IO[bytes]] | list[IO[bytes]],
    start_s: npt.NDArray[np.float64],
    of_file: npt.NDArray[np.int32],
    files: list[str],
) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)),
        "fortran_order": False,
        "shape": (len(start_s), EMBEDDING_SIZE),
    }
    named: dict[str, npt.NDArray[Any]] = {
        "start_s": start_s,
        "file": of_file,
        "files": np.array(files, str),
    }
    with zipfile.ZipFile(file, "w") as archive:
        # A `ZipInfo` of its own has no time of writing: equal embeddings are equal files.
        with archive.open(zipfile.ZipInfo(_EMBEDDINGS), "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, header)
            for piece in embeddings:
                shutil.copyfileobj(piece, member)
        for name, values in named.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
