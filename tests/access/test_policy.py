from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.access.actions import GRANTS, SERVICES
from leadglass.access.policy import (
    LISTENERS,
    RECEIVE_ONLY,
    RIGHTS,
    SHOWS_PATIENTS,
    Action,
    Decision,
    Reason,
    Resource,
    decide,
    narrow,
)
from leadglass.access.principal import Context, Kind, Principal, Role, Via

# The rights once more, written down independently of the table: D own departments, A all, . nothing.
GOLDEN = """
                   radiologist technologist pacs_administrator auditor system_administrator operator application_entity
study.search       D           D            D                  .       .                    .        D
study.view         D           D            D                  .       .                    .        .
study.retrieve     D           D            D                  .       .                    .        D
study.send         D           D            D                  .       .                    .        D
study.delete       .           .            D                  .       .                    .        .
study.export       .           .            D                  .       .                    A        .
object.ingest      .           D            D                  .       .                    A        D
commitment.request .           D            D                  .       .                    .        D
aside.review       .           .            D                  .       .                    .        .
identity.correct   .           .            D                  .       .                    .        .
study.received     .           .            D                  .       .                    .        .
arrivals.read      .           .            D                  .       .                    .        .
aside.decide       .           .            D                  .       .                    .        .
aside.hand-over    .           .            A                  .       .                    .        .
record.read        .           .            .                  A       .                    A        .
record.verify      .           .            .                  A       A                    A        .
system.status      .           .            .                  .       A                    A        .
system.backup      .           .            .                  .       A                    A        .
exposure.read      .           .            A                  .       .                    .        .
exposure.retest    .           .            A                  .       .                    .        .
user.manage        .           .            .                  .       A                    A        .
token.create       .           .            .                  .       A                    A        .
ae.manage          .           .            .                  .       A                    A        .
"""
OWN, FOREIGN = 1, 2
IMAGES = (
    Action.STUDY_SEARCH, Action.STUDY_VIEW, Action.STUDY_RETRIEVE, Action.STUDY_SEND, Action.STUDY_DELETE, Action.ASIDE_REVIEW,
    Action.IDENTITY_CORRECT, Action.STUDY_RECEIVED,
)  # fmt: skip
KINDS = {Role.OPERATOR: Kind.OPERATOR, Role.APPLICATION_ENTITY: Kind.AE}
DOORS = {Kind.OPERATOR: Via.COMMAND, Kind.AE: Via.DIMSE, Kind.JWT: Via.DIMSE}
PEOPLE = [role for role in Role if role not in KINDS]


def golden() -> dict[tuple[str, str], str]:
    head, *lines = GOLDEN.strip().splitlines()
    return {
        (role, action): cell
        for action, *cells in map(str.split, lines)
        for role, cell in zip(head.split(), cells, strict=True)
    }


def who(
    role: Any, kind: Any = None, departments: frozenset[int] = frozenset({OWN}), actions: Any = ...
) -> Principal:
    """An AE is one that was allowed everything unless `actions` says otherwise."""
    kind = kind or KINDS.get(role, Kind.USER)
    if actions is ...:
        actions = frozenset(Action) if kind == Kind.AE else None
    return Principal(kind, 3, 3, "n", "N", role, departments, "c", actions)


def at(principal: Principal) -> Context:
    return Context("", DOORS.get(principal.kind, Via.WEB), 0)


def answer(principal: Principal, action: Any, department: int | None) -> Decision:
    return decide(principal, action, Resource(department), at(principal))


def test_the_golden_table_is_exhaustive() -> None:
    assert set(golden()) == set(product(Role, Action))


@pytest.mark.parametrize(("role", "action"), list(product(Role, Action)))
def test_rights_are_the_golden_ones(role: Role, action: Action) -> None:
    got = tuple(answer(who(role), action, department).reason for department in (OWN, FOREIGN, None))
    expected = {
        "D": (Reason.OWN_DEPARTMENT, Reason.OTHER_DEPARTMENT, Reason.NO_DEPARTMENT),
        "A": (Reason.EVERYWHERE,) * 3,
        ".": (Reason.NO_RIGHT,) * 3,
    }
    assert got == expected[golden()[role, action]]


@pytest.mark.parametrize("reason", list(Reason))
def test_only_two_reasons_allow(reason: Reason) -> None:
    seen = {
        decision.allowed
        for role, action, department in product(Role, Action, (OWN, FOREIGN, None))
        for decision in [answer(who(role), action, department)]
        if decision.reason is reason
    }
    allows = reason in (Reason.OWN_DEPARTMENT, Reason.EVERYWHERE)
    assert seen <= {allows}
    assert seen or not allows


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR, Role.OPERATOR])
@pytest.mark.parametrize("action", IMAGES)
def test_who_runs_or_audits_the_system_sees_no_image(role: Role, action: Action) -> None:
    assert (role, action) not in RIGHTS
    assert narrow(who(role), action, at(who(role))).nothing


@pytest.mark.parametrize(
    ("principal", "action", "via", "reason"),
    [
        (who("janitor"), Action.STUDY_VIEW, Via.WEB, Reason.UNKNOWN_ROLE),
        (who(""), Action.STUDY_VIEW, Via.WEB, Reason.UNKNOWN_ROLE),
        (who(Role.RADIOLOGIST), "study.print", Via.WEB, Reason.UNKNOWN_ACTION),
        (who(Role.RADIOLOGIST), "*", Via.WEB, Reason.UNKNOWN_ACTION),
        (who(Role.RADIOLOGIST, kind="robot"), Action.STUDY_VIEW, Via.WEB, Reason.WRONG_LISTENER),
        (who(Role.RADIOLOGIST), Action.STUDY_VIEW, "hl7", Reason.WRONG_LISTENER),
        (who(Role.RADIOLOGIST), Action.STUDY_SEARCH, Via.DIMSE, Reason.WRONG_LISTENER),
        (who(Role.RADIOLOGIST, kind=Kind.TOKEN), Action.STUDY_SEARCH, Via.RECEIVE, Reason.WRONG_LISTENER),
        (who(Role.APPLICATION_ENTITY), Action.STUDY_SEARCH, Via.DICOMWEB, Reason.WRONG_LISTENER),
        (who(Role.APPLICATION_ENTITY), Action.STUDY_SEARCH, Via.RECEIVE, Reason.RECEIVE_ONLY),
        (who(Role.APPLICATION_ENTITY, actions=None), Action.OBJECT_INGEST, Via.DIMSE, Reason.NOT_GRANTED),
        (who(Role.APPLICATION_ENTITY, actions=None), Action.OBJECT_INGEST, Via.RECEIVE, Reason.NOT_GRANTED),
        (who(Role.OPERATOR), Action.USER_MANAGE, Via.WEB, Reason.WRONG_LISTENER),
        (who(Role.OPERATOR), Action.OBJECT_INGEST, Via.DICOMWEB, Reason.WRONG_LISTENER),
        (who(Role.RADIOLOGIST, kind=Kind.TOKEN), Action.STUDY_VIEW, Via.COMMAND, Reason.WRONG_LISTENER),
    ],
)
def test_the_unknown_is_denied(principal: Principal, action: Any, via: Any, reason: Reason) -> None:
    context = Context("", via, 0)
    assert decide(principal, action, Resource(OWN), context) == Decision(allowed=False, reason=reason)
    assert narrow(principal, action, context).nothing


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("role", PEOPLE)
def test_a_token_has_exactly_its_user_s_rights(role: Role, action: Action) -> None:
    for department in (OWN, FOREIGN, None):
        for kind in (Kind.TOKEN, Kind.JWT):
            token = who(role, kind=kind)
            assert answer(who(role), action, department) == answer(token, action, department)


def test_every_kind_of_principal_has_listeners() -> None:
    assert set(LISTENERS) == set(Kind)


GRANTED = [None, frozenset(), frozenset(Action), *(frozenset({action}) for action in Action)]


def check_narrow(
    principal: Principal, action: Any, via: Any, departments: range, *, shut: bool = False
) -> None:
    context = Context("", via, 0, shut)
    narrowing = narrow(principal, action, context)
    for department in (None, *departments):
        allowed = decide(principal, action, Resource(department), context).allowed
        assert narrowing.includes(department) == allowed
        selected = narrowing.everything or department in narrowing.departments  # what SQL makes of it
        assert selected == allowed
    assert narrowing.nothing == (not narrowing.everything and not narrowing.departments)


@pytest.mark.parametrize(
    "granted", GRANTED, ids=lambda granted: "all" if granted is None else "+".join(sorted(granted))
)
def test_narrow_and_decide_agree_on_every_combination(granted: Any) -> None:
    """Every role × action × listener × kind, and for each every single grant."""
    everything = product([*Role, "janitor"], [*Action, "study.print"], [*Via, "hl7"], [*Kind, "robot"])
    for role, action, via, kind in everything:
        check_narrow(who(role, kind, actions=granted), action, via, range(1, 3))


@pytest.mark.parametrize(
    "granted", GRANTED, ids=lambda granted: "all" if granted is None else "+".join(sorted(granted))
)
def test_a_grant_only_takes_away(granted: Any) -> None:
    for role, action, via, kind in product(Role, Action, Via, Kind):
        free = decide(who(role, kind, actions=frozenset(Action)), action, Resource(OWN), Context("", via, 0))
        held = decide(who(role, kind, actions=granted), action, Resource(OWN), Context("", via, 0))
        is_granted = kind is not Kind.AE if granted is None else action in granted
        assert held.allowed == (free.allowed and is_granted)
        assert is_granted or not free.allowed or held.reason is Reason.NOT_GRANTED


def test_the_receive_only_listener_gives_nothing_out_whoever_asks() -> None:
    """Objects in, and word that they are safe: the rest is denied there for every kind, role and grant."""
    context = Context("", Via.RECEIVE, 0)
    allowed = {
        action
        for role, kind, action, granted in product(Role, Kind, Action, GRANTED)
        if decide(who(role, kind, actions=granted), action, Resource(OWN), context).allowed
    }
    assert allowed == RECEIVE_ONLY == {Action.OBJECT_INGEST, Action.COMMITMENT_REQUEST}


def test_a_shut_listener_shows_nobody_a_patient_and_does_everything_else() -> None:
    """Every role × action × listener × kind: what shows a patient is denied, the rest is as it was."""
    for role, action, via, kind in product(Role, Action, Via, Kind):
        asker = who(role, kind, actions=frozenset(Action))
        free, held = (
            decide(asker, action, Resource(OWN), Context("", via, 0, shut)) for shut in (False, True)
        )
        if action in SHOWS_PATIENTS:
            assert not held.allowed
            assert held.reason is Reason.LISTENER_SHUT or not free.allowed
        else:
            assert held == free
    assert {*IMAGES, Action.RECORD_READ} <= SHOWS_PATIENTS
    assert not SHOWS_PATIENTS & {Action.OBJECT_INGEST, Action.COMMITMENT_REQUEST, Action.SYSTEM_STATUS}


def test_every_grant_is_a_right_of_an_ae_and_every_right_of_an_ae_can_be_granted() -> None:
    rights = {action for role, action in RIGHTS if role is Role.APPLICATION_ENTITY}
    assert set(GRANTS.values()) == rights
    assert {action for action in SERVICES.values() if action} == rights


@given(
    role=st.sampled_from([*Role, "janitor"]),
    kind=st.sampled_from([*Kind, "robot"]),
    action=st.sampled_from([*Action, "study.print"]),
    via=st.sampled_from([*Via, "hl7"]),
    departments=st.frozensets(st.integers(1, 6)),
    granted=st.none() | st.frozensets(st.sampled_from(Action)),
    shut=st.booleans(),
)
def test_narrow_selects_exactly_what_decide_allows(
    role: Any, kind: Any, action: Any, via: Any, departments: frozenset[int], granted: Any, shut: bool
) -> None:
    check_narrow(who(role, kind, departments, granted), action, via, range(1, 8), shut=shut)
