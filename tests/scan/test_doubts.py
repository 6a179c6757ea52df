from __future__ import annotations

import random

import pytest
from observed import (
    CT,
    DCMTK,
    MPPS,
    QUERY_RETRIEVE,
    WORKLIST,
    associate,
    count,
    dcmqrscp_open,
    echo,
    find,
    http,
    offers,
    orthanc_as_packaged,
    orthanc_web,
    qido,
    refuses_strangers,
    rejected,
    seen,
    statistics,
    storescp,
    tcp,
    tls,
)

from leadglass.dimse import sop_classes
from leadglass.scan.archives import doubts
from leadglass.scan.doubts import Doubt, DoubtKind, Reason, Target, Weight, standing, suspects
from leadglass.scan.doubts_port import MOST_STUDIES, SIGNATURES, Signature
from leadglass.scan.findings import findings
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.words import About


def of(*what: Observation) -> list[tuple[DoubtKind, Reason, Weight]]:
    return [(each.kind, each.reason, each.weight) for each in doubts(what)]


def only(*what: Observation) -> Doubt:
    (doubt,) = doubts(what)
    return doubt


@pytest.mark.parametrize(
    "what",
    [orthanc_as_packaged(), dcmqrscp_open(), storescp(), orthanc_web(), refuses_strangers(), [rejected(2, 3, 1)],
     [associate(Outcome.EMPTY)], [tcp(Outcome.REFUSED)], [tls(), associate(Outcome.ALERTED)]],
)  # fmt: skip
def test_nobody_is_doubted_without_a_reason(what: list[Observation]) -> None:
    assert doubts(what) == ()


def test_who_takes_a_service_that_does_not_exist_takes_anything() -> None:
    doubt = only(associate(**DCMTK), offers(CT, accepts_unknown=True, **DCMTK))
    assert (doubt.kind, doubt.reason, doubt.weight) == (
        DoubtKind.HONEYPOT,
        Reason.ACCEPTS_ANYTHING,
        Weight.HINT,
    )
    assert suspects([doubt]) == frozenset()  # a real archive in its promiscuous mode does so too
    assert doubt.evidence == (1,)
    assert doubts([offers(CT, accepts_unknown=False)]) == ()


@pytest.mark.parametrize(
    "mark", SIGNATURES, ids=lambda mark: f"{mark.program}-{mark.implementation_version_name}"
)
def test_signatures(mark: Signature) -> None:
    said = {}
    if mark.implementation_class_uid:
        said = {
            "implementation_class_uid": mark.implementation_class_uid,
            "implementation_version_name": mark.implementation_version_name,
        }
    doubt = only(associate(maximum_length=mark.maximum_length or 16382, **said))
    assert (doubt.reason, doubt.weight, doubt.facts["program"]) == (
        Reason.SIGNATURE,
        mark.weight,
        mark.program,
    )
    assert mark.source


@pytest.mark.parametrize(
    ("uid", "name", "length"),
    [
        ("1.3.12.2.1107.5.2", "MR_VB19A", 16384),  # a real scanner
        ("1.2.840.113619.6.96", "GE_PACS", 16384),
        ("1.2.276.0.7230010.3.0.3.6.1", "OFFIS_DCMTK_361", 16384),
        (None, None, 16384),
    ],
)
def test_half_a_signature_is_none(uid: str | None, name: str | None, length: int) -> None:
    said = {} if uid is None else {"implementation_class_uid": uid, "implementation_version_name": name}
    assert doubts([associate(maximum_length=length, **said)]) == ()


def test_dicompot() -> None:
    """No Implementation Class UID, 4 MiB, and any abstract syntax: what its source does."""
    what = [associate(maximum_length=4 << 20), offers(CT, accepts_unknown=True, maximum_length=4 << 20)]
    assert {reason for _, reason, _ in of(*what)} == {Reason.ACCEPTS_ANYTHING, Reason.SIGNATURE}
    assert suspects(doubts(what)) == {Target("127.0.0.9", 104)}


def test_who_ignores_every_key_answers_whatever_is_asked() -> None:
    day, uid = find(Outcome.STOPPED), find(Outcome.STOPPED, keys=("study-instance-uid",))
    assert of(day, uid) == [(DoubtKind.HONEYPOT, Reason.ANY_KEY, Weight.HINT)]
    assert of(day) == of(day, day) == of(day, find(keys=("study-instance-uid",))) == []
    assert of(day, find(Outcome.ABORTED, keys=("study-instance-uid",))) == []


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ((7, 7, 7), True),
        ((7,) * 12, True),
        ((7, 7), False),
        ((7, 7, 8), False),
        ((0, 0, 0), False),
        ((), False),
    ],
)
def test_the_same_count_whatever_the_date(windows: tuple[int, ...], expected: bool) -> None:
    assert (Reason.ANY_DATE in {reason for _, reason, _ in of(count(21, windows=windows))}) == expected


@pytest.mark.parametrize(
    ("connect", "answer", "expected"),
    [
        (40_000, 100, True), (3_000, 999, True), (3_000, 1_000, False), (2_999, 1, False), (40_000, 41_000, False),
        (1_000_000, 41_000, False),  # a packet that was lost
    ],
)  # fmt: skip
def test_an_answer_that_came_too_fast(connect: int, answer: int, expected: bool) -> None:
    what = [
        associate(connect_us=connect, **DCMTK), offers(connect_us=connect, **DCMTK), echo(answer_us=answer)
    ]  # fmt: skip
    assert of(*what) == ([(DoubtKind.HONEYPOT, Reason.TOO_FAST, Weight.HINT)] if expected else [])


@pytest.mark.parametrize("others", [(), (300,), (2_999, 50_000)], ids=repr)
def test_one_connection_that_was_held_up_shows_nothing(others: tuple[int, ...]) -> None:
    what = [offers(connect_us=each, **DCMTK) for each in others]
    assert of(associate(connect_us=40_000, **DCMTK), *what, echo(answer_us=400)) == []


def test_a_tls_handshake_is_no_round_trip() -> None:
    assert of(associate(connect_us=40_000, tls=True, **DCMTK), echo(answer_us=10_000, tls=True)) == []


def test_all_services_at_once() -> None:
    everything = (
        *QUERY_RETRIEVE,
        CT,
        WORKLIST,
        MPPS,
        sop_classes.STORAGE_COMMITMENT_PUSH,
        "1.2.840.10008.5.1.1.9",
    )
    assert of(offers(*everything, **DCMTK)) == [(DoubtKind.HONEYPOT, Reason.ALL_SERVICES, Weight.HINT)]
    for missing in (WORKLIST, MPPS, "1.2.840.10008.5.1.1.9"):
        assert of(offers(*(uid for uid in everything if uid != missing), **DCMTK)) == []


@pytest.mark.parametrize("ports", [7, 8, 19])
def test_an_address_where_every_port_accepts(ports: int) -> None:
    what = [associate(Outcome.FOREIGN, port=port, looks_like="http") for port in range(1, ports + 1)]
    expected = [(DoubtKind.TARPIT, Reason.EVERY_PORT, Weight.LIKELY)] if ports >= 8 else []
    assert of(*what) == expected
    assert of(*what, tcp(Outcome.REFUSED, port=99)) == []


def test_an_address_where_every_port_speaks_dicom_to_everybody() -> None:
    what = [associate(port=port, **DCMTK) for port in range(1, 12)]
    doubt = only(*what)
    assert (doubt.kind, doubt.reason, len(doubt.targets)) == (DoubtKind.HONEYPOT, Reason.EVERY_PORT, 11)
    assert suspects([doubt]) == {Target("127.0.0.9", port) for port in range(1, 12)}


@pytest.mark.parametrize(("mute", "expected"), [(3, False), (4, True)])
def test_an_address_that_is_mute_wherever_it_listens(mute: int, expected: bool) -> None:
    what = [associate(Outcome.MUTE, port=port) for port in range(1, mute + 1)] + [
        tcp(Outcome.REFUSED, port=99)
    ]
    assert of(*what) == ([(DoubtKind.TARPIT, Reason.STALLS, Weight.LIKELY)] if expected else [])
    assert of(*what, associate(port=50, **DCMTK)) == []


@pytest.mark.parametrize(
    ("outcome", "fault", "weight"),
    [
        (Outcome.MISBEHAVES, "slow", Weight.LIKELY), (Outcome.MUTE, "tls-stall", Weight.HINT),
        (Outcome.MISBEHAVES, "drip", Weight.LIKELY), (Outcome.MISBEHAVES, "endless", Weight.LIKELY),
        (Outcome.MISBEHAVES, "pdu-length", None), (Outcome.MUTE, None, None),
    ],
)  # fmt: skip
def test_tarpits(outcome: Outcome, fault: str | None, weight: Weight | None) -> None:
    what = associate(outcome, **({"fault": fault} if fault else {}))
    assert of(what) == ([(DoubtKind.TARPIT, Reason.STALLS, weight)] if weight else [])


def test_more_studies_than_any_archive_holds() -> None:
    assert of(count(MOST_STUDIES)) == []
    assert of(count(MOST_STUDIES + 1)) == [(DoubtKind.IMPLAUSIBLE, Reason.TOO_MANY, Weight.LIKELY)]
    assert of(http(About.QIDO_COUNT, count=MOST_STUDIES + 1)) == [
        (DoubtKind.IMPLAUSIBLE, Reason.TOO_MANY, Weight.LIKELY)
    ]


@pytest.mark.parametrize(
    ("what", "more", "less"),
    [
        (count(10, people=11), "people", "studies"),
        (count(10, undated=11), "undated", "studies"),
        (count(10, images=9), "studies", "images"),
        (statistics(5, 4), "patients", "studies"),
        (statistics(3, 4, series=3), "studies", "series"),
        (statistics(3, 4, series=9, instances=8), "series", "instances"),
    ],
)
def test_figures_that_contradict_each_other(what: Observation, more: str, less: str) -> None:
    doubt = only(what)
    assert (doubt.kind, doubt.reason) == (DoubtKind.IMPLAUSIBLE, Reason.CONTRADICTION)
    assert doubt.facts == {"more": more, "less": less}


@pytest.mark.parametrize(
    "what",
    [
        count(10, people=10, undated=10, images=10), count(10, images=0), count(10, exact=False, people=11),
        statistics(4, 4, 4, 4),
    ],
)  # fmt: skip
def test_figures_that_are_possible(what: Observation) -> None:
    assert doubts([what]) == ()


@pytest.mark.parametrize(
    "what", [count(0), statistics(0, 0, 0, 0), http(About.QIDO_COUNT, count=0)],
)  # fmt: skip
def test_empty_archives(what: Observation) -> None:
    assert of(what) == [(DoubtKind.EMPTY, Reason.NO_STUDIES, Weight.CERTAIN)]


def test_what_was_not_answered_in_full_is_not_empty() -> None:
    assert of(count(0, exact=False, outcome=Outcome.STOPPED)) == []
    assert of(count(0), count(5)) == []
    assert of(http(About.QIDO_COUNT, 401, count=0)) == []


def test_several_programs_behind_one_port() -> None:
    other = {"implementation_class_uid": "1.2.40.0.13.1.3", "implementation_version_name": "dcm4che-5.23.3"}
    doubt = only(associate(**DCMTK), offers(CT, **other))
    assert (doubt.kind, doubt.reason, doubt.facts["programs"]) == (
        DoubtKind.BALANCER,
        Reason.CHANGING_PROGRAM,
        2,
    )
    assert doubt.evidence == (0, 1)
    assert of(associate(**DCMTK), offers(CT, **DCMTK)) == []
    assert of(rejected(1, 1, 7), associate(**DCMTK)) == []


def test_several_certificates_behind_one_port() -> None:
    a, b = tls(certificate="aa"), tls("1.2", certificate="bb")
    assert of(a, b) == [(DoubtKind.BALANCER, Reason.CHANGING_CERTIFICATE, Weight.LIKELY)]
    assert of(a, tls("1.2", certificate="aa")) == []
    assert of(a, tls("1.2", certificate="bb", key_type="ec", key_bits=256)) == []


# What is done with doubts.


def test_keys_stay_the_same_from_run_to_run_and_tell_what_is_judged() -> None:
    what = [offers(CT, accepts_unknown=True, **DCMTK), *dcmqrscp_open(port=4242), *orthanc_web()]
    again = [
        Observation(o.probe, o.address, o.port, o.at + 86_400_000, 5, o.outcome, o.sent, o.said) for o in what
    ]
    random.Random(1).shuffle(again)
    assert {each.key for each in doubts(what)} == {each.key for each in doubts(again)}
    assert "honeypot/accepts-anything/127.0.0.9:104" in {each.key for each in doubts(what)}


def test_keys_of_addresses_with_colons() -> None:
    doubt = only(offers(CT, accepts_unknown=True, address="2001:db8::7", **DCMTK))
    assert doubt.key == "honeypot/accepts-anything/[2001:db8::7]:104"


def test_what_a_person_overruled_does_not_stand() -> None:
    doubt = only(offers(CT, accepts_unknown=True, **DCMTK))
    assert standing([doubt], {doubt.key}) == ()
    assert standing([doubt], {"honeypot/accepts-anything/127.0.0.9:105"}) == (doubt,)


def hint(reason: Reason, kind: DoubtKind = DoubtKind.HONEYPOT) -> Doubt:
    return Doubt(kind, reason, Weight.HINT, (Target("127.0.0.1", 104),), (0,))


def test_several_hints_make_a_suspect_and_one_does_not() -> None:
    one, other = hint(Reason.TOO_FAST), hint(Reason.ALL_SERVICES)
    assert suspects([one]) == frozenset()
    assert suspects([one, other]) == {Target("127.0.0.1", 104)}
    assert suspects([one, hint(Reason.SAME_CERTIFICATE, DoubtKind.DUPLICATE)]) == frozenset()


def test_a_poor_archive_that_heeds_no_key_is_no_suspect_for_that_alone() -> None:
    day, uid = find(Outcome.STOPPED), find(Outcome.STOPPED, keys=("study-instance-uid",))
    found = doubts([day, uid, count(21, windows=(7, 7, 7))])
    assert {each.reason for each in found} == {Reason.ANY_KEY, Reason.ANY_DATE}
    assert suspects(found) == frozenset()


def test_doubts_change_no_finding() -> None:
    what = [*dcmqrscp_open(), offers(CT, accepts_unknown=True)]
    before = {each.check for each in findings(dcmqrscp_open(), is_private=True)}
    assert before <= {each.check for each in findings(what, is_private=True)}


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("probe", ["tcp", "associate", "offers", "echo", "find-none", "count", "tls", "http"])
def test_whatever_is_seen_is_judged_without_fault(probe: str, outcome: Outcome) -> None:
    doubts([seen(probe, outcome), qido(401)])
