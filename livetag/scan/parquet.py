"""Results as Parquet: the only room that imports pyarrow (the extra `parquet`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livetag.errors import UsageError
from livetag.scan.tables import Column, Row
from livetag.yamnet.classifier import EMBEDDING_SIZE

_GROUP_ROWS = 65_536
_GROUP_EMBEDDINGS = 4_096  # of 4 kB each


def check_installed() -> None:
    """Raise `UsageError` where pyarrow is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'livetag[parquet]'") from error


class ParquetTable:
    """A Parquet file; an embedding is a list of fixed size, of float32."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        import pyarrow.parquet

        self._schema = _schema(columns)
        self._most_rows = _group_rows(columns)
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == self._most_rows:
            self._write_group()

    def close(self) -> None:
        if self._rows:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        import pyarrow

        fields = zip(zip(*self._rows, strict=True), self._schema, strict=True)
        arrays = [_array(values, field.type) for values, field in fields]
        self._writer.write_table(pyarrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()

    @classmethod
    def merge(cls, parts: Sequence[Path], path: Path, columns: Sequence[Column]) -> None:
        import pyarrow.parquet

        schema, most_rows = _schema(columns), _group_rows(columns)
        waiting: list[Any] = []
        rows = 0
        with pyarrow.parquet.ParquetWriter(path, schema) as writer:
            for part in parts:
                with pyarrow.parquet.ParquetFile(part) as file:
                    for batch in file.iter_batches(most_rows):
                        waiting.append(batch)
                        rows += batch.num_rows
                        if rows >= most_rows:
                            writer.write_table(pyarrow.Table.from_batches(waiting, schema))
                            waiting, rows = [], 0
            if waiting:
                writer.write_table(pyarrow.Table.from_batches(waiting, schema))


def _schema(columns: Sequence[Column]) -> Any:
    import pyarrow

    types = {
        str: pyarrow.string(),
        int: pyarrow.int32(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        np.ndarray: pyarrow.list_(pyarrow.float32(), EMBEDDING_SIZE),
    }
    return pyarrow.schema([(column.name, types[column.kind]) for column in columns])


def _group_rows(columns: Sequence[Column]) -> int:
    holds_embeddings = any(column.kind is np.ndarray for column in columns)
    return _GROUP_EMBEDDINGS if holds_embeddings else _GROUP_ROWS


def _array(values: tuple[Any, ...], kind: Any) -> Any:
    import pyarrow

    if pyarrow.types.is_fixed_size_list(kind):
        flat = pyarrow.array(np.concatenate(values))
        return pyarrow.FixedSizeListArray.from_arrays(flat, EMBEDDING_SIZE)
    return pyarrow.array(values, kind)
