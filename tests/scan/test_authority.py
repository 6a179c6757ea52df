"""Signed scopes: what is signed counts, and nothing else does."""

from __future__ import annotations

import pytest

from leadglass.errors import Denied, LeadglassError
from leadglass.note import Signer
from leadglass.scan.authority import Signed, read_trusted, sign, verify

HEAD = Signer.from_seed("head-of-it", bytes(range(32)))
OTHER = Signer.from_seed("somebody", bytes(32))
NOW = 1_800_000_000_000
SCOPE = b"[authorisation]\n"


def test_what_was_signed_counts() -> None:
    signature = sign(SCOPE, HEAD, NOW).encode()
    assert verify(SCOPE, signature, [OTHER.key, HEAD.key]) == Signed("head-of-it", "2027-01-15T08:00:00Z")


@pytest.mark.parametrize(
    ("scope", "signature", "trusted"),
    [
        (SCOPE + b"#", sign(SCOPE, HEAD, NOW).encode(), [HEAD.key]),
        (SCOPE, sign(SCOPE, OTHER, NOW).encode(), [HEAD.key]),
        (SCOPE, sign(SCOPE, HEAD, NOW).encode(), []),
        (SCOPE, sign(SCOPE, HEAD, NOW).replace("2027", "2028").encode(), [HEAD.key]),
        (SCOPE, HEAD.sign("leadglass closure 1\n").encode().encode(), [HEAD.key]),
        (SCOPE, b"", [HEAD.key]),
        (SCOPE, b"\xff" * 9, [HEAD.key]),
        (SCOPE, b"x" * 5_000_000, [HEAD.key]),
        (SCOPE, sign(SCOPE, Signer.from_seed("head-of-it", bytes(32)), NOW).encode(), [HEAD.key]),
    ],
)
def test_what_does_not_count(scope: bytes, signature: bytes, trusted: list) -> None:  # type: ignore[type-arg]
    with pytest.raises(LeadglassError):
        verify(scope, signature, trusted)


def test_who_is_trusted() -> None:
    text = f"# ours\n{HEAD.key.encode()}  # the head of IT\n\n"
    assert read_trusted(text) == [HEAD.key]
    with pytest.raises(LeadglassError):
        read_trusted("head-of-it")
    with pytest.raises(Denied):
        verify(SCOPE, sign(SCOPE, OTHER, NOW).encode(), read_trusted(text))
