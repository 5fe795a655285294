"""Events against what truly sounded: F1 by sed_eval, recall, false alarms, repetitions, delays."""

import math
import statistics
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from _mixing import Sound, Soundscape

try:
    import sed_eval
except ImportError:
    sys.exit("soundscapes are scored with sed_eval, which is not here: pip install sed_eval")

from livetag.yamnet.params import Params

WINDOW_SECONDS = Params().window_seconds
REACH_SECONDS = WINDOW_SECONDS
"""How far before a sound and after it one of its events may start: a window holds no order."""
COLLARS_SECONDS = 0.5, 0.25
"""Of event-based F1, for onset and offset: half a window, and half of that."""
OFFSET_SHARE = 0.5
"""Of a sound's length: by so much an offset may be wrong, where that is more than the collar."""
SEGMENT_SECONDS = 1.0
BACKGROUND, OTHER, AGAIN = "background", "another sound", "again"


@dataclass(frozen=True)
class Event:
    """An event of a watched name: a category, or a class that sounds nowhere.

    `label`: the class that it came by. `printed_s`: the audio that had been heard when its start
    was known.
    """

    name: str
    label: str
    start_s: float
    end_s: float
    printed_s: float = float("nan")


@dataclass(frozen=True)
class Heard:
    """The events of one soundscape, in the order of their starts."""

    soundscape: Soundscape
    events: tuple[Event, ...]


@dataclass(frozen=True)
class FalseAlarm:
    """An event of something that did not sound then, or that had been told of.

    `why`: BACKGROUND, OTHER (`during` names its category) or AGAIN.
    """

    event: Event
    soundscape: Soundscape
    why: str
    during: str
    recording: str = ""


@dataclass(frozen=True)
class Found:
    """A sound and its events; none where it was missed."""

    sound: Sound
    events: tuple[Event, ...]


@dataclass
class Measures:
    """What is told of one setting."""

    sounds: list[Found] = field(default_factory=list)
    false_mixed: list[FalseAlarm] = field(default_factory=list)
    false_alone: list[FalseAlarm] = field(default_factory=list)
    mixed_s: float = 0.0
    alone_s: float = 0.0
    event_f1: dict[float, float] = field(default_factory=dict)
    segment_f1: float = float("nan")

    @property
    def found(self) -> list[Found]:
        return [found for found in self.sounds if found.events]

    @property
    def recall(self) -> float:
        return len(self.found) / len(self.sounds) if self.sounds else float("nan")

    @property
    def repeated(self) -> list[Found]:
        """The sounds with two or more events."""
        return [found for found in self.sounds if len(found.events) > 1]

    @property
    def false_mixed_an_hour(self) -> float:
        return len(self.false_mixed) / (self.mixed_s / 3_600.0) if self.mixed_s else float("nan")

    @property
    def false_alone_an_hour(self) -> float:
        return len(self.false_alone) / (self.alone_s / 3_600.0) if self.alone_s else float("nan")

    @property
    def onset_errors_s(self) -> list[float]:
        """Each found sound's event's start, from the sound's onset on."""
        return [found.events[0].start_s - found.sound.onset_s for found in self.found]

    @property
    def offset_errors_s(self) -> list[float]:
        """Each found sound's last event's end, from the sound's offset on."""
        return [found.events[-1].end_s - found.sound.offset_s for found in self.found]

    @property
    def delays_s(self) -> list[float]:
        """From each found sound's onset until its event's start could be printed."""
        return [found.events[0].printed_s - found.sound.onset_s for found in self.found]


def measure(heard: Sequence[Heard], names: Sequence[str]) -> Measures:
    """Score what was heard in the mixtures and in the backgrounds alone.

    `names` are all that events can have: the categories and the classes that sound nowhere.
    """
    measures = Measures()
    for one in heard:
        if one.soundscape.sounds:
            measures.mixed_s += one.soundscape.seconds
            found, wrong = match(one)
            measures.sounds += found
            measures.false_mixed += wrong
        else:
            measures.alone_s += one.soundscape.seconds
            measures.false_alone += [_false_alarm(event, one.soundscape) for event in one.events]
    mixed = [one for one in heard if one.soundscape.sounds]
    measures.event_f1, measures.segment_f1 = f1_of(mixed, names)
    return measures


def only(measures: Measures, categories: Collection[str]) -> Measures:
    """The same of these names alone, without F1."""
    return Measures(
        [found for found in measures.sounds if found.sound.category in categories],
        [alarm for alarm in measures.false_mixed if alarm.event.name in categories],
        [alarm for alarm in measures.false_alone if alarm.event.name in categories],
        measures.mixed_s,
        measures.alone_s,
    )


def match(heard: Heard) -> tuple[list[Found], list[FalseAlarm]]:
    """Which events are which sounds', and which are false alarms.

    An event belongs to a sound of its name if it starts from a window's length before the sound to
    a window's length after it. Every event of a sound but the first is a false alarm, too.
    """
    own: dict[Sound, list[Event]] = {sound: [] for sound in heard.soundscape.sounds}
    wrong = []
    for event in sorted(heard.events, key=lambda event: event.start_s):
        near = sounding(event, heard.soundscape.sounds)
        sound = next((sound for sound in near if sound.category == event.name), None)
        if sound is None:
            wrong.append(_false_alarm(event, heard.soundscape))
            continue
        if own[sound]:
            wrong.append(
                FalseAlarm(event, heard.soundscape, AGAIN, sound.category, sound.recording)
            )
        own[sound].append(event)
    return [Found(sound, tuple(events)) for sound, events in own.items()], wrong


def sounding(event: Event, sounds: Iterable[Sound]) -> list[Sound]:
    """The sounds that an event's start may be of."""
    return [
        sound
        for sound in sounds
        if sound.onset_s - REACH_SECONDS <= event.start_s <= sound.offset_s + REACH_SECONDS
    ]


def _false_alarm(event: Event, soundscape: Soundscape) -> FalseAlarm:
    others = sounding(event, soundscape.sounds)
    if not others:
        return FalseAlarm(event, soundscape, BACKGROUND, soundscape.background)
    return FalseAlarm(event, soundscape, OTHER, others[0].category, others[0].recording)


def f1_of(heard: Sequence[Heard], names: Sequence[str]) -> tuple[dict[float, float], float]:
    """Event-based F1 for each collar, and segment-based F1; over all names together."""
    by_event = {
        collar: sed_eval.sound_event.EventBasedMetrics(
            event_label_list=list(names),
            t_collar=collar,
            percentage_of_length=OFFSET_SHARE,
        )
        for collar in COLLARS_SECONDS
    }
    by_segment = sed_eval.sound_event.SegmentBasedMetrics(
        event_label_list=list(names),
        time_resolution=SEGMENT_SECONDS,
    )
    for one in heard:
        truth = [
            _listed(sound.category, sound.onset_s, sound.offset_s)
            for sound in one.soundscape.sounds
        ]
        estimate = [_listed(event.name, event.start_s, event.end_s) for event in one.events]
        for metrics in by_event.values():
            metrics.evaluate(reference_event_list=truth, estimated_event_list=estimate)
        by_segment.evaluate(
            reference_event_list=truth,
            estimated_event_list=estimate,
            evaluated_length_seconds=one.soundscape.seconds,
        )
    events = {collar: _f1(metrics.overall_f_measure()) for collar, metrics in by_event.items()}
    return events, _f1(by_segment.overall_f_measure())


def _listed(name: str, onset_s: float, offset_s: float) -> dict[str, object]:
    return {"event_label": name, "event_onset": onset_s, "event_offset": offset_s}


def _f1(measured: dict[str, float]) -> float:
    value = float(measured["f_measure"])
    return 0.0 if math.isnan(value) else value  # nothing right: zero divided by zero


def median_and_worst(values: Sequence[float]) -> tuple[float, float]:
    """The median, and the 95th percentile of the magnitudes; NaN where there is none."""
    if not values:
        return float("nan"), float("nan")
    magnitudes = sorted(abs(value) for value in values)
    rank = max(0, -(-95 * len(magnitudes) // 100) - 1)
    return statistics.median(values), magnitudes[rank]
