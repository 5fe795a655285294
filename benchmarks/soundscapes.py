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

`--sweep` tries a grid of thresholds, confirmations, scores that need none (`sure`) and holds, for
all names alike, and of releases (as shares of the threshold) where several are asked for. Each
category's column says found/false/twice, the false ones without those that are a sound's second.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _hearing import Watched, detect_all, forget_unwatched, listen_all, score, watched_of
from _mixing import Recording, Soundscape, Soundscapes, alone, mixtures, read_recordings
from _scoring import Heard, Measures, measure, only
from _tables import HEADER, figures, progress, row_of, show, summary, tell_details, tell_what

from livetag.rules import RELEASE_SHARE

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
        soundscapes = compose(recordings, foreground, options, Path(folder))
        tell_what(len(foreground), soundscapes, watched.classes, options)
        if options.sweep:
            sweep(watched, soundscapes, options)
        else:
            compare(watched, soundscapes, options, Path(folder))


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
    add("--thresholds", nargs="+", type=float, default=[0.25, 0.3, 0.4, 0.5], metavar="SCORE")
    add("--releases", nargs="+", type=float, default=[RELEASE_SHARE], metavar="SHARE")
    add("--confirms", nargs="+", type=confirmation, default=[(1, 1), None], metavar="M/N|default")
    add("--sures", nargs="+", type=float, default=[0.55, 0.7, 1.0], metavar="SCORE")
    add("--holds", nargs="+", type=float, default=[0.0, 1.0, 2.0, 3.0], metavar="SECONDS")
    return parser.parse_args()


def confirmation(text: str) -> tuple[int, int] | None:
    """Read `2/3`, or `default`, which depends on the hop."""
    if text == "default":
        return None
    needed, _, windows = text.partition("/")
    return int(needed), int(windows)


def compose(
    recordings: Sequence[Recording],
    foreground: Sequence[Recording],
    options: argparse.Namespace,
    folder: Path,
) -> Soundscapes:
    """Mix each sound into each background, at each ratio."""
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
    return Soundscapes(backgrounds, by_snr)


def compare(
    watched: Watched, soundscapes: Soundscapes, options: argparse.Namespace, folder: Path
) -> None:
    """The variants at each hop, by the command."""
    results: dict[tuple[float, float, str], Measures] = {}
    for hop_s in options.hops:
        windows = score(soundscapes.all, hop_s)
        for variant in options.variants:
            keys = VARIANTS[variant]
            configuration = watched.configuration(keys, hop_s, variant in OWN_SCORES)
            path, what = folder / f"{variant}.toml", f"{variant}, hop {hop_s:g} s"
            heard = listen_all(windows, configuration, watched, path, what)
            for snr_db, measures in measure_each(heard, soundscapes, watched).items():
                results[snr_db, hop_s, variant] = measures
    progress("")
    for snr_db in soundscapes.by_snr:
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
            tell_details(measures, watched.names, options.markdown)


def measure_each(
    heard: Sequence[Heard], soundscapes: Soundscapes, watched: Watched
) -> dict[float, Measures]:
    """What is told of each signal-to-noise ratio."""
    results = {}
    for snr_db in soundscapes.by_snr:
        chosen = soundscapes.at(snr_db)
        ones = [one for one in heard if one.soundscape in chosen]
        results[snr_db] = measure(ones, watched.names)
    return results


@dataclass(frozen=True)
class Setting:
    """A point of the grid.

    `confirm`: None for the default, which depends on the hop. `sure`: None where one window
    is enough.
    """

    threshold: float
    release_share: float
    confirm: tuple[int, int] | None
    sure: float | None
    hold_s: float

    @property
    def keys(self) -> dict[str, Any]:
        """The keys of a configuration; no class is short."""
        keys: dict[str, Any] = {
            "threshold": self.threshold,
            "release": self.release_share * self.threshold,
            "short": [],
            "hold_seconds": self.hold_s,
        }
        if self.confirm is not None:
            keys["confirm"] = list(self.confirm)
        if self.sure is not None:
            keys["sure"] = self.sure
        return keys

    @property
    def cells(self) -> tuple[str, ...]:
        confirmed = "default" if self.confirm is None else "{}/{}".format(*self.confirm)
        sure = "-" if self.sure is None else f"{self.sure:g}"
        scores = f"{self.threshold:g}", f"{self.release_share:g}"
        return *scores, confirmed, sure, f"{self.hold_s:g}"


def grid(options: argparse.Namespace) -> list[Setting]:
    """Every combination of what is asked for; where one window is enough, none has to be sure."""
    confirmed = [
        (confirm, sure)
        for confirm in options.confirms
        for sure in ([None] if confirm == (1, 1) else options.sures)
    ]
    asked = options.thresholds, options.releases, confirmed, options.holds
    return [
        Setting(threshold, share, confirm, sure, hold_s)
        for threshold, share, (confirm, sure), hold_s in itertools.product(*asked)
    ]


def sweep(watched: Watched, soundscapes: Soundscapes, options: argparse.Namespace) -> None:
    """A grid of settings, the same for all that is watched, in this process."""
    settings = grid(options)
    rows: dict[float, list[Sequence[object]]] = {snr_db: [] for snr_db in soundscapes.by_snr}
    for hop_s in options.hops:
        windows = score(soundscapes.all, hop_s)
        forget_unwatched(windows, watched)
        for number, setting in enumerate(settings, start=1):
            progress(f"hop {hop_s:g} s: setting {number} of {len(settings)}")
            heard = detect_all(windows, watched.configuration(setting.keys, hop_s), watched)
            for snr_db, measures in measure_each(heard, soundscapes, watched).items():
                own = [summary(only(measures, {name})) for name in watched.groups]
                rest = summary(only(measures, watched.classes))
                cells = *setting.cells, f"{hop_s:g}", *figures(measures), *own, rest
                rows[snr_db].append(cells)
    progress("")
    header = "threshold", "release", "confirm", "sure", "hold", *HEADER[1:], *watched.groups
    for snr_db, lines in rows.items():
        print(f"\nSounds {snr_db:g} dB over the background:\n")
        show((*header, "alerts"), lines, options.markdown)


if __name__ == "__main__":
    main()
