"""Chapter 8: transport security and user identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from leadglass.access import assertions
from leadglass.access.certificates import AUTHORITY_LIFETIME, DAY, LIFETIME
from leadglass.conformance.markdown import code, table
from leadglass.net.tls import TLS_1_2_SUITES
from leadglass.scp.admission import JSON_WEB_TOKEN, NAME_AND_PASSCODE

# User-Identity-Type (PS3.7 Table D.3-14).
IDENTITIES: Final = {
    1: "user name",
    2: "user name and passcode",
    3: "Kerberos service ticket",
    4: "SAML assertion",
    5: "JSON Web Token",
}
_ACCEPTED: Final = {
    NAME_AND_PASSCODE: "inside TLS: the user's name, and an API token of that user as the passcode; "
    "a password never counts",
    JSON_WEB_TOKEN: "inside TLS: a token that the identity provider of `identity.issuer` signed for "
    "`identity.audience`",
}


def values() -> dict[str, object]:
    return {
        "suites": "\n".join(f"- {code(suite)}" for suite in TLS_1_2_SUITES),
        "years": AUTHORITY_LIFETIME // (365 * DAY),
        "days": LIFETIME // DAY,
        "identities": table(("type", "", "accepted"), _identities()),
        "algorithms": ", ".join(assertions.ALGORITHMS),
        "leeway": assertions.LEEWAY,
        "hours": assertions.LONGEST // 3600,
    }


def _identities() -> Iterator[tuple[int, str, str]]:
    for kind, name in IDENTITIES.items():
        yield kind, name, _ACCEPTED.get(kind, "no: the association is rejected")
