"""How the archive is doing over time: what came in, when the disk is full, how old everything is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from leadglass.access import authority, peers
from leadglass.access.certificates import expiry_of
from leadglass.archive import scrub
from leadglass.archive.backup import last_backup
from leadglass.errors import Violation
from leadglass.index import arrivals, upkeep
from leadglass.record.published import published_at

DAY: Final = 86_400_000  # ms
SOON: Final = 30 * DAY  # a certificate that ends within this
FAR: Final = 36_500  # days; further than that nobody can see
OVERHEAD: Final = 1.0002  # of sealing, by size


@dataclass(frozen=True, slots=True)
class Intake:
    """What came in during the last `days`, today counted as one."""

    days: int
    objects: int
    bytes: int

    @property
    def bytes_per_day(self) -> int:
        return self.bytes // self.days


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate and when it ends, ms. `whose`: `web`, `archive`, `authority`, or an AE title."""

    whose: str
    expires: int


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """The round of reading under way: since when, how much of how much; and when the last whole one ended."""

    started: int | None
    finished: int | None
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """Times in ms, UTC; None for what never was. `days_left`: until the disk is full at the rate of the last
    30 days, None when that cannot be told. `lost` are no longer shown, `damaged` still are listed."""

    newest: int | None
    week: Intake
    month: Intake
    days_left: int | None
    lost: int
    damaged: int
    checked: int | None
    deep_checked: int | None
    scrub: Scrubbed
    published: int | None  # the record's checkpoint
    expiring: tuple[Expiring, ...]
    backed_up: int | None = None


def outlook(
    connection: sa.Connection, now: int, *, free: int, tiles: Path, web_certificate: Path | None
) -> Outlook:
    """`free`: bytes that images may still take."""
    days = arrivals.by_day(connection, now // DAY - 29)
    first = arrivals.first_day(connection)
    month = _intake(days, now, first, 30)
    lost, damaged = upkeep.troubles(connection)
    deep, shallow = (upkeep.round_of(connection, name) for name in ("deep check", "check"))
    last = last_backup(connection)
    ends = [each.finished for each in (deep, shallow) if each is not None and each.finished is not None]
    return Outlook(
        newest=upkeep.newest(connection),
        week=_intake(days, now, first, 7),
        month=month,
        days_left=days_left(free, month.bytes_per_day),
        lost=lost,
        damaged=damaged,
        checked=max(ends, default=None),
        deep_checked=deep.finished if deep is not None else None,
        scrub=_scrubbed(upkeep.round_of(connection, scrub.NAME)),
        published=published_at(tiles),
        expiring=tuple(_expiring(connection, now, web_certificate)),
        backed_up=last.at if last is not None else None,
    )


def days_left(free: int, per_day: int) -> int | None:
    """Whole days until `free` bytes are taken; None when hardly anything comes in."""
    if per_day <= 0:
        return None
    days = int(free / (per_day * OVERHEAD))
    return days if days <= FAR else None


def _intake(days: Iterable[tuple[int, int, int]], now: int, first: int | None, most: int) -> Intake:
    """An archive that is younger than that many days is not taken for one in which nothing came in."""
    today = now // DAY
    span = most if first is None else max(1, min(most, today - first + 1))
    counted = [(objects, size) for day, objects, size in days if today - most < day <= today]
    return Intake(span, sum(objects for objects, _ in counted), sum(size for _, size in counted))


def _scrubbed(made: upkeep.Round | None) -> Scrubbed:
    if made is None:
        return Scrubbed(None, None, 0, 0)
    return Scrubbed(made.started if made.kind else None, made.finished, made.objects, made.bytes)


def _expiring(connection: sa.Connection, now: int, web: Path | None) -> Iterable[Expiring]:
    """The soonest first. What cannot be read is not guessed at: the listener says so when it starts."""
    own = {
        name: pem
        for name, kept in (("authority", "authority"), ("archive", "server"))
        if (pem := authority.certificate(connection, kept)) is not None
    }
    if web is not None:
        try:
            own["web"] = web.read_text("ascii")
        except (OSError, ValueError):
            own.pop("web", None)
    found = [Expiring(ae.title, ae.expires) for ae in peers.list_aes(connection) if ae.expires is not None]
    for whose, pem in own.items():
        try:
            found.append(Expiring(whose, expiry_of(pem)))
        except Violation:
            continue
    return sorted((each for each in found if each.expires - now < SOON), key=lambda each: each.expires)
