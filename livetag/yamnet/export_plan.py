"""What an export is to be: its format, what goes in, and how precise its numbers are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from livetag.errors import UsageError

Format = Literal["savedmodel", "litert", "onnx"]
Input = Literal["waveform", "patches"]
Precision = Literal["float32", "float16", "int8"]

FORMATS: tuple[Format, ...] = get_args(Format)
INPUTS: tuple[Input, ...] = get_args(Input)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
NAMES: dict[Format, str] = {"savedmodel": "SavedModel", "litert": "LiteRT", "onnx": "ONNX"}
_FORMAT_OF_ENDING: dict[str, Format] = {"": "savedmodel", ".tflite": "litert", ".onnx": "onnx"}


@dataclass(frozen=True)
class Plan:
    """One export. Raises `UsageError` for what no format offers together.

    `input`: "waveform", float32[n] at 16 kHz, padded and turned into log-mel patches inside; or
    "patches", float32[n, 96, 64], log-mel already. Out come, by the names of the published
    exporter, `predictions` [n, 521] and `embeddings` [n, 1024], and from a waveform its
    `log_mel_spectrogram` [frames, 64] as well.
    """

    format: Format
    input: Input = "waveform"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.format == "savedmodel" and self.input != "waveform":
            raise UsageError("--input patches: a SavedModel takes waveforms, as the published does")
        if self.format != "litert" and self.precision != "float32":
            raise UsageError(f"--precision {self.precision}: only LiteRT (a .tflite file) has that")

    def __str__(self) -> str:
        return f"{NAMES[self.format]}, {self.input} in, {self.precision}"


def format_of(path: Path) -> Format:
    """The format that a name's ending says. Raises `UsageError` where it says none."""
    try:
        return _FORMAT_OF_ENDING[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path}: what format? .tflite is LiteRT, .onnx is ONNX, a name without an ending is a "
            "SavedModel's folder; or say it with --format"
        ) from None
