"""Shared by tests of several packages: a place to live, a home in it, and DICOM files made byte by byte."""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from .databases import copied, kind, only_where_marked, server, template

__all__ = ["kind", "server", "template"]

TESTS = Path(__file__).parent
QUICK = frozenset(
    {"access", "conformance", "dicom", "dimse", "estate", "record", "scan", "store", "ul", "web"}
)
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_LONG = frozenset({"OB", "OW", "SQ", "UN", "UT"})


class Dicom:
    """Explicit VR little endian, written without any library, so that it can also be written wrongly."""

    def element(self, tag: int, vr: str, value: bytes | str) -> bytes:
        raw = value.encode() if isinstance(value, str) else value
        if len(raw) % 2:
            raw += b"\0" if vr in ("UI", "OB", "UN") else b" "
        head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
        size = struct.pack("<HI", 0, len(raw)) if vr in _LONG else struct.pack("<H", len(raw))
        return head + size + raw

    def data_set(
        self,
        *,
        instance: str = "1.2.3.1.1",
        series: str = "1.2.3.1",
        study: str = "1.2.3",
        name: str = "Roentgen^Anna",
        patient_id: str = "P-1",
        rows: int = 16,
        fill: int = 7,
        pixels: bytes | None = None,
    ) -> bytes:
        """A CT image of `rows` by `rows`. An empty `instance` leaves the SOP Instance UID out."""
        elements = (
            (0x00080016, "UI", CT_IMAGE),
            *(((0x00080018, "UI", instance),) if instance else ()),
            (0x00080020, "DA", "20260131"),
            (0x00080060, "CS", "CT"),
            (0x00100010, "PN", name),
            (0x00100020, "LO", patient_id),
            (0x0020000D, "UI", study),
            (0x0020000E, "UI", series),
            (0x00200013, "IS", "1"),
            (0x00280002, "US", struct.pack("<H", 1)),
            (0x00280004, "CS", "MONOCHROME2"),
            (0x00280010, "US", struct.pack("<H", rows)),
            (0x00280011, "US", struct.pack("<H", rows)),
            (0x00280100, "US", struct.pack("<H", 16)),
            (0x00280101, "US", struct.pack("<H", 16)),
            (0x00280102, "US", struct.pack("<H", 15)),
            (0x00280103, "US", struct.pack("<H", 0)),
            (0x7FE00010, "OW", pixels if pixels is not None else bytes([fill, 0]) * rows * rows),
        )
        return b"".join(self.element(*each) for each in elements)

    def part10(self, data_set: bytes, *, syntax: str = EXPLICIT, instance: str = "1.2.3.1.1") -> bytes:
        """`data_set` behind a preamble and File Meta Information (PS3.10 7.1)."""
        meta = b"".join((
            self.element(0x00020001, "OB", b"\0\1"),
            self.element(0x00020002, "UI", CT_IMAGE),
            self.element(0x00020003, "UI", instance),
            self.element(0x00020010, "UI", syntax),
        ))  # fmt: skip
        length = self.element(0x00020000, "UL", struct.pack("<I", len(meta)))
        return bytes(128) + b"DICM" + length + meta + data_set

    def file(self, number: int = 1, **what: object) -> bytes:
        """The whole, well-formed file of image `number` of one series."""
        instance = f"1.2.3.1.{number}"
        return self.part10(self.data_set(**({"instance": instance} | what)), instance=instance)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Place:
    """A user's account on a machine of its own: nothing of the real one is seen or touched."""

    user: Path

    @property
    def root(self) -> Path:
        return self.user / "home"

    @property
    def environ(self) -> dict[str, str]:
        """For subprocesses; holds what this process's environment holds as well."""
        return dict(os.environ)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = only_where_marked(items)
    # Files that take a minute begin before those of seconds, so that no worker is left alone with one at the end.
    items.sort(key=lambda item: item.path.relative_to(TESTS).parts[0] in QUICK)


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A command that is run inside of a test sets up the log of the whole process."""
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**before)
    logging.root.handlers[:], logging.root.level = handlers, level


@pytest.fixture(scope="session")
def dicom() -> Dicom:
    return Dicom()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """HOME is empty, no Leadglass variable is set but the home's, and hashing a password costs nothing."""
    for name in [name for name in os.environ if name.startswith(("LEADGLASS_", "XDG_"))]:
        monkeypatch.delenv(name)
    user = tmp_path / "user"
    user.mkdir()
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("LEADGLASS_HOME", str(user / "home"))
    monkeypatch.setenv("LEADGLASS_STORAGE_RESERVE_MIB", "1")
    from leadglass.access.passwords import Cost

    monkeypatch.setattr("leadglass.compose.HASH_COST", Cost(memory=8, passes=1, lanes=1))
    return Place(user)


@pytest.fixture
def sealed_site(template: Any) -> Callable[..., Any]:
    """As `compose.embedded`, but that a new database is copied instead of made."""
    from leadglass.compose import embedded

    def site(home: Any, keyring: Any) -> Any:
        found = embedded(home, keyring)
        if not found.exists() and not (home.root / "home.json").exists():
            copied(template, found)  # type: ignore[arg-type]
        return found

    return site


@pytest.fixture
def site_of(sealed_site: Callable[..., Any]) -> Callable[..., Any]:
    """Where the database of a home is, as `compose` asks for it: in the home."""
    return sealed_site


@pytest.fixture
def home(place: Place, site_of: Any) -> Place:
    """A home that has just been made."""
    from leadglass.compose import found_home

    found_home(place.root, os.environ, 1_800_000_000_000, site=site_of)
    return place


@pytest.fixture
def opened(home: Place, site_of: Any) -> Iterator[object]:
    """The home, open (`compose.Opened`)."""
    from leadglass.compose import open_home
    from leadglass.home import clock

    with open_home(home.root, os.environ, clock, site_of) as ready:
        yield ready
