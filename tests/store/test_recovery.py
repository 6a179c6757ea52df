from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leadglass.errors import BrokenInvariant, KeyWrong
from leadglass.store.recovery import ALPHABET, decode, encode, new_recovery_key

secrets = st.binary(min_size=20, max_size=20)


@given(secrets)
def test_what_is_printed_reads_back(secret):
    assert decode(encode(secret)) == secret


def test_a_printed_key_must_open_in_every_later_version():
    assert encode(bytes(20)) == "00001-00002-00003-00004-00005-00006-00007-00008"
    assert decode(encode(b"\xff" * 20)) == b"\xff" * 20


def test_it_has_eight_groups_without_confusable_letters():
    group = f"[{ALPHABET}]{{5}}"
    assert re.fullmatch(f"{group}(-{group}){{7}}", new_recovery_key())
    assert not set("ILOU") & set(ALPHABET)
    assert new_recovery_key() != new_recovery_key()


@given(secrets, st.sampled_from(["", " ", "-", " - ", "\n", "—", "."]), st.booleans())
def test_case_spaces_and_dashes_do_not_matter(secret, between, lower):
    typed = encode(secret).replace("-", between)
    assert decode(typed.lower() if lower else typed) == secret


@given(secrets, st.sampled_from(["0O", "0o", "1I", "1i", "1L", "1l", "VU", "vu"]))
def test_letters_that_look_alike_are_taken_for_what_was_meant(secret, pair):
    meant, typed = pair
    printed = encode(secret)
    assert decode((printed.lower() if meant == "v" else printed).replace(meant, typed)) == secret


@given(secrets, st.integers(0, 39), st.sampled_from(ALPHABET))
def test_any_wrong_character_is_found_and_its_group_named(secret, place, wrong):
    characters = list(encode(secret).replace("-", ""))
    assume(characters[place] != wrong)
    characters[place] = wrong
    with pytest.raises(KeyWrong, match=f"Group {place // 5 + 1} of"):
        decode("".join(characters))


@given(secrets, st.permutations(range(8)))
def test_groups_in_another_order_are_found(secret, order):
    assume(order != list(range(8)))
    groups = encode(secret).split("-")
    with pytest.raises(KeyWrong, match="mistyped"):
        decode("-".join(groups[place] for place in order))


@given(secrets, st.integers(0, 7), st.integers(0, 2))
def test_neighbours_that_changed_places_are_found(secret, group, place):
    groups = encode(secret).split("-")
    first, second = (ALPHABET.index(character) for character in groups[group][place : place + 2])
    assume(first != second and abs(first - second) != 16)  # the one distance that is missed
    swapped = groups[group][:place] + ALPHABET[second] + ALPHABET[first] + groups[group][place + 2 :]
    with pytest.raises(KeyWrong):
        decode("-".join([*groups[:group], swapped, *groups[group + 1 :]]))


@pytest.mark.parametrize(("typed", "count"), [("", 0), ("00001", 5), ("0" * 39, 39), ("0" * 41, 41)])
def test_a_wrong_count_says_how_many(typed, count):
    with pytest.raises(KeyWrong, match=f"{count} were typed"):
        decode(typed)


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_wrong(typed):
    try:
        secret = decode(typed)
    except KeyWrong:
        return
    assert decode(encode(secret)) == secret


@pytest.mark.parametrize("strange", ["é", "Ⅷ", "٣", "\x00", "*"])
def test_characters_that_no_key_has(strange):
    with pytest.raises(KeyWrong, match="Group 1"):
        decode(strange + encode(bytes(20)).replace("-", "")[1:])


def test_an_error_never_repeats_what_was_typed():
    printed = encode(bytes(range(20)))
    with pytest.raises(KeyWrong) as caught:
        decode("Z" + printed[1:])
    assert not any(group in str(caught.value) for group in printed.split("-"))


def test_a_secret_of_another_size_is_our_bug():
    with pytest.raises(BrokenInvariant):
        encode(bytes(32))
