"""`livetag service`: hand `livetag monitor` to the service manager."""

import argparse
import sys
from pathlib import Path

from livetag.commands.base import check_since, checked, load_settings, ready_model, say, stderr


def install(options: argparse.Namespace) -> int:
    """Show the file for the service manager, ask, write it and start livetag."""
    from livetag import service
    from livetag.service_manager import manager_here

    console = stderr()
    loaded = load_settings(options)
    for message in loaded.ignored:
        say(console, message)
    config = loaded.config
    checked(config)
    check_since(config)
    job = service.job_of(options, config)
    manager = manager_here(job)
    if options.print:
        print(manager.text(job), end="")
        return 0
    manager.check()
    ready_model(None if config.weights is None else Path(config.weights), console)
    agreed = service.asked_on_terminal(options.yes, sys.stderr)
    return service.install(manager, job, agreed, sys.stderr)


def status(options: argparse.Namespace) -> int:
    """Print how the service is doing."""
    from livetag import service
    from livetag.service_manager import manager_here

    return service.status(manager_here(), sys.stdout)


def uninstall(options: argparse.Namespace) -> int:
    """Ask, end the service, and remove its file."""
    from livetag import service
    from livetag.service_manager import manager_here

    agreed = service.asked_on_terminal(options.yes, sys.stderr)
    return service.uninstall(manager_here(), agreed, sys.stderr)
