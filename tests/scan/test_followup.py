"""What becomes of findings over surveys, and what people decide about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import reported
from observed import HERE, NOW, associate, dcmqrscp_open, rejected, seen

from leadglass.errors import Violation
from leadglass.scan.checks import Severity
from leadglass.scan.conclusions import Network
from leadglass.scan.followup import DAY, DUE, LEAST, Asked, Case, CaseState, advance, decide
from leadglass.scan.manner import Option
from leadglass.scan.observation import Level, Outcome

EVERYTHING = frozenset({(HERE, 104), (HERE, 105)})


def asked(*doors: tuple[str, int], level: Level = Level.COUNTED, options: Iterable[Option] = ()) -> Asked:
    return Asked(frozenset(doors or EVERYTHING), level, frozenset(options))


def surveyed(*what: Any) -> Network:
    return reported.network([(HERE, list(what))] if what else [], owners=())


def opened() -> list[Case]:
    return advance([], surveyed(*dcmqrscp_open()), asked(), "it@example.org", NOW)


def one(cases: Iterable[Case], check: str = "D07") -> Case:
    (case,) = (each for each in cases if each.check == check)
    return case


def test_what_is_new_is_open_has_a_person_and_a_day() -> None:
    found = opened()
    assert {case.check for case in found} >= {"D02", "D03", "D06", "D07", "D08", "D09"}
    assert not {case.check for case in found} & {"D01", "D05", "T01"}
    assert {case.person for case in found} == {"it@example.org"}
    for case in found:
        assert (case.state, case.due) == (CaseState.OPEN, NOW + DUE[case.severity] * DAY)
    owned = advance([], reported.network(), asked(), "x", NOW)
    assert {case.person for case in owned if case.address == "10.1.0.7"} == {"praxis@markt.example"}


def test_seen_again_it_is_the_same_case() -> None:
    known = opened()
    later = advance(known, surveyed(*dcmqrscp_open()), asked(), "else", NOW + DAY)
    assert {case.key for case in later} == {case.key for case in known}
    assert {(case.first_seen, case.last_seen, case.person) for case in later} == {
        (NOW, NOW + DAY, "it@example.org")
    }
    assert one(later).due == one(known).due


def test_it_is_fixed_when_it_was_asked_and_is_gone() -> None:
    for gone in ([], [rejected(1, 1, 3)], [seen("tcp", Outcome.REFUSED)], [seen("tcp", Outcome.SILENT)]):
        fixed = advance(opened(), surveyed(*gone), asked(), "x", NOW + DAY)
        assert {case.state for case in fixed} == {CaseState.FIXED}
        assert len(fixed) == len(opened())


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ([], asked((HERE, 105))),  # the port was not gone through
        ([], asked(level=Level.CLOSED)),  # nor as far
        ([rejected(2, 3, 2)], asked()),  # it was busy
        ([seen("tcp", Outcome.UNREACHABLE)], asked()),
        ([seen("associate", Outcome.MUTE, {"called": "A", "calling": "B"})], asked()),
        ([seen("associate", Outcome.CLOSED, {"called": "A", "calling": "B"})], asked()),
    ],
)
def test_nothing_is_fixed_because_nobody_looked(what: list[Any], how: Asked) -> None:
    assert advance(opened(), surveyed(*what), how, "x", NOW + DAY) == []


def test_only_what_was_asked_that_far_is_fixed() -> None:
    fixed = advance(opened(), surveyed(), asked(level=Level.ANSWERS), "x", NOW + DAY)
    assert "D07" not in {case.check for case in fixed}
    assert "D06" in {case.check for case in fixed}


def test_what_comes_back_is_open_again_with_a_new_day() -> None:
    fixed = advance(opened(), surveyed(), asked(), "x", NOW + DAY)
    back = one(advance(fixed, surveyed(*dcmqrscp_open()), asked(), "x", NOW + 9 * DAY))
    assert (back.state, back.first_seen) == (CaseState.OPEN, NOW)
    assert back.due == NOW + (9 + DUE[Severity.CRITICAL]) * DAY


@pytest.mark.parametrize("state", [CaseState.ACCEPTED, CaseState.IGNORED])
def test_what_was_accepted_is_so_until_its_end(state: CaseState) -> None:
    case = decide(one(opened()), NOW, state=state, reason="no other way", until=NOW + 5 * DAY)
    again = one(advance([case], surveyed(*dcmqrscp_open()), asked(), "x", NOW + 4 * DAY))
    assert (again.state, again.reason) == (state, "no other way")
    over = one(advance([case], surveyed(*dcmqrscp_open()), asked(), "x", NOW + 5 * DAY))
    assert (over.state, over.reason, over.until) == (CaseState.OPEN, "", None)


def test_what_does_not_count_makes_no_case() -> None:
    """Nor does it mend one: its port was looked at, and it shows what it showed."""
    honeypot = {
        "implementation_class_uid": "1.2.840.113619.6.96",
        "implementation_version_name": "GE_PACS_REV_24",
    }
    found = surveyed(associate(**honeypot), *dcmqrscp_open()[1:])
    assert HERE in found.apart
    assert advance([], found, asked(), "x", NOW) == []
    assert {case.check for case in opened()} == {
        each.check for each in found.hosts[0].findings if each.severity >= LEAST
    }
    assert advance(opened(), found, asked(), "x", NOW + DAY) == []
    fixed = [replace(case, state=CaseState.FIXED) for case in opened()]
    assert advance(fixed, found, asked(), "x", NOW + DAY) == []


def test_overdue() -> None:
    case = one(opened())
    assert not case.is_overdue(case.due - 1)
    assert case.is_overdue(case.due)
    acknowledged = decide(case, NOW, state=CaseState.ACKNOWLEDGED)
    assert acknowledged.is_overdue(case.due)
    accepted = decide(case, NOW, state=CaseState.ACCEPTED, reason="x", until=NOW + DAY)
    assert not accepted.is_overdue(case.due)


@pytest.mark.parametrize(
    "what",
    [
        {"state": CaseState.FIXED},
        {"state": CaseState.ACCEPTED},
        {"state": CaseState.ACCEPTED, "reason": " ", "until": NOW + DAY},
        {"state": CaseState.IGNORED, "reason": "x"},
        {"state": CaseState.IGNORED, "reason": "x", "until": NOW},
        {"state": CaseState.ACCEPTED, "reason": "x", "until": NOW + 3 * 367 * DAY},
        {"person": "  "},
    ],
)
def test_what_is_no_decision(what: dict[str, Any]) -> None:
    with pytest.raises(Violation):
        decide(one(opened()), NOW, **what)


def test_decisions_leave_the_rest_as_it_was() -> None:
    case = one(opened())
    assert decide(case, NOW, person="P. Adams", due=NOW).person == "P. Adams"
    assert decide(case, NOW) == case
    reopened = decide(
        decide(case, NOW, state=CaseState.ACCEPTED, reason="x", until=NOW + DAY), NOW, state=CaseState.OPEN
    )
    assert (reopened.state, reopened.until, reopened.reason) == (CaseState.OPEN, None, "")
