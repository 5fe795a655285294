"""`livetag scan` on an hour of audio: how fast it is, what a window costs, and where that goes.

    python benchmarks/scan.py [FOLDER] [--precision int8] [--plot FILE.svg]

The hour is made of the `.ogg` recordings in FOLDER (ESC-10's first fold), or of the demo. First the
command is run on it, from its start to its end. Then one worker's work is measured in turn with its
parts, each part with its limit: what the library alone takes for the same samples at once. The
limit of the network is its multiplications at the speed of this core's matrix product (NumPy's
OpenBLAS, told to use AVX-512 where the processor has it). `--plot` (pip install matplotlib) draws
how the cost grows with hours and falls with workers. The goals, and the limit of the network, are
those of float32, whatever the precision.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from _archive import PIECE_SECONDS, write_archive
from _timing import Timing, print_table, run_commands, take_turns, verdict

from livetag.audio.reader import AudioReader
from livetag.audio.resample import Resampler
from livetag.events import FloatArray
from livetag.resources import cache_dir
from livetag.scan.analysis import Analyst
from livetag.scan.job import Job
from livetag.scan.listing import list_recordings
from livetag.schema import Config
from livetag.text import counted
from livetag.yamnet.classifier import BATCH_PATCHES
from livetag.yamnet.compile import obtain_model
from livetag.yamnet.features import PatchStream
from livetag.yamnet.layers import FIRST_FILTERS, SEPARABLE_LAYERS
from livetag.yamnet.params import Params
from livetag.yamnet.precision import PRECISIONS, Precision
from livetag.yamnet.runtime import load_classifier

PIECES = 12
WORKERS = 2
SPEED_GOALS = {"16 kHz WAV": 1_000.0, "16 kHz FLAC": 800.0, "44.1 kHz Ogg": 300.0}
LIMIT_GOAL = 1.4
LIVETAG = Path(sys.executable).parent / "livetag"

_MATRIX_PRODUCT = """
import time, numpy as np
a = np.random.default_rng(0).random((2048, 2048), np.float32)
times = []
for _ in range(8):
    begin = time.thread_time()
    a @ a
    times.append(time.thread_time() - begin)
print(2 * 2048**3 / min(times))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    options = parser.parse_args()
    precision: Precision = options.precision
    with tempfile.TemporaryDirectory() as name:
        archive = write_archive(Path(name), options.folder, PIECES)
        speeds(archive, Path(name), precision)
        for form, paths in archive.items():
            profile(form, Parts(paths[0], Path(name), precision), options.rounds)
        if options.plot:
            plot(archive["16 kHz FLAC"], Path(name), precision, options.plot)


def scan(paths: Sequence[Path], folder: Path, workers: int, precision: Precision) -> Timing:
    """Run the command on recordings, from its start to its end."""
    out = str(folder / "events.csv")
    options = "--workers", str(workers), "--precision", precision, "--force"
    return run_commands([LIVETAG, "scan", *paths, "-o", out, *options])


def speeds(archive: dict[str, list[Path]], folder: Path, precision: Precision) -> None:
    """The command on the whole hour; beyond its start, too, from two lengths; and by CPU time.

    The last is what two cores would do that nobody else uses.
    """
    rows = []
    scan(next(iter(archive.values()))[:1], folder, WORKERS, precision)  # compiles modules
    for form, paths in archive.items():
        whole, short = (scan(some, folder, WORKERS, precision) for some in (paths, paths[:2]))
        seconds, less = PIECE_SECONDS * len(paths), PIECE_SECONDS * (len(paths) - 2)
        steady = less / (whole.wall_s[0] - short.wall_s[0])
        alone = seconds / (whole.cpu_s[0] / WORKERS)
        speed = seconds / whole.wall_s[0]
        rows.append((form, whole.wall_s[0], speed, steady, alone, SPEED_GOALS[form]))
    hours = PIECE_SECONDS * PIECES / 3_600
    print(f"\n`livetag scan`, {precision}, {hours:g} h, {WORKERS} workers:\n")
    header = ("", "wall s", "x real time", "x but its start", "x on idle cores", "goal")
    print_table(header, rows)


def profile(form: str, parts: "Parts", rounds: int) -> None:
    """What a window costs one worker, part by part, in turn; and each part's limit."""
    timings = take_turns(parts.cases(), rounds, time.process_time, warm_up=1)
    per_window = {name: timing.cpu_ms / parts.windows for name, timing in timings.items()}
    matrix_ms = 2e3 * multiplications() / matrix_product_flops()
    whole, network = per_window.pop("whole"), per_window["network"]
    model = per_window["log-mel"] + network
    limits = {
        "decoding": per_window.pop("libsndfile, all at once"),
        "resampling": per_window.pop("soxr, all at once"),
        "log-mel": per_window.pop("its FFTs alone"),
        "network": matrix_ms,
    }
    per_window["levels, events, rows"] = whole - sum(per_window.values())
    print(f"\nOne worker, {form}, {parts.precision}: CPU of a window, medians of {rounds} rounds\n")
    print_table(
        ("", "ms", "share", "limit ms", "to its limit"),
        [
            (name, f"{ms:.3f}", ms / whole, f"{limits.get(name, 0):.3f}", _ratio(ms, limits, name))
            for name, ms in {"whole": whole, **per_window}.items()
        ],
    )
    print(f"whole / network: {whole / network:.2f}")
    print(f"whole / matrix-product limit: {whole / matrix_ms:.2f}")
    verdict("log-mel and network / matrix-product limit", model / matrix_ms, LIMIT_GOAL)


def _ratio(ms: float, limits: dict[str, float], name: str) -> object:
    return ms / limits[name] if limits.get(name, 0.0) > 1e-3 else ""


class Parts:
    """A recording's work, whole and in parts."""

    def __init__(self, path: Path, folder: Path, precision: Precision) -> None:
        self.precision = precision
        self._path = path
        self._result = folder / "result"
        (self._recording,) = list_recordings([str(path)])
        model = obtain_model(None, cache_dir(), lambda *_: None, print, precision)
        self._classifier = load_classifier(model.content, precision)
        self._analyst = Analyst(Job("events", "csv", Config(), ""), self._classifier)
        self._params = Params()
        self._blocks = self._decoded()
        self._rate_hz = AudioReader(path).rate_hz
        self._resampled = self._resample()
        self._patches = self._log_mel()
        self.windows = len(self._patches)

    def cases(self) -> dict[str, Callable[[], object]]:
        return {
            "whole": lambda: self._analyst.write(self._recording, self._result),
            "decoding": self._decoded,
            "libsndfile, all at once": self._decode_at_once,
            "resampling": self._resample,
            "soxr, all at once": self._resample_at_once,
            "log-mel": self._log_mel,
            "its FFTs alone": self._transform,
            "network": self._score,
        }

    def _decoded(self) -> list[FloatArray]:
        with AudioReader(self._path) as reader:
            return list(reader.blocks(round(reader.rate_hz * self._analyst.block_seconds)))

    def _decode_at_once(self) -> object:
        import soundfile

        with soundfile.SoundFile(self._path) as file:
            return file.read(dtype="int16" if file.subtype == "PCM_16" else "float32")

    def _resample(self) -> list[FloatArray]:
        resampler = Resampler(self._rate_hz, self._params.sample_rate_hz)
        return [resampler.push(block) for block in self._blocks]

    def _resample_at_once(self) -> object:
        resampler = Resampler(self._rate_hz, self._params.sample_rate_hz)
        return resampler.push(np.concatenate(self._blocks), last=True)

    def _log_mel(self) -> list[FloatArray]:
        stream = PatchStream(self._params)
        return [patch for block in self._resampled for _, patch in stream.push(block)]

    def _transform(self) -> None:
        """As many FFTs as there are frames, 128 at once, of samples that are there already."""
        frames = np.zeros((128, self._params.fft_length), np.float32)
        for _ in range(self.windows * self._params.patch_hop_frames // len(frames)):
            np.fft.rfft(frames, norm="forward")

    def _score(self) -> None:
        for first in range(0, self.windows, BATCH_PATCHES):
            self._classifier.many(self._patches[first : first + BATCH_PATCHES])


def multiplications() -> float:
    """Of the network's convolutions, for one window: each is also an addition."""
    params = Params()
    height, width = params.patch_frames // 2, params.mel_bands // 2
    total, channels = 9 * FIRST_FILTERS * height * width, FIRST_FILTERS
    for stride, filters in SEPARABLE_LAYERS:
        height, width = height // stride, width // stride
        total += height * width * channels * (9 + filters)
        channels = filters
    return float(total + channels * params.num_classes)


def matrix_product_flops() -> float:
    """Floating-point operations a second of a large matrix product on one core."""
    kernels = [{}, {"OPENBLAS_CORETYPE": "SkylakeX"}] if _has_avx512() else [{}]
    found = []
    for kernel in kernels:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"} | kernel
        command = [sys.executable, "-c", _MATRIX_PRODUCT]
        found.append(float(subprocess.check_output(command, env=environment)))
    return max(found)


def _has_avx512() -> bool:
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def plot(paths: Sequence[Path], folder: Path, precision: Precision, target: Path) -> None:
    """Wall and processor time against hours, by the number of workers."""
    from matplotlib import pyplot

    pieces = range(2, len(paths) + 1, 2)
    hours = [PIECE_SECONDS * count / 3_600 for count in pieces]
    figure, (wall, cpu) = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    rows = []
    for workers in (1, 2):
        said = counted(workers, "worker")
        timings = [scan(paths[:count], folder, workers, precision) for count in pieces]
        for axes, values, name in (
            (wall, [timing.wall_s[0] for timing in timings], "wall"),
            (cpu, [timing.cpu_s[0] for timing in timings], "CPU"),
        ):
            slope, start = statistics.linear_regression(hours, values)
            correlation = statistics.correlation(hours, values)
            axes.plot(hours, values, "o-", label=said)
            rows.append((f"{said}, {name}", start, slope, f"{correlation:.4f}"))
    for axes, name in ((wall, "wall"), (cpu, "processor")):
        axes.set(xlabel="hours of audio (16 kHz FLAC)", ylabel=f"{name} s", ylim=(0, None))
        axes.legend()
    figure.savefig(target, metadata={"Date": None})
    print("\nCost against hours:\n")
    print_table(("", "s at the start", "s an hour", "correlation"), rows)


if __name__ == "__main__":
    main()
