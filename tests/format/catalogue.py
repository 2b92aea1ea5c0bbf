"""The catalogue: its part of section 7 of docs/format.md."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from values import wrong


def bits(value: bytes, blocks: int) -> list[int]:
    """The numbers, in a filter of so many blocks, of the bits that an id sets."""
    block, places = struct.unpack_from("<QQ", hashlib.sha256(value).digest())
    start = (block * blocks >> 64) * 512
    return [start + (places >> 9 * number) % 512 for number in range(6)]


def made(sha256: bytes, values: Iterable[bytes]) -> bytes:
    """The entry of a segment, by the values of its index."""
    ids = list(values)
    blocks = max(1, -(-12 * len(ids) // 512))
    filled = bytearray(64 * blocks)
    for value in ids:
        for bit in bits(value, blocks):
            filled[bit // 8] |= 1 << bit % 8
    body = struct.pack("<I32s", 44 + len(filled), sha256) + bytes(filled)
    return body + hashlib.sha256(body).digest()[:8]


def entries(data: bytes) -> dict[bytes, bytes]:
    """The entry for each segment's SHA-256; an entry that is not sound is an error here."""
    if data[:8] != b"HLCT" + struct.pack("<I", 1):
        wrong("the catalogue is of another version, or none")
    found, at = {}, 8
    # Zeros at the end fill a small catalogue up.
    end = len(data.rstrip(b"\0")) if len(data) == 8192 else len(data)
    while at < end:
        size = struct.unpack_from("<I", data, at)[0]
        entry = data[at : at + size]
        sound = 108 <= size <= 16 << 20 and (size - 44) % 64 == 0 and len(entry) == size
        if not sound or hashlib.sha256(entry[:-8]).digest()[:8] != entry[-8:]:
            wrong("an entry of the catalogue is damaged")
        found[entry[4:36]] = entry
        at += size
    return found
