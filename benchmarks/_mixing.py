"""Soundscapes: recordings mixed into a background, at known times and signal-to-noise ratios.

All is at 16 kHz, what the network hears, and drawn from seeds: the same seed gives the same
samples. The layout does not depend on the ratio, so that two ratios differ in loudness alone.
"""

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

FloatArray = npt.NDArray[np.float32]

RATE_HZ = 16_000
FRAME = RATE_HZ // 100
"""Samples in which energy is taken: 10 ms."""
LOUDEST_FRAMES = 10
"""The loudest 0.1 s is what the active part is measured against."""
FADE_SECONDS = 0.005
CROSS_FADE_SECONDS = 0.5
PAUSE_SECONDS = 4.0, 8.0
"""Between two sounds, before the first and after the last: shortest and longest."""
SOUNDS_EACH = 8
HIGHEST_PEAK = 0.99


@dataclass(frozen=True)
class Recording:
    """What sounds in a recording: float32[n], the RMS of its active frames 1."""

    name: str
    category: str
    labels: tuple[str, ...]
    samples: FloatArray


@dataclass(frozen=True)
class Sound:
    """A recording in a soundscape. `recording` is its name."""

    category: str
    recording: str
    onset_s: float
    offset_s: float


@dataclass(frozen=True)
class Soundscape:
    """A mixture on disk and what sounds in it; without sounds, the background alone.

    `scaled_db`: how much quieter it was made as a whole, lest it clip.
    """

    name: str
    path: Path
    background: str
    seconds: float
    sounds: tuple[Sound, ...] = ()
    scaled_db: float = 0.0


@dataclass(frozen=True)
class Soundscapes:
    """The backgrounds alone, and the mixtures of each signal-to-noise ratio in dB."""

    alone: Sequence[Soundscape]
    by_snr: Mapping[float, Sequence[Soundscape]]

    @property
    def all(self) -> list[Soundscape]:
        return [*self.alone, *itertools.chain.from_iterable(self.by_snr.values())]

    def at(self, snr_db: float) -> set[Soundscape]:
        """The backgrounds, and the mixtures of one ratio."""
        return {*self.alone, *self.by_snr[snr_db]}


def read_recordings(folder: Path, labels: Path, floor_db: float) -> list[Recording]:
    """The active parts of the recordings that a labels file names.

    Raises `ValueError` for a recording of digital silence.
    """
    with labels.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    recordings = []
    for row in rows:
        samples, rate_hz = soundfile.read(folder / row["file"], dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate_hz, RATE_HZ, quality="HQ")
        try:
            begin, end, rms = active_part(mono, floor_db)
        except ValueError as error:
            raise ValueError(f"{row['file']}: {error}") from error
        part = (mono[begin:end] / rms).astype(np.float32)
        names = tuple(row["yamnet_labels"].split("|"))
        recordings.append(Recording(row["file"], row["category"], names, part))
    return recordings


def active_part(samples: FloatArray, floor_db: float) -> tuple[int, int, float]:
    """From which sample to which float32[n] sounds, and the RMS of the active frames.

    A frame is active if it is at most `floor_db` below the recording's loudest 0.1 s. Pauses
    between the first and the last active frame belong to the part, not to the RMS.
    """
    frames = len(samples) // FRAME
    energy = np.square(samples[: frames * FRAME].reshape(frames, FRAME)).mean(axis=1, dtype=float)
    kernel = np.full(min(LOUDEST_FRAMES, frames), 1.0)
    loudest = np.convolve(energy, kernel / len(kernel), "valid").max(initial=0.0)
    if loudest <= 0.0:
        raise ValueError("it is silent")
    active = np.flatnonzero(energy >= loudest * 10.0 ** (-floor_db / 10.0))
    rms = float(np.sqrt(energy[active].mean()))
    return int(active[0]) * FRAME, (int(active[-1]) + 1) * FRAME, rms


def background_of(
    recordings: Sequence[Recording], seconds: float, rng: np.random.Generator
) -> FloatArray:
    """So many seconds, float32[n], of the recordings in ever new order, cross-faded; its RMS is 1.

    All are equally loud, so that the ratio to the background is the same everywhere in it.
    """
    fade = round(CROSS_FADE_SECONDS * RATE_HZ)
    rising = np.sin(np.linspace(0.0, np.pi / 2.0, fade)).astype(np.float32)  # of equal power
    mixed = np.zeros(round(seconds * RATE_HZ) + fade, np.float32)
    position = 0
    while True:
        for number in rng.permutation(len(recordings)):
            piece = recordings[number].samples.copy()
            if len(piece) < 2 * fade:
                raise ValueError(f"{recordings[number].name} is too short for a background")
            if position:
                piece[:fade] *= rising
            piece[-fade:] *= rising[::-1]
            piece = piece[: len(mixed) - position]
            mixed[position : position + len(piece)] += piece
            position += len(piece) - fade
            if position + fade >= len(mixed):
                cut = mixed[: len(mixed) - fade]
                return cut / np.float32(np.sqrt(np.square(cut).mean(dtype=float)))


def alone(
    background: str,
    recordings: Sequence[Recording],
    seconds: float,
    level_dbfs: float,
    seed: Sequence[int],
    folder: Path,
) -> Soundscape:
    """A background without any sound in it, written into the folder."""
    noise = background_of(recordings, seconds, np.random.default_rng(seed))
    return _write(f"{background}, alone", background, noise, (), level_dbfs, folder)


def mixtures(
    background: str,
    recordings: Sequence[Recording],
    foreground: Sequence[Recording],
    snr_db: float,
    level_dbfs: float,
    seed: Sequence[int],
    folder: Path,
) -> list[Soundscape]:
    """Soundscapes in which each foreground recording comes once, written into the folder.

    Each leaves another one of the background's recordings out, so that none is in all of them.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(foreground))
    soundscapes = []
    for first in range(0, len(order), SOUNDS_EACH):
        chosen = [foreground[number] for number in order[first : first + SOUNDS_EACH]]
        number = first // SOUNDS_EACH
        left_out = number % len(recordings)
        pool = [*recordings[:left_out], *recordings[left_out + 1 :]] or recordings
        sounds, onsets, length = _lay_out(chosen, rng)
        mixed = background_of(pool, length / RATE_HZ, rng)
        gain = np.float32(10.0 ** (snr_db / 20.0))
        for recording, onset in zip(chosen, onsets, strict=True):
            faded = _faded(recording.samples)
            mixed[onset : onset + len(faded)] += gain * faded
        name = f"{background} {number + 1}, {snr_db:g} dB"
        soundscapes.append(_write(name, background, mixed, sounds, level_dbfs, folder))
    return soundscapes


def _lay_out(
    recordings: Sequence[Recording], rng: np.random.Generator
) -> tuple[tuple[Sound, ...], list[int], int]:
    """The sounds with their times, their first samples, and the samples of the whole."""

    def pause() -> int:
        return round(rng.uniform(*PAUSE_SECONDS) * RATE_HZ)

    sounds, onsets = [], []
    position = pause()
    for recording in recordings:
        end = position + len(recording.samples)
        times = position / RATE_HZ, end / RATE_HZ
        sounds.append(Sound(recording.category, recording.name, *times))
        onsets.append(position)
        position = end + pause()
    return tuple(sounds), onsets, position


def _faded(samples: FloatArray) -> FloatArray:
    """The same without the clicks of a cut."""
    size = min(round(FADE_SECONDS * RATE_HZ), len(samples) // 2)
    ramp = np.linspace(0.0, 1.0, size, dtype=np.float32)
    faded = samples.copy()
    faded[:size] *= ramp
    faded[len(faded) - size :] *= ramp[::-1]
    return faded


def _write(
    name: str,
    background: str,
    samples: FloatArray,
    sounds: tuple[Sound, ...],
    level_dbfs: float,
    folder: Path,
) -> Soundscape:
    scaled = samples * np.float32(10.0 ** (level_dbfs / 20.0))
    peak = float(np.abs(scaled).max())
    gain = min(1.0, HIGHEST_PEAK / peak)
    path = folder / f"{name.replace(', ', '_').replace(' ', '_')}.wav"
    soundfile.write(path, scaled * np.float32(gain), RATE_HZ, subtype="PCM_16")
    seconds = len(samples) / RATE_HZ
    return Soundscape(name, path, background, seconds, sounds, 20.0 * float(np.log10(gain)))
