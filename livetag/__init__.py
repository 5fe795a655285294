"""livetag listens to a microphone and says what it hears.

What it offers to programs stands in `livetag.library`, and is loaded when it is first asked for:
the commands start without it.
"""

from typing import TYPE_CHECKING, Any

from livetag.version import __version__

if TYPE_CHECKING:
    from livetag.library import (
        Classification,
        Config,
        EventAlert,
        EventEnd,
        EventStart,
        Gap,
        InputError,
        Label,
        LivetagError,
        ModelError,
        ScanResult,
        Source,
        Tagger,
        UsageError,
        load,
        load_config,
        microphone,
    )

__all__ = [
    "Classification",
    "Config",
    "EventAlert",
    "EventEnd",
    "EventStart",
    "Gap",
    "InputError",
    "Label",
    "LivetagError",
    "ModelError",
    "ScanResult",
    "Source",
    "Tagger",
    "UsageError",
    "__version__",
    "load",
    "load_config",
    "microphone",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from livetag import library

    return getattr(library, name)


def __dir__() -> list[str]:
    return __all__
