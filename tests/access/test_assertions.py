"""Another system's word for a user: what it takes for it to count, one mistake at a time."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jwt

from leadglass.access.assertions import (
    ALGORITHMS,
    LARGEST,
    LARGEST_KEYS,
    LEEWAY,
    LONGEST,
    Issuer,
    read_keys,
    resolve_assertion,
    user_named_in,
)
from leadglass.access.principal import Kind, Role
from leadglass.access.users import disable_user, principal_of
from leadglass.errors import Violation

NOW = 1_800_000_000_000
SECONDS = NOW // 1000
KEY = jwk.ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
RSA = jwk.RSAKey.generate_key(2048, {"kid": "x"})
OTHER = jwk.ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
CLAIMS = {
    "iss": "https://id.example.org",
    "aud": "leadglass",
    "exp": SECONDS + 300,
    "name": "dr.roth",
    "sub": "7",
}


def jwks(*keys: Any, private: bool = False) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=private) for key in keys]}).encode()


ISSUER = Issuer("https://id.example.org", "leadglass", "name", read_keys(jwks(KEY)))


def signed(
    claims: Any = CLAIMS, key: Any = KEY, algorithm: str = "ES256", header: dict[str, Any] | None = None
) -> str:
    head = {"alg": algorithm, "kid": key.kid, **(header or {})}
    return jwt.encode(head, claims, key, algorithms=[algorithm])


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


def forged(header: dict[str, Any], sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token written by hand: what a library would not."""

    def plain(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).rstrip(b"=").decode()

    said = f"{plain(json.dumps(header).encode())}.{plain(json.dumps(CLAIMS).encode())}"
    return f"{said}.{plain(sign(said.encode()))}"


def es256(said: bytes) -> bytes:
    """KEY's signature (RFC 7518 3.4)."""
    numbers = decode_dss_signature(KEY.private_key.sign(said, ec.ECDSA(hashes.SHA256())))  # type: ignore[union-attr]
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def test_a_token_names_its_user() -> None:
    assert user_named_in(signed(), ISSUER, NOW) == "dr.roth"
    assert user_named_in(forged({"alg": "ES256", "kid": "one", "own": 1}, es256), ISSUER, NOW) == "dr.roth"
    assert user_named_in(signed(CLAIMS | {"aud": ["else", "leadglass"]}), ISSUER, NOW) == "dr.roth"
    assert user_named_in(signed(), replace(ISSUER, claim="sub"), NOW) == "7"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm(algorithm: str) -> None:
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    key: Any = RSA
    if algorithm in curves:
        key = jwk.ECKey.generate_key(curves[algorithm], {"kid": "x"})
    elif algorithm == "Ed25519":
        key = jwk.OKPKey.generate_key("Ed25519", {"kid": "x"})
    issuer = replace(ISSUER, keys=read_keys(jwks(key)))
    assert user_named_in(signed(key=key, algorithm=algorithm), issuer, NOW) == "dr.roth"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda: signed(without("iss")), id="no issuer"),
        pytest.param(lambda: signed(CLAIMS | {"iss": "https://id.example.com"}), id="another issuer"),
        pytest.param(lambda: signed(without("aud")), id="no audience"),
        pytest.param(lambda: signed(CLAIMS | {"aud": "else"}), id="another audience"),
        pytest.param(lambda: signed(CLAIMS | {"aud": []}), id="empty audience"),
        pytest.param(lambda: signed(without("exp")), id="without end"),
        pytest.param(lambda: signed(CLAIMS | {"exp": SECONDS - LEEWAY}), id="over"),
        pytest.param(lambda: signed(CLAIMS | {"exp": SECONDS + LONGEST + 1}), id="for too long"),
        pytest.param(lambda: signed(CLAIMS | {"exp": 1e300}), id="for ever"),
        pytest.param(lambda: signed(CLAIMS | {"exp": float("nan")}), id="NaN"),
        pytest.param(lambda: signed(CLAIMS | {"exp": "tomorrow"}), id="end in words"),
        pytest.param(lambda: signed(CLAIMS | {"nbf": SECONDS + LEEWAY + 1}), id="not yet"),
        pytest.param(lambda: signed(without("name")), id="nobody"),
        pytest.param(lambda: signed(CLAIMS | {"name": ["dr.roth"]}), id="several"),
        pytest.param(lambda: signed(key=OTHER), id="another key"),
        pytest.param(lambda: signed(key=OTHER, header={"kid": "one"}), id="another key of the same name"),
        pytest.param(lambda: signed(header={"kid": "three"}), id="no such key"),
        pytest.param(
            lambda: forged({"alg": "ES256", "kid": "one", "crit": ["x"], "x": 1}, es256), id="critical"
        ),
        pytest.param(lambda: signed()[:-2] + "AA", id="signature"),
        pytest.param(lambda: signed() + ".x", id="parts"),
        pytest.param(lambda: forged({"alg": "none"}), id="none"),
        pytest.param(lambda: forged({"alg": "None", "kid": "one"}), id="None"),
        pytest.param(lambda: forged({"alg": "ES256", "kid": "one"}), id="no signature"),
        pytest.param(lambda: forged({"alg": "ES256", "kid": "one"}, lambda _: bytes(64)), id="zeros"),
        pytest.param(lambda: signed(CLAIMS | {"x": "y" * LARGEST}), id="large"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "é", id="not ASCII"),
        pytest.param(lambda: "[" * 10_000, id="brackets"),
    ],
)
def test_one_mistake_is_enough(token: Any) -> None:
    assert user_named_in(token(), ISSUER, NOW) is None


def test_the_public_key_is_no_password() -> None:
    """HMAC with the issuer's public key as its secret: the classic."""
    secret = KEY.as_pem(private=False)
    token = forged({"alg": "HS256", "kid": "one"}, lambda said: hmac.digest(secret, said, "sha256"))
    assert user_named_in(token, ISSUER, NOW) is None


def test_a_key_that_the_token_brings_along_counts_for_nothing() -> None:
    token = signed(key=OTHER, header={"kid": "one", "jwk": OTHER.as_dict(private=False)})
    assert user_named_in(token, ISSUER, NOW) is None


def test_clocks_may_differ_by_a_little() -> None:
    assert user_named_in(signed(CLAIMS | {"exp": SECONDS - LEEWAY + 1}), ISSUER, NOW) is not None
    assert user_named_in(signed(CLAIMS | {"nbf": SECONDS + LEEWAY}), ISSUER, NOW) is not None
    assert user_named_in(signed(CLAIMS | {"exp": SECONDS + LONGEST}), ISSUER, NOW) is not None


@given(st.text(max_size=300))
def test_anything_else_is_nobody(token: str) -> None:
    assert user_named_in(token, ISSUER, NOW) is None


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=4))
def test_any_header_without_a_signature_is_nobody_s(header: dict[str, Any]) -> None:
    assert user_named_in(forged(header), ISSUER, NOW) is None


def test_keys_of_other_kinds_are_left_out() -> None:
    encryption = jwk.ECKey.generate_key("P-256", {"use": "enc"})
    keys = read_keys(
        json.dumps(
            {"keys": [KEY.as_dict(private=False), encryption.as_dict(private=False), OTHER.as_dict(private=True),
                      {"kty": "oct", "k": "c2VjcmV0"}]}
        ).encode()
    )  # fmt: skip
    assert [key.kid for key in keys.keys] == ["one"]


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"[]", b"null", b'{"keys": []}', b'{"keys": 7}', b'{"keys": [7]}', b'{"keys": [{}]}', b"\xff",
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}', b'{"keys": [{"kty": "RSA"}]}',
        b"[" * 100_000, b" " * (LARGEST_KEYS + 1), jwks(OTHER, private=True),
    ],
)  # fmt: skip
def test_what_is_no_set_of_keys(text: bytes) -> None:
    with pytest.raises(Violation):
        read_keys(text)


def test_it_is_its_user_with_the_user_s_rights(desk: Any) -> None:
    desk.user("somebody.else")
    number = desk.user("dr.roth", Role.TECHNOLOGIST)
    token = signed(CLAIMS | {"name": "Dr.Roth"})
    principal = desk.read(resolve_assertion, token, ISSUER, NOW)
    assert principal.actor == f"jwt:{number}"
    assert principal.credential.startswith("jwt:")
    assert principal.credential not in token
    user = desk.read(principal_of, number, "")
    assert replace(principal, kind=Kind.USER, credential="") == user


def test_who_is_not_here_or_disabled_is_nobody(desk: Any) -> None:
    assert desk.read(resolve_assertion, signed(), ISSUER, NOW) is None
    number = desk.user("dr.roth")
    assert desk.read(resolve_assertion, signed(), ISSUER, NOW) is not None
    desk.write(disable_user, number, NOW)
    assert desk.read(resolve_assertion, signed(), ISSUER, NOW) is None
