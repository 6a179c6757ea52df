from __future__ import annotations

from typing import Any

import pytest

from leadglass.access import schema, throttle
from leadglass.access.identity import Standing, read_candidate, settle, sign_in, verify
from leadglass.access.passwords import Cost, Hasher
from leadglass.access.principal import Role
from leadglass.access.sessions import resolve_session
from leadglass.access.users import disable_user, set_password

WRONG = "four quiet herons waded"


@pytest.fixture
def people(desk: Any) -> Any:
    desk.user("dr.roth")
    desk.user("nopass", password_hash=None)
    desk.write(disable_user, desk.user("gone"), 0)
    return desk


CASES = [
    ("dr.roth", True, Standing.SIGNED_IN),
    (" DR.Roth ", True, Standing.SIGNED_IN),
    ("dr.roth", False, Standing.WRONG_PASSWORD),
    ("nobody", True, Standing.UNKNOWN_NAME),
    ("no such/name", True, Standing.UNKNOWN_NAME),
    ("", True, Standing.UNKNOWN_NAME),
    pytest.param("x" * 10**5, True, Standing.UNKNOWN_NAME, id="huge"),
    ("\ud800", True, Standing.UNKNOWN_NAME),
    ("nopass", True, Standing.NO_PASSWORD),
    ("gone", True, Standing.DISABLED),
    ("gone", False, Standing.DISABLED),
]


@pytest.mark.parametrize(("name", "right", "standing"), CASES)
def test_every_sign_in_is_one_hash_at_the_same_cost(
    people: Any, name: str, right: bool, standing: Standing
) -> None:
    token = people.sign_in(name, people.password if right else WRONG, 1)
    assert people.outcomes[-1].standing is standing
    assert (token is not None) == (standing is Standing.SIGNED_IN)
    (encoded,) = people.hasher.verified
    assert encoded.split("$")[:4] == people.hasher.dummy.split("$")[:4]
    looked_at = standing in (Standing.SIGNED_IN, Standing.WRONG_PASSWORD)
    assert (encoded != people.hasher.dummy) == looked_at  # a stored hash may be of an older, other cost


@pytest.mark.parametrize(("name", "right", "standing"), CASES)
def test_every_failure_is_one_row_and_a_success_is_none(
    people: Any, name: str, right: bool, standing: Standing
) -> None:
    people.sign_in(name, people.password if right else WRONG, 1)
    rows = [(row["count"], row["last"]) for row in people.rows(schema.sign_in_failures)]
    assert rows == ([] if standing is Standing.SIGNED_IN else [(1, 1)])


def test_the_session_is_the_user_s(people: Any) -> None:
    token = people.sign_in("dr.roth", people.password, 1)
    principal = people.read(resolve_session, token, 2)
    outcome = people.outcomes[-1]
    assert principal.user_id == outcome.user_id == outcome.principal.user_id
    assert principal.role is Role.RADIOLOGIST


def test_a_failed_known_name_is_told_to_the_record_only(people: Any) -> None:
    people.sign_in("dr.roth", WRONG, 1)
    people.sign_in("nobody", WRONG, 1)
    known, unknown = people.outcomes
    assert known.user_id is not None
    assert unknown.user_id is None
    assert known.principal is unknown.principal is None


# --- throttle ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dr.roth", "nobody"])
def test_ten_failures_pause_a_name_known_or_not(people: Any, name: str) -> None:
    for _ in range(10):
        people.sign_in(name, WRONG, 1_000)
    for now in (1_000, 1_500, 1_999):
        assert people.sign_in(name, people.password, now) is None
    assert [outcome.standing for outcome in people.outcomes[-3:]] == [Standing.PAUSED] * 3
    assert len(people.hasher.verified) == 13
    assert people.rows(schema.sign_in_failures)[0]["count"] == 10  # a pause is not made longer by hammering
    people.sign_in(name, WRONG, 2_000)
    assert people.rows(schema.sign_in_failures)[0]["count"] == 11
    people.sign_in(name, people.password, 3_999)
    assert people.outcomes[-1].standing is Standing.PAUSED


def test_the_right_password_after_the_pause_clears_the_count(people: Any) -> None:
    for _ in range(10):
        people.sign_in("dr.roth", WRONG, 1_000)
    assert people.sign_in("Dr.Roth", people.password, 2_000) is not None
    assert people.rows(schema.sign_in_failures) == []
    people.sign_in("dr.roth", WRONG, 2_001)
    assert people.sign_in("dr.roth", people.password, 2_002) is not None


def test_one_name_s_pause_is_not_another_s(people: Any) -> None:
    for _ in range(12):
        people.sign_in("nobody", WRONG, 1_000)
    assert people.sign_in("dr.roth", people.password, 1_000) is not None


def test_guesses_made_at_once_count_like_guesses_in_a_row(people: Any) -> None:
    """All fifteen are read before any is settled; the right one comes last and is one too many."""
    candidates = [people.read(read_candidate, "dr.roth", 1_000, people.hasher) for _ in range(15)]
    guesses = [WRONG] * 14 + [people.password]
    attempts = [verify(*pair, people.hasher) for pair in zip(candidates, guesses, strict=True)]
    assert attempts[-1].matched
    standings = [people.write(settle, attempt, 1_000).standing for attempt in attempts]
    assert standings == [Standing.WRONG_PASSWORD] * 10 + [Standing.PAUSED] * 5


# --- while we were hashing --------------------------------------------------------------------------------


def test_what_changed_meanwhile_is_seen(people: Any) -> None:
    changes = {
        "password": lambda tx, number: set_password(tx, number, people.hasher.hash("another")),
        "disabled": lambda tx, number: disable_user(tx, number, 1),
    }
    for name, change in changes.items():
        number = people.user(name)
        attempt = verify(people.read(read_candidate, name, 1, people.hasher), people.password, people.hasher)
        people.write(change, number)
        outcome = people.write(settle, attempt, 2)
        assert (outcome.standing, outcome.principal) == (Standing.CHANGED, None)
    assert people.rows(schema.sign_in_failures) == []  # the person did nothing wrong


def test_a_role_from_a_later_version_does_not_sign_in(people: Any) -> None:
    people.write(lambda tx: tx.execute(schema.users.update().values(role="archivist")))
    assert people.sign_in("dr.roth", people.password, 1) is None


# --- rehash -----------------------------------------------------------------------------------------------


def stored_hash(desk: Any, name: str) -> str:
    return next(row["password_hash"] for row in desk.rows(schema.users) if row["name"] == name)


def test_a_hash_of_another_cost_is_renewed_by_the_right_password_only(desk: Any) -> None:
    cheap = Hasher(Cost(memory=8, passes=2, lanes=1))
    desk.user("dr.roth", password_hash=cheap.hash(desk.password))
    before = stored_hash(desk, "dr.roth")
    desk.sign_in("dr.roth", WRONG, 1)
    assert stored_hash(desk, "dr.roth") == before
    assert desk.sign_in("dr.roth", desk.password, 2) is not None
    assert not desk.hasher.is_outdated(stored_hash(desk, "dr.roth"))
    assert desk.sign_in("dr.roth", desk.password, 3) is not None


# --- the record, the cookie, the repr ---------------------------------------------------------------------


def test_no_entry_no_session(people: Any) -> None:
    def record(_tx: Any, _outcome: Any) -> None:
        raise OSError("the record cannot be written")

    with pytest.raises(OSError, match="record"):
        sign_in(people.db, people.hasher, "dr.roth", people.password, now=1, record=record)
    assert people.rows(schema.sessions) == []


def test_signing_in_replaces_what_the_browser_held(people: Any) -> None:
    first = people.sign_in("dr.roth", people.password, 1)
    second = people.sign_in("dr.roth", people.password, 2, replacing=first)
    assert first != second
    assert people.read(resolve_session, first, 3) is None
    assert people.read(resolve_session, second, 3) is not None


def test_a_failed_sign_in_leaves_the_old_session_alone(people: Any) -> None:
    first = people.sign_in("dr.roth", people.password, 1)
    people.sign_in("dr.roth", WRONG, 2, replacing=first)
    assert people.read(resolve_session, first, 3) is not None


def test_nothing_secret_shows_in_a_repr(people: Any) -> None:
    candidate = people.read(read_candidate, "dr.roth", 1, people.hasher)
    attempt = verify(candidate, people.password, people.hasher)
    shown = repr((candidate, attempt, people.write(settle, attempt, 1)))
    assert people.password not in shown
    assert "argon2" not in shown
    assert repr(throttle.name_digest("dr.roth")) not in shown
