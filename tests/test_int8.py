"""int8: what of the network is in it, and what is told where it cannot be made.

What it answers is tested with the other precisions (`test_classifier`).
"""

import sys
from pathlib import Path

import numpy as np
import pytest

import livetag
from livetag.errors import UsageError
from livetag.yamnet.compile import CompiledModel, obtain_model
from livetag.yamnet.layers import SEPARABLE_LAYERS
from livetag.yamnet.params import Params


def test_where_it_cannot_be_made_the_extra_is_named_and_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands say the same: `test_extras`."""
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    monkeypatch.setenv("LIVETAG_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match=r"pip install 'livetag\[int8\]'"):
        livetag.load(precision="int8")
    assert not (tmp_path / "cache").exists()


def test_a_model_that_is_there_needs_nothing_else(
    compiled_int8: CompiledModel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    found = obtain_model(None, cache, lambda *_: None, pytest.fail, "int8")
    assert found.content == compiled_int8.content


def test_all_large_matrices_are_in_int8_and_nothing_else(compiled_int8: CompiledModel) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=compiled_int8.content, num_threads=1)
    interpreter.allocate_tensors()
    details = interpreter.get_tensor_details()
    rounded = {tuple(each["shape"]) for each in details if each["dtype"] is np.int8}
    filters = [filters for _, filters in SEPARABLE_LAYERS]
    pointwise = set(zip(filters[1:], filters, strict=False))
    assert rounded == pointwise | {(Params().num_classes, filters[-1])}
    scales = [each["quantization_parameters"]["scales"] for each in details]
    of_each_output = [len(one) for one in scales if len(one)]
    assert of_each_output == [
        each["shape"][0] for each in details if each["dtype"] is np.int8
    ]  # not one for a whole matrix
