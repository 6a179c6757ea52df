"""Whose an address is: a CSV file that the operator keeps, matched by the narrowest network.

cidr,organisation,sector,country,asn,contact,language
192.0.2.0/24,Example Hospital,hospital,DE,64496,security@hospital.example,de
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Final

from leadglass.errors import LimitExceeded, Violation

LARGEST: Final = 32 << 20  # bytes
MOST: Final = 500_000
_COLUMNS: Final = ("cidr", "organisation", "sector", "country", "asn", "contact", "language")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Owner:
    """Who answers for a network; '' where the file says nothing."""

    cidr: str
    organisation: str = ""
    sector: str = ""
    country: str = ""
    asn: str = ""
    contact: str = ""
    language: str = ""


class Constituency:
    """Owners by network."""

    def __init__(self, owners: Iterable[Owner] = ()) -> None:
        self._by_prefix: dict[tuple[int, int], dict[int, Owner]] = {}
        for owner in owners:
            network = ip_network(owner.cidr)
            place = self._by_prefix.setdefault((network.version, network.prefixlen), {})
            place[int(network.network_address)] = owner
        self._prefixes = sorted(self._by_prefix, reverse=True)

    def owner(self, address: str) -> Owner | None:
        """The one with the narrowest network that holds the address; its contact may be a wider one's."""
        found = list(self._holding(address))
        if not found:
            return None
        contact = next((each.contact for each in found if each.contact), "")
        return replace(found[0], contact=contact)

    def _holding(self, address: str) -> Iterator[Owner]:
        """The narrowest first."""
        found = ip_address(address)
        for version, length in self._prefixes:
            if version == found.version:
                shift = found.max_prefixlen - length
                owner = self._by_prefix[version, length].get(int(found) >> shift << shift)
                if owner is not None:
                    yield owner

    def owners(self) -> list[Owner]:
        return [owner for place in self._by_prefix.values() for owner in place.values()]

    def __len__(self) -> int:
        return sum(map(len, self._by_prefix.values()))


def read_constituency(content: bytes) -> Constituency:
    """The file's owners. Violation, with the line, for what is wrong in it."""
    if len(content) > LARGEST:
        raise LimitExceeded("The constituency file is larger than one is read.", code="constituency")
    csv.field_size_limit(64 << 10)
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    owners: list[Owner] = []
    try:
        names = [name.strip().lower() for name in next(rows, [])]
        if "cidr" not in names or len(set(names)) != len(names) or not set(names) <= set(_COLUMNS):
            raise Violation(
                f"A constituency file begins with the names of its columns, cidr and some of "
                f"{', '.join(_COLUMNS[1:])}.",
                code="constituency",
            )
        for row in rows:
            if any(cell.strip() for cell in row):
                owners.append(_owner(names, row, rows.line_num))
            if len(owners) > MOST:
                raise LimitExceeded(f"More than {MOST:,} networks.", code="constituency")
    except csv.Error:
        raise _bad(rows.line_num) from None
    return Constituency(owners)


def _owner(names: list[str], row: list[str], line: int) -> Owner:
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
    if len(row) > len(names) or any(len(c) > _LONGEST or not c.isprintable() for c in cells.values()):
        raise _bad(line)
    try:
        cells["cidr"] = str(ip_network(cells.get("cidr", "")))
    except ValueError:
        raise _bad(line) from None
    return Owner(**cells)


def _bad(line: int) -> Violation:
    return Violation(f"Line {line} of the constituency file cannot be read.", code="constituency")
