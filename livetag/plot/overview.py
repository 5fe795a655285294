"""A recording at a glance: its waveform, spectrogram, scores and events, in bounded memory.

Events are the monitor's: the same pipeline finds them. Of what falls into one column, the waveform
keeps lowest and highest sample, the spectrogram the mean, and scores the highest, so that no sound
is too short to be seen.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from livetag.audio.loudness import dbfs
from livetag.detection.near import NEAR_SHARE
from livetag.detector import Detector
from livetag.errors import InputError
from livetag.events import AudioBlock, EventEnd, FloatArray, LogMel, Scores, best
from livetag.pipeline import analyze
from livetag.plot.axes import clock
from livetag.plot.track import Columns, Track
from livetag.rules import Rules
from livetag.spectrum import colour_range
from livetag.text import decibels, printable
from livetag.yamnet.classifier import Classifier
from livetag.yamnet.labels import Label
from livetag.yamnet.params import Params

_LEAST_PEAK = 1e-3
_MOST_NAME_CHARACTERS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """What there is to see of a recording.

    Of values in a column, `envelope` has two: how far samples go below zero, and above it;
    `log_mel` has 64, and `scores` 521. `mean_scores`: float32[521], over all windows.
    """

    name: str
    seconds: float
    params: Params
    envelope: Track
    log_mel: Track
    scores: Track
    mean_scores: FloatArray
    events: list[EventEnd]

    @property
    def peak(self) -> float:
        """The highest absolute value of a sample."""
        return float(self.envelope.values.max())

    @property
    def amplitude(self) -> float:
        """Where the waveform's axis ends, above zero and below: a little beyond its peak."""
        return 1.05 * max(self.peak, _LEAST_PEAK)

    @property
    def title(self) -> str:
        """The recording in a line: its name, its length, and its highest peak."""
        peak = decibels(round(dbfs(self.peak**2), 1) + 0.0).strip()  # no -0.0
        name = printable(self.name)
        if len(name) > _MOST_NAME_CHARACTERS:  # its end may tell more than its middle
            half = _MOST_NAME_CHARACTERS // 2
            name = f"{name[:half]}…{name[-half:]}"
        return f"{name}   {clock(self.seconds, self.seconds)}, peak {peak} dBFS"

    @property
    def spectrum_range(self) -> tuple[float, float]:
        """The values of log-mel that get the darkest and the brightest colour."""
        return colour_range(self.log_mel.values)


def overview(
    name: str,
    blocks: Iterable[AudioBlock],
    rate_hz: int,
    classifier: Classifier,
    rules: Rules,
    params: Params,
    listen: Callable[[FloatArray], None] | None = None,
) -> Overview:
    """Read a recording to its end. `listen` is given its samples, too.

    Raises `InputError` where it holds no sound.
    """
    envelope = Columns(2, np.maximum)
    log_mel = Columns(params.mel_bands, np.add)
    scores = Columns(params.num_classes, np.maximum)
    score_sum = np.zeros(params.num_classes)
    events = []
    samples = windows = 0
    for item in analyze(blocks, rate_hz, classifier, Detector(rules, params), params):
        match item:
            case AudioBlock():
                envelope.push(np.stack((-item.samples, item.samples), axis=1))
                samples += len(item.samples)
                if listen is not None:
                    listen(item.samples)
            case LogMel():
                log_mel.push(item.frames)
            case Scores():
                scores.push(item.scores[np.newaxis])
                score_sum += item.scores
                windows += 1
            case EventEnd():
                events.append(item)
    if not windows:
        raise InputError(f"{name} holds no sound: it has a header and no samples")
    seconds = samples / rate_hz
    return Overview(
        name=name,
        seconds=seconds,
        params=params,
        envelope=envelope.track(1 / rate_hz, 1 / rate_hz, seconds),
        log_mel=log_mel.track(params.stft_hop_seconds, params.stft_window_seconds, seconds),
        scores=scores.track(params.patch_hop_seconds, params.window_seconds, seconds),
        mean_scores=(score_sum / windows).astype(np.float32),
        events=events,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A class that a picture shows.

    Where rules are given, `threshold` is what they ask of it, `alerting` whether they alert, and
    `events` what they made of it; otherwise there is none of these.
    """

    label: Label
    threshold: float | None = None
    alerting: bool = False
    events: tuple[EventEnd, ...] = ()

    @property
    def name(self) -> str:
        """The class's name, marked where it alerts."""
        return f"! {self.label.name}" if self.alerting else self.label.name


def chosen_rows(seen: Overview, rules: Rules, count: int, with_rules: bool) -> list[Row]:
    """The classes to show, the highest mean score first.

    They are those of the highest mean; with rules, classes that alert and whose score came near
    their threshold go before others.
    """
    if not with_rules:
        return [Row(rules.labels[index]) for index in best(seen.mean_scores, count)]
    peaks = seen.scores.values.max(axis=0)
    ranks = seen.mean_scores.copy()
    for index in rules.alerting:
        if peaks[index] >= NEAR_SHARE * rules.thresholds[index]:
            ranks[index] += 1.0
    shown = sorted(best(ranks, count), key=lambda index: -seen.mean_scores[index])
    return [
        Row(
            rules.labels[index],
            rules.thresholds[index],
            index in rules.alerting,
            tuple(event for event in seen.events if event.start.label.index == index),
        )
        for index in shown
    ]
