"""The index's body: section 5 of docs/format.md, and the numbers that it uses."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from values import FIELDS, whole_characters, wrong


def put_varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Cursor:
    """Bytes that are taken off the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            wrong("the index ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number if number < 2**64 else wrong("a varint is too large")
        return wrong("a varint does not end")


class Index:
    """An index, checked as far as a look-up needs."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        if len(body) < 176 or body[:4] != b"HLIX":
            wrong("it has no index")
        version, fields, self.frame_count = struct.unpack_from("<HHI", body, 4)
        if version != 1:
            wrong(f"its index has version {version}; this reader knows version 1")
        if fields != len(FIELDS):
            wrong("its index has another number of fields")
        self.date = body[88:98].decode("ascii", errors="replace")
        self.sections = [struct.unpack_from("<III", body, 104 + 12 * n) for n in range(6)]

    def lookup(self, field: str, value: str) -> list[tuple[int, int]]:
        """Frames that can hold a value, with the number of events."""
        wanted = whole_characters(value.encode(), 1024)
        start, size, count = self.sections[FIELDS.index(field)]
        section = self.body[start : start + size]
        low, high = 0, (count + 15) // 16
        while low < high:
            middle = (low + high) // 2
            if next(self.block(section, middle, count))[0] <= wanted:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return []
        return next((postings for found, postings in self.block(section, low - 1, count)
                     if found == wanted), [])

    def values(self, field: str) -> Iterator[bytes]:
        """All values of a field."""
        start, size, count = self.sections[FIELDS.index(field)]
        section = self.body[start : start + size]
        for number in range((count + 15) // 16):
            for value, _ in self.block(section, number, count):
                yield value

    def block(
        self, section: bytes, number: int, count: int
    ) -> Iterator[tuple[bytes, list[tuple[int, int]]]]:
        cursor = Cursor(section)
        cursor.at = struct.unpack_from("<I", section, 4 * number)[0]
        value = b""
        for _ in range(min(16, count - 16 * number)):
            shared = cursor.varint()
            value = value[:shared] + cursor.take(cursor.varint())
            postings, frame = [], 0
            for _ in range(cursor.varint()):
                frame += cursor.varint()
                postings.append((frame, cursor.varint()))
                if frame >= self.frame_count:
                    wrong("its index names a frame that does not exist")
            yield value, postings


def make_index(
    date: str, stats: list[list[int]], totals: list[int], first: int, last: int,
    event_bytes: int, content: bytes, values: list[dict[bytes, list[list[int]]]],
) -> bytes:
    out = bytearray(struct.pack(
        "<4sHHIIQQqqQ32s10s6x", b"HLIX", 1, 6, len(stats), 0,
        *totals, first, last, event_bytes, content, date.encode(),
    ))
    out += bytes(72)
    for frame in stats:
        out += struct.pack("<IIqq", *frame)
    for number, field in enumerate(values):
        ordered = sorted(field)
        blocks = [ordered[at : at + 16] for at in range(0, len(ordered), 16)]
        offsets, body = b"", b""
        for block in blocks:
            offsets += struct.pack("<I", 4 * len(blocks) + len(body))
            before = b""
            for value in block:
                shared = 0
                while shared < min(len(before), len(value)) and before[shared] == value[shared]:
                    shared += 1
                body += put_varint(shared) + put_varint(len(value) - shared) + value[shared:]
                body += put_varint(len(field[value]))
                last_frame = 0
                for frame_number, events in field[value]:
                    body += put_varint(frame_number - last_frame) + put_varint(events)
                    last_frame = frame_number
                before = value
        section = offsets + body
        struct.pack_into("<III", out, 104 + 12 * number, len(out), len(section), len(ordered))
        out += section
    return bytes(out)
