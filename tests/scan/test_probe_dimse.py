"""The D probes against hosts made by hand that keep to the rules: what is asked, in which order, and when it ends."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from typing import Any

import pytest
import raw_peer as raw
from strangers import (
    BRIEF,
    PATIENT_FIND,
    PENDING,
    STUDY_FIND,
    UID,
    WORKLIST,
    Host,
    associate_ac,
    listening,
    manner,
    matches,
    names,
    one,
    probe,
    read_pdu,
    reject,
    run,
    uids,
)

from leadglass.errors import Unavailable
from leadglass.scan.manner import CALLING, IMPLEMENTATION_VERSION, Option
from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.probe_dimse import probe_dimse
from leadglass.scan.requests import OFFERS
from leadglass.scan.titles import MADE_UP

QUERIES = (STUDY_FIND, WORKLIST)


# --- the ladder ------------------------------------------------------------------------------------------------


def test_an_open_host_is_asked_everything_on_two_associations() -> None:
    host = Host()
    seen = probe(host)
    assert names(seen) == ["associate", "echo", "offers", "find-none", "worklist-none"]
    assert [each.outcome for each in seen] == [Outcome.ACCEPTED, Outcome.ANSWERED, Outcome.ACCEPTED] + [
        Outcome.ANSWERED
    ] * 2
    assert host.heard == [raw.RQ, raw.DATA, raw.RELEASE_RQ, raw.RQ, *[raw.DATA] * 4, raw.RELEASE_RQ]
    assert (host.released, host.aborted, host.most_open) == (2, 0, 1)
    assert set(one(seen, "offers").said["accepted"]) == set(OFFERS)
    assert one(seen, "offers").said["accepts_unknown"] is True
    assert one(seen, "echo").said["status"] == one(seen, "find-none").said["status"] == 0


def test_who_asks_says_so_under_titles_that_nobody_has() -> None:
    host = Host()
    seen = probe(host)
    ((called, calling),) = set(host.titles)
    assert called != calling and called.startswith("LGSCAN") and calling.startswith("LGSCAN")
    assert all(each.sent["called"] == called and each.sent["calling"] == calling for each in seen)


def test_an_implementation_is_told_as_it_names_itself() -> None:
    name = raw.item(0x55, b"ACME PACS\x00")
    user = raw.user_information(name, maximum=0)

    async def host(reader: Any, writer: Any) -> None:
        _, body = await read_pdu(reader)
        writer.write(associate_ac(body, user=user))
        await reader.read()

    said = one(probe(host, manner(Level.ASSOCIATES), probes={MADE_UP}), "associate").said
    assert said["implementation_version_name"] == "ACME PACS"
    assert said["implementation_class_uid"] == "1.2.826.0.1.3680043.10.1561.2"
    assert said["maximum_length"] == 0 and said["connect_us"] > 0


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Level.CLOSED, []),
        (Level.ASSOCIATES, ["associate", "offers"]),
        (Level.ECHOES, ["associate", "echo", "offers"]),
        (Level.ANSWERS, ["associate", "echo", "offers", "find-none", "worklist-none"]),
        (Level.COUNTED, ["associate", "echo", "offers", "find-none", "worklist-none", "count"]),
    ],
)
def test_no_further_than_the_scope_allows(level: Level, expected: list[str]) -> None:
    host = Host(matches(*uids(3)))
    assert names(probe(host, manner(level, Option.TITLES))) == expected
    assert (raw.DATA in host.heard) is (level >= Level.ECHOES)


def test_a_single_probe_may_be_asked_for() -> None:
    host = Host(matches(*uids(3)))
    assert names(probe(host, probes={"associate"})) == ["associate"]
    assert names(probe(host, probes={"associate", "find-none"})) == ["associate", "offers", "find-none"]


def test_only_what_is_accepted_is_used() -> None:
    host = Host(services={raw.VERIFICATION, raw.CT})
    seen = probe(host)
    assert names(seen) == ["associate", "echo", "offers"]
    assert one(seen, "offers").said["accepted"] == (raw.CT,)
    assert "accepts_unknown" not in one(seen, "offers").said


def test_patients_come_first_where_studies_are_not_offered() -> None:
    host = Host(services={raw.VERIFICATION, PATIENT_FIND})
    seen = probe(host)
    assert one(seen, "find-none").sent["model"] == PATIENT_FIND
    (keys,) = host.asked
    assert keys[0x00100020].startswith(b"LGSCAN")


def test_accepted_with_nothing_in_it_is_told_apart() -> None:
    seen = probe(Host(services=()))
    assert names(seen) == ["associate", "offers"]
    assert {each.outcome for each in seen} == {Outcome.EMPTY}


def test_what_is_asked_shows_nobody() -> None:
    host = Host()
    probe(host)
    study, worklist = host.asked
    assert study == {0x00080020: b"18420607", 0x00080052: b"STUDY", 0x0020000D: b""}
    assert set(worklist) == {0x0020000D, 0x00400100}
    assert b"18420607" in worklist[0x00400100] and b"LGSCAN" in worklist[0x00400100]
    assert host.models == [STUDY_FIND, WORKLIST]


def test_a_match_where_there_can_be_none_is_not_waited_for() -> None:
    host = Host(
        lambda model, keys: [(PENDING, UID)] * 50 + [(0, None)], services=(raw.VERIFICATION, STUDY_FIND)
    )
    seen = probe(host)
    found = one(seen, "find-none")
    assert (found.outcome, dict(found.said)) == (Outcome.STOPPED, {"cause": "pending", "pending": 1})
    assert (host.aborted, host.released) == (1, 1)


def test_after_such_an_abort_the_rest_is_asked_on_a_new_association() -> None:
    host = Host(lambda model, keys: [(PENDING, UID), (0, None)])
    assert one(probe(host), "worklist-none").outcome is Outcome.STOPPED
    assert host.heard.count(raw.RQ) == 3 and host.most_open == 1


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0x0122, 0xFE00])
def test_a_refused_query_is_answered_with_its_status_and_counts_for_nothing(status: int) -> None:
    seen = probe(Host(lambda model, keys: [(status, None)]), manner(Level.COUNTED))
    assert one(seen, "find-none").said["status"] == status
    assert ("count" in names(seen)) is (status == 0xFE00)


def test_echo_may_fail_and_the_rest_is_asked_all_the_same() -> None:
    seen = probe(Host(echo_status=0x0122))
    assert one(seen, "echo").said["status"] == 0x0122
    assert "offers" in names(seen)


# --- turned down -----------------------------------------------------------------------------------------------


def test_a_wrong_called_title_is_not_asked_again() -> None:
    host = Host(called={"PACS"})
    (seen,) = probe(host)
    assert (seen.outcome, seen.said["source"], seen.said["reason"]) == (Outcome.REJECTED, 1, 7)
    assert len(host.titles) == 1


def test_a_wrong_calling_title_is_asked_once_more_under_the_surveys_own() -> None:
    host = Host(calling={"CT1"})
    assert names(probe(host)) == ["associate", "associate-own"]
    assert [calling for _, calling in host.titles][1] == CALLING


def test_who_knows_the_survey_has_let_in_no_stranger() -> None:
    host = Host(matches(*uids(3)), calling={CALLING})
    seen = probe(host, manner(Level.COUNTED))
    assert names(seen) == ["associate", "associate-own", "echo"]
    assert host.asked == []


def test_titles_are_tried_only_if_the_scope_says_so() -> None:
    titles = ("ORTHANC", "PACS")
    host = Host(called={"PACS"})
    assert names(probe(host, manner(titles=titles))) == ["associate"]
    seen = probe(host, manner(Level.ANSWERS, Option.TITLES, titles=titles))
    assert names(seen)[:4] == ["associate", "associate-named", "associate-named", "echo"]
    assert one(seen, "find-none").sent["called"] == "PACS"


@pytest.mark.parametrize(("source", "reason"), [(3, 1), (3, 2)])
def test_busy_is_left_to_the_survey(source: int, reason: int) -> None:
    async def busy(reader: Any, writer: Any) -> None:
        await read_pdu(reader)
        writer.write(reject(2, source, reason))
        await reader.read()

    (seen,) = probe(busy, manner(Level.ANSWERS, Option.TITLES, titles=("A", "B")))
    assert (seen.said["result"], seen.said["source"], seen.said["reason"]) == (2, source, reason)


# --- nobody there ----------------------------------------------------------------------------------------------


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    (seen,) = run(probe_dimse("127.0.0.1", port, manner()))
    assert (seen.outcome, dict(seen.said), seen.port) == (Outcome.REFUSED, {}, port)


def test_nobody_answers_the_attempt() -> None:
    """A backlog that is full: the kernel drops what comes after, as a filter does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as bound:
        port = bound.getsockname()[1]
        crowd = [socket.socket() for _ in range(8)]
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        (seen,) = run(probe_dimse("127.0.0.1", port, manner(patience=BRIEF.__class__(connect=0.3))))
        for each in crowd:
            each.close()
    assert seen.outcome is Outcome.SILENT


def test_no_way() -> None:
    """No TCP to a broadcast address: the kernel says so without a packet."""
    (seen,) = run(probe_dimse("255.255.255.255", 104, manner()))
    assert seen.outcome is Outcome.UNREACHABLE


def test_what_this_machine_lacks_says_nothing_of_the_other() -> None:
    async def go() -> list[Observation]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            return await probe_dimse("127.0.0.1", 104, manner())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    with pytest.raises(Unavailable, match="cannot connect now: Too many open files"):
        run(go())


# --- stopped from outside --------------------------------------------------------------------------------------


def test_a_stop_keeps_what_was_seen_and_says_goodbye() -> None:
    host = Host(
        lambda model, keys: iter(lambda: (PENDING, UID), None), services={raw.VERIFICATION, STUDY_FIND}
    )
    host.find = lambda model, keys: [(0, None)] if b"1842" in keys[0x00080020] else _endless()
    noted: list[Observation] = []

    async def go() -> None:
        async with listening(host) as port:
            task = asyncio.get_running_loop().create_task(
                probe_dimse("127.0.0.1", port, manner(Level.COUNTED), note=noted.append)
            )
            while len(host.asked) < 2:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(go())
    assert names(noted) == ["associate", "echo", "offers", "find-none", "count"]
    assert (noted[-1].outcome, noted[-1].said["exact"]) == (Outcome.STOPPED, False)
    assert noted[-1].said["cause"] == "time"
    assert host.aborted == 1


def _endless() -> Any:
    while True:
        yield PENDING, UID


def test_what_time_does_not_allow_is_not_begun() -> None:
    patience = BRIEF.__class__(connect=1, answer=0.2, count=1, host=0.2)

    async def mute(reader: Any, writer: Any) -> None:
        _, body = await read_pdu(reader)
        writer.write(associate_ac(body))
        await reader.read()

    assert names(probe(mute, manner(patience=patience))) == ["associate", "echo"]


# --- over TLS --------------------------------------------------------------------------------------------------


def test_over_tls_the_same_is_asked_and_said_to_be_so(tls_server: ssl.SSLContext) -> None:
    from leadglass.scan.probe_tls import permissive

    host = Host()

    async def go() -> list[Observation]:
        async with listening(host, ssl=tls_server) as port:
            return await probe_dimse("127.0.0.1", port, manner(), tls=permissive())

    seen = run(go())
    assert names(seen) == ["associate", "echo", "offers", "find-none", "worklist-none"]
    assert all(each.said["tls"] is True for each in seen)


def test_names_of_ours() -> None:
    assert len(IMPLEMENTATION_VERSION) <= 16 and len(CALLING) <= 16
