"""Servers as a counter may meet them, without a network: studies, and a way to answer for them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date

from leadglass.scan.asks import Ask, Came, End
from leadglass.scan.counting import Count, Limits, counting

TODAY = date(2026, 6, 1)
PLENTY = Limits(queries=5000, responses=10_000_000)


@dataclass(frozen=True)
class Study:
    day: date | None = date(2024, 5, 6)
    second: int | None = 43_200
    modalities: frozenset[str] = frozenset({"CT"})
    images: int = 1


@dataclass
class Server:
    """`cap`: matches of one answer, at which it does as `manner` says. `ignores`: keys it makes nothing of."""

    studies: list[Study]
    cap: int | None = None
    manner: str = "silent"
    ignores: frozenset[str] = frozenset()
    repeats: int = 1  # how often each study is given
    lies: random.Random | None = None
    asked: list[Ask] = field(default_factory=list)

    def answer(self, ask: Ask) -> Came:
        self.asked.append(ask)
        if self.lies is not None:
            return Came(self.lies.randrange(ask.most + 1) % 300, self.lies.choice(list(End)))
        found = [study for study in self.studies if self._matches(study, ask)]
        came = Came(len(found), End.COMPLETE, sum(study.images for study in found))
        if self.cap is not None and len(found) > self.cap:
            came = _cut(found, self.cap, self.manner)
        if self.repeats > 1 and came.matches:
            return replace(
                came, matches=came.matches * self.repeats, repeats=came.matches * (self.repeats - 1)
            )
        if came.matches >= ask.most > 0 and came.matches > 0:
            kept = found[: ask.most]
            return Came(len(kept), End.CANCELLED, sum(study.images for study in kept))
        return came

    def _matches(self, study: Study, ask: Ask) -> bool:
        """PS3.4 C.2.2.2: a range or a value matches no study that has none."""
        by_day = ask.days is None or "days" in self.ignores or _within(study.day, ask.days)
        by_time = ask.times is None or "times" in self.ignores or _within(study.second, ask.times)
        by_modality = not ask.modality or "modality" in self.ignores or ask.modality in study.modalities
        return by_day and by_time and by_modality


def _within(value, ends) -> bool:
    return value is not None and ends[0] <= value <= ends[1]


def _cut(found: list[Study], cap: int, manner: str) -> Came:
    kept = found[:cap]
    images = sum(study.images for study in kept)
    return {
        "silent": Came(cap, End.COMPLETE, images),
        "refuse": Came(0, End.REFUSED),
        "limit": Came(cap, End.LIMITED, images),
        "fail": Came(cap, End.REFUSED, images),
        "slow": Came(cap // 2, End.SLOW, sum(study.images for study in kept[: cap // 2])),
        "abort": Came(cap // 2, End.LOST, sum(study.images for study in kept[: cap // 2])),
    }[manner]


def count(server: Server, limits: Limits = PLENTY, *, stop_after: int | None = None) -> Count:
    """Plan and server, until the plan has its result; after `stop_after` queries there is no time left."""
    plan = counting(limits, TODAY, ignores_dates="days" in server.ignores)
    try:
        ask = next(plan)
        while True:
            spent = stop_after is not None and len(server.asked) >= stop_after
            ask = plan.send(Came(0, End.SPENT) if spent else server.answer(ask))
    except StopIteration as done:
        result: Count = done.value
        return result


def days(number: int, first: date = date(2020, 1, 1)) -> Iterator[date]:
    for n in range(number):
        yield date.fromordinal(first.toordinal() + n)


def spread(number: int, per_day: int = 1) -> list[Study]:
    """So many studies, each at a time of its own."""
    return [
        Study(day, 30_000 + n * 60)
        for day in days(-(-number // per_day))
        for n in range(per_day)
    ][:number]  # fmt: skip


def at(studies: Iterable[Study], **what) -> list[Study]:
    return [replace(study, **what) for study in studies]
