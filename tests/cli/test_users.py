"""user and token: secrets alone on standard output, once, and everything else beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]

GOOD = "vofig-lusab-babad-gutih-tugad"


@pytest.fixture
def doctor(home: Any, run: Run) -> str:
    assert run("user", "add", "dr.roth", "--role", "radiologist", "--display-name", "Dr. Anna Roth").code == 0
    return "dr.roth"


def test_a_generated_password_is_alone_on_standard_output(home: Any, run: Run) -> None:
    ran = run("user", "add", "dr.roth", "--role", "radiologist")
    assert ran.code == 0
    assert len(ran.out.split()) == 1
    assert ran.out.strip() not in ran.err
    assert run("user", "add", "two", "--role", "auditor").out != ran.out


def test_the_password_that_is_printed_signs_in(home: Any, run: Run) -> None:
    password = run("user", "add", "dr.roth", "--role", "radiologist").out.strip()
    assert signs_in(home, "dr.roth", password)
    fresh = run("user", "reset", "dr.roth").out.strip()
    assert fresh != password
    assert not signs_in(home, "dr.roth", password)
    assert signs_in(home, "dr.roth", fresh)


def signs_in(home: Any, name: str, password: str) -> bool:
    import os

    from leadglass.access.principal import Context, Via
    from leadglass.compose import open_home
    from leadglass.home import clock

    with open_home(home.root, os.environ, clock) as opened:
        context = Context("127.0.0.1", Via.WEB, clock())
        return opened.services.accounts.sign_in(name, password, context) is not None


def test_a_password_from_standard_input_is_not_repeated(home: Any, run: Run) -> None:
    ran = run("user", "add", "dr.roth", "--role", "radiologist", "--password-stdin", stdin=f"{GOOD}\nmore\n")
    assert (ran.code, ran.out) == (0, "")
    assert GOOD not in ran.err
    assert signs_in(home, "dr.roth", GOOD)


@pytest.mark.parametrize(("typed", "code"), [("", 2), ("\n", 2), ("short\n", 1), ("password" * 4 + "\n", 1)])
def test_bad_passwords_are_refused_and_make_no_user(home: Any, run: Run, typed: str, code: int) -> None:
    ran = run("user", "add", "dr.roth", "--role", "radiologist", "--password-stdin", stdin=typed)
    assert ran.code == code
    assert run("user", "list", "--json").json == []


def test_a_name_is_taken_once(doctor: str, run: Run) -> None:
    ran = run("user", "add", "DR.Roth", "--role", "auditor")
    assert (ran.code, ran.out, "already" in ran.err) == (1, "", True)


def test_the_list(doctor: str, run: Run) -> None:
    (row,) = run("user", "list", "--json").json
    assert row.pop("created").endswith("Z")
    assert row == {
        "name": "dr.roth", "display_name": "Dr. Anna Roth", "role": "radiologist",
        "departments": ["default"], "disabled": None,
    }  # fmt: skip
    assert "Dr. Anna Roth" in run("user", "list").out


def test_an_empty_list_says_how_to_fill_it(home: Any, run: Run) -> None:
    assert "leadglass user add" in run("user", "list").err


def test_a_disabled_user_is_out_and_stays_listed(doctor: str, home: Any, run: Run) -> None:
    password = run("user", "reset", doctor).out.strip()
    token = run("token", "create", "--user", doctor).out.strip()
    assert run("user", "disable", doctor).code == 0
    assert not signs_in(home, doctor, password)
    assert run("token", "list", "--json").json[0]["state"] == "revoked"
    assert "disabled" in run("user", "list").out
    ran = run("token", "create", "--user", doctor)
    assert (ran.code, ran.out) == (1, "")
    assert token not in run("token", "list").out


def test_a_token_is_alone_on_standard_output(doctor: str, run: Run) -> None:
    ran = run("token", "create", "--user", doctor, "--days", "3", "--label", "script")
    assert (ran.code, ran.err, len(ran.out.split())) == (0, "", 1)
    (row,) = run("token", "list", "--json").json
    assert (row["id"], row["user"], row["label"], row["state"]) == (1, doctor, "script", "active")
    assert "script" in run("token", "list").out


def test_a_token_is_revoked_once(doctor: str, run: Run) -> None:
    run("token", "create", "--user", doctor)
    assert run("token", "revoke", "1").code == 0
    assert run("token", "revoke", "1").code == 1
    assert run("token", "revoke", "7", "--json").json == {"id": 7, "revoked": False}


@pytest.mark.parametrize(
    "command", [("user", "disable", "x"), ("user", "reset", "x"), ("token", "create", "--user", "x")]
)
def test_who_is_not_there(home: Any, run: Run, command: tuple[str, ...]) -> None:
    ran = run(*command)
    assert (ran.code, ran.out, "no user" in ran.err) == (1, "", True)


def test_acting_as_somebody_without_the_right(doctor: str, run: Run) -> None:
    for command in (("user", "list"), ("token", "list"), ("log", "show"), ("user", "reset", doctor)):
        ran = run(*command, "--as", doctor)
        assert (ran.code, "right" in ran.err) == (1, True), command
    denied = run("log", "show", "--json").json
    assert {entry["outcome"] for entry in denied if entry["actor_name"] == doctor} == {"denied"}


def test_every_change_is_on_the_record(doctor: str, run: Run) -> None:
    run("user", "reset", doctor)
    run("token", "create", "--user", doctor)
    run("token", "revoke", "1")
    run("user", "disable", doctor)
    actions = [entry["action"] for entry in reversed(run("log", "show", "--json").json)]
    assert actions == ["user.add", "user.reset", "token.create", "token.revoke", "user.disable"]
