"""Where windows that hear a sound lie against its onset and offset.

    python benchmarks/onsets.py FOLDER [--labels FILE] [--snr 20 40] [--threshold 0.3] [--hop 0.04]

Recordings are mixed at known onsets into the background `--background`, as `soundscapes.py` does,
but for those of `--leave-out`, which have no onset to speak of. For each sound that is heard: how
much of its beginning is in the first window whose score meets the threshold, and how much of its
end in the last one. A small hop stands for every place that a window can have. `livetag.detector`
sets onsets and offsets by the medians.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from _mixing import mixtures, read_recordings
from _timing import print_table

from livetag.classify import Recording
from livetag.resources import cache_dir
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import obtain_model
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

FLOOR_DB = 20.0  # under a recording's loudest 0.1 s: what is quieter is no part of the sound
NEAR_SECONDS = 1.2  # a window that hears a sound starts at most so long before it
PERCENTILES = 10, 25, 50, 75, 90


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--background", default="rain")
    parser.add_argument("--leave-out", nargs="*", default=["sea_waves"])
    parser.add_argument("--snr", type=float, nargs="+", default=[20.0, 40.0])
    parser.add_argument("--threshold", type=float, default=0.3)
    parser.add_argument("--hop", type=float, default=0.04)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    labels, params = class_map(), Params(patch_hop_seconds=options.hop)
    recordings = read_recordings(
        options.folder, options.labels or options.folder / "labels.csv", FLOOR_DB
    )
    background = [one for one in recordings if one.category == options.background]
    left_out = {options.background, *options.leave_out}
    sounds = [one for one in recordings if one.category not in left_out]
    classes = {one.category: [labels.find(name).index for name in one.labels] for one in sounds}
    model = obtain_model(None, cache_dir(), lambda *_: None, print)
    classifier = LiteRTClassifier(model.content)
    rows = []
    for snr_db in options.snr:
        beginnings, ends = [], []
        with tempfile.TemporaryDirectory() as folder:
            seed = options.seed, round(snr_db)
            for mixture in mixtures(
                options.background, background, sounds, snr_db, -20.0 - snr_db, seed, Path(folder)
            ):
                frames = list(Recording(mixture.path, classifier, params).frames())
                starts = np.array([frame.start_s for frame in frames])
                scores = np.stack([frame.scores for frame in frames])
                for sound in mixture.sounds:
                    met = scores[:, classes[sound.category]].max(axis=1) >= options.threshold
                    near = (starts > sound.onset_s - NEAR_SECONDS) & (starts < sound.offset_s)
                    heard = starts[met & near]
                    if len(heard):
                        beginnings.append(heard[0] + params.window_seconds - sound.onset_s)
                        ends.append(sound.offset_s - heard[-1])
        for what, seconds in (("beginning, first window", beginnings), ("end, last window", ends)):
            figures = [f"{value:.2f}" for value in np.percentile(seconds, PERCENTILES)]
            rows.append((f"{snr_db:g} dB", what, len(seconds), *figures))
    print_table(("ratio", "seconds of the", "sounds", *(f"{p} %" for p in PERCENTILES)), rows)


if __name__ == "__main__":
    main()
