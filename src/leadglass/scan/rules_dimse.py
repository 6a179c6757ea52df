"""D01 to D11: what a DICOM port grants a stranger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leadglass.dimse import sop_classes
from leadglass.dimse.status import SUCCESS
from leadglass.scan.checks import Severity
from leadglass.scan.doors import Door, Seen
from leadglass.scan.observation import Outcome, Value
from leadglass.scan.rules import (
    ASSOCIATIONS,
    OWN,
    Circumstances,
    Found,
    Rule,
    answers,
    found,
    ignores_the_key,
    is_exact,
    is_made_up,
    let_in,
    withholds,
)

# PS3.6 Annex A.
_RETRIEVE: Final[Mapping[str, str]] = {
    sop_classes.PATIENT_ROOT_GET: "get",
    sop_classes.STUDY_ROOT_GET: "get",
    "1.2.840.10008.5.1.4.1.2.3.3": "get",  # Patient/Study Only, retired
    "1.2.840.10008.5.1.4.1.2.4.3": "get",  # Composite Instance Root
    sop_classes.PATIENT_ROOT_MOVE: "move",
    sop_classes.STUDY_ROOT_MOVE: "move",
    "1.2.840.10008.5.1.4.1.2.3.2": "move",
    "1.2.840.10008.5.1.4.1.2.4.2": "move",
}
_OTHERS: Final[Mapping[str, str]] = {
    sop_classes.STORAGE_COMMITMENT_PUSH: "commitment",
    "1.2.840.10008.3.1.2.3.3": "mpps",  # Modality Performed Procedure Step
    "1.2.840.10008.5.1.1.9": "print",  # Basic Grayscale Print Management Meta
    "1.2.840.10008.5.1.1.18": "print",  # Basic Color Print Management Meta
}
# The best proof first.
_ANSWERS: Final = (Outcome.ACCEPTED, Outcome.EMPTY, Outcome.REJECTED, Outcome.ABORTED)
_COUNTED: Final = ("studies", "images", "people", "undated", "cap", "queries")


def present(door: Door, _: Circumstances) -> Found | None:
    seen = next(
        (s for outcome in _ANSWERS for s in door.of(*ASSOCIATIONS, OWN) if s.outcome is outcome), None
    )
    return found([seen], outcome=seen.outcome.value) if seen else None


def called_unchecked(door: Door, _: Circumstances) -> Found | None:
    seen = door.first(lambda s: let_in(s) and is_made_up(s.sent("called")), *ASSOCIATIONS)
    return found([seen], called=str(seen.sent("called"))) if seen else None


def calling_unchecked(door: Door, _: Circumstances) -> Found | None:
    seen = door.first(lambda s: let_in(s) and is_made_up(s.sent("calling")), *ASSOCIATIONS)
    return found([seen], calling=str(seen.sent("calling"))) if seen else None


def weak_title(door: Door, _: Circumstances) -> Found | None:
    """Only where made-up titles were refused: else one that was let in is no better than any."""
    refused = door.first(lambda s: s.outcome in (Outcome.REJECTED, Outcome.ABORTED), "associate")
    entered = door.first(let_in, "associate-named")
    if refused is None or entered is None or door.first(let_in, "associate"):
        return None
    role = "calling" if is_made_up(entered.sent("called")) else "called"
    tried = len(door.of("associate-named"))
    return found([refused, entered], title=str(entered.sent(role)), role=role, tried=tried)


def echo(door: Door, _: Circumstances) -> Found | None:
    seen = door.first(lambda s: s.outcome is Outcome.ANSWERED and s.said("status") == SUCCESS, "echo")
    return found([seen]) if seen else None


def _queried(door: Door, probe: str) -> Found | None:
    asked = [s for s in door.of(probe) if answers(s)]
    if not asked:
        return None
    plain = [s for s in asked if not ignores_the_key(s)]
    return found((plain or asked)[:1], key_ignored=not plain)


def find_open(door: Door, _: Circumstances) -> Found | None:
    return _queried(door, "find-none")


def worklist_open(door: Door, _: Circumstances) -> Found | None:
    return _queried(door, "worklist-none")


def counted(door: Door, _: Circumstances) -> Found | None:
    """The largest count: each is a lower bound. Kinds of identifiers belong to the same archive."""
    best = max(door.of("count"), key=lambda s: s.number("studies"), default=None)
    if best is None or not best.number("studies"):
        return None
    facts: dict[str, Value] = {name: best.number(name) for name in _COUNTED if name in best.what.said}
    facts["exact"] = is_exact(door, best)
    looked = door.first(lambda s: s.number("records") > 0, "identifiers")
    if looked is not None:
        facts |= {
            name: looked.what.said[name]
            for name in ("records", "kinds", "shares")
            if name in looked.what.said
        }
    return found([best, *([looked] if looked else [])], **facts)


def _offered(door: Door, services: Mapping[str, str]) -> tuple[list[Seen], tuple[str, ...]]:
    """The offers that were taken by a stranger, and the services' names in the order of the table."""
    taken = [s for s in door.of("offers") if let_in(s) and s.uids() & services.keys()]
    uids: frozenset[str] = frozenset().union(*(s.uids() for s in taken))
    return taken, tuple(dict.fromkeys(name for uid, name in services.items() if uid in uids))


def retrieve_offered(door: Door, _: Circumstances) -> Found | None:
    """Who negotiates with everybody and refuses the operation, as Orthanc does, is told apart as far as the
    refusal of a query tells: nobody asked it to retrieve."""
    taken, services = _offered(door, _RETRIEVE)
    refusal = withholds(door)
    if not taken or refusal is None:
        return found(taken[:1], services=services, refused=False)
    return found([taken[0], refusal], Severity.MEDIUM, services=services, refused=True)


def store_accepted(door: Door, _: Circumstances) -> Found | None:
    for seen in filter(let_in, door.of("offers")):
        classes = tuple(sorted(uid for uid in seen.uids() if sop_classes.is_storage(uid)))
        if classes:
            return found([seen], classes=classes)
    return None


def others_offered(door: Door, _: Circumstances) -> Found | None:
    taken, services = _offered(door, _OTHERS)
    return found(taken[:1], services=services)


DIMSE_RULES: Final[Mapping[str, Rule]] = {
    "D01": present,
    "D02": called_unchecked,
    "D03": calling_unchecked,
    "D04": weak_title,
    "D05": echo,
    "D06": find_open,
    "D07": counted,
    "D08": retrieve_offered,
    "D09": store_accepted,
    "D10": worklist_open,
    "D11": others_offered,
}
