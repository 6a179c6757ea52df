"""Decisions on what was kept aside, and all that a home holds before and after each of them.

A home `filled` shows A, B and C. Other content under the UIDs of A and B is kept aside; of C it was accepted,
so that there is an earlier version to put back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fault_home import OPERATOR, WAIT, Site, contents, context, made_up, take_in

from leadglass.access.principal import Kind, Principal, Role
from leadglass.archive.standing import Decision
from leadglass.compose import Opened

A, B, C = "1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"
FIRST: Final = {uid: made_up(uid, study="1.2.3") for uid in (A, B, C)}
OTHER: Final = {uid: made_up(uid, study="1.2.3", size=4000) for uid in (A, B, C)}
NEW: Final = "stored separately"
WHY: Final = "A test of faults"
_PIXELS: Final = b"\xe0\x7f\x10\x00OW"


def admin() -> Principal:
    """The PACS administrator of the default department."""
    return Principal(Kind.USER, 9, 9, "pacs", "pacs", Role.PACS_ADMINISTRATOR, frozenset({1}), "session:9")


@dataclass(frozen=True, slots=True)
class Holds:
    """The bytes of all that is shown, kept aside and a version, by the UID of what is shown; of what was
    written anew only its pixels."""

    shown: dict[str, bytes]
    aside: dict[str, bytes]
    versions: frozenset[bytes]


def holds(opened: Opened) -> Holds:
    shown = {
        uid if uid in FIRST else NEW: file if uid in FIRST else file[file.index(_PIXELS) :]
        for uid, file in contents(opened).items()
    }
    aside, standings = opened.services.aside, opened.services.aside._standings
    waiting = {}
    for line in aside.page(admin(), context()).rows:
        kept = standings.kept(line.row.id)
        assert kept is not None
        with standings.open_kept(kept) as reader:
            waiting[kept.sop_instance_uid] = b"".join(reader.chunks())
    versions = set()
    for row in aside.versions(admin(), context()).rows:
        with aside.version(admin(), row.id, context()).reader as reader:
            versions.add(b"".join(reader.chunks()))
    return Holds(shown, waiting, frozenset(versions))


def filled(site: Site) -> Site:
    with site.open() as opened:
        for file in (*FIRST.values(), OTHER[C], OTHER[A], OTHER[B]):
            take_in(opened, file).result(WAIT)
        opened.services.aside.decide(admin(), 1, Decision.ACCEPT, WHY, context())
        assert holds(opened) == BEFORE
    return site


BEFORE: Final = Holds(FIRST | {C: OTHER[C]}, {uid: OTHER[uid] for uid in (A, B)}, frozenset({FIRST[C]}))
_ONLY_B: Final = {B: OTHER[B]}
_ACCEPTED: Final = Holds(BEFORE.shown | {A: OTHER[A]}, _ONLY_B, BEFORE.versions | {FIRST[A]})


@dataclass(frozen=True, slots=True)
class Case:
    """`states`: what may be held, each with one entry of `action` more on the record than the one before."""

    action: str
    carry_out: Callable[[Opened], Any]
    states: tuple[Holds, ...]


def _decide(decision: Decision) -> Callable[[Opened], Any]:
    """On what came under the UID of A."""
    return lambda opened: opened.services.aside.decide(admin(), 2, decision, WHY, context())


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
    "put-back": Case(
        "aside.put-back", _put_back, (BEFORE, Holds(FIRST, BEFORE.aside, frozenset({OTHER[C]})))
    ),
    "together": Case(
        "aside.accept",
        _together,
        (
            BEFORE,
            _ACCEPTED,
            Holds(_ACCEPTED.shown | {B: OTHER[B]}, {}, _ACCEPTED.versions | {FIRST[B]}),
        ),
    ),
}


def recorded(opened: Opened, action: str) -> int:
    """How often it was decided so, but for what `filled` accepted."""
    lines = opened.services.trail.page(OPERATOR, context(), action=action)
    return len([line for line in lines if (line.detail or {})["instance"] != C or action == "aside.put-back"])
