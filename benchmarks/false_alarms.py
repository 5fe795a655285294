"""Which recordings of something else alert, wherever their windows fall.

    python benchmarks/false_alarms.py FOLDER [--config NAME|PATH]

FOLDER holds recordings and `labels.csv` (columns file, category, yamnet_labels: display names
separated by `|`). Each is scored at a hop of 0.04 s, and the detector is run over the windows of
every position that the configuration's hop allows. A recording that alerts on a label that is not
among its own is printed, with the positions at which it does. Levels are not looked at: every
window counts as loud, whatever `min_level_dbfs` says.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

from livetag.classify import Frame, Recording
from livetag.config import load
from livetag.detector import Detector
from livetag.events import Anchor, EventEnd
from livetag.resources import cache_dir
from livetag.rules import resolve
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import obtain_model
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

FINE_HOP_SECONDS = 0.04


def alerts(frames: list[Frame], detector: Detector) -> set[str]:
    """The labels that alert in one recording's windows, at once or later."""
    anchor = Anchor(0.0, 0.0)
    items: list[object] = []
    for frame in frames:
        items += detector.update(frame.start_s, frame.scores, 0.0, anchor)
    items += detector.finish(frames[-1].end_s if frames else 0.0, anchor)
    return {item.start.label.name for item in items if isinstance(item, EventEnd) and item.alert}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--config", default="default")
    options = parser.parse_args()
    labels = class_map()
    config = load(options.config, {}, {}).config
    rules = resolve(config, labels)
    params = Params(patch_hop_seconds=config.patch_hop_seconds)
    positions = max(1, round(params.patch_hop_seconds / FINE_HOP_SECONDS))
    model = obtain_model(None, cache_dir(), lambda *_: None, print)
    classifier, fine = LiteRTClassifier(model.content), Params(patch_hop_seconds=FINE_HOP_SECONDS)
    with (options.folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pairs = everywhere = 0
    for row in rows:
        own = {labels.find(name).name for name in row["yamnet_labels"].split("|")}
        frames = list(Recording(options.folder / row["file"], classifier, fine).frames())
        times: Counter[str] = Counter()
        for position in range(positions):
            times.update(alerts(frames[position::positions], Detector(rules, params)) - own)
        for name, count in sorted(times.items()):
            print(f"{name:30} at {count:2} of {positions} positions  {row['file']}")
            pairs += 1
            everywhere += count
    print(
        f"{pairs} pairs of a recording and a label that alerts falsely at some position, "
        f"in {len(rows)} recordings; {everywhere / positions:.1f} pairs at one position"
    )


if __name__ == "__main__":
    main()
