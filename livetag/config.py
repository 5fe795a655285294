"""Where the configuration comes from: the layers, and which of them set what.

A value comes from the command line, else the environment (`LIVETAG_*`), else the configuration
file, else the defaults. `livetag.schema` says what there may be.
"""

import contextlib
import difflib
import os
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livetag.errors import UsageError
from livetag.files import content
from livetag.resources import PRESETS_DIR
from livetag.schema import KEYS, LIST_KEYS, TABLE_KEYS, Config, convert
from livetag.times import parse_beginning

MOST_BYTES = 512 << 10
"""Of a configuration: a rule with every key for each of the classes has a third of it."""
_MOST_DOTS = 100  # in one line
ENVIRONMENT_PREFIX = "LIVETAG_"
_OTHER_VARIABLES = {"LIVETAG_CONFIG", "LIVETAG_CACHE_DIR", "LIVETAG_DEBUG"}
_LIST_SEPARATOR = ";"  # display names hold commas
_SWITCH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Loaded:
    """The configuration in force.

    `origins`: for each key that is not a default, what set it. `ignored`: a message for each
    variable of the environment that is no setting.
    """

    config: Config
    origins: Mapping[str, str]
    ignored: list[str]


def read_file(path: Path) -> dict[str, Any]:
    """The keys of a TOML file, checked. Raises `UsageError`."""
    try:
        with path.open("rb") as file:  # or a pipe, whose other end is waited for
            table = tomllib.loads(_text(content(file, path, MOST_BYTES)))
    except OSError as error:
        raise UsageError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise UsageError(f"the configuration {path} is nested too deeply") from error
    except ValueError as error:  # not TOML, not UTF-8, or an integer with thousands of digits
        raise UsageError(f"the configuration {path} is not TOML: {error}") from error
    convert(table, str(path))
    return table


def _text(read: bytes) -> str:
    """A file's text, when tomllib can take it: its work grows with the square of a key's dots.

    Raises `ValueError`.
    """
    for number, line in enumerate(read.split(b"\n"), 1):
        if line.count(b".") > _MOST_DOTS:
            raise ValueError(f"line {number} has more than {_MOST_DOTS} dots: make it several")
    return read.decode("utf-8-sig")  # some editors begin a file with a mark


def find_file(name: str) -> Path:
    """The file that `--config` names: a path, or one of the presets by name.

    Raises `UsageError` that lists the presets.
    """
    preset = PRESETS_DIR / f"{name}.toml"
    with contextlib.suppress(OSError):  # a name that no file can have
        if name.replace("-", "").replace("_", "").isalnum() and preset.is_file():
            return preset
        if Path(name).is_file() or Path(name).is_fifo():
            return Path(name)
    presets = ", ".join(sorted(file.stem for file in PRESETS_DIR.glob("*.toml")))
    raise UsageError(f"there is no configuration {name!r}: name a file, or a preset ({presets})")


def read_environment(environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The keys that `LIVETAG_*` variables set, and a message for each that is none."""
    values: dict[str, Any] = {}
    unknown = []
    names = {variable(key): key for key in KEYS if key not in TABLE_KEYS}
    for name, text in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _OTHER_VARIABLES or not text:
            continue
        if name in {variable(key) for key in TABLE_KEYS}:
            unknown.append(f"{name}: tables stand in a file alone: it is ignored")
        elif name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            unknown.append(f"{name} is no setting of livetag's{hint}: it is ignored")
        else:
            values[names[name]] = _from_text(names[name], text, name)
    return values, unknown


def variable(key: str) -> str:
    """The environment variable that sets a key."""
    return ENVIRONMENT_PREFIX + key.upper()


def _from_text(key: str, text: str, where: str) -> Any:
    """A variable's text as the type its key has."""
    value: Any = text
    if key == "history" and text.lower() in _SWITCH:
        value = _SWITCH[text.lower()]  # and no path
    if key in LIST_KEYS:
        parts = [part.strip() for part in text.split(_LIST_SEPARATOR)]
        value = [part for part in parts if part]
    converted = convert({key: value}, where, strict=False)
    return getattr(converted, key)


def load(
    name: str | None, options: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> Loaded:
    """The configuration in force.

    `name` is that of `--config`, `options` the keys set on the command line. Raises `UsageError`.
    """
    name = name or environment.get("LIVETAG_CONFIG") or None
    path = find_file(name) if name else None
    from_environment, ignored = read_environment(environment)
    layers: list[tuple[Mapping[str, Any], str | None]] = [
        (read_file(path) if path else {}, str(path)),
        (from_environment, None),
        (options, "the command line"),
    ]
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer, origin in layers:
        merged = _overlaid(merged, layer)
        origins |= {key: origin or variable(key) for key in layer}
    origins = {key: origin for key, origin in origins.items() if key in merged}
    return Loaded(convert(merged, "the configuration"), origins, ignored)


def began_at(config: Config) -> float | None:
    """The UNIX time at which a recording began, if that is said. Raises `UsageError`."""
    if config.since is None:
        return None
    try:
        return parse_beginning(config.since, time.time())
    except UsageError as error:
        raise UsageError(f"since: {error}") from error


_SOURCES = ("device", "input", "demo")


def _overlaid(weaker: Mapping[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    """Both, where a source in the stronger one replaces any source in the weaker.

    Where the stronger one says what alerts, the weaker one's rules alert only as listed there.
    """
    given = {key: stronger.get(key) for key in _SOURCES}
    chosen = [key for key, value in given.items() if value is not None and value is not False]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other: choose one source")
    kept = {key: value for key, value in weaker.items() if not chosen or key not in _SOURCES}
    if "alert" in stronger and "rule" in kept:
        kept["rule"] = [{**rule, "alert": "listed"} for rule in kept["rule"]]
    return kept | dict(stronger)
