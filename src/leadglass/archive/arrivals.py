"""What came in: how much in a day, a week, a month, from whom; what came last; who went silent; what waits.

What is narrowed is narrowed to the departments of who asks, and the studies that are named are on the record
before they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from typing import Final

from leadglass.access import peers
from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.index import arrivals
from leadglass.index.arrivals import HOUR, MOST_WAITING, Arrived, Within
from leadglass.index.rows import StudyRow

__all__ = ["MOST_WAITING", "Arrived", "Bucket", "Flow", "Overview", "Period", "Silent"]

NEWEST: Final = 12  # studies that are named
DAY: Final = 24  # hours
WATCHED: Final = 60 * DAY  # what a device did within this says what is usual for it
LEAST_DAYS: Final = 5  # on which it sent: of what came now and then nobody can say what is usual
_Key = tuple[int, str, str]  # of what was found: step, source, modality
_DEVICE: Final = "C-STORE from "  # how `scp.storage` names a sender


class Period(Enum):
    """How many buckets of how many hours."""

    DAY = (24, 1)
    WEEK = (28, 6)
    MONTH = (30, 24)

    @property
    def step(self) -> int:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Bucket:
    """`start`: ms since the epoch."""

    start: int
    arrived: Arrived


@dataclass(frozen=True, slots=True)
class Flow:
    """From where (a device by its title), or of which modality, how much came in."""

    name: str
    arrived: Arrived


@dataclass(frozen=True, slots=True)
class Silent:
    """A device that has sent nothing for a day longer than ever before. Hours; `last`: ms since the epoch."""

    title: str
    last: int
    quiet: int
    longest: int
    days: int


@dataclass(frozen=True, slots=True)
class Overview:
    period: Period
    buckets: tuple[Bucket, ...]
    total: Arrived
    sources: tuple[Flow, ...]
    modalities: tuple[Flow, ...]
    newest: tuple[StudyRow, ...]
    silent: tuple[Silent, ...]
    watched: int  # devices that could have been found silent
    waiting: int  # objects kept aside, MOST_WAITING for that many or more
    room: bool  # False: the disk is so full that nothing is taken in


class Arrivals:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def overview(self, who: Principal, period: Period, context: Context) -> Overview:
        narrowing = self._doorkeeper.narrowed(who, Action.ARRIVALS_READ, context)
        everything, departments = narrowing.everything, narrowing.departments
        first, after = _span(period, context.now)
        within = Within(departments, everything, first, after)
        watched = replace(within, since=context.now // HOUR - WATCHED)
        with self._doorkeeper.db.read() as connection:
            found = arrivals.arrived(connection, within, period.step)
            days = arrivals.sending_days(connection, watched)
            titles = {ae.title for ae in peers.list_aes(connection)}
            newest = arrivals.newest(connection, everything=everything, departments=departments, limit=NEWEST)
            waiting = arrivals.waiting(connection, everything=everything, departments=departments)
        used = {
            title: found for title, found in _devices(days) if title in titles and len(found) >= LEAST_DAYS
        }
        entry = self._doorkeeper.entry(
            who,
            Action.ARRIVALS_READ,
            context,
            counts={"studies": len(newest)},
            **self._doorkeeper.about(newest),
        )
        self._doorkeeper.record(entry, context.now)
        return Overview(
            period,
            tuple(_buckets(found, period, first)),
            _sum(found.values()),
            _flows(found, 1),
            _flows(found, 2),
            tuple(newest),
            tuple(sorted(_silent(used, context.now // HOUR), key=lambda one: one.last)),
            len(used),
            waiting,
            self._doorkeeper.db.reserve.room_for_objects(),
        )


def _span(period: Period, now: int) -> tuple[int, int]:
    """First hour and the one after the last: whole steps of UTC, the one that is going on included."""
    count, step = period.value
    after = (now // HOUR // step + 1) * step
    return after - count * step, after


def _buckets(found: Mapping[_Key, Arrived], period: Period, first: int) -> Iterator[Bucket]:
    count, step = period.value
    together: dict[int, list[Arrived]] = {}
    for (at, _, _), arrived in found.items():
        together.setdefault(at, []).append(arrived)
    for at in range(first // step, first // step + count):
        yield Bucket(at * step * HOUR, _sum(together.get(at, ())))


def _sum(several: Iterable[Arrived]) -> Arrived:
    found = list(several)
    return Arrived(*(sum(getattr(one, name) for one in found) for name in ("instances", "studies", "bytes")))


def _flows(found: Mapping[_Key, Arrived], part: int) -> tuple[Flow, ...]:
    """By source or by modality, which are parts 1 and 2 of the key, the most first."""
    together: dict[str, list[Arrived]] = {}
    for key, arrived in found.items():
        together.setdefault(str(key[part]), []).append(arrived)
    flows = (Flow(name.removeprefix(_DEVICE), _sum(each)) for name, each in together.items())
    return tuple(sorted(flows, key=lambda flow: (-flow.arrived.instances, flow.name)))


def _devices(
    days: Mapping[str, list[tuple[int, int, int]]],
) -> Iterator[tuple[str, list[tuple[int, int, int]]]]:
    for source, found in days.items():
        if source.startswith(_DEVICE):
            yield source.removeprefix(_DEVICE), found


def _silent(used: Mapping[str, list[tuple[int, int, int]]], now: int) -> Iterator[Silent]:
    """The rule: quiet for a day longer than the longest pause between two days of sending."""
    for title, days in used.items():
        longest = max(after[1] - before[2] for before, after in pairwise(days))
        last = days[-1][2]
        if now - last > longest + DAY:
            yield Silent(title, last * HOUR, now - last, longest, len(days))
