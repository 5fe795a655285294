"""`livetag model`: fetch the model, tell what is known of it, or export it."""

import argparse

from livetag.commands.base import named_weights, ready_model, ready_weights, stderr
from livetag.errors import ModelError, UsageError
from livetag.resources import cache_dir


def fetch(options: argparse.Namespace) -> int:
    """Get the weights and compile them, where that is not done; print where the model is."""
    model = ready_model(named_weights(options), stderr())
    print(model.path)
    return 0


def info(options: argparse.Namespace) -> int:
    """Print what is known of the model that is ready."""
    from importlib.metadata import version

    from livetag.yamnet.compile import find_model

    model = find_model(named_weights(options), cache_dir())
    if model is None:
        raise ModelError(
            f"no model is compiled yet in {cache_dir()}: `livetag model fetch` gets the published "
            "weights and compiles them"
        )
    report = model.report
    published = "published" if report.weights_published else "NOT the published ones"
    for name, value in (
        ("weights", f"{published}, {report.weights_source}"),
        ("weights SHA-256", report.weights_sha256),
        ("parameters", f"{report.parameters:,}"),
        ("compiled by", f"TensorFlow {report.tensorflow}, Keras {report.keras}"),
        ("compiled model", model.path),
        ("compiled SHA-256", report.sha256),
        ("differs from Keras", f"by {report.max_difference:.1e} at most"),
        ("runtime", f"LiteRT {version('ai-edge-litert')}, float32, 1 thread"),
        ("cache", cache_dir()),
    ):
        print(f"{name + ':':20}{value}")
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the model in another format; print how far it is from the Keras network."""
    from livetag.yamnet.export import check_export, export_model
    from livetag.yamnet.export_plan import Plan, format_of

    target = options.output
    plan = Plan(options.format or format_of(target), options.input, options.precision)
    if options.calibrate and plan.precision != "int8":
        raise UsageError("--calibrate: only --precision int8 is calibrated")
    check_export(plan, target, options.force)
    weights = ready_weights(named_weights(options), stderr())
    differences = export_model(plan, weights, options.calibrate, target)
    size = sum(path.stat().st_size for path in (target, *target.rglob("*")) if path.is_file())
    print(f"{target}: {plan}, {size / 1e6:.1f} MB. It differs from Keras:")
    for difference in differences:
        print(f"  {difference.output:20} {difference}")
    return 0
