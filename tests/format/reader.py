#!/usr/bin/env python3
"""An independent reader of hlarchive's formats, written from docs/format.md alone.

It shares no code with the program: the Python standard library, and `zstandard` to
decompress frames. What it reads it does not trust; whatever is not as the page says ends it
with a sentence on standard error and exit code 1.

    reader.py segment FILE               checks a whole segment; what it holds, as JSON
    reader.py lookup FILE FIELD VALUE    the events with a value, and which bytes were read
    reader.py manifest FILE              checks the chain; the segments it names, as JSON
    reader.py archive DIR                all of it, each segment against its record
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import zstandard
from catalogue import entries, made
from index import Index, make_index
from tarball import Member, members
from values import (
    FIELDS,
    Wrong,
    day_start,
    event,
    sha256,
    shown,
    whole_characters,
    wrong,
)

MAX_FRAME, MAX_INDEX = 68_157_440, 134_217_728
NO_FIRST, NO_LAST = 2**63 - 1, -(2**63)


# A segment (sections 4 to 6).


class Frame(NamedTuple):
    offset: int
    size: int
    content: int


def unpacked(compressed: bytes, most: int) -> bytes:
    """What is in one zstd frame that is as this format has them."""
    try:
        parameters = zstandard.get_frame_parameters(compressed)
        if not parameters.has_checksum or parameters.dict_id:
            wrong("a frame has no checksum, or needs a dictionary")
        # A size that is not stated is the largest number there is.
        if parameters.content_size > most:
            wrong("a frame does not say how much it holds, or holds too much")
        worker = zstandard.ZstdDecompressor().decompressobj()
        content = worker.decompress(compressed)
    except zstandard.ZstdError as error:
        wrong(f"a frame cannot be decompressed: {error}")
    if len(content) != parameters.content_size or not worker.eof or worker.unused_data:
        wrong("a frame is not one whole zstd frame")
    return content


class Segment:
    """An open segment. Counts what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.bytes_read, self.frames_read = file, 0, []  # type: ignore[var-annotated]
        self.bytes = file.seek(0, 2)
        footer = self.read(self.bytes - 9, 9)
        count, descriptor, magic = struct.unpack("<IBI", footer)
        if magic != 0x8F92EAB1 or descriptor != 0 or count > 1 << 20:
            wrong("it does not end with a seek table")
        table_bytes = 17 + 8 * count
        table = self.read(self.bytes - table_bytes, table_bytes)
        if struct.unpack_from("<II", table) != (0x184D2A5E, table_bytes - 8):
            wrong("its seek table has another header")
        frames, offset = [], 0
        for number in range(count):
            size, content = struct.unpack_from("<II", table, 8 + 8 * number)
            frames.append(Frame(offset, size, content))
            offset += size
        if offset != self.bytes - table_bytes or count < 2:
            wrong("the frames of its seek table do not fill the file")
        *self.frames, self.trailer, self.index_frame = frames
        if self.trailer.content != 1024 or self.index_frame.content != 0:
            wrong("its last frames are not trailer and index")
        if self.index_frame.size > MAX_INDEX:
            wrong("its index is too large")
        skippable = self.read(self.index_frame.offset, self.index_frame.size)
        if struct.unpack_from("<II", skippable) != (0x184D2A57, len(skippable) - 8):
            wrong("its index frame has another header")
        self.index = Index(unpacked(skippable[8:], MAX_INDEX))
        if self.index.frame_count != len(self.frames):
            wrong("its index has another number of frames")

    def read(self, offset: int, count: int) -> bytes:
        if offset < 0:
            wrong("it is too short for a segment")
        self.file.seek(offset)
        data = self.file.read(count)
        if len(data) != count:
            wrong("it is too short for a segment")
        self.bytes_read += count
        return data

    def decompress(self, frame: Frame) -> bytes:
        content = unpacked(self.read(frame.offset, frame.size), MAX_FRAME)
        if len(content) != frame.content:
            wrong("a frame has another size than the seek table says")
        return content

    def data_frame(self, number: int) -> list[Member]:
        self.frames_read.append(number)
        return list(members(self.decompress(self.frames[number])))

    def lookup(self, field: str, value: str) -> list[str]:
        """Identities of the events that have a value; reads only the frames it must."""
        found = []
        for number, count in self.index.lookup(field, value):
            hits = 0
            for member in self.data_frame(number):
                fields = event(member.data)
                if fields and fields[field] == value:
                    hits += 1
                    found.append(str(member.path))
            if hits != count and len(value.encode()) <= 1024:
                wrong(f"frame {number} holds {hits} matches, its index says {count}")
        return found

    def check(self, name_date: str | None = None) -> dict[str, Any]:
        """Reads all of it; everything that the index says must follow from the events."""
        if name_date is not None and self.index.date != name_date:
            wrong(f"it holds events of {self.index.date}")
        start = day_start(self.index.date)
        digest, before, nodes = hashlib.sha256(), None, {}  # type: ignore[var-annotated]
        stats: list[list[int]] = []
        values: list[dict[bytes, list[list[int]]]] = [{} for _ in FIELDS]
        files = []
        event_bytes = 0
        for number in range(len(self.frames)):
            stats.append([0, 0, NO_FIRST, NO_LAST])
            for path, mtime, data in self.data_frame(number):
                if path.date != self.index.date:
                    wrong(f"{path} is of another day")
                if before is not None and before >= path.place():
                    wrong(f"{path} is out of order or twice")
                before = path.place()
                digest.update(str(path).encode() + b"\0" + hashlib.sha256(data).digest())
                files.append([str(path), sha256(data)])
                nodes[path.node] = nodes.get(path.node, 0) + 1
                event_bytes += len(data)
                fields = event(data)
                stats[-1][0] += 1
                if fields is None:
                    stats[-1][1] += 1
                time = start if fields is None else fields["timestamp"]
                if mtime != min(max(time // 1_000_000, 0), 0o77777777777):
                    wrong(f"{path} has another time than its event")
                if fields is None:
                    continue
                stats[-1][2:] = [min(stats[-1][2], time), max(stats[-1][3], time)]
                for place, field in enumerate(FIELDS):
                    value = whole_characters(fields[field].encode(), 1024)
                    postings = values[place].setdefault(value, [])
                    if not postings or postings[-1][0] != number:
                        postings.append([number, 0])
                    postings[-1][1] += 1
        if self.decompress(self.trailer) != bytes(1024):
            wrong("the tar does not end with 1024 zeros")
        totals = [sum(frame[0] for frame in stats), sum(frame[1] for frame in stats)]
        first = min((frame[2] for frame in stats), default=NO_FIRST)
        last = max((frame[3] for frame in stats), default=NO_LAST)
        made = make_index(self.index.date, stats, totals, first, last, event_bytes,
                          digest.digest(), values)
        if made != self.index.body:
            wrong("its index is not that of its events")
        return {
            "bytes": self.bytes,
            "date": self.index.date,
            "events": totals[0],
            "invalid": totals[1],
            "nodes": dict(sorted(nodes.items())),
            "first": None if first == NO_FIRST else shown(first),
            "last": None if last == NO_LAST else shown(last),
            "content": digest.hexdigest(),
            "frames": len(self.frames),
            "files": files,
        }


# The manifest and the archive (sections 7 and 8).

SEGMENT = re.compile(
    r"(\d{4})/((\1-\d\d-\d\d)(?:\.([1-9]\d*))?(?:\.([a-z][a-z0-9-]{0,31}))?\.tar\.zst)", re.ASCII
)
SEAL = re.compile(rb'(.*),"self":"([0-9a-f]{64})"\}', re.DOTALL)


def sealed(line: bytes) -> bool:
    found = SEAL.fullmatch(line)
    return found is not None and sha256(found[1]).encode() == found[2]


def manifest(data: bytes) -> dict[str, Any]:
    lines = data.split(b"\n")
    tail = lines.pop()
    torn = None
    if tail:
        whole = next((part for part in (tail, tail[:-1]) if sealed(part)), b"")
        torn = len(tail) - len(whole)
        if whole:
            lines.append(whole)
    elif lines and b"\0" in lines[-1]:
        last = lines.pop()
        torn = len(last) + 1
        for bit in range(8):
            whole = last.replace(b"\0", bytes([1 << bit]), 1)
            if sealed(whole):
                torn = 1
                lines.append(whole)
    head, segments, ops = "0" * 64, {}, []
    for number, line in enumerate(lines, 1):
        if len(line) > 16 << 20 or not sealed(line):
            wrong(f"line {number} is not as it was written")
        record = json.loads(line)
        if record["v"] not in (1, 2):
            wrong(f"line {number} has version {record['v']}; this reader knows versions 1 and 2")
        if record["prev"] != head or record["seq"] != number:
            wrong(f"line {number} does not follow the line before it")
        head = sha256(line)
        ops.append(record["op"])
        segment = record.get("segment")
        if segment is not None:
            if not SEGMENT.fullmatch(segment):
                wrong(f"line {number}: {segment!r} is no segment's path")
            if record["op"] in ("rotate", "import", "compact"):
                for old in record.get("supersedes", []):
                    segments.pop(old, None)
                segments[segment] = record
            elif record["op"] == "prune":
                segments.pop(segment, None)
    return {"records": len(lines), "head": head, "torn": torn, "ops": ops, "segments": segments}


def archive(directory: Path) -> dict[str, Any]:
    found = manifest((directory / "manifest.jsonl").read_bytes())
    catalogue = entries((directory / "catalogue").read_bytes())
    checked = {}
    for name, record in found["segments"].items():
        path = directory / name
        data = path.read_bytes()
        if sha256(data) != record["sha256"]:
            wrong(f"{name}: its SHA-256 is not the one recorded")
        text = f"{record['sha256']}  {path.name}\n".encode()
        if path.with_name(f"{path.name}.sha256").read_bytes() != text:
            wrong(f"{name}: its checksum file says something else")
        with path.open("rb") as file:
            segment = Segment(file)
            held = segment.check(path.name[:10])
        hashed = bytes.fromhex(record["sha256"])
        if catalogue.get(hashed) != made(hashed, segment.index.values("correlation_id")):
            wrong(f"{name}: the catalogue does not say of it what its index says")
        for member in ("bytes", "events", "invalid", "nodes", "first", "last", "content"):
            if held[member] != record.get(member):
                wrong(f"{name}: its {member} is not the one recorded")
        checked[name] = held
    return {**found, "segments": checked}


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["segment", path]:
                with open(path, "rb") as file:
                    answer = Segment(file).check()
            case ["lookup", path, field, value]:
                with open(path, "rb") as file:
                    segment = Segment(file)
                    answer = {
                        "events": segment.lookup(field, value),
                        "frames_read": segment.frames_read,
                        "bytes_read": segment.bytes_read,
                        "bytes": segment.bytes,
                        "frames": len(segment.frames),
                    }
            case ["manifest", path]:
                answer = manifest(Path(path).read_bytes())
            case ["archive", directory]:
                answer = archive(Path(directory))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except (Wrong, OSError, struct.error) as error:
        print(f"{arguments[-1] if len(arguments) == 2 else arguments[1]}: {error}", file=sys.stderr)
        return 1
    json.dump(answer, sys.stdout, ensure_ascii=False)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
