"""How an object that was kept aside stands to what is here, and what may become of it, in words.

    accept     only other content under a known UID, of the same patient, study and series; and what another
               department has handed over and nothing here contradicts
    store      whatever can be read and names its class, under UIDs of its own where the old ones are taken
    hand-over  everything, to another department
    reject     everything

What depends on it is decided under the same standing again, in the transaction that writes: `token` tells
whether it is the same.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final

import sqlalchemy as sa

from leadglass.access.departments import Department, list_departments
from leadglass.archive.facts import WANTED, claims_of, facts_under
from leadglass.archive.objects import Objects, StudyKeys
from leadglass.db.engine import Database, Transaction
from leadglass.dicom.dataset import Limits
from leadglass.dicom.dictionary import TAG_BY_KEYWORD
from leadglass.dicom.originals import ORIGINAL_ATTRIBUTES
from leadglass.dicom.part10 import Part10Parser
from leadglass.dicom.values import text
from leadglass.errors import Conflict, Tampered, Violation
from leadglass.index import asides, fitting, lookup
from leadglass.index.facts import ObjectFacts
from leadglass.index.fitting import Clash, Known
from leadglass.index.rows import KeptRow, Sealed
from leadglass.store.blobs import BlobReader

CHANGED: Final = "Things have changed since you looked. Look again, then decide."
_IDENTITY: Final = ("study_instance_uid", "series_instance_uid", "patient_id", "issuer")
_WANTED: Final = WANTED | {ORIGINAL_ATTRIBUTES}


class Decision(StrEnum):
    ACCEPT = "accept"
    STORE = "store"
    HAND_OVER = "hand-over"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Choice:
    """`words`: what the decision does, or why it cannot be taken."""

    decision: Decision
    offered: bool
    words: str


@dataclass(frozen=True, slots=True)
class Standing:
    """`claims` is what it says of itself, `known` what is here under its UID in the same department. `placed`
    are the facts that it would be stored with, its SOP Instance UID apart; None when it cannot be."""

    kept: KeptRow
    claims: ObjectFacts
    departments: tuple[Department, ...]
    known: Known | None = None
    placed: ObjectFacts | None = None
    replaces: bool = False  # what is here under its UID is of the same patient, study and series
    fits: bool = False  # it was handed over, and nothing contradicts it

    @property
    def clash(self) -> Clash:
        return Clash(self.kept.reason)

    @property
    def department(self) -> Department:
        """The one whose list it is on."""
        return next(each for each in self.departments if each.id == self.kept.department_id)

    @property
    def elsewhere(self) -> tuple[Department, ...]:
        """Whom it could be handed over to."""
        return tuple(each for each in self.departments if each.id != self.kept.department_id)

    @property
    def token(self) -> str:
        """Another one when anything that a decision depends on is another."""
        known = (self.known.instance_id, self.known.digest.hex()) if self.known is not None else None
        placed = (
            (self.placed.study_instance_uid, self.placed.series_instance_uid)
            if self.placed is not None
            else None
        )
        said = repr((self.kept.id, self.kept.sealed.blob, known, placed, self.replaces, self.fits))
        return sha256(said.encode()).hexdigest()[:32]

    def choices(self) -> tuple[Choice, ...]:
        """Who has no other department is not told of handing over."""
        left_out = set() if self.elsewhere else {Decision.HAND_OVER}
        return tuple(self.choice(decision) for decision in _CHOICES if decision not in left_out)

    def choice(self, decision: Decision) -> Choice:
        return Choice(decision, *_CHOICES[decision](self))


def header(reader: BlobReader, limits: Limits, wanted: frozenset[int] | None) -> tuple[Part10Parser, bool]:
    """What the beginning of an object says, up to its pixels, and whether it could be read so far."""
    parser = Part10Parser(limits, wanted)
    try:
        for chunk in reader.chunks():
            parser.feed(chunk)
            if parser.header_complete:
                return parser, True
        parser.close()
    except Violation:
        return parser, False
    return parser, True


class Standings:
    """Finds out how things stand. `uid_key`: what made-up UIDs are derived with."""

    def __init__(
        self, db: Database, objects: Objects, keys: StudyKeys, limits: Limits, uid_key: bytes
    ) -> None:
        self._db = db
        self._objects = objects
        self._keys = keys
        self.limits = limits
        self._uid_key = uid_key

    def open(self, sealed: Sealed) -> BlobReader:
        """The bytes of what is kept aside, or of a version. Tampered, StorageFailed."""
        with self._db.read() as connection:
            key = self._keys.of(connection, sealed.study_id)
        return self._objects.open_sealed(sealed, key)

    def open_kept(self, kept: KeptRow) -> BlobReader:
        """The same; Conflict when somebody has decided on it meanwhile, and its bytes are gone."""
        try:
            return self.open(kept.sealed)
        except Tampered as error:
            now = self.kept(kept.id)
            if now is not None and now.sealed == kept.sealed:
                raise
            raise Conflict(CHANGED, code="changed") from error

    def kept(self, aside_id: int) -> KeptRow | None:
        with self._db.read() as connection:
            return asides.find(connection, aside_id)

    def of(self, kept: KeptRow) -> Standing:
        """Everything that decisions about it depend on."""
        with self.open_kept(kept) as reader:
            parser, readable = header(reader, self.limits, _WANTED)
        claims = self._claims(parser)
        with self._db.read() as connection:
            standing = Standing(kept, claims, tuple(list_departments(connection)))
            known = fitting.find_in(connection, kept.sop_instance_uid) if kept.sop_instance_uid else None
            if known is not None and known.department_id == kept.department_id:
                standing = replace(standing, known=known)
            if readable and kept.reason not in _NEVER_STORED and claims.sop_class_uid:
                standing = replace(standing, placed=self._placed(connection, standing, parser))
        if standing.clash is Clash.HANDED_OVER:
            standing = replace(standing, fits=known is None and _stays(standing.placed, claims))
        if standing.clash is Clash.OTHER_CONTENT and standing.known is not None and readable:
            standing = replace(standing, replaces=self._is_same_place(standing.known, claims))
        return standing

    def is_as(self, tx: Transaction, standing: Standing) -> bool:
        """Whether it still stands so. Of what it would be stored as the transaction finds out by itself."""
        kept = asides.find(tx, standing.kept.id)
        if kept is None or kept != standing.kept:
            return False
        known = fitting.find(tx, kept.sop_instance_uid) if kept.sop_instance_uid else None
        if known is not None and known.department_id != kept.department_id:
            known = None
        return known == standing.known

    def _claims(self, parser: Part10Parser) -> ObjectFacts:
        claims = claims_of(parser)
        return facts_under(claims, parser) if parser.dataset is not None else claims

    def claims_of(self, sealed: Sealed) -> ObjectFacts:
        """What an object that is kept here says of itself, as far as it can be read."""
        with self.open(sealed) as reader:
            parser, _ = header(reader, self.limits, WANTED)
        return self._claims(parser)

    def _is_same_place(self, known: Known, claims: ObjectFacts) -> bool:
        """By what both say: the index may have been corrected since."""
        with self._db.read() as connection:
            sealed = lookup.sealed(connection, known.instance_id)
        if sealed is None:
            return False
        here = self.claims_of(sealed)
        return all(getattr(here, name) == getattr(claims, name) for name in _IDENTITY)

    def _placed(
        self, connection: sa.Connection, standing: Standing, parser: Part10Parser
    ) -> ObjectFacts | None:
        """Its own study and series wherever nothing forbids them."""
        claims, department = standing.claims, standing.kept.department_id
        person = (str(department), claims.patient_id, claims.issuer)
        itself = standing.kept.sealed.digest.hex()
        said = [_said(parser, name) for name in ("StudyInstanceUID", "SeriesInstanceUID")]
        study = claims.study_instance_uid or self._made_up(
            "study", *person, *(said if any(said) else [itself])
        )
        series = claims.series_instance_uid or self._made_up("series", study, said[1] or itself)
        facts = replace(claims, study_instance_uid=study, series_instance_uid=series)
        for _ in range(3):
            forbids = fitting.misfit_in(connection, facts, department)
            if forbids is None:
                return facts
            if forbids.clash is Clash.OTHER_PATIENT:
                facts = replace(facts, study_instance_uid=self._made_up("study", *person, study))
            elif forbids.clash is Clash.OTHER_STUDY:
                again = self._made_up("series", facts.study_instance_uid, series)
                facts = replace(facts, series_instance_uid=again)
            else:
                return None  # its study is another department's: nothing may be put into that
        return None

    def _made_up(self, *about: str) -> str:
        """A UID from a UUID (PS3.5 B.2): the same for the same, so that images that have to leave their
        series find together again; and unlike any that somebody else would make up."""
        digest = hmac.digest(self._uid_key, repr(about).encode(), "sha256")
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def _said(parser: Part10Parser, keyword: str) -> str:
    """What stands where a UID belongs, legal or not."""
    assert parser.dataset is not None
    return text(parser.dataset.elements.get(TAG_BY_KEYWORD[keyword]))


def _stays(placed: ObjectFacts | None, claims: ObjectFacts) -> bool:
    """Whether it can be stored under all the UIDs that it came with."""
    return placed == claims and bool(claims.sop_instance_uid)


_NEVER_STORED: Final = frozenset({Clash.UNREADABLE.value, Clash.OTHER_DEPARTMENT.value})
_FOREIGN: Final = "It contradicts what is kept here and not yours to see, so it cannot be put beside that."


def _accept(standing: Standing) -> tuple[bool, str]:
    if standing.fits:
        return True, (
            "It is stored as it came, in its study and series, as if it had been sent to your department."
        )
    if standing.clash is Clash.HANDED_OVER:
        return False, "It fits no more what is here. Store it separately, or reject it."
    if standing.clash is not Clash.OTHER_CONTENT:
        return False, "There is nothing here under its SOP Instance UID that it could replace."
    if standing.known is None:
        return False, "What it would replace is not here any more."
    if not standing.replaces:
        return False, (
            "It names another patient, study or series than what is here under its SOP Instance UID, so it "
            "cannot take that one's place. Store it separately, or reject it."
        )
    return True, (
        "What came takes the place of what is here: whoever looks at the study or retrieves it gets the "
        "new object from then on. What is here now is kept, sealed, as an earlier version; PACS "
        "administrators can retrieve it and put it back."
    )


def _store(standing: Standing) -> tuple[bool, str]:
    if standing.clash is Clash.OTHER_DEPARTMENT:
        return False, _FOREIGN
    if standing.clash is Clash.UNREADABLE:
        return False, "It cannot be read, so nobody could find it or look at it."
    if not standing.claims.sop_class_uid:
        return False, "It names no legal SOP Class UID, so nothing could tell what it is."
    if standing.placed is None:
        return False, "There is no study here that it could be put into."
    return True, (
        f"It is stored {_where(standing, standing.placed)} under a new SOP Instance UID. The UIDs that it "
        "came with stand in its Original Attributes Sequence, and the object as it was received is kept with "
        "it, sealed, as a version. What is here already stays as it is."
    )


def _where(standing: Standing, placed: ObjectFacts) -> str:
    if placed.study_instance_uid != standing.claims.study_instance_uid:
        return "in a new study and a new series"
    if placed.series_instance_uid != standing.claims.series_instance_uid:
        return "in its study, as a new series,"
    return "in its study and series"


def _hand_over(standing: Standing) -> tuple[bool, str]:
    if not standing.elsewhere:
        return False, "There is no other department."
    return True, (
        "It goes from your list onto that of the department that you choose, whose PACS administrators "
        "decide on it and can hand it back. You are not told what that department has, nor what they decide."
    )


def _reject(standing: Standing) -> tuple[bool, str]:
    return True, (
        "It is destroyed: its key is deleted and its bytes are removed, and nobody can bring them back. The "
        "record keeps that it came, when and from where, and your reason. What is here stays as it is."
    )


_CHOICES: Final[dict[Decision, Callable[[Standing], tuple[bool, str]]]] = {
    Decision.ACCEPT: _accept,
    Decision.STORE: _store,
    Decision.HAND_OVER: _hand_over,
    Decision.REJECT: _reject,
}
