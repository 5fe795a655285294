"""`livetag classify --embeddings`: what is in the file, and when it is there."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from running import run

from livetag.cli import main
from livetag.events import FloatArray
from livetag.scan import npz
from livetag.scan.npz import embeddings_file
from livetag.yamnet.classifier import LiteRTClassifier
from livetag.yamnet.features import log_mel_spectrogram, patches
from livetag.yamnet.params import Params

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture
def wavs(sounds: dict[str, FloatArray], tmp_path: Path) -> list[Path]:
    """Two recordings of whole windows, 14 and 3 of them."""
    tiled = np.tile(sounds["noise"], 3)[: 15_600 + 13 * 7_680]
    paths = [tmp_path / "noise.wav", tmp_path / "sine.wav"]
    for path, samples in zip(paths, (tiled, sounds["sine"][: 15_600 + 2 * 7_680]), strict=True):
        soundfile.write(path, samples, 16_000, subtype="FLOAT")
    return paths


def test_each_frame_of_each_file_is_there_beside_what_is_printed(
    wavs: list[Path], classifier: LiteRTClassifier, tmp_path: Path
) -> None:
    out = tmp_path / "out.npz"
    plain = run("classify", *map(str, wavs))
    done = run("classify", *map(str, wavs), "--embeddings", str(out))
    assert (done.returncode, done.stdout) == (0, plain.stdout)
    params = Params()
    heard = [soundfile.read(path, dtype="float32")[0] for path in wavs]
    own = [patches(log_mel_spectrogram(samples, params), params) for samples in heard]
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["files"].tolist() == list(map(str, wavs))
        for at, of_file in enumerate(own):
            embeddings = arrays["embeddings"][arrays["file"] == at]
            assert np.array_equal(embeddings, [classifier(patch).embedding for patch in of_file])
        assert arrays["start_s"][arrays["file"] == 1].tolist() == [0.0, 0.48, 0.96]
    scanned = run("scan", *map(str, wavs), "--embeddings", "-o", str(tmp_path / "scan.npz"))
    assert scanned.returncode == 0
    assert (tmp_path / "scan.npz").read_bytes() == out.read_bytes()


def test_a_broken_recording_is_left_out_and_told_of(wavs: list[Path], tmp_path: Path) -> None:
    broken, out = tmp_path / "broken.wav", tmp_path / "out.npz"
    broken.write_text("no audio")
    out.write_text("what was there before")
    done = run("classify", str(broken), str(wavs[1]), "--json", "--embeddings", str(out))
    assert done.returncode == 3
    assert b"broken.wav is no audio" in done.stderr
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["files"].tolist() == [str(wavs[1])]
        assert arrays["embeddings"].shape == (3, 1_024)


def test_a_file_that_cannot_be_written_is_told_of_before_anything_is_done(
    wavs: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "lost" / "out.npz"
    done = run("classify", str(wavs[1]), "--embeddings", str(out))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"out.npz cannot be written: No such file or directory" in done.stderr


def test_a_disk_that_is_full_is_told_of_and_what_was_printed_stays(
    wavs: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(npz, "_write", full)
    out = tmp_path / "out.npz"
    assert main(["classify", str(wavs[1]), "--embeddings", str(out)]) == 1
    said = capsys.readouterr()
    assert said.err == f"livetag: {out} cannot be written: No space left on device\n"
    assert len(said.out.splitlines()) > 3
    assert sorted(tmp_path.iterdir()) == sorted(wavs)


@pytest.mark.parametrize("name", ["e.txt", "e", "e.npy"])
def test_a_name_that_promises_another_form_is_refused(
    name: str, wavs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", str(wavs[1]), "--embeddings", str(tmp_path / name)]) == 2
    said = capsys.readouterr()
    assert (said.out, f"{name}: embeddings go to an .npz" in said.err) == ("", True)
    assert sorted(tmp_path.iterdir()) == sorted(wavs)


def test_what_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    out.write_text("what was there before")

    def break_off() -> None:
        with embeddings_file(out) as table:
            table.add(("a.wav", 0.0, 0.975, np.zeros(1_024, np.float32)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert out.read_text() == "what was there before"
    assert list(tmp_path.iterdir()) == [out]
