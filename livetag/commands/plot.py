"""`livetag plot`: a recording's picture."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from livetag.commands.base import load_settings, ready_model, say, stderr
from livetag.errors import UsageError, writing
from livetag.stderr import native_stderr_silenced

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from livetag.config import Loaded

_HOP_SECONDS = 0.1  # the visualisation notebook's
_TERMINAL = "-"
_ENDINGS = (".png", ".svg", ".html")


def run(options: argparse.Namespace) -> int:
    """Read a recording, draw it, and say where the picture is."""
    from livetag.audio.pipe import open_recording
    from livetag.config import began_at
    from livetag.plot import figure, page, terminal
    from livetag.plot.overview import chosen_rows, overview
    from livetag.plot.sound import Sound
    from livetag.rules import resolve
    from livetag.sources.base import BLOCK_SECONDS, numbered
    from livetag.yamnet.classifier import LiteRTClassifier
    from livetag.yamnet.labels import class_map
    from livetag.yamnet.params import Params

    console = stderr()
    output = _output(options.output or f"{options.file.stem}.png")
    ending = "" if output is None else output.suffix.lower()
    if ending:
        (page.check_plotly if ending == ".html" else figure.check_matplotlib)()
    loaded = load_settings(options)
    for message in loaded.ignored:
        say(console, message)
    config, with_rules = loaded.config, _with_rules(options)
    params = Params(patch_hop_seconds=_hop_seconds(loaded, with_rules))
    rules, began = resolve(config, class_map()), began_at(config)
    if with_rules:
        rules.check_dated(began)
    with native_stderr_silenced(), open_recording(options.file) as reader:
        model = ready_model(None if config.weights is None else Path(config.weights), console)
        chunks = reader.blocks(max(1, round(reader.rate_hz * BLOCK_SECONDS)))
        sound = Sound(reader.rate_hz, reader.claimed_seconds) if ending == ".html" else None
        blocks = numbered(chunks, began)
        with _progress(console) as progress:
            seen = overview(
                options.file.name,
                progress.track(blocks, reader.claimed_seconds / BLOCK_SECONDS, description="read"),
                reader.rate_hz,
                LiteRTClassifier(model.content),
                rules,
                params,
                sound.push if sound else None,
            )
    rows = chosen_rows(seen, rules, config.top, with_rules)
    if output is None:
        terminal.print_picture(sys.stdout, seen, rows)
        return 0
    if sound is None:
        _write(output, figure.image(seen, rows, ending.removeprefix(".")))
    else:
        _write(output, page.page(seen, rows, sound.encoded(), sound.left_out))
        if sound.left_out:
            say(console, sound.left_out)
    say(console, f"wrote {output}")
    return 0


def _progress(console: "Console") -> "Progress":
    """How much of the recording is read, on a terminal, until it is."""
    from rich.progress import Progress

    shown = console.is_terminal and not console.is_dumb_terminal
    return Progress(console=console, transient=True, disable=not shown)


def _output(named: str) -> Path | None:
    """The file to write, or None for the terminal. Raises `UsageError` where it cannot be."""
    if named == _TERMINAL:
        return None
    path = Path(named)
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(
            f"-o {named}: a picture ends in {', '.join(_ENDINGS)}, or is - for the terminal"
        )
    try:
        if path.is_dir():
            raise UsageError(f"-o {named} is a folder")
        if not path.parent.is_dir():
            raise UsageError(f"-o {named} cannot be: there is no folder {path.parent}")
    except OSError as error:  # a name that no file can have
        raise UsageError(f"-o {named} cannot be: {error.strerror}") from error
    return path


def _with_rules(options: argparse.Namespace) -> bool:
    """Whether somebody has said what is an event: by an option, or in the environment."""
    from livetag.config import variable

    names = ("config", "alert", "threshold")
    return any(name in options or os.environ.get(variable(name)) for name in names)


def _hop_seconds(loaded: "Loaded", with_rules: bool) -> float:
    """The hop: with rules the monitor's, since events depend on it."""
    if with_rules or "patch_hop_seconds" in loaded.origins:
        return loaded.config.patch_hop_seconds
    return _HOP_SECONDS


def _write(path: Path, content: bytes) -> None:
    from livetag.files import write_whole

    with writing(path):
        write_whole(path.resolve(), content, 0o644)
