"""Building blocks for data sets, and pydicom's test files."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import data_store
import pydicom
import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
UNDEFINED = 0xFFFFFFFF

PYDICOM_FILES = Path(pydicom.__file__).parent / "data"
DATA_STORE_FILES = Path(data_store.__file__).parent / "data"
# Neither DICOM nor meant to be.
NO_IMAGES = {".txt", ".dump", ".json", ".icc", ".gz", ".py", ".pyc", ".lut"}


def corpus() -> dict[str, Path]:
    """Every DICOM file that comes with pydicom and pydicom-data, by its name relative to either."""
    roots = (PYDICOM_FILES / "test_files", PYDICOM_FILES / "charset_files", DATA_STORE_FILES)
    return {
        path.relative_to(root).as_posix(): path
        for root in roots
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix not in NO_IMAGES and path.name != "README"
    }


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


@pytest.fixture(scope="session")
def corpus_bytes() -> Callable[[str], bytes]:
    files = corpus()
    return lambda name: files[name].read_bytes()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "corpus_file" in metafunc.fixturenames:
        files = corpus()
        metafunc.parametrize("corpus_file", files.items(), ids=list(files))
