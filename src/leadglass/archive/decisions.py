"""Deciding on what was kept aside (accept, store, hand over, reject), and putting an earlier version back.

Each decision is one transaction with its entry on the record, and is refused when things have changed since
they were looked at. A crash leaves it undone or done: a blob that is written before its rows, or removed
after them, is one that no row names, which `leadglass check` collects.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.commit import may_be_named
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.handing import hand_over
from leadglass.archive.ingest import Ingest
from leadglass.archive.rewrite import Came, Written, rewrite
from leadglass.archive.standing import CHANGED, Decision, Standing, Standings
from leadglass.db.engine import Transaction
from leadglass.errors import Conflict, LeadglassError, Violation
from leadglass.index import asides, evidence, fitting, records, upkeep, versions
from leadglass.index.facts import ObjectFacts
from leadglass.index.fitting import Known, Misfit
from leadglass.index.rows import ImageFacts, KeptRow, Sealed, VersionRow
from leadglass.record.entry import Entry
from leadglass.store import shreds
from leadglass.store.blobs import BlobWriter
from leadglass.store.keys import unwrap_object_key
from leadglass.store.shreds import Shred

MOST_REASON: Final = 500  # characters
_NO_REASON: Final = "Say why: the reason goes on the record."
_NOWHERE: Final = "Choose another department that it is to be handed over to."
_LONG_REASON: Final = f"A reason has at most {MOST_REASON} characters."


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of it; `instance_id` is what shows it now, None when it was rejected."""

    decision: Decision
    sop_instance_uid: str
    instance_id: int | None = None


class Decisions:
    """`system` names the archive in what it writes: its AE title."""

    def __init__(self, ingest: Ingest, standings: Standings, *, system: str) -> None:
        self._ingest = ingest
        self._doorkeeper: Doorkeeper = ingest.doorkeeper
        self._blobs = ingest.blobs
        self._keys = ingest.keys
        self._standings = standings
        self._system = system

    def decide(
        self,
        who: Principal,
        aside_id: int,
        decision: Decision,
        why: str,
        context: Context,
        *,
        to: int | None = None,
        seen: str | None = None,
    ) -> Decided:
        """`to`: the department that it is handed over to. `seen` is the token of the standing that was
        looked at. Violation without a reason, or such a department; Conflict when the decision is not
        offered, or things have changed; NotFound."""
        why = checked_reason(why)
        kept = self.require(who, Action.ASIDE_DECIDE, self._standings.kept(aside_id), context)
        if decision is Decision.HAND_OVER and to is not None:
            self._doorkeeper.require(who, Action.ASIDE_HAND_OVER, context, to)
        standing = self._standings.of(kept)
        if seen is not None and seen != standing.token:
            raise Conflict(CHANGED, code="changed")
        choice = standing.choice(decision)
        if not choice.offered:
            raise Conflict(choice.words, code="not-offered")
        act = _Act(self._doorkeeper, who, context, standing, why, to)
        return {
            Decision.ACCEPT: self._take_in if standing.fits else self._accept,
            Decision.STORE: self._store,
            Decision.HAND_OVER: self._hand_over,
            Decision.REJECT: self._reject,
        }[decision](act)

    def require(self, who: Principal, action: Action, kept: KeptRow | None, context: Context) -> KeptRow:
        """What was kept aside, if it is there and of a department of theirs; else NotFound, recorded."""
        department = kept.department_id if kept is not None else None
        self._doorkeeper.require_department(who, action, context, department)
        assert kept is not None
        return kept

    # --- reject -------------------------------------------------------------------------------------------

    def _reject(self, act: _Act) -> Decided:
        def unit(tx: Transaction) -> None:
            self._require_unchanged(tx, act)
            asides.remove(tx, act.kept)
            entry = act.record(tx, Decision.REJECT)
            shreds.add(tx, [Shred(act.kept.sealed.blob, entry, act.context.now)])

        # It makes room: a full disk must not stand in its way.
        self._doorkeeper.db.write(unit, may_use_reserve=True).result()
        self._remove(act.kept.sealed.blob)
        self._doorkeeper.db.overwrite_deleted()
        return Decided(Decision.REJECT, act.kept.sop_instance_uid)

    def _remove(self, blob: str) -> None:
        """Its key is gone already; what a failing disk leaves of it here, `check` collects."""
        try:
            self._blobs.delete(blob)
            self._blobs.sync_directories([blob])
        except LeadglassError:
            return

    # --- accept -------------------------------------------------------------------------------------------

    def _accept(self, act: _Act) -> Decided:
        known, claims = act.standing.known, act.standing.claims
        assert known is not None
        object_key = self._object_key(act.kept.sealed)

        def unit(tx: Transaction) -> None:
            self._require_unchanged(tx, act)
            found = versions.current(tx, known.instance_id)
            if found is None:
                raise Conflict(CHANGED, code="changed")
            versions.add(tx, versions.Kind.REPLACED, found, source="", now=act.context.now)
            wrapped = self._keys.wrap(tx, known.study_id, object_key)
            sealed = replace(act.kept.sealed, study_id=known.study_id, wrapped_key=wrapped)
            versions.show(tx, known.instance_id, image_facts(claims, act.kept.received), sealed)
            self._follow(tx, known, found.series_id, claims)
            asides.remove(tx, act.kept)
            act.record(tx, Decision.ACCEPT, replaced=found.sealed.blob)

        self._doorkeeper.db.write(unit).result()
        return Decided(Decision.ACCEPT, act.kept.sop_instance_uid, known.instance_id)

    def _take_in(self, act: _Act) -> Decided:
        """What was handed over and contradicts nothing, as it came."""
        kept, claims, now = act.kept, act.standing.claims, act.context.now
        object_key = self._object_key(kept.sealed)

        def unit(tx: Transaction) -> int:
            self._require_unchanged(tx, act)
            # What another department may have under its UID by now is no part of its standing.
            place = None
            if fitting.find(tx, claims.sop_instance_uid) is None:
                place = records.place(tx, claims, kept.department_id, now)
            if not isinstance(place, records.Place):
                raise Conflict(CHANGED, code="changed")
            if place.is_new_study:
                self._keys.create(tx, place.study_id, now)
            wrapped = self._keys.wrap(tx, place.study_id, object_key)
            sealed = replace(kept.sealed, study_id=place.study_id, wrapped_key=wrapped)
            instance_id = records.add_instance(tx, claims, place.series_id, sealed, kept.received)
            upkeep.heal(tx, claims.sop_instance_uid, sealed.digest, sealed.transfer_syntax_uid)
            asides.remove(tx, kept)
            act.record(tx, Decision.ACCEPT)
            return instance_id

        instance_id = self._doorkeeper.db.write(unit).result()
        return Decided(Decision.ACCEPT, kept.sop_instance_uid, instance_id)

    # --- hand over ----------------------------------------------------------------------------------------

    def _hand_over(self, act: _Act) -> Decided:
        to = next((each for each in act.standing.elsewhere if each.id == act.to), None)
        if to is None:
            raise Violation(_NOWHERE, code="no-department")
        object_key = self._object_key(act.kept.sealed)

        def unit(tx: Transaction) -> bool:
            self._require_unchanged(tx, act)
            is_new = hand_over(
                tx, act.standing, to, object_key=object_key, keys=self._keys, room=self._ingest.room_aside
            )
            entry = act.record(tx, Decision.HAND_OVER, to=to.id)
            if not is_new:
                shreds.add(tx, [Shred(act.kept.sealed.blob, entry, act.context.now)])
            return is_new

        if not self._doorkeeper.db.write(unit).result():
            self._remove(act.kept.sealed.blob)
        return Decided(Decision.HAND_OVER, act.kept.sop_instance_uid)

    # --- store separately ---------------------------------------------------------------------------------

    def _store(self, act: _Act) -> Decided:
        assert act.standing.placed is not None
        facts = replace(act.standing.placed, sop_instance_uid=f"2.25.{uuid.uuid4().int}")
        self._ingest.enter()
        blob = self._blobs.create()
        try:
            with self._standings.open_kept(act.kept) as reader:
                syntax = act.kept.sealed.transfer_syntax_uid
                came = Came(syntax, act.kept.source, self._system, act.context.now)
                written = rewrite(reader, blob, facts, came, self._standings.limits)
            if not blob.is_entered:
                self._blobs.sync_directories([blob.name])
        except BaseException:
            blob.abandon()
            raise
        new = _New(facts, blob, written, self._object_key(act.kept.sealed))
        unit = partial(self._stored, act, new)
        try:
            instance_id = self._doorkeeper.db.write(unit).result()
        except BaseException as error:
            if not may_be_named(self._doorkeeper.db, blob.name, error):
                blob.abandon()
            raise
        return Decided(Decision.STORE, facts.sop_instance_uid, instance_id)

    def _stored(self, act: _Act, new: _New, tx: Transaction) -> int:
        facts, blob, written = new.facts, new.blob, new.written
        self._require_unchanged(tx, act)
        kept, now = act.kept, act.context.now
        place = records.place(tx, facts, kept.department_id, now)
        if isinstance(place, Misfit):
            raise Conflict(CHANGED, code="changed")
        study = place.study_id
        if place.is_new_study:
            self._keys.create(tx, study, now)
        syntax = kept.sealed.transfer_syntax_uid
        wrapped = self._keys.wrap(tx, study, blob.key)
        sealed = Sealed(study, blob.name, wrapped, written.size.plain, written.digest, syntax)
        instance_id = records.add_instance(tx, facts, place.series_id, sealed, now)
        received = replace(
            kept.sealed, study_id=study, wrapped_key=self._keys.wrap(tx, study, new.received_key)
        )
        came = replace(image_facts(facts, kept.received), sop_instance_uid=kept.sop_instance_uid)
        version = versions.Shown(place.series_id, facts.sop_instance_uid, came, received)
        versions.add(tx, versions.Kind.RECEIVED, version, source=kept.source, now=now)
        asides.remove(tx, kept)
        act.record(tx, Decision.STORE, stored_as=facts.sop_instance_uid, study=facts.study_instance_uid)
        return instance_id

    # --- an earlier version -------------------------------------------------------------------------------

    def put_back(
        self, who: Principal, version_id: int, why: str, context: Context, *, seen: str | None = None
    ) -> VersionRow:
        """What was replaced is shown again, and what replaced it is kept as a version. Errors as `decide`."""
        why = checked_reason(why)
        with self._doorkeeper.db.read() as connection:
            found = versions.find(connection, version_id)
        study = self._doorkeeper.require_study(
            who, Action.ASIDE_DECIDE, context, found[0].study if found is not None else None
        )
        assert found is not None
        row, sealed = found
        if row.kind != versions.Kind.REPLACED:
            raise Conflict("Only what was replaced can be put back.", code="not-offered")
        if seen is not None and seen != sealed.blob:
            raise Conflict(CHANGED, code="changed")

        claims = self._standings.claims_of(sealed)

        def unit(tx: Transaction) -> None:
            if versions.find(tx, version_id) != found:
                raise Conflict(CHANGED, code="changed")
            known = fitting.find(tx, row.instance_uid)
            current = versions.current(tx, known.instance_id) if known is not None else None
            if known is None or current is None:
                raise Conflict("What it would replace is not here any more.", code="not-offered")
            versions.remove(tx, version_id)
            versions.add(tx, versions.Kind.REPLACED, current, source="", now=context.now)
            versions.show(tx, known.instance_id, row.facts, sealed)
            self._follow(tx, known, current.series_id, claims)
            detail = {"instance": row.instance_uid, "why": why, "version": version_id}
            entry = self._doorkeeper.entry(
                who,
                "aside.put-back",
                context,
                department=study.department_id,
                counts={"bytes": row.size},
                detail=detail,
                **self._doorkeeper.about([study]),
            )
            self._doorkeeper.log.append(tx, entry, context.now)

        self._doorkeeper.db.write(unit).result()
        return row

    def _follow(self, tx: Transaction, known: Known, series_id: int, claims: ObjectFacts) -> None:
        """What the index repeats of the instance in the rows above it."""
        records.forget(tx, known.study_id)
        evidence.follow(tx, known.study_id, series_id, known.instance_id, claims)

    def _require_unchanged(self, tx: Transaction, act: _Act) -> None:
        if not self._standings.is_as(tx, act.standing):
            raise Conflict(CHANGED, code="changed")

    def _object_key(self, sealed: Sealed) -> bytes:
        with self._doorkeeper.db.read() as connection:
            return unwrap_object_key(self._keys.of(connection, sealed.study_id), sealed.wrapped_key)


@dataclass(frozen=True, slots=True)
class _New:
    """What was written anew, and the key of what it was made of."""

    facts: ObjectFacts
    blob: BlobWriter
    written: Written
    received_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Act:
    """One decision being carried out: by whom, on what, why."""

    doorkeeper: Doorkeeper
    who: Principal
    context: Context
    standing: Standing
    why: str
    to: int | None = None

    @property
    def kept(self) -> KeptRow:
        return self.standing.kept

    def record(self, tx: Transaction, decision: Decision, **detail: str | int) -> int:
        """The number of the entry."""
        return self.doorkeeper.log.append(tx, self._entry(decision, detail), self.context.now)

    def _entry(self, decision: Decision, detail: dict[str, Any]) -> Entry:
        kept, claims = self.kept, self.standing.claims
        studies = (claims.study_instance_uid, detail.pop("study", ""))
        return self.doorkeeper.entry(
            self.who,
            f"aside.{decision}",
            self.context,
            department=kept.department_id,
            patients=(claims.patient_id,) if claims.patient_id else (),
            studies=tuple(dict.fromkeys(filter(None, studies))),
            counts={"bytes": kept.sealed.size},
            detail={
                "instance": kept.sop_instance_uid,
                "kept_for": kept.reason,
                "source": kept.source,
                "why": self.why,
                **detail,
            },
        )


def checked_reason(why: str) -> str:
    """One line of text. Violation when there is none, or too much of it."""
    why = " ".join(why.split())
    if not why:
        raise Violation(_NO_REASON, code="reason")
    if len(why) > MOST_REASON:
        raise Violation(_LONG_REASON, code="reason")
    return why


def image_facts(facts: ObjectFacts, received: int) -> ImageFacts:
    return ImageFacts(
        facts.sop_instance_uid,
        facts.sop_class_uid,
        facts.instance_number,
        facts.rows,
        facts.columns,
        facts.bits_allocated,
        facts.frames,
        received,
    )
