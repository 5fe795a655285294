"""The monitor's configuration: strict, typed, frozen.

A value comes from the command line, else the environment (`LIVETAG_*`), else the configuration
file, else the defaults. An unknown key, a wrong type or a value out of range is a `UsageError` that
names the key and where it stands.
"""

import contextlib
import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from livetag.errors import UsageError
from livetag.resources import PRESETS_DIR

DEFAULT_ALERTS = (
    "Smoke detector, smoke alarm=0.3",
    "Fire alarm=0.3",
    "Siren",
    "Glass",
    "Shatter=0.4",
    "Baby cry, infant cry",
    "Dog",
    "Doorbell",
    "Knock",
    "Screaming",
    "Telephone",
    "Gunshot, gunfire",
)

ENVIRONMENT_PREFIX = "LIVETAG_"
_OTHER_VARIABLES = {"LIVETAG_CONFIG", "LIVETAG_CACHE_DIR", "LIVETAG_DEBUG"}
_LIST_SEPARATOR = ";"  # display names hold commas

Score = Annotated[float, Meta(gt=0.0, le=1.0)]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every setting of `livetag monitor`; `config/default.toml` explains them."""

    device: str | int | None = None
    input: str | None = None
    demo: bool = False
    fast: bool = False
    rate: Annotated[int, Meta(ge=1_000, le=768_000)] | None = None
    channels: Annotated[int, Meta(ge=1, le=1_024)] = 1
    duration_seconds: Annotated[float, Meta(gt=0.0, le=1e9)] | None = None
    patch_hop_seconds: float = 0.48
    threshold: Score = 0.5
    hold_seconds: Annotated[float, Meta(ge=0.0, le=3_600.0)] = 1.0
    alert: tuple[str, ...] = DEFAULT_ALERTS
    top: Annotated[int, Meta(ge=1, le=521)] = 10
    dashboard: bool | None = None
    json: bool = False
    csv: str | None = None
    weights: str | None = None


_KEYS = Config.__struct_fields__


def read_file(path: Path) -> dict[str, Any]:
    """The keys of a TOML file, checked. Raises `UsageError`."""
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the configuration {path} is not TOML: {error}") from error
    convert(table, str(path))
    return table


def find_file(name: str) -> Path:
    """The file that `--config` names: a path, or one of the presets by name.

    Raises `UsageError` that lists the presets.
    """
    preset = PRESETS_DIR / f"{name}.toml"
    with contextlib.suppress(OSError):  # a name that no file can have
        if name.replace("-", "").replace("_", "").isalnum() and preset.is_file():
            return preset
        if Path(name).is_file():
            return Path(name)
    presets = ", ".join(sorted(file.stem for file in PRESETS_DIR.glob("*.toml")))
    raise UsageError(f"there is no configuration {name!r}: name a file, or a preset ({presets})")


def read_environment(environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The keys that `LIVETAG_*` variables set, and a message for each that is none."""
    values: dict[str, Any] = {}
    unknown = []
    names = {ENVIRONMENT_PREFIX + key.upper(): key for key in _KEYS}
    for name, text in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _OTHER_VARIABLES or not text:
            continue
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            unknown.append(f"{name} is no setting of livetag's{hint}: it is ignored")
        elif names[name] == "alert":
            labels = [part.strip() for part in text.split(_LIST_SEPARATOR)]
            values["alert"] = [label for label in labels if label]
        else:
            values[names[name]] = _from_text(names[name], text, name)
    return values, unknown


def _from_text(key: str, text: str, where: str) -> Any:
    """A variable's text as the type its key has."""
    converted = convert({key: text}, where, strict=False)
    return getattr(converted, key)


def convert(values: Mapping[str, Any], where: str, strict: bool = True) -> Config:
    """Values as a `Config`, the defaults for what is missing. Raises `UsageError`."""
    for key in values:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f": did you mean {near[0]!r}?" if near else f" (there are: {', '.join(_KEYS)})"
            raise UsageError(f"{where}: there is no key {key!r}{hint}")
    try:
        return msgspec.convert(values, Config, strict=strict)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`") or "?"
        raise UsageError(f"{where}: {key}: {message.replace('`', '')}") from error


def load(
    name: str | None, options: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> tuple[Config, list[str]]:
    """The configuration in force, and messages about variables that were ignored.

    `name` is that of `--config`, `options` the keys set on the command line. Raises `UsageError`.
    """
    name = name or environment.get("LIVETAG_CONFIG") or None
    from_file = read_file(find_file(name)) if name else {}
    from_environment, ignored = read_environment(environment)
    merged: dict[str, Any] = {}
    for layer in (from_file, from_environment, options):
        merged = _overlaid(merged, layer)
    return convert(merged, "the configuration"), ignored


_SOURCES = ("device", "input", "demo")


def _overlaid(weaker: Mapping[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    """Both, where a source in the stronger one replaces any source in the weaker."""
    given = {key: stronger.get(key) for key in _SOURCES}
    chosen = [key for key, value in given.items() if value is not None and value is not False]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other: choose one source")
    kept = {key: value for key, value in weaker.items() if not chosen or key not in _SOURCES}
    return kept | dict(stronger)
