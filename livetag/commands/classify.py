"""`livetag classify`: the top classes of recordings."""

import argparse
import sys

from livetag.commands.base import named_weights, ready_model, stderr
from livetag.errors import InputError


def run(options: argparse.Namespace) -> int:
    """Print the top classes of each recording."""
    from livetag.report import PRINTERS
    from livetag.yamnet.classifier import LiteRTClassifier
    from livetag.yamnet.labels import class_map
    from livetag.yamnet.params import Params

    params = Params(patch_hop_seconds=options.hop)
    form = "json" if options.json else "frames" if options.frames else "text"
    classifier = LiteRTClassifier(ready_model(named_weights(options), stderr()).content)
    printer = PRINTERS[form](sys.stdout, class_map(), options.top)
    code = 0
    for path in options.files:
        try:
            printer.recording(path, classifier, params)
        except InputError as error:  # the other recordings are still wanted
            print(f"livetag: {error}", file=sys.stderr)
            code = error.exit_code
    return code
