"""An archive to scan: an hour of sound in pieces of five minutes, in several forms."""

from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile
import soxr

from livetag.events import FloatArray
from livetag.sources.demo import demo_chunks
from livetag.sources.demo_sounds import RATE_HZ as DEMO_RATE_HZ

PIECE_SECONDS = 300
FORMS = {
    "16 kHz WAV": ("wav", 16_000, "PCM_16"),
    "16 kHz FLAC": ("flac", 16_000, "PCM_16"),
    "44.1 kHz Ogg": ("ogg", 44_100, "VORBIS"),
}
"""Ending, rate and encoding."""


def write_archive(folder: Path, recordings: Path | None, pieces: int) -> dict[str, list[Path]]:
    """Write so many pieces in each form: of recordings, in an order drawn from a seed, or the demo.

    The sound is the same in all forms.
    """
    written: dict[str, list[Path]] = {name: [] for name in FORMS}
    sounds = _recordings(recordings) if recordings else [_demo()]
    endless = cycle(np.random.default_rng(0).permutation(len(sounds)).tolist())
    waiting = np.empty(0, np.float32)
    for number in range(pieces):
        while len(waiting) < PIECE_SECONDS * 44_100:
            waiting = np.concatenate((waiting, sounds[next(endless)]))
        piece, waiting = np.split(waiting, [PIECE_SECONDS * 44_100])
        for name, (ending, rate_hz, encoding) in FORMS.items():
            path = folder / ending / f"{number:02}.{ending}"
            path.parent.mkdir(exist_ok=True)
            samples = piece if rate_hz == 44_100 else soxr.resample(piece, 44_100, rate_hz)
            with soundfile.SoundFile(path, "w", rate_hz, 1, encoding) as file:
                for begin in range(0, len(samples), rate_hz):  # libvorbis takes no more at once
                    file.write(samples[begin : begin + rate_hz])
            written[name].append(path)
    return written


def _recordings(folder: Path) -> list[FloatArray]:
    """Every `.ogg` below a folder, mono, at 44.1 kHz."""
    found = []
    for path in sorted(folder.rglob("*.ogg")):
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        found.append(soxr.resample(samples.mean(axis=1), rate_hz, 44_100))
    return found


def _demo() -> FloatArray:
    demo: FloatArray = soxr.resample(np.concatenate(list(demo_chunks())), DEMO_RATE_HZ, 44_100)
    return demo
