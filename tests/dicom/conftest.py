"""Building blocks for data sets."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests have names of their own

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


# --- pydicom as the oracle of what we write ---------------------------------------------------------------

WORDS = {"OW", "OF", "OD", "OL", "OV"}  # what pydicom leaves in the file's byte order
WIDTH = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def swapped(value: bytes, width: int) -> bytes:
    words = [value[at : at + width][::-1] for at in range(0, len(value), width)]
    return b"".join(words)


def differences(
    source: pydicom.Dataset, result: pydicom.Dataset, *, swap: bool, implicit: bool, path: str = ""
) -> list[str]:
    """Where what pydicom reads of our output is not what it reads of the source.

    Group Length is gone. Implicit VR hides a VR that is not the dictionary's: the bytes are then compared.
    `swap`: source and result are of different byte order.
    """
    before = {int(e.tag): e for e in source if e.tag.element}
    after = {int(e.tag): e for e in result}
    found = [f"{path}{tag:08X} only on one side" for tag in before.keys() ^ after.keys()]
    for tag in before.keys() & after.keys():
        found += element_differences(
            before[tag], after[tag], swap=swap, implicit=implicit, path=f"{path}{tag:08X}"
        )
    return found


def element_differences(
    a: pydicom.DataElement, b: pydicom.DataElement, *, swap: bool, implicit: bool, path: str
) -> list[str]:
    if "SQ" in (a.VR, b.VR):
        if a.VR != b.VR or len(a.value) != len(b.value):
            return [f"{path} {a.VR} and {b.VR}, or other items"]
        items = enumerate(zip(a.value, b.value, strict=True))
        return [
            d
            for i, (x, y) in items
            for d in differences(x, y, swap=swap, implicit=implicit, path=f"{path}[{i}].")
        ]
    if a.VR == b.VR:
        value = a.value
        if swap and a.VR in WORDS and value and len(value) % WIDTH[a.VR] == 0:
            value = swapped(value, WIDTH[a.VR])
        if isinstance(value, bytes) and len(value) % 2:
            value += b"\0"  # PS3.5 7.1.1
        same = value == b.value or (value != value and b.value != b.value)
        return [] if same else [f"{path} {a.VR} other value"]
    if "UN" in (a.VR, b.VR) or implicit:
        words = WIDTH.get(a.VR, 1) if swap else 1
        return [] if raw(b) == swapped(raw(a), words) else [f"{path} {a.VR} became {b.VR} of other bytes"]
    return [f"{path} {a.VR} became {b.VR}"]


def raw(element: pydicom.DataElement) -> bytes:
    """The value field in little endian."""
    if element.VR == "UN":
        return bytes(element.value or b"")
    alone = pydicom.Dataset()
    alone.add(element)
    stream = pydicom.filebase.DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, True
    pydicom.filewriter.write_dataset(stream, alone)
    return stream.getvalue()[8:]


@pytest.fixture(scope="session")
def oracle() -> SimpleNamespace:
    return SimpleNamespace(differences=differences)
