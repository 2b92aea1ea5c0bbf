#!/usr/bin/env python3
"""Reads hlarchive's history without hlarchive, as docs/format.md describes it.

    read_archive.py list TREE ARCHIVE SINCE UNTIL    events from SINCE to before UNTIL
    read_archive.py trace TREE ARCHIVE ID            events with this correlation id
    read_archive.py verify ARCHIVE                   is everything as it was recorded?

Needs Python 3.11 and the package `zstandard`. Prints an event a line, as JSON with `_path` and
`_segment`. Ends with 0, with 1 for damage, and with 75 when segments lie elsewhere.
"""
import hashlib, io, json, math, re, struct, sys, tarfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
import zstandard

DAY = 86_400_000_000  # microseconds
TEXTS = ("timestamp", "node", "type", "severity", "source", "service", "correlation_id")
INSTANT = re.compile(r"(\d{4})(-?)(\d\d)\2(\d\d)[Tt ](\d\d)(?:(\d\d)(?:(\d\d)(?:[.,](\d+))?)?|"
                     r":(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)(?:[Zz]|([+-])(\d\d):?(\d\d)?)?", re.A)
UUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
COMPONENT = re.compile(r"[^./\0-\x1f\x7f-\x9f][^/\0-\x1f\x7f-\x9f]*")
SEGMENT = re.compile(r"(\d{4})/(\1-\d\d-\d\d)(?:\.([1-9]\d*))?(?:\.([a-z][a-z0-9-]{0,31}))?"
                     r"\.tar\.zst", re.A)

def instant(text: str) -> int | None:
    """Section 1: microseconds since 1970, or None when the text is no instant."""
    if len(text) > 64 or not (found := INSTANT.fullmatch(text)) or text.endswith(":"):
        return None
    year, _, month, day, hour, *clock, sign, hours, minutes = found.groups(default="")
    minute, second, fraction = clock[:3] if clock[0] else clock[3:]
    second, fraction = ("59", "999999") if second == "60" else (second, fraction)
    clock, east = [hour, minute, second or 0, fraction[:6].ljust(6, "0")], int(hours or 0)
    try:  # Python has no year 0, but an offset can lead out of it; years repeat after 400
        local = datetime(int(year) or 400, int(month), int(day), *map(int, clock))
    except ValueError:
        return None
    since_1 = (local - datetime(1, 1, 1)) // timedelta(microseconds=1)
    ahead = (60 * east + int(minutes or 0)) * (-60_000_000 if sign == "-" else 60_000_000)
    since_1 -= ahead + (0 if int(year) else 146_097 * DAY)
    fits = 0 <= since_1 < 3_652_059 * DAY and east < 24 and int(minutes or 0) < 60
    return since_1 - 719_162 * DAY if fits else None
def start(date: str) -> int | None:
    return instant(f"{date}T00:00Z") if re.fullmatch(r"\d{4}-\d\d-\d\d", date, re.A) else None

class Pairs(list[tuple[str, Any]]):
    """A JSON object with all its members, also those that stand there twice."""

def event(data: bytes) -> dict[str, Any] | None:
    """Section 3: the members of a valid event, its timestamp as an instant; else None."""
    try:  # numbers may be of any size, so they stay text; NaN and Infinity are errors
        pairs = json.loads(data.decode(), object_pairs_hook=Pairs, parse_int=str.encode,
                           parse_float=str.encode, parse_constant=lambda name: {}[name])
        known = [pair for pair in pairs if pair[0] in (*TEXTS, "payload")]
        held = dict(known)
        "".join(held[member] for member in TEXTS).encode()  # no halves of surrogate pairs
        held["timestamp"] = instant(held["timestamp"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    fits = len(known) == 8 and held["severity"] in ("info", "warning", "error", "critical")
    objects = type(pairs) is type(held.get("payload")) is Pairs
    return held if fits and objects and held["timestamp"] is not None else None

def name_time(name: str) -> int | None:
    """Section 2: the instant that a well-formed file name claims."""
    time, _, rest = name.removesuffix(".json").partition("_")
    kind, _, uuid = rest.rpartition("_")
    return instant(time) if name.endswith(".json") and kind and UUID.fullmatch(uuid) else None
def is_identity(path: str) -> bool:
    parts = path.split("/")
    return (len(parts) == 3 and start(parts[0]) is not None and parts[2].endswith(".json")
            and all(COMPONENT.fullmatch(part) and len(part.encode()) <= 255 for part in parts))

def place(path: str, time: int) -> tuple[int, list[bytes]]:
    """Section 2: what events are ordered by."""
    named, day = name_time(path.rpartition("/")[2]), start(path[:10]) or 0
    if named is not None and not day - DAY <= time < day + 2 * DAY and abs(named - time) > DAY:
        time = min(max(time, day - DAY), day + 2 * DAY - 1)  # neither day nor name lead to it
    return time, [part.encode() for part in path.split("/")]

def order(segment: str) -> tuple[str, int, str]:
    """Section 7: segments are read by day, number and class."""
    parts = SEGMENT.fullmatch(segment)
    return (parts[2], int(parts[3] or 0), parts[4] or "") if parts else ("", 0, "")
def sealed(line: bytes) -> bool:
    body, _, own = line.rpartition(b',"self":"')
    return own == hashlib.sha256(body).hexdigest().encode() + b'"}'

def manifest(data: bytes) -> tuple[str, dict[str, dict[str, Any]]]:
    """Section 8: the head, and the records of the segments that are in the archive."""
    *lines, tail = data.split(b"\n")
    torn = [tail, tail[:-1]] if tail else []  # only the newline is missing, or a part of the line
    if not tail and lines and b"\0" in lines[-1]:  # one byte was lost, or more
        last = lines.pop()
        torn = [last.replace(b"\0", bytes([1 << bit]), 1) for bit in range(8)]
    lines += [line for line in torn if sealed(line)][:1]
    head, segments = "0" * 64, {}
    for number, line in enumerate(lines, 1):
        record = json.loads(line) if sealed(line) else {}
        segment, old = record.get("segment"), record.get("supersedes") or []
        names = all(start(order(name)[0]) is not None for name in [segment, *old] if segment)
        follows = record.get("v") in (1, 2) and (record["prev"], record["seq"]) == (head, number)
        if not follows or not names:
            raise ValueError(f"line {number} of the manifest is damaged, or of a newer version")
        head = hashlib.sha256(line).hexdigest()
        if segment and record["op"] in ("rotate", "import", "compact", "prune"):
            for gone in [segment, *old]:
                segments.pop(gone, None)
            if record["op"] != "prune":
                segments[segment] = record
    return head, segments

class Segment:
    """Sections 4 and 5: its frames by the seek table at its end, and its index."""

    def __init__(self, data: bytes) -> None:
        count, at, frames = struct.unpack("<I", data[-9:-5])[0], 0, []
        for size, _ in struct.iter_unpack("<II", data[-9 - 8 * count:-9]):
            frames.append(data[at:at + size])
            at += size
        *self.frames, _, index = frames  # the one before the index ends the tar
        self.body = zstandard.decompress(index[8:], 134_217_728)
        if at + 17 + 8 * count != len(data) or self.body[:8] != b"HLIX\1\0\6\0":
            raise ValueError("a segment is damaged, or of a version that this reader does not know")
    def with_id(self, wanted: str) -> Iterator[int]:
        """The frames that can hold a correlation id: the first field, value after value."""
        value = wanted.encode()[:1024].decode(errors="ignore").encode()
        offset, size, count = struct.unpack_from("<III", self.body, 104)
        section, here = io.BytesIO(self.body[offset:offset + size]), b""
        section.seek(4 * -(-count // 16))  # past the places of the blocks
        def varint() -> int:
            byte = section.read(1)[0]
            return byte if byte < 128 else byte - 128 + 128 * varint()
        for _ in range(count):
            shared, more = varint(), varint()
            here, frame = here[:shared] + section.read(more), 0
            for _ in range(varint()):
                frame, _ = frame + varint(), varint()
                if here == value:
                    yield frame
    def members(self, numbers: Iterable[int]) -> Iterator[tuple[str, bytes]]:
        for number in numbers:
            with tarfile.open(fileobj=io.BytesIO(zstandard.decompress(self.frames[number]))) as tar:
                yield from ((m.name, file.read()) for m in tar if (file := tar.extractfile(m)))

def history(tree: Path, archive: Path, since: float, until: float, wanted: str) -> int:
    """Section 2: prints what is wanted, in order. Equal bytes of one identity are one event. Live
    names come first, then the manifest, which names what was archived in between."""
    live = [path for path in tree.glob("*/*/*.json") if path.is_file() and not path.is_symlink()]
    text, found, code = archive / "manifest.jsonl", {}, 0
    def take(path: str, data: bytes, segment: str) -> None:
        head = event(data) if is_identity(path) else None
        if head and since <= head["timestamp"] < until and wanted in ("", head["correlation_id"]):
            found.setdefault((path, data), (place(path, head["timestamp"]), segment))
    for name in sorted(manifest(text.read_bytes() if text.exists() else b"")[1], key=order):
        if not (archive / name).exists():
            print(f"{name}: its file is not here", file=sys.stderr)
            code = 75
            continue
        segment = Segment((archive / name).read_bytes())
        numbers = segment.with_id(wanted) if wanted else range(len(segment.frames))
        for path, data in segment.members(numbers):
            take(path, data, name)
    for file in live:
        if not file.exists():  # archived since
            return history(tree, archive, since, until, wanted)
        take(file.relative_to(tree).as_posix(), file.read_bytes(), "")
    for (path, data), (_, name) in sorted(found.items(), key=lambda one: one[1][0]):
        where = {"_path": path} | ({"_segment": name} if name else {})
        print(json.dumps(json.loads(data) | where, ensure_ascii=False))
    return code

def verify(archive: Path) -> int:
    code = 0
    for name, record in manifest((archive / "manifest.jsonl").read_bytes())[1].items():
        file, digest, heads = archive / name, hashlib.sha256(), []
        data = file.read_bytes() if file.exists() else b""
        note, hashed = Path(f"{file}.sha256"), hashlib.sha256(data).hexdigest()
        if hashed == record["sha256"] and note.read_text() == f"{hashed}  {file.name}\n":
            segment = Segment(data)
            for path, content in segment.members(range(len(segment.frames))):
                digest.update(path.encode() + b"\0" + hashlib.sha256(content).digest())
                heads.append(event(content) if is_identity(path) else None)
        said = (record["content"], record["events"], record["invalid"])
        if (digest.hexdigest(), len(heads), heads.count(None)) != said:
            code = 1 if data or code == 1 else 75
            print(f"{name}: {'not as recorded' if data else 'not here'}", file=sys.stderr)
    return code

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["list", tree, archive, since, until]:
            sys.exit(history(Path(tree), Path(archive), instant(since), instant(until), ""))
        case ["trace", tree, archive, wanted]:
            sys.exit(history(Path(tree), Path(archive), -math.inf, math.inf, wanted))
        case ["verify", archive]:
            sys.exit(verify(Path(archive)))
    sys.exit(__doc__)
