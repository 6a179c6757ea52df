"""Static files under the hash of their content: cached for a year, replaced at once.

All are read once at the start: they are small, and no request's path ever becomes a file's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
IMMUTABLE = "public, max-age=31536000, immutable"

_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)


@dataclass(frozen=True, slots=True)
class Asset:
    name: str  # "site.css", "vendor/htmx.min.js"
    address: str  # "/static/0a1b2c3d4e5f6071/site.css"
    kind: str
    content: bytes


class Assets:
    """What lies under `root`, found by name (for pages) or by address (for requests)."""

    def __init__(self, root: Path = STATIC) -> None:
        self._by_name = {asset.name: asset for asset in _read(root)}
        self._by_address = {asset.address: asset for asset in self._by_name.values()}

    def address(self, name: str) -> str:
        """The URL path of a file that every installation has; KeyError else."""
        return self._by_name[name].address

    def has(self, name: str) -> bool:
        """Is it there? htmx comes with the set-up, and pages work without it."""
        return name in self._by_name

    def at(self, address: str) -> Asset | None:
        return self._by_address.get(address)


def _read(root: Path) -> Iterator[Asset]:
    for path in sorted(root.rglob("*")):
        if path.suffix in _KINDS and path.is_file():
            content = path.read_bytes()
            name = path.relative_to(root).as_posix()
            digest = hashlib.sha256(content).hexdigest()[:16]
            yield Asset(name, f"/static/{digest}/{name}", _KINDS[path.suffix], content)
