"""The commands: the only rooms that build a `Config` and put the others together."""

import argparse
from collections.abc import Callable

from livetag.commands import (
    classify,
    config,
    devices,
    doctor,
    evaluate,
    history,
    model,
    monitor,
    plot,
    scan,
    service,
)

COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "monitor": monitor.run,
    "classify": classify.run,
    "plot": plot.run,
    "devices": devices.run,
    "doctor": doctor.run,
    "evaluate": evaluate.run,
    "history": history.run,
    "config check": config.check,
    "config show": config.show,
    "config schema": config.schema,
    "model export": model.export,
    "model fetch": model.fetch,
    "model info": model.info,
    "scan": scan.run,
    "service install": service.install,
    "service status": service.status,
    "service uninstall": service.uninstall,
}
"""What runs each command, by the name that its options carry; it returns the exit code."""
