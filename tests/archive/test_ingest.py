"""What comes in: kept byte for byte, refused with a sentence, or kept aside for a person to decide."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadglass.access.principal import Role, Via
from leadglass.archive.ingest import Kind
from leadglass.dicom.dataset import Limits
from leadglass.errors import (
    Denied,
    IllegalIdentity,
    LimitExceeded,
    MalformedDataSet,
    NotDicom,
    StorageFull,
    Violation,
)

SEQUENCE = 0x00081140
DEFLATED = "1.2.840.10008.1.2.1.99"


def nested(dicom: Any, depth: int) -> bytes:
    """Sequences within sequences, all of undefined length, never closed."""
    opening = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return opening * depth  # type: ignore[no-any-return]


def deflated(dicom: Any, content: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return dicom.part10(packer.compress(content) + packer.flush(), syntax=DEFLATED)


BAD: dict[str, tuple[Callable[[Any], bytes], type[Violation], str]] = {
    "empty": (lambda d: b"", NotDicom, "Too short"),
    "short": (lambda d: b"DICM", NotDicom, "Too short"),
    "no DICOM": (lambda d: b"%PDF-1.7" + bytes(500), NotDicom, "DICM"),
    "an image of another kind": (lambda d: b"\xff\xd8\xff\xe0" + bytes(5000), NotDicom, "DICM"),
    "only the head": (lambda d: d.file()[:132], MalformedDataSet, "ends before its data set"),
    "within the file meta": (lambda d: d.file()[:200], MalformedDataSet, ""),
    "truncated header": (lambda d: d.file()[:500], MalformedDataSet, ""),
    "truncated pixels": (lambda d: d.file()[:-1], MalformedDataSet, ""),
    "length beyond the end": (
        lambda d: d.part10(d.data_set() + struct.pack("<HH2sH", 0x7FE1, 0x10, b"LO", 40000)),
        MalformedDataSet,
        "",
    ),
    "nested too deep": (lambda d: d.part10(nested(d, 100)), LimitExceeded, ""),
    "header bomb": (
        lambda d: d.part10(b"".join(d.element(0x00091000 + n, "LO", b"") for n in range(1, 3000))),
        LimitExceeded,
        "",
    ),
    "a name of megabytes": (lambda d: d.part10(d.element(0x00100010, "UT", b"x" * (5 << 20))), LimitExceeded, ""),
    "deflate bomb": (lambda d: deflated(d, d.element(0x00091010, "LO", "") * (8 << 20)), LimitExceeded, ""),
    "deflated rubbish": (lambda d: d.part10(b"\xff" * 100, syntax=DEFLATED), MalformedDataSet, ""),
    "no SOP Instance UID": (lambda d: d.part10(d.data_set(instance="")), IllegalIdentity, "no SOP Instance UID"),
    "a path for a UID": (lambda d: d.file(instance="../../etc/cron.d/x"), IllegalIdentity, "not a legal UID"),
    "a UID of 65": (lambda d: d.file(study="1." + "2" * 63), IllegalIdentity, "Study Instance UID is not a legal UID"),
    "a UID with a zero byte within": (lambda d: d.file(series="1.2\0.3"), IllegalIdentity, "Series Instance UID"),
}  # fmt: skip


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("size", [1 << 16, 7], ids=["in large pieces", "in pieces of seven"])
@pytest.mark.parametrize("kind", BAD)
def test_bad_input_gets_one_plain_sentence_and_leaves_nothing(
    clinic: Any, dicom: Any, descriptors: None, kind: str, size: int
) -> None:
    make, error, says = BAD[kind]
    content = make(dicom)
    if size == 7 and len(content) > 1 << 20:
        content = content[: 1 << 20] if error is not LimitExceeded else content
        size = 4099
    clinic.services.ingest.limits = replace(
        Limits(), header_bytes=4 << 20, elements=2000, inflate_free=1 << 20
    )
    before = clinic.record_size()
    with pytest.raises(error) as caught:
        clinic.ingest(pieces(content, size))
    sentence = str(caught.value)
    assert says in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "Roentgen" not in sentence
    assert clinic.blobs() == []
    assert clinic.scalar("SELECT count(*) FROM instances") == 0
    assert clinic.record_size() == before


def test_a_bad_object_does_not_harm_the_next(clinic: Any, dicom: Any) -> None:
    with pytest.raises(Violation):
        clinic.ingest([dicom.file()[:-1]])
    assert clinic.take_in().kind is Kind.STORED


def test_bits_are_not_invented_for_illegal_text(clinic: Any) -> None:
    """Control characters, reordering marks and broken encodings: kept in the object, harmless in the index."""
    outcome = clinic.take_in(name="A\x1b$B\x00\x01^\u202eB\xff" * 3, patient_id="P\r\nX: 1")
    assert outcome.kind is Kind.STORED
    assert not any(ord(c) < 32 for c in clinic.scalar("SELECT patient_name || patient_id FROM studies"))


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(cuts=st.lists(st.integers(0, 1100), max_size=12).map(sorted))
def test_any_chunking_gives_the_same_object(clinic: Any, dicom: Any, cuts: list[int]) -> None:
    content = dicom.file()
    edges = [0, *(min(cut, len(content)) for cut in cuts), len(content)]
    outcome = clinic.ingest(content[a:b] for a, b in pairwise(edges))
    assert outcome.kind in (Kind.STORED, Kind.DUPLICATE)  # the second example on is the same object again
    assert clinic.retrieved(clinic.doctor) == [content]


@pytest.mark.parametrize("size", [1, 131, 132, 133, 1 << 20])
def test_in_pieces_of_every_size_the_bytes_are_the_same(clinic: Any, dicom: Any, size: int) -> None:
    content = dicom.file(rows=8)
    assert clinic.ingest(pieces(content, size)).kind is Kind.STORED
    assert clinic.retrieved(clinic.doctor) == [content]


@pytest.mark.parametrize("preamble", [b"MZ", b"\x7fELF", b"#!/bin/sh\n", bytes(range(128))], ids=repr)
def test_a_preamble_that_may_be_a_program_is_zeroed_and_nothing_else(
    clinic: Any, dicom: Any, preamble: bytes
) -> None:
    content = dicom.file()
    sent = preamble.ljust(128, b"\x90") + content[128:]
    clinic.ingest([sent])
    assert clinic.retrieved(clinic.doctor) == [content]


@pytest.mark.parametrize("magic", [b"II*\0", b"MM\0*"])
def test_a_tiff_stays_one(clinic: Any, dicom: Any, magic: bytes) -> None:
    sent = magic.ljust(128, b"\x08") + dicom.file()[128:]
    clinic.ingest(pieces(sent, 100))
    assert clinic.retrieved(clinic.doctor) == [sent]


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR])
def test_who_may_not_store_is_refused_before_a_byte_and_recorded(clinic: Any, role: Role) -> None:
    with pytest.raises(Denied):
        clinic.services.ingest.open(clinic.people[role], clinic.own, "stow", clinic.context())
    assert clinic.blobs() == []
    [entry] = clinic.entries("object.ingest")
    assert (entry.entry.outcome, entry.entry.role) == ("denied", role.value)


@pytest.mark.parametrize("role", [Role.TECHNOLOGIST, Role.PACS_ADMINISTRATOR])
def test_who_may_store_may_in_the_own_department_only(clinic: Any, dicom: Any, role: Role) -> None:
    who = clinic.people[role]
    assert clinic.ingest([dicom.file()], who=who, source="stow").kind is Kind.STORED
    with pytest.raises(Denied):
        clinic.ingest([dicom.file(2)], who=who, department=clinic.foreign)
    assert clinic.entries("object.ingest")[-1].entry.outcome == "denied"


def test_a_disk_short_of_room_refuses_before_the_first_byte(
    clinic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(clinic.services.db.reserve), "room_for_objects", lambda _: False)
    with pytest.raises(StorageFull):
        clinic.take_in()
    assert clinic.blobs() == []


def test_an_object_that_is_given_up_leaves_nothing(clinic: Any, dicom: Any, descriptors: None) -> None:
    incoming = clinic.services.ingest.open(
        clinic.people[Role.TECHNOLOGIST], clinic.own, "stow", clinic.context(Via.DICOMWEB)
    )
    incoming.write(dicom.file()[:900])
    assert len(clinic.blobs()) == 1
    incoming.abandon()
    incoming.abandon()
    assert clinic.blobs() == []
