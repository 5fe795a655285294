"""`livetag config`: check a configuration, or show the one in force."""

import argparse
import sys

from livetag.commands.base import checked, load_settings, say, stderr
from livetag.errors import UsageError
from livetag.text import printable


def check(options: argparse.Namespace) -> int:
    """Say whether anything is wrong with a file."""
    from livetag.config import load

    config = load(options.file, {}, {}).config
    try:
        checked(config)
    except UsageError as error:
        raise UsageError(f"{options.file}: {error}") from error
    print(f"{printable(options.file)}: nothing is wrong with it")
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the configuration in force as TOML, and what set each key."""
    from livetag.config_report import print_config
    from livetag.rules import resolve
    from livetag.yamnet.labels import class_map

    loaded = load_settings(options)
    for message in loaded.ignored:
        say(stderr(), message)
    resolve(loaded.config, class_map())
    print_config(loaded, sys.stdout)
    return 0


def schema(options: argparse.Namespace) -> int:
    """Print the JSON Schema of a configuration."""
    import json

    from livetag.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0
