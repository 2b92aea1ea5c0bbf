"""Instants, names and events: sections 1 to 3 of docs/format.md."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import unicodedata
from typing import Any, NamedTuple, NoReturn, Self

FIELDS = ("correlation_id", "type", "node", "service", "severity", "source")
MEMBERS = ("timestamp", *FIELDS, "payload")
SEVERITIES = ("info", "warning", "error", "critical")
EPOCH = datetime.datetime(1970, 1, 1)


class Wrong(Exception):
    """Something that the format does not allow."""


def wrong(reason: str) -> NoReturn:
    raise Wrong(reason)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


INSTANT = re.compile(
    r"(?:(\d{4})-(\d\d)-(\d\d)|(\d{4})(\d\d)(\d\d))[Tt ]"
    r"(?:(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?|(\d\d)(\d\d)(?:(\d\d)(?:[.,](\d+))?)?)"
    r"(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)


def instant(text: str) -> int | None:
    """Microseconds since 1970, or None when the text is no instant."""
    found = INSTANT.fullmatch(text) if len(text) <= 64 else None
    if not found:
        return None
    group = [found.group(number) for number in range(1, 18)]
    year, month, day = (int(part) for part in (group[0:3] if group[0] else group[3:6]))
    clock = group[6:10] if group[6] else group[10:14]
    hour, minute, second = int(clock[0]), int(clock[1]), int(clock[2] or 0)
    micros = int((clock[3] or "0")[:6].ljust(6, "0"))
    if second == 60:
        second, micros = 59, 999_999
    try:
        # Python has no year 0; years repeat after 400.
        local = datetime.datetime(year or 400, month, day, hour, minute, second, micros)
    except ValueError:
        return None
    sign, east, more = group[14:17]
    offset = 0
    if sign:
        hours, minutes = int(east), int(more or 0)
        if hours > 23 or minutes > 59:
            return None
        offset = (hours * 60 + minutes) * (1 if sign == "+" else -1)
    try:
        utc = local - datetime.timedelta(minutes=offset)
    except OverflowError:
        return None
    micros = (utc - EPOCH) // datetime.timedelta(microseconds=1)
    micros -= 0 if year else 146_097 * 86_400_000_000
    return micros if micros >= -62_135_596_800_000_000 else None


def shown(micros: int) -> str:
    time = EPOCH + datetime.timedelta(microseconds=micros)
    return f"{time.year:04}-{time:%m-%dT%H:%M:%S}.{time.microsecond:06}Z"


def day_start(date: str) -> int:
    start = instant(f"{date}T00:00Z") if re.fullmatch(r"\d{4}-\d\d-\d\d", date, re.ASCII) else None
    return wrong(f"{date!r} is no date") if start is None else start


def component(text: str) -> bool:
    return (
        1 <= len(text.encode()) <= 255
        and not text.startswith(".")
        and "/" not in text
        and not any(unicodedata.category(character) == "Cc" for character in text)
    )


UUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Identity(NamedTuple):
    date: str
    node: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)

    @staticmethod
    def parse(text: str) -> Identity:
        parts = text.split("/")
        if len(parts) != 3 or not component(parts[1]) or not component(parts[2]):
            wrong(f"{text!r} is no identity")
        if len(parts[2].encode()) < 6 or not parts[2].endswith(".json"):
            wrong(f"{text!r} is no identity")
        day_start(parts[0])
        return Identity(*parts)

    def place(self) -> tuple[bytes, int, bytes, bytes]:
        """What members are ordered by."""
        stamp, _, rest = self.name[:-5].partition("_")
        kind, _, uuid = rest.rpartition("_")
        time = instant(stamp)
        if time is None or not kind or not UUID.fullmatch(uuid):
            kind, time = "", day_start(self.date)
        return kind.encode(), time, self.node.encode(), self.name.encode()


class Pairs(list):  # type: ignore[type-arg]
    """A JSON object: its members, also those that stand there twice."""


class Number(bytes):
    """A JSON number, of any size, whose value does not matter."""

    def __new__(cls, _: str) -> Self:
        return super().__new__(cls)


def no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def event(data: bytes) -> dict[str, Any] | None:
    """The eight members, the timestamp as an instant; None when it is no valid event."""

    try:
        text = data.decode()
        if text.startswith("\ufeff"):
            return None
        pairs = json.loads(
            text, object_pairs_hook=Pairs, parse_int=Number, parse_float=Number,
            parse_constant=no_constant,
        )
    except ValueError:
        return None
    if not isinstance(pairs, Pairs):
        return None
    found = [(key, value) for key, value in pairs if key in MEMBERS]
    members = dict(found)
    if len(found) != 8 or len(members) != 8 or not isinstance(members["payload"], Pairs):
        return None
    for member in MEMBERS[:-1]:
        if not isinstance(members[member], str):
            return None
        try:
            members[member].encode()
        except UnicodeEncodeError:
            return None
    members["timestamp"] = instant(members["timestamp"])
    if members["timestamp"] is None or members["severity"] not in SEVERITIES:
        return None
    return members


def whole_characters(data: bytes, most: int) -> bytes:
    """The longest prefix that ends with a whole character."""
    return data[:most].decode(errors="ignore").encode()
