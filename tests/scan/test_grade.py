from __future__ import annotations

from collections.abc import Iterable

import pytest
from observed import (
    associate,
    control,
    count,
    dcmqrscp_open,
    echo,
    find,
    http,
    named,
    offers,
    orthanc_as_packaged,
    orthanc_web,
    qido,
    refuses_strangers,
    rejected,
    storescp,
    system,
    tcp,
    tls,
)

from leadglass.scan import grade as grading
from leadglass.scan.findings import Finding, findings
from leadglass.scan.grade import Grade, Graded, grade, network
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.verdict import verdicts
from leadglass.scan.words import About


def graded(what: Iterable[Observation], *, is_private: bool = True) -> Graded:
    seen = list(what)
    (host,) = verdicts(seen)
    return grade(host, findings(seen, is_private=is_private))


# name: what was seen, the grade, the rule
HOSTS: dict[str, tuple[list[Observation], Grade | None, str]] = {
    "nothing open": ([tcp(Outcome.REFUSED), tcp(Outcome.SILENT, port=105)], None, "nothing-open"),
    "a web server": ([http(About.VIEWER, port=80), tcp(Outcome.REFUSED)], None, "no-imaging"),
    "ssh": ([associate(Outcome.FOREIGN, looks_like="ssh")], None, "no-imaging"),
    "busy": ([rejected(2, 3, 1)], None, "not-judged"),
    "mute": ([associate(Outcome.MUTE)], None, "not-judged"),
    "misbehaves": ([associate(Outcome.MISBEHAVES)], None, "not-judged"),
    "refuses, and another port misbehaves": (
        [rejected(1, 1, 3), associate(Outcome.MISBEHAVES, port=105)], None, "not-judged",
    ),
    "refuses strangers": (refuses_strangers(), Grade.A, "refuses-strangers"),
    "refuses strangers, web server beside it": ([rejected(1, 1, 3), http(About.VIEWER, port=80)], Grade.A, "refuses-strangers"),
    "mutual tls": ([tls(port=2762), associate(Outcome.ALERTED, port=2762, alert="certificate-required")], Grade.A, "refuses-strangers"),
    "web that asks who one is": ([control(401), qido(401)], Grade.A, "refuses-strangers"),
    "wrong title": ([rejected(1, 1, 7)], Grade.B, "by-name-only"),
    "refuses without a reason": ([rejected(1, 1, 1)], Grade.B, "by-name-only"),
    "takes nothing": ([associate(Outcome.EMPTY)], Grade.B, "takes-nothing"),
    "a viewer's page": ([http(About.VIEWER, marker="oviyam", path="/")], Grade.B, "low"),
    "self-signed, refuses": ([rejected(1, 1, 3, tls=True), tls(self_signed=True)], Grade.B, "low"),
    "associates and echoes": ([associate(), echo()], Grade.C, "medium"),
    "weak title": ([rejected(1, 1, 7), named("PACS")], Grade.C, "medium"),
    "weak tls, refuses": ([rejected(1, 1, 3, tls=True), tls("1.0")], Grade.C, "medium"),
    "orthanc as packaged": (orthanc_as_packaged(), Grade.D, "high"),
    "storescp": (storescp(), Grade.D, "high"),
    "database beside a careful archive": ([rejected(1, 1, 3), tcp(port=5432)], Grade.D, "high"),
    "answers": ([associate(), find()], Grade.F, "answers-strangers"),
    "answers and is empty": ([associate(), find(), count(0)], Grade.F, "answers-strangers"),
    "counted": (dcmqrscp_open(), Grade.F, "answers-strangers"),
    "orthanc rest": (orthanc_web(), Grade.F, "answers-strangers"),
    "default password": ([control(401), qido(401), http(About.CREDENTIALS)], Grade.F, "critical"),
    "files for anybody": ([http(About.LISTING, links=3, path="/images/")], Grade.F, "critical"),
    "careful, and one open port": ([rejected(1, 1, 3), *dcmqrscp_open(port=4242)], Grade.F, "answers-strangers"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTS)
def test_hosts(name: str) -> None:
    what, expected, rule = HOSTS[name]
    got = graded(what)
    assert (got.grade, got.rule) == (expected, rule)
    assert got.decided_by
    assert all(index < len(what) for index in got.decided_by)


def test_every_rule_was_tried() -> None:
    assert {rule for _, _, rule in HOSTS.values()} == {rule.id for rule in grading.RULES}
    assert {expected for _, expected, _ in HOSTS.values()} == {*Grade, None}


def test_plaintext_off_a_private_network_costs_a_grade() -> None:
    what = [associate(), echo()]
    assert graded(what, is_private=True).grade is Grade.C
    assert graded(what, is_private=False).grade is Grade.D


def test_a_version_alone_makes_no_worse_than_c() -> None:
    """Orthanc that says which version it is only after a sign-in of ours would be such a case."""
    what = [control(401), qido(401)]
    (host,) = verdicts(what)
    claim = [f for f in findings([system()], is_private=True) if f.check == "F01"]
    assert (
        claim and grade(host, [Finding("F01", claim[0].severity, host.address, 8042, (0,))]).grade is Grade.C
    )


def test_findings_of_other_hosts_do_not_count() -> None:
    what = [*refuses_strangers(), *dcmqrscp_open(address="127.0.0.77")]
    found = findings(what, is_private=True)
    assert [grade(host, found).grade for host in verdicts(what)] == [Grade.A, Grade.F]


def test_a_worse_port_never_makes_a_better_grade() -> None:
    rank = {None: -1, **{each: place for place, each in enumerate(Grade)}}
    for what, before, _ in HOSTS.values():
        moved = [*what, *dcmqrscp_open(port=9999)]
        after = graded(moved).grade
        assert rank[after] >= rank[before]


def one(address: str, given: Grade | None, rule: str = "x") -> Graded:
    return Graded(address, given, rule, (0,))


def test_a_network_is_as_open_as_its_most_open_host() -> None:
    hosts = [
        one("127.0.0.1", Grade.A),
        one("127.0.0.2", Grade.A),
        one("127.0.0.3", Grade.D),
        one("127.0.0.4", None, "nothing-open"),
    ]
    got = network(hosts)
    assert got.grade is Grade.D
    assert got.counts == {Grade.A: 2, Grade.B: 0, Grade.C: 0, Grade.D: 1, Grade.F: 0}
    assert got.ungraded == {"not-judged": 0, "no-imaging": 0, "nothing-open": 1}


def test_a_honeypot_stands_apart() -> None:
    got = network([one("127.0.0.1", Grade.A), one("127.0.0.2", Grade.F)], apart={"127.0.0.2"})
    assert (got.grade, got.counts[Grade.F], got.apart) == (Grade.A, 0, ("127.0.0.2",))


def test_a_network_with_nothing_to_grade_has_no_grade() -> None:
    assert network([]).grade is None
    assert network([one("127.0.0.1", None, "nothing-open")]).grade is None


def test_offers_do_not_grade_by_accident() -> None:
    assert (
        graded([rejected(1, 1, 3), offers(outcome=Outcome.REJECTED, result=1, source=1, reason=3)]).grade
        is Grade.A
    )
