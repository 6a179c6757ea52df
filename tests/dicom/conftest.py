"""Building blocks for data sets."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
UNDEFINED = 0xFFFFFFFF


def explicit(tag: int, vr: str, value: bytes = b"", *, length: int | None = None, order: str = "<") -> bytes:
    """One element in explicit VR; `length` overrules the value's."""
    size = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF) + vr.encode("latin-1")
    packed = struct.pack(order + "HI", 0, size) if vr in LONG else struct.pack(order + "H", size)
    return head + packed + value


def implicit(tag: int, value: bytes = b"", *, length: int | None = None) -> bytes:
    """One element in implicit VR, an item or a delimiter."""
    size = len(value) if length is None else length
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, size) + value


def item(content: bytes = b"", *, open_ended: bool = False) -> bytes:
    if open_ended:
        return implicit(0xFFFEE000, length=UNDEFINED) + content + implicit(0xFFFEE00D)
    return implicit(0xFFFEE000, content)


def sequence(tag: int, *items: bytes, open_ended: bool = False) -> bytes:
    content = b"".join(items)
    if open_ended:
        return explicit(tag, "SQ", content, length=UNDEFINED) + implicit(0xFFFEE0DD)
    return explicit(tag, "SQ", content)


BUILD = SimpleNamespace(
    explicit=explicit, implicit=implicit, item=item, sequence=sequence, UNDEFINED=UNDEFINED
)


@pytest.fixture(scope="session")
def build() -> SimpleNamespace:
    return BUILD
