"""Another reading of the configuration while the monitor runs: what of it counts at once.

A key of `FROM_NEXT_START` keeps the value that the monitor was started with; all others change.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from livetag.errors import LivetagError
from livetag.rules import Rules, resolve
from livetag.schema import KEYS, Config, replaced
from livetag.sinks.base import Sink
from livetag.yamnet.labels import class_map

FROM_NEXT_START = frozenset(
    {
        *("device", "input", "demo", "fast", "since", "rate", "channels"),
        *("stall_seconds", "zeros_seconds", "require_device", "duration_seconds"),
        *("patch_hop_seconds", "weights", "json", "dashboard"),
    }
)
"""What the source, the analysis and standard output were set up with."""


READING_SECONDS = 10.0
"""More than disks and locks take; what takes longer hangs, for all that anybody knows."""


@dataclass(frozen=True)
class Change:
    """What takes the place of what was in force. `told`: which keys it is, in words.

    `adopt` is to be called when it does: the next change is one from here.
    """

    rules: Rules
    top: int
    explain: bool
    spectrogram: bool
    gone: Sequence[Sink]
    new: Sequence[Sink]
    told: str
    adopt: Callable[[], None]


SinkChange = tuple[Sequence[Sink], Sequence[Sink], Callable[[], None]]
"""The sinks to close, those opened instead, and what is to be called when that is done."""


class Reloader:
    """Reads the configuration again, as often as it is called."""

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        sinks: Callable[[Config, Rules], SinkChange],
    ) -> None:
        """`config`: the one in force. `read` gives another one, checked; `sinks` its sinks."""
        self._config = config
        self._read = read
        self._change_sinks = sinks

    def __call__(self) -> Change:
        """What changes. Raises `LivetagError`, and then nothing does."""
        read = self._read()
        kept = {key: getattr(self._config, key) for key in FROM_NEXT_START}
        config = replaced(read, kept)
        rules = resolve(config, class_map())
        gone, new, adopt_sinks = self._change_sinks(config, rules)
        told = _told(_differing(self._config, config), _differing(config, read))

        def adopt() -> None:
            adopt_sinks()
            self._config = config

        return Change(rules, config.top, config.explain, config.spectrogram, gone, new, told, adopt)


class Reading:
    """A reading in a thread of its own, which may hang: in a pipe that nobody reads, or a folder.

    It is refused after `READING_SECONDS`; what it opens later is closed again.
    """

    def __init__(self, read: Callable[[], Change]) -> None:
        self._read = read
        self._change: Future[Change] = Future()
        self._refused_at = time.monotonic() + READING_SECONDS
        threading.Thread(target=self._run, name="configuration", daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self._change.done() or time.monotonic() > self._refused_at

    def result(self) -> Change:
        """What it has come to, once it is over. Raises what it raised, or `LivetagError`."""
        if not self._change.done():
            self.abandon()
            raise LivetagError(
                f"reading it, and opening what it asks for, took more than {READING_SECONDS:g} s"
            )
        return self._change.result()

    def abandon(self) -> None:
        """Have what it opens, or has opened, closed again."""
        self._change.add_done_callback(_close_new)

    def _run(self) -> None:
        try:
            self._change.set_result(self._read())
        except Exception as error:  # which main tells of, whatever it is
            self._change.set_exception(error)


class Readings:
    """Readings when they are asked for, one at a time. One thread at a time may use it."""

    def __init__(self, read: Callable[[], Change] | None) -> None:
        """`read`: gives what changes, or raises; None where nothing can be read again."""
        self._read = read
        self._is_asked_for = False
        self._reading: Reading | None = None

    def ask(self) -> bool:
        """Have another one begin, after the one that goes on; whether there will be one."""
        self._is_asked_for = self._read is not None
        return self._is_asked_for

    def take(self) -> Change | None:
        """What a reading has come to, once it is over; begins one that is asked for.

        Raises what kept it from a change.
        """
        reading = self._reading
        if reading is None:
            if self._is_asked_for and self._read is not None:
                self._is_asked_for = False
                self._reading = Reading(self._read)
            return None
        if not reading.is_over:
            return None
        self._reading = None
        return reading.result()

    def abandon(self) -> None:
        """Have what a reading opens that goes on, or has opened, closed again."""
        if self._reading is not None:
            self._reading.abandon()


def _close_new(change: Future[Change]) -> None:
    if change.exception() is None:
        for sink in change.result().new:
            with contextlib.suppress(Exception):
                sink.close()


def _differing(one: Config, other: Config) -> list[str]:
    return [key for key in KEYS if getattr(one, key) != getattr(other, key)]


def _told(changed: Sequence[str], later: Sequence[str]) -> str:
    told = f"{', '.join(changed)} changed" if changed else "nothing changed"
    if later:
        values = "the new values count" if len(later) > 1 else "the new value counts"
        told += f"; {', '.join(later)}: {values} from the next start"
    return told
