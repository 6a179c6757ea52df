"""LDIF (RFC 2849), as much as a configuration export has: records of names and values, each with its line."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from leadglass.errors import LimitExceeded
from leadglass.scan.inside.prediction import lines_of, nothing

MOST_RECORDS: Final = 50_000
# What stands between records; the latter two ldapsearch writes at the end.
_BETWEEN: Final = frozenset({"version", "search", "result"})


@dataclass(slots=True)
class Record:
    """`values`: lower-case names to (value, line) in their order. `dn`: without spaces at its commas."""

    dn: str
    line: int
    values: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def first(self, name: str) -> str:
        return next((value for value, _ in self.values.get(name.lower(), ())), "")

    def line_of(self, name: str) -> int:
        return next((line for _, line in self.values.get(name.lower(), ())), 0)

    def all(self, name: str) -> list[str]:
        return [value for value, _ in self.values.get(name.lower(), ())]

    @property
    def parent(self) -> str:
        return self.dn.partition(",")[2]


def records(name: str, content: bytes) -> Iterator[Record]:
    """Violation for what is no LDIF."""
    record: Record | None = None
    count = 0
    for line, text in _unfolded(name, content):
        if not text.strip():
            if record is not None:
                yield record
            record = None
            continue
        if text.startswith("#"):
            continue
        attribute, value = _split(name, line, text)
        if attribute == "dn":
            if record is not None:
                yield record
            count += 1
            if count > MOST_RECORDS:
                raise LimitExceeded(f"{name} has too many records.", code="configuration")
            record = Record(normal(value), line)
        elif record is not None:
            record.values.setdefault(attribute, []).append((value, line))
        elif attribute not in _BETWEEN:
            raise nothing(f"{name}, line {line}: a record begins with its dn.")
    if record is not None:
        yield record


def normal(dn: str) -> str:
    """A DN by which records refer to each other."""
    return ",".join(part.strip().lower() for part in dn.split(","))


def _unfolded(name: str, content: bytes) -> Iterator[tuple[int, str]]:
    """Lines with their continuations, which begin with one space."""
    begun: tuple[int, list[str]] | None = None
    for number, line in lines_of(name, content):
        if line.startswith(" ") and begun is not None:
            begun[1].append(line[1:])
            continue
        if begun is not None:
            yield begun[0], "".join(begun[1])
        begun = (number, [line])
    if begun is not None:
        yield begun[0], "".join(begun[1])


def _split(name: str, line: int, text: str) -> tuple[str, str]:
    attribute, mark, value = text.partition(":")
    if not mark:
        raise nothing(f"{name}, line {line}: that is no LDIF.")
    if not value.startswith(":"):
        return attribute.strip().lower(), value.removeprefix("<").strip()
    try:
        decoded = base64.b64decode(value[1:].strip(), validate=True)
    except (binascii.Error, ValueError):
        raise nothing(f"{name}, line {line}: that is no base64.") from None
    return attribute.strip().lower(), decoded.decode("utf-8", "replace")  # a certificate is no text
