"""Whom to call: `AET@host:port`, by which name we call, and what protects the way there."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Final

from leadglass.config import is_loopback
from leadglass.errors import Violation

CALLING: Final = "LEADGLASS"  # our own title unless something else is asked for

# PS3.5 6.2, AE: 1 to 16 characters of the default repertoire, no backslash, no control character.
_TITLE: Final = re.compile(r"(?! +$)[ -\[\]-~]{1,16}")
_HOST: Final = re.compile(r"\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9._-]+)", re.ASCII)

_EXAMPLE: Final = "Write AET@host:port, for example PACS@192.0.2.7:11112 or PACS@[::1]:11112."


@dataclass(frozen=True, slots=True)
class Target:
    """An application entity and where it listens. Without `host`: one that this archive knows by name."""

    title: str
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if not self.host:
            return self.title
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.title}@{host}:{self.port}"

    @property
    def is_named(self) -> bool:
        return not self.host

    @property
    def is_here(self) -> bool:
        """Whether what is said to it stays on this machine."""
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A target that can be called. `is_known`: by its title, to this archive; `pinned`: the SHA-256 of the
    one certificate that it may show then."""

    target: Target
    calling: str
    tls: ssl.SSLContext | None = None
    pinned: bytes | None = None
    is_known: bool = False


def title_of(text: str) -> str:
    """An AE title without the spaces around it, which do not count. Violation when it is none."""
    if not _TITLE.fullmatch(text):
        raise Violation(
            "An AE title has 1 to 16 letters, digits, signs or spaces, and no backslash.", code="ae-title"
        )
    return text.strip(" ")


def parse_target(text: str) -> Target:
    """`AET@host:port`, `AET@[::1]:port`, or the bare name of a known AE. Violation says what is wrong."""
    title, at, where = text.rpartition("@")
    if not at:
        return Target(title_of(text))
    host, _, port = where.rpartition(":")
    found = _HOST.fullmatch(host)
    if found is None:
        raise Violation(f"This is not where an AE listens. {_EXAMPLE}", code="address")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= 65535):
        raise Violation(f"A port is a number from 1 to 65535. {_EXAMPLE}", code="address")
    return Target(title_of(title), found[1] or found[2], int(port))


def protected(target: Target, tls: ssl.SSLContext | None, *, plaintext: bool) -> str:
    """A warning to show, "" when none is due. Violation when nobody said that plaintext is meant."""
    if tls is not None or target.is_here:
        return ""
    if not plaintext:
        raise Violation(
            f"{target} would be called without TLS, and whoever is on the way could read patients' names and "
            "images. Use --tls; or --plaintext, if there is no other way and the network is yours.",
            code="plaintext",
        )
    return f"No TLS to {target}: what is sent and received can be read by anyone on the way."
