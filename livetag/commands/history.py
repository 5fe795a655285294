"""`livetag history`: what `livetag monitor --history` has kept."""

import argparse
import os
import sys
import time
from pathlib import Path


def run(options: argparse.Namespace) -> int:
    """Print events and gaps, or a summary."""
    import math

    from livetag.config import read_environment
    from livetag.history_query import History, Query
    from livetag.history_report import PRINTERS
    from livetag.resources import history_path
    from livetag.times import parse_time
    from livetag.yamnet.labels import class_map

    now = time.time()
    since = -math.inf if options.since is None else parse_time(options.since, now)
    until = math.inf if options.until is None else parse_time(options.until, now)
    form = "json" if options.json else "csv" if options.csv else "text"
    print_as = PRINTERS["summary" if options.summary else form]
    usual = read_environment(os.environ)[0].get("history")
    named = options.file or (usual if isinstance(usual, str) else None)
    with History(Path(named) if named else history_path()) as history:
        names = options.label or []
        groups = history.groups() if names else set()
        labels = [class_map().find(name) for name in names if name not in groups]
        query = Query(
            since=since,
            until=until,
            classes=frozenset(label.index for label in labels) if names else None,
            groups=frozenset(groups.intersection(names)) if names else None,
            alerts_only=options.alerts,
        )
        if not print_as(sys.stdout, history, query):
            print("livetag: nothing of the kind is in the history", file=sys.stderr)
    return 0
