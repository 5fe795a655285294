"""How the doctor's checks are printed: a line each, marked by word and colour, or as JSON."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import Console
from rich.style import Style
from rich.text import Text

from livetag.doctor.check import Check, exit_code
from livetag.text import counted, printable
from livetag.version import __version__

_STYLES = {
    "ok": Style(color="green"),
    "warn": Style(color="yellow", bold=True),
    "fail": Style(color="red", bold=True),
}
_INDENT = len("warn  configuration  ")


def print_text(checks: Iterable[Check], out: TextIO) -> int:
    """A line for each check as it is through, what to do below it, and a verdict.

    Returns the exit code.
    """
    console = Console(file=out, highlight=False)
    width = console.width - 1 if console.is_terminal else None
    done = []
    for check in checks:
        done.append(check)
        head = f"{check.status:4}  {check.name:13}  "
        advice = [f"-> {line}" for line in check.advice.splitlines()]
        lines = [*_wrapped(check.found, width), *(x for a in advice for x in _wrapped(a, width))]
        text = Text(head + f"\n{' ' * _INDENT}".join(lines))
        text.stylize(_STYLES[check.status], 0, len(check.status))
        console.print(text, soft_wrap=True)
        out.flush()
    console.print(f"\n{_verdict(done)}", markup=False, soft_wrap=True)
    return exit_code(done)


def _wrapped(text: str, width: int | None) -> Iterator[str]:
    """Lines that fit beside the names; whole ones where nobody looks at a terminal."""
    for line in map(printable, text.splitlines()):
        if width is None or width - _INDENT < _INDENT:
            yield line
        else:
            room = width - _INDENT
            yield from textwrap.wrap(line, room, break_on_hyphens=False, subsequent_indent="   ")


def _verdict(checks: list[Check]) -> str:
    if code := exit_code(checks):
        return f"`livetag monitor` would not work (exit code {code})"
    warnings = sum(check.status == "warn" for check in checks)
    noted = f", with {counted(warnings, 'warning')}" if warnings else ""
    return f"`livetag monitor` works{noted}"


def print_json(checks: Iterable[Check], out: TextIO) -> int:
    """One object with all of it. Returns the exit code."""
    done = list(checks)
    report = {
        "type": "doctor",
        "livetag": __version__,
        "ok": exit_code(done) == 0,
        "checks": [
            {
                "name": check.name,
                "status": check.status,
                "found": check.found,
                "advice": check.advice,
                "details": dict(check.details),
            }
            for check in done
        ],
    }
    print(json.dumps(report, separators=(",", ":")), file=out)
    return exit_code(done)
