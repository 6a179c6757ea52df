"""What becomes of a received object: decided in the transaction that writes its rows and its entry.

It is kept, is here already, or contradicts what is here and is kept aside, as long as there is room for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.objects import StudyKeys
from leadglass.archive.outcome import Kind, Outcome, Sender
from leadglass.archive.sameness import Sameness
from leadglass.db.engine import Transaction
from leadglass.index import arrivals, asides, fitting, lookup, records, upkeep
from leadglass.index.arrivals import Arrived
from leadglass.index.facts import ObjectFacts
from leadglass.index.fitting import Clash, Known, Misfit
from leadglass.index.rows import NO_STUDY, Sealed
from leadglass.index.versions import received_as
from leadglass.store.blobs import BlobSize, BlobWriter

Examined = tuple[Known, Sameness | None]  # what is here under its UID, and how far that is the same


@dataclass(frozen=True, slots=True)
class Received:
    """One object that has come in whole, and is sealed."""

    sender: Sender
    facts: ObjectFacts
    fault: Clash | None  # for which it is kept aside, whatever else is here
    blob: BlobWriter
    size: BlobSize
    digest: bytes
    syntax: str


@dataclass(slots=True)
class Room:
    """For what is kept aside, in bytes: of all objects together that are no study's, and of all objects
    together that one source was kept aside in one department."""

    homeless: int
    source: int

    @property
    def most(self) -> int:
        """That one object which cannot be read may have at all."""
        return min(self.homeless, self.source)


class Placing:
    """The unit of work of a received object."""

    def __init__(self, doorkeeper: Doorkeeper, keys: StudyKeys, room: Room) -> None:
        self._doorkeeper = doorkeeper
        self._keys = keys
        self._room = room

    def place(self, tx: Transaction, received: Received, examined: Examined | None) -> Outcome | Known:
        """What is here under its UID is returned, and nothing written, when that has to be examined first;
        `examined` then says of it how far it is the same. Everything raised is our bug or the disk's."""
        if received.fault is not None:
            return self._aside(tx, received, Misfit(received.fault, None))
        known = fitting.find(tx, received.facts.sop_instance_uid)
        if known is not None:
            return self._met(tx, received, known, examined)
        department_id, now = received.sender.department_id, received.sender.context.now
        place = records.place(tx, received.facts, department_id, now)
        if isinstance(place, Misfit):
            return self._aside(tx, received, place)
        if place.is_new_study:
            self._keys.create(tx, place.study_id, now)
        sealed = self._sealed(tx, received, place.study_id)
        instance_id = records.add_instance(tx, received.facts, place.series_id, sealed, now)
        whence = (received.sender.source, received.facts.modality)
        arrivals.count(tx, department_id, now, whence, Arrived(1, int(place.is_new_study), sealed.size))
        healed = upkeep.heal(tx, received.facts.sop_instance_uid, received.digest, received.syntax)
        return self._noted(tx, received, Outcome(Kind.STORED, instance_id, healed=healed))

    def _met(
        self, tx: Transaction, received: Received, known: Known, examined: Examined | None
    ) -> Outcome | Known:
        """Its SOP Instance UID is here already. Another department's is never looked at."""
        if known.department_id != received.sender.department_id:
            return self._aside(tx, received, Misfit(Clash.OTHER_DEPARTMENT, known.study_id))
        if (known.digest, known.transfer_syntax_uid) == (received.digest, received.syntax):
            return self._again(tx, received, Outcome(Kind.DUPLICATE, known.instance_id))
        same = examined[1] if examined is not None and examined[0] == known else None
        if same is not None:
            recoded, returned = same is Sameness.RECODED, same is Sameness.RETURNED
            outcome = Outcome(Kind.DUPLICATE, known.instance_id, recoded=recoded, returned=returned)
            return self._again(tx, received, outcome)
        misfit = Misfit(Clash.OTHER_CONTENT, known.study_id)
        settled = examined is not None or known.transfer_syntax_uid != received.syntax
        if settled or self._is_aside(tx, received, misfit.clash):
            return self._aside(tx, received, misfit)
        return known

    def _is_aside(self, tx: Transaction, received: Received, clash: Clash) -> bool:
        uid, department_id = received.facts.sop_instance_uid, received.sender.department_id
        return asides.is_kept(tx, uid, clash, received.digest, department_id)

    def _aside(self, tx: Transaction, received: Received, misfit: Misfit) -> Outcome:
        sender, uid = received.sender, received.facts.sop_instance_uid
        outcome = Outcome(Kind.KEPT_ASIDE, clash=misfit.clash)
        if self._is_aside(tx, received, misfit.clash):
            return self._again(tx, received, replace(outcome, again=True))
        if (instance_id := received_as(tx, uid, received.digest, sender.department_id)) is not None:
            # Somebody has decided on it before.
            return self._again(tx, received, Outcome(Kind.DUPLICATE, instance_id))
        if not self._fits_aside(tx, received, misfit):
            return self._noted(tx, received, replace(outcome, kind=Kind.REFUSED))
        asides.keep(
            tx,
            uid,
            misfit.clash,
            self._sealed(tx, received, NO_STUDY),
            study_id=misfit.study_id,
            department_id=sender.department_id,
            source=sender.source,
            now=sender.context.now,
        )
        return self._noted(tx, received, outcome)

    def _fits_aside(self, tx: Transaction, received: Received, misfit: Misfit) -> bool:
        """Each source has a limit of its own; what is no study's has one for all sources together besides."""
        more, sender = max(received.size.plain, asides.LEAST), received.sender
        used = asides.bytes_of_source(tx, sender.department_id, sender.source)
        if used + more > self._room.source:
            return False
        return misfit.study_id is not None or asides.homeless_bytes(tx) + more <= self._room.homeless

    def _again(self, tx: Transaction, received: Received, outcome: Outcome) -> Outcome:
        """It was here before, so its blob is removed; but not when its row is of this very attempt: a commit
        that was reported as failed can have happened, and a unit that is run again must not undo it."""
        if lookup.is_named(tx, received.blob.name):
            kind = Kind.STORED if outcome.kind is Kind.DUPLICATE else outcome.kind
            outcome = replace(outcome, kind=kind, again=False)
        return self._noted(tx, received, outcome)

    def _sealed(self, tx: Transaction, received: Received, study_id: int) -> Sealed:
        wrapped = self._keys.wrap(tx, study_id, received.blob.key)
        size, digest = received.size.plain, received.digest
        return Sealed(study_id, received.blob.name, wrapped, size, digest, received.syntax)

    def _noted(self, tx: Transaction, received: Received, outcome: Outcome) -> Outcome:
        entry = received.sender.entry(self._doorkeeper, received.facts, outcome, received.size.plain)
        self._doorkeeper.log.append(tx, entry, received.sender.context.now)
        return outcome
