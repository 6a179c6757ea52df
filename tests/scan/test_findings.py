from __future__ import annotations

import pytest
from observed import (
    CALLED,
    CALLING,
    CT,
    DCMTK,
    HERE,
    MPPS,
    QUERY_RETRIEVE,
    SC,
    associate,
    checks,
    control,
    count,
    dcmqrscp_open,
    echo,
    find,
    found,
    http,
    identifiers,
    named,
    offers,
    orthanc_as_packaged,
    orthanc_web,
    qido,
    refuses_strangers,
    rejected,
    seen,
    storescp,
    tcp,
    tls,
)

from leadglass.dimse import sop_classes
from leadglass.scan import manner
from leadglass.scan.checks import CHECKS, Severity
from leadglass.scan.findings import RULES, findings
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.words import About

_ASSOCIATES = ("associate", "associate-named", "offers")


def test_every_check_has_a_rule_and_every_rule_a_check() -> None:
    assert set(RULES) == set(CHECKS)


def test_nothing_seen_is_nothing_found() -> None:
    assert findings((), is_private=False) == ()


# What is no finding, whoever claims it to be one.


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("probe", ["tcp", "associate", "offers", "echo", "find-none", "count", "tls", "http"])
def test_an_outcome_alone_proves_no_open_data(probe: str, outcome: Outcome) -> None:
    data = {"D06", "D07", "D10", "W01", "W02", "W03", "W04", "W09"}
    assert not data & checks(seen(probe, outcome))


def test_an_association_without_a_context_lets_nobody_in() -> None:
    assert checks(associate(Outcome.EMPTY, **DCMTK)) == {"D01", "F01"}
    assert not {"D02", "D03", "T01", "T03"} & checks(associate(Outcome.EMPTY, tls=True))


@pytest.mark.parametrize(
    "outcome",
    [Outcome.REJECTED, Outcome.ABORTED, Outcome.CLOSED, Outcome.MUTE, Outcome.FOREIGN, Outcome.MISBEHAVES],
)
def test_who_lets_nobody_in_has_no_unchecked_title(outcome: Outcome) -> None:
    assert checks(associate(outcome)) <= {"D01"}


def test_a_port_number_names_no_product() -> None:
    assert checks(tcp(port=4242), seen("associate", Outcome.FOREIGN, port=4242, looks_like="http")) == set()


@pytest.mark.parametrize("status", [401, 403, 302, 500, 404])
def test_a_closed_web_door_is_no_finding(status: int) -> None:
    assert checks(control(), qido(status), http(About.ORTHANC_SYSTEM, status, marker="orthanc")) == set()
    assert checks(http(About.CREDENTIALS, status), http(About.LISTING, status, links=9)) == set()
    assert (
        checks(http(About.VIEWER, status, marker="oviyam"), http(About.QIDO_COUNT, status, count=5)) == set()
    )


# DICOM.


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.EMPTY, Outcome.REJECTED, Outcome.ABORTED])
@pytest.mark.parametrize("probe", _ASSOCIATES)
def test_dicom_is_present(probe: str, outcome: Outcome) -> None:
    finding = found(seen(probe, outcome, {"called": CALLED, "calling": CALLING}))["D01"]
    assert (finding.severity, finding.proof, finding.facts["outcome"]) == (Severity.INFO, (0,), outcome.value)


def test_who_knows_the_survey_lets_in_no_stranger() -> None:
    own = seen("associate-own", Outcome.ACCEPTED, {"called": CALLED, "calling": manner.CALLING})
    assert checks(rejected(1, 1, 3), own, is_private=False) == {"D01"}


def test_the_best_answer_proves_presence() -> None:
    assert found(rejected(2, 3, 1), associate(Outcome.EMPTY), associate())["D01"].proof == (2,)


@pytest.mark.parametrize("outcome", [each for each in Outcome if each not in
                                     {Outcome.ACCEPTED, Outcome.EMPTY, Outcome.REJECTED, Outcome.ABORTED}])  # fmt: skip
def test_dicom_is_not_present(outcome: Outcome) -> None:
    assert "D01" not in checks(associate(outcome))


@pytest.mark.parametrize(
    ("called", "calling", "expected"),
    [
        (CALLED, CALLING, {"D02", "D03"}),
        (CALLED, manner.CALLING, {"D02"}),
        (CALLED, "WORKSTATION", {"D02"}),
        ("ARCHIVE", CALLING, {"D03"}),
        ("ARCHIVE", "WORKSTATION", set()),
    ],
)
@pytest.mark.parametrize("probe", _ASSOCIATES)
def test_which_title_was_not_checked(probe: str, called: str, calling: str, expected: set[str]) -> None:
    what = seen(
        probe, Outcome.ACCEPTED, {"called": called, "calling": calling}, accepted=(sop_classes.VERIFICATION,)
    )
    assert checks(what) & {"D02", "D03", "D04"} == expected


def test_a_weak_title_is_found_where_a_made_up_one_was_refused() -> None:
    finding = found(rejected(1, 1, 7), named("PACS", Outcome.REJECTED), named("ARCHIVE"))["D04"]
    assert finding.proof == (0, 2)
    assert finding.facts == {"title": "ARCHIVE", "role": "called", "tried": 2}
    finding = found(associate(Outcome.ABORTED), named(CALLED, calling="CT1"))["D04"]
    assert finding.facts == {"title": "CT1", "role": "calling", "tried": 1}


def test_a_title_is_not_weak_where_any_is_taken() -> None:
    assert "D04" not in checks(associate(), named("ARCHIVE"))
    assert "D04" not in checks(rejected(2, 3, 1), associate(), named("ARCHIVE"))
    assert "D04" not in checks(named("ARCHIVE"))
    assert "D04" not in checks(rejected(1, 1, 7), named("ARCHIVE", Outcome.EMPTY))


def test_a_known_title_with_an_unknown_caller_shows_that_callers_are_not_checked() -> None:
    assert checks(rejected(1, 1, 7), named("ARCHIVE")) & {"D02", "D03"} == {"D03"}


@pytest.mark.parametrize(
    ("status", "expected"), [(0, True), (0x0122, False), (0x0110, False), (0xFF00, False)]
)
def test_echo(status: int, expected: bool) -> None:
    assert ("D05" in checks(echo(status))) == expected


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.ANSWERED])
def test_an_echo_that_was_not_answered(outcome: Outcome) -> None:
    assert "D05" not in checks(seen("echo", outcome, status=0))


@pytest.mark.parametrize(("probe", "check"), [("find-none", "D06"), ("worklist-none", "D10")])
def test_a_query_that_was_answered(probe: str, check: str) -> None:
    finding = found(find(probe=probe))[check]
    assert (finding.severity, finding.facts) == (Severity.HIGH, {"key_ignored": False})


@pytest.mark.parametrize(("probe", "check"), [("find-none", "D06"), ("worklist-none", "D10")])
@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0x0122, 0x0124, 0xFE00, 0xFF00, 0xFF01])
def test_a_query_that_was_refused(probe: str, check: str, status: int) -> None:
    assert check not in checks(find(probe=probe, status=status))


@pytest.mark.parametrize(("probe", "check"), [("find-none", "D06"), ("worklist-none", "D10")])
def test_a_server_that_ignores_the_date_answers(probe: str, check: str) -> None:
    assert found(find(Outcome.STOPPED, probe=probe))[check].facts == {"key_ignored": True}
    assert found(find(probe=probe, pending=2))[check].facts == {"key_ignored": True}


@pytest.mark.parametrize("cause", ["deadline", "limit", "interrupted"])
def test_an_operation_we_stopped_for_another_reason_proves_nothing(cause: str) -> None:
    assert "D06" not in checks(find(Outcome.STOPPED, cause=cause, pending=0))


def test_a_plain_answer_is_the_better_proof() -> None:
    finding = found(find(Outcome.STOPPED), find(Outcome.ABORTED), find())["D06"]
    assert (finding.proof, finding.facts["key_ignored"]) == ((2,), False)


def test_what_was_counted() -> None:
    finding = found(count(500, exact=False, cap=500, queries=3), count(21), identifiers())["D07"]
    assert finding.severity is Severity.CRITICAL
    assert finding.proof == (0, 2)
    assert finding.facts == {
        "studies": 500, "exact": False, "cap": 500, "queries": 3, "records": 3,
        "kinds": ("name", "birth-date", "patient-id"), "shares": (100, 67, 100),
    }  # fmt: skip


def test_an_empty_archive_exposes_nothing() -> None:
    assert "D07" not in checks(count(0))


def test_a_count_that_was_stopped_is_a_lower_bound() -> None:
    assert (
        found(count(20_000, exact=False, outcome=Outcome.STOPPED, cause="deadline"))["D07"].facts["exact"]
        is False
    )


_GET, _MOVE = sop_classes.STUDY_ROOT_GET, sop_classes.PATIENT_ROOT_MOVE


@pytest.mark.parametrize(
    ("taken", "services"), [((_GET,), ("get",)), ((_MOVE,), ("move",)), ((_MOVE, _GET), ("get", "move"))]
)
def test_retrieving_is_negotiated(taken: tuple[str, ...], services: tuple[str, ...]) -> None:
    finding = found(offers(*taken))["D08"]
    assert finding.severity is Severity.HIGH
    assert finding.facts == {"services": services, "refused": False}


@pytest.mark.parametrize("refusal", [find(Outcome.ABORTED), find(status=0xA900), find(Outcome.CLOSED)])
def test_retrieving_matters_less_where_a_query_was_refused(refusal: Observation) -> None:
    finding = found(offers(_GET), refusal)["D08"]
    assert (finding.severity, finding.proof, finding.facts["refused"]) == (Severity.MEDIUM, (0, 1), True)


def test_one_answered_query_undoes_a_refusal() -> None:
    assert found(offers(_GET), find(Outcome.ABORTED), find())["D08"].severity is Severity.HIGH


def test_storing_is_negotiated() -> None:
    finding = found(offers(CT, SC, sop_classes.VERIFICATION))["D09"]
    assert (finding.severity, finding.facts) == (Severity.HIGH, {"classes": (CT, SC)})
    assert "D09" not in checks(offers(sop_classes.VERIFICATION, *QUERY_RETRIEVE))


@pytest.mark.parametrize(
    ("uid", "service"),
    [
        (sop_classes.STORAGE_COMMITMENT_PUSH, "commitment"),
        (MPPS, "mpps"),
        ("1.2.840.10008.5.1.1.9", "print"),
        ("1.2.840.10008.5.1.1.18", "print"),
    ],
)
def test_other_services_are_negotiated(uid: str, service: str) -> None:
    assert found(offers(uid))["D11"].facts == {"services": (service,)}


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.ACCEPTED])
def test_what_was_not_accepted_is_not_negotiated(outcome: Outcome) -> None:
    offered = offers(_GET, CT, MPPS, outcome=outcome)
    assert not {"D08", "D09", "D11"} & checks(offered)


# Whole servers.


def test_orthanc_as_packaged_answers_no_queries() -> None:
    got = found(*orthanc_as_packaged())
    assert set(got) == {"D01", "D02", "D03", "D05", "D08", "D09", "D11", "T01", "F01"}
    assert got["D08"].severity is Severity.MEDIUM


def test_an_open_archive() -> None:
    assert set(found(*dcmqrscp_open())) == {
        "D01",
        "D02",
        "D03",
        "D05",
        "D06",
        "D07",
        "D08",
        "D09",
        "T01",
        "F01",
    }


def test_a_receiver() -> None:
    assert checks(*storescp()) == {"D01", "D02", "D03", "D05", "D09", "T01", "F01"}


def test_who_refuses_strangers() -> None:
    assert checks(*refuses_strangers(), is_private=False) == {"D01"}


def test_orthanc_web() -> None:
    assert checks(*orthanc_web()) == {"W01", "W03", "F01"}


def test_findings_come_by_address_port_and_check_with_the_proof_of_their_own_port() -> None:
    mixed = [
        *orthanc_web(address="127.0.0.10"),
        *orthanc_as_packaged(address="127.0.0.9", port=11112),
        *dcmqrscp_open(address="127.0.0.9", port=104),
        *refuses_strangers(address="::1"),
    ]
    got = findings(mixed, is_private=True)
    order = list(CHECKS)
    where = list(dict.fromkeys((f.address, f.port) for f in got))
    assert where == [("127.0.0.9", 104), ("127.0.0.9", 11112), ("127.0.0.10", 8042), ("::1", 104)]
    for finding in got:
        assert finding.proof
        for index in finding.proof:
            assert (mixed[index].address, mixed[index].port) == (finding.address, finding.port)
    mine = [order.index(f.check) for f in got if f.port == 104 and f.address == HERE]
    assert mine == sorted(mine)


def test_every_check_can_be_found() -> None:
    everything = [
        *dcmqrscp_open(), find(probe="worklist-none"), offers(MPPS, _GET, CT), tls("1.0"), *orthanc_web(),
        http(About.QIDO_COUNT, count=3), http(About.CREDENTIALS), http(About.STOW, methods=("post",)),
        *(http(About.VIEWER, marker=each) for each in ("dcm4chee", "ohif", "oviyam")),
        http(About.LISTING, links=1), http(About.CORS, allow_origin="any"), tcp(port=2575), tcp(port=5432),
        rejected(1, 1, 7, port=105), named("PACS", port=105), associate(tls=True, port=2762),
    ]  # fmt: skip
    assert checks(*everything) == set(CHECKS)
