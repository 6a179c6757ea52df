"""Which protocol somebody speaks who does not speak DICOM, by the first bytes that come."""

from __future__ import annotations

import re
from typing import Final

ENOUGH: Final = 8  # bytes, to tell most of them apart; a PDU's header has 6
MOST: Final = 256  # bytes that are looked at
UNKNOWN: Final = "unknown"

# In this order: what is told by fewer bytes comes later. Bytes that a program says by itself, and what it
# answers to an A-ASSOCIATE-RQ, which to it is rubbish.
_PATTERNS: Final = (
    ("tls", rb"[\x14-\x17]\x03[\x00-\x04]"),
    ("http", rb"HTTP/|<!DOCTYPE|<html"),
    ("ssh", rb"SSH-"),
    ("smtp", rb"(220|421|554)[ -].*(SMTP|postfix|exim|sendmail|mail)"),
    ("ftp", rb"(220|421|530)[ -]"),
    ("mysql", rb"..\0\0(\x0a[0-9]|\xff)"),
    ("postgresql", rb"E(\0\0..S)?(FATAL|ERROR)"),
    ("tds", rb"\x04\x01[\x00-\x07]"),  # P-DATA-TF too begins with 4, but its second byte is reserved and 0
    ("rdp", rb"\x03\0\0[\x01-\xff]"),  # TPKT; the length of an A-ASSOCIATE-RJ begins with three zeros
    ("hl7", rb"\x0bMSH"),
    ("imap", rb"\* (OK|BYE|PREAUTH)"),
    ("redis", rb"-(ERR|DENIED|NOAUTH)"),
    ("pop3", rb"\+OK"),
    ("ldap", rb"\x30[\x05-\x7f]\x02\x01"),
    ("vnc", rb"RFB "),
    ("smb", rb"\0...[\xfe\xff]SMB"),
    ("rtsp", rb"RTSP/"),
    ("sip", rb"SIP/"),
    ("amqp", rb"AMQP"),
    ("telnet", rb"\xff[\xfb-\xfe]"),
)
_TABLE: Final = tuple((word, re.compile(pattern, re.DOTALL | re.IGNORECASE)) for word, pattern in _PATTERNS)


def looks_like(first: bytes | bytearray) -> str | None:
    """A word for the protocol, `unknown` for what begins no PDU, None for what may be one."""
    head = bytes(first[:MOST])
    for word, pattern in _TABLE:
        if pattern.match(head):
            return word
    return None if begins_pdu(head) else UNKNOWN


def begins_pdu(first: bytes | bytearray) -> bool:
    """Whether the first byte is one of the seven PDU types (PS3.8 9.3.1). Not for no bytes."""
    return 1 <= first[0] <= 7


def begins_tls(first: bytes | bytearray) -> bool:
    """Whether it may be a record of TLS: alert or handshake, major version 3 (RFC 8446 5.1)."""
    return first[0] in (0x15, 0x16) and (len(first) < 2 or first[1] == 3)
