"""How many studies there are: what to ask next, and what can be said in the end.

    plan = counting(limits, today)
    ask = next(plan)
    while True:
        ask = plan.send(came)      # what came of `ask`; StopIteration.value is the Count

The whole is asked for first. If its answer cannot be the last word (refused, cut short, or a number at which
programs like to stop without saying so), its parts are asked for: by date, within a day by time, and where
even that is refused by modality.

What can be known, and what cannot (PS3.4 C.2.2.2):

- A query without a date key matches studies with and without a date (universal matching, C.2.2.2.3). One with
  a range matches those that have a date in it (C.2.2.2.5). No key matches the studies without one, so they
  are the difference, and nobody knows how many they are where the whole cannot be had. Then the count is "at
  least", and `dated` says what is exact. The same goes for times within a day.
- A server that ignores a key answers everything with everything, one that reads half of a range with half of
  it. So before parts are believed, two are asked for in which there can be nothing, on either side.
- Ranges are closed, as some servers know no other: what is dated before 1843 or after 2199 counts as undated.
- A silent stop at N looks like N studies. It is noticed when parts add up to more. Round numbers are always
  looked into; other ones as far as that costs no more than to count them once again.
- Some servers give a study more than once, for instance for each of its images. What is given again word for
  word counts once, and then the count is no more than "at least".
- Modalities overlap: a study may have several. Of their counts the largest is certain, not the sum.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from leadglass.scan.asks import DAY, Ask, Came, End

CHEAP: Final = 20_000  # studies, up to which a number that is not round is looked into as well
FEW: Final = 10  # studies: nobody stops below
CHECKS: Final = 6  # queries for such a look: two proofs, and halves twice
MOST_IN_VAIN: Final = 3  # queries in a row that bring nothing, before it is left alone

_ONE: Final = timedelta(days=1)
EVER: Final = (date(1843, 1, 1), date(2199, 12, 31))
_NOTHING_THEN: Final = ((date(1842, 1, 1), date(1842, 12, 31)), (date(2200, 1, 1), date(2200, 12, 31)))
_SOME_SECOND: Final = 12_813  # 03:33:33, of all seconds of the day
MADE_UP_MODALITY: Final = "LGSCAN"
MODALITIES: Final = (
    "CT",
    "MR",
    "CR",
    "DX",
    "US",
    "XA",
    "MG",
    "NM",
    "PT",
    "RF",
    "OT",
    "SC",
    "ES",
    "SR",
    "ECG",
)


@dataclass(frozen=True, slots=True)
class Limits:
    queries: int
    responses: int


@dataclass(frozen=True, slots=True)
class Count:
    """`studies`: exactly if `exact`, else at least, because of `cause`. `dated`: exactly so many have a date,
    and `undated` have none; None where nobody knows. `cap`: where the server stops. `images`: of the studies
    that were counted."""

    studies: int
    exact: bool
    cause: str = ""
    dated: int | None = None
    undated: int | None = None
    cap: int | None = None
    images: int = 0
    queries: int = 0


Plan: TypeAlias = Generator[Ask, Came, Count]

_LEADING: Final = frozenset({"1", "2", "25", "5"})

# The first of these that holds is what is told.
_CAUSES: Final = (
    "misbehaves", "lost", "time", "bounds", "slow", "cap", "refused", "plateau", "changed", "repeats",
    "undated", "untimed",
)  # fmt: skip
_OVER: Final = {End.SPENT: "time", End.MISBEHAVES: "misbehaves"}
_LEFT: Final = {
    End.LIMITED: "cap", End.REFUSED: "refused", End.SLOW: "slow", End.LOST: "lost", End.CANCELLED: "bounds",
}  # fmt: skip
_UNASKED: Final = Came(0, End.SPENT)


def counting(limits: Limits, today: date, *, ignores_dates: bool = False) -> Plan:
    """`ignores_dates`: a query for a day without studies has found some."""
    return _Counting(limits, today, ignores_dates=ignores_dates).run()


def is_round(number: int) -> bool:
    """Whether programs like to stop there: 100, 200, 250, 500 and so on with any number of zeros, powers of
    two, and one to either side of them."""
    return number >= 63 and any(
        str(near).rstrip("0") in _LEADING or near & (near - 1) == 0
        for near in (number - 1, number, number + 1)
    )


class _Key(StrEnum):
    """By what the studies of a query are divided; the value says what is not found then."""

    DAYS = "undated"
    TIMES = "untimed"

    def is_in(self, ask: Ask) -> bool:
        return (ask.days if self is _Key.DAYS else ask.times) is not None


@dataclass(frozen=True, slots=True)
class _Part:
    """Of what matches a query there are `least`; `sure`: exactly so many, as far as keys find them."""

    least: int
    images: int
    sure: bool


class _Counting:
    def __init__(self, limits: Limits, today: date, *, ignores_dates: bool) -> None:
        self._limits = limits
        self._knots = _knots(today)
        self._queries = self._matches = 0
        self._in_vain = 0
        self._over = ""  # why nothing is asked any more
        self._suspect: int | None = None  # a count that may be a silent stop
        self._stop: int | None = None  # one that is
        self._told_stop = 0  # one that the server speaks of
        self._checks: tuple[int, int] | None = None  # queries and matches at which a mere look ends
        self._honours: dict[_Key, bool] = {_Key.DAYS: False} if ignores_dates else {}
        self._causes: set[str] = set()
        self._unfound: set[_Key] = set()  # keys that were relied on while nobody knows who lacks them
        self._dated: int | None = None
        self._undated: int | None = None

    def run(self) -> Plan:
        whole = yield from self._ask(Ask())
        if whole.end is not End.COMPLETE:
            part = yield from self._divide(Ask(), whole)
        elif not whole.matches:
            part = yield from self._nothing()
        else:
            part = yield from self._whole(whole)
        return self._count(part)

    # --- the whole ----------------------------------------------------------------------------------------

    def _whole(self, came: Came) -> Generator[Ask, Came, _Part]:
        found = came.matches
        if is_round(found):
            self._suspect = found
        elif found <= CHEAP:
            self._suspect = found
            queries = CHECKS if found >= FEW else CHECKS - 2
            self._checks = (self._queries + queries, self._matches + max(found, 1000))
        else:
            return _Part(came.different, came.images, sure=True)
        return (yield from self._divide(Ask(), came))

    def _nothing(self) -> Generator[Ask, Came, _Part]:
        """No study at all: or does it not answer queries without a key?"""
        if not self._honours.get(_Key.DAYS, True):
            return _Part(0, 0, sure=True)
        dated = Ask(days=EVER)
        came = yield from self._ask(dated)
        if not came.matches:
            self._causes.add("refused")
            return _Part(0, 0, sure=came.end is not End.REFUSED)
        self._unfound.add(_Key.DAYS)
        part = yield from self._settle(dated, came)
        self._dated = part.least if part.sure else None
        return part

    def _count(self, part: _Part) -> Count:
        exact = part.sure and not self._unfound and "repeats" not in self._causes
        causes = {*self._causes, *self._unfound, self._over}
        cause = "" if exact else next((word for word in _CAUSES if word in causes), "bounds")
        stop = max(self._stop or 0, self._told_stop) or None
        dated = None if {_Key.TIMES, "repeats"} & causes else self._dated
        return Count(part.least, exact, cause, dated, self._undated, stop, part.images, self._queries)

    # --- parts --------------------------------------------------------------------------------------------

    def _settle(self, ask: Ask, came: Came) -> Generator[Ask, Came, _Part]:
        if came.end is End.COMPLETE and not self._doubts(came.matches):
            return _Part(came.different, came.images, sure=True)
        return (yield from self._divide(ask, came))

    def _doubts(self, found: int) -> bool:
        """Whether that many may be fewer than there are. A server that has given more can give that many."""
        if self._stop is not None:
            self._stop = max(self._stop, found)
            return found == self._stop
        if self._suspect is not None and found <= self._suspect:
            return found == self._suspect
        self._suspect = found if is_round(found) else None
        return self._suspect is not None

    def _divide(self, ask: Ask, came: Came) -> Generator[Ask, Came, _Part]:
        """`came` is not the last word on `ask`: look at two halves of it."""
        if self._over or self._has_looked():
            return self._leave(came)
        halves = yield from self._halves(ask, came)
        if halves is None:
            return (yield from self._indivisible(ask, came))
        key, later, earlier = halves
        one = yield from self._ask(later)
        if one.end is End.COMPLETE and not one.matches and key.is_in(ask):
            return (yield from self._divide(earlier, came))  # the same studies: the same answer
        other = yield from self._ask(earlier)
        if came.end is End.COMPLETE:
            self._weigh(came.matches, one.matches, other.matches)
        first = yield from self._settle(later, one)
        second = yield from self._settle(earlier, other)
        both = _Part(first.least + second.least, first.images + second.images, first.sure and second.sure)
        return self._together(ask, came, key, both)

    def _weigh(self, whole: int, one: int, other: int) -> None:
        """Two halves with more than the whole: it stops there, or somebody has added a study meanwhile."""
        if one + other <= whole:
            return
        if is_round(whole) or max(one, other) >= whole or one + other > whole + whole // 10 + FEW:
            self._stop = max(self._stop or 0, whole)
            self._checks = None

    def _together(self, ask: Ask, came: Came, key: _Key, both: _Part) -> _Part:
        """What the answer to the whole of `ask` and those to its halves say together."""
        lacks_key = not key.is_in(ask)
        if key is _Key.DAYS and lacks_key and both.sure and 2 * both.least >= came.different:
            self._dated = both.least  # were they fewer, ranges might be read in some other way
        whole, most = came.different, max(came.different, both.least)
        images = max(came.images, both.images)
        if came.end is not End.COMPLETE or self._stops_at(came.matches):
            if lacks_key:
                self._unfound.add(key)
            return _Part(most, images, both.sure)
        if both.least > whole:
            self._causes.add("changed")
            return _Part(most, images, sure=False)
        if both.sure and both.least < whole and is_round(came.matches) and self._checks is None:
            self._causes.add("plateau")  # so many lack the key, or it stops there
            return _Part(most, images, sure=False)
        if key is _Key.DAYS and lacks_key and self._dated is not None:
            self._undated = whole - self._dated
        return _Part(whole, came.images, both.sure or self._checks is not None)

    def _stops_at(self, found: int) -> bool:
        return self._stop is not None and found >= self._stop

    def _has_looked(self) -> bool:
        return self._checks is not None and (
            self._queries >= self._checks[0] or self._matches >= self._checks[1]
        )

    def _leave(self, came: Came) -> _Part:
        """As far as it was looked into, nothing spoke against it; or it was not looked into at all."""
        return _Part(came.different, came.images, came.end is End.COMPLETE and self._checks is not None)

    def _indivisible(self, ask: Ask, came: Came) -> Generator[Ask, Came, _Part]:
        """No key that is left divides it any further."""
        if self._checks is not None:
            return self._leave(came)
        self._causes.add(_LEFT.get(came.end) or ("cap" if self._stops_at(came.matches) else "plateau"))
        if came.end is not End.REFUSED:
            return _Part(came.different, came.images, sure=False)
        return (yield from self._by_modality(ask, came))

    def _by_modality(self, ask: Ask, came: Came) -> Generator[Ask, Came, _Part]:
        most = _Part(came.different, came.images, sure=False)
        proof = yield from self._ask(replace(ask, modality=MADE_UP_MODALITY, most=1))
        if proof.end is not End.COMPLETE or proof.matches:
            return most
        for modality in MODALITIES:
            one = yield from self._ask(replace(ask, modality=modality, most=0))
            if one.different > most.least:
                most = _Part(one.different, one.images, sure=False)
        return most

    # --- keys ---------------------------------------------------------------------------------------------

    def _halves(self, ask: Ask, came: Came) -> Generator[Ask, Came, tuple[_Key, Ask, Ask] | None]:
        """The later and the earlier half, by a key that the server honours."""
        days, times = ask.days or EVER, ask.times or (0, DAY - 1)
        if days[0] < days[1] and ask.times is None and (yield from self._honours_days()):
            start = self._middle(*days)
            later, earlier = (start, days[1]), (days[0], start - _ONE)
            return _Key.DAYS, replace(ask, days=later), replace(ask, days=earlier)
        if times[0] < times[1] and (yield from self._honours_times(ask, came)):
            middle = (times[0] + times[1]) // 2
            before, after = (times[0], middle), (middle + 1, times[1])
            return _Key.TIMES, replace(ask, times=after), replace(ask, times=before)
        return None

    def _honours_days(self) -> Generator[Ask, Came, bool]:
        if _Key.DAYS not in self._honours:
            honours = True
            for days in _NOTHING_THEN:
                came = yield from self._ask(Ask(days=days, most=1))
                honours = honours and came.end is End.COMPLETE and not came.matches
            self._honours[_Key.DAYS] = honours
        return self._honours[_Key.DAYS]

    def _honours_times(self, ask: Ask, whole: Came) -> Generator[Ask, Came, bool]:
        """One second cannot hold what the day does, unless all was made at once."""
        if _Key.TIMES not in self._honours:
            came = yield from self._ask(replace(ask, times=(_SOME_SECOND, _SOME_SECOND), most=0))
            told = whole.end is not End.COMPLETE or came.matches < whole.matches
            self._honours[_Key.TIMES] = came.end is End.COMPLETE and told
        return self._honours[_Key.TIMES]

    def _middle(self, first: date, last: date) -> date:
        """Where the later half begins: at a day that many archives have as much before as after."""
        inside = [knot for knot in self._knots if first < knot <= last]
        if inside:
            return inside[len(inside) // 2]
        return last - timedelta(days=(last - first).days // 2)

    # --- asking -------------------------------------------------------------------------------------------

    def _ask(self, ask: Ask) -> Generator[Ask, Came, Came]:
        left = self._limits.responses - self._matches
        if not self._over and (left <= 0 or self._queries >= self._limits.queries):
            self._over = "bounds"
        if self._over:
            return _UNASKED
        came = yield replace(ask, most=min(ask.most or left, left))
        self._queries += 1
        self._matches += came.matches
        if came.repeats:
            self._causes.add("repeats")
        if came.end is End.LIMITED:
            self._told_stop = max(self._told_stop, came.matches)
        in_vain = came.end in (End.LOST, End.SLOW) and not came.matches
        self._in_vain = self._in_vain + 1 if in_vain else 0
        self._over = _OVER.get(came.end, _LEFT[came.end] if self._in_vain >= MOST_IN_VAIN else "")
        return came


def _knots(today: date) -> tuple[date, ...]:
    """Newest last."""
    years = (date(1900, 1, 1), date(1970, 1, 1), date(2000, 1, 1), date(2010, 1, 1), date(2015, 1, 1))
    recent = (today - timedelta(days=365 * years) for years in (7, 5, 3, 1))
    return tuple(sorted({*years, *recent, today + _ONE}))
