"""First bytes of others, as their programs send them."""

from __future__ import annotations

import pytest
from strangers import reject

from leadglass.scan.foreign import begins_tls, looks_like

GREETINGS = {
    "tls": [b"\x15\x03\x01\0\2\2\x46", b"\x16\x03\x03\0\x7a\2\0\0"],
    "http": [b"HTTP/1.1 400 Bad Request\r\n", b"http/1.0 200 OK", b"<!doctype html>", b"<html><head>"],
    "ssh": [b"SSH-2.0-OpenSSH_9.2p1 Debian-2"],
    "smtp": [b"220 mail.example.org ESMTP Postfix\r\n", b"554 SMTP synchronization error\r\n"],
    "ftp": [b"220 ProFTPD Server ready\r\n", b"220-Welcome\r\n"],
    "mysql": [b"\x4a\0\0\0\x0a8.0.36\0", b"\x45\0\0\0\xff\x6a\x04Host"],
    "postgresql": [b"E\0\0\0\x8bSFATAL\0VFATAL\0", b"EFATAL:  unsupported frontend protocol"],
    "tds": [b"\x04\x01\0\x25\0\0\1\0"],
    "rdp": [b"\x03\0\0\x13\x0e\xd0\0\0"],
    "hl7": [b"\x0bMSH|^~\\&|"],
    "imap": [b"* OK [CAPABILITY IMAP4rev1]"],
    "pop3": [b"+OK POP3 ready"],
    "redis": [b"-ERR unknown command", b"-DENIED Redis is running"],
    "ldap": [b"\x30\x24\2\1\0\x78\x1f\x0a"],
    "vnc": [b"RFB 003.008\n"],
    "smb": [b"\0\0\0\x85\xffSMB\x72"],
    "rtsp": [b"RTSP/1.0 400 Bad Request"],
    "sip": [b"SIP/2.0 400 Bad"],
    "amqp": [b"AMQP\0\0\x09\1"],
    "telnet": [b"\xff\xfd\x18\xff\xfd\x20"],
    "unknown": [b"\0\0\0\0\0\0\0\0", b"hello wo", b"\x08\0\0\0\0\4\0\0", b"\xff\xff\xff\xff"],
}
PDUS = {
    "A-ASSOCIATE-AC": b"\2\0\0\0\0\xb8\0\1",
    "A-ASSOCIATE-RJ": reject(1, 1, 7),
    "P-DATA-TF": b"\4\0\0\0\0\x54\0\0",
    "A-RELEASE-RP": b"\6\0\0\0\0\4\0\0\0\0",
    "A-ABORT": b"\7\0\0\0\0\4\0\0\2\0",
    "a PDU of 4 GB": b"\2\0\xff\xff\xff\xf0\0\1",
}


@pytest.mark.parametrize(("word", "first"), [(w, each) for w, firsts in GREETINGS.items() for each in firsts])
def test_the_protocol_of_a_greeting(word: str, first: bytes) -> None:
    assert looks_like(first) == word


@pytest.mark.parametrize("first", PDUS.values(), ids=PDUS)
def test_what_may_be_a_pdu_is_nothing_else(first: bytes) -> None:
    assert looks_like(first) is None


def test_a_long_greeting_is_looked_at_as_far_as_needed() -> None:
    assert looks_like(b"220 " + b"x" * 10_000_000 + b"SMTP") == "ftp"


def test_records_of_tls() -> None:
    assert all(begins_tls(first) for first in (b"\x15", b"\x16\x03", *GREETINGS["tls"]))
    assert not any(begins_tls(first) for first in (b"\x07\0", b"\x16\x02", b"H"))
