"""The same object in another encoding is welcome; that is looked at only where two meet, and never in the writer."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest

from leadglass.access.principal import Role
from leadglass.archive import commit, sameness
from leadglass.archive.ingest import Kind, Outcome
from leadglass.index.fitting import Clash
from leadglass.store.blobs import Blobs

REFERENCES, UID, NAME, PADDING = 0x00081140, 0x00081155, 0x00100010, 0xFFFCFFFC
JPEG = "1.2.840.10008.1.2.4.50"
UNDEFINED = 0xFFFFFFFF
RECODED = Outcome(Kind.DUPLICATE, 1, recoded=True)


def level(head: bytes, content: bytes, end: int, *, is_open: bool) -> bytes:
    """A sequence or an item behind what begins its header, with its length or with a delimiter."""
    if not is_open:
        return head + struct.pack("<I", len(content)) + content
    return head + struct.pack("<I", UNDEFINED) + content + struct.pack("<HHI", 0xFFFE, end, 0)


def data_set(
    dicom: Any,
    *,
    is_open: bool = False,
    lengths: bool = False,
    padding: int = 0,
    referenced: str = "1.2",
    **what: Any,
) -> bytes:
    """A CT image that refers to another, encoded as said."""
    item = level(
        struct.pack("<HH", 0xFFFE, 0xE000), dicom.element(UID, "UI", referenced), 0xE00D, is_open=is_open
    )
    sequence = level(struct.pack("<HH2sH", 0x0008, 0x1140, b"SQ", 0), item, 0xE0DD, is_open=is_open)
    plain = dicom.data_set(**what)
    at = plain.index(struct.pack("<HH", 0x0010, 0x0010))
    group = dicom.element(0x00100000, "UL", b"\x2c\0\0\0") if lengths else b""
    tail = dicom.element(PADDING, "OB", bytes(padding)) if padding else b""
    return bytes(plain[:at] + sequence + group + plain[at:] + tail)


def send(clinic: Any, content: bytes, **options: Any) -> Outcome:
    outcome: Outcome = clinic.ingest([content], **options)
    return outcome


ENCODINGS: dict[str, dict[str, Any]] = {
    "delimiters": {"is_open": True},
    "group lengths": {"lengths": True},
    "padding": {"padding": 100_000},
    "all of it": {"is_open": True, "lengths": True, "padding": 2},
}
OTHERS: dict[str, dict[str, Any]] = {
    "another value": {"referenced": "1.3"},
    "another name": {"name": "Roentgen^Berta"},
    "other pixels": {"fill": 8, "is_open": True},
    "fewer pixels": {"pixels": bytes(510), "lengths": True},
}


@pytest.mark.parametrize("how", ENCODINGS)
def test_the_same_object_in_another_encoding_is_a_duplicate(
    clinic: Any, dicom: Any, descriptors: None, how: str
) -> None:
    first = dicom.part10(data_set(dicom))
    assert send(clinic, first).kind is Kind.STORED
    kept = clinic.blobs()
    again = dicom.part10(data_set(dicom, **ENCODINGS[how]))
    assert send(clinic, again) == RECODED
    assert clinic.blobs() == kept
    assert clinic.retrieved(clinic.doctor) == [first]
    assert clinic.scalar("SELECT count(*) FROM kept_aside") == 0


def test_the_other_way_round(clinic: Any, dicom: Any) -> None:
    """What is here may be the one with delimiters and padding."""
    first = dicom.part10(data_set(dicom, **ENCODINGS["all of it"]))
    send(clinic, first)
    assert send(clinic, dicom.part10(data_set(dicom))) == RECODED
    assert clinic.retrieved(clinic.doctor) == [first]


def test_the_record_says_that_it_came_and_was_encoded_in_another_way(clinic: Any, dicom: Any) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    send(clinic, dicom.part10(data_set(dicom)))
    again = dicom.part10(data_set(dicom, is_open=True))
    send(clinic, again)
    entries = [recorded.entry for recorded in clinic.entries("object.store")]
    assert [(entry.reason, entry.outcome) for entry in entries] == [
        ("stored", "allowed"),
        ("duplicate", "allowed"),
        ("duplicate", "allowed"),
    ]
    assert [entry.detail.get("recoded") for entry in entries] == [None, None, 1]
    assert entries[2].counts["bytes"] == len(again)
    assert entries[2].detail["instance"] == "1.2.3.1.1"


@pytest.mark.parametrize("what", OTHERS)
def test_other_values_are_kept_aside_as_ever(clinic: Any, dicom: Any, descriptors: None, what: str) -> None:
    first = dicom.part10(data_set(dicom))
    send(clinic, first)
    outcome = send(clinic, dicom.part10(data_set(dicom, **OTHERS[what])))
    assert outcome == Outcome(Kind.KEPT_ASIDE, clash=Clash.OTHER_CONTENT)
    assert clinic.retrieved(clinic.doctor) == [first]
    assert (len(clinic.blobs()), clinic.scalar("SELECT count(*) FROM kept_aside")) == (2, 1)
    assert clinic.entries("object.store")[-1].entry.reason == "other-content"


def test_another_transfer_syntax_is_another_object(clinic: Any, dicom: Any) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    outcome = send(clinic, dicom.part10(data_set(dicom, is_open=True), syntax=JPEG))
    assert outcome.clash is Clash.OTHER_CONTENT


# --- when it is looked at ---------------------------------------------------------------------------------


@pytest.fixture
def opened_blobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads by which a stored object was opened, in their order."""
    seen: list[str] = []
    real = Blobs.open

    def noted(blobs: Blobs, name: str, key: bytes) -> Any:
        seen.append(threading.current_thread().name)
        return real(blobs, name, key)

    monkeypatch.setattr(Blobs, "open", noted)
    return seen


def test_nothing_is_read_unless_two_meet_and_never_by_the_writer(
    clinic: Any, dicom: Any, opened_blobs: list[str]
) -> None:
    for content in (data_set(dicom), data_set(dicom), data_set(dicom, instance="1.2.3.1.2")):
        send(clinic, dicom.part10(content))
    other_syntax = data_set(dicom, instance="1.2.3.1.2", is_open=True)
    assert send(clinic, dicom.part10(other_syntax, syntax=JPEG)).kind is Kind.KEPT_ASIDE
    assert opened_blobs == []
    send(clinic, dicom.part10(data_set(dicom, is_open=True)))
    assert len(opened_blobs) == 2
    assert all(name.startswith("leadglass-examiner") for name in opened_blobs)


def test_what_is_kept_aside_already_is_not_looked_at_again(
    clinic: Any, dicom: Any, opened_blobs: list[str]
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    other = dicom.part10(data_set(dicom, fill=9))
    assert not send(clinic, other).again
    assert len(opened_blobs) == 2
    assert send(clinic, other).again
    assert len(opened_blobs) == 2


def test_for_another_department_nothing_is_looked_at(
    clinic: Any, dicom: Any, opened_blobs: list[str]
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    outcome = send(clinic, dicom.part10(data_set(dicom, is_open=True)), department=clinic.foreign)
    assert outcome == Outcome(Kind.KEPT_ASIDE, clash=Clash.OTHER_DEPARTMENT)
    assert opened_blobs == []


# --- what happens meanwhile -------------------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have something done after two objects were compared and before it is decided what that means."""

    def arrange(work: Callable[[], object]) -> None:
        def compared(*asked: Any) -> Any:
            answer = sameness.sameness(*asked)
            work()
            return answer

        monkeypatch.setattr(commit, "sameness", compared)

    return arrange


def test_others_are_stored_while_it_is_looked_at(
    clinic: Any, dicom: Any, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    meanwhile(lambda: send(clinic, dicom.part10(data_set(dicom, instance="1.2.3.1.2"))))
    assert send(clinic, dicom.part10(data_set(dicom, is_open=True))) == RECODED
    assert clinic.scalar("SELECT count(*) FROM instances") == 2


def test_when_the_first_is_gone_by_then_the_second_is_stored(
    clinic: Any, dicom: Any, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    meanwhile(lambda: clinic.sql("DELETE FROM instances"))
    again = dicom.part10(data_set(dicom, is_open=True))
    assert send(clinic, again).kind is Kind.STORED
    assert clinic.retrieved(clinic.doctor) == [again]


def test_when_the_first_is_gone_before_it_is_read_the_second_is_stored(
    clinic: Any, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))

    def late(*asked: Any) -> Any:
        clinic.sql("DELETE FROM instances")
        return sameness.sameness(*asked)

    monkeypatch.setattr(commit, "sameness", late)
    assert send(clinic, dicom.part10(data_set(dicom, is_open=True))).kind is Kind.STORED


def test_when_it_is_another_object_by_then_the_second_is_kept_aside(
    clinic: Any, dicom: Any, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    meanwhile(lambda: clinic.sql("UPDATE instances SET digest = :other", other=bytes(32)))
    outcome = send(clinic, dicom.part10(data_set(dicom, is_open=True)))
    assert outcome == Outcome(Kind.KEPT_ASIDE, clash=Clash.OTHER_CONTENT)


def test_when_it_belongs_to_another_department_by_then_nothing_is_said_of_it(
    clinic: Any, dicom: Any, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    meanwhile(lambda: clinic.sql("UPDATE studies SET department_id = :other", other=clinic.foreign))
    outcome = send(clinic, dicom.part10(data_set(dicom, is_open=True)))
    assert outcome.clash is Clash.OTHER_DEPARTMENT


def test_when_these_very_bytes_have_come_by_then_they_are_a_plain_duplicate(
    clinic: Any, dicom: Any, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    again = dicom.part10(data_set(dicom, is_open=True))

    def replaced() -> None:
        clinic.sql("DELETE FROM instances")
        assert send(clinic, again).kind is Kind.STORED

    meanwhile(replaced)
    outcome = send(clinic, again)
    assert (outcome.kind, outcome.recoded) == (Kind.DUPLICATE, False)
    assert clinic.retrieved(clinic.doctor) == [again]


def test_many_at_once(clinic: Any, dicom: Any) -> None:
    """The first of them may be in the very transaction in which the others find it."""
    futures = []
    for number in range(20):
        incoming = clinic.services.ingest.open(
            clinic.people[Role.TECHNOLOGIST], clinic.own, "stow", clinic.context()
        )
        content = data_set(dicom, padding=2 * number, is_open=bool(number % 2))
        incoming.write(dicom.part10(content))
        futures.append(incoming.finish())
    kinds = [future.result(30).kind for future in futures]
    assert (kinds.count(Kind.STORED), kinds.count(Kind.DUPLICATE)) == (1, 19)
    # In a stream of objects empty files are made ahead.
    assert sum(path.stat().st_size > 0 for path in clinic.blobs()) == 1
    assert len(clinic.entries("object.store")) == 20


# --- what goes wrong --------------------------------------------------------------------------------------


def flip(path: Any) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [flip, lambda path: path.unlink()], ids=["altered", "gone"])
def test_what_cannot_be_read_is_not_the_same(
    clinic: Any, dicom: Any, descriptors: None, harm: Callable[[Any], None]
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    [blob] = clinic.blobs()
    harm(blob)
    outcome = send(clinic, dicom.part10(data_set(dicom, is_open=True)))
    assert outcome == Outcome(Kind.KEPT_ASIDE, clash=Clash.OTHER_CONTENT)
    assert len([path for path in clinic.blobs() if path != blob]) == 1


def test_a_fault_of_ours_is_told_and_leaves_nothing(
    clinic: Any, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    kept = clinic.blobs()

    def broken(*_: Any) -> Any:
        raise AssertionError("a bug")

    monkeypatch.setattr(commit, "sameness", broken)
    with pytest.raises(AssertionError):
        send(clinic, dicom.part10(data_set(dicom, is_open=True)))
    assert clinic.blobs() == kept
    monkeypatch.undo()
    assert send(clinic, dicom.part10(data_set(dicom, is_open=True))) == RECODED


def test_without_an_entry_it_is_no_duplicate(clinic: Any, dicom: Any, mute: Callable[[], None]) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    kept = clinic.blobs()
    mute()
    with pytest.raises(Exception, match="full"):
        send(clinic, dicom.part10(data_set(dicom, is_open=True)))
    assert clinic.blobs() == kept


def test_what_is_looked_at_when_the_archive_closes_is_decided_first(
    clinic: Any, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(clinic, dicom.part10(data_set(dicom)))
    begun, go = threading.Event(), threading.Event()

    def slow(*asked: Any) -> Any:
        begun.set()
        assert go.wait(30)
        return sameness.sameness(*asked)

    monkeypatch.setattr(commit, "sameness", slow)
    incoming = clinic.services.ingest.open(
        clinic.people[Role.TECHNOLOGIST], clinic.own, "stow", clinic.context()
    )
    incoming.write(dicom.part10(data_set(dicom, is_open=True)))
    committed = incoming.finish()
    assert begun.wait(30)
    closing = threading.Thread(target=clinic.services.ingest.close)
    closing.start()
    go.set()
    assert committed.result(30) == RECODED
    closing.join(30)
    monkeypatch.undo()
    # What comes later still is decided, by whoever is left.
    assert send(clinic, dicom.part10(data_set(dicom, lengths=True))) == RECODED
    clinic.services.ingest.close()
