"""Tables from outside, row by row: comma- or tab-separated, and of a size that has a bound."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from livetag.errors import InputError
from livetag.files import read_regular

_MOST_BYTES = 256 << 20  # AudioSet's longest list, of two million segments, has 100 MB


def read_rows(path: Path, *, tabs: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield each row's line number and its cells, stripped; empty lines are left out.

    `tabs`: separated by tabs, if there are any, else by commas. Raises `InputError`.
    """
    try:
        text = read_regular(path, _MOST_BYTES).decode("utf-8-sig")
        delimiter = "\t" if tabs and "\t" in text else ","
        lines = io.StringIO(text, newline="")
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no table: it is not text in UTF-8") from error
    except (OSError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path} cannot be read as a table: {reason}") from error
