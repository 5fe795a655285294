"""Damaged bytes: strategies that break good files, as hypothesis draws and shrinks them."""

import struct
from collections.abc import Sequence
from functools import cache

from hypothesis import strategies as st

_EXTREMES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000]
_EXTREMES += [0xFFFF_FFF0, 0xFFFF_FFFF, (1 << 63) - 1, (1 << 64) - 1, 200, 768_000]
_HEADER_BYTES = 256
KINDS = ("bit", "byte", "number", "cut", "drop", "repeat", "insert", "zeros", "splice")

Edit = tuple[str, bool, int, int, int]
"""What is done; to the header or anywhere; where; with what; how long."""


def edits(most: int = 8) -> st.SearchStrategy[list[Edit]]:
    return st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.booleans(),
            st.integers(0, (1 << 32) - 1),
            st.integers(0, (1 << 16) - 1),
            st.integers(0, 64),
        ),
        max_size=most,
    )


def damaged(seeds: Sequence[bytes], most_edits: int = 8) -> st.SearchStrategy[bytes]:
    """One of the seeds with some edits; now and then bytes that are none of them."""
    broken = st.builds(
        edited,
        st.sampled_from(seeds),
        st.sampled_from(seeds),
        edits(most_edits),
    )
    begun = st.builds(
        lambda seed, length, rest: seed[:length] + rest,
        st.sampled_from(seeds),
        st.integers(0, _HEADER_BYTES),
        st.binary(max_size=512),
    )
    return st.one_of(broken, broken, broken, begun)


def edited(seed: bytes, other: bytes, changes: Sequence[Edit]) -> bytes:
    """A seed after its edits. `other` is what a splice takes its part from."""
    data = bytearray(seed)
    for kind, in_header, place, value, length in changes:
        room = min(len(data), _HEADER_BYTES) if in_header else len(data)
        at = place % (room + 1)
        end = at + length
        match kind:
            case "bit" if at < len(data):
                data[at] ^= 1 << value % 8
            case "byte" if at < len(data):
                data[at] = value % 256
            case "number":
                _overwrite(data, at, value)
            case "cut":
                del data[at:]
            case "drop":
                del data[at:end]
            case "repeat":
                data[at:at] = data[at:end] * (1 + value % 64)
            case "insert":
                data[at:at] = value.to_bytes(2, "little") * length
            case "zeros":
                data[at:end] = bytes(len(data[at:end]))
            case "splice":
                begin = value % (len(other) + 1)
                data[at:end] = other[begin : begin + 4 * length]
    return bytes(data)


def _overwrite(data: bytearray, at: int, value: int) -> None:
    """Put a number that is an extreme, of some width and byte order, over what is there."""
    number = _EXTREMES[value % len(_EXTREMES)]
    code = "<H", "<I", "<Q", ">H", ">I", ">Q"
    form = code[value // len(_EXTREMES) % len(code)]
    packed = struct.pack(form, number & ((1 << 8 * struct.calcsize(form)) - 1))
    data[at : at + len(packed)] = packed[: max(0, len(data) - at)]


def ogg_repaired(data: bytes) -> bytes:
    """Ogg whose pages have the right checksums, whatever else is in them."""
    repaired = bytearray(data)
    at = data.find(b"OggS")
    while 0 <= at <= len(data) - 27:
        segments = data[at + 26]
        body = sum(data[at + 27 : at + 27 + segments])
        end = min(len(data), at + 27 + segments + body)
        repaired[at + 22 : at + 26] = bytes(4)
        repaired[at + 22 : at + 26] = struct.pack("<I", _ogg_crc(bytes(repaired[at:end])))
        at = data.find(b"OggS", at + 4)
    return bytes(repaired)


def _ogg_crc(page: bytes) -> int:
    crc = 0
    lookup = _ogg_table()
    for byte in page:
        crc = (crc << 8) & 0xFFFF_FFFF ^ lookup[crc >> 24 ^ byte]
    return crc


@cache
def _ogg_table() -> list[int]:
    found = []
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C1_1DB7 if crc >> 31 else 0)) & 0xFFFF_FFFF
        found.append(crc)
    return found
