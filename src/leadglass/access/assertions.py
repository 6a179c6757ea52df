"""JSON Web Tokens (RFC 7519) of an identity provider the operator named: another system's word for who it is.

An association may carry one as its user identity (PS3.7 D.3.3.7, type 5). Everything about a token is the
peer's until its signature has been verified, and the token itself never chooses the key or the algorithm.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from leadglass.access.principal import Kind, Principal
from leadglass.access.schema import Reader
from leadglass.access.users import find_user, principal_of
from leadglass.errors import Violation

LARGEST: Final = 16 << 10  # characters of a token
LARGEST_KEYS: Final = 256 << 10
LEEWAY: Final = 60  # seconds between two clocks
LONGEST: Final = 24 * 3600  # seconds: a word that is good for ever cannot be taken back
# Signatures only, and of the issuer alone: with HMAC whoever verifies could also sign.
ALGORITHMS: Final = (
    "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "Ed25519",
)  # fmt: skip
_KEY_TYPES: Final = frozenset({"EC", "RSA", "OKP"})


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose word counts: its name (`iss`), ours with it (`aud`), and the claim with a user's name here."""

    name: str
    audience: str
    claim: str
    keys: jwk.KeySet = field(repr=False)


def read_keys(text: bytes) -> jwk.KeySet:
    """The issuer's public keys, a JWK Set (RFC 7517 5). Keys of other kinds and uses are left out."""
    try:
        if len(text) > LARGEST_KEYS:
            raise ValueError
        found = [
            each for each in json.loads(text)["keys"]
            if each["kty"] in _KEY_TYPES and each.get("use", "sig") == "sig" and "d" not in each
        ]  # fmt: skip
        keys = jwk.KeySet.import_key_set({"keys": found})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, JoseError):
        raise Violation("The identity provider's keys are no JWK Set.", code="identity-keys") from None
    if not keys.keys:
        raise Violation(
            "The identity provider's keys hold no public key for signatures.", code="identity-keys"
        )
    return keys


def user_named_in(token: str, issuer: Issuer, now: int) -> str | None:
    """The user's name in a token that the issuer signed for us and that holds now; None for whatever else."""
    if not token.isascii() or len(token) > LARGEST:
        return None
    seconds = now // 1000
    rules = jwt.JWTClaimsRegistry(
        now=seconds,
        leeway=LEEWAY,
        iss={"essential": True, "value": issuer.name},
        aud={"essential": True, "value": issuer.audience},
        exp={"essential": True},
    )
    registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        claims = jwt.decode(token, issuer.keys, algorithms=ALGORITHMS, registry=registry).claims
        rules.validate(claims)
        if not claims["exp"] - seconds <= LONGEST:
            return None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None
    name = claims.get(issuer.claim)
    return name if isinstance(name, str) else None


def resolve_assertion(conn: Reader, token: str, issuer: Issuer, now: int) -> Principal | None:
    """The user a token names, if there is one here and enabled. Under the user's number: tokens of another
    system have none of ours.
    """
    name = user_named_in(token, issuer, now)
    user = None if name is None else find_user(conn, name)
    if user is None:
        return None
    credential = f"{Kind.JWT}:{sha256(token.encode('ascii')).hexdigest()[:16]}"
    principal = principal_of(conn, user.id, credential)
    return None if principal is None else replace(principal, kind=Kind.JWT)
