"""Good files for the fuzzer to break: small ones, made here."""

import io
import json
import sqlite3
import struct
import tempfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from livetag.events import EventEnd, EventStart, Gap
from livetag.resources import CLASS_MAP_PATH, PRESETS_DIR
from livetag.yamnet.compile import Report
from livetag.yamnet.labels import class_map
from livetag.yamnet.layers import weight_shapes
from livetag.yamnet.params import Params

RATE_HZ = 16_000


@cache
def sound(form: str, subtype: str | None = None, channels: int = 1) -> bytes:
    """A tenth of a second in a format of libsndfile's."""
    import soundfile

    samples = np.random.default_rng(5).uniform(-0.5, 0.5, (RATE_HZ // 10, channels))
    with tempfile.TemporaryDirectory() as folder:  # some formats cannot be written in memory
        path = Path(folder) / "sound"
        soundfile.write(path, samples, RATE_HZ, format=form, subtype=subtype)
        return path.read_bytes()


def wav(rate_hz: int, channels: int, bits: int, tag: int, claimed: int, body: bytes) -> bytes:
    """A WAV file whose header says what it is told to."""
    width = channels * bits // 8
    form = struct.pack(
        "<4sIHHIIHH",
        b"fmt ",
        16,
        tag & 0xFFFF,
        channels & 0xFFFF,
        rate_hz & 0xFFFF_FFFF,
        rate_hz * width & 0xFFFF_FFFF,
        width & 0xFFFF,
        bits & 0xFFFF,
    )
    riff = struct.pack("<4sI4s", b"RIFF", (claimed + 36) & 0xFFFF_FFFF, b"WAVE")
    return riff + form + struct.pack("<4sI", b"data", claimed & 0xFFFF_FFFF) + body


def wavs() -> list[bytes]:
    noise = np.random.default_rng(7).uniform(-1.0, 1.0, 800).astype("<f4")
    return [
        sound("WAV"),
        sound("WAV", "FLOAT", 2),
        sound("WAV", "IMA_ADPCM"),
        sound("WAV", "MS_ADPCM"),
        sound("WAV", "GSM610"),
        sound("WAVEX", "PCM_24", 6),
        wav(RATE_HZ, 200, 16, 1, 0xFFFF_FFFF, noise.tobytes() * 2),
        wav(768_000, 1_024, 16, 1, 1 << 31, noise.tobytes() * 4),
        wav(1, 1, 32, 3, 3_200, noise.tobytes()),
        wav(RATE_HZ, 1, 32, 3, 3_200, np.full(800, np.nan, "<f4").tobytes()),
        wav(RATE_HZ, 2, 32, 3, 3_200, np.full(800, np.inf, "<f4").tobytes()),
    ]


def other_sounds() -> list[bytes]:
    """Every other format that libsndfile reads, where it can be written here."""
    import soundfile

    kept = []
    for form in soundfile.available_formats():
        if form in {"WAV", "WAVEX", "FLAC", "OGG", "MP3", "RAW"}:
            continue
        for subtype in soundfile.available_subtypes(form):
            try:
                kept.append(sound(form, subtype))
            except (soundfile.SoundFileError, ValueError):
                continue
    return kept


def class_maps() -> list[bytes]:
    published = CLASS_MAP_PATH.read_bytes()
    return [published, published[:600], b"index,mid,display_name\r\n0,/m/a,A\r\n1,/m/b,B\r\n"]


def configurations() -> list[bytes]:
    """The presets, and each with its comments taken away."""
    presets = [path.read_bytes() for path in sorted(PRESETS_DIR.glob("*.toml"))]
    bare = [
        b"\n".join(line for line in text.split(b"\n") if not line.startswith(b"#"))
        for text in presets
    ]
    return [*presets, *bare]


def labelled() -> list[bytes]:
    """Tables of labelled recordings, AudioSet's list of segments, a map, a list of events."""
    return [
        b'file,labels\ncase,Dog|Bark\na/b.wav,"Speech, more"\n',
        b"filename;label\ncase;Dog\n",
        b'fname,mids\ncase,"/m/0bt9lr,/m/09x0r"\n',
        b"# YTID, start_seconds, end_seconds, positive_labels\n"
        b'--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_,/m/0bt9lr"\n',
        b"category,yamnet_labels\ndog,Dog|Bark\nrain,/m/06mb1\n",
        b"case.wav\t1.000\t2.500\tDog\ncase.wav\t3.0\t3.1\tCat\n",
        b"1.000\t2.500\tDog\n3.0\t3.1\tCat\n",
    ]


def reports() -> list[bytes]:
    report = Report("0" * 64, "1" * 64, "HDF5", False, 3_751_369, 1e-5, "2.21.0", "3.15.1")
    return [json.dumps(asdict(report), indent=2).encode()]


def hdf5(libver: str = "earliest", twist: str = "") -> bytes:
    """YAMNet's layout in Keras' legacy HDF5, its arrays empty, with something added to it."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        _write_layers(file)
        first = file["layer_0"]
        match twist:
            case "Lambda":
                file.attrs["model_config"] = '{"config": {"layers": [{"class_name": "Lambda"}]}}'
            case "external link":
                del first["w0"]
                first["w0"] = h5py.ExternalLink("elsewhere.h5", "/w0")
            case "soft link":
                del first["w0"]
                first["w0"] = h5py.SoftLink("/layer_1/w0")
            case "huge":
                del first["w0"]
                first.create_dataset("w0", (1 << 40,), "f4", chunks=(1 << 20,))
            case "packed":
                del first["w0"]
                first.create_dataset("w0", (3, 3, 1, 32), "f4", compression="gzip")
            case "strings":
                del first["w0"]
                first.create_dataset("w0", (3, 3, 1, 32), h5py.string_dtype())
            case "objects":
                first.attrs["weight_names"] = np.array([file.ref] * 4, h5py.ref_dtype)
            case "many names":
                file.attrs["layer_names"] = np.zeros(5_000, "S8")
    return buffer.getvalue()


def _write_layers(file: Any) -> None:
    """Groups and arrays as in the published file; their names are other ones."""
    shapes = weight_shapes(Params())
    layers = [shapes[at : at + 4] for at in range(0, len(shapes), 4)]
    names = [f"layer_{number}".encode() for number in range(len(layers))]
    file.attrs["layer_names"] = names
    for name, arrays in zip(names, layers, strict=True):
        group = file.create_group(name)
        group.attrs["weight_names"] = [f"w{number}".encode() for number in range(len(arrays))]
        for number, shape in enumerate(arrays):
            group.create_dataset(f"w{number}", shape, "f4")


def hdf5s() -> list[bytes]:
    twists = ("Lambda", "external link", "soft link", "huge", "packed", "strings", "objects")
    plain = [hdf5("earliest"), hdf5("latest")]
    return [*plain, *(hdf5("earliest", twist) for twist in (*twists, "many names"))]


@cache
def history() -> bytes:
    """A history of two runs with a few events, as its writer leaves it."""
    from livetag.history import HistoryWriter, Run

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.sqlite"
        for first in (0, 60):
            run = Run("demo", "1.0", "0" * 64, "HDF5", 0.48, "{}")
            writer = HistoryWriter(path, run, lambda: 1_795_000_000.0)
            for number in range(first, first + 20):
                writer.event(event(number))
            writer.gap(Gap(1_795_000_100.0, 100.0, 700.0, "stalled"))
            writer.close()
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        return path.read_bytes()


def event(number: int) -> EventEnd:
    label = class_map()[number]
    start = EventStart(
        time=1_795_000_000.0 + number,
        start_s=float(number),
        label=label,
        score=0.5,
        threshold=0.25,
        alert=number % 2 == 0,
        level_dbfs=-30.0,
        group="pets" if number % 5 == 0 else "",
    )
    return EventEnd(
        start=start,
        end_time=start.time + 2.0,
        end_s=start.start_s + 2.0,
        peak_score=0.9,
        mean_score=0.6,
        windows=4,
        level_dbfs=-20.0,
        alert=start.alert,
    )
