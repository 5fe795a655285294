"""Event lists against a reference, scored with sed_eval, which is imported here alone.

The definitions are those of A. Mesaros, T. Heittola and T. Virtanen, "Metrics for polyphonic sound
event detection", Applied Sciences 6(6), 2016, as sed_eval computes them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean
from typing import Any

from livetag.errors import UsageError, not_installed
from livetag.evaluation.event_lists import ListedEvent, Pair

_MOST_CELLS = 20_000_000
"""Segments times labels: sed_eval keeps a table of them, of 8 bytes each."""
_PLACES = 9
"""sed_eval adds an epsilon to what it divides by."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When an event counts as found, and how long a segment is: sed_eval's own values.

    The onset has to be within the collar; the offset, too, unless `onset_only`, or within this
    share of the reference event's length.
    """

    collar_seconds: float = 0.2
    length_share: float = 0.5
    onset_only: bool = False
    segment_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class EventMetrics:
    """Of all events, or of one label's; None where there is nothing to divide by.

    `reference` and `estimated` count events, or segments in which there is one. F1 is 0 where
    nothing was found. `substitution_rate` is of all labels together alone.
    """

    reference: int
    estimated: int
    f1: float | None
    precision: float | None
    recall: float | None
    error_rate: float | None
    substitution_rate: float | None
    deletion_rate: float | None
    insertion_rate: float | None


@dataclass(frozen=True, slots=True)
class Scores:
    """Overall, where each event or segment weighs the same; by label; and the labels' mean F1."""

    overall: EventMetrics
    by_label: dict[str, EventMetrics]
    mean_f1: float | None


@dataclass(frozen=True, slots=True)
class EventScores:
    """Event by event, and segment by segment."""

    by_event: Scores
    by_segment: Scores


def check_installed() -> None:
    """Raise `UsageError` where sed_eval is missing."""
    try:
        import sed_eval  # noqa: F401
    except ModuleNotFoundError as error:
        raise not_installed("--events needs sed_eval", "evaluate") from error


def score_events(pairs: Iterable[Pair], labels: list[str], rules: Rules) -> EventScores:
    """Score the events of these labels; others are left out.

    Raises `UsageError` where there are too many segments to keep in memory.
    """
    from sed_eval import sound_event

    by_event = sound_event.EventBasedMetrics(
        labels,
        evaluate_offset=not rules.onset_only,
        t_collar=rules.collar_seconds,
        percentage_of_length=rules.length_share,
    )
    by_segment = sound_event.SegmentBasedMetrics(labels, time_resolution=rules.segment_seconds)
    for pair in pairs:
        lists = _listed(pair.reference, labels), _listed(pair.estimated, labels)
        end_s = max((event["offset"] for events in lists for event in events), default=0.0)
        if end_s / rules.segment_seconds * len(labels) > _MOST_CELLS:
            raise UsageError(
                f"{end_s:,.0f} s in segments of {rules.segment_seconds:g} s are too many: "
                "a larger --segment makes fewer"
            )
        if any(lists):
            by_event.evaluate(*lists)
            by_segment.evaluate(*lists)
    return EventScores(_scores(by_event, labels), _scores(by_segment, labels))


def _listed(events: Iterable[ListedEvent], labels: list[str]) -> list[dict[str, Any]]:
    return [
        {"event_label": event.label, "onset": event.onset_s, "offset": event.offset_s}
        for event in events
        if event.label in labels
    ]


def _scores(measured: Any, labels: list[str]) -> Scores:
    found = measured.results_class_wise_metrics()
    by_label = {label: _metrics(found[label], found[label]["count"]) for label in labels}
    f1s = [one.f1 for one in by_label.values() if one.f1 is not None]
    overall = _metrics(measured.results_overall_metrics(), measured.overall)
    return Scores(overall, by_label, fmean(f1s) if f1s else None)


def _metrics(measured: dict[str, Any], count: dict[str, float]) -> EventMetrics:
    reference, estimated = int(count["Nref"]), int(count["Nsys"])
    rates = measured["f_measure"] | measured["error_rate"]

    def value(name: str, known: bool) -> float | None:
        found = float(rates.get(name, nan))
        return None if isnan(found) or not known else round(found, _PLACES)

    return EventMetrics(
        reference=reference,
        estimated=estimated,
        f1=(value("f_measure", True) or 0.0) if reference or estimated else None,
        precision=value("precision", estimated > 0),
        recall=value("recall", reference > 0),
        error_rate=value("error_rate", reference > 0),
        substitution_rate=value("substitution_rate", reference > 0),
        deletion_rate=value("deletion_rate", reference > 0),
        insertion_rate=value("insertion_rate", reference > 0),
    )
