"""Who authorises a survey, of what, when, how far and how fast. What a scope does not allow is not touched.

A scope is a TOML file that a person reads, fills in and answers for. Everything in it is checked before the
first packet, and what it does not say is no.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from leadglass.errors import Denied, Violation
from leadglass.scan.addresses import AddressSet, Range, all_private, overlap, range_of
from leadglass.scan.manner import MOST_TITLES, Option
from leadglass.scan.observation import Level
from leadglass.scan.ports import port_of, ports_of

MOST_ADDRESSES: Final = 1 << 20  # a /12; more has to be said in so many words
MOST_RATE: Final = 100_000
LONGEST: Final = 4 << 20  # bytes of the file
MOST_DAYS: Final = 3 * 366  # of validity
_MOST_ENTRIES: Final = 100_000
_LAST_YEAR: Final = 9000  # before the last that Python counts to, as a day is added

LEVELS: Final[Mapping[str, Level]] = MappingProxyType(
    {"associate": Level.ASSOCIATES, "query": Level.ANSWERS, "count": Level.COUNTED}
)
_NAME: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_-]+)*\.?", re.ASCII
)
_TITLE: Final = re.compile(r"[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?", re.ASCII)
_HOURS: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-4]):([0-5]\d)", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_KINDS: Final[Mapping[type, str]] = MappingProxyType(
    {
        str: 'a text in "quotes"',
        int: "a number",
        list: "a list",
        date: "a day without quotes, such as 2026-01-31",
    }
)
TLP: Final = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")  # FIRST's Traffic Light Protocol 2.0


@dataclass(frozen=True, slots=True)
class Named:
    """One host by name or address; `ports` None: those of the scope."""

    host: str
    ports: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Hours:
    """The part of the day, in the scope's time zone, in which anything is sent."""

    begin: time
    end: time
    zone: ZoneInfo

    def wait(self, now: int) -> float:
        """Seconds from `now` (ms, UTC) until they begin; 0 while they last."""
        local = datetime.fromtimestamp(now / 1000, UTC).astimezone(self.zone)
        at = local.time()
        inside = self.begin <= at < self.end if self.begin < self.end else at >= self.begin or at < self.end
        if inside:
            return 0
        opens = datetime.combine(local.date(), self.begin, self.zone)
        if opens <= local:
            opens = datetime.combine(local.date() + timedelta(days=1), self.begin, self.zone)
        return (opens.astimezone(UTC) - local.astimezone(UTC)).total_seconds()


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope that was checked. Times are ms since the epoch, UTC; `valid_to` is the first one after it."""

    organisation: str
    authorised_by: str
    contact: str
    legal_basis: str
    valid_from: int
    valid_to: int
    authorised: AddressSet
    ranges: AddressSet  # to be surveyed, the do-not-probe list taken out
    hosts: tuple[Named, ...]
    do_not_probe: AddressSet
    ports: tuple[int, ...]
    max_level: Level
    options: frozenset[Option]
    titles: tuple[str, ...]
    rate: int
    rate_per_24: int
    hours: Hours | None
    tlp: str
    lists: tuple[tuple[str, str], ...]  # files that name further hosts, with their formats
    constituency: str
    digest: str
    needs_signature: bool = field(default=False)

    def require(self, address: str, port: int, now: int) -> None:
        """Denied, with the reason, unless that port may be touched now. Asked before every packet."""
        if not self.valid_from <= now < self.valid_to:
            raise Denied("The scope is not valid at this time.", code="scope-time")
        if address in self.do_not_probe:
            raise Denied(f"{address} is on the do-not-probe list.", code="do-not-probe")
        if address not in self.authorised:
            raise Denied(f"{address} is outside of what was authorised.", code="outside-scope")


def read_scope(content: bytes, now: int) -> Scope:
    """The scope in a TOML file, to be used `now` (ms, UTC). Violation, one sentence, for what is wrong."""
    if len(content) > LONGEST:
        raise Violation("The scope file is larger than one is read.", code="scope-size")
    try:
        members = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise Violation("The scope is no TOML file: it is not UTF-8.", code="scope-toml") from None
    except tomllib.TOMLDecodeError as error:
        raise Violation(f"The scope is no TOML file: {error}.", code="scope-toml") from None
    except (ValueError, RecursionError):
        raise Violation(
            "The scope is no TOML file that is read: a number is too long, or lists are in lists in lists.",
            code="scope-toml",
        ) from None
    reader = _Reader(members)
    scope = _scope(reader, sha256(content).hexdigest())
    reader.require_all_known()
    _require_in_time(scope, now)
    return scope


class _Reader:
    """A TOML document by section and name. What nobody asked for at the end was a typing mistake."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members
        self._asked: dict[str, set[str]] = {}

    def take(self, section: str, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        self._asked.setdefault(section, set()).add(name)
        table = self._members.get(section, {})
        if not isinstance(table, dict):
            raise Violation(f"[{section}] is a section of its own.", code="scope")
        value = table.get(name, default)
        if value is None:
            raise Violation(f"The scope does not say {section}.{name}.", code="scope")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise Violation(f"{section}.{name} is {_kind(kind)}.", code="scope")
        return value

    def text(self, section: str, name: str, default: str | None = None) -> str:
        """A line a person has to answer for: not empty unless it may be, no control characters."""
        value = str(self.take(section, name, str, default)).strip()
        if (not value and default is None) or len(value) > 300 or _CONTROL.search(value):
            raise Violation(f"{section}.{name} is one line of 1 to 300 characters.", code="scope")
        return value

    def texts(self, section: str, name: str) -> list[str]:
        value = self.take(section, name, list, [])
        if len(value) > _MOST_ENTRIES or not all(isinstance(each, str) for each in value):
            raise Violation(f"{section}.{name} is a list of texts.", code="scope")
        return list(map(str, value))

    def number(self, section: str, name: str, default: int, most: int) -> int:
        value = self.take(section, name, int, default)
        if not 0 < value <= most:
            raise Violation(f"{section}.{name} is a number from 1 to {most:,}.", code="scope")
        return int(value)

    def one_of(self, section: str, name: str, choices: Iterable[str], default: str) -> str:
        value, known = self.text(section, name, default), tuple(choices)
        if value not in known:
            raise Violation(f"{section}.{name} is one of {', '.join(known)}.", code="scope")
        return value

    def day(self, section: str, name: str) -> date:
        value = self.take(section, name, (date, datetime))
        if isinstance(value, datetime) or not 1970 <= value.year <= _LAST_YEAR:
            raise Violation(f"{section}.{name} is {_kind(date)}.", code="scope")
        return value  # type: ignore[no-any-return]

    def require_all_known(self) -> None:
        for section, table in self._members.items():
            asked = self._asked.get(section)
            if asked is None:
                raise Violation(f"A scope has no [{_safe(section)}].", code="scope")
            for name in table:
                if name not in asked:
                    raise Violation(f"A scope has no {section}.{_safe(name)}.", code="scope")


def _scope(reader: _Reader, digest: str) -> Scope:
    zone = _zone(reader.text("limits", "time_zone", "UTC"))
    authorised = _ranges(reader, "authorisation", "ranges", may_overlap=False)
    wanted = _ranges(reader, "targets", "ranges", may_overlap=False)
    avoided = _ranges(reader, "targets", "do_not_probe", may_overlap=True)
    hosts = tuple(named_host(text) for text in reader.texts("targets", "hosts"))
    lists = tuple(_list(each) for each in reader.take("targets", "lists", list, []))
    if not (wanted or hosts or lists):
        raise Violation(
            "The scope names nothing to survey: targets.ranges, hosts or lists.", code="scope-empty"
        )
    allowed = AddressSet.of(authorised or wanted)
    if not allowed:
        raise Violation("authorisation.ranges says of which addresses a survey is authorised.", code="scope")
    _require_within(wanted, hosts, allowed)
    ranges = AddressSet.of(wanted).without(AddressSet.of(avoided))
    most = reader.number("targets", "most_addresses", MOST_ADDRESSES, 1 << 32)
    if ranges.size > most:
        raise Violation(
            f"The scope holds {ranges.size:,} addresses. If that is meant, say so: "
            f"targets.most_addresses = {ranges.size}.",
            code="scope-huge",
        )
    return Scope(
        organisation=reader.text("authorisation", "organisation"),
        authorised_by=reader.text("authorisation", "authorised_by"),
        contact=reader.text("authorisation", "contact"),
        legal_basis=reader.text("authorisation", "legal_basis"),
        valid_from=_midnight(reader.day("authorisation", "valid_from"), zone),
        valid_to=_midnight(reader.day("authorisation", "valid_to") + timedelta(days=1), zone),
        authorised=allowed,
        ranges=ranges,
        hosts=hosts,
        do_not_probe=AddressSet.of(avoided),
        ports=ports_of(reader.take("targets", "ports", (str, list), "usual")),
        max_level=LEVELS[reader.one_of("limits", "max_level", LEVELS, "associate")],
        options=_options(reader.texts("limits", "options")),
        titles=_titles(reader.texts("limits", "titles")),
        rate=reader.number("limits", "rate", 200, MOST_RATE),
        rate_per_24=reader.number("limits", "rate_per_24", 50, MOST_RATE),
        hours=_hours(reader.text("limits", "hours", ""), zone),
        tlp=reader.one_of("reports", "tlp", TLP, "AMBER"),
        lists=lists,
        constituency=reader.text("reports", "constituency", ""),
        digest=digest,
        needs_signature=not all_private(allowed.ranges),
    )


def _ranges(reader: _Reader, section: str, name: str, *, may_overlap: bool) -> list[Range]:
    found = [range_of(text) for text in reader.texts(section, name)]
    if not may_overlap and (pair := overlap(found)):
        raise Violation(
            f"{section}.{name}: {pair[0]} and {pair[1]} overlap, so one of them is not what was meant.",
            code="scope-overlap",
        )
    return found


def _require_within(wanted: Iterable[Range], hosts: Iterable[Named], allowed: AddressSet) -> None:
    for each in wanted:
        if not allowed.covers(each):
            raise Violation(f"{each} is to be surveyed and is not authorised.", code="scope-outside")
    for host in hosts:
        if _is_address(host.host) and host.host not in allowed:
            raise Violation(f"{host.host} is to be surveyed and is not authorised.", code="scope-outside")


def named_host(text: str) -> Named:
    """`HOST`, `HOST:PORT`, `[IPv6]:PORT`, an IPv6 address. Violation for anything else."""
    text = text.strip()
    if _is_address(text):
        return Named(text)
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, ""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    legal = _is_address(bare) or (bare == host and _NAME.fullmatch(bare))
    if not legal or (":" in bare and bare == host):
        raise Violation(f"{_safe(text)!r} is neither HOST nor HOST:PORT.", code="host")
    return Named(bare.rstrip("."), (port_of(port),) if colon else None)


def _list(value: Any) -> tuple[str, str]:
    """A file that names hosts, with its format, or without: it is recognised."""
    if isinstance(value, str) and value:
        return value, ""
    if (
        isinstance(value, dict)
        and set(value) == {"path", "format"}
        and all(isinstance(each, str) and each for each in value.values())
    ):
        return value["path"], value["format"]
    raise Violation('targets.lists are files: "hosts.txt", or { path = "…", format = "…" }.', code="scope")


def _options(names: list[str]) -> frozenset[Option]:
    try:
        return frozenset(Option(name) for name in names)
    except ValueError:
        raise Violation(f"limits.options are some of {', '.join(Option)}.", code="scope") from None


def _titles(titles: list[str]) -> tuple[str, ...]:
    if len(titles) > MOST_TITLES or not all(map(is_title, titles)):
        raise Violation(f"limits.titles are at most {MOST_TITLES} AE titles.", code="scope")
    return tuple(dict.fromkeys(titles))


def is_title(text: str) -> bool:
    """Whether it can be an AE title (PS3.5 6.2), without spaces around it."""
    return _TITLE.fullmatch(text) is not None


def _hours(text: str, zone: ZoneInfo) -> Hours | None:
    if not text:
        return None
    found = _HOURS.fullmatch(text)
    if found is None or (found[3] == "24" and found[4] != "00"):
        raise Violation("limits.hours are like 20:00-06:00.", code="scope")
    begin = time(int(found[1]), int(found[2]))
    end = time(int(found[3]) % 24, int(found[4]))
    if begin == end:
        raise Violation("limits.hours that begin when they end are no hours.", code="scope")
    return Hours(begin, end, zone)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Violation("limits.time_zone is a zone such as Europe/Berlin.", code="scope") from None


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp() * 1000)


def _require_in_time(scope: Scope, now: int) -> None:
    if scope.valid_to <= scope.valid_from:
        raise Violation("authorisation.valid_to lies before valid_from.", code="scope")
    if scope.valid_to - scope.valid_from > MOST_DAYS * 86_400_000:
        raise Violation("An authorisation is good for three years at most.", code="scope")
    if now < scope.valid_from:
        raise Violation("The scope is not valid yet: see authorisation.valid_from.", code="scope-time")
    if now >= scope.valid_to:
        raise Violation("The scope has expired: see authorisation.valid_to.", code="scope-time")


def _is_address(text: str) -> bool:
    try:
        range_of(text)
    except Violation:
        return False
    return "/" not in text and "-" not in text and text == text.strip()


def _kind(kind: type | tuple[type, ...]) -> str:
    """What a value has to be, in words."""
    return " or ".join(
        _KINDS[each] for each in (kind if isinstance(kind, tuple) else (kind,)) if each in _KINDS
    )


def _safe(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:64])
