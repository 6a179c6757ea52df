"""Under which AE titles a stranger asks next, once he was turned down: only where that can teach something.

    made up, made up ── 1/3, or no reason ──▶ made up, the title of every survey
                     └─ opted in ───────────▶ the titles that the scope names, ten at most

A title is not a password, but guessing is guessing: at the first sign that somebody minds, it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Final

from leadglass.scan.ending import Ending
from leadglass.scan.manner import CALLING, MOST_TITLES
from leadglass.scan.observation import Outcome, Value
from leadglass.ul.pdu import RejectResult, RejectSource

MADE_UP: Final = "associate"
OWN: Final = "associate-own"
NAMED: Final = "associate-named"


class Blame(Flag):
    """Which title a rejection may be about."""

    NEITHER = 0
    CALLED = auto()
    CALLING = auto()


_EITHER: Final = Blame.CALLED | Blame.CALLING
# PS3.8 Table 9-21 and what servers make of it: "no reason given" is what some say to any wrong title.
_BLAME: Final[Mapping[tuple[Value, Value], Blame]] = {
    (RejectSource.SERVICE_USER, 1): _EITHER,
    (RejectSource.SERVICE_USER, 3): Blame.CALLING,
    (RejectSource.SERVICE_USER, 7): Blame.CALLED,
    (RejectSource.SERVICE_PROVIDER_ACSE, 1): _EITHER,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """`probe` is its name in an observation."""

    probe: str
    called: str
    calling: str


@dataclass(frozen=True, slots=True)
class Tried:
    attempt: Attempt
    ending: Ending


def is_busy(ending: Ending) -> bool:
    """Turned down for the time being: worth one more attempt, later."""
    said = ending.said
    return ending.outcome is Outcome.REJECTED and (
        said.get("result") == RejectResult.TRANSIENT
        or said.get("source") == RejectSource.SERVICE_PROVIDER_PRESENTATION
    )


def blame(ending: Ending) -> Blame:
    """An abort instead of an answer may be about a title too; nothing else may."""
    if ending.outcome is Outcome.ABORTED:
        return _EITHER
    if ending.outcome is not Outcome.REJECTED or is_busy(ending):
        return Blame.NEITHER
    said = ending.said
    return _BLAME.get((said["source"], said["reason"]), Blame.NEITHER)


def next_attempt(tried: Sequence[Tried], names: Iterable[str] = ()) -> Attempt | None:
    """After the one with made-up titles, which is first in `tried`. None: leave it at that."""
    last, first = tried[-1], tried[0].attempt
    blamed = blame(last.ending)
    if not blamed:
        return None
    own = Attempt(OWN, first.called, CALLING)
    done = [each.attempt for each in tried]
    if blamed & Blame.CALLING and own not in done and len(tried) == 1:
        return own
    if sum(each.probe == NAMED for each in done) >= MOST_TITLES:
        return None
    pairs = {(each.called, each.calling) for each in done}
    return next((a for a in _named(tried, names) if (a.called, a.calling) not in pairs), None)


def _named(tried: Sequence[Tried], names: Iterable[str]) -> Iterator[Attempt]:
    """Go on from the last attempt but the survey's own, keeping the title that was not minded."""
    last = next(each for each in reversed(tried) if each.attempt.probe != OWN)
    first, names = tried[0].attempt, tuple(names)
    blamed = blame(last.ending)
    keep = blamed in (Blame.CALLED, Blame.CALLING)
    if blamed & Blame.CALLED:
        calling = last.attempt.calling if keep else first.calling
        yield from (Attempt(NAMED, name, calling) for name in names)
    if blamed & Blame.CALLING:
        called = last.attempt.called if keep else first.called
        yield from (Attempt(NAMED, called, name) for name in names)
    # dcmqrscp says that the called title is wrong when the calling one is.
    yield from (Attempt(NAMED, called, calling) for called in names for calling in names)
