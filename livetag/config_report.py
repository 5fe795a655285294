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
        first, *rest = tomli_w.dumps({key: value}).rstrip("\n").split("\n")
        print("\n".join([f"{first:{_COMMENT_COLUMN}}  # {origin}", *rest]), file=out)
    print(f"# not set: {', '.join(unset)}", file=out)
    for key in (key for key in TABLE_KEYS if values[key]):
        print(f"\n# {key}: {loaded.origins.get(key, 'default')}", file=out)
        tables = [values[key]] if isinstance(values[key], dict) else values[key]
        for table in tables:
            print(f"[{key}]" if isinstance(values[key], dict) else f"[[{key}]]", file=out)
            given = {name: value for name, value in table.items() if value is not None}
            print(tomli_w.dumps(given), file=out)
