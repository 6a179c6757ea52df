from __future__ import annotations

import re
import unicodedata

import pytest
from argon2.exceptions import HashingError
from hypothesis import given, settings
from hypothesis import strategies as st

from leadglass.access.passwords import (
    LONGEST,
    RFC_9106_SECOND,
    SHORTEST,
    Cost,
    Hasher,
    PasswordHash,
    check_password,
    generate_password,
    new_password_hash,
)
from leadglass.errors import BrokenInvariant, Unavailable, Violation

TINY = Cost(memory=8, passes=1, lanes=1)
GOOD = "four quiet herons wade"


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "no digits no capitals",
        "ärztliche Übergabe um neun",
        "密码学家在图书馆里读报纸喝茶水",
        "🦆🦊🐝🦉🐢🦋🐙🦔🐬🦩🦥🐘🦒🐧🦜",
        "a1B2-c9Z8/x5Y4+w7",
        "the radiology lab moved its kettle",
        "x" + GOOD * 2 + "y",
        " ".join(f"heron{number * number}" for number in range(100))[:LONGEST],
    ],
)
def test_long_and_unguessed_is_enough(password: str) -> None:
    assert check_password(password, "dr.roth") == unicodedata.normalize("NFKC", password)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "password-too-short"),
        ("Tr0ub4dor&3", "password-too-short"),
        ("x8Kd02mQw9LpzR"[: SHORTEST - 1], "password-too-short"),
        ("ab" * 128 + "c", "password-too-long"),
        pytest.param("x" * 10**6, "password-too-long", id="huge"),
        ("four quiet herons \ud800", "password-not-text"),
        ("a" * 15, "password-repeats"),
        ("herons herons herons ", "password-repeats"),
        ("wade4wade4wade4wa", "password-repeats"),
        ("abbabaabbbaababb", "password-few-characters"),
        ("abcdefghijklmnop", "password-sequence"),
        ("987654321098765x", "password-sequence"),
        ("qwertyuiopasdfgh", "password-sequence"),
        ("1qwertzuiopyxcvb", "password-sequence"),
        ("leadglass-2026!", "password-guessed"),
        ("P@ssw0rdRadi0logy", "password-guessed"),
        ("welcome.hospital1", "password-guessed"),
        ("correct horse battery staple", "password-guessed"),
        ("anna.roth.anna.1974", "password-guessed"),
        ("Roth-anna-hospital", "password-guessed"),
    ],
)
def test_weak_passwords_are_named(password: str, code: str) -> None:
    with pytest.raises(Violation) as refusal:
        check_password(password, "anna.roth")
    assert refusal.value.code == code
    assert not password or password not in str(refusal.value)


def test_length_counts_code_points_after_normalisation() -> None:
    decomposed = "e\N{COMBINING ACUTE ACCENT}" * 2 + "x8Kd02mQw9L"  # 15 as typed, 13 as characters
    with pytest.raises(Violation, match="at least"):
        check_password(decomposed, "n")


@given(st.text(max_size=300))
def test_any_text_is_taken_or_refused(password: str) -> None:
    try:
        normal = check_password(password, "dr.roth")
    except Violation:
        return
    assert len(normal) >= SHORTEST


def test_generated_passwords_carry_80_bits_and_pass_the_check() -> None:
    seen = {generate_password() for _ in range(200)}
    assert len(seen) == 200
    for password in seen:
        assert re.fullmatch(r"(?:[bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz](?:-.{5}){4}", password)
        check_password(password, "dr.roth")


# --- hashing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tried", "same"),
    [
        (GOOD, True),
        (GOOD + " ", False),
        (GOOD[:-1], False),
        (GOOD.upper(), False),
        ("", False),
        ("x" * (LONGEST + 1), False),
        (GOOD + "\ud800", False),
        (GOOD + "\x00", False),
    ],
)
def test_verify(tried: str, same: bool) -> None:
    hasher = Hasher(TINY)
    assert hasher.verify(new_password_hash(hasher, GOOD, "n"), tried) is same


def test_what_cannot_be_hashed_does_not_match_the_empty_password() -> None:
    hasher = Hasher(TINY)
    assert not hasher.verify(hasher.hash(""), "\ud800")


def test_two_keyboards_type_the_same_password() -> None:
    hasher = Hasher(TINY)
    encoded = new_password_hash(hasher, "Übergabe um neun Uhr", "n")
    assert hasher.verify(encoded, "U\N{COMBINING DIAERESIS}bergabe um neun Uhr")


@settings(max_examples=20)
@given(st.text(max_size=40))
def test_nothing_matches_the_dummy(password: str) -> None:
    hasher = Hasher(TINY)
    assert not hasher.verify(hasher.dummy, password)


@pytest.mark.parametrize("cost", [TINY, Cost(memory=32, passes=2, lanes=4), RFC_9106_SECOND])
def test_the_dummy_costs_what_a_hash_costs(cost: Cost) -> None:
    hasher = Hasher(cost)
    parts = hasher.dummy.split("$")
    assert parts[1:4] == ["argon2id", "v=19", f"m={cost.memory},t={cost.passes},p={cost.lanes}"]
    if cost != RFC_9106_SECOND:
        real = hasher.hash(GOOD).split("$")
        assert [len(part) for part in real] == [len(part) for part in parts]
        assert real[1:4] == parts[1:4]
    assert not hasher.is_outdated(hasher.dummy)


def test_hashes_are_salted() -> None:
    hasher = Hasher(TINY)
    assert hasher.hash(GOOD) != hasher.hash(GOOD)


def test_another_cost_is_outdated_but_still_verifies() -> None:
    old, new = Hasher(TINY), Hasher(Cost(memory=16, passes=1, lanes=1))
    encoded = old.hash(GOOD)
    assert new.is_outdated(encoded)
    assert new.verify(encoded, GOOD)
    assert not new.is_outdated(new.rehash(GOOD))


def test_a_stored_hash_that_is_none_is_our_bug() -> None:
    with pytest.raises(BrokenInvariant):
        Hasher(TINY).verify(PasswordHash("plain"), GOOD)


def test_too_many_at_once_are_sent_away() -> None:
    hasher = Hasher(TINY, running=1, waiting=0)
    with hasher.place(), pytest.raises(Unavailable) as refusal:
        hasher.verify(hasher.dummy, GOOD)
    assert refusal.value.code == "sign-in-busy"
    assert hasher.verify(hasher.hash(GOOD), GOOD)


def test_no_memory_for_a_hash_is_not_a_wrong_password() -> None:
    hasher = Hasher(TINY, running=1, waiting=0)
    with pytest.raises(Unavailable), hasher.place():
        raise HashingError("Memory allocation error")
    assert hasher.verify(hasher.hash(GOOD), GOOD)
