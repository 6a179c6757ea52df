"""Decisions on what was kept aside, and all that a home holds before and after each of them.

A home `filled` shows A, B and C. Other content under the UIDs of A and B is kept aside; of C it was accepted,
so that there is an earlier version to put back. D and E are of a study of another department: E came to the
first one, which has handed it over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fault_home import OPERATOR, WAIT, Site, contents, context, made_up, take_in

from leadglass.access.principal import Kind, Principal, Role
from leadglass.archive.standing import Decision
from leadglass.compose import Opened

A, B, C, D, E = "1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3", "1.2.4.1.1", "1.2.4.1.2"
FIRST: Final = {uid: made_up(uid, study=uid[:5]) for uid in (A, B, C, D)}
LATE: Final = made_up(E, study="1.2.4")
OTHER: Final = {uid: made_up(uid, study="1.2.3", size=4000) for uid in (A, B, C)}
KNOWN: Final = {*FIRST, E}
NEW: Final = "stored separately"
WHY: Final = "A test of faults"
_PIXELS: Final = b"\xe0\x7f\x10\x00OW"


def admin() -> Principal:
    """The PACS administrator of both departments."""
    return Principal(Kind.USER, 9, 9, "pacs", "pacs", Role.PACS_ADMINISTRATOR, frozenset({1, 2}), "session:9")


@dataclass(frozen=True, slots=True)
class Holds:
    """The bytes of all that is shown, kept aside (by UID and department) and a version; of what was written
    anew only its pixels."""

    shown: dict[str, bytes]
    aside: dict[tuple[str, int], bytes]
    versions: frozenset[bytes]


def holds(opened: Opened) -> Holds:
    shown = {
        uid if uid in KNOWN else NEW: file if uid in KNOWN else file[file.index(_PIXELS) :]
        for uid, file in contents(opened).items()
    }
    aside, standings = opened.services.aside, opened.services.aside._standings
    waiting = {}
    for line in aside.page(admin(), context()).rows:
        kept = standings.kept(line.row.id)
        assert kept is not None
        with standings.open_kept(kept) as reader:
            waiting[kept.sop_instance_uid, kept.department_id] = b"".join(reader.chunks())
    versions = set()
    for row in aside.versions(admin(), context()).rows:
        with aside.version(admin(), row.id, context()).reader as reader:
            versions.add(b"".join(reader.chunks()))
    return Holds(shown, waiting, frozenset(versions))


def filled(site: Site) -> Site:
    with site.open() as opened:
        other = opened.services.accounts.department(OPERATOR, "Cardiology", context())
        for uid, file in FIRST.items():
            take_in(opened, file, department=other if uid == D else 1).result(WAIT)
        for file in (OTHER[C], OTHER[A], OTHER[B], LATE):
            take_in(opened, file).result(WAIT)
        opened.services.aside.decide(admin(), 1, Decision.ACCEPT, WHY, context())
        opened.services.aside.decide(admin(), 4, Decision.HAND_OVER, WHY, context(), to=other)
        assert holds(opened) == BEFORE
    return site


_ONLY_E: Final = {(E, 2): LATE}
_ONLY_B: Final = {(B, 1): OTHER[B]} | _ONLY_E
BEFORE: Final = Holds(FIRST | {C: OTHER[C]}, {(A, 1): OTHER[A]} | _ONLY_B, frozenset({FIRST[C]}))
_ACCEPTED: Final = Holds(BEFORE.shown | {A: OTHER[A]}, _ONLY_B, BEFORE.versions | {FIRST[A]})


@dataclass(frozen=True, slots=True)
class Case:
    """`states`: what may be held, each with one entry of `action` more on the record than the one before."""

    action: str
    carry_out: Callable[[Opened], Any]
    states: tuple[Holds, ...]


def _decide(decision: Decision) -> Callable[[Opened], Any]:
    """On what came under the UID of A."""
    to = 2 if decision is Decision.HAND_OVER else None
    return lambda opened: opened.services.aside.decide(admin(), 2, decision, WHY, context(), to=to)


def _take_in(opened: Opened) -> Any:
    return opened.services.aside.decide(admin(), 5, Decision.ACCEPT, WHY, context())


def _put_back(opened: Opened) -> Any:
    return opened.services.aside.put_back(admin(), 1, WHY, context())


def _together(opened: Opened) -> Any:
    aside = opened.services.aside
    return aside.decide_all(admin(), Decision.ACCEPT, WHY, context(), reason="other-content", source="test")


CASES: Final = {
    "accept": Case("aside.accept", _decide(Decision.ACCEPT), (BEFORE, _ACCEPTED)),
    "store": Case(
        "aside.store",
        _decide(Decision.STORE),
        (
            BEFORE,
            Holds(
                BEFORE.shown | {NEW: OTHER[A][OTHER[A].index(_PIXELS) :]},
                _ONLY_B,
                BEFORE.versions | {OTHER[A]},
            ),
        ),
    ),
    "reject": Case(
        "aside.reject", _decide(Decision.REJECT), (BEFORE, Holds(BEFORE.shown, _ONLY_B, BEFORE.versions))
    ),
    "hand-over": Case(
        "aside.hand-over",
        _decide(Decision.HAND_OVER),
        (BEFORE, Holds(BEFORE.shown, _ONLY_B | {(A, 2): OTHER[A]}, BEFORE.versions)),
    ),
    "take-in": Case(
        "aside.accept",
        _take_in,
        (
            BEFORE,
            Holds(
                BEFORE.shown | {E: LATE},
                {each: file for each, file in BEFORE.aside.items() if each[0] != E},
                BEFORE.versions,
            ),
        ),
    ),
    "put-back": Case(
        "aside.put-back", _put_back, (BEFORE, Holds(dict(FIRST), BEFORE.aside, frozenset({OTHER[C]})))
    ),
    "together": Case(
        "aside.accept",
        _together,
        (
            BEFORE,
            _ACCEPTED,
            Holds(_ACCEPTED.shown | {B: OTHER[B]}, _ONLY_E, _ACCEPTED.versions | {FIRST[B]}),
        ),
    ),
}


def recorded(opened: Opened, action: str) -> int:
    """How often it was decided so, but for what `filled` accepted and handed over."""
    lines = opened.services.trail.page(OPERATOR, context(), action=action)
    return len(lines) - (action in {"aside.accept", "aside.hand-over"})
