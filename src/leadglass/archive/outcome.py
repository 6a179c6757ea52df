"""What became of an object that came in, and what of that may be said to whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.index.facts import ObjectFacts
from leadglass.index.fitting import Clash
from leadglass.record.entry import Entry


class Kind(StrEnum):
    STORED = "stored"
    DUPLICATE = "duplicate"  # these very bytes are here already
    KEPT_ASIDE = "kept_aside"  # a person decides
    REFUSED = "refused"  # not even kept aside: there is no room for more of its kind


@dataclass(frozen=True, slots=True)
class Identity:
    """The object that a peer said it would send."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What an object says it is, as far as it was read; empty for what is missing or no legal UID."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""


class _Said(NamedTuple):
    sentence: str  # to people of the archive
    comment: str  # to the sender, in at most 64 characters (PS3.7 C, Error Comment)
    status: int  # to the sender (PS3.4 Table B.2-1; as Failure Reason PS3.18 I.2.2)


_CONTRADICTION: Final = ("It contradicts what is kept here; kept aside", 0xC001)

# A contradiction is one thing to a sender, whatever it contradicts and whosever that is: nobody learns from
# the answer what other departments have.
_SAID: Final = {
    Clash.OTHER_CONTENT: _Said(
        "Another object with this SOP Instance UID is here already. Kept aside.", *_CONTRADICTION
    ),
    Clash.OTHER_STUDY: _Said("Its series is part of another study here. Kept aside.", *_CONTRADICTION),
    Clash.OTHER_PATIENT: _Said("Its study belongs to another patient here. Kept aside.", *_CONTRADICTION),
    Clash.OTHER_DEPARTMENT: _Said(
        "Its study belongs to another department here. Kept aside.", *_CONTRADICTION
    ),
    # Of this no sender hears.
    Clash.HANDED_OVER: _Said("Another department was sent it and handed it over. Kept aside.", "", 0),
    Clash.ILLEGAL_IDENTITY: _Said(
        "One of its UIDs is missing or illegal. Kept aside.",
        "A UID is missing or illegal; kept aside",
        0xA900,
    ),
    Clash.OTHER_IDENTITY: _Said(
        "It is not the object that its sender announced. Kept aside.",
        "It is not what the command names; kept aside",
        0xA900,
    ),
    Clash.UNREADABLE: _Said("It cannot be read. Kept aside.", "It cannot be read; kept aside", 0xC000),
}


_NOTED: Final = ("recoded", "returned", "healed")  # of an outcome, on the record


@dataclass(frozen=True, slots=True)
class Outcome:
    """`again`: it is kept aside already, since these very bytes came before. `recoded`: what is here has the
    same values, encoded in another way. `returned`: it is what was delivered of what is here, with the
    identity that people gave it. `healed`: it was lost, and is here again."""

    kind: Kind
    instance_id: int | None = None
    clash: Clash | None = None
    again: bool = False
    recoded: bool = False
    returned: bool = False
    healed: bool = False

    @property
    def reason(self) -> str:
        """A sentence for the archive's own people; empty when there is nothing to explain."""
        return sentence(self.clash, whole=True) if self.clash else ""

    @property
    def comment(self) -> str:
        """Error Comment (0000,0902) for the sender."""
        return _SAID[self.clash].comment if self.clash else ""

    @property
    def status(self) -> int:
        """Status (0000,0900) for the sender."""
        return _SAID[self.clash].status if self.clash else 0x0000


@dataclass(frozen=True, slots=True)
class Sender:
    """Who brings an object to which department; `source` says from where."""

    who: Principal
    department_id: int
    source: str
    context: Context

    def entry(self, doorkeeper: Doorkeeper, facts: ObjectFacts, outcome: Outcome, size: int) -> Entry:
        """What the record says of one object: whose it is, from where it came, what became of it."""
        detail: dict[str, str | int] = {"instance": facts.sop_instance_uid, "source": self.source}
        if outcome.kind is Kind.REFUSED:
            detail["refused"] = 1
        detail |= {name: 1 for name in _NOTED if getattr(outcome, name)}
        return doorkeeper.entry(
            self.who,
            "object.store",
            self.context,
            outcome="failed" if outcome.clash else "allowed",
            reason=outcome.clash.value if outcome.clash else outcome.kind.value,
            department=self.department_id,
            patients=(facts.patient_id,) if facts.patient_id else (),
            studies=(facts.study_instance_uid,) if facts.study_instance_uid else (),
            counts={"bytes": size},
            detail=detail,
        )


def sentence(clash: Clash, *, whole: bool) -> str:
    """Why it was kept aside; not `whole` for who may not see what it is at odds with."""
    said = _SAID[clash]
    if whole or said.status != _CONTRADICTION[1]:
        return said.sentence
    return f"{said.comment.partition(';')[0]}. Kept aside."
