"""A live window's whole work against the network alone.

The window's work is what `livetag.pipeline.analyze` does from one window to the next at 48 kHz:
resampling block by block, levels, the new log-mel frames, the network, detection. It is compared
with the call of the compiled network on the same patch, and taken apart: each part runs by itself
on the same audio, in the same rounds. The rest is what the parts' sum leaves.

    python benchmarks/window.py [--hop SECONDS] [--rounds N] [--pause SECONDS]

Goal: a ratio of 1.5 or less.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator

from _monitor import CAPTURE_RATE_HZ, demo_48k
from _timing import Timing, pin_to_one_core, print_table, take_turns, verdict

from livetag import pipeline
from livetag.audio.resample import Resampler
from livetag.detector import Detector
from livetag.events import Anchor, AudioBlock, FloatArray, Scores
from livetag.resources import cache_dir
from livetag.rules import resolve
from livetag.schema import Config
from livetag.sources.base import BLOCK_SECONDS
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.compile import obtain_model
from livetag.yamnet.features import PatchStream
from livetag.yamnet.labels import class_map
from livetag.yamnet.params import Params

GOAL = 1.5
WINDOW, CALL, INVOKE = "whole window", "network, called by livetag", "network, bare invoke()"
PARTS = "resampling", "levels", "log-mel", "detection"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--hop", type=float, default=0.48, help="a multiple of 0.08 s")
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument(
        "--pause", type=float, default=0.0, help="seconds of sleep before each call: cold caches"
    )
    options = parser.parse_args()
    blocks_per_window = round(options.hop / BLOCK_SECONDS)
    if blocks_per_window < 1 or abs(blocks_per_window * BLOCK_SECONDS - options.hop) > 1e-9:
        parser.error(f"--hop has to be a multiple of {BLOCK_SECONDS} s here")
    print(pin_to_one_core())
    params = Params(patch_hop_seconds=options.hop)
    cases = build_cases(params, blocks_per_window)
    warm_up = 3 if options.pause else 20
    timings = take_turns(cases, options.rounds, warm_up=warm_up, pause_seconds=options.pause)
    report(timings, options.rounds, options.hop)


def build_cases(params: Params, blocks_per_window: int) -> dict[str, Callable[[], object]]:
    """What is timed; each call of a case goes on to the next window of the demo."""
    demo = demo_48k()
    size = round(CAPTURE_RATE_HZ * BLOCK_SECONDS)
    captured = [demo[begin : begin + size] for begin in range(0, len(demo) - size + 1, size)]
    resampler = Resampler(CAPTURE_RATE_HZ, params.sample_rate_hz)
    resampled = [resampler.push(samples) for samples in captured]
    stream = PatchStream(params)
    patches = [patch.copy() for chunk in resampled for _, patch in stream.push(chunk)]
    classifier = LiteRTClassifier(obtain_model(None, cache_dir(), lambda *_: None, print).content)
    scores = [classifier(patch).scores for patch in patches]
    part = Parts(params, captured, resampled, scores, blocks_per_window)
    window = windows(params, captured, classifier)
    patch = itertools.cycle(patches)
    interpreter = classifier._networks[1]._interpreter
    return {
        WINDOW: lambda: next(window),
        CALL: lambda: classifier(next(patch)),
        INVOKE: interpreter.invoke,
        "resampling": part.resample,
        "levels": part.levels,
        "log-mel": part.log_mel,
        "detection": part.detect,
    }


def windows(
    params: Params,
    captured: list[FloatArray],
    classifier: LiteRTClassifier,
    rate_hz: int = CAPTURE_RATE_HZ,
) -> Iterator[None]:
    """Run the pipeline without end; yield whenever it has scored a window."""

    def blocks() -> Iterator[AudioBlock]:
        position = 0
        for samples in itertools.cycle(captured):
            yield AudioBlock(samples, position)
            position += len(samples)

    for item in pipeline.analyze(blocks(), rate_hz, classifier, detector(params), params):
        if isinstance(item, Scores):
            yield


def detector(params: Params) -> Detector:
    """The detector of the default configuration."""
    return Detector(resolve(Config(), class_map()), params)


class Parts:
    """The window's parts, each with its own place in the same audio."""

    def __init__(
        self,
        params: Params,
        captured: list[FloatArray],
        resampled: list[FloatArray],
        scores: list[FloatArray],
        blocks_per_window: int,
    ) -> None:
        self._blocks_per_window = blocks_per_window
        self._hop_s = params.patch_hop_seconds
        self._to_resample = itertools.cycle(captured)
        self._to_level = itertools.cycle(captured)
        self._to_log_mel = itertools.cycle(resampled)
        self._to_detect = enumerate(itertools.cycle(scores))
        self._resampler = Resampler(CAPTURE_RATE_HZ, params.sample_rate_hz)
        self._patches = PatchStream(params)
        self._detector = detector(params)
        self._anchor = Anchor(0.0, 0.0)

    def resample(self) -> None:
        for samples in self._next(self._to_resample):
            self._resampler.push(samples)

    def levels(self) -> None:
        for samples in self._next(self._to_level):
            pipeline._level(AudioBlock(samples, 0), CAPTURE_RATE_HZ)

    def log_mel(self) -> None:
        for samples in self._next(self._to_log_mel):
            for _ in self._patches.push(samples):
                pass

    def detect(self) -> None:
        number, scores = next(self._to_detect)
        for _ in self._detector.update(number * self._hop_s, scores, -30.0, self._anchor):
            pass

    def _next(self, chunks: Iterator[FloatArray]) -> Iterator[FloatArray]:
        return itertools.islice(chunks, self._blocks_per_window)


def report(timings: dict[str, Timing], rounds: int, hop_s: float) -> None:
    call = timings[CALL]

    def row(name: str, wall_ms: float, cpu_ms: float) -> tuple[object, ...]:
        return (name, f"{wall_ms:.3f}", f"{cpu_ms:.3f}", cpu_ms / call.cpu_ms)

    print(f"\nOne window at a hop of {hop_s:g} s, medians of {rounds} rounds:\n")
    rows = [row(name, timing.wall_ms, timing.cpu_ms) for name, timing in timings.items()]
    whole = timings[WINDOW]
    parts = [call, *(timings[name] for name in PARTS)]
    rest_wall = whole.wall_ms - sum(part.wall_ms for part in parts)
    rest_cpu = whole.cpu_ms - sum(part.cpu_ms for part in parts)
    rows.append(row("rest of the window", rest_wall, rest_cpu))
    print_table(("", "wall ms", "thread CPU ms", "CPU / call"), rows)
    print()
    verdict("window / call of the network, CPU time", whole.cpu_ms / call.cpu_ms, GOAL)
    verdict("window / call of the network, wall time", whole.wall_ms / call.wall_ms, GOAL)
    bare = timings[INVOKE]
    verdict("window / bare invoke(), CPU time", whole.cpu_ms / bare.cpu_ms, GOAL)


if __name__ == "__main__":
    main()
