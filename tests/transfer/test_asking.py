"""Echo and find against pynetdicom: what comes back, how it ends, and what a refusal tells people."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pacs import FIND, GET, Pacs, image

from leadglass.dicom.charset import charset_of
from leadglass.dicom.values import texts
from leadglass.errors import Refused, Unreachable, Violation
from leadglass.transfer import query
from leadglass.transfer.association import associated
from leadglass.transfer.query import Level, Outcome, Query, find, path_of
from leadglass.transfer.retrieve import rows
from leadglass.transfer.target import Endpoint, Target, parse_target
from leadglass.transfer.verify import echo


def endpoint(pacs: Pacs, calling: str = "LEADGLASS", title: str = "") -> Endpoint:
    return Endpoint(parse_target(f"{title or pacs.title}@127.0.0.1:{pacs.port}"), calling)


async def asked(where: Endpoint, wanted: Query, most: int | None = None) -> tuple[list[Any], Outcome]:
    outcome = Outcome()
    async with associated(where, query.PROPOSALS) as link:
        found = [row async for row in find(link, wanted, outcome, most=most)]
    return found, outcome


def test_somebody_is_there() -> None:
    with Pacs([]).running() as pacs:
        answer = asyncio.run(echo(endpoint(pacs, "SCANNER")))
    assert answer.implementation.startswith("PYNETDICOM")
    assert answer.answered > 0 and not answer.tls
    assert pacs.callers == ["SCANNER"]


def test_a_calling_title_it_does_not_know_is_explained() -> None:
    with Pacs([]).running(callers=["SOMEBODY"]) as pacs, pytest.raises(Refused) as refused:
        asyncio.run(echo(endpoint(pacs, "STRANGER")))
    assert refused.value.code == "calling-not-recognized"
    assert "add STRANGER" in str(refused.value) and "--calling" in str(refused.value)


def test_a_called_title_that_is_not_its_own_is_explained() -> None:
    with Pacs([]).running() as pacs, pytest.raises(Refused, match="OTHER is not what it calls itself"):
        asyncio.run(echo(endpoint(pacs, title="OTHER")))


def test_nobody_there() -> None:
    with Pacs([]).running() as pacs:
        pass
    with pytest.raises(Unreachable, match="Connection refused"):
        asyncio.run(echo(endpoint(pacs)))


def test_no_such_host() -> None:
    with pytest.raises(Unreachable, match="no such name"):
        asyncio.run(echo(Endpoint(Target("PACS", "host.invalid", 104), "LEADGLASS")))


def test_rows_with_names_in_any_script() -> None:
    japanese = image(2, PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", SpecificCharacterSet="ISO_IR 192")
    with Pacs([image(1), japanese]).running() as pacs:
        found, outcome = asyncio.run(asked(endpoint(pacs), Query.of(Level.STUDY, {})))
    names = [texts(row[0x00100010], charset_of(row)) for row in found]
    assert names == [("Test^1",), ("Yamada^Tarou=山田^太郎=やまだ^たろう",)]
    assert outcome.is_whole and outcome.rows == 2


def test_keys_go_out_as_they_were_meant() -> None:
    keys = {
        "PatientName": "Müller*",
        "StudyDate": "20260101-",
        "00080050": "A-1",
        "RequestAttributesSequence.ScheduledProcedureStepID": "7",
    }
    with Pacs([]).running() as pacs:
        asyncio.run(asked(endpoint(pacs), Query.of(Level.STUDY, keys)))
    sent = pacs.asked[0]
    assert (sent.QueryRetrieveLevel, str(sent.PatientName), sent.StudyDate) == (
        "STUDY",
        "Müller*",
        "20260101-",
    )
    assert (sent.AccessionNumber, sent.SpecificCharacterSet) == ("A-1", "ISO_IR 192")
    assert sent.RequestAttributesSequence[0].ScheduledProcedureStepID == "7"
    assert "StudyDescription" in sent and not sent.StudyDescription


def test_enough_is_enough() -> None:
    images = [image(n) for n in range(1, 500)]
    with Pacs(images).running() as pacs:
        found, outcome = asyncio.run(asked(endpoint(pacs), Query.of(Level.STUDY, {}), most=3))
    assert len(found) == 3 and outcome.untold
    assert pacs.cancelled == 1


@pytest.mark.parametrize(("manner", "rows_", "said"), [("fail", 2, "C001h"), ("refuse", 0, "A700h")])
def test_a_query_that_fails_says_why_and_keeps_what_came(manner: str, rows_: int, said: str) -> None:
    with Pacs([image(n) for n in range(1, 5)], cap=2, manner=manner).running() as pacs:
        found, outcome = asyncio.run(asked(endpoint(pacs), Query.of(Level.STUDY, {})))
    assert len(found) == rows_ and not outcome.is_whole
    with pytest.raises(Refused, match=said):
        query.require_success(outcome)


def test_a_limit_that_is_called_a_cancellation_is_a_limit() -> None:
    """As Orthanc does it."""
    with Pacs([image(n) for n in range(1, 5)], cap=2, manner="cancel").running() as pacs:
        found, outcome = asyncio.run(asked(endpoint(pacs), Query.of(Level.STUDY, {})))
    assert len(found) == 2 and outcome.untold and not outcome.is_whole
    query.require_success(outcome)


def test_an_archive_that_answers_no_queries() -> None:
    with Pacs([]).running(classes=GET) as pacs, pytest.raises(Refused, match="does not offer queries"):
        asyncio.run(asked(endpoint(pacs), Query.of(Level.STUDY, {})))


def test_levels_below_the_study() -> None:
    images = [image(1, series, number) for series in (1, 2) for number in (1, 2, 3)]

    async def ask(pacs: Pacs) -> None:
        async with associated(endpoint(pacs), query.PROPOSALS) as link:
            series = await rows(
                link, Level.SERIES, {"StudyInstanceUID": "1.2.1"}, ("NumberOfSeriesRelatedInstances",)
            )
            assert [row["SeriesInstanceUID"] for row in series] == ["1.2.1.1", "1.2.1.2"]
            assert [row["NumberOfSeriesRelatedInstances"] for row in series] == ["3", "3"]
            keys = {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.2"}
            assert len(await rows(link, Level.IMAGE, keys, ())) == 3
            with pytest.raises(Refused):
                await rows(link, Level.IMAGE, keys, (), most=2)

    with Pacs(images).running(classes=FIND) as pacs:
        asyncio.run(ask(pacs))


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("PatientID", (0x00100020,)),
        ("00100020", (0x00100020,)),
        ("(0010,0020)", (0x00100020,)),
        ("0010,0020", (0x00100020,)),
        ("RequestAttributesSequence.ScheduledProcedureStepID", (0x00400275, 0x00400009)),
    ],
)
def test_a_key(word: str, path: tuple[int, ...]) -> None:
    assert path_of(word) == path


@pytest.mark.parametrize(
    "word", ["", "Patient ID", "0010002", "PatientID.PatientName", "A.B", "00091001", "a.b.c"]
)
def test_no_key(word: str) -> None:
    with pytest.raises(Violation):
        path_of(word)


def test_a_number_is_asked_for_as_one() -> None:
    encoded = Query.of(Level.IMAGE, {"Rows": "512"}, returned=()).encode("1.2.840.10008.1.2.1")
    assert b"\x28\x00\x10\x00US\x02\x00\x00\x02" in encoded
    with pytest.raises(Violation):
        Query.of(Level.IMAGE, {"Rows": "many"}, returned=()).encode("1.2.840.10008.1.2.1")
