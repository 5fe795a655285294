"""YAMNet's published hyperparameters.

The values are those of `params.py` in the reference implementation
(tensorflow/models, research/audioset/yamnet). Only `patch_hop_seconds` is meant to change: the
published weights were trained with all the others.
"""

from dataclasses import dataclass
from functools import cached_property

from livetag.errors import UsageError

LONGEST_HOP_SECONDS = 3_600.0
"""Audio waits in memory for the window it completes: an hour of it is enough."""


@dataclass(frozen=True)
class Params:
    """The network's hyperparameters; durations in seconds, frequencies in hertz.

    Raises `UsageError` where `patch_hop_seconds` is not a positive multiple of
    `stft_hop_seconds`.
    """

    sample_rate_hz: int = 16_000
    stft_window_seconds: float = 0.025
    stft_hop_seconds: float = 0.010
    mel_bands: int = 64
    mel_min_hz: float = 125.0
    mel_max_hz: float = 7_500.0
    log_offset: float = 0.001
    patch_window_seconds: float = 0.96
    patch_hop_seconds: float = 0.48
    num_classes: int = 521
    conv_padding: str = "same"
    batchnorm_center: bool = True
    batchnorm_scale: bool = False
    batchnorm_epsilon: float = 1e-4
    classifier_activation: str = "sigmoid"

    def __post_init__(self) -> None:
        frames = self.patch_hop_seconds / self.stft_hop_seconds
        longest = LONGEST_HOP_SECONDS / self.stft_hop_seconds
        if not (0.5 < frames < longest + 0.5 and abs(frames - round(frames)) < 1e-6):
            raise UsageError(
                f"a hop of {self.patch_hop_seconds} s cannot be taken: it has to be a multiple of "
                f"{self.stft_hop_seconds} s, from {self.stft_hop_seconds} s up "
                f"to {LONGEST_HOP_SECONDS:g} s"
            )

    @cached_property
    def stft_window_samples(self) -> int:
        return round(self.sample_rate_hz * self.stft_window_seconds)  # 400

    @cached_property
    def stft_hop_samples(self) -> int:
        return round(self.sample_rate_hz * self.stft_hop_seconds)  # 160

    @cached_property
    def fft_length(self) -> int:
        """The power of two at or above the STFT window."""
        return 1 << (self.stft_window_samples - 1).bit_length()  # 512

    @cached_property
    def patch_frames(self) -> int:
        return round(self.patch_window_seconds / self.stft_hop_seconds)  # 96

    @cached_property
    def patch_hop_frames(self) -> int:
        return round(self.patch_hop_seconds / self.stft_hop_seconds)  # 48

    @cached_property
    def patch_hop_samples(self) -> int:
        return self.patch_hop_frames * self.stft_hop_samples  # 7,680

    @cached_property
    def window_samples(self) -> int:
        """Samples that one patch is made from."""
        overlap = self.stft_window_samples - self.stft_hop_samples
        return self.patch_frames * self.stft_hop_samples + overlap  # 15,600

    @cached_property
    def window_seconds(self) -> float:
        return self.window_samples / self.sample_rate_hz  # 0.975
