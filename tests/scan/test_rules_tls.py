from __future__ import annotations

from typing import Any

import pytest
from observed import (
    NOW,
    associate,
    checks,
    found,
    http,
    rejected,
    tls,
)

from leadglass.scan.checks import Severity
from leadglass.scan.observation import Outcome
from leadglass.scan.words import About


@pytest.mark.parametrize(("is_private", "severity"), [(True, Severity.LOW), (False, Severity.HIGH)])
def test_plaintext_is_serious_off_a_private_network(is_private: bool, severity: Severity) -> None:
    assert found(associate(), is_private=is_private)["T01"].severity is severity
    assert found(associate(tls=False), is_private=is_private)["T01"].severity is severity


def test_inside_tls_it_is_not_plaintext_but_without_a_certificate() -> None:
    assert checks(associate(tls=True), is_private=False) & {"T01", "T03"} == {"T03"}


def test_who_refuses_strangers_in_the_clear_has_no_plaintext_finding() -> None:
    assert checks(rejected(1, 1, 3), is_private=False) == {"D01"}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"expires": NOW}, "expired"),
        ({"begins": NOW + 1}, "not-yet-valid"),
        ({"signature": "sha1"}, "weak-signature"),
        ({"signature": "md5"}, "weak-signature"),
        ({"key_bits": 1024}, "small-key"),
        ({"key_type": "ec", "key_bits": 192}, "small-key"),
        ({"cipher": "ECDHE-RSA-RC4-SHA"}, "weak-cipher"),
        ({"cipher": "DES-CBC3-SHA"}, "weak-cipher"),
        ({"cipher": "NULL-SHA256"}, "weak-cipher"),
        ({"cipher": "ADH-AES256-SHA"}, "weak-cipher"),
        ({"cipher": "DHE-RSA-SEED-SHA"}, "weak-cipher"),
        ({"cipher": "NEW-CIPHER", "cipher_bits": 0}, "weak-cipher"),
        ({"cipher": "NEW-CIPHER", "cipher_bits": 112}, "weak-cipher"),
        ({"cipher": "TLS_DH_anon_WITH_AES_128_CBC_SHA"}, "weak-cipher"),
    ],
)
def test_weak_tls(said: dict[str, Any], reason: str) -> None:
    finding = found(tls(**said))["T02"]
    assert (finding.severity, finding.facts) == (Severity.MEDIUM, {"reasons": (reason,)})


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_old_versions_are_weak(version: str) -> None:
    assert found(tls(version))["T02"].facts["reasons"] == ("old-version",)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(
    "said",
    [
        {}, {"expires": NOW + 1}, {"begins": NOW}, {"signature": "sha256", "key_bits": 2048},
        {"key_type": "ec", "key_bits": 256, "signature": "sha384"}, {"key_type": "ed25519", "key_bits": 256},
        {"cipher": "ECDHE-ECDSA-CHACHA20-POLY1305", "cipher_bits": 256}, {"cipher": "AES128-SHA", "cipher_bits": 128},
    ],
)  # fmt: skip
def test_sound_tls(version: str, said: dict[str, Any]) -> None:
    assert checks(tls(version, **said)) == set()


def test_a_self_signed_certificate_alone_is_little() -> None:
    assert found(tls(self_signed=True))["T02"].severity is Severity.LOW
    both = found(tls(self_signed=True), tls("1.0"))["T02"]
    assert (both.severity, set(both.facts["reasons"]), both.proof) == (
        Severity.MEDIUM, {"self-signed", "old-version"}, (0, 1),
    )  # fmt: skip


def test_a_handshake_that_was_refused_is_not_weak() -> None:
    assert checks(tls("1.0", Outcome.ALERTED, alert="protocol-version")) == set()


def test_who_asks_for_a_certificate_speaks_that_version() -> None:
    asked = tls("1.0", Outcome.ALERTED, alert="handshake-failure", asks_certificate=True)
    assert found(asked)["T02"].facts["reasons"] == ("old-version",)
    assert checks(tls("1.2", Outcome.ALERTED, alert="handshake-failure", asks_certificate=True)) == set()


def test_the_tls_of_a_web_server_that_shows_no_imaging_is_not_ours_to_judge() -> None:
    weak = tls("1.0", port=443)
    assert "T02" not in checks(weak, http(About.VIEWER, port=443))
    assert "T02" in checks(weak, http(About.VIEWER, port=443, marker="oviyam"))
