"""C-FIND over the network's own code: statuses, pages on the record, cancels, who sees what (PS3.4 C.4.1)."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pydicom
import pytest

from leadglass.access.principal import Via
from leadglass.db.engine import Transaction
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import Command, Field
from leadglass.dimse.status import Category, category
from leadglass.errors import StorageFull
from leadglass.net.link import Link
from leadglass.scp.find import Find
from leadglass.ul.items import ExtendedNegotiation

from .conftest import EXPLICIT, IMPLICIT, calling, identifier, run

STUDY_ROOT, PATIENT_ROOT = uids.STUDY_ROOT_FIND, uids.PATIENT_ROOT_FIND
PENDING, PARTLY, SUCCESS, CANCELLED = 0xFF00, 0xFF01, 0x0000, 0xFE00
ALL_STUDIES = identifier("STUDY", StudyInstanceUID="", PatientID="")


@dataclass
class Found:
    responses: list[Command] = field(default_factory=list)
    matches: list[pydicom.Dataset] = field(default_factory=list)

    @property
    def final(self) -> Command:
        return self.responses[-1]

    @property
    def statuses(self) -> list[int | None]:
        return [response.status for response in self.responses]


def asking(
    house: Any,
    data: bytes,
    *,
    model: str = STUDY_ROOT,
    syntax: str = EXPLICIT,
    agreed: bytes = b"",
    ae: Any = None,
    via: Via = Via.DIMSE,
    command_class: str = "",
    each: Callable[[Any, int], Any] | None = None,
) -> Found:
    """One C-FIND. `each` is called with the link and the number of every response."""

    async def whole() -> Found:
        handlers = {Field.C_FIND_RQ: Find(house.services.search, house.workers)}
        extended = (ExtendedNegotiation(model, agreed),) if agreed else ()
        async with (
            house.listening(handlers, ae or house.ae(), via) as port,
            calling(port, (model, (syntax,)), extended=extended) as link,
        ):
            return await _asked(link, data, command_class or model, syntax, each)

    return run(whole())  # type: ignore[no-any-return]


async def _asked(link: Any, data: bytes, model: str, syntax: str, each: Any) -> Found:
    request = Command(
        Field.C_FIND_RQ, message_id=1, affected_sop_class_uid=model, priority=0, has_dataset=True
    )
    found = Found()
    async with aclosing(link.responses(1, request, data)) as responses:
        async for message in responses:
            found.responses.append(message.command)
            if message.data is not None:
                raw = io.BytesIO(await message.data.read(1 << 20))
                found.matches.append(pydicom.filereader.read_dataset(raw, syntax == IMPLICIT, True))
            if each is not None:
                await each(link, len(found.responses))
    return found


# --- what comes back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_matches_then_success(filled: Any, syntax: str) -> None:
    data = identifier("STUDY", syntax, StudyInstanceUID="", PatientName="ROENT*", ModalitiesInStudy="")
    found = asking(filled, data, syntax=syntax)
    assert found.statuses == [PENDING, PENDING, SUCCESS]
    assert {match.StudyInstanceUID for match in found.matches} == {"1.2.3", "1.4"}
    match = found.matches[0]
    assert set(match.dir()) == {
        "QueryRetrieveLevel", "RetrieveAETitle", "InstanceAvailability", "StudyInstanceUID", "PatientName",
        "ModalitiesInStudy",
    }  # fmt: skip
    assert (match.QueryRetrieveLevel, match.RetrieveAETitle, match.InstanceAvailability) == (
        "STUDY", "LEADGLASS", "ONLINE",
    )  # fmt: skip
    assert not found.final.has_dataset


LEVELS = {
    "PATIENT": ({"PatientID": ""}, {"P-1"}, "PatientID"),
    "STUDY": ({"PatientID": "P-1", "StudyInstanceUID": ""}, {"1.2.3", "1.4"}, "StudyInstanceUID"),
    "SERIES": ({"PatientID": "P-1", "StudyInstanceUID": "1.2.3"}, {"1.2.3.1"}, "SeriesInstanceUID"),
    "IMAGE": (
        {"PatientID": "P-1", "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1"},
        {"1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"},
        "SOPInstanceUID",
    ),
}


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_the_patient_root(filled: Any, level: str) -> None:
    keys, expected, unique = LEVELS[level]
    found = asking(filled, identifier(level, **keys), model=PATIENT_ROOT)
    assert {getattr(match, unique) for match in found.matches} == expected
    assert found.final.status == SUCCESS


def test_counts_of_a_patient(filled: Any) -> None:
    data = identifier(
        "PATIENT", PatientID="P-1", NumberOfPatientRelatedStudies="", NumberOfPatientRelatedInstances=""
    )
    [match] = asking(filled, data, model=PATIENT_ROOT).matches
    assert (match.NumberOfPatientRelatedStudies, match.NumberOfPatientRelatedInstances) == (2, 4)


def test_nothing_found_is_success_alone(filled: Any) -> None:
    assert asking(filled, identifier("STUDY", PatientID="nobody")).statuses == [SUCCESS]


def test_keys_that_are_not_supported_are_said_with_every_match(filled: Any) -> None:
    found = asking(filled, identifier("STUDY", StudyInstanceUID="1.2.3", InstitutionName=""))
    assert found.statuses == [PARTLY, SUCCESS]
    assert "InstitutionName" not in found.matches[0]


def test_names_come_back_in_the_characters_of_the_query(filled: Any) -> None:
    name = "M\xfcller^J\xf6rg"
    filled.take_in(filled.dicom.file(1, study="1.6", series="1.6.1", instance="1.6.1.1"))
    rename = "UPDATE studies SET patient_name = ? WHERE study_instance_uid = '1.6'"
    filled.services.db.write(lambda tx: tx.connection.exec_driver_sql(rename, (name,))).result(30)
    keys = {"StudyInstanceUID": "1.6", "PatientName": ""}
    for terms, answered in (
        ("ISO_IR 192", "ISO_IR 192"),
        ("ISO_IR 100", "ISO_IR 100"),
        ("ISO_IR 144", "ISO_IR 192"),
    ):
        [match] = asking(filled, identifier("STUDY", SpecificCharacterSet=terms, **keys)).matches
        match.decode()
        assert (match.SpecificCharacterSet, match.PatientName) == (answered, name)
    [match] = asking(filled, identifier("STUDY", **keys)).matches
    assert match.SpecificCharacterSet == "ISO_IR 100"


def test_relational_and_moments_where_agreed(filled: Any) -> None:
    series = identifier("SERIES", SeriesInstanceUID="", Modality="CT")
    assert asking(filled, series).final.status == 0xA900
    assert len(asking(filled, series, agreed=b"\1").matches) == 2
    # All studies are of 31 January and have no time: of them the day decides, where date and time are one.
    days = identifier("STUDY", StudyInstanceUID="", StudyDate="20260130-20260201", StudyTime="10-18")
    assert asking(filled, days).matches == []
    assert len(asking(filled, days, agreed=b"\0\1").matches) == 2


# --- who, and on the record ----------------------------------------------------------------------------------


def test_an_ae_sees_its_own_department(filled: Any) -> None:
    found = asking(filled, ALL_STUDIES, ae=filled.ae(department=filled.foreign))
    assert [match.StudyInstanceUID for match in found.matches] == ["1.5"]
    [entry] = [recorded.entry for recorded in filled.entries("study.search")]
    assert (entry.actor, entry.via, entry.studies) == ("ae:7", "dimse", ("1.5",))


@pytest.mark.parametrize(
    ("allow", "via"),
    [({"store", "get"}, Via.DIMSE), ({"store", "find"}, Via.RECEIVE)],
    ids=["not allowed", "receive-only"],
)
def test_who_may_not_search_gets_nothing_and_is_recorded(filled: Any, allow: set[str], via: Via) -> None:
    ae = filled.ae(allow=frozenset(allow), receive_only=via is Via.RECEIVE)
    found = asking(filled, ALL_STUDIES, ae=ae, via=via)
    assert found.statuses == [0x0124]
    assert filled.entries("study.search")[-1].entry.outcome == "denied"


def test_each_page_is_on_the_record_before_it_arrives(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadglass.archive.search.FIRST_PAGE", 1)
    named: list[tuple[str, ...]] = []

    async def each(_: Any, number: int) -> None:
        named.append(tuple(uid for one in filled.entries("study.search") for uid in one.entry.studies))

    found = asking(filled, ALL_STUDIES, each=each)
    for number, match in enumerate(found.matches):
        assert match.StudyInstanceUID in named[number]
    assert len(filled.entries("study.search")) == 2


def test_without_an_entry_no_match(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tx: Transaction, *_: object) -> int:
        raise StorageFull("The disk is full.")

    monkeypatch.setattr(filled.services.doorkeeper.log, "append", full)
    found = asking(filled, ALL_STUDIES)
    assert found.statuses == [0xA700]
    assert not found.matches


def test_what_fails_half_way_says_so(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadglass.archive.search.FIRST_PAGE", 1)
    append, seen = filled.services.doorkeeper.log.append, []

    def second_fails(tx: Transaction, entry: Any, now: int) -> int:
        seen.append(entry)
        if len(seen) > 1:
            raise StorageFull("The disk is full.")
        return append(tx, entry, now)  # type: ignore[no-any-return]

    monkeypatch.setattr(filled.services.doorkeeper.log, "append", second_fails)
    found = asking(filled, ALL_STUDIES)
    assert found.statuses == [PENDING, 0xA700]


# --- ends ----------------------------------------------------------------------------------------------------


def test_a_cancelled_query_ends_between_two_pages(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadglass.archive.search.FIRST_PAGE", 1)
    monkeypatch.setattr("leadglass.archive.search.MAX_LIMIT", 1)
    pages, noted, cancelled = filled.services.search.pages, threading.Event(), Link._cancel

    def slowly(_: object, *asked: Any) -> Any:
        """The second page waits until the cancel has been noted."""
        for number, page in enumerate(pages(*asked)):
            assert number == 0 or noted.wait(30)
            yield page

    def note(link: Link, command: Command) -> None:
        cancelled(link, command)
        noted.set()

    async def each(link: Link, number: int) -> None:
        if number == 1:
            await link.send(1, Command(Field.C_CANCEL_RQ, responding_to=1))

    monkeypatch.setattr(type(filled.services.search), "pages", slowly)
    monkeypatch.setattr(Link, "_cancel", note)
    found = asking(filled, identifier("IMAGE", SOPInstanceUID=""), agreed=b"\1", each=each)
    assert found.statuses == [PENDING, PENDING, CANCELLED]
    assert len(filled.entries("study.search")) == 2, "what was not sent is not on the record"


@pytest.mark.parametrize(
    ("data", "status", "tag", "comment"),
    [
        (identifier(PatientID="P-1"), 0xA900, 0x00080052, "Missing or illegal: QueryRetrieveLevel"),
        (identifier("PATIENT", PatientID=""), 0xA900, 0x00080052, "Missing or illegal: QueryRetrieveLevel"),
        (
            identifier("SERIES", StudyInstanceUID=""),
            0xA900,
            0x0020000D,
            "Missing or illegal: StudyInstanceUID",
        ),
        (identifier("STUDY", StudyDate="Zzyzx"), 0xA900, 0x00080020, "Missing or illegal: StudyDate"),
        (b"\x08\x00\x52\x00CS\xff\xff", 0xC000, None, "The identifier cannot be read"),
        (bytes(2 << 20), 0xC000, None, "The identifier is larger or deeper than is taken"),
    ],
)
def test_identifiers_that_are_none(
    filled: Any, data: bytes, status: int, tag: int | None, comment: str
) -> None:
    found = asking(filled, data)
    assert found.statuses == [status]
    assert found.final.error_comment == comment
    assert found.final.offending_elements == (() if tag is None else (tag,))


def test_a_command_of_another_sop_class(filled: Any) -> None:
    assert asking(filled, ALL_STUDIES, command_class=PATIENT_ROOT).statuses == [0x0122]
    assert asking(filled, ALL_STUDIES, model=uids.STUDY_ROOT_GET).statuses == [0x0122]


def test_every_status_is_of_its_category(filled: Any) -> None:
    found = asking(filled, ALL_STUDIES)
    assert [category(status or 0) for status in found.statuses[:-1]] == [Category.PENDING] * 2
