"""T01 to T03: what goes over the wire in the clear, or nearly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from leadglass.scan.checks import Severity
from leadglass.scan.doors import Door, Seen
from leadglass.scan.observation import Outcome
from leadglass.scan.rules import ASSOCIATIONS, Circumstances, Found, Rule, found, let_in

_OLD: Final = frozenset({"1.0", "1.1"})  # RFC 8996
_WEAK_CIPHER: Final = re.compile(r"NULL|EXP|RC4|DES|MD5|IDEA|SEED|anon|ADH|AECDH", re.ASCII)
_LEAST_CIPHER: Final = 128  # bits
_WEAK_SIGNATURE: Final = frozenset({"sha1", "md5"})
_LEAST_BITS: Final[Mapping[str, int]] = {"rsa": 2048, "dsa": 2048, "ec": 224, "ecdsa": 224}
_HARMLESS: Final = frozenset({"self-signed"})  # in a network with an authority of its own


def plaintext(door: Door, now: Circumstances) -> Found | None:
    seen = door.first(lambda s: let_in(s) and s.said("tls") is not True, *ASSOCIATIONS)
    return found([seen], Severity.LOW if now.is_private else None) if seen else None


def weaknesses(seen: Seen) -> Iterator[str]:
    """What is weak about one handshake, as far as it came. Time is that of the observation."""
    at = seen.what.at
    for name in ("begins", "expires"):
        if name in seen.what.said and (at < seen.number(name)) == (name == "begins"):
            yield "not-yet-valid" if name == "begins" else "expired"
    if (seen.said("version") or seen.sent("version")) in _OLD:
        yield "old-version"
    too_few = "cipher_bits" in seen.what.said and seen.number("cipher_bits") < _LEAST_CIPHER
    if too_few or _WEAK_CIPHER.search(seen.text("cipher")):
        yield "weak-cipher"
    if seen.text("signature") in _WEAK_SIGNATURE:
        yield "weak-signature"
    if 0 < seen.number("key_bits") < _LEAST_BITS.get(seen.text("key_type"), 0):
        yield "small-key"
    if seen.said("self_signed") is True:
        yield "self-signed"


def _speaks(seen: Seen) -> bool:
    """Who asks for a certificate has agreed to the version by then."""
    return seen.outcome is Outcome.SECURED or seen.said("asks_certificate") is True


def weak_tls(door: Door, _: Circumstances) -> Found | None:
    """Not of a web server that shows nothing of imaging: its TLS is somebody else's business."""
    if _plain_web(door):
        return None
    weak = [(s, tuple(weaknesses(s))) for s in door.of("tls") if _speaks(s)]
    reasons = tuple(dict.fromkeys(word for _, words in weak for word in words))
    least = Severity.LOW if _HARMLESS.issuperset(reasons) else None
    return found([s for s, words in weak if words], least, reasons=reasons)


def no_client_certificate(door: Door, _: Circumstances) -> Found | None:
    """No probe of ours has a certificate."""
    seen = door.first(lambda s: let_in(s) and s.said("tls") is True, *ASSOCIATIONS)
    return found([seen]) if seen else None


def _plain_web(door: Door) -> bool:
    responded = door.http()
    return bool(responded) and not any(map(door.marker, responded))


TLS_RULES: Final[Mapping[str, Rule]] = {
    "T01": plaintext,
    "T02": weak_tls,
    "T03": no_client_certificate,
}
