"""Which recordings of something else reach an alert's threshold, wherever their windows fall.

    python benchmarks/false_alarms.py FOLDER [--config NAME|PATH] [--hop 0.04]

FOLDER holds recordings and `labels.csv` (columns file, category, yamnet_labels: display names
separated by `|`). A small hop stands for every position that a window of the live monitor can have.
"""

import argparse
import csv
from pathlib import Path

from livetag.classify import Recording
from livetag.config import load
from livetag.detector import alert_thresholds
from livetag.resources import cache_dir
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import obtain_model
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--config", default="default")
    parser.add_argument("--hop", type=float, default=0.04)
    options = parser.parse_args()
    labels = class_map()
    config, _ = load(options.config, {}, {})
    alerts = alert_thresholds(config.alert, labels, config.threshold)
    model = obtain_model(None, cache_dir(), lambda *_: None, print)
    classifier, params = LiteRTClassifier(model.content), Params(patch_hop_seconds=options.hop)
    with (options.folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    alarms = 0
    highest: dict[str, tuple[float, str]] = {label.name: (0.0, "-") for label in alerts}
    for row in rows:
        own = {labels.find(name).name for name in row["yamnet_labels"].split("|")}
        frames = list(Recording(options.folder / row["file"], classifier, params).frames())
        for label, threshold in alerts.items():
            peak = max(float(frame.scores[label.index]) for frame in frames)
            if label.name in own:
                continue
            highest[label.name] = max(highest[label.name], (peak, row["file"]))
            if peak >= threshold:
                alarms += 1
                print(f"{label.name:30} {peak:.2f} of {threshold:.2f}  {row['file']}")
    print(f"\n{alarms} false alarms in {len(rows)} recordings; the highest score of each alert")
    for label, threshold in alerts.items():
        peak, name = highest[label.name]
        print(f"{label.name:30} {peak:.2f} of {threshold:.2f}  {name}")


if __name__ == "__main__":
    main()
