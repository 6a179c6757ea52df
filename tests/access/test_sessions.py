from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.access import schema
from leadglass.access.departments import create_department
from leadglass.access.principal import Kind, Role
from leadglass.access.sessions import (
    DEFAULT_LIMITS,
    MINUTE,
    SessionLimits,
    close_session,
    find_session,
    is_alive,
    open_session,
    resolve_session,
    sweep_sessions,
    touch_session,
)
from leadglass.access.users import (
    close_sessions_of,
    disable_user,
    enable_user,
    set_departments,
    set_password,
    set_role,
)

HOUR = 60 * MINUTE
T0 = 1_800_000_000_000


def opened(desk: Any, **kwargs: Any) -> tuple[int, str]:
    number = desk.user("dr.roth")
    return number, desk.write(open_session, number, T0, **kwargs)


def test_a_session_is_its_user(desk: Any) -> None:
    number, token = opened(desk)
    session = desk.read(find_session, token, T0 + 1)
    principal = session.principal
    assert (principal.kind, principal.id, principal.user_id, principal.name) == (
        Kind.USER,
        number,
        number,
        "dr.roth",
    )
    assert principal.role is Role.RADIOLOGIST
    assert len(principal.departments) == 1
    assert (session.ends, session.touch_due) == (T0 + 30 * MINUTE, False)
    assert desk.read(resolve_session, token, T0 + 1) == principal


def test_the_credential_tells_sessions_apart_and_opens_none(desk: Any) -> None:
    number, one = opened(desk)
    two = desk.write(open_session, number, T0)
    credentials = [desk.read(resolve_session, token, T0).credential for token in (one, two)]
    assert len(set(credentials)) == 2
    for credential in credentials:
        assert credential.startswith("session:")
        assert desk.read(resolve_session, credential, T0) is None
        assert desk.read(resolve_session, credential.removeprefix("session:"), T0) is None


@pytest.mark.parametrize(
    "token",
    ["", "x", "x" * 43, pytest.param("x" * 10**6, id="huge"), "é" * 43, "\x00" * 43, "lg_" + "x" * 43],
)
def test_other_tokens_are_nobody(desk: Any, token: str) -> None:
    opened(desk)
    assert desk.read(resolve_session, token, T0) is None


@pytest.mark.parametrize(
    ("created", "last_seen", "now", "alive"),
    [
        (0, 0, 30 * MINUTE - 1, True),
        (0, 0, 30 * MINUTE, False),
        (0, 11 * HOUR + 45 * MINUTE, 12 * HOUR - 1, True),
        (0, 11 * HOUR + 45 * MINUTE, 12 * HOUR, False),
        (10 * HOUR, 10 * HOUR, 10 * HOUR - MINUTE, True),
        (10 * HOUR, 10 * HOUR, 10 * HOUR - MINUTE - 1, False),
        (0, 10 * HOUR, 9 * HOUR, False),
    ],
)
def test_is_alive(created: int, last_seen: int, now: int, alive: bool) -> None:
    assert is_alive(created, last_seen, created + 12 * HOUR, now, DEFAULT_LIMITS) is alive


@given(*[st.integers(0, 48 * HOUR)] * 3)
def test_no_session_outlives_its_limits(created: int, seen_after: int, now: int) -> None:
    last_seen = created + seen_after
    if is_alive(created, last_seen, created + 12 * HOUR, now, DEFAULT_LIMITS):
        assert now < min(created + 12 * HOUR, last_seen + 30 * MINUTE)
        assert now >= last_seen - MINUTE


def test_shorter_limits_bind_sessions_that_are_open_already(desk: Any) -> None:
    _, token = opened(desk)
    assert desk.read(resolve_session, token, T0 + 10 * MINUTE) is not None
    for limits in (SessionLimits(idle=10 * MINUTE), SessionLimits(absolute=10 * MINUTE)):
        assert desk.read(resolve_session, token, T0 + 10 * MINUTE, limits) is None


def test_use_keeps_it_alive_and_is_written_once_a_minute(desk: Any) -> None:
    _, token = opened(desk)
    now, writes = T0, 0
    for _ in range(60):
        now += 20_000
        if desk.read(find_session, token, now).touch_due:
            desk.write(touch_session, token, now)
            writes += 1
    assert writes == 20
    assert desk.rows(schema.sessions)[0]["last_seen"] == now
    assert desk.read(resolve_session, token, now + 30 * MINUTE - 1) is not None
    assert desk.read(resolve_session, token, now + 30 * MINUTE) is None


def test_a_late_touch_does_not_turn_the_clock_back(desk: Any) -> None:
    _, token = opened(desk)
    desk.write(touch_session, token, T0 + 5 * MINUTE)
    desk.write(touch_session, token, T0 + 2 * MINUTE)
    assert desk.rows(schema.sessions)[0]["last_seen"] == T0 + 5 * MINUTE


@pytest.mark.parametrize(
    "end",
    [
        lambda tx, number, token: disable_user(tx, number, T0),
        lambda tx, number, token: set_password(tx, number, "another hash"),
        lambda tx, number, token: set_role(tx, number, Role.RADIOLOGIST),
        lambda tx, number, token: close_sessions_of(tx, number),
        lambda tx, number, token: close_session(tx, token),
    ],
    ids=["disable", "password", "role", "sign-out-everywhere", "sign-out"],
)
def test_revocation_is_effective_on_the_next_request(desk: Any, end: Callable[..., Any]) -> None:
    number, token = opened(desk)
    other = desk.write(open_session, desk.user("dr.other"), T0)
    assert desk.read(resolve_session, token, T0) is not None
    desk.write(end, number, token)
    assert desk.read(resolve_session, token, T0) is None
    assert desk.read(resolve_session, other, T0) is not None


def test_enabling_brings_no_session_back(desk: Any) -> None:
    number, token = opened(desk)
    desk.write(disable_user, number, T0)
    desk.write(enable_user, number)
    assert desk.read(resolve_session, token, T0) is None


def test_a_disabled_flag_alone_is_enough(desk: Any) -> None:
    _, token = opened(desk)
    desk.write(lambda tx: tx.execute(schema.users.update().values(disabled=T0)))
    assert desk.rows(schema.sessions)
    assert desk.read(resolve_session, token, T0) is None


def test_departments_are_read_on_every_request(desk: Any) -> None:
    number, token = opened(desk)
    chosen = frozenset(desk.write(create_department, name, 1) for name in ("a", "b", "c"))
    for departments in (chosen, frozenset()):
        desk.write(set_departments, number, departments)
        assert desk.read(resolve_session, token, T0).departments == departments


def test_a_role_from_a_later_version_opens_nothing(desk: Any) -> None:
    _, token = opened(desk)
    desk.write(lambda tx: tx.execute(schema.users.update().values(role="archivist")))
    assert desk.read(resolve_session, token, T0) is None


def test_a_session_fixed_before_the_sign_in_is_worth_nothing_after(desk: Any) -> None:
    number, planted = opened(desk)
    fresh = desk.write(open_session, number, T0, replacing=planted)
    assert fresh != planted
    assert desk.read(resolve_session, planted, T0) is None
    assert desk.read(resolve_session, fresh, T0) is not None


def test_a_token_of_the_attacker_s_choice_is_never_taken(desk: Any) -> None:
    chosen = "A" * 43
    _, token = opened(desk, replacing=chosen)
    assert token != chosen
    assert desk.read(resolve_session, chosen, T0) is None


def test_the_dead_are_swept(desk: Any) -> None:
    number, _ = opened(desk)
    desk.write(open_session, number, T0 + HOUR)
    assert len(desk.rows(schema.sessions)) == 1
    assert desk.write(sweep_sessions, T0 + 2 * HOUR) == 1
    assert desk.write(close_session, "x" * 43) is False
