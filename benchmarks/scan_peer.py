"""`livetag scan` against MediaPipe's AudioClassifier: the same files, as many processes.

MediaPipe cuts a recording into windows of 0.975 s one after another. livetag does twice as many by
default, 0.48 s apart; with `--hop 0.96`, about as many, at each precision. All are timed from
process start to end, in turn. MediaPipe takes whole files at their own rate, read by soundfile. Its
environment is that of `mediapipe_peer.py`, which says how to make it, and OpenVINO for bfloat16:

    VENV/bin/pip install 'openvino>=2025.0'
    VENV/bin/python benchmarks/scan_peer.py --model yamnet.tflite [FOLDER] [--precision int8]

TensorFlow must not be in it: where it is, MediaPipe imports it, and starts 2.5 s later. The models
have to be in livetag's cache (`livetag scan` with each `--precision`, where TensorFlow is).
"""

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from _archive import PIECE_SECONDS, write_archive
from _timing import Timing, print_table, run_commands, take_turns

from livetag.yamnet.precision import PRECISIONS, Precision

PIECES, LESS = 12, 2
WORKERS = 2
GOAL = 3.0
LIVETAG = Path(sys.executable).parent / "livetag"

_PEER = """
import sys
import soundfile
from mediapipe.tasks import python
from mediapipe.tasks.python import audio
from mediapipe.tasks.python.components import containers
options = audio.AudioClassifierOptions(
    base_options=python.BaseOptions(model_asset_path=sys.argv[1]), max_results=5
)
classifier = audio.AudioClassifier.create_from_options(options)
for path in sys.argv[2:]:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    clip = containers.AudioData.create_from_array(samples, rate_hz)
    print(len(classifier.classify(clip)))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="MediaPipe's YAMNet")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--precision", action="append", choices=PRECISIONS, help="this one alone; may be repeated"
    )
    options = parser.parse_args()
    if importlib.util.find_spec("tensorflow"):
        sys.exit(
            "TensorFlow is installed here, which MediaPipe imports: it would start 2.5 s later"
        )
    with tempfile.TemporaryDirectory() as name:
        cases: dict[str, Callable[[list[Path]], Timing]] = {
            "MediaPipe": partial(peer, options.model),
            "livetag scan": partial(scan, Path(name), "0.48", "float32"),
        }
        for precision in options.precision or PRECISIONS:
            case = f"livetag scan --hop 0.96 --precision {precision}"
            cases[case] = partial(scan, Path(name), "0.96", precision)
        for form, paths in write_archive(Path(name), options.folder, PIECES).items():
            compare(form, paths, cases, options.rounds)


def compare(
    form: str, paths: list[Path], cases: Mapping[str, Callable[[list[Path]], Timing]], rounds: int
) -> None:
    short = {f"{name} on less": partial(case, paths[:LESS]) for name, case in cases.items()}
    whole = {name: partial(case, paths) for name, case in cases.items()}
    timings = take_turns(whole | short, rounds, warm_up=1)
    seconds = PIECE_SECONDS * len(paths)
    rows: list[tuple[str, tuple[float, ...], tuple[float, ...]]] = []
    for name in cases:
        ours, less = timings[name], timings[f"{name} on less"]
        figures = ours.wall_ms, ours.wall_ms - less.wall_ms, ours.cpu_ms, ours.cpu_ms - less.cpu_ms
        first = rows[0][1] if rows else figures
        ratios = (theirs / each for theirs, each in zip(first, figures, strict=True))
        rows.append((name, figures, (ours.wall_ms / 1e3, seconds / ours.wall_ms * 1e3, *ratios)))
    print(f"\n{form}, {seconds / 3_600:g} h, {WORKERS} processes, medians of {rounds} rounds:\n")
    print_table(
        ("", "wall s", "x real time", "x MediaPipe", "but its start", "by CPU", "but its start"),
        [(name, *cells) for name, _, cells in rows],
    )
    print(f"goal: {GOAL:g} x MediaPipe")


def peer(model: Path, paths: list[Path]) -> Timing:
    """MediaPipe on all files, shared among its processes."""
    command = [sys.executable, "-c", _PEER, str(model)]
    shares = [map(str, paths[first::WORKERS]) for first in range(WORKERS)]
    return run_commands(*([*command, *share] for share in shares))


def scan(folder: Path, hop: str, precision: Precision, paths: list[Path]) -> Timing:
    out = str(folder / "events.csv")
    options = "--hop", hop, "--precision", precision, "--workers", str(WORKERS), "--force"
    return run_commands([LIVETAG, "scan", *paths, "-o", out, *options])


if __name__ == "__main__":
    main()
