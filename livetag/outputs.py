"""The sinks that a configuration asks for, opened."""

import contextlib
import json
import os
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from livetag import __version__, schema
from livetag.errors import UsageError
from livetag.logfile import check_codes
from livetag.resources import history_path
from livetag.rules import Rules
from livetag.schema import Config
from livetag.sinks.base import Selection, Sink
from livetag.sources.base import Source
from livetag.yamnet.compile import Report
from livetag.yamnet.params import Params

_SHORT_FORMS: dict[str, type[Any]] = {
    "csv": schema.CsvLog,
    "jsonl": schema.JsonLinesLog,
    "audacity": schema.AudacityLabels,
    "raven": schema.RavenTable,
    "dcase": schema.DcaseList,
    "clips": schema.Clips,
}


def sink_tables(config: Config) -> list[tuple[str, schema.SinkTable]]:
    """All sinks but standard output, each with where it is asked for: short forms come first."""
    tables: list[tuple[str, schema.SinkTable]] = [
        (key, table(path=path))
        for key, table in _SHORT_FORMS.items()
        if (path := getattr(config, key)) is not None
    ]
    if config.history:
        path = config.history if isinstance(config.history, str) else None
        tables.append(("history", schema.HistoryLog(path=path)))
    return [*tables, *((f"sink {number}", table) for number, table in enumerate(config.sink, 1))]


def open_sinks(
    config: Config,
    source: Source,
    rules: Rules,
    params: Params,
    model: Report,
    began: float | None,
    covered: bool,
) -> list[Sink]:
    """Standard output and every sink that is asked for, open.

    `began`: the UNIX time at which a recording began. `covered`: the dashboard has the terminal to
    itself. Raises `LivetagError`.
    """
    from livetag.sinks.console import ConsoleSink

    held = covered and sys.stdout.isatty()
    sinks: list[Sink] = [ConsoleSink(_own_stdout(), source.name, config.json, held)]
    with contextlib.ExitStack() as undo:  # a sink that cannot be opened leaves none open
        for where, table in sink_tables(config):
            selection = _selection(table, where, rules)
            match table:
                case schema.HistoryLog():
                    sink = _open_history(table, config, source, model, selection)
                case schema.Clips():
                    never_with = _never_with(table, where, rules)
                    sink = _open_clips(table, source, rules, params, selection, never_with)
                case _:
                    sink = _open_text_log(table, source, selection, began)
            undo.callback(sink.close)
            sinks.append(sink)
        undo.pop_all()
    return sinks


def _open_text_log(
    table: schema.TextLog, source: Source, selection: Selection, began: float | None
) -> Sink:
    from livetag.sinks.annotations import AudacitySink, DcaseSink, RavenSink
    from livetag.sinks.csv_log import CsvSink
    from livetag.sinks.jsonl import JsonLinesSink

    kinds: dict[type[schema.TextLog], Any] = {
        schema.CsvLog: CsvSink,
        schema.JsonLinesLog: JsonLinesSink,
        schema.AudacityLabels: AudacitySink,
        schema.RavenTable: RavenSink,
        schema.DcaseList: DcaseSink,
    }
    sink: Sink = kinds[type(table)](
        Path(table.path), source.name, selection, table.max_megabytes, began
    )
    return sink


def _open_history(
    table: schema.HistoryLog, config: Config, source: Source, model: Report, selection: Selection
) -> Sink:
    from livetag.history import Run
    from livetag.sinks.history_log import HistorySink

    run = Run(
        source=source.name,
        version=__version__,
        model_sha256=model.sha256,
        weights_source=model.weights_source,
        hop_seconds=config.patch_hop_seconds,
        configuration=json.dumps(schema.as_builtins(config)),
    )
    return HistorySink(Path(table.path) if table.path else history_path(), run, selection)


def _open_clips(
    table: schema.Clips,
    source: Source,
    rules: Rules,
    params: Params,
    selection: Selection,
    never_with: Collection[int],
) -> Sink:
    from livetag.sinks.clips import ClipSink

    if table.alerts_only:  # the others need not be held until it is known what they are
        classes = rules.alerting
        classes = classes if selection.classes is None else classes & selection.classes
        selection = replace(selection, classes=classes)
    hop_s = params.patch_hop_seconds
    return ClipSink(
        folder=Path(table.path),
        source=source.name,
        rate_hz=source.rate_hz,
        settings=table,
        selection=selection,
        never_with=never_with,
        hop_seconds=hop_s,
        lookback_seconds=(rules.longest_confirmation - 1) * hop_s + params.window_seconds,
        tidy=source.live,
    )


def check_sinks(config: Config, rules: Rules) -> None:
    """Look at what every sink is to be given, and where. Raises `UsageError`."""
    writers: dict[Path, str] = {}
    for where, table in sink_tables(config):
        _selection(table, where, rules)
        if isinstance(table, schema.TextLog):
            check_codes(Path(table.path))
        if isinstance(table, schema.Clips):
            _never_with(table, where, rules)
        path = history_path() if table.path is None else Path(table.path)
        other = writers.setdefault(path.resolve(), where)
        if other != where:
            raise UsageError(f"{other} and {where} both write {path}: give each its own")


def _selection(table: schema.SinkTable, where: str, rules: Rules) -> Selection:
    classes = rules.names.indices(table.labels, f"{where}: labels") if table.labels else None
    return Selection(table.alerts_only, classes)


def _never_with(table: schema.Clips, where: str, rules: Rules) -> frozenset[int]:
    return rules.names.indices(table.never_with, f"{where}: never_with")


def _own_stdout() -> TextIO:
    """Standard output for its sink's thread alone: one that hangs in it holds up nobody's end."""
    try:
        descriptor = os.dup(sys.stdout.fileno())
    except (OSError, ValueError):  # what stands in for it is no file
        return sys.stdout
    encoding = sys.stdout.encoding
    return os.fdopen(descriptor, "w", encoding=encoding, errors="backslashreplace")
