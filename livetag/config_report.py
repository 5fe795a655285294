"""How `livetag config` prints the configuration in force: as TOML, with what set each key."""

from typing import TextIO

import tomli_w

from livetag.config import Loaded
from livetag.schema import TABLE_KEYS, as_builtins

_COMMENT_COLUMN = 48


def print_config(loaded: Loaded, out: TextIO) -> None:
    """A configuration file that sets every key as it is, and says where each comes from."""
    values = as_builtins(loaded.config)
    unset = [key for key, value in values.items() if value is None]
    for key, value in values.items():
        if value is None or key in TABLE_KEYS:
            continue
        origin = loaded.origins.get(key, "default")
        first, *rest = tomli_w.dumps({key: value}).splitlines()
        print("\n".join([f"{first:{_COMMENT_COLUMN}}  # {origin}", *rest]), file=out)
    print(f"# not set: {', '.join(unset)}", file=out)
    for key in (key for key in TABLE_KEYS if values[key]):
        print(f"\n# {key}: {loaded.origins.get(key, 'default')}", file=out)
        print(tomli_w.dumps({key: _without_nones(values[key])}), end="", file=out)


def _without_nones(value: object) -> object:
    """TOML has no null: a key that is not set is left out."""
    if isinstance(value, dict):
        return {key: _without_nones(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_without_nones(one) for one in value]
    return value
