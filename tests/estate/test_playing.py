"""The zoo, visited by pynetdicom: each does what the truth says of it."""

from __future__ import annotations

import ssl
from datetime import timedelta
from typing import Any

import pytest
from estate.archive import DAYS, FIRST, MODALITIES
from estate.dicom import Finding, Manner
from estate.kinds import CLOSED, HONEYPOTS, KINDS, OPEN
from estate.starting import Playing, own_range, playing
from estate_stranger import (
    CT,
    ECHO,
    IMPLICIT,
    PATIENT,
    STUDY,
    WORKLIST,
    answers,
    associated,
    find,
    heard,
    identifier,
    request,
)

from leadglass.dicom.dictionary import transfer_syntax
from leadglass.dicom.writer import encode_dataset
from leadglass.dimse.command import Command, Field
from leadglass.ul.wire import p_data

PLAIN = sorted(name for name, kind in OPEN.items() if not kind.tls and name not in {"capped-50000", "slow"})
REJECTIONS = {
    "checks-called": (1, 1, 7),
    "checks-called-known": (1, 1, 7),
    "checks-calling": (1, 1, 3),
    "checks-both": (1, 1, 3),
    "busy": (2, 3, 1),
    "limit-exceeded": (2, 3, 2),
    "rejects": (1, 1, 1),
    "rejects-context": (1, 1, 2),
}


def manner_of(kind: str) -> Manner:
    manner = KINDS[kind].plays.keywords["manner"]  # type: ignore[attr-defined]
    assert isinstance(manner, Manner)
    return manner


def place(zoo: Playing, kind: str) -> tuple[str, int, dict[str, Any]]:
    address, port = zoo.port(kind)
    return address, port["port"], port


@pytest.mark.parametrize("kind", [*PLAIN, "slow"])
def test_an_open_archive_answers_as_the_truth_says(zoo: Playing, kind: str) -> None:
    address, port, known = place(zoo, kind)
    manner = manner_of(kind)
    with associated(address, port, STUDY) as found:
        assert found.is_established
        nothing, status = find(found, StudyDate="18000101")
        if "StudyDate" not in manner.ignores:
            assert (nothing, status) == ([], 0)
        everything, status = find(found)
    if manner.limit:
        assert (everything, status) == ([], 0xA700)
        return
    assert status == 0
    if known["back_ends"][1:]:
        assert len(everything) in known["back_ends"]
    else:
        assert len(everything) == min(known["studies"], manner.cap or known["studies"])
    assert len({match.StudyInstanceUID for match in everything}) == len(everything)


UNTRIED = {"tls-open", "tls-weak", "tls-mutual", "capped-50000"}


@pytest.mark.parametrize("kind", sorted({*OPEN, *CLOSED, *HONEYPOTS} - UNTRIED))
def test_the_ladder_ends_where_the_truth_says(zoo: Playing, kind: str) -> None:
    """Associate, echo, query: how far a stranger gets under titles that nobody knows."""
    address, port, known = place(zoo, kind)
    with associated(address, port, ECHO, STUDY) as found:
        associates = found.is_established
        echoes = associates and ECHO in {c.abstract_syntax for c in found.accepted_contexts}
        echoes = echoes and found.send_c_echo().get("Status") == 0
    answered = False
    if associates:
        with associated(address, port, STUDY) as found:
            answered = found.is_established and answers(found, StudyDate="18000101")
    # One that takes a limit for an answer, or a key for an attack, is asked otherwise by who knows its way.
    answers_with = 4 if known.get("studies") else 3
    assert (answers_with if answered else 2 if echoes else 1 if associates else 0) in known["levels"]
    assert ("D05" in known["checks"]) == echoes
    assert ("D06" in known["checks"]) == answered


@pytest.mark.parametrize(("kind", "expected"), REJECTIONS.items())
def test_a_rejection_says_why(zoo: Playing, kind: str, expected: tuple[int, int, int]) -> None:
    got, _ = heard(*place(zoo, kind)[:2], 10)
    assert got[:6] == b"\x03\0\0\0\0\4"
    assert tuple(got[7:10]) == expected


def test_bisected_by_year_a_cap_hides_nothing(zoo: Playing) -> None:
    address, port, known = place(zoo, "capped-500")
    seen: set[str] = set()
    with associated(address, port, STUDY) as found:
        for year in range(2009, 2020):
            matches, _ = find(found, StudyDate=f"{year}0101-{year}1231")
            assert len(matches) < 500
            seen |= {match.StudyInstanceUID for match in matches}
    assert len(seen) == known["studies"]


@pytest.mark.parametrize(
    ("kind", "key"), [("capped-burst", "StudyTime"), ("capped-moment", "ModalitiesInStudy")]
)
def test_some_days_have_to_be_divided_further(zoo: Playing, kind: str, key: str) -> None:
    address, port, _ = place(zoo, kind)
    day = f"{FIRST + timedelta(DAYS // 2):%Y%m%d}"
    parts = (
        MODALITIES if key == "ModalitiesInStudy" else tuple(f"{hour:02d}-{hour:02d}" for hour in range(24))
    )
    with associated(address, port, STUDY) as found:
        assert len(find(found, StudyDate=day)[0]) == 500
        counts = [len(find(found, StudyDate=day, **{key: part})[0]) for part in parts]
    assert max(counts) < 500 < sum(counts)


def test_studies_without_a_date_are_found_by_none(zoo: Playing) -> None:
    address, port, known = place(zoo, "undated")
    with associated(address, port, STUDY) as found:
        dated = find(found, StudyDate="19000101-")[0]
        everything = find(found)[0]
    assert len(everything) - len(dated) == known["undated"] > 0


def test_people_are_fewer_than_studies(zoo: Playing) -> None:
    address, port, known = place(zoo, "open")
    with associated(address, port, PATIENT) as found:
        matches, status = find(found, PATIENT, "PATIENT", PatientID="", PatientName="")
    assert status == 0
    assert len({match.PatientID for match in matches}) == known["people"] < known["studies"]


@pytest.mark.parametrize(("kind", "status"), [("honeypot", 0xFE00), ("deaf-to-cancel", 0)])
def test_a_cancel_is_heard_by_who_listens(zoo: Playing, kind: str, status: int) -> None:
    """Sent right behind the query: of two million matches few come, or all there are from one that is deaf."""
    address, port, known = place(zoo, kind)
    asked = encode_dataset([(0x00080052, "CS", b"STUDY"), (0x0020000D, "UI", b"")], transfer_syntax(IMPLICIT))
    find = Command(
        Field.C_FIND_RQ, message_id=7, affected_sop_class_uid=STUDY, priority=0, has_dataset=True
    ).encode()
    cancel = Command(Field.C_CANCEL_RQ, responding_to=7).encode()
    says = request(STUDY) + p_data(1, True, True, len(find)) + find
    says += p_data(1, False, True, len(asked)) + asked + p_data(1, True, True, len(cancel)) + cancel
    got, _ = heard(address, port, known["studies"] * 1_000, says)
    final = Command(Field.C_FIND_RSP, responding_to=7, status=status, affected_sop_class_uid=STUDY)
    assert got.endswith(final.encode())
    matches = got.count(b"STUDY ")
    assert matches < 10_000 if status else matches == known["studies"]


def test_a_honeypot_takes_what_does_not_exist(zoo: Playing) -> None:
    address, port, _ = place(zoo, "honeypot")
    with associated(address, port, "1.2.826.0.1.3680043.10.1561.99") as found:
        assert found.is_established
    address, port, _ = place(zoo, "dicompot")
    with associated(address, port, ECHO) as found:
        answer = found.acceptor
        assert (answer.implementation_class_uid, answer.maximum_length) == (None, 4 << 20)


@pytest.mark.parametrize(
    ("kind", "called", "calling"),
    [
        ("checks-called", "RADPACS7", "ANY"),
        ("checks-calling", "ANY", "PACS_S"),
        ("checks-both", "PACS", "PACS_S"),
    ],
)
def test_whoever_knows_the_titles_is_let_in(zoo: Playing, kind: str, called: str, calling: str) -> None:
    address, port, _ = place(zoo, kind)
    with associated(address, port, ECHO, called=called, calling=calling) as found:
        assert found.is_established
        assert found.send_c_echo().Status == 0


def test_orthanc_s_way_of_refusing(zoo: Playing) -> None:
    """It takes the context, takes objects from anybody, and aborts when it is asked."""
    address, port, _ = place(zoo, "orthanc-like")
    with associated(address, port, STUDY, CT) as found:
        assert {context.abstract_syntax for context in found.accepted_contexts} == {STUDY, CT}
        assert find(found) == ([], None)
    assert found.is_aborted


def test_the_picky_one_aborts_for_a_key_it_does_not_know(zoo: Playing) -> None:
    address, port, known = place(zoo, "picky")
    with associated(address, port, STUDY) as found:
        assert len(find(found)[0]) == known["studies"]
        assert find(found, NumberOfStudyRelatedInstances="") == ([], None)


def test_a_worklist_answers_and_a_key_that_nothing_matches_gets_nothing(zoo: Playing) -> None:
    address, port, _ = place(zoo, "worklist")
    with associated(address, port, WORKLIST) as found:
        for name, many in (("", 12), ("NOBODY", 0)):
            asked = identifier("", {"PatientName": "", "AccessionNumber": name})
            codes = [status.Status for status, _ in found.send_c_find(asked, WORKLIST)]
            assert codes == [0xFF00] * many + [0]


def test_the_load_balancer_has_two_minds(zoo: Playing) -> None:
    address, port, _ = place(zoo, "load-balanced")
    said = set()
    for _turn in range(2):
        with associated(address, port, ECHO) as found:
            said.add(found.acceptor.implementation_class_uid)
    assert len(said) == 2


def test_doors_of_one_archive_lead_to_the_same_studies(zoo: Playing) -> None:
    doors = [(system["address"], port["port"]) for system in zoo.systems("open") for port in system["ports"]]
    assert len(doors) == 6
    seen = set()
    for address, port in doors:
        with associated(address, port, STUDY) as found:
            seen.add(frozenset(str(match.StudyInstanceUID) for match in find(found)[0]))
    assert len(seen) == 1


def unchecked(**how: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in how.items():
        setattr(context, name, value)
    return context


def test_tls_is_open_to_anybody_who_speaks_it(zoo: Playing) -> None:
    address, port, known = place(zoo, "tls-open")
    with associated(address, port, STUDY) as found:
        assert not found.is_established
    with associated(address, port, STUDY, tls=unchecked()) as found:
        assert len(find(found)[0]) == known["studies"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_weak_tls_speaks_what_nobody_should(zoo: Playing) -> None:
    address, port, _ = place(zoo, "tls-weak")
    old = unchecked()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1
    with associated(address, port, ECHO, tls=old) as found:
        assert found.is_established
    address, port, _ = place(zoo, "tls-open")
    with associated(address, port, ECHO, tls=old) as found:
        assert not found.is_established


def test_without_the_certificate_nobody_comes_in(zoo: Playing) -> None:
    address, port, _ = place(zoo, "tls-mutual")
    with associated(address, port, ECHO, tls=unchecked()) as found:
        assert not found.is_established


def test_what_strangers_did_is_on_the_log() -> None:
    with playing("small", range_=own_range(2)) as small:
        address, port = small.port("open")
        with associated(address, port["port"], ECHO, STUDY, CT) as found:
            found.send_c_echo()
            find(found)
    (door,) = [each for each in small.log["doors"] if each["address"] == address]
    expected = {"connections": 1, "associations": 1, "C_ECHO_RQ": 1, "C_FIND_RQ": 1, "releases": 1}
    assert {name: door[name] for name in expected} == expected
    assert door["most_at_once"] == 1
    assert small.log["total"] == expected  # and nothing else anywhere: no C-STORE, no C-GET, no C-MOVE


def test_every_kind_that_finds_says_how() -> None:
    """What the table says of a kind and how it behaves are one: the checks are computed from the manner."""
    for name, kind in {**OPEN, **CLOSED}.items():
        if kind.tls is None and ("D06" in kind.checks) != kind.is_open:
            pytest.fail(f"{name} is {kind.verdict} and has {kind.checks}")
        if manner_of(name).finding is not Finding.ANSWERS:
            assert "D07" not in kind.checks
