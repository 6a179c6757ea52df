from __future__ import annotations

import dataclasses

import pytest

from leadglass.access.principal import Kind, Principal, Role, operator


@pytest.mark.parametrize(
    ("kind", "number", "actor"),
    [
        (Kind.USER, 3, "user:3"),
        (Kind.TOKEN, 9, "token:9"),
        (Kind.OPERATOR, 1000, "operator:1000"),
        (Kind.AE, 2, "ae:2"),
        (Kind.JWT, 3, "jwt:3"),
    ],
)
def test_actor_is_what_the_record_writes(kind: Kind, number: int, actor: str) -> None:
    principal = Principal(kind, number, None, "n", "N", Role.AUDITOR, frozenset(), "c")
    assert principal.actor == actor


def test_operator_is_the_uid_and_nobody_s_user() -> None:
    someone = operator(1000, "mira")
    assert (someone.actor, someone.role, someone.user_id) == ("operator:1000", Role.OPERATOR, None)
    assert someone.departments == frozenset()


def test_a_principal_cannot_be_promoted() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        operator(1000, "mira").role = Role.RADIOLOGIST  # type: ignore[misc]
