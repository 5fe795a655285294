"""The sinks that a configuration asks for, opened; and those that another one asks for instead."""

import contextlib
import json
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from livetag import schema
from livetag.errors import UsageError
from livetag.events import Explanation
from livetag.log_name import check_codes
from livetag.reload import SinkChange
from livetag.resources import history_path
from livetag.rules import Rules
from livetag.schema import Config
from livetag.sinks.base import Selection, Sink, TextLogSink
from livetag.sources.base import Source
from livetag.version import __version__
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


@dataclass(frozen=True)
class Output:
    """A sink that is asked for, with all that it is opened with: equal ones are the same sink."""

    where: str = field(compare=False)
    """In the configuration; it may move."""
    table: schema.SinkTable
    selection: Selection
    never_with: frozenset[int] = frozenset()
    lookback_seconds: float = 0.0

    def is_file_of(self, other: "Output") -> bool:
        """Whether both write one file of this stream's, to which nothing else may add."""
        table = self.table
        return (
            isinstance(table, schema.AudacityLabels | schema.RavenTable)
            and type(table) is type(other.table)
            and table.path == other.table.path
        )


class Outputs:
    """The sinks in force. `unclipped`: why there is no clip of events; sinks add to its end."""

    def __init__(
        self,
        config: Config,
        source: Source,
        rules: Rules,
        params: Params,
        model: Report,
        began: float | None,
        covering: Callable[[], bool],
    ) -> None:
        """Open standard output and every sink that is asked for.

        `began`: the UNIX time at which a recording began. `covering`: whether the dashboard has the
        terminal to itself at this moment. Raises `LivetagError`.
        """
        from livetag.sinks.console import ConsoleSink

        self._source = source
        self._params = params
        self._model = model
        self._began = began
        self.unclipped: deque[Explanation] = deque()
        stdout = _own_stdout()
        covered = covering if sys.stdout.isatty() else _nothing_covers
        self._console = ConsoleSink(stdout, source.name, config.json, covered)
        self._open: dict[Output, Sink] = {}
        _, _, adopt = self.change(config, rules)
        adopt()

    @property
    def sinks(self) -> list[Sink]:
        """All of them, standard output first."""
        return [self._console, *self._open.values()]

    def change(self, config: Config, rules: Rules) -> SinkChange:
        """Open the sinks of a configuration; what is in force stays until that is to be adopted.

        What both ask for alike stays as it is; a stream's file goes on with the selection of now.
        Raises `LivetagError`, and has opened nothing then.
        """
        wanted = _outputs(config, rules, self._params)
        kept = {output: self._open[output] for output in wanted if output in self._open}
        files = [(output, was) for output in wanted for was in self._open if output.is_file_of(was)]
        kept |= {output: self._open[was] for output, was in files}
        opened: dict[Output, Sink] = {}
        with contextlib.ExitStack() as undo:  # a sink that cannot be opened leaves none open
            for output in wanted:
                if output not in kept:
                    opened[output] = self._opened(output, config)
                    undo.callback(opened[output].close)
            undo.pop_all()
        gone = [sink for sink in self._open.values() if sink not in kept.values()]
        following = {output: opened.get(output) or kept[output] for output in wanted}
        return gone, list(opened.values()), partial(self._adopt, following)

    def _adopt(self, sinks: dict[Output, Sink]) -> None:
        self._open = sinks
        for output, sink in sinks.items():
            if isinstance(sink, TextLogSink) and isinstance(output.table, schema.TextLog):
                sink.go_on(output.selection, output.table.max_megabytes)

    def _opened(self, output: Output, config: Config) -> Sink:
        match output.table:
            case schema.HistoryLog() as table:
                return _open_history(table, config, self._source, self._model, output.selection)
            case schema.Clips() as table:
                explain = self.unclipped.append
                return _open_clips(table, self._source, self._params, output, explain)
            case table:
                return _open_text_log(table, self._source, output.selection, self._began)


def _outputs(config: Config, rules: Rules, params: Params) -> list[Output]:
    return [_output(table, where, rules, params) for where, table in sink_tables(config)]


def _output(table: schema.SinkTable, where: str, rules: Rules, params: Params) -> Output:
    selection = _selection(table, where, rules)
    if not isinstance(table, schema.Clips):
        return Output(where, table, selection)
    if table.alerts_only:  # the others need not be held until it is known what they are
        classes = rules.alerting
        classes = classes if selection.classes is None else classes & selection.classes
        selection = replace(selection, classes=classes)
    lookback_s = (rules.longest_confirmation - 1) * params.patch_hop_seconds + params.window_seconds
    return Output(where, table, selection, _never_with(table, where, rules), lookback_s)


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
        Path(table.path), source.name, selection, table.max_megabytes, began, synced=source.live
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
    path = Path(table.path) if table.path else history_path()
    return HistorySink(path, run, selection, synced=source.live)


def _open_clips(
    table: schema.Clips,
    source: Source,
    params: Params,
    output: Output,
    explain: Callable[[Explanation], None],
) -> Sink:
    from livetag.sinks.clips import ClipSink

    return ClipSink(
        folder=Path(table.path),
        source=source.name,
        rate_hz=source.rate_hz,
        settings=table,
        selection=output.selection,
        never_with=output.never_with,
        hop_seconds=params.patch_hop_seconds,
        lookback_seconds=output.lookback_seconds,
        tidy=source.live,
        explain=explain,
    )


def check_sinks(config: Config, rules: Rules) -> None:
    """Look at what every sink is to be given, and where. Raises `UsageError`."""
    writers: dict[Path, str] = {}
    for output in _outputs(config, rules, Params()):
        where, table = output.where, output.table
        if isinstance(table, schema.TextLog):
            check_codes(Path(table.path))
        path = history_path() if table.path is None else Path(table.path)
        other = writers.setdefault(path.resolve(), where)
        if other != where:
            raise UsageError(f"{other} and {where} both write {path}: give each its own")


def _selection(table: schema.SinkTable, where: str, rules: Rules) -> Selection:
    classes = rules.names.indices(table.labels, f"{where}: labels") if table.labels else None
    return Selection(table.alerts_only, classes)


def _never_with(table: schema.Clips, where: str, rules: Rules) -> frozenset[int]:
    return rules.names.indices(table.never_with, f"{where}: never_with")


def _nothing_covers() -> bool:
    return False


def _own_stdout() -> TextIO:
    """Standard output for its sink's thread alone: one that hangs in it holds up nobody's end."""
    try:
        descriptor = os.dup(sys.stdout.fileno())
    except (OSError, ValueError):  # what stands in for it is no file
        return sys.stdout
    encoding = sys.stdout.encoding
    return os.fdopen(descriptor, "w", encoding=encoding, errors="backslashreplace")
