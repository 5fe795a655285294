"""What `soundscapes.py` prints: what was mixed, a row for each setting, and details of one."""

import itertools
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence

import numpy as np
from _mixing import Soundscapes
from _scoring import AGAIN, COLLARS_SECONDS, Measures, median_and_worst, only
from _timing import print_table

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


def tell_what(
    recordings: int, soundscapes: Soundscapes, never_there: Sequence[str], options: Namespace
) -> None:
    """Say what was mixed, of how many recordings of sounds, and how."""
    mixed = next(iter(soundscapes.by_snr.values()))
    sounds = [sound for soundscape in mixed for sound in soundscape.sounds]
    lengths = [sound.offset_s - sound.onset_s for sound in sounds]
    minutes = sum(soundscape.seconds for soundscape in mixed) / 60.0
    quieter = [one for ones in soundscapes.by_snr.values() for one in ones if one.scaled_db < 0.0]
    print(
        f"{len(sounds)} sounds ({recordings} recordings, {len(options.backgrounds)} "
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
    print(f"Watched, and never there: {', '.join(never_there)}.")


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


def summary(measures: Measures) -> str:
    """Found, false and twice, as `14/3/2`."""
    wrong = [alarm for alarm in measures.false_mixed if alarm.why != AGAIN]
    false = len(wrong) + len(measures.false_alone)
    return f"{len(measures.found)}/{false}/{len(measures.repeated)}"


def tell_details(measures: Measures, names: Sequence[str], markdown: bool) -> None:
    """Each name by itself, what the false alarms are, and what was told of twice."""
    print()
    tell_names(measures, names, markdown)
    print("\nFalse alarms, but for second events:\n")
    tell_false_alarms(measures, markdown)
    print("\nSounds with two or more events, and the pauses between those:\n")
    tell_repeated(measures, markdown)


def tell_names(measures: Measures, names: Sequence[str], markdown: bool) -> None:
    rows: list[Sequence[object]] = []
    for name in names:
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
    show((*header, "onset", "offset", "delay"), rows, markdown)


def tell_false_alarms(measures: Measures, markdown: bool) -> None:
    alarms = Counter(
        (alarm.event.label, alarm.why, alarm.during)
        for alarm in [*measures.false_mixed, *measures.false_alone]
        if alarm.why != AGAIN
    )
    rows = [(label, during, why, count) for (label, why, during), count in alarms.most_common()]
    show(("class", "while there was", "which is", "times"), rows, markdown)


def tell_repeated(measures: Measures, markdown: bool) -> None:
    rows: list[Sequence[object]] = []
    for found in measures.repeated:
        pairs = itertools.pairwise(found.events)
        pauses = ", ".join(f"{after.start_s - before.end_s:.2f} s" for before, after in pairs)
        rows.append((found.sound.recording, len(found.events), pauses))
    show(("recording", "events", "pauses"), sorted(rows, key=str), markdown)


def show(header: Sequence[str], rows: Sequence[Sequence[object]], markdown: bool) -> None:
    """Print a table, plain or as Markdown."""
    if not markdown:
        print_table(header, rows)
        return
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    print("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


def progress(text: str) -> None:
    """Say on standard error, in one line, how far it is; nothing, to clear the line."""
    print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
