from __future__ import annotations

from typing import Any

import pytest

from leadglass.access import schema
from leadglass.access.departments import create_department
from leadglass.access.principal import Kind, Role, operator
from leadglass.access.users import (
    ASSIGNABLE_ROLES,
    NewUser,
    User,
    acting_as,
    add_user,
    canonical_name,
    disable_user,
    enable_user,
    find_user,
    list_users,
    principal_of,
    set_departments,
    set_password,
    set_role,
)
from leadglass.errors import Conflict, NotFound, Violation


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("dr.roth", "dr.roth"),
        (" Dr.Roth\n", "dr.roth"),
        ("A", "a"),
        ("0-x_y.z", "0-x_y.z"),
        ("a" * 64, "a" * 64),
    ],
)
def test_legal_names(typed: str, kept: str) -> None:
    assert canonical_name(typed) == kept == canonical_name(kept)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        ".a",
        "-a",
        "_a",
        "a b",
        "a/b",
        "../a",
        "a:b",
        "ärzte",
        "\N{CYRILLIC SMALL LETTER A}dmin",
        "a\x00",
        "a\u202e",
        "a" * 65,
        "a\nb",
        "user@host",
        "ⅸ",
        "a\ud800",
        pytest.param("x" * 10**6, id="huge"),
    ],
)
def test_illegal_names(typed: str) -> None:
    with pytest.raises(Violation) as refusal:
        canonical_name(typed)
    assert refusal.value.code == "user-name"


def test_add_and_find(desk: Any) -> None:
    heart = desk.write(create_department, "Heart", 1)
    new = NewUser("Dr.Roth", Role.RADIOLOGIST, "Dr. Åsa Roth", frozenset({heart}))
    number = desk.write(add_user, new, 5)
    expected = User(number, "dr.roth", "Dr. Åsa Roth", Role.RADIOLOGIST, frozenset({heart}), None, 5, False)
    assert desk.read(find_user, "DR.ROTH") == expected
    assert desk.read(list_users) == [expected]
    assert desk.read(find_user, "nobody") is None
    assert desk.read(find_user, "../etc") is None


def test_without_a_department_it_is_the_default_one(desk: Any) -> None:
    desk.user("a")
    desk.user("b", departments=frozenset())
    names = {row["id"]: row["name"] for row in desk.rows(schema.departments)}
    belongs = {user.name: [names[each] for each in user.departments] for user in desk.read(list_users)}
    assert belongs == {"a": ["default"], "b": []}


def test_a_name_is_taken_in_any_letter_case(desk: Any) -> None:
    desk.user("dr.roth")
    with pytest.raises(Conflict):
        desk.user("DR.ROTH")


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.APPLICATION_ENTITY, "janitor", ""])
def test_nobody_is_given_a_role_that_users_do_not_have(desk: Any, role: Any) -> None:
    with pytest.raises(Violation):
        desk.user("x", role)
    number = desk.user("y")
    with pytest.raises(Violation):
        desk.write(set_role, number, role)
    assert [user.role for user in desk.read(list_users)] == [Role.RADIOLOGIST]


def test_every_other_role_can_be_given(desk: Any) -> None:
    for role in ASSIGNABLE_ROLES:
        desk.user(role.replace("_", "-"), role)
    assert {user.role for user in desk.read(list_users)} == set(Role) - {
        Role.OPERATOR,
        Role.APPLICATION_ENTITY,
    }


@pytest.mark.parametrize("display_name", ["x" * 129, "a\u202eb", "a\x1bb"])
def test_display_names_do_not_mislead(desk: Any, display_name: str) -> None:
    with pytest.raises(Violation):
        desk.user("x", display_name=display_name)


def test_an_unknown_department_leaves_no_half_user(desk: Any) -> None:
    with pytest.raises(NotFound):
        desk.user("x", departments=frozenset({99}))
    assert desk.read(list_users) == []


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        (set_password, ("h",)),
        (set_role, (Role.AUDITOR,)),
        (set_departments, (frozenset(),)),
        (disable_user, (1,)),
        (enable_user, ()),
    ],
)
def test_changes_to_nobody_are_refused(desk: Any, change: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(NotFound):
        desk.write(change, 99, *arguments)


def test_principal_of_follows_the_account(desk: Any) -> None:
    number = desk.user("dr.roth")
    other = desk.write(create_department, "Heart", 1)
    desk.write(set_role, number, Role.TECHNOLOGIST)
    desk.write(set_departments, number, frozenset({other}))
    principal = desk.read(principal_of, number, "c")
    assert (principal.kind, principal.actor) == (Kind.USER, f"user:{number}")
    assert (principal.role, principal.departments) == (Role.TECHNOLOGIST, frozenset({other}))
    desk.write(disable_user, number, 1)
    assert desk.read(principal_of, number, "c") is None
    desk.write(enable_user, number)
    assert desk.read(principal_of, number, "c") == principal
    assert desk.read(principal_of, 99, "c") is None


def test_a_role_from_a_later_version_makes_no_principal(desk: Any) -> None:
    number = desk.user("dr.roth")
    desk.write(lambda tx: tx.execute(schema.users.update().values(role="archivist")))
    assert desk.read(principal_of, number, "c") is None


def test_acting_as_has_the_user_s_rights_and_the_operator_s_credential(desk: Any) -> None:
    number = desk.user("dr.roth")
    me = operator(1000, "mira")
    principal = desk.read(acting_as, "Dr.Roth", me)
    assert (principal.actor, principal.credential) == (f"user:{number}", "operator:1000")
    assert desk.read(acting_as, "nobody", me) is None
    desk.write(disable_user, number, 1)
    assert desk.read(acting_as, "dr.roth", me) is None


def test_a_new_user_does_not_show_its_hash() -> None:
    assert "argon2" not in repr(NewUser("x", Role.AUDITOR, password_hash="$argon2id$…"))  # type: ignore[arg-type]
