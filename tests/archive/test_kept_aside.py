"""What a network door cannot keep among the rest is kept aside, whole, within a limit, on the record."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from leadglass.access.principal import Role
from leadglass.archive.ingest import Identity, Kind
from leadglass.archive.outcome import Outcome
from leadglass.dicom.dataset import Limits
from leadglass.errors import IllegalIdentity, StorageFull, Violation
from leadglass.index.fitting import Clash

CT = "1.2.840.10008.5.1.4.1.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
MIB = 1 << 20


def deflated(dicom: Any, content: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return dicom.part10(packer.compress(content) + packer.flush(), syntax=DEFLATED)  # type: ignore[no-any-return]


ILLEGAL, UNREADABLE = Clash.ILLEGAL_IDENTITY, Clash.UNREADABLE
FAULTY: dict[str, tuple[Callable[[Any], bytes], Clash]] = {
    "no SOP Instance UID": (lambda d: d.part10(d.data_set(instance="")), ILLEGAL),
    "a path for a UID": (lambda d: d.file(instance="../../etc/cron.d/x"), ILLEGAL),
    "no study": (lambda d: d.file(study=""), ILLEGAL),
    "truncated header": (lambda d: d.file()[:500], UNREADABLE),
    "truncated pixels": (lambda d: d.file()[:-1], UNREADABLE),
    "cut in the file meta": (lambda d: d.file()[:200], UNREADABLE),
    "shorter than a preamble": (lambda d: b"DICM", UNREADABLE),
    "nothing at all": (lambda d: b"", UNREADABLE),
    "no DICOM": (lambda d: bytes(128) + b"JUNK" + bytes(500), UNREADABLE),
    "no transfer syntax": (
        lambda d: bytes(128) + b"DICM" + d.element(0x00020003, "UI", b"1.2") + d.data_set(),
        UNREADABLE,
    ),
    "malformed, and much after it": (
        lambda d: d.part10(d.data_set() + b"\xfe\xff\x0d\xe0" + bytes(4) + b"\7" * 300_000),
        UNREADABLE,
    ),
    "over a limit": (
        lambda d: d.part10(b"".join(d.element(0x00091000 + n, "LO", b"") for n in range(1, 3000))),
        UNREADABLE,
    ),
    "a deflate bomb": (lambda d: deflated(d, bytes(64 * MIB)), UNREADABLE),
}


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def send(clinic: Any, content: bytes, *, size: int = 65_536, **options: Any) -> Outcome:
    outcome: Outcome = clinic.ingest(pieces(content, size), keep_unidentified=True, **options)
    return outcome


def kept(clinic: Any) -> list[bytes]:
    """The bytes of all that was kept aside."""
    upkeep = clinic.services.upkeep
    found = []
    for holding in upkeep._check._batch("kept_aside", 0):
        with clinic.services.db.read() as connection:
            key = upkeep.examiner._keys.of(connection, holding.sealed.study_id)
        with upkeep.examiner._objects.open_sealed(holding.sealed, key) as reader:
            found.append(b"".join(reader.chunks()))
    return found


def tighten(clinic: Any, quarantine: int = 1 << 30) -> None:
    clinic.services.ingest.limits = replace(Limits(), elements=2000, inflate_free=MIB)
    clinic.services.ingest.room_aside.homeless = quarantine


def deep_check(clinic: Any) -> Any:
    return clinic.services.upkeep.check(clinic.people[Role.SYSTEM_ADMINISTRATOR], clinic.context(), deep=True)


@pytest.mark.parametrize("size", [1 << 16, 7], ids=["in large pieces", "in pieces of seven"])
@pytest.mark.parametrize("kind", FAULTY)
def test_it_is_kept_as_it_came_sealed_and_on_the_record(
    clinic: Any, dicom: Any, descriptors: None, kind: str, size: int
) -> None:
    make, clash = FAULTY[kind]
    content = make(dicom)
    tighten(clinic)
    outcome = send(clinic, content, size=size)
    assert outcome == Outcome(Kind.KEPT_ASIDE, clash=clash)
    assert kept(clinic) == [content]
    assert clinic.scalar("SELECT count(*) FROM instances") == 0
    assert clinic.scalar("SELECT count(*) FROM studies") == 0
    assert all(b"Roentgen" not in path.read_bytes() for path in clinic.blobs())
    entry = clinic.entries("object.store")[-1].entry
    assert (entry.outcome, entry.reason) == ("failed", clash.value)
    assert entry.counts["bytes"] == len(content)
    assert deep_check(clinic).ok


@pytest.mark.parametrize("kind", FAULTY)
def test_by_default_it_is_refused_and_nothing_stays(clinic: Any, dicom: Any, kind: str) -> None:
    tighten(clinic)
    with pytest.raises(Violation):
        clinic.ingest(pieces(FAULTY[kind][0](dicom), 65_536))
    assert clinic.blobs() == []


def test_the_record_says_whose_it_may_be_as_far_as_it_was_read(clinic: Any, dicom: Any) -> None:
    send(clinic, dicom.file(7)[:-1])
    send(clinic, dicom.file(instance="1.02", study="x\\y"))
    send(clinic, b"")
    whole, illegal, nothing = (e.entry for e in clinic.entries("object.store"))
    assert (whole.patients, whole.studies, whole.detail["instance"]) == (("P-1",), ("1.2.3",), "1.2.3.1.7")
    assert (illegal.patients, illegal.studies, illegal.detail["instance"]) == (("P-1",), (), "")
    assert (nothing.patients, nothing.studies, nothing.detail["instance"]) == ((), (), "")


@pytest.mark.parametrize("preamble", [b"MZ", b"\x7fELF"])
def test_a_preamble_that_may_be_a_program_is_zeroed_here_too(
    clinic: Any, dicom: Any, preamble: bytes
) -> None:
    content = dicom.file()[:-1]
    send(clinic, preamble.ljust(128, b"\x90") + content[128:])
    assert kept(clinic) == [content]


# --- another object than was announced --------------------------------------------------------------------

NAMED = Identity(CT, "1.2.3.1.1")


def test_what_was_announced_is_stored(clinic: Any, dicom: Any) -> None:
    assert send(clinic, dicom.file(1), expected=NAMED).kind is Kind.STORED


@pytest.mark.parametrize(
    "expected",
    [
        Identity(CT, "1.2.3.1.2"),
        Identity("1.2.840.10008.5.1.4.1.1.4", "1.2.3.1.1"),
        Identity("", "1.2.3.1.1"),
        Identity(CT, ""),
    ],
)
def test_another_object_than_was_announced(clinic: Any, dicom: Any, expected: Identity) -> None:
    with pytest.raises(IllegalIdentity):
        clinic.ingest([dicom.file(1)], expected=expected)
    assert clinic.blobs() == []
    assert send(clinic, dicom.file(1), expected=expected).clash is Clash.OTHER_IDENTITY
    assert clinic.scalar("SELECT sop_instance_uid FROM kept_aside") == "1.2.3.1.1"
    assert clinic.scalar("SELECT count(*) FROM instances") == 0
    assert kept(clinic) == [dicom.file(1)]


# --- again, and how much ----------------------------------------------------------------------------------


def test_the_same_again_is_kept_once_for_each_department(clinic: Any, dicom: Any) -> None:
    content = dicom.file()[:-1]
    first = send(clinic, content)
    again = send(clinic, content)
    assert (first.again, again) == (False, replace(first, again=True))
    assert len(clinic.blobs()) == 1
    assert not send(clinic, content, department=clinic.foreign).again
    assert len(clinic.blobs()) == 2
    assert len(clinic.entries("object.store")) == 3


def test_there_is_an_end_to_what_is_kept_aside_and_that_is_on_the_record(clinic: Any, dicom: Any) -> None:
    """Each object counts 64 KiB at the least: three of them fit here."""
    tighten(clinic, quarantine=3 << 16)
    for number in range(1, 4):
        send(clinic, dicom.file(number)[:-1])
    with pytest.raises(StorageFull):
        send(clinic, dicom.file(4)[:-1])
    assert len(clinic.blobs()) == 3
    entry = clinic.entries("object.store")[-1].entry
    assert (entry.outcome, entry.reason, entry.detail["refused"]) == ("failed", "unreadable", 1)
    assert clinic.take_in(5).kind is Kind.STORED
    assert clinic.take_in(5, fill=9).clash is Clash.OTHER_CONTENT  # of a study: that has no such end
    assert send(clinic, dicom.file(1)[:-1]).again
    assert deep_check(clinic).ok


def test_one_that_is_larger_than_the_end_is_stopped_while_it_comes(
    clinic: Any, dicom: Any, descriptors: None
) -> None:
    tighten(clinic, quarantine=MIB)
    incoming = clinic.services.ingest.open(
        clinic.people[Role.TECHNOLOGIST], clinic.own, "scp", clinic.context(), keep_unidentified=True
    )
    incoming.write(dicom.part10(b"\xfe\xff\x0d\xe0" + bytes(4)))
    with pytest.raises(StorageFull):
        for _ in range(20):
            incoming.write(bytes(65_536))
    assert clinic.blobs() == []
    entry = clinic.entries("object.store")[-1].entry
    assert (entry.outcome, entry.detail["refused"]) == ("failed", 1)
    assert 0 < entry.counts["bytes"] <= MIB


def test_a_whole_object_may_be_larger_than_that(clinic: Any, dicom: Any) -> None:
    tighten(clinic, quarantine=1 << 16)
    content = dicom.file(rows=512)
    assert len(content) > 1 << 16
    assert send(clinic, content).kind is Kind.STORED


def test_without_an_entry_nothing_is_kept_aside(clinic: Any, dicom: Any, mute: Callable[[], None]) -> None:
    mute()
    with pytest.raises(StorageFull):
        send(clinic, dicom.file()[:-1])
    assert clinic.blobs() == []


# --- who learns what --------------------------------------------------------------------------------------


def test_a_sender_learns_that_there_is_a_contradiction_and_not_with_whom(clinic: Any, dicom: Any) -> None:
    clinic.take_in(1)
    elsewhere = {"department": clinic.foreign}
    own = send(clinic, dicom.file(1, fill=9))
    others = [
        send(clinic, dicom.file(1), **elsewhere),  # the very object, another's
        send(clinic, dicom.file(1, fill=9), **elsewhere),
        send(clinic, dicom.file(2), **elsewhere),  # another object of its study
        send(clinic, dicom.file(3, patient_id="P-2"), **elsewhere),
        send(clinic, dicom.file(4, study="1.9"), **elsewhere),
    ]
    assert {outcome.clash for outcome in others} > {Clash.OTHER_DEPARTMENT}
    assert {(o.kind, o.comment, o.status) for o in others} == {(own.kind, own.comment, own.status)}


# Handing over is between departments, and no answer to a sender.
@pytest.mark.parametrize("clash", [clash for clash in Clash if clash is not Clash.HANDED_OVER])
def test_every_clash_has_a_sentence_a_comment_and_a_failure(clash: Clash) -> None:
    outcome = Outcome(Kind.KEPT_ASIDE, clash=clash)
    assert outcome.reason.endswith(" Kept aside.")
    assert outcome.comment.endswith("; kept aside")
    assert len(outcome.comment) <= 64 and outcome.comment.isascii()  # LO
    assert outcome.status == 0xA900 or 0xC000 <= outcome.status <= 0xCFFF  # PS3.4 Table B.2-1: failures


def test_what_is_fine_needs_no_words() -> None:
    outcome = Outcome(Kind.STORED, 1)
    assert (outcome.reason, outcome.comment, outcome.status) == ("", "", 0)


def test_the_list_shows_what_has_no_study_to_the_department_it_came_to(clinic: Any, dicom: Any) -> None:
    clinic.take_in(1)
    send(clinic, dicom.file(instance=""), department=clinic.foreign)
    send(clinic, dicom.file(2), department=clinic.foreign)
    own = clinic.people[Role.PACS_ADMINISTRATOR]
    other = clinic.person(50, Role.PACS_ADMINISTRATOR, clinic.foreign)
    assert clinic.services.aside.page(own, clinic.context()).rows == ()
    lines = clinic.services.aside.page(other, clinic.context()).rows
    assert [(line.row.study, line.sentence) for line in lines] == [
        (None, "It contradicts what is kept here. Kept aside."),
        (None, "One of its UIDs is missing or illegal. Kept aside."),
    ]
    assert [e.entry.studies for e in clinic.entries("aside.review")] == [(), ()]


def test_the_trail_shows_it(clinic: Any, dicom: Any) -> None:
    send(clinic, b"\0" * 500)
    lines = clinic.services.trail.page(clinic.people[Role.AUDITOR], clinic.context())
    [line] = [line for line in lines if line.action == "object.store"]
    assert (line.outcome, line.reason, line.patients, line.studies) == ("failed", "unreadable", (), ())
