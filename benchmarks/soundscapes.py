"""How well the decision layer does on soundscapes whose truth is known.

Recordings are mixed into a background at known onsets and signal-to-noise ratios, `livetag monitor
--input FILE --fast --json` listens to the mixtures and to the backgrounds alone, and its events are
scored with sed_eval (`pip install sed_eval`), for several configurations and hops.

    python benchmarks/soundscapes.py FOLDER [--labels FILE] [--snr 10] [--hops 0.12 0.24 0.48]
        [--variants plain hysteresis confirmation default] [--markdown] [--sweep]

FILE (FOLDER/labels.csv) has the columns file, category and yamnet_labels, several separated by
`|`. Two categories are backgrounds (`--backgrounds`): their recordings, equally loud, cross-faded
in ever new order. All the others are sounds, each recording once in each background: its active
part, from the first frame of 10 ms that is at most 30 dB under its loudest 0.1 s to the last such
one. The ratio is that of the RMS over these frames to the background's.

Each category is a group of its labels with a rule of its own. Watched are these groups and the
default alerts that no category has; the latter sound nowhere. An event belongs to a sound of its
category if it starts from a window's length (0.975 s) before the sound to a window's length after
it; it may have started too early, but is not one that went on already. Every other event of what
is watched is a false alarm, near relatives included (a crying baby as Screaming), and so is every
event of a sound after its first. Alerts withheld by a cooldown count as events.

- F1: event-based, onset within the collar (0.5 s, 0.25 s), offset within the collar or half the
  sound's length; segment-based over 1 s. Of all names together, in the mixtures;
- found: sounds with an event;
- false/h: false alarms an hour in the mixtures, and on the backgrounds alone. The backgrounds are
  few seconds of recordings, over and over: the figure is theirs, not that of rain as such;
- twice: sounds with two or more events;
- onset, offset: the first event's start and the last one's end against the sound's: the median
  error, and the 95th percentile of its magnitude;
- delay: from the sound's onset to the end of the window at which its start was known: the audio
  that the alert needs. The work on that window comes on top.

Delays and the sweep are taken in this process, by the detector over windows scored once; it is
checked that it gives the same events as the command.

`--sweep` tries a grid of thresholds, releases (as shares of the threshold), confirmations, scores
that need none (`sure`) and holds, for all names alike; each category's column says
found/false/twice, the false ones without those that are a sound's second.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _mixing import RATE_HZ, Recording, Soundscape, alone, mixtures, read_recordings
from _scoring import AGAIN, COLLARS_SECONDS, Event, Heard, Measures, measure, median_and_worst, only
from _timing import print_table

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

_ONE_WINDOW = {"threshold": 0.5, "short_threshold": 0.5, "short": [], "confirm": [1, 1]}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "plain": {**_ONE_WINDOW, "release": 0.5, "hold_seconds": 0.0},
    "hysteresis": _ONE_WINDOW,
    "confirmation": {
        "threshold": 0.5,
        "short_threshold": 0.5,
        "release": 0.5,
        "hold_seconds": 0.0,
    },
    "default": {},
}
"""What is not named is livetag's default."""
OWN_SCORES = ("default",)
"""Variants in which the default alerts keep their own thresholds."""
HEADER = (
    "variant",
    "hop",
    *(f"F1 {collar:g} s" for collar in COLLARS_SECONDS),
    "F1 1 s segments",
    "found",
    "false/h mixed",
    "false/h alone",
    "twice",
    "onset median",
    "95 %",
    "offset median",
    "95 %",
    "delay median",
    "95 %",
)
KEPT_VARIABLE = "LIVETAG_CACHE_DIR"


@dataclass(frozen=True)
class Windows:
    """A soundscape's windows: start and end in seconds, float32[n, 521] scores, levels in dBFS."""

    soundscape: Soundscape
    starts_s: list[float]
    ends_s: list[float]
    scores: FloatArray
    levels_dbfs: list[float]


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


def main() -> None:
    options = read_options()
    recordings = read_recordings(
        options.folder, options.labels or options.folder / "labels.csv", options.floor
    )
    missing = set(options.backgrounds) - {recording.category for recording in recordings}
    if missing:
        sys.exit(f"there are no recordings of {', '.join(sorted(missing))}")
    foreground = [one for one in recordings if one.category not in options.backgrounds]
    watched = watched_of(foreground)
    with tempfile.TemporaryDirectory() as folder:
        backgrounds, by_snr = compose(recordings, foreground, options, Path(folder))
        tell_what(foreground, watched, backgrounds, by_snr, options)
        if options.sweep:
            sweep(watched, backgrounds, by_snr, options)
        else:
            compare(watched, backgrounds, by_snr, options, Path(folder))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    add = parser.add_argument
    add("folder", type=Path)
    add("--labels", type=Path, metavar="FILE", help="FOLDER/labels.csv")
    add("--backgrounds", nargs="+", default=["rain", "sea_waves"], metavar="CATEGORY")
    add("--snr", nargs="+", type=float, default=[10.0], metavar="DB")
    add("--hops", nargs="+", type=float, default=[0.12, 0.24, 0.48], metavar="SECONDS")
    add("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    add("--details", choices=VARIANTS, default="default", help="the variant to tell more of")
    add("--seed", type=int, default=1)
    add("--floor", type=float, default=30.0, metavar="DB", help="under the loudest: not active")
    add("--level", type=float, default=-40.0, metavar="DBFS", help="of the backgrounds' RMS")
    add("--alone", type=float, default=600.0, metavar="SECONDS", help="of each background")
    add("--limit", type=int, metavar="N", help="so many sounds, spread over the list")
    add("--markdown", action="store_true", help="tables for a Markdown page")
    add("--sweep", action="store_true", help="a grid of settings instead of the variants")
    add("--thresholds", nargs="+", type=float, default=[0.3, 0.4, 0.5], metavar="SCORE")
    add("--releases", nargs="+", type=float, default=[1.0, 0.6], metavar="SHARE")
    add("--confirms", nargs="+", type=confirmation, default=[(1, 1), None], metavar="M/N|default")
    add("--sures", nargs="+", type=float, default=[1.0, 0.6], metavar="SCORE")
    add("--holds", nargs="+", type=float, default=[0.0, 1.0, 2.0, 3.0], metavar="SECONDS")
    return parser.parse_args()


def confirmation(text: str) -> tuple[int, int] | None:
    """Read `2/3`, or `default`, which depends on the hop."""
    if text == "default":
        return None
    needed, _, windows = text.partition("/")
    return int(needed), int(windows)


def watched_of(foreground: Iterable[Recording]) -> Watched:
    groups = {recording.category: recording.labels for recording in foreground}
    covered = {label for labels in groups.values() for label in labels}
    alerts = (alert for alert in DEFAULT_ALERTS if alert.partition("=")[0] not in covered)
    return Watched(groups, tuple(alerts))


def compose(
    recordings: Sequence[Recording],
    foreground: Sequence[Recording],
    options: argparse.Namespace,
    folder: Path,
) -> tuple[list[Soundscape], dict[float, list[Soundscape]]]:
    """The backgrounds alone, and the mixtures of each signal-to-noise ratio."""
    if options.limit:
        foreground = foreground[:: max(1, len(foreground) // options.limit)][: options.limit]
    backgrounds: list[Soundscape] = []
    by_snr: dict[float, list[Soundscape]] = {snr_db: [] for snr_db in options.snr}
    for number, name in enumerate(options.backgrounds):
        own = [recording for recording in recordings if recording.category == name]
        seed = options.seed, number
        backgrounds.append(alone(name, own, options.alone, options.level, (*seed, 0), folder))
        for snr_db in by_snr:
            by_snr[snr_db] += mixtures(
                name, own, foreground, snr_db, options.level, (*seed, 1), folder
            )
    return backgrounds, by_snr


def tell_what(
    foreground: Sequence[Recording],
    watched: Watched,
    backgrounds: Sequence[Soundscape],
    by_snr: Mapping[float, Sequence[Soundscape]],
    options: argparse.Namespace,
) -> None:
    mixed = next(iter(by_snr.values()))
    sounds = [sound for soundscape in mixed for sound in soundscape.sounds]
    lengths = [sound.offset_s - sound.onset_s for sound in sounds]
    minutes = sum(soundscape.seconds for soundscape in mixed) / 60.0
    quieter = [one for ones in by_snr.values() for one in ones if one.scaled_db < 0.0]
    print(
        f"{len(sounds)} sounds ({len(foreground)} recordings, {len(options.backgrounds)} "
        f"backgrounds) in {len(mixed)} mixtures, {minutes:.1f} minutes; each lasts "
        f"{min(lengths):.2f} to {max(lengths):.2f} s, median {np.median(lengths):.2f} s."
    )
    print(
        f"Backgrounds alone: {', '.join(options.backgrounds)}, {options.alone / 60.0:.3g} minutes "
        f"each, {options.level:g} dBFS. Seed {options.seed}; active: {options.floor:g} dB."
    )
    if quieter:
        most = min(one.scaled_db for one in quieter)
        print(f"{len(quieter)} mixtures were made quieter as a whole, by {-most:.1f} dB at most.")
    print(f"Watched, and never there: {', '.join(watched.classes)}.")


def compare(
    watched: Watched,
    backgrounds: Sequence[Soundscape],
    by_snr: Mapping[float, Sequence[Soundscape]],
    options: argparse.Namespace,
    folder: Path,
) -> None:
    """The variants at each hop, by the command."""
    every = [*backgrounds, *itertools.chain.from_iterable(by_snr.values())]
    results: dict[tuple[float, float, str], Measures] = {}
    for hop_s in options.hops:
        windows = score(every, hop_s)
        for variant in options.variants:
            keys = VARIANTS[variant]
            configuration = watched.configuration(keys, hop_s, variant in OWN_SCORES)
            path = folder / f"{variant}.toml"
            path.write_text(as_toml(configuration), encoding="utf-8")
            here = detect_all(windows, configuration, watched)
            heard = []
            for number, own in enumerate(here, start=1):
                progress(f"{variant}, hop {hop_s:g} s: {number} of {len(here)}")
                told = listen(own.soundscape, path, watched)
                heard.append(Heard(own.soundscape, with_delays(told, own)))
            for snr_db, mixed in by_snr.items():
                chosen = {*backgrounds, *mixed}
                ones = [one for one in heard if one.soundscape in chosen]
                results[snr_db, hop_s, variant] = measure(ones, watched.names)
    progress("")
    for snr_db in by_snr:
        print(f"\nSounds {snr_db:g} dB over the background:\n")
        rows = [
            row_of(variant, hop_s, results[snr_db, hop_s, variant])
            for hop_s in options.hops
            for variant in options.variants
        ]
        show(HEADER, rows, options.markdown)
    for (snr_db, hop_s, variant), measures in results.items():
        if variant == options.details:
            print(f"\n{variant}, hop {hop_s:g} s, {snr_db:g} dB:")
            tell_details(measures, watched, options.markdown)


def as_toml(values: Mapping[str, Any]) -> str:
    """A configuration as the file that livetag reads: JSON's values are TOML's here."""
    tables = {"groups", "rule"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if key not in tables]
    lines.append("[groups]")
    lines += [f"{json.dumps(name)} = {json.dumps(of)}" for name, of in values["groups"].items()]
    for rule in values["rule"]:
        lines += ["[[rule]]", *(f"{key} = {json.dumps(value)}" for key, value in rule.items())]
    return "\n".join(lines) + "\n"


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


def row_of(variant: str, hop_s: float, measures: Measures) -> tuple[object, ...]:
    return (variant, f"{hop_s:g}", *figures(measures))


def figures(measures: Measures) -> list[str]:
    """All that the header names, from F1 on."""
    cells = [f"{measures.event_f1[collar]:.3f}" for collar in COLLARS_SECONDS]
    cells += [f"{measures.segment_f1:.3f}", f"{measures.recall:.1%}"]
    cells += [f"{measures.false_mixed_an_hour:.1f}", f"{measures.false_alone_an_hour:.1f}"]
    cells.append(str(len(measures.repeated)))
    for seconds in (measures.onset_errors_s, measures.offset_errors_s, measures.delays_s):
        cells += [f"{value:.2f}" for value in median_and_worst(seconds)]
    return cells


def tell_details(measures: Measures, watched: Watched, markdown: bool) -> None:
    """Each category by itself, what the false alarms are, and what was told of twice."""
    rows: list[Sequence[object]] = []
    for name in watched.names:
        own = only(measures, {name})
        onset, offset, delay = (
            f"{median_and_worst(seconds)[0]:.2f}" if seconds else "-"
            for seconds in (own.onset_errors_s, own.offset_errors_s, own.delays_s)
        )
        again = sum(alarm.why == AGAIN for alarm in own.false_mixed)
        sounds = f"{len(own.found)} of {len(own.sounds)}" if own.sounds else "-"
        mixed, quiet = len(own.false_mixed) - again, len(own.false_alone)
        rows.append((name, sounds, mixed, quiet, len(own.repeated), again, onset, offset, delay))
    header = ("name", "found", "false mixed", "false alone", "twice", "events too many")
    print()
    show((*header, "onset", "offset", "delay"), rows, markdown)
    print("\nFalse alarms, but for second events:\n")
    alarms = Counter(
        (alarm.event.label, alarm.why, alarm.during)
        for alarm in [*measures.false_mixed, *measures.false_alone]
        if alarm.why != AGAIN
    )
    rows = [(label, during, why, count) for (label, why, during), count in alarms.most_common()]
    show(("class", "while there was", "which is", "times"), rows, markdown)
    print("\nSounds with two or more events, and the pauses between those:\n")
    rows = []
    for found in measures.repeated:
        pairs = itertools.pairwise(found.events)
        pauses = ", ".join(f"{after.start_s - before.end_s:.2f} s" for before, after in pairs)
        rows.append((found.sound.recording, len(found.events), pauses))
    show(("recording", "events", "pauses"), sorted(rows, key=str), markdown)


def sweep(
    watched: Watched,
    backgrounds: Sequence[Soundscape],
    by_snr: Mapping[float, Sequence[Soundscape]],
    options: argparse.Namespace,
) -> None:
    """A grid of settings, the same for all that is watched; no class is short."""
    header = ("threshold", "release", "confirm", "sure", "hold", *HEADER[1:], *watched.groups)
    every = [*backgrounds, *itertools.chain.from_iterable(by_snr.values())]
    asked = options.thresholds, options.releases, options.confirms, options.sures, options.holds
    grid = [
        (threshold, share, confirm, sure, hold_s)
        for threshold, share, confirm, sure, hold_s in itertools.product(*asked)
        if confirm != (1, 1) or sure == options.sures[0]  # one window needs no surer one
    ]
    rows: dict[float, list[Sequence[object]]] = {snr_db: [] for snr_db in by_snr}
    for hop_s in options.hops:
        windows = score(every, hop_s)
        forget_unwatched(windows, watched)
        for number, (threshold, share, confirm, sure, hold_s) in enumerate(grid, start=1):
            progress(f"hop {hop_s:g} s: setting {number} of {len(grid)}")
            keys = {
                "threshold": threshold,
                "release": share * threshold,
                "sure": sure,
                "short": [],
                "hold_seconds": hold_s,
            }
            if confirm is not None:
                keys["confirm"] = list(confirm)
            heard = detect_all(windows, watched.configuration(keys, hop_s), watched)
            confirmed = "default" if confirm is None else "{}/{}".format(*confirm)
            setting = *(f"{value:g}" for value in (threshold, share)), confirmed
            setting = *setting, f"{sure:g}", f"{hold_s:g}", f"{hop_s:g}"
            for snr_db, mixed in by_snr.items():
                chosen = {*backgrounds, *mixed}
                ones = [one for one in heard if one.soundscape in chosen]
                measures = measure(ones, watched.names)
                own = [summary(only(measures, {name})) for name in watched.groups]
                rest = summary(only(measures, watched.classes))
                rows[snr_db].append((*setting, *figures(measures), *own, rest))
    progress("")
    for snr_db, lines in rows.items():
        print(f"\nSounds {snr_db:g} dB over the background:\n")
        show((*header, "alerts"), lines, options.markdown)


def forget_unwatched(windows: Sequence[Windows], watched: Watched) -> None:
    """Nobody counts the events of other classes: without their scores the detector is quicker."""
    labels = class_map()
    names = [*watched.classes, *itertools.chain.from_iterable(watched.groups.values())]
    kept = {labels.find(name).index for name in names}
    others = [index for index in range(len(labels)) if index not in kept]
    for one in windows:
        one.scores[:, others] = 0.0


def summary(measures: Measures) -> str:
    """Found, false and twice, as `14/3/2`."""
    wrong = [alarm for alarm in measures.false_mixed if alarm.why != AGAIN]
    false = len(wrong) + len(measures.false_alone)
    return f"{len(measures.found)}/{false}/{len(measures.repeated)}"


def show(header: Sequence[str], rows: Sequence[Sequence[object]], markdown: bool) -> None:
    if not markdown:
        print_table(header, rows)
        return
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    print("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


def progress(text: str) -> None:
    print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
