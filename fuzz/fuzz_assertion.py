"""Fuzz JSON Web Tokens and JWK Sets: a user's name for what the issuer signed for us, or nobody.

The first byte of an input chooses: a token as it is; a header and claims that the issuer then signs, so that
what stands behind the signature is reached too; or the issuer's keys. Besides the contract on exceptions: a
token that counts was signed by the issuer, and says so of itself as the rules want it.
"""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import seeded
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwk

from leadglass.access.assertions import ALGORITHMS, LEEWAY, LONGEST, Issuer, read_keys, user_named_in
from leadglass.errors import Violation

NOW = 1_800_000_000
NAME, AUDIENCE, CLAIM = "https://id.example.org", "leadglass", "preferred_username"
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = jwk.ECKey.import_key(KEY.public_key()).as_dict(private=False)
ISSUER = Issuer(NAME, AUDIENCE, CLAIM, read_keys(json.dumps({"keys": [{**PUBLIC, "kid": "1"}]}).encode()))
HEADER = {"alg": "ES256", "kid": "1", "typ": "JWT"}
CLAIMS = {"iss": NAME, "aud": AUDIENCE, "exp": NOW + 600, CLAIM: "dr.roth", "nbf": NOW, "iat": NOW}
TOKENS = (
    b"{}", b"[]", b"null", b"true", b"-1", b"1e999", b"NaN", b'""', b'"exp"', b'"aud"', b'["leadglass"]',
    b'"b64"',
    b'"crit"', b'"jwk"', b'"jku"', b'"x5u"', b'"none"', b'"HS256"', b'"kty"', b'"oct"', b'"d"', b'"OKP"',
    b'"use"',
    b'"enc"', b"\n", b".", b"..", b"=", b"\xff", b"\0", b"[" * 500, b'{"a":' * 300, b"9" * 400,
)  # fmt: skip
TAKE, SIGN, KEYS = range(3)


def one_input(data: bytes) -> None:
    if not data:
        return
    kind, body = data[0] % 3, data[1:]
    if kind == KEYS:
        with suppress(Violation):
            keys = read_keys(body)
            assert keys.keys
            assert not any(key.is_private for key in keys.keys)
            user_named_in(TOKEN, Issuer(NAME, AUDIENCE, CLAIM, keys), NOW * 1000)
        return
    header, _, claims = body.partition(b"\n")
    token = signed(header, claims) if kind == SIGN else body.decode("utf-8", "replace")
    found = user_named_in(token, ISSUER, NOW * 1000)
    if found is not None:
        counts(token, found)


def counts(token: str, name: str) -> None:
    """The rules, read anew."""
    header, claims, signature = (unpadded(part) for part in token.split("."))
    told: Any = json.loads(claims)
    assert json.loads(header)["alg"] in ALGORITHMS
    assert told["iss"] == NAME and AUDIENCE in (told["aud"], *told["aud"])
    assert NOW - LEEWAY <= told["exp"] <= NOW + LONGEST
    assert told.get("nbf", 0) <= NOW + LEEWAY
    assert told[CLAIM] == name and isinstance(name, str)
    half = len(signature) // 2
    numbers = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    said = token.rpartition(".")[0].encode()
    KEY.public_key().verify(encode_dss_signature(*numbers), said, ec.ECDSA(hashes.SHA256()))


def unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def packed(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def signed(header: bytes, claims: bytes) -> str:
    said = f"{packed(header)}.{packed(claims)}"
    numbers = decode_dss_signature(KEY.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{said}.{packed(b''.join(number.to_bytes(32, 'big') for number in numbers))}"


TOKEN = signed(json.dumps(HEADER).encode(), json.dumps(CLAIMS).encode())


def corpus() -> list[bytes]:
    """Tokens that count and tokens that do not, and the keys."""
    others: tuple[dict[str, Any], ...] = (
        {}, {"aud": [AUDIENCE, "other"]}, {"exp": NOW + 10**9}, {"exp": str(NOW + 600)}, {"iss": None},
        {CLAIM: ["dr.roth"]}, {"nbf": NOW + 600}, {"exp": NOW + 600.5}, {"aud": {"leadglass": 1}},
    )  # fmt: skip
    heads: tuple[dict[str, Any], ...] = (
        {}, {"alg": "none"}, {"crit": ["b64"], "b64": False}, {"jwk": PUBLIC}, {"alg": "HS256"}, {"kid": 7},
    )  # fmt: skip
    both = [(HEADER | head, CLAIMS | other) for head in heads for other in others]
    parts = [(json.dumps(head).encode(), json.dumps(claims).encode()) for head, claims in both]
    keys = json.dumps({"keys": [{**PUBLIC, "kid": "1", "use": "sig"}, {"kty": "oct", "k": "AAAA"}]})
    return [
        *(bytes([SIGN]) + header + b"\n" + claims for header, claims in parts),
        *(bytes([TAKE]) + signed(header, claims).encode() for header, claims in parts),
        bytes([KEYS]) + keys.encode(),
    ]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
