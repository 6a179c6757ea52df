from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.access.credentials import SECRET_BYTES, SECRET_CHARACTERS, digest, new_secret


def test_a_secret_is_256_fresh_bits() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert {len(base64.urlsafe_b64decode(secret + "=")) for secret in secrets} == {SECRET_BYTES}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "x" * (SECRET_CHARACTERS - 1),
        "x" * (SECRET_CHARACTERS + 1),
        "é" * SECRET_CHARACTERS,
        "x" * 10**6,
    ],
    ids=["empty", "one", "short", "long", "not-ascii", "huge"],
)
def test_what_cannot_be_ours_has_no_digest(text: str) -> None:
    assert digest(text) is None


def test_the_prefix_belongs_to_the_secret() -> None:
    secret = new_secret("lg_")
    assert secret.startswith("lg_")
    assert digest(secret, "lg_") is not None
    assert digest(secret) is None
    assert digest(secret[3:], "lg_") is None


@given(st.text(max_size=60))
def test_any_text_has_a_digest_or_none(text: str) -> None:
    assert digest(text) is None or len(text) == SECRET_CHARACTERS
