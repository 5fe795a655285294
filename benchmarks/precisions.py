"""What each precision costs and is worth: of livetag itself, and of what `model export` writes.

    python benchmarks/precisions.py FOLDER [--map FOLDER/labels.csv]

Runs each of them on every window of a labelled set (as `livetag evaluate` reads it), in turn with
the others, on one thread. livetag's own get log-mel patches, in batches of 32; the exports for
LiteRT get waveforms, and have the features within. Prints the metrics of the recordings' mean
scores, how many decisions at a threshold of 0.25 are not those of livetag in float32, and the time
of a window as a ratio to float32's of the same kind in the same rounds. The export in int8 is
calibrated on the built-in demo.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from _timing import print_table

from livetag.audio.pipe import open_recording
from livetag.audio.resample import Resampler
from livetag.errors import UsageError
from livetag.evaluation import metrics
from livetag.evaluation.categories import YamnetClasses, read_map
from livetag.evaluation.labelled import read_labelled
from livetag.evaluation.scored import Truth
from livetag.events import FloatArray
from livetag.resources import cache_dir
from livetag.yamnet.classifier import BATCH_PATCHES
from livetag.yamnet.compile import obtain_model
from livetag.yamnet.features import log_mel_spectrogram, padding, patches
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params
from livetag.yamnet.precision import PRECISIONS, Precision
from livetag.yamnet.runtime import load_classifier

EXPORTS = "float32", "float16", "int8"
THRESHOLD = 0.25
HEADER = (
    *("", "accuracy", "mAP", "lwlrap", "AUC", "d-prime of it"),
    *("ms/window", "of float32", "MB", "otherwise"),
)


class Own:
    """livetag's own classifier: patches' scores, and what they took."""

    def __init__(self, precision: Precision) -> None:
        """Raises `UsageError` where the precision cannot run on this machine."""
        model = obtain_model(None, cache_dir(), lambda *_: None, print, precision)
        self._classifier = load_classifier(model.content, precision)
        self.name = f"{precision}, patches in"
        self.megabytes = len(model.content) / 1e6
        self.milliseconds: list[float] = []  # of a window, batch by batch

    def __call__(self, batch: FloatArray) -> FloatArray:
        """float32[n, 521] of float32[n, 96, 64]."""
        waiting = list(batch)
        began = time.perf_counter()
        predictions = self._classifier.many(waiting)
        self.milliseconds.append(1e3 * (time.perf_counter() - began) / len(batch))
        return np.stack([scores for scores, _ in predictions])


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
        self.name = f"{precision}, export, waveform in"
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


def windows(sound: FloatArray) -> FloatArray:
    """float32[n, 96, 64]: the patches of a recording, the last one padded, as the exports do."""
    params = Params()
    padded = np.pad(sound, (0, padding(len(sound), params)))
    return patches(log_mel_spectrogram(padded, params), params)


def owns() -> list[Own]:
    """What livetag runs itself, float32 first; what cannot run here is told."""
    found = []
    for precision in PRECISIONS:
        try:
            found.append(Own(precision))
        except UsageError as error:
            print(f"without {precision}: {error}")
    return found


def scored(
    runs: Sequence[Callable[[FloatArray], FloatArray]], inputs: Sequence[FloatArray]
) -> list[FloatArray]:
    """The scores of all windows, float32[windows, 521], by each, in turn."""
    found: list[list[FloatArray]] = [[] for _ in runs]
    for each in inputs:
        for scores, run in zip(found, runs, strict=True):
            scores.append(run(each))
    return [np.concatenate(scores) for scores in found]


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
    of_each = [windows(sound) for sound in sounds]
    ends = np.cumsum([len(each) for each in of_each])
    joined = np.concatenate(of_each)
    batches = np.split(joined, range(BATCH_PATCHES, len(joined), BATCH_PATCHES))
    ours = owns()
    with tempfile.TemporaryDirectory() as folder:
        exports = [Exported(precision, Path(folder)) for precision in EXPORTS]
        scores = [*scored(ours, batches), *scored(exports, sounds)]
    exact = scores[0] >= THRESHOLD
    print(
        f"{len(clips)} recordings; {exact.sum():,} decisions at {THRESHOLD} of livetag in float32"
    )
    rows = []
    runs: list[Own | Exported] = [*ours, *exports]
    for run, found in zip(runs, scores, strict=True):
        means = [clip.mean(axis=0) for clip in np.split(found, ends[:-1])]
        by_category = np.stack([categories.scores(mean) for mean in means])
        reference = ours[0] if isinstance(run, Own) else exports[0]
        otherwise = ((found >= THRESHOLD) != exact).sum()
        rows.append([run.name, *worth(truth, by_category), *cost(run, reference), str(otherwise)])
    print_table(HEADER, rows)


def worth(truth: metrics.BoolArray, scores: FloatArray) -> list[str]:
    """Accuracy, mAP, lwlrap, AUC, and d-prime of that."""
    found = metrics.summarize(truth, scores, metrics.measure(truth, scores))
    values = (
        *(found.accuracy, found.mean_average_precision, found.mean_lwlrap),
        *(found.mean_auc, found.d_prime_of_mean_auc),
    )
    return ["-" if value is None else f"{value:.3f}" for value in values]


def cost(run: Own | Exported, reference: Own | Exported) -> list[str]:
    """Milliseconds a window, the same to float32's, and megabytes."""
    took = zip(run.milliseconds, reference.milliseconds, strict=True)
    return [
        f"{statistics.median(run.milliseconds):.2f}",
        f"{statistics.median(ours / theirs for ours, theirs in took):.2f}",
        f"{run.megabytes:.1f}",
    ]


if __name__ == "__main__":
    main()
