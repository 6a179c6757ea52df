from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leadglass.access import schema
from leadglass.access.principal import Kind, Role
from leadglass.access.tokens import (
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    create_token,
    list_tokens,
    resolve_token,
    revoke_token,
)
from leadglass.access.users import disable_user, enable_user, principal_of, set_password, set_role
from leadglass.errors import NotFound, Violation


def test_a_token_is_its_user_under_its_own_number(desk: Any) -> None:
    desk.user("somebody.else")
    number = desk.user("dr.roth")
    token = desk.write(create_token, number, 0, label="worklist")
    assert token.secret.startswith("lg_")
    assert token.secret not in repr(token)
    principal = desk.read(resolve_token, token.secret, 1)
    assert principal.actor == principal.credential == f"token:{token.id}"
    user = desk.read(principal_of, number, "")
    assert replace(principal, kind=Kind.USER, id=number, credential="") == user


@pytest.mark.parametrize(
    "secret",
    ["", "lg_", "x" * 43, "lg_" + "x" * 43, "LG_" + "x" * 43, pytest.param("lg_" + "x" * 10**6, id="huge")],
)
def test_other_secrets_are_nobody(desk: Any, secret: str) -> None:
    desk.write(create_token, desk.user(), 0)
    assert desk.read(resolve_token, secret, 1) is None


def test_without_its_prefix_it_is_nobody(desk: Any) -> None:
    secret = desk.write(create_token, desk.user(), 0).secret
    assert desk.read(resolve_token, secret[3:], 1) is None
    assert desk.read(resolve_token, secret, 1) is not None


def test_it_expires(desk: Any) -> None:
    secret = desk.write(create_token, desk.user(), 0).secret
    assert desk.read(resolve_token, secret, DEFAULT_LIFETIME - 1) is not None
    assert desk.read(resolve_token, secret, DEFAULT_LIFETIME) is None


@pytest.mark.parametrize("lifetime", [0, -1, LONGEST_LIFETIME + 1])
def test_no_token_is_for_ever_or_for_never(desk: Any, lifetime: int) -> None:
    with pytest.raises(Violation):
        desk.write(create_token, desk.user(), 0, lifetime=lifetime)


def test_revoking_is_effective_on_the_next_request_and_for_this_one_only(desk: Any) -> None:
    number = desk.user()
    one, two = (desk.write(create_token, number, 0) for _ in range(2))
    assert desk.write(revoke_token, one.id, 5) is True
    assert desk.read(resolve_token, one.secret, 6) is None
    assert desk.read(resolve_token, two.secret, 6) is not None
    assert desk.write(revoke_token, one.id, 7) is False
    assert desk.write(revoke_token, 99, 7) is False
    assert [token.revoked for token in desk.read(list_tokens)] == [5, None]


def test_it_dies_with_its_user_for_good(desk: Any) -> None:
    number = desk.user()
    secret = desk.write(create_token, number, 0).secret
    desk.write(disable_user, number, 1)
    assert desk.read(resolve_token, secret, 2) is None
    desk.write(enable_user, number)
    assert desk.read(resolve_token, secret, 3) is None


def test_a_disabled_flag_alone_is_enough(desk: Any) -> None:
    secret = desk.write(create_token, desk.user(), 0).secret
    desk.write(lambda tx: tx.execute(schema.users.update().values(disabled=1)))
    assert desk.read(resolve_token, secret, 2) is None


def test_it_follows_its_user_s_role_and_survives_a_new_password(desk: Any) -> None:
    number = desk.user()
    secret = desk.write(create_token, number, 0).secret
    desk.write(set_role, number, Role.AUDITOR)
    desk.write(set_password, number, "another hash")
    assert desk.read(resolve_token, secret, 1).role is Role.AUDITOR


def test_only_an_enabled_user_gets_one(desk: Any) -> None:
    number = desk.user()
    desk.write(disable_user, number, 1)
    for nobody in (number, 99):
        with pytest.raises(NotFound):
            desk.write(create_token, nobody, 2)


def test_a_list_shows_no_secret(desk: Any) -> None:
    token = desk.write(create_token, desk.user("dr.roth"), 7, label="worklist")
    (listed,) = desk.read(list_tokens)
    assert (listed.id, listed.user_name, listed.label) == (token.id, "dr.roth", "worklist")
    assert (listed.created, listed.expires) == (7, 7 + DEFAULT_LIFETIME)
    assert token.secret not in repr(listed)


@pytest.mark.parametrize("label", ["", "x" * 65, "a\nb"])
def test_labels_are_short_and_plain(desk: Any, label: str) -> None:
    with pytest.raises(Violation):
        desk.write(create_token, desk.user(), 0, label=label)
