"""Accounts: each change and its entry stand or fall together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from leadglass.access.principal import Role, Via, operator
from leadglass.archive.accounts import DAY
from leadglass.errors import Conflict, Denied, LeadglassError, NotFound, StorageFull

OPERATOR = operator(1000, "op")
PASSWORD = "four quiet herons wade"


@pytest.fixture
def desk(clinic: Any) -> Any:
    clinic.accounts = clinic.services.accounts
    clinic.command = clinic.context(Via.COMMAND)
    clinic.accounts.add_user(
        OPERATOR, "dr.roth", Role.RADIOLOGIST, clinic.command, department="Radiology", password=PASSWORD
    )
    return clinic


CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "user.add": (lambda d: d.accounts.add_user(OPERATOR, "new", Role.AUDITOR, d.command), "SELECT count(*) FROM users"),
    "user.disable": (
        lambda d: d.accounts.disable_user(OPERATOR, "dr.roth", d.command),
        "SELECT count(*) FROM users WHERE disabled IS NULL",
    ),
    "user.reset": (
        lambda d: d.accounts.reset_password(OPERATOR, "dr.roth", d.command),
        "SELECT group_concat(password_hash) FROM users",
    ),
    "token.create": (lambda d: d.accounts.create_token(OPERATOR, "dr.roth", d.command), "SELECT count(*) FROM tokens"),
    "setup.offer": (lambda d: d.accounts.create_setup_link(OPERATOR, d.command), "SELECT count(*) FROM setup_links"),
    "department.add": (
        lambda d: d.accounts.department(OPERATOR, "Oncology", d.command), "SELECT count(*) FROM departments",
    ),
}  # fmt: skip


@pytest.mark.parametrize("action", CHANGES)
def test_a_change_has_its_entry(desk: Any, action: str) -> None:
    change, state = CHANGES[action]
    before = desk.scalar(state), len(desk.entries(action))
    change(desk)
    assert desk.scalar(state) != before[0]
    assert len(desk.entries(action)) == before[1] + 1
    assert desk.entries(action)[-1].entry.actor == "operator:1000"


@pytest.mark.parametrize("action", CHANGES)
def test_without_an_entry_there_is_no_change(desk: Any, mute: Callable[[], None], action: str) -> None:
    change, state = CHANGES[action]
    before = desk.scalar(state)
    mute()
    with pytest.raises(StorageFull):
        change(desk)
    assert desk.scalar(state) == before


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.TECHNOLOGIST, Role.PACS_ADMINISTRATOR, Role.AUDITOR])
@pytest.mark.parametrize("action", CHANGES)
def test_who_may_not_is_refused_on_the_record(desk: Any, action: str, role: Role) -> None:
    who, context, accounts = desk.people[role], desk.context(), desk.accounts
    ask = {
        "user.add": lambda: accounts.add_user(who, "new", Role.AUDITOR, context),
        "user.disable": lambda: accounts.disable_user(who, "dr.roth", context),
        "user.reset": lambda: accounts.reset_password(who, "dr.roth", context),
        "token.create": lambda: accounts.create_token(who, "dr.roth", context),
        "setup.offer": lambda: accounts.create_setup_link(who, context),
        "department.add": lambda: accounts.department(who, "Oncology", context),
    }
    with pytest.raises(Denied):
        ask[action]()
    assert desk.entries()[-1].entry.outcome == "denied"
    assert desk.scalar(CHANGES[action][1]) is not None


def test_a_failed_change_has_no_entry(desk: Any) -> None:
    with pytest.raises(Conflict):
        desk.accounts.add_user(OPERATOR, "Dr.Roth", Role.AUDITOR, desk.command)
    assert len(desk.entries("user.add")) == 1


def test_a_new_department_comes_with_its_user_and_goes_with_the_failure(desk: Any) -> None:
    with pytest.raises(Conflict):
        desk.accounts.add_user(OPERATOR, "dr.roth", Role.AUDITOR, desk.command, department="Oncology")
    assert "Oncology" not in {department.name for department in desk.accounts.departments()}


def test_signing_in_and_out(desk: Any) -> None:
    token = desk.accounts.sign_in("Dr.Roth", PASSWORD, desk.context())
    who = desk.accounts.resolve_session(token, desk.now)
    assert (who.name, who.departments) == ("dr.roth", {desk.own})
    desk.accounts.sign_out(who, token, desk.context())
    assert desk.accounts.resolve_session(token, desk.now) is None
    assert [e.entry.action for e in desk.entries()[-2:]] == ["session.open", "session.close"]


def test_a_wrong_password_and_an_unknown_name_are_one_answer_and_one_entry(desk: Any) -> None:
    for name in ("dr.roth", "nobody-of-this-name"):
        before = desk.record_size()
        assert desk.accounts.sign_in(name, "wrong but long enough", desk.context()) is None
        assert desk.record_size() == before + 1
    assert all("nobody-of-this-name" not in str(recorded) for recorded in desk.entries())


def test_without_an_entry_nobody_signs_in(desk: Any, mute: Callable[[], None]) -> None:
    mute()
    with pytest.raises(LeadglassError):
        desk.accounts.sign_in("dr.roth", PASSWORD, desk.context())
    assert desk.scalar("SELECT count(*) FROM sessions") == 0


def test_signing_out_closes_what_was_open(desk: Any) -> None:
    desk.take_in(1)
    token = desk.accounts.sign_in("dr.roth", PASSWORD, desk.context())
    who = desk.accounts.resolve_session(token, desk.now)
    desk.services.retrieve.view(who, 1, desk.context())
    desk.accounts.sign_out(who, token, desk.context())
    desk.services.db.write(lambda _: None).result(30)
    assert [e.at_least for e in desk.entries("study.view")] == [False]


def test_disabling_takes_effect_with_the_next_request(desk: Any) -> None:
    token = desk.accounts.sign_in("dr.roth", PASSWORD, desk.context())
    secret = desk.accounts.create_token(OPERATOR, "dr.roth", desk.command)
    assert desk.accounts.resolve_token(secret, desk.now) is not None
    desk.accounts.disable_user(OPERATOR, "dr.roth", desk.command)
    assert desk.accounts.resolve_session(token, desk.now) is None
    assert desk.accounts.resolve_token(secret, desk.now) is None
    with pytest.raises(NotFound):
        desk.accounts.acting_as(OPERATOR, "dr.roth")


def test_tokens_end_by_time_and_by_revocation(desk: Any) -> None:
    first = desk.accounts.create_token(OPERATOR, "dr.roth", desk.command, days=1)
    second = desk.accounts.create_token(OPERATOR, "dr.roth", desk.command, days=2)
    assert desk.accounts.resolve_token(first, desk.now + DAY) is None
    assert desk.accounts.resolve_token(second, desk.now + DAY) is not None
    assert desk.accounts.revoke_token(OPERATOR, 2, desk.command)
    assert desk.accounts.resolve_token(second, desk.now) is None
    secrets = {first, second}
    assert not any(secret in str(recorded) for recorded in desk.entries() for secret in secrets)


def test_the_set_up_link_works_once(desk: Any) -> None:
    code = desk.accounts.create_setup_link(OPERATOR, desk.command)
    assert desk.accounts.setup_open(desk.now)
    token = desk.accounts.setup(code, "root", PASSWORD + " twice", desk.context())
    assert desk.accounts.resolve_session(token, desk.now).role is Role.SYSTEM_ADMINISTRATOR
    assert not desk.accounts.setup_open(desk.now)
    with pytest.raises(Denied):
        desk.accounts.setup(code, "second", PASSWORD + " twice", desk.context())
    assert desk.scalar("SELECT count(*) FROM users WHERE name = 'second'") == 0


def test_no_password_stands_in_the_record(desk: Any) -> None:
    made = desk.accounts.reset_password(OPERATOR, "dr.roth", desk.command)
    desk.accounts.sign_in("dr.roth", made, desk.context())
    assert all(made not in str(recorded) and PASSWORD not in str(recorded) for recorded in desk.entries())
