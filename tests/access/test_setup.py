from __future__ import annotations

from typing import Any

import pytest

from leadglass.access.principal import Role
from leadglass.access.setup import (
    LIFETIME,
    create_setup_link,
    has_administrator,
    is_setup_code,
    redeem_setup,
)
from leadglass.access.users import NewUser, disable_user, find_user
from leadglass.errors import Conflict, Denied, Violation

FIRST = NewUser("admin.one", Role.RADIOLOGIST)


def test_it_makes_the_first_system_administrator_once(desk: Any) -> None:
    code = desk.write(create_setup_link, 0)
    assert desk.read(is_setup_code, code, 1)
    desk.write(redeem_setup, code, FIRST, 1)
    assert desk.read(find_user, "admin.one").role is Role.SYSTEM_ADMINISTRATOR
    assert not desk.read(is_setup_code, code, 2)
    with pytest.raises(Denied):
        desk.write(redeem_setup, code, NewUser("admin.two", Role.SYSTEM_ADMINISTRATOR), 2)
    assert desk.read(find_user, "admin.two") is None


@pytest.mark.parametrize("code", ["", "x", "x" * 43, pytest.param("x" * 10**6, id="huge")])
def test_a_wrong_code_is_denied(desk: Any, code: str) -> None:
    desk.write(create_setup_link, 0)
    assert not desk.read(is_setup_code, code, 1)
    with pytest.raises(Denied):
        desk.write(redeem_setup, code, FIRST, 1)
    assert not desk.read(has_administrator)


@pytest.mark.parametrize(("age", "good"), [(0, True), (LIFETIME - 1, True), (LIFETIME, False)])
def test_it_is_good_for_a_day(desk: Any, age: int, good: bool) -> None:
    assert desk.read(is_setup_code, desk.write(create_setup_link, 0), age) is good


def test_a_second_link_replaces_the_first(desk: Any) -> None:
    first, second = (desk.write(create_setup_link, now) for now in (0, 1))
    assert not desk.read(is_setup_code, first, 2)
    assert desk.read(is_setup_code, second, 2)


def test_there_is_none_once_there_is_an_administrator_even_a_disabled_one(desk: Any) -> None:
    code = desk.write(create_setup_link, 0)
    number = desk.user("root.admin", Role.SYSTEM_ADMINISTRATOR)
    for _ in range(2):
        assert not desk.read(is_setup_code, code, 1)
        with pytest.raises(Denied):
            desk.write(redeem_setup, code, FIRST, 1)
        with pytest.raises(Conflict):
            desk.write(create_setup_link, 1)
        desk.write(disable_user, number, 1)


def test_a_name_that_cannot_be_leaves_the_link_good(desk: Any) -> None:
    code = desk.write(create_setup_link, 0)
    with pytest.raises(Violation):
        desk.write(redeem_setup, code, NewUser("no good name", Role.RADIOLOGIST), 1)
    assert desk.read(is_setup_code, code, 2)
