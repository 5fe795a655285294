"""`livetag classify`: the top classes of recordings, and their embeddings."""

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from livetag.commands.base import named_weights, ready_model, say, stderr
from livetag.errors import InputError, UsageError, writing
from livetag.stderr import native_stderr_silenced
from livetag.text import printable

if TYPE_CHECKING:
    from livetag.classify import Frame
    from livetag.scan.npz import NpzTable


def run(options: argparse.Namespace) -> int:
    """Print the top classes of each recording."""
    from livetag.classify import Recording
    from livetag.report import PRINTERS
    from livetag.scan.npz import embeddings_file
    from livetag.yamnet.labels import class_map
    from livetag.yamnet.params import Params
    from livetag.yamnet.runtime import check_runs, load_classifier

    params = Params(patch_hop_seconds=options.hop)
    if options.embeddings and options.embeddings.suffix.lower() != ".npz":
        raise UsageError(f"--embeddings {options.embeddings}: embeddings go to an .npz")
    form = "json" if options.json else "frames" if options.frames else "text"
    console = stderr()
    check_runs(options.precision)
    model = ready_model(named_weights(options), console, options.precision)
    classifier = load_classifier(model.content, options.precision)
    printer = PRINTERS[form](sys.stdout, class_map(), options.top)
    code = 0
    with contextlib.ExitStack() as stack:
        kept = options.embeddings and stack.enter_context(embeddings_file(options.embeddings))
        stack.enter_context(native_stderr_silenced())  # what decoders think of a file
        for path in options.files:
            watch = _keep(kept, options.embeddings, path) if kept else lambda _: None
            try:
                printer.recording(Recording(path, classifier, params, watch))
            except InputError as error:  # the other recordings are still wanted
                say(console, printable(str(error)))
                code = error.exit_code
    return code


def _keep(table: "NpzTable", target: Path, path: Path) -> "Callable[[Frame], None]":
    """What keeps a recording's embeddings in a table that is to be `target`."""

    def keep(frame: "Frame") -> None:
        with writing(target):
            table.add((str(path), frame.start_s, frame.end_s, frame.embedding))

    return keep
