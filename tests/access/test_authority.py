from __future__ import annotations

from typing import Any

import pytest

from leadglass.access.authority import (
    AUTHORITY,
    RENEWED_BEFORE,
    SERVER,
    certificate,
    load,
    new_authority,
    new_server,
    store,
)
from leadglass.access.certificates import DAY, LIFETIME, Pair, found_authority, issue_to_archive, names_of
from leadglass.errors import Tampered, Unavailable
from leadglass.store.keys import Keyring

NOW = 1_800_000_000_000
NAMES = ("pacs.example.org",)
RING = Keyring.from_master(bytes(32))


@pytest.fixture(scope="module")
def own() -> Pair:
    return found_authority(NOW)


@pytest.fixture(scope="module")
def server(own: Pair) -> Pair:
    return issue_to_archive(own, NAMES, NOW)


def test_what_is_kept_comes_back(desk: Any, own: Pair, server: Pair) -> None:
    assert desk.read(load, AUTHORITY, RING.unwrap_secret) is None
    assert desk.read(certificate, AUTHORITY) is None
    desk.write(store, AUTHORITY, own, RING.wrap_secret, NOW)
    desk.write(store, SERVER, server, RING.wrap_secret, NOW)
    assert desk.read(load, AUTHORITY, RING.unwrap_secret).key_der == own.key_der
    assert desk.read(load, SERVER, RING.unwrap_secret).certificate == server.certificate
    assert desk.read(certificate, AUTHORITY) == own.certificate_pem


def test_the_newer_one_replaces_the_older(desk: Any, own: Pair) -> None:
    desk.write(store, AUTHORITY, own, RING.wrap_secret, NOW)
    desk.write(store, AUTHORITY, found_authority(NOW), RING.wrap_secret, NOW)
    assert desk.read(certificate, AUTHORITY) != own.certificate_pem


def test_neither_another_home_s_key_nor_another_row_s_opens_it(desk: Any, own: Pair) -> None:
    desk.write(store, AUTHORITY, own, RING.wrap_secret, NOW)
    with pytest.raises(Tampered):
        desk.read(load, AUTHORITY, Keyring.from_master(bytes(31) + b"\1").unwrap_secret)
    desk.write(store, SERVER, own, lambda _, secret: RING.wrap_secret("tls authority key", secret), NOW)
    with pytest.raises(Tampered):
        desk.read(load, SERVER, RING.unwrap_secret)


def test_an_authority_is_made_once_and_again_before_it_ends(own: Pair) -> None:
    assert new_authority(None, NOW) is not None
    assert new_authority(own, NOW) is None
    assert new_authority(own, own.expires - 31 * DAY) is None
    assert new_authority(own, own.expires - 30 * DAY) is not None


def test_one_that_a_wrong_clock_made_is_made_again(own: Pair) -> None:
    assert new_authority(own, own.begins - 1) is not None


def test_the_listener_s_pair_is_made_once(own: Pair, server: Pair) -> None:
    made = new_server(None, own, NAMES, NOW)
    assert made is not None
    assert names_of(made) == names_of(server)
    assert new_server(server, own, NAMES, NOW) is None
    assert new_server(server, own, NAMES, server.expires - RENEWED_BEFORE - 1) is None


@pytest.mark.parametrize("names", [(), ("other.example.org",), (*NAMES, "192.0.2.1")])
def test_for_other_names_it_is_made_anew(own: Pair, server: Pair, names: tuple[str, ...]) -> None:
    made = new_server(server, own, names, NOW)
    assert made is not None
    assert new_server(made, own, names, NOW) is None


def test_in_time_before_it_expires_it_is_made_anew(own: Pair, server: Pair) -> None:
    when = server.expires - RENEWED_BEFORE
    made = new_server(server, own, NAMES, when)
    assert made is not None
    assert made.expires == when + LIFETIME


def test_a_new_authority_makes_a_new_one(server: Pair) -> None:
    assert new_server(server, found_authority(NOW), NAMES, NOW) is not None


def test_one_that_is_not_valid_yet_is_made_again(own: Pair) -> None:
    """The clock was ahead for a moment when it was made."""
    ahead = issue_to_archive(own, NAMES, NOW + 300 * DAY)
    made = new_server(ahead, own, NAMES, NOW)
    assert made is not None
    assert made.begins <= NOW


def test_at_the_authority_s_end_it_is_not_made_again_and_again(own: Pair) -> None:
    late = own.expires - 60 * DAY
    made = new_server(None, own, NAMES, late)
    assert made is not None
    assert made.expires == own.expires
    assert new_server(made, own, NAMES, late + DAY) is None


def test_an_expired_authority_says_what_to_do(own: Pair, server: Pair) -> None:
    with pytest.raises(Unavailable, match="leadglass ae renew"):
        new_server(server, own, NAMES, own.expires)
