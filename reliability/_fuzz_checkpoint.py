"""Index files of TensorFlow's checkpoints, taken apart and put together with right checksums.

A changed byte alone is caught by a block's checksum: what stands behind it is reached only by a
file that somebody wrote on purpose. The format is that of LevelDB's tables: blocks of keys and
values, an index block, a footer. Values are protocol buffers (tensorflow/core/protobuf/
tensor_bundle.proto).
"""

import struct
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from livetag.yamnet.layers import weight_shapes
from livetag.yamnet.params import Params

Entries = list[tuple[bytes, bytes]]

_MAGIC = 0xDB47_7524_8B80_FB57
_FOOTER_BYTES = 48


@cache
def seed() -> tuple[bytes, int]:
    """The index of a checkpoint of YAMNet's arrays, all zeros, and how long its data are."""
    import tensorflow as tf

    shapes = weight_shapes(Params())
    names, arrays = [], []
    kinds = ("kernel", "beta", "moving_mean", "moving_variance")
    for number in range(0, len(shapes), 4):
        for at, shape in enumerate(shapes[number : number + 4]):
            convolution = at == 0
            layer = number // 2 + (0 if convolution else 1)
            kind = "bias" if number + at == len(shapes) - 1 else kinds[at]
            layer -= kind == "bias"
            names.append(f"layer_with_weights-{layer}/{kind}/.ATTRIBUTES/VARIABLE_VALUE")
            arrays.append(np.zeros(shape, np.float32))
    with tempfile.TemporaryDirectory() as folder:
        prefix = str(Path(folder) / "variables")
        tf.raw_ops.SaveV2(
            prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=arrays
        )
        size = Path(f"{prefix}.data-00000-of-00001").stat().st_size
        return Path(f"{prefix}.index").read_bytes(), size


def entries(table: bytes) -> Entries:
    """The keys and values of a table."""
    footer = table[-_FOOTER_BYTES:]
    _, at = _varint(footer, 0)
    _, at = _varint(footer, at)
    offset, at = _varint(footer, at)
    size, _ = _varint(footer, at)
    found: Entries = []
    for _, handle in _block_entries(table[offset : offset + size]):
        begin, at = _varint(handle, 0)
        length, _ = _varint(handle, at)
        found += _block_entries(table[begin : begin + length])
    return found


def table(held: Entries) -> bytes:
    """A table that holds keys and values, in one block."""
    data = _block(held)
    written = data + _trailer(data)
    meta = _block([])
    meta_handle = _to_varint(len(written)) + _to_varint(len(meta))
    written += meta + _trailer(meta)
    last = held[-1][0] if held else b""
    index = _block([(last, _to_varint(0) + _to_varint(len(data)))])
    index_handle = _to_varint(len(written)) + _to_varint(len(index))
    written += index + _trailer(index)
    footer = (meta_handle + index_handle).ljust(_FOOTER_BYTES - 8, b"\0")
    return written + footer + struct.pack("<Q", _MAGIC)


def _block_entries(block: bytes) -> Entries:
    (restarts,) = struct.unpack("<I", block[-4:])
    found: Entries = []
    at, key = 0, b""
    while at < len(block) - 4 - 4 * restarts:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        found.append((key, block[at + fresh : at + fresh + length]))
        at += fresh + length
    return found


def _block(held: Entries) -> bytes:
    written = b""
    starts = []
    for key, value in held:
        starts.append(len(written))
        written += _to_varint(0) + _to_varint(len(key)) + _to_varint(len(value)) + key + value
    starts = starts or [0]
    return written + struct.pack(f"<{len(starts)}II", *starts, len(starts))


def _trailer(block: bytes) -> bytes:
    """No compression, and the masked checksum."""
    crc = _crc32c(block + b"\0")
    masked = (((crc >> 15) | (crc << 17)) + 0xA282_EAD8) & 0xFFFF_FFFF
    return b"\0" + struct.pack("<I", masked)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _to_varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


@cache
def _crc_table() -> list[int]:
    found = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
        found.append(crc)
    return found


def _crc32c(data: bytes) -> int:
    lookup = _crc_table()
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = lookup[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFF_FFFF
