"""`livetag doctor`: whether `livetag monitor` would work with the same options."""

import argparse
import sys
from typing import TYPE_CHECKING

from livetag.commands.base import check_since, checked, load_settings

if TYPE_CHECKING:
    from livetag.rules import Rules
    from livetag.schema import Config
    from livetag.yamnet.params import Params


def run(options: argparse.Namespace) -> int:
    """Print what is found, as it is found."""
    from livetag.doctor.examination import examine
    from livetag.doctor.report import print_json, print_text

    def meant(config: "Config") -> "tuple[Rules, Params]":
        rules, params, _ = checked(config)
        check_since(config)
        return rules, params

    checks = examine(lambda: load_settings(options), meant, _source_alone(options))
    as_json = getattr(options, "json", False)  # that of the configuration is the monitor's
    return print_json(checks, sys.stdout) if as_json else print_text(checks, sys.stdout)


def _source_alone(options: argparse.Namespace) -> "Config":
    """What is to be listened to, by the options: for when the rest cannot be read."""
    from livetag.schema import Config

    keys = {key: vars(options)[key] for key in ("device", "input", "demo") if key in vars(options)}
    return Config(**keys)
