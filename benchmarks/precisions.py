"""What each precision that `livetag model export` writes costs and is worth.

    python benchmarks/precisions.py FOLDER [--map FOLDER/labels.csv]

Exports the network with its features (waveform in) for LiteRT at each precision, runs it on every
recording of a labelled set (as `livetag evaluate` reads it) in turn with the others, on one thread,
and prints the metrics of the recordings' mean scores, the time of a window as a ratio to float32's
in the same rounds, the size, and how many decisions at a threshold of 0.25 come out otherwise. int8
is calibrated on the built-in demo, as it is where no recordings are named.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _timing import print_table

from livetag.audio.pipe import open_recording
from livetag.audio.resample import Resampler
from livetag.evaluation import metrics
from livetag.evaluation.categories import Categories, YamnetClasses, read_map
from livetag.evaluation.labelled import read_labelled
from livetag.evaluation.scored import Truth
from livetag.events import FloatArray
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

PRECISIONS = "float32", "float16", "int8"
THRESHOLD = 0.25


class Exported:
    """An export on LiteRT, one thread: a waveform's scores, and what they took."""

    def __init__(self, precision: str, folder: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        path = folder / f"{precision}.tflite"
        command = [str(Path(sys.executable).parent / "livetag"), "model", "export", "-o", str(path)]
        subprocess.run(
            [*command, "--precision", precision, "--input", "waveform"],
            check=True,
            capture_output=True,
        )
        self.megabytes = path.stat().st_size / 1e6
        self.milliseconds: list[float] = []  # of a window, recording by recording
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._input = self._interpreter.get_input_details()[0]["index"]

    def __call__(self, waveform: FloatArray) -> FloatArray:
        """float32[frames, 521] of float32[n] at 16 kHz."""
        run = self._interpreter
        run.resize_tensor_input(self._input, waveform.shape)
        run.allocate_tensors()
        run.set_tensor(self._input, waveform)
        began = time.perf_counter()
        run.invoke()
        took = time.perf_counter() - began
        outputs = run.get_output_details()
        found = next(one for one in outputs if one["shape"][-1] == Params().num_classes)
        scores: FloatArray = run.get_tensor(found["index"]).copy()
        self.milliseconds.append(1e3 * took / len(scores))
        return scores


def waveform(path: Path) -> FloatArray:
    """A recording, float32[n] at 16 kHz."""
    with open_recording(path) as reader:
        resampler = Resampler(reader.rate_hz, Params().sample_rate_hz)
        blocks = [resampler.push(block) for block in reader.blocks(reader.rate_hz)]
    return np.concatenate([*blocks, resampler.push(np.empty(0, np.float32), last=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--map", type=Path)
    options = parser.parse_args()
    labels = class_map()
    categories = read_map(options.map, labels) if options.map else YamnetClasses(labels)
    clips = read_labelled(options.labelled, None).clips
    truths = Truth(clips, categories)
    truth = np.stack([truths.of(clip) for clip in clips])
    sounds = [waveform(clip.path) for clip in clips]
    with tempfile.TemporaryDirectory() as folder:
        exports = {precision: Exported(precision, Path(folder)) for precision in PRECISIONS}
        frames: dict[str, list[FloatArray]] = {precision: [] for precision in PRECISIONS}
        for sound in sounds:
            for precision, export in exports.items():
                frames[precision].append(export(sound))
    exact = np.concatenate(frames["float32"]) >= THRESHOLD
    print(f"{len(clips)} recordings; {exact.sum():,} decisions at {THRESHOLD} of float32")
    header = ("precision", "accuracy", "mAP", "lwlrap", "AUC", "d-prime of it")
    print_table(
        (*header, "ms/window", "of float32", "MB", "otherwise"),
        [
            row(precision, export, exports["float32"], truth, categories, frames[precision], exact)
            for precision, export in exports.items()
        ],
    )


def row(
    precision: str,
    export: Exported,
    reference: Exported,
    truth: metrics.BoolArray,
    categories: Categories,
    frames: list[FloatArray],
    exact: metrics.BoolArray,
) -> list[str]:
    """One precision's line of the table."""
    scores = np.stack([categories.scores(each.mean(axis=0)) for each in frames])
    found = metrics.summarize(truth, scores, metrics.measure(truth, scores))
    took = zip(export.milliseconds, reference.milliseconds, strict=True)
    values = (
        *(found.accuracy, found.mean_average_precision, found.mean_lwlrap),
        *(found.mean_auc, found.d_prime_of_mean_auc),
    )
    return [
        precision,
        *("-" if value is None else f"{value:.3f}" for value in values),
        f"{statistics.median(export.milliseconds):.2f}",
        f"{statistics.median(ours / theirs for ours, theirs in took):.2f}",
        f"{export.megabytes:.1f}",
        str(((np.concatenate(frames) >= THRESHOLD) != exact).sum()),
    ]


if __name__ == "__main__":
    main()
