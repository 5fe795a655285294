"""Results as text: CSV and JSON Lines, UTF-8. What is merged is copied, and not read."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livetag.scan.tables import Column, Row


class CsvTable:
    """CSV with a header; what is not known is empty."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow([column.name for column in columns])

    def add(self, row: Row) -> None:
        self._writer.writerow([_as_text(value) for value in row])

    def close(self) -> None:
        self._file.close()

    @classmethod
    def merge(cls, parts: Sequence[Path], path: Path, columns: Sequence[Column]) -> None:
        cls(path, columns).close()
        _append(parts, path, header_lines=1)


class JsonTable:
    """An object a line, with the columns as keys."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._names = [column.name for column in columns]

    def add(self, row: Row) -> None:
        values = dict(zip(self._names, row, strict=True))
        self._file.write(json.dumps(values, separators=(",", ":"), ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()

    @classmethod
    def merge(cls, parts: Sequence[Path], path: Path, columns: Sequence[Column]) -> None:
        cls(path, columns).close()
        _append(parts, path, header_lines=0)


def _as_text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _append(parts: Sequence[Path], path: Path, header_lines: int) -> None:
    with path.open("ab") as merged:
        for part in parts:
            with part.open("rb") as file:
                for _ in range(header_lines):
                    file.readline()
                shutil.copyfileobj(file, merged)
