"""Members of the tar: section 4 of docs/format.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from values import Identity, whole_characters, wrong


def tar_block(name: bytes, prefix: bytes, size: int, mtime: int, kind: bytes) -> bytes:
    block = bytearray(512)

    def field(at: int, data: bytes) -> None:
        block[at : at + len(data)] = data

    field(0, name)
    field(100, b"0000444\0" b"0000000\0" b"0000000\0")
    field(124, b"%011o\0%011o\0" % (size, mtime))
    field(148, b" " * 8)
    field(156, kind)
    field(257, b"ustar\0" b"00")
    field(329, b"0000000\0" b"0000000\0")
    field(345, prefix)
    field(148, b"%07o\0" % sum(block))
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def tar_header(path: Identity, size: int, mtime: int) -> bytes:
    name, prefix = path.name.encode(), f"{path.date}/{path.node}".encode()
    out = b""
    if len(name) > 100 or len(prefix) > 155:
        rest = f" path={path}\n".encode()
        length = len(rest)
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        record = str(length).encode() + rest
        out = tar_block(b"PaxHeader", b"", len(record), mtime, b"x") + padded(record)
    name, prefix = whole_characters(name, 100), whole_characters(prefix, 155)
    return out + tar_block(name, prefix, size, mtime, b"0")


class Member(NamedTuple):
    path: Identity
    mtime: int
    data: bytes


def members(tar: bytes) -> Iterator[Member]:
    """The members of a frame; each header is made anew and compared."""
    at = 0

    def number(block: bytes, start: int, end: int) -> int:
        digits = block[start:end].rstrip(b"\0")
        if not re.fullmatch(rb"[0-7]{11}", digits):
            wrong("a broken number in a tar header")
        return int(digits, 8)

    while at < len(tar):
        start, block = at, tar[at : at + 512]
        if block[156:157] == b"x":
            size = number(block, 124, 136)
            record = tar[at + 512 : at + 512 + size]
            name = record.partition(b" path=")[2][:-1]
            at += 512 + size + -size % 512
            block = tar[at : at + 512]
        else:
            name = block[345:500].rstrip(b"\0") + b"/" + block[:100].rstrip(b"\0")
        try:
            path = Identity.parse(name.decode())
        except UnicodeDecodeError:
            wrong("a name is not UTF-8")
        size, mtime = number(block, 124, 136), number(block, 136, 148)
        at += 512
        if tar[start:at] != tar_header(path, size, mtime):
            wrong(f"{path}: its header is not of this format")
        data, padding = tar[at : at + size], tar[at + size : at + size + -size % 512]
        if len(data) != size or len(padding) != -size % 512 or any(padding):
            wrong(f"{path}: its frame ends inside it, or its padding is not zeros")
        at += size + len(padding)
        yield Member(path, mtime, data)
