"""livetag's window against MediaPipe's AudioClassifier, on the same audio and the same core.

One call of MediaPipe takes the audio of one window and gives its classes: features included, and
resampling at 48 kHz. livetag does the same twice: as a whole clip (`analyze` on one window, all
of it from scratch) and as one window of a live stream, where all but a hop of 0.48 s has been
dealt with before. All run in one process, in turn. MediaPipe's call uses threads of its own, so
processor time is the whole process's.

MediaPipe (`pip install mediapipe`) is no dependency of livetag's, and its model, a YAMNet with
the metadata that AudioClassifier asks for, does not ship with it:

    python -m venv VENV
    VENV/bin/pip install mediapipe ai-edge-litert filelock h5py msgspec platformdirs rich \
        sounddevice soundfile soxr
    VENV/bin/pip install --no-deps -e .
    VENV/bin/python benchmarks/mediapipe_peer.py --model yamnet.tflite [--rounds N]

The compiled model has to be in livetag's cache (`livetag model fetch`): this environment has no
TensorFlow to compile it with.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _monitor import CAPTURE_RATE_HZ, demo_48k
from _timing import pin_to_one_core, print_table, take_turns
from window import detector, windows

from livetag import pipeline
from livetag.audio.resample import Resampler
from livetag.events import AudioBlock, FloatArray, Scores
from livetag.resources import cache_dir
from livetag.sources.base import BLOCK_SECONDS
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import find_model
from livetag.yamnet.params import Params

MODEL_RATE_HZ = 16_000
CLIP_AT_S = 20.0  # of the demo
CLIP_SECONDS = {
    MODEL_RATE_HZ: 0.975,
    CAPTURE_RATE_HZ: 0.97,  # of a bit more MediaPipe makes two windows
}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="MediaPipe's YAMNet")
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    compiled = find_model(None, cache_dir())
    if compiled is None:
        sys.exit("no compiled model is in the cache: run `livetag model fetch`")
    print(pin_to_one_core())
    classifier = LiteRTClassifier(compiled.content)
    peer = Peer(options.model)
    demo = demo_48k()
    heard = {
        CAPTURE_RATE_HZ: demo,
        MODEL_RATE_HZ: Resampler(CAPTURE_RATE_HZ, MODEL_RATE_HZ).push(demo, last=True),
    }
    for rate_hz, samples in heard.items():
        compare(rate_hz, samples, classifier, peer, options.rounds)


class Peer:
    """MediaPipe's AudioClassifier; its package is imported here alone."""

    def __init__(self, model: Path) -> None:
        tasks = importlib.import_module("mediapipe.tasks.python")
        audio = importlib.import_module("mediapipe.tasks.python.audio")
        self._containers = importlib.import_module("mediapipe.tasks.python.components.containers")
        options = audio.AudioClassifierOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(model)), max_results=5
        )
        self._classifier = audio.AudioClassifier.create_from_options(options)

    def clip(self, samples: FloatArray, rate_hz: int) -> Any:
        """The audio as MediaPipe takes it."""
        return self._containers.AudioData.create_from_array(samples, rate_hz)

    def top(self, clip: Any) -> str:
        """The best class. Raises `RuntimeError` where the clip was no single window."""
        results = self._classifier.classify(clip)
        if len(results) != 1:
            raise RuntimeError(f"MediaPipe made {len(results)} windows of one")
        return str(results[0].classifications[0].categories[0].category_name)


def compare(
    rate_hz: int, heard: FloatArray, classifier: LiteRTClassifier, peer: Peer, rounds: int
) -> None:
    params = Params()
    begin = round(CLIP_AT_S * rate_hz)
    samples = heard[begin : begin + round(CLIP_SECONDS[rate_hz] * rate_hz)].copy()
    clip = peer.clip(samples, rate_hz)
    size = round(BLOCK_SECONDS * rate_hz)
    captured = [heard[at : at + size] for at in range(0, len(heard) - size + 1, size)]
    whole = WholeClip(samples, rate_hz, classifier, params)
    live = windows(params, captured, classifier, rate_hz)
    cases: dict[str, Callable[[], object]] = {
        "MediaPipe, the clip": lambda: peer.top(clip),
        "livetag, the clip": whole.scores,
        "livetag, a live window": lambda: next(live),
    }
    timings = take_turns(cases, rounds, cpu_clock=time.process_time)
    best = timings["MediaPipe, the clip"]
    print(
        f"\n{len(samples) / rate_hz:g} s at {rate_hz / 1000:g} kHz, medians of {rounds} rounds; "
        f"MediaPipe hears {peer.top(clip)!r}, livetag's best score is {whole.scores().max():.2f}:\n"
    )
    print_table(
        ("", "wall ms", "process CPU ms", "wall ratio", "CPU ratio"),
        [
            (
                name,
                f"{timing.wall_ms:.3f}",
                f"{timing.cpu_ms:.3f}",
                timing.wall_ms / best.wall_ms,
                timing.cpu_ms / best.cpu_ms,
            )
            for name, timing in timings.items()
        ],
    )


class WholeClip:
    """One window's audio through the whole pipeline, from nothing to its scores."""

    def __init__(
        self, samples: FloatArray, rate_hz: int, classifier: LiteRTClassifier, params: Params
    ) -> None:
        self._blocks = [AudioBlock(samples, 0)]
        self._analysis = rate_hz, classifier, detector(params), params

    def scores(self) -> FloatArray:
        """float32[521], of the only window."""
        items = pipeline.analyze(self._blocks, *self._analysis)
        (window,) = (item for item in items if isinstance(item, Scores))
        return window.scores


if __name__ == "__main__":
    main()
