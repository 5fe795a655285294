"""What runs the compiled model at each precision: LiteRT, and for bfloat16 OpenVINO."""

from livetag.yamnet.classifier import Classifier, LiteRTClassifier
from livetag.yamnet.precision import Precision


def check_runs(precision: Precision) -> None:
    """Raise `UsageError` where a precision cannot run on this machine."""
    if precision == "bfloat16":
        from livetag.yamnet.openvino import check_usable

        check_usable()


def load_classifier(model: bytes, precision: Precision) -> Classifier:
    """The classifier of a model that was compiled for a precision.

    Raises `UsageError` where that cannot run on this machine, and `ModelError` for another model.
    """
    if precision == "bfloat16":
        from livetag.yamnet.openvino import OpenVINOClassifier

        return OpenVINOClassifier(model)
    return LiteRTClassifier(model)
