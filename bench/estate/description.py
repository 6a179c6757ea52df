"""A description and a seed, made into systems: which kind at which address, in which country, with what in it.

    seed = 2019
    range = "127.20.0.0/16"

    [ports]
    dicom = [11112, 4242]        # each system has one of them, both where its entry says `both`
    web = [8080]
    hl7 = [2575]                 # these two are as they are here, unless they are said
    database = [5432]

    [countries]                  # of open systems; a table of two-letter names, the rest spread over `count`
    count = 52
    US = 187

    [studies]                    # of the entries that share: in all archives together, and of one country
    total = 240000
    images = 7370000
    US = 137000

    [[systems]]
    kind = "open"
    count = 380
    studies = "share"            # or a number; else what is usual for the kind
    doors = 1                    # addresses at which one and the same archive is
    beside = []                  # kinds of what else listens at its address: web servers, hl7, a database
    country = ""                 # where it is, if not anywhere

What an entry does not say is as it is here, but for `studies`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from random import Random
from typing import Any, Final

from estate.archive import Holding
from estate.kinds import KINDS, Kind

SHARE: Final = "share"
_BLOCK: Final = 24  # prefix length of a country's networks
_PORTS: Final = {"dicom": (), "web": (), "hl7": (2575,), "database": (5432,)}
_SECTORS: Final = ("hospital", "imaging centre", "practice", "university", "insurer")
# More than a survey ever found; the first ones are the larger ones here.
_COUNTRIES: Final = [
    "US",
    "TR",
    "IN",
    "BR",
    "EC",
    "IT",
    "ZA",
    "CN",
    "FR",
    "DE",
    "PL",
    "IR",
    "AU",
    "RU",
    "ES",
    "PE",
    "TW",
    "JP",
    "KR",
    "ID",
    "TH",
    "CO",
    "MX",
    "AR",
    "CL",
    "EG",
    "GB",
    "NL",
    "BE",
    "CH",
    "AT",
    "CZ",
    "HU",
    "RO",
    "BG",
    "GR",
    "PT",
    "SE",
    "NO",
    "DK",
    "FI",
    "IE",
    "IL",
    "SA",
    "AE",
    "PK",
    "BD",
    "LK",
    "VN",
    "MY",
    "SG",
    "PH",
    "NZ",
    "KE",
    "NG",
    "MA",
    "TN",
    "DZ",
    "UA",
    "KZ",
]


@dataclass(frozen=True, slots=True)
class Place:
    """A port of a system: what plays there. `archives`: numbers of those behind it."""

    port: int
    kind: str
    archives: tuple[int, ...] = ()

    @property
    def about(self) -> Kind:
        return KINDS[self.kind]


@dataclass(frozen=True, slots=True)
class System:
    address: str
    country: str
    kind: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Network:
    cidr: str
    country: str
    asn: int
    sector: str
    contact: str


@dataclass(frozen=True, slots=True)
class Estate:
    seed: int
    range: str
    ports: Mapping[str, tuple[int, ...]]
    networks: tuple[Network, ...]
    systems: tuple[System, ...]
    holdings: tuple[Holding, ...]  # by the archive's number


@dataclass(slots=True)
class _Site:
    """A system on its way: what its entry said, and what was drawn for it."""

    entry: Mapping[str, Any]
    archives: tuple[int, ...] = ()
    country: str = ""
    address: str = ""

    @property
    def about(self) -> Kind:
        return KINDS[self.entry["kind"]]


@dataclass(slots=True)
class _Draw:
    """One drawing of an estate."""

    text: Mapping[str, Any]
    chance: Random
    holdings: list[Holding] = field(default_factory=list)
    sharing: dict[int, str] = field(default_factory=dict)  # archives that share, and their country

    def sites(self) -> list[_Site]:
        made: list[_Site] = []
        for entry in self.text["systems"]:
            made += self._of(entry)
        return made

    def _of(self, entry: Mapping[str, Any]) -> Iterator[_Site]:
        if entry["kind"] not in KINDS:
            raise SystemExit(f"There is no kind {entry['kind']!r}.")
        archives: tuple[int, ...] = ()
        for place in range(entry.get("count", 1)):
            if place % entry.get("doors", 1) == 0:
                archives = self._archives(entry)
            yield _Site(entry, archives)

    def _archives(self, entry: Mapping[str, Any]) -> tuple[int, ...]:
        kind = KINDS[entry["kind"]]
        if kind.holding is None:
            return ()
        asked, holding = entry.get("studies"), kind.holding
        if isinstance(asked, int):
            holding = replace(holding, studies=asked)
        numbers = tuple(range(len(self.holdings), len(self.holdings) + kind.back_ends))
        self.holdings += [holding] * kind.back_ends
        if asked == SHARE:
            self.sharing.update(dict.fromkeys(numbers, ""))
        return numbers

    # --- countries ----------------------------------------------------------------------------------------

    def settle(self, sites: Sequence[_Site]) -> None:
        """Open systems by the table; the others by lot, as likely as there are open ones."""
        table = {name: value for name, value in self.text.get("countries", {}).items() if name != "count"}
        count = self.text.get("countries", {}).get("count", max(1, len(table)))
        names = [*table, *(name for name in _COUNTRIES if name not in table)][:count]
        opened = [site for site in sites if site.about.is_open]
        quota = _spread(len(opened) - sum(table.values()), [1 / (2 + n) for n in range(count - len(table))])
        places = [n for n, many in zip(names, [*table.values(), *quota], strict=True) for _ in range(many)]
        self.chance.shuffle(places)
        for site in opened:
            if country := site.entry.get("country"):
                places.remove(country)
                places.append(country)
                site.country = country
        free = [site for site in opened if not site.country]
        for site, country in zip(free, places, strict=False):
            site.country = country
        _bring_together(opened)
        for site in sites:
            site.country = site.country or self.chance.choice(places or names)
            self.sharing.update({n: site.country for n in site.archives if self.sharing.get(n) == ""})

    # --- studies ------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """What the archives that share hold: a few hold most of it."""
        table = dict(self.text.get("studies", {}))
        total, images = table.pop("total", 0), table.pop("images", 0)
        for country, many in table.items():
            self._share([n for n, where in self.sharing.items() if where == country], many, images, total)
        rest = [n for n, where in self.sharing.items() if where not in table]
        self._share(rest, total - sum(table.values()), images, total)

    def _share(self, numbers: Sequence[int], many: int, images: int, total: int) -> None:
        weights = [self.chance.lognormvariate(0, 1.2) for _ in numbers]
        for number, studies in zip(numbers, _spread(many, weights), strict=True):
            of_them = studies * images // total if total else 0
            self.holdings[number] = replace(self.holdings[number], studies=studies, images=of_them)

    # --- addresses ----------------------------------------------------------------------------------------

    def place(self, sites: Sequence[_Site], whole: IPv4Network) -> tuple[Network, ...]:
        """An address for each, in a network of its country's."""
        by_country: dict[str, list[_Site]] = {}
        for site in sites:
            by_country.setdefault(site.country, []).append(site)
        networks = self._networks(by_country, whole)
        for country, here in by_country.items():
            free = [
                str(address)
                for network in networks
                if country in network.country.split(" ")
                for address in IPv4Network(network.cidr).hosts()
            ]
            taken = {site.address for site in sites}
            drawn = self.chance.sample([one for one in free if one not in taken], len(here))
            for site, address in zip(here, drawn, strict=True):
                site.address = address
        return networks

    def _networks(self, by_country: Mapping[str, list[_Site]], whole: IPv4Network) -> tuple[Network, ...]:
        """Blocks for each country, as many as it needs and at least one; a small range is one network."""
        if whole.prefixlen > _BLOCK - 6:
            return (Network(str(whole), " ".join(by_country), 4_200_000_000, "hospital", "it@example.org"),)
        blocks = list(whole.subnets(new_prefix=_BLOCK))
        self.chance.shuffle(blocks)
        most = _spread(len(blocks) - len(by_country), [len(here) for here in by_country.values()])
        found: list[Network] = []
        for place, (country, more) in enumerate(zip(by_country, most, strict=True)):
            for number in range(1 + more):
                contact = f"it{number}@{country.lower()}.example"
                sector = self.chance.choice(_SECTORS)
                found.append(Network(str(blocks.pop()), country, 4_200_000_000 + place, sector, contact))
        return tuple(found)


def _bring_together(sites: Sequence[_Site]) -> None:
    """The doors of one archive are in one country: whoever is elsewhere changes places with somebody."""
    alone = [s for s in sites if s.entry.get("doors", 1) == 1 and not s.entry.get("country")]
    firsts: dict[tuple[int, ...], _Site] = {}
    for site in sites:
        first = firsts.setdefault(site.archives, site)
        if site.archives and site.country != first.country:
            other = next(one for one in alone if one.country == first.country)
            site.country, other.country = other.country, site.country


def _spread(total: int, weights: Sequence[float]) -> list[int]:
    """`total` in parts as large as their weights are: whole numbers that add up to it."""
    if not weights:
        return []
    exact = [total * weight / sum(weights) for weight in weights]
    parts = [int(part) for part in exact]
    rest = sorted(range(len(parts)), key=lambda place: parts[place] - exact[place])
    for place in rest[: total - sum(parts)]:
        parts[place] += 1
    return parts


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def draw(text: Mapping[str, Any]) -> Estate:
    """The estate of a description; the same description gives the same."""
    seed = int(text.get("seed", 0))
    drawing = _Draw(text, Random(seed))
    sites = drawing.sites()
    drawing.settle(sites)
    drawing.fill()
    networks = drawing.place(sites, IPv4Network(text["range"]))
    ports = {role: tuple(text["ports"].get(role, usual)) for role, usual in _PORTS.items()}
    systems = tuple(
        System(site.address, site.country, site.entry["kind"], tuple(_places(site, ports, drawing.chance)))
        for site in sites
    )
    return Estate(seed, text["range"], ports, networks, systems, tuple(drawing.holdings))


def _places(site: _Site, ports: Mapping[str, tuple[int, ...]], chance: Random) -> Iterator[Place]:
    usual = ports[site.about.role]
    for port in usual if site.entry.get("both") else (chance.choice(usual),):
        yield Place(port, site.entry["kind"], site.archives)
    for beside in site.entry.get("beside", ()):
        about = KINDS[beside]
        yield Place(chance.choice(ports[about.role]), beside, site.archives if about.holding else ())
