"""Where an AE is: `AE_TITLE[@HOST[:PORT]]`, and the addresses a receive-only AE may come from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from leadglass.errors import Violation

LOOPBACK: Final = ("127.0.0.1", "::1")
MOST_NETWORKS: Final = 16
# More addresses than one subnet has are nobody in particular.
_WIDEST: Final = {4: 20, 6: 64}

# PS3.5 6.2, AE: 1 to 16 characters of the default repertoire, no backslash, no control character.
_TITLE: Final = re.compile(r"(?! +$)[ -\[\]-~]{1,16}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", re.ASCII)
# In brackets; without a colon; or IPv6, which has two at least, and then the port needs the brackets.
_WHERE: Final = re.compile(
    r"\[(?P<inside>[^\[\]]+)\](?::(?P<port>[0-9]{1,5}))?"
    r"|(?P<host>[^:\[\]]+)(?::(?P<port_>[0-9]{1,5}))?"
    r"|(?P<bare>(?=.*:.*:)[0-9A-Fa-f:.,/]+)"
)

_EXAMPLE: Final = "Write AE_TITLE@HOST:PORT, for example CT1@192.0.2.7:11112 or CT1@[2001:db8::7]:11112."


@dataclass(frozen=True, slots=True)
class Place:
    """What stands before and after the @. `where` is "" and `port` None when it was not said."""

    title: str
    where: str = ""
    port: int | None = None


def title_of(text: str) -> str:
    """An AE title without the spaces around it, which do not count. Violation when it is none."""
    if not _TITLE.fullmatch(text):
        raise Violation(
            "An AE title has 1 to 16 letters, digits, signs or spaces, and no backslash.", code="ae-title"
        )
    return text.strip(" ")


def parse_place(text: str) -> Place:
    """`AE_TITLE`, `AE_TITLE@HOST`, `AE_TITLE@HOST:PORT`; an IPv6 address with a port stands in brackets."""
    title, at, where = text.rpartition("@")
    if not at:
        return Place(title_of(text))
    found = _WHERE.fullmatch(where)
    if found is None:
        raise Violation(f"This is not where an AE is. {_EXAMPLE}", code="ae-address")
    digits = found["port"] or found["port_"]
    port = int(digits) if digits else None
    if port is not None and not 0 < port <= 65535:
        raise Violation(f"A port is a number from 1 to 65535. {_EXAMPLE}", code="ae-address")
    return Place(title_of(title), found["inside"] or found["host"] or found["bare"], port)


def host_of(text: str) -> str:
    """A host's name or address; Violation otherwise."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    if not _HOST.fullmatch(text):
        raise Violation(f"This is not where an AE listens. {_EXAMPLE}", code="ae-address")
    return text


def networks_of(text: str) -> tuple[str, ...]:
    """Addresses and networks, separated by commas, each in one spelling. Names are none: whoever answers for
    a name would decide who comes in.
    """
    named = [part.strip() for part in text.split(",")]
    expanded = [each for part in named for each in (LOOPBACK if part == "localhost" else (part,))]
    if len(expanded) > MOST_NETWORKS:
        raise Violation(f"At most {MOST_NETWORKS} addresses for one AE.", code="ae-address")
    return tuple(dict.fromkeys(_network(part) for part in expanded))


def admits(networks: Iterable[str], address: str) -> bool:
    """Whether the peer's address is one of them."""
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address):
        peer = peer.ipv4_mapped or ipaddress.IPv6Address(
            peer.packed
        )  # which interface it came by is no matter
    return any(peer in ipaddress.ip_network(network) for network in networks)


def are_loopback(networks: Iterable[str]) -> bool:
    """Whether all of them never leave this machine."""
    return all(ipaddress.ip_network(network).is_loopback for network in networks)


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise Violation(
            "A receive-only AE is known by its address, or a network such as 192.0.2.0/28; several are "
            "separated by commas.",
            code="ae-address",
        ) from None
    if network.prefixlen < _WIDEST[network.version]:
        raise Violation(
            f"A network this wide names nobody: /{_WIDEST[network.version]} at most.", code="ae-network"
        )
    if network.is_multicast or network.is_unspecified:
        raise Violation("Nobody calls from this address.", code="ae-address")
    is_one = network.prefixlen == network.max_prefixlen
    return str(network.network_address if is_one else network)
