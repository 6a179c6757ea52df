"""What somebody wants changed of a patient's identity, and what that would come to: values checked, words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import orjson

from leadglass.dicom.values import parse_date
from leadglass.errors import Violation
from leadglass.index.identity import FIELDS, Identity, Kind, Values
from leadglass.index.patients import Change

MOST_REASON: Final = 400
SEXES: Final = ("M", "F", "O")
# Controls, the backslash that divides values, and marks that turn the order in which text is read (UAX #9).
_NO_TEXT: Final = re.compile("[\x00-\x1f\x7f\\\\\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Wish:
    """A change that somebody asks for. `patient` and `target` number patients, `study` a study; `values` are
    some of FIELDS."""

    kind: Kind
    patient: int = 0
    study: int = 0
    target: int = 0
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change comes to, before it is made. `before`: whose the studies are; `values`: what it sets."""

    kind: Kind
    before: Identity
    after: Identity
    values: Values
    studies: int
    images: int
    target_studies: int = 0  # that the patient has already to whom they go

    @property
    def token(self) -> str:
        """Of what somebody saw before they said yes. Images that came meanwhile are no other plan."""
        seen = [self.kind.value, self.before, self.after, self.studies]
        return sha256(orjson.dumps(seen)).hexdigest()

    @property
    def sentences(self) -> tuple[str, ...]:
        """For people, without a patient's value."""
        what = _counted(self.studies, self.images)
        said = [f"{what} will show this identity, and be delivered with it."]
        if self.kind is Kind.MERGE:
            said.append("Studies that still come for the first ID go to the second from then on.")
        said.append("What came is kept as it came, and undoing gives it back.")
        return tuple(said)


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What undoing a change comes to. `blocked_by`: later changes of the same studies, to be undone first."""

    change: Change
    blocked_by: tuple[int, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        change, said = self.change, []
        what = _counted(change.studies, change.images)
        said.append(f"{what} will show again what they showed before the change, and be delivered so.")
        if change.came:
            said.append(
                "One of them came after the change: it shows what it came with."
                if change.came == 1
                else f"{change.came:,} of them came after the change: they show what they came with."
            )
        if change.joined:
            said.append(
                "One image came since with the identity that the change gave: it stays in its study, and is "
                "delivered as it came."
                if change.joined == 1
                else f"{change.joined:,} images came since with the identity that the change gave: they stay "
                "in their studies, and are delivered as they came."
            )
        said.append("Studies that came for the other patient since stay where they are.")
        return tuple(said)


def checked_reason(reason: str) -> str:
    """Why, in a few words. Violation when there are none, or too many."""
    reason = " ".join(_NO_TEXT.sub(" ", reason).split())
    if not reason:
        raise Violation("Say why: a change of identity needs a reason.", code="reason")
    if len(reason) > MOST_REASON:
        raise Violation(f"A reason has at most {MOST_REASON} characters.", code="reason")
    return reason


def checked_values(values: Mapping[str, str]) -> dict[str, str]:
    """The values of a correction as the index keeps them. Violation for what the attribute may not have."""
    return {name: _CHECKS[name](values[name].strip()) for name in FIELDS if name in values}


def _name(value: str) -> str:
    groups = value.split("=")
    if _NO_TEXT.search(value) or len(groups) > 3 or any(len(group) > 64 for group in groups):
        raise Violation(
            "A name is FAMILY^GIVEN^MIDDLE^PREFIX^SUFFIX, at most 64 characters, no backslash and no control "
            "character.",
            code="patient_name",
        )
    if any(group.count("^") > 4 for group in groups):
        raise Violation("A name has five parts at most, with ^ between them.", code="patient_name")
    return value


def _text(what: str, code: str, *, needed: bool) -> Callable[[str], str]:
    def check(value: str) -> str:
        if _NO_TEXT.search(value) or len(value) > 64:
            raise Violation(
                f"{what} has at most 64 characters, no backslash and no control character.", code=code
            )
        if needed and not value:
            raise Violation(f"{what} cannot be taken away.", code=code)
        return value

    return check


def _birth_date(value: str) -> str:
    if not value:
        return ""
    day = parse_date(value)
    if day is None:
        raise Violation("A birth date is YYYY-MM-DD.", code="birth_date")
    return day.strftime("%Y%m%d")


def _sex(value: str) -> str:
    value = value.upper()
    if value not in ("", *SEXES):
        raise Violation("A sex is M, F, O or nothing.", code="sex")
    return value


_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {
    "patient_name": _name,
    "patient_id": _text("A Patient ID", "patient_id", needed=True),
    "issuer": _text("An issuer", "issuer", needed=False),
    "birth_date": _birth_date,
    "sex": _sex,
}


def _counted(studies: int, images: int) -> str:
    return (
        f"{studies:,} {'study' if studies == 1 else 'studies'} "
        f"with {images:,} {'image' if images == 1 else 'images'}"
    )
