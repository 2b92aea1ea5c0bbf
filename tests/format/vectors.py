#!/usr/bin/env python3
"""Holds docs/read_archive.py to the test vectors in tests/fixtures/vectors."""

import json
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PACKAGE / "docs"))
import read_archive as reader  # noqa: E402

wrong = []


def check(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        wrong.append(f"{what}: {found!r}, and not {wanted!r}")


def vectors(name: str) -> list[dict]:
    return json.loads((PACKAGE / f"tests/fixtures/vectors/{name}.json").read_text())


def micros(text: str | None) -> int | None:
    return None if text is None else reader.instant(text)


for vector in vectors("instants"):
    check(vector["text"], reader.instant(vector["text"]), micros(vector["instant"]))
for vector in vectors("events"):
    head = reader.event(vector["text"].encode("utf-8", "surrogatepass"))
    check(vector["what"], head is not None, vector["valid"])
    if head:
        check(vector["what"], head["correlation_id"], vector["correlation_id"])
        check(vector["what"], head["timestamp"], micros(vector["instant"]))
for vector in vectors("names"):
    path = vector["path"]
    check(path, reader.is_identity(path), vector["identity"])
    if vector["identity"]:
        check(path, reader.name_time(path.split("/")[-1]), micros(vector["instant"]))
for vector in vectors("manifests"):
    try:
        head = reader.manifest(vector["text"].encode("latin-1"))[0]
    except ValueError:
        head = None
    check(vector["what"], head, vector["head"])
print(*wrong, sep="\n")
sys.exit(bool(wrong))
