"""Another reading of the configuration while the monitor runs: what of it counts at once.

A key of `FROM_NEXT_START` keeps the value that the monitor was started with; all others change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Change:
    """What takes the place of what was in force. `told`: which keys it is, in words."""

    rules: Rules
    top: int
    explain: bool
    spectrogram: bool
    gone: Sequence[Sink]
    new: Sequence[Sink]
    told: str


SinkChange = Callable[[Config, Rules], tuple[Sequence[Sink], Sequence[Sink]]]


class Reloader:
    """Reads the configuration again, as often as it is called."""

    def __init__(self, config: Config, read: Callable[[], Config], sinks: SinkChange) -> None:
        """`config`: the one in force. `read` gives another one, checked.

        `sinks` opens what it asks for; it returns those to close, and those opened instead.
        """
        self._config = config
        self._read = read
        self._change_sinks = sinks

    def __call__(self) -> Change:
        """What changes. Raises `LivetagError`, and then nothing does."""
        read = self._read()
        kept = {key: getattr(self._config, key) for key in FROM_NEXT_START}
        config = replaced(read, kept)
        rules = resolve(config, class_map())
        gone, new = self._change_sinks(config, rules)
        told = _told(_differing(self._config, config), _differing(config, read))
        self._config = config
        return Change(rules, config.top, config.explain, config.spectrogram, gone, new, told)


def _differing(one: Config, other: Config) -> list[str]:
    return [key for key in KEYS if getattr(one, key) != getattr(other, key)]


def _told(changed: Sequence[str], later: Sequence[str]) -> str:
    told = f"{', '.join(changed)} changed" if changed else "nothing changed"
    if later:
        values = "the new values count" if len(later) > 1 else "the new value counts"
        told += f"; {', '.join(later)}: {values} from the next start"
    return told
