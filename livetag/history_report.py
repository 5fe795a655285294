"""How `livetag history` prints: a list of what was heard, as text, CSV or JSON, or a summary."""

import csv
import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from livetag.history_map import HourMap, draw
from livetag.history_query import HeardEvent, HeardGap, History, Query, Span, Summary
from livetag.records import iso_time, score
from livetag.sinks.csv_log import COLUMNS
from livetag.text import counted, duration, milliseconds, printable
from livetag.yamnet.labels import class_map

CSV_COLUMNS = (*COLUMNS, "alert", "group", "withheld", "windows", "level_dbfs", "run")
"""Those of the event log, and what the history knows besides."""
MOST_LABELS = 20
_MOST_NAMED = 3
_MOST_COLUMNS = 1_000  # of a line in a file: more than the table needs, so that nothing is cut


def print_text(out: TextIO, history: History, query: Query) -> bool:
    """A line for each event and gap, in the order of their starts; whether there was any."""
    any_line = False
    for record in _records(history, query):
        print(_line(record), file=out)
        any_line = True
    return any_line


def print_json(out: TextIO, history: History, query: Query) -> bool:
    """One object for each event and gap, in the order of their starts; whether there was any."""
    any_line = False
    for record in _records(history, query):
        print(json.dumps(_object(record), separators=(",", ":")), file=out)
        any_line = True
    return any_line


def print_csv(out: TextIO, history: History, query: Query) -> bool:
    """A header, and a row for each event; whether there was any. Gaps are no events."""
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    any_row = False
    for event in history.events(query):
        writer.writerow(_row(event))
        any_row = True
    return any_row


def print_summary(
    out: TextIO, history: History, query: Query, most_labels: int | None = MOST_LABELS
) -> bool:
    """A table of the labels and a map of the hours; False, and nothing, where nothing was heard."""
    summaries = list(history.summary(query))
    if not summaries:
        return False
    spans = history.listening(query.since, query.until)
    hours = HourMap.of(history, _sounds(query), spans, max(row.last_start for row in summaries))
    width = None if out.isatty() else _MOST_COLUMNS
    console = Console(file=out, width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:  # rich would end the program where `out` is a closed pipe
        _print_totals(console, summaries, spans)
        console.print()
        _print_table(console, summaries, most_labels)
        console.print()
        draw(console, hours, f"Events by hour: {_described(query)}")
    out.write(captured.get())
    return True


def _records(history: History, query: Query) -> Iterator[HeardEvent | HeardGap]:
    return heapq.merge(history.events(query), history.gaps(query), key=lambda record: record.start)


def _line(record: HeardEvent | HeardGap) -> str:
    start = iso_time(record.start)
    if isinstance(record, HeardGap):
        return f"{start}  {_length(record.lost_seconds)}        lost ({printable(record.reason)})"
    mark = "!" if record.alert else " "
    notes = [f"group {record.group}"] if record.group else []
    notes += [f"no alert: {record.withheld}"] if record.withheld and not record.alert else []
    name = record.label + (f" ({'; '.join(notes)})" if notes else "")
    length = _length(record.end - record.start)
    return f"{start}  {length}  {record.peak_score:.2f} {mark} {printable(name)}"


def _length(seconds: float) -> str:
    text = f"{seconds:.1f} s" if seconds < 59.95 else _duration(seconds)
    if seconds < 0.05:  # which would be 0.0 s
        text = milliseconds(seconds)
    return text.rjust(8)


def _duration(seconds: float) -> str:
    """To the nearest second: an event of 4.96 s is 5 s long, wherever it is told of."""
    return duration(round(seconds))


def _row(event: HeardEvent) -> dict[str, Any]:
    row = {name: getattr(event, name) for name in CSV_COLUMNS}
    row |= {name: iso_time(row[name]) for name in ("start", "end")}
    row |= {name: score(row[name]) for name in ("peak_score", "mean_score", "threshold")}
    return row | {"alert": int(event.alert)}


def _object(record: HeardEvent | HeardGap) -> dict[str, Any]:
    """A record with the names that the monitor's records have."""
    if isinstance(record, HeardGap):
        return {
            "type": "gap",
            "time": iso_time(record.start),
            "start_s": record.start_s,
            "lost_seconds": record.lost_seconds,
            "reason": record.reason,
            "source": record.source,
            "run": record.run,
        }
    row = _row(record)
    fields = {
        "type": "event",
        "time": row.pop("start"),
        "end_time": row.pop("end"),
        **row,
        "alert": record.alert,
    }
    for name in ("group", "withheld"):
        if not fields[name]:
            del fields[name]
    return fields


def _print_totals(console: Console, summaries: list[Summary], spans: list[Span]) -> None:
    if spans:
        listened = _duration(sum(end - begin for begin, end in spans))
        console.print(f"{_minute(spans[0][0])} to {_minute(spans[-1][1])}, listened for {listened}")
    events = counted(sum(row.events for row in summaries), "event")
    alerts = counted(sum(row.alerts for row in summaries), "alert")
    console.print(f"{events}, {alerts}", style="bold")


def _print_table(console: Console, summaries: list[Summary], most_labels: int | None) -> None:
    listed = summaries[:most_labels]
    console.print(_table(listed, console))
    rest = [row.events for row in summaries[len(listed) :]]
    if rest:
        console.print(f"and {len(rest):,} more, with {counted(sum(rest), 'event')}", style="dim")


def _table(summaries: list[Summary], console: Console) -> Table:
    """What does not fit is cut from the names."""
    columns = {"events": 6, "alerts": 6, "total": 9, "longest": 8, "peak": 5, "last heard": 17}
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(
        "label",
        overflow="crop" if console.options.ascii_only else "ellipsis",
        no_wrap=True,
        max_width=max(12, console.width - sum(columns.values()) - len(columns)),
    )
    for header, width in columns.items():
        table.add_column(header, justify="right", no_wrap=True, min_width=width)
    for row in summaries:
        table.add_row(
            Text(printable(row.name)),
            f"{row.events:,}",
            Text(f"{row.alerts:,}", "bold red") if row.alerts else Text("-", "dim"),
            _duration(row.total_seconds),
            _duration(row.longest_seconds),
            f"{row.highest_score:.2f}",
            _minute(row.last_start),
        )
    return table


def _minute(unix_time: float) -> str:
    return datetime.fromtimestamp(unix_time).strftime("%Y-%m-%d %H:%M")


def _sounds(query: Query) -> Query:
    """What the map counts: where nothing was chosen, all but silence, which no sound is."""
    if query.classes is not None or query.groups is not None:
        return query
    sounds = frozenset(label.index for label in class_map() if label.name != "Silence")
    return replace(query, classes=sounds)


def _described(query: Query) -> str:
    """Which events the map counts, in words."""
    if query.classes is None and query.groups is None:
        return "all alerts" if query.alerts_only else "every sound but silence"
    labels = class_map()
    names = [*sorted(query.groups or ()), *(labels[i].name for i in sorted(query.classes or ()))]
    listed = "; ".join(names[:_MOST_NAMED])
    if len(names) > _MOST_NAMED:
        listed += f"; and {len(names) - _MOST_NAMED} more"
    return f"{listed}, alerts alone" if query.alerts_only else listed


PRINTERS: dict[str, Callable[[TextIO, History, Query], bool]] = {
    "text": print_text,
    "json": print_json,
    "csv": print_csv,
    "summary": print_summary,
}
