"""Whom to call: what is understood, what is refused, and when plaintext has to be meant."""

from __future__ import annotations

import ssl

import pytest

from leadglass.errors import Violation
from leadglass.transfer.target import Target, parse_target, protected, title_of


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("PACS@192.0.2.7:104", Target("PACS", "192.0.2.7", 104)),
        ("PACS@[::1]:11112", Target("PACS", "::1", 11112)),
        ("PACS@[fe80::1%eth0]:104", Target("PACS", "fe80::1%eth0", 104)),
        ("A@B@pacs.example.org:65535", Target("A@B", "pacs.example.org", 65535)),
        (" TWO WORDS @pacs:1", Target("TWO WORDS", "pacs", 1)),
        ("PACS", Target("PACS")),
        ("SIXTEEN_LETTERS_", Target("SIXTEEN_LETTERS_")),
    ],
)
def test_what_is_understood(text: str, target: Target) -> None:
    assert parse_target(text) == target
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    "text",
    ["", " ", "@host:104", "PACS@", "PACS@host", "PACS@host:", "PACS@host:0", "PACS@host:65536", "PACS@host:١",
     "PACS@::1:104", "PACS@[::1]", "PACS@host name:104", "PACS@host/x:104", "SEVENTEEN_LETTERS@h:1", "A\\B@h:1",
     "Ä@h:1", "A\tB@h:1", "                @h:1"],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(Violation):
        parse_target(text)


def test_spaces_around_a_title_do_not_count() -> None:
    assert title_of("  PACS ") == "PACS"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_what_stays_on_this_machine_needs_no_tls(host: str) -> None:
    assert protected(Target("PACS", host, 104), None, plaintext=False) == ""


@pytest.mark.parametrize("host", ["192.0.2.7", "pacs.example.org", "::ffff:192.0.2.7", "localhost.example"])
def test_plaintext_elsewhere_has_to_be_meant(host: str) -> None:
    target = Target("PACS", host, 104)
    with pytest.raises(Violation, match="--plaintext") as refused:
        protected(target, None, plaintext=False)
    assert refused.value.code == "plaintext"
    assert "can be read" in protected(target, None, plaintext=True)
    assert protected(target, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), plaintext=False) == ""
