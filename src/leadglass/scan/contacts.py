"""Whom to write to, from answers that the operator has fetched: RDAP (RFC 9083) and security.txt (RFC 9116).

Nothing is looked up here. An RDAP answer says by itself which addresses it is about; a security.txt is named
for its host: `192.0.2.7.security.txt`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from leadglass.errors import LimitExceeded, Violation
from leadglass.scan.addresses import Range, range_of

LARGEST: Final = 1 << 20  # bytes of one file
_ROLES: Final = ("abuse", "technical", "administrative", "registrant")  # the first that has an address
_MAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}", re.ASCII)
_CONTACT: Final = re.compile(rb"(?im)^contact:[ \t]*(\S{1,300})[ \t]*\r?$")
_DEEPEST: Final = 8  # entities within entities


def from_rdap(content: bytes) -> tuple[Range, str]:
    """The addresses it is about, and a mail address. Violation when it has not both."""
    if len(content) > LARGEST:
        raise LimitExceeded("An RDAP answer is not that large.", code="rdap")
    try:
        answer = json.loads(content)
        found = range_of(f"{answer['startAddress']}-{answer['endAddress']}")
        mails = dict(_mails(answer.get("entities", ()), _DEEPEST))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Violation("That is no RDAP answer about a network.", code="rdap") from None
    for role in _ROLES:
        if role in mails:
            return found, mails[role]
    raise Violation("The RDAP answer names nobody to write to.", code="rdap")


def _mails(entities: Iterable[Mapping[str, Any]], depth: int) -> Iterator[tuple[str, str]]:
    """(role, mail address); those further in come first, so that what is nearer wins."""
    if not depth:
        return
    for entity in entities:
        yield from _mails(entity.get("entities", ()), depth - 1)
        card = entity.get("vcardArray", ("vcard", ()))[1]
        for line in card:
            if line[0] == "email" and isinstance(line[3], str) and _MAIL.fullmatch(line[3]):
                yield from ((str(role), line[3]) for role in entity.get("roles", ()))
                break


def from_security_txt(content: bytes) -> str:
    """The first contact by mail. Violation when there is none."""
    if len(content) > LARGEST:
        raise LimitExceeded("A security.txt is not that large.", code="security-txt")
    for value in _CONTACT.findall(content):
        address = str(value, "ascii", "replace").removeprefix("mailto:").partition("?")[0]
        if _MAIL.fullmatch(address):
            return address
    raise Violation("The security.txt names no mail address.", code="security-txt")
