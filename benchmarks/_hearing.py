"""What livetag hears in soundscapes: by its command, and by its detector in this process."""

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _mixing import RATE_HZ, Recording, Soundscape
from _scoring import Event, Heard
from _tables import progress

from livetag.audio.reader import AudioReader
from livetag.detector import Detector
from livetag.events import Anchor, EventEnd, EventStart, FloatArray, Scores
from livetag.pipeline import analyze
from livetag.resources import cache_dir
from livetag.rules import Rules, resolve
from livetag.schema import DEFAULT_ALERTS, convert
from livetag.sources.base import BLOCK_SECONDS, numbered
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import obtain_model
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

KEPT_VARIABLE = "LIVETAG_CACHE_DIR"
"""Of all that would set an option of livetag's, the command keeps this."""


@dataclass(frozen=True)
class Watched:
    """The categories with their labels, and the alerts that sound nowhere."""

    groups: Mapping[str, tuple[str, ...]]
    alerts: tuple[str, ...]

    @property
    def classes(self) -> list[str]:
        return [alert.partition("=")[0] for alert in self.alerts]

    @property
    def names(self) -> list[str]:
        return [*self.groups, *self.classes]

    def configuration(
        self, keys: Mapping[str, Any], hop_s: float, own_scores: bool = False
    ) -> dict[str, Any]:
        """What stands in a configuration file for these keys."""
        return {
            **keys,
            "patch_hop_seconds": hop_s,
            "alert": list(self.alerts) if own_scores else self.classes,
            "groups": {name: list(labels) for name, labels in self.groups.items()},
            "rule": [{"group": name} for name in self.groups],
        }


def watched_of(foreground: Iterable[Recording]) -> Watched:
    """The recordings' categories, and the default alerts that none of them has."""
    groups = {recording.category: recording.labels for recording in foreground}
    covered = {label for labels in groups.values() for label in labels}
    alerts = (alert for alert in DEFAULT_ALERTS if alert.partition("=")[0] not in covered)
    return Watched(groups, tuple(alerts))


@dataclass(frozen=True)
class Windows:
    """A soundscape's windows: start and end in seconds, float32[n, 521] scores, levels in dBFS."""

    soundscape: Soundscape
    starts_s: list[float]
    ends_s: list[float]
    scores: FloatArray
    levels_dbfs: list[float]


def score(soundscapes: Sequence[Soundscape], hop_s: float) -> list[Windows]:
    """Every window's scores, as the monitor has them."""
    params = Params(patch_hop_seconds=hop_s)
    model = obtain_model(None, cache_dir(), lambda *_: None, print)
    classifier = LiteRTClassifier(model.content)
    idle = resolve(convert({"alert": []}, "the configuration"), class_map())
    scored = []
    for number, soundscape in enumerate(soundscapes, start=1):
        progress(f"scoring, hop {hop_s:g} s: {number} of {len(soundscapes)}")
        with AudioReader(soundscape.path) as reader:
            blocks = numbered(reader.blocks(round(RATE_HZ * BLOCK_SECONDS)), 0.0)
            items = analyze(blocks, RATE_HZ, classifier, Detector(idle, params), params)
            windows = [item for item in items if isinstance(item, Scores)]
        scored.append(
            Windows(
                soundscape,
                [window.start_s for window in windows],
                [window.end_s for window in windows],
                np.array([window.scores for window in windows]),
                [window.level_dbfs for window in windows],
            )
        )
    progress("")
    return scored


def forget_unwatched(windows: Sequence[Windows], watched: Watched) -> None:
    """Nobody counts the events of other classes: without their scores the detector is quicker."""
    labels = class_map()
    names = [*watched.classes, *itertools.chain.from_iterable(watched.groups.values())]
    kept = {labels.find(name).index for name in names}
    others = [index for index in range(len(labels)) if index not in kept]
    for one in windows:
        one.scores[:, others] = 0.0


def detect_all(
    windows: Sequence[Windows], configuration: Mapping[str, Any], watched: Watched
) -> list[Heard]:
    """The events that a configuration makes of windows scored before."""
    config = convert(configuration, "the configuration")
    rules = resolve(config, class_map())
    params = Params(patch_hop_seconds=config.patch_hop_seconds)
    return [
        Heard(one.soundscape, tuple(detect(one, rules, params, watched.names))) for one in windows
    ]


def detect(windows: Windows, rules: Rules, params: Params, names: Sequence[str]) -> Iterator[Event]:
    """The events of these names, in the order of their starts."""
    detector, anchor = Detector(rules, params), Anchor(0.0, 0.0)
    printed_s: dict[EventStart, float] = {}
    events = []

    def take(items: Iterable[object], now_s: float) -> None:
        for item in items:
            if isinstance(item, EventStart):
                printed_s[item] = now_s
            elif isinstance(item, EventEnd):
                name = item.start.group or item.start.label.name
                times = item.start.start_s, item.end_s, printed_s[item.start]
                events.append(Event(name, item.start.label.name, *times))

    audio_s = windows.soundscape.seconds
    of_window = zip(
        windows.starts_s, windows.ends_s, windows.scores, windows.levels_dbfs, strict=True
    )
    for start_s, end_s, scores, level_dbfs in of_window:
        take(detector.update(start_s, scores, level_dbfs, anchor, audio_s), end_s)
    take(detector.finish(audio_s, anchor), audio_s)
    of_names = (event for event in events if event.name in names)
    yield from sorted(of_names, key=lambda event: event.start_s)


def listen_all(
    windows: Sequence[Windows],
    configuration: Mapping[str, Any],
    watched: Watched,
    path: Path,
    what: str,
) -> list[Heard]:
    """The command's events of a configuration, which is written to `path`; `what` shows progress.

    The detector's in this process have to be the same, and know when each start was told of.
    """
    path.write_text(as_toml(configuration), encoding="utf-8")
    here = detect_all(windows, configuration, watched)
    heard = []
    for number, own in enumerate(here, start=1):
        progress(f"{what}: {number} of {len(here)}")
        told = listen(own.soundscape, path, watched)
        heard.append(Heard(own.soundscape, with_delays(told, own)))
    return heard


def listen(soundscape: Soundscape, configuration: Path, watched: Watched) -> list[Event]:
    """The events of what is watched that `livetag monitor` tells of."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LIVETAG_") or name == KEPT_VARIABLE
    }
    command = [sys.executable, "-m", "livetag", "monitor", "--json", "--no-dashboard", "--fast"]
    command += ["--input", str(soundscape.path), "--config", str(configuration)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"livetag ended with status {done.returncode}: {done.stderr.strip()}")
    events = []
    for line in done.stdout.splitlines():
        record = json.loads(line)
        name = record.get("group") or record.get("label")
        if record["type"] == "event_end" and name in watched.names:
            events.append(Event(name, record["label"], record["start_s"], record["end_s"]))
    return sorted(events, key=lambda event: event.start_s)


def with_delays(told: Sequence[Event], here: Heard) -> tuple[Event, ...]:
    """The command's events with the moments at which the detector in this process knew of them."""

    def key(event: Event) -> tuple[str, str, int, int]:
        return event.name, event.label, round(event.start_s * 1e3), round(event.end_s * 1e3)

    known = {key(event): event for event in here.events}
    if Counter(map(key, told)) != Counter(map(key, here.events)):
        sys.exit(f"{here.soundscape.name}: the command's events are not those of this process")
    return tuple(known[key(event)] for event in told)


def as_toml(values: Mapping[str, Any]) -> str:
    """A configuration as the file that livetag reads: JSON's values are TOML's here."""
    tables = {"groups", "rule"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if key not in tables]
    lines.append("[groups]")
    lines += [f"{json.dumps(name)} = {json.dumps(of)}" for name, of in values["groups"].items()]
    for rule in values["rule"]:
        lines += ["[[rule]]", *(f"{key} = {json.dumps(value)}" for key, value in rule.items())]
    return "\n".join(lines) + "\n"
