"""What an AE is to be: what `leadglass ae add` is told, checked before anything is opened or kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from leadglass.access.addresses import LOOPBACK, Place, are_loopback, host_of, networks_of, parse_place
from leadglass.config import is_loopback
from leadglass.errors import Violation

# What `--allow` takes, in the order it is shown. "private" is no action: it widens what "store" takes in.
WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "store": "put objects in (C-STORE)",
        "find": "query (C-FIND)",
        "get": "retrieve (C-GET)",
        "move": "have objects sent to a known AE (C-MOVE)",
        "commitment": "ask for storage commitment",
        "private": "put in objects of private SOP classes too",
    }
)
AT_RECEIVE_ONLY: Final = frozenset({"store", "commitment", "private"})
BY_DEFAULT: Final = frozenset({"store"})
_LONGEST_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """What an AE is to be, checked by itself; `certified` when it comes with a certificate."""

    title: str
    certified: bool
    receive_only: bool = False
    addresses: tuple[str, ...] = ()
    allow: frozenset[str] = frozenset()
    host: str = ""
    port: int | None = None
    tls: bool = False
    reason: str = ""


def plan(
    text: str,
    *,
    certified: bool,
    receive_only: bool = False,
    allow: str | None = None,
    plain: bool = False,
    reason: str = "",
) -> Plan:
    """`AE_TITLE[@HOST[:PORT]]` and the options of `leadglass ae add`; Violation for what does not fit.

    `allow` None is what such an AE has by default. `plain`: it has a certificate but listens without TLS.
    """
    place = parse_place(text)
    if receive_only and certified:
        raise _wrong("An AE with a certificate needs no receive-only listener: leave --receive-only out.")
    if plain and (receive_only or not certified or place.port is None):
        raise _wrong("--plain is about where an AE with a certificate listens: AE_TITLE@HOST:PORT.")
    if receive_only:
        made = _receive_only(place, allow, reason)
    else:
        made = _certified(place, certified, allow, plain, reason)
    _check_plaintext(made)
    return made


def _receive_only(place: Place, allow: str | None, reason: str) -> Plan:
    """Known by where it calls from; a port is where it is told of storage commitment."""
    addresses = networks_of(place.where) if place.where else LOOPBACK
    words = _words(allow, BY_DEFAULT)
    if not words <= AT_RECEIVE_ONLY:
        raise _wrong(
            "A receive-only AE can only be allowed store, commitment and private: nothing goes out to it."
        )
    if place.port is not None and ("," in place.where or "/" in place.where):
        raise _wrong("A port belongs to one address.")
    host = addresses[0] if place.port is not None else ""
    return Plan(place.title, False, True, addresses, words, host, place.port, False, _reason(reason))


def _certified(place: Place, certified: bool, allow: str | None, plain: bool, reason: str) -> Plan:
    """Known by its certificate; without one it is a destination and nothing else."""
    if place.where and place.port is None:
        raise _wrong("Say the port as well: AE_TITLE@HOST:PORT.")
    if not certified and not place.where:
        raise _wrong(
            "Say how the AE is to be known: --issue-certificate DIR makes it a certificate, --certificate "
            "FILE registers its own, --receive-only knows it by its address. AE_TITLE@HOST:PORT alone is a "
            "destination."
        )
    words = _words(allow, BY_DEFAULT if certified else frozenset())
    if words and not certified:
        raise _wrong("An AE without a certificate is a destination only and cannot be allowed anything.")
    host = host_of(place.where) if place.where else ""
    tls = certified and bool(host) and not plain
    return Plan(place.title, certified, False, (), words, host, place.port, tls, _reason(reason))


def _check_plaintext(made: Plan) -> None:
    """What is not encrypted leaves this machine, in either direction, for a reason only."""
    comes_from_afar = not are_loopback(made.addresses)
    goes_afar = bool(made.host) and not made.tls and not is_loopback(made.host)
    if (comes_from_afar or goes_afar) and not made.reason:
        raise Violation(
            "Plain DICOM can be read by anyone on the way, patients' names and images. Say with --reason why "
            "this AE has to do without TLS, or give it a certificate.",
            code="plain-dicom",
        )


def _words(allow: str | None, default: frozenset[str]) -> frozenset[str]:
    if allow is None:
        return default
    words = frozenset(word.strip() for word in allow.split(",")) - {""}
    if words == {"none"}:
        return frozenset()
    if not words or not words <= set(WORDS):
        raise _wrong(f"An AE can be allowed {', '.join(WORDS)}, or none.")
    if "private" in words and "store" not in words:
        raise _wrong("private widens what store takes in: allow both.")
    return words


def _reason(text: str) -> str:
    text = text.strip()
    if len(text) > _LONGEST_REASON or not text.isprintable():
        raise _wrong(f"A reason is one line of at most {_LONGEST_REASON} characters.")
    return text


def _wrong(sentence: str) -> Violation:
    return Violation(sentence, code="ae-plan")


def joined(words: Iterable[str]) -> str:
    """Words of `allow` in their order, by commas."""
    chosen = set(words)
    return ",".join(word for word in WORDS if word in chosen)
