from __future__ import annotations

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
    rejected,
    seen,
    statistics,
    storescp,
    system,
    tcp,
    tls,
)

from leadglass.scan.findings import findings
from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.verdict import HostVerdict, PortVerdict, Verdict, verdicts
from leadglass.scan.words import About


def of(*what: Observation) -> HostVerdict:
    (host,) = verdicts(what)
    return host


def port(*what: Observation) -> PortVerdict:
    (only,) = of(*what).ports
    return only


# What was seen of one port, its verdict, its level, and which observation decides.
ONE_PORT: dict[str, tuple[list[Observation], Verdict, Level, int]] = {
    "closed": ([tcp(Outcome.REFUSED)], Verdict.CLOSED, Level.CLOSED, 0),
    "filtered": ([tcp(Outcome.SILENT)], Verdict.SILENT, Level.CLOSED, 0),
    "no way": ([tcp(Outcome.UNREACHABLE)], Verdict.UNREACHABLE, Level.CLOSED, 0),
    "nothing of it known": ([seen("echo", Outcome.STOPPED)], Verdict.UNKNOWN, Level.CLOSED, 0),
    "open, not asked": ([tcp()], Verdict.OPEN, Level.CLOSED, 0),
    "tls, nothing more": ([tls()], Verdict.OPEN, Level.CLOSED, 0),
    "stranger refused": ([rejected(1, 1, 3)], Verdict.REFUSES_STRANGERS, Level.CLOSED, 0),
    "stranger refused for now": ([rejected(2, 1, 3)], Verdict.REFUSES_STRANGERS, Level.CLOSED, 0),
    "wrong title": ([rejected(1, 1, 7)], Verdict.WRONG_TITLE, Level.CLOSED, 0),
    "right title, stranger refused": (
        [rejected(1, 1, 7), named("PACS", Outcome.REJECTED, result=1, source=1, reason=3)],
        Verdict.REFUSES_STRANGERS, Level.CLOSED, 1,
    ),
    "knows the survey and no stranger": (
        [rejected(1, 1, 3), seen("associate-own", Outcome.ACCEPTED)], Verdict.REFUSES_STRANGERS, Level.CLOSED, 0,
    ),
    "could not be tried": ([seen("tls", Outcome.UNTRIED)], Verdict.UNKNOWN, Level.CLOSED, 0),
    "congested": ([rejected(2, 3, 1)], Verdict.BUSY, Level.CLOSED, 0),
    "congested, said permanently": ([rejected(1, 3, 1)], Verdict.BUSY, Level.CLOSED, 0),
    "at its limit": ([rejected(2, 3, 2)], Verdict.BUSY, Level.CLOSED, 0),
    "transient, no reason": ([rejected(2, 1, 1)], Verdict.BUSY, Level.CLOSED, 0),
    "busy, then refused": ([rejected(2, 3, 1), rejected(1, 1, 3)], Verdict.REFUSES_STRANGERS, Level.CLOSED, 1),
    "busy, then let in": ([rejected(2, 3, 1), associate()], Verdict.ASSOCIATES, Level.ASSOCIATES, 1),
    "no reason": ([rejected(1, 1, 1)], Verdict.REFUSES, Level.CLOSED, 0),
    "acse, no reason": ([rejected(1, 2, 1)], Verdict.REFUSES, Level.CLOSED, 0),
    "a reserved reason": ([rejected(1, 1, 9)], Verdict.REFUSES, Level.CLOSED, 0),
    "aborts": ([associate(Outcome.ABORTED)], Verdict.REFUSES, Level.CLOSED, 0),
    "takes nothing": ([associate(Outcome.EMPTY)], Verdict.TAKES_NOTHING, Level.CLOSED, 0),
    "needs a certificate": ([associate(Outcome.ALERTED, alert="handshake-failure")], Verdict.ASKS_CERTIFICATE, Level.CLOSED, 0),
    "handshake needs a certificate": (
        [tls("1.2", Outcome.ALERTED, alert="certificate-required")], Verdict.ASKS_CERTIFICATE, Level.CLOSED, 0,
    ),
    "certificate asked after a handshake": (
        [tls(), associate(Outcome.ALERTED, tls=True, alert="certificate-required")], Verdict.ASKS_CERTIFICATE, Level.CLOSED, 1,
    ),
    "tls refused for another reason": ([associate(Outcome.ALERTED, alert="protocol-version")], Verdict.HANGS_UP, Level.CLOSED, 0),
    "a bare handshake that failed once asked": (
        [tls("1.3", Outcome.ALERTED, alert="protocol-version"), tls("1.2", Outcome.ALERTED, alert="handshake-failure", asks_certificate=True)],
        Verdict.ASKS_CERTIFICATE, Level.CLOSED, 1,
    ),
    "a bare handshake that broke off once asked": (
        [associate(Outcome.CLOSED), tls("1.3"), tls("1.2", Outcome.CLOSED, asks_certificate=True), associate(Outcome.CLOSED, tls=True)],
        Verdict.ASKS_CERTIFICATE, Level.CLOSED, 2,
    ),
    "a bare handshake that broke off": (
        [tls("1.2", Outcome.CLOSED), associate(Outcome.CLOSED, tls=True)], Verdict.HANGS_UP, Level.CLOSED, 1,
    ),
    "asked, and let in without": (
        [tls("1.2", asks_certificate=True), associate(tls=True)], Verdict.ASSOCIATES, Level.ASSOCIATES, 1,
    ),
    "a bare handshake that failed": ([tls("1.2", Outcome.ALERTED, alert="handshake-failure")], Verdict.OPEN, Level.CLOSED, 0),
    "open, and mute when asked": ([tcp(), associate(Outcome.MUTE)], Verdict.MUTE, Level.CLOSED, 1),
    "an old version is refused": (
        [tls("1.0", Outcome.ALERTED, alert="protocol-version")], Verdict.OPEN, Level.CLOSED, 0,
    ),
    "ssh": ([associate(Outcome.FOREIGN, looks_like="ssh")], Verdict.NOT_DICOM, Level.CLOSED, 0),
    "web": ([associate(Outcome.FOREIGN, looks_like="http"), http(About.VIEWER, port=104)], Verdict.WEB, Level.CLOSED, 1),
    "web that asks who one is": (
        [control(401), qido(401, realm="basic")], Verdict.WEB_SHUT, Level.CLOSED, 0,
    ),
    "misbehaves": ([associate(Outcome.MISBEHAVES, fault="pdu-length")], Verdict.MISBEHAVES, Level.CLOSED, 0),
    "a handshake that stalls": (
        [associate(Outcome.FOREIGN, looks_like="tls"), tls("1.3", Outcome.MUTE, fault="tls-stall")], Verdict.MISBEHAVES, Level.CLOSED, 1,
    ),
    "a page without end": ([http(About.LISTING, fault="endless")], Verdict.MISBEHAVES, Level.CLOSED, 0),
    "a page without end among others": (
        [http(About.LISTING, fault="endless"), http(About.VIEWER)], Verdict.WEB, Level.CLOSED, 1,
    ),
    "takes the call and misbehaves": (
        [associate(), seen("echo", Outcome.MISBEHAVES, fault="pdu-length")], Verdict.MISBEHAVES, Level.ASSOCIATES, 1,
    ),
    "mute": ([associate(Outcome.MUTE)], Verdict.MUTE, Level.CLOSED, 0),
    "hangs up": ([associate(Outcome.CLOSED)], Verdict.HANGS_UP, Level.CLOSED, 0),
    "associates": ([associate()], Verdict.ASSOCIATES, Level.ASSOCIATES, 0),
    "takes offers only": ([associate(Outcome.EMPTY), offers("1.2.840.10008.5.1.4.1.1.2")], Verdict.ASSOCIATES, Level.ASSOCIATES, 1),
    "echo refused": ([associate(), echo(0x0122)], Verdict.ASSOCIATES, Level.ASSOCIATES, 0),
    "echoes": ([associate(), echo()], Verdict.ECHOES, Level.ECHOES, 1),
    "echoes, query refused": ([associate(), echo(), find(status=0xA900)], Verdict.WITHHOLDS, Level.ECHOES, 2),
    "associates, query aborted": ([associate(), find(Outcome.ABORTED)], Verdict.WITHHOLDS, Level.ASSOCIATES, 1),
    "query timed out": ([associate(), echo(), find(Outcome.MUTE)], Verdict.ECHOES, Level.ECHOES, 1),
    "query we stopped": ([associate(), find(Outcome.STOPPED, cause="deadline")], Verdict.ASSOCIATES, Level.ASSOCIATES, 0),
    "answers": ([associate(), echo(), find()], Verdict.ANSWERS, Level.ANSWERS, 2),
    "answers, ignoring the date": ([associate(), find(Outcome.STOPPED)], Verdict.ANSWERS, Level.ANSWERS, 1),
    "one model of two answered": ([associate(), find(status=0x0122), find()], Verdict.ANSWERS, Level.ANSWERS, 2),
    "worklist answered": ([associate(), find(probe="worklist-none")], Verdict.ANSWERS, Level.ANSWERS, 1),
    "answers, then misbehaves": ([associate(), find(), seen("count", Outcome.MISBEHAVES)], Verdict.ANSWERS, Level.ANSWERS, 1),
    "counted": ([associate(), find(), count(60)], Verdict.COUNTED, Level.COUNTED, 2),
    "counted, at least": ([find(), count(5, exact=False, outcome=Outcome.STOPPED), count(9)], Verdict.COUNTED, Level.COUNTED, 2),
    "counted, empty": ([associate(), count(0)], Verdict.ANSWERS, Level.ANSWERS, 1),
    "web archive": ([control(), qido()], Verdict.ANSWERS, Level.ANSWERS, 1),
    "web archive that answers anything": ([control(200), qido()], Verdict.WEB, Level.CLOSED, 0),
    "web archive counted": ([control(), qido(), http(About.QIDO_COUNT, count=7)], Verdict.COUNTED, Level.COUNTED, 2),
    "orthanc rest": ([system()], Verdict.ANSWERS, Level.ANSWERS, 0),
    "orthanc rest counted": ([system(), statistics(3, 4)], Verdict.COUNTED, Level.COUNTED, 1),
    "orthanc rest, empty": ([system(), statistics(0, 0)], Verdict.ANSWERS, Level.ANSWERS, 0),
    "statistics of nobody": ([statistics(3, 4)], Verdict.WEB, Level.CLOSED, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_PORT)
def test_one_port(name: str) -> None:
    what, verdict, level, decided_by = ONE_PORT[name]
    got = port(*what)
    assert (got.verdict, got.level, got.decided_by) == (verdict, level, decided_by)


def test_every_verdict_was_tried() -> None:
    assert {verdict for _, verdict, _, _ in ONE_PORT.values()} == set(Verdict)


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize(
    "probe", ["tcp", "associate", "associate-named", "offers", "echo", "find-none", "count", "tls"]
)
def test_there_is_a_verdict_whatever_was_seen(probe: str, outcome: Outcome) -> None:
    got = port(seen(probe, outcome))
    assert got.decided_by == 0
    assert got.level <= Level.ASSOCIATES or outcome is Outcome.ANSWERED


def test_whole_servers() -> None:
    assert (port(*orthanc_as_packaged()).verdict, port(*orthanc_as_packaged()).level) == (
        Verdict.WITHHOLDS,
        Level.ECHOES,
    )
    assert port(*dcmqrscp_open()).verdict is Verdict.COUNTED
    assert port(*storescp()).verdict is Verdict.ECHOES
    assert port(*orthanc_web()).verdict is Verdict.COUNTED


def test_a_host_is_as_open_as_its_most_open_port() -> None:
    what = [
        rejected(1, 1, 3, port=104),
        tcp(Outcome.REFUSED, port=4242),
        *dcmqrscp_open(port=11112),
        *orthanc_as_packaged(port=105),
    ]
    host = of(*what)
    assert (host.verdict, host.level, host.port) == (Verdict.COUNTED, Level.COUNTED, 11112)
    assert what[host.decided_by].probe == "count"
    assert [each.port for each in host.ports] == [104, 105, 4242, 11112]


def test_among_closed_ports_a_refusal_says_most() -> None:
    host = of(
        tcp(Outcome.REFUSED, port=1),
        rejected(2, 3, 1, port=2),
        rejected(1, 1, 3, port=3),
        associate(Outcome.FOREIGN, port=4),
    )
    assert (host.verdict, host.port) == (Verdict.REFUSES_STRANGERS, 3)


def test_hosts_in_the_order_of_their_addresses() -> None:
    what = [tcp(address=address) for address in ("127.0.0.10", "::1", "127.0.0.9", "127.0.0.10")]
    assert [host.address for host in verdicts(what)] == ["127.0.0.9", "127.0.0.10", "::1"]


@pytest.mark.parametrize("name", [name for name in ONE_PORT if name != "counted, empty"])
def test_a_strangers_query_that_is_answered_is_a_finding_and_the_other_way_about(name: str) -> None:
    what, _, level, _ = ONE_PORT[name]
    found = {each.check for each in findings(what, is_private=True)}
    assert bool({"D06", "D07", "D10", "W01", "W02", "W03"} & found) == (level >= Level.ANSWERS)
