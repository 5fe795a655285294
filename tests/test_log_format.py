"""Kinds of logs: which files may be appended to, and what is left of a line that was cut short."""

import re
from pathlib import Path

import pytest

from livetag.log_format import LogFormat, RefusedError, row_of

HEADED = LogFormat(header="time,what")
ONE_STREAM = LogFormat(header="time,what", one_stream=True)
HEADLESS_STREAM = LogFormat(one_stream=True)
OBJECTS = LogFormat(first_line=re.compile(r"\{"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.mark.parametrize(
    ("log_format", "content"),
    [
        (LogFormat(), "anything\n"),
        (HEADED, ""),
        (HEADED, "time,wh"),
        (HEADED, "time,what\r\n1,Dog\r\n"),
        (ONE_STREAM, "time,what\n"),
        (HEADLESS_STREAM, ""),
        (OBJECTS, '{"type":"event_start"}\n'),
    ],
)
def test_a_log_of_this_kind_may_be_appended_to(
    log_format: LogFormat, content: str, path: Path
) -> None:
    path.write_bytes(content.encode())
    log_format.check(path)


@pytest.mark.parametrize(
    ("log_format", "content", "why"),
    [
        (HEADED, b"when,what\n1,Dog\n", "is not a log of livetag's"),
        (HEADED, b"time,what,more\n", "is not a log of livetag's"),
        (HEADED, b"time,wh\n", "is not a log of livetag's"),
        (HEADED, b"\n", "is not a log of livetag's"),
        (HEADED, b"\xff" * 200_000, "is not a log of livetag's"),
        (OBJECTS, b"# shopping\n{\n", "is not a log of livetag's"),
        (ONE_STREAM, b"time,what\n1,Dog\n", "its times are another stream's"),
        (HEADLESS_STREAM, b"0.0\t1.0\tDog\n", "its times are another stream's"),
    ],
)
def test_anything_else_is_refused_with_its_name(
    log_format: LogFormat, content: bytes, why: str, path: Path
) -> None:
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=why) as caught:
        log_format.check(path)
    assert str(caught.value.strerror).startswith(str(path))


ROWS = LogFormat(header="time,what", is_whole=row_of(2))


@pytest.mark.parametrize(
    ("content", "torn", "instead"),
    [
        ("time,what\na,Dog\n", None, b""),
        ("time,what\na,Dog", None, b"\n"),
        ("time,what\na,", (10, 12), b""),
        ("time,what\n" + "x" * 200_000, (10, 200_010), b""),
        ("time,", (0, 5), b"time,what\n"),
        ("time,what", None, b"\n"),
    ],
)
def test_half_a_line_goes_and_a_line_without_its_end_gets_it(
    content: str, torn: tuple[int, int] | None, instead: bytes, path: Path
) -> None:
    path.write_text(content)
    assert ROWS.mended(path) == (torn, instead)
    assert path.read_text() == content  # whoever has it open is to do that


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("a,Dog", True),
        ('a,"Smoke, alarm"', True),
        ("a", False),
        ("a,", False),
        ("a,b,c", False),
        ('a,"Smoke', False),
        ('a,"Smoke" alarm', False),
        ("\0" * 9, False),
    ],
)
def test_a_row_is_whole_when_it_has_all_its_columns(line: str, whole: bool) -> None:
    assert row_of(2)(line) == whole


def test_columns_may_be_apart_by_something_else() -> None:
    assert row_of(3, "\t")("0.5\t1.0\tBaby cry, infant cry")
    assert not row_of(3, "\t")("0.5,1.0,Dog")
