"""How the service is reached, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """`public_url` is what people type: it decides cookies, origins and accepted Host headers.

    Sizes in bytes, times in seconds.
    """

    public_url: str = "http://localhost:8080"
    other_hosts: frozenset[str] = frozenset()  # further names we answer to
    body_bytes: int = 64 * 1024
    body_seconds: float = 20.0
    stream_bytes: int = 64 << 30  # of a body that streams into the archive
    stream_seconds: float = 6 * 3600.0  # for all of it
    stream_rate: int = 16 * 1024  # bytes a second that a peer sends at least, while it is waited for
    stream_grace: float = 30.0  # seconds of waiting before that counts
    answer_seconds: float = 60.0  # to the first byte of an answer
    send_seconds: float = 60.0  # for a peer to take one chunk
    workers: int = 16  # threads that ask the archive
    zip_members: int = 200_000  # of a zip that the upload page opens
    zip_ratio: int = 100
    deliveries: int = 16  # uploads under way; each holds a few MB
    delivery_workers: int = 4  # threads that take in what they bring
    image_workers: int = 4  # threads that wait for rendered frames, apart: pages stay quick beside them

    @property
    def secure(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @property
    def scheme(self) -> str:
        return urlsplit(self.public_url).scheme

    @property
    def cookie_name(self) -> str:
        """`__Host-` (RFC 6265bis 4.1.3.2) needs Secure, so plain HTTP on loopback goes without."""
        return "__Host-leadglass" if self.secure else "leadglass"

    @property
    def hosts(self) -> frozenset[str]:
        """Host names that are ours, lower case. The loopback names stand for each other."""
        name = (urlsplit(self.public_url).hostname or "").lower()
        name = f"[{name}]" if ":" in name else name
        names = _LOOPBACK if name in _LOOPBACK else (name,)
        return frozenset(names) | {host.lower() for host in self.other_hosts}
