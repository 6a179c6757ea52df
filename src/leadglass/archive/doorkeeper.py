"""Asking the policy and writing the record, in one place for every use case.

Denied and absent are recorded alike and answered alike, so that nobody learns which of them it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from leadglass.access.policy import Action, Narrowing, Reason, Resource, decide, narrow
from leadglass.access.principal import Context, Principal
from leadglass.db.engine import Database, Transaction
from leadglass.errors import Denied, ListenerShut, NotFound, RecordUnavailable, Unavailable
from leadglass.index.rows import StudyRow
from leadglass.record.log import Entry, Log

SHUT = "This listener was found to answer strangers. Until it is mended it shows nobody a patient."
NO_OBJECT = "There is no such object, or it is not yours to see."
ABSENT = "There is no such study, or it is not yours to see."


@contextmanager
def or_nothing_is_shown() -> Iterator[None]:
    """Around what must be on the record: RecordUnavailable where it cannot be."""
    try:
        yield
    except Unavailable as error:
        raise RecordUnavailable(
            "The access record cannot be written, so nothing can be shown. Tell whoever runs the system."
        ) from error


class Doorkeeper:
    """The policy and the record of one home."""

    def __init__(self, db: Database, log: Log) -> None:
        self.db = db
        self.log = log

    def entry(self, who: Principal, action: Action | str, context: Context, **fields: Any) -> Entry:
        return Entry(
            actor=who.actor,
            actor_name=who.name,
            role=who.role.value,
            action=str(action),
            address=context.address,
            via=context.via.value,
            **fields,
        )

    def about(self, studies: list[StudyRow] | tuple[StudyRow, ...]) -> Mapping[str, tuple[str, ...]]:
        """The subjects of an entry: whose images, which studies."""
        return {
            "patients": tuple(dict.fromkeys(row.patient_id for row in studies if row.patient_id)),
            "studies": tuple(dict.fromkeys(row.study_instance_uid for row in studies)),
        }

    def append(self, entry: Entry, now: int) -> Future[int]:
        """Queue the entry; resolved once it is durable. It may use the space kept back for the record."""

        def unit(tx: Transaction) -> int:
            return self.log.append(tx, entry, now)

        return self.db.write(unit, may_use_reserve=True)

    def record(self, entry: Entry, now: int) -> int:
        """Its number, once durable. RecordUnavailable when it cannot be written: then nothing is shown."""
        with or_nothing_is_shown():
            return self.append(entry, now).result()

    def require(
        self, who: Principal, action: Action, context: Context, department: int | None = None
    ) -> None:
        """Denied, and recorded, unless the policy allows it."""
        decision = decide(who, action, Resource(department), context)
        if not decision.allowed:
            self.record(
                self.entry(who, action, context, outcome="denied", reason=decision.reason.value), context.now
            )
            raise denied(decision.reason)

    def require_department(
        self, who: Principal, action: Action, context: Context, department: int | None
    ) -> None:
        """NotFound, recorded, unless the policy allows it there: so it answers for what is absent too."""
        decision = decide(who, action, Resource(department), context)
        if department is not None and decision.allowed:
            return
        reason = "absent" if department is None else decision.reason.value
        self.record(self.entry(who, action, context, outcome="denied", reason=reason), context.now)
        raise NotFound(NO_OBJECT)

    def require_study(
        self, who: Principal, action: Action, context: Context, study: StudyRow | None
    ) -> StudyRow:
        """The study if it is there and may be seen; NotFound, recorded, in either other case."""
        if study is not None:
            decision = decide(who, action, Resource(study.department_id), context)
            if decision.allowed:
                return study
            refused = self.entry(
                who, action, context, outcome="denied", reason=decision.reason.value, **self.about([study])
            )
        else:
            refused = self.entry(who, action, context, outcome="denied", reason="absent")
        self.record(refused, context.now)
        raise NotFound(ABSENT)

    def narrowed(self, who: Principal, action: Action, context: Context) -> Narrowing:
        """Which departments a list may show; Denied, and recorded, when it is none."""
        narrowing = narrow(who, action, context)
        if narrowing.nothing:
            reason = decide(who, action, Resource(), context).reason
            self.record(self.entry(who, action, context, outcome="denied", reason=reason.value), context.now)
            raise denied(reason)
        return narrowing


def denied(reason: Reason) -> Denied:
    """The refusal that the policy's reason makes of it."""
    if reason is Reason.LISTENER_SHUT:
        return ListenerShut(SHUT)
    return Denied("You do not have the right to do this.", code=reason.value)
