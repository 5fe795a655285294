"""A scan's one output file: what it holds is noted, and it loses none of that unasked.

The note, `MERGED` in the folder of its parts, is there before the file gets its name, and until its
parts are gone. Of a file without one nobody knows what it holds. `JOB`, beside it, says what the
parts are of.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from livetag.errors import InputError, UsageError
from livetag.scan.listing import Recording
from livetag.text import counted, printable

FORCE = "--force (in a program, replace=True)"
"""What has a scan replace what is there, as messages call it."""
JOB, MERGED = "job.json", "merged.json"
_RECORDINGS = "recordings"


class MergedFile(ABC):
    """The order of steps in which an output file is replaced, here or at an address."""

    def __init__(self, name: str, replace: bool) -> None:
        """`name`: what messages call it. `replace`: it may lose what it holds."""
        self._called = name
        self._replace = replace

    @abstractmethod
    def _is_there(self) -> bool:
        """Whether the file is there."""

    @abstractmethod
    def _read(self, note: str) -> bytes | None:
        """What a note holds; None where there is none."""

    @abstractmethod
    def _write(self, note: str, told: bytes) -> None:
        """Have a note hold something."""

    @abstractmethod
    def _merged(self, recordings: Sequence[Recording]) -> AbstractContextManager[Path]:
        """A file of this machine's that holds the parts of recordings, in their order."""

    @abstractmethod
    def _put(self, merged: Path) -> None:
        """Have it be the output file, whole or not at all."""

    @abstractmethod
    def _remove_parts(self) -> None:
        """Remove the parts, then `MERGED`, and then all that is left."""

    def check_replaceable(self, recordings: Sequence[Recording]) -> None:
        """Raise `UsageError` where a scan of these recordings would lose something."""
        if self._replace or not self._is_there():
            return
        readable = {recording.name for recording in recordings if not recording.unusable}
        lost = [name for name in self._held() if name not in readable]
        if lost:
            raise UsageError(
                f"{self._called} holds what is heard in {_first(lost)}, which is not named now, or "
                f"cannot be read: name another output, or let {FORCE} replace it"
            )

    def merge(self, recordings: Sequence[Recording], unread: Mapping[str, str]) -> None:
        """Have the file hold the parts of these recordings; where none is unread, they go.

        `unread`: why the others have no part, by their names. Raises `InputError` where the file
        would lose something; it stays as it is.
        """
        self._check_kept(recordings, unread)
        with self._merged(recordings) as merged:
            names = [recording.name for recording in recordings]
            self._write(MERGED, as_note({_RECORDINGS: names}))
            self._put(merged)
        if not unread:
            self._remove_parts()

    def _check_kept(self, recordings: Sequence[Recording], unread: Mapping[str, str]) -> None:
        """As `check_replaceable`, now that it is known what could be read."""
        if self._replace or not self._is_there():
            return
        names = {recording.name for recording in recordings}
        lost = [name for name in self._held() if name not in names]
        if lost:
            reasons = "\n".join(printable(reason) for reason in unread.values())
            raise InputError(
                f"{self._called} stays as it is: it holds what was heard in {_first(lost)}, of "
                "which there is nothing now. The same scan goes on when that can be read; "
                f"{FORCE} replaces it\n{reasons}"
            )

    def _held(self) -> list[str]:
        """The names of the recordings that the file holds. Raises `UsageError`."""
        note = parsed(self._read(MERGED))
        if note is None:
            raise UsageError(f"{self._called} is there already: {FORCE} replaces it")
        held = note.get(_RECORDINGS)
        if isinstance(held, list) and all(isinstance(name, str) for name in held):
            return held
        raise UsageError(
            f"{self._called} is there already, and {MERGED} beside its parts, which says what it "
            f"holds, is damaged: name another output, or let {FORCE} replace it"
        )


def as_note(told: dict[str, Any]) -> bytes:
    return json.dumps(told, indent=2).encode()


def parsed(note: bytes | None) -> dict[str, Any] | None:
    """What a note says: nothing where it is damaged, None where there is none."""
    if note is None:
        return None
    try:
        found = json.loads(note)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def check_job(state: str, before: dict[str, Any] | None, now: dict[str, Any], force: bool) -> None:
    """Raise `UsageError` where results are of another job, unless they are to be replaced."""
    if before is None or before == now or force:
        return
    raise UsageError(
        f"{state} holds the results of another scan, which differs in {_difference(before, now)}. "
        f"Go on with the options of then, name another output, or let {FORCE} begin anew"
    )


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What two jobs differ in, in words: another product alone, as others depend on it.

    What only one of them has follows from what both have, unless they differ in nothing else.
    """
    product = before.get("product", now["product"])  # none in a note that is damaged
    if product != now["product"]:
        return f"product: {product}, now {now['product']}"
    differing = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    shared = [key for key in differing if key in before and key in now]
    return ", ".join(shared or differing)


def _first(names: Sequence[str]) -> str:
    """The first of them, and how many others there are."""
    return names[0] + (f" (and {counted(len(names) - 1, 'other')})" if len(names) > 1 else "")
