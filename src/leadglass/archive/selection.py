"""What a C-GET or C-MOVE takes out: decided study by study, on the record before anything is told of it.

The number of instances is known, and may be told, before any of them is opened. They are read a page at a
time; no transaction lasts while somebody takes what was read.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from leadglass.access.policy import Action, Decision, Resource, decide
from leadglass.access.principal import Context, Principal
from leadglass.archive.corrected import Corrected, corrections
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.ledger import Access, Ledger
from leadglass.archive.objects import Objects, source
from leadglass.dicom.dataset import Limits
from leadglass.dicom.dictionary import transfer_syntax
from leadglass.errors import Denied, LeadglassError, LimitExceeded
from leadglass.index import selection
from leadglass.index.rows import StudyRow
from leadglass.index.selection import Keys, Located
from leadglass.store.blobs import BlobReader

__all__ = ["Delivery", "Keys", "Kind", "Selection", "Selector"]

MOST_STUDIES: Final = 1000  # as many as an entry of the record can name
MOST_INSTANCES: Final = 1_000_000
_PAGE: Final = 200
# Objects of these sizes are read through before their first byte is told: smaller ones are held whole by
# whoever sends them, and with larger ones the peer would wait too long.
_READ_TWICE: Final = range((1 << 20) + 1, (256 << 20) + 1)

Kind = tuple[str, str]  # SOP class and transfer syntax: what a peer must accept to be given an instance


@dataclass(frozen=True, slots=True)
class Delivery:
    """One instance on its way out: its data set as it is kept, without the file's envelope; where its study
    was corrected, with the identity that the study shows.

    `chunks` is None when it does not go out: nobody wanted it, or `error` says what is wrong with it. Every
    chunk is authenticated; Tampered ends the iteration. Take them before asking for the next delivery.
    """

    kind: Kind
    sop_instance_uid: str
    size: int  # bytes, envelope included
    chunks: Iterator[bytes] | None = None
    error: LeadglassError | None = None
    access: Access | None = None

    def count(self) -> None:
        """To be called once, before its first byte leaves: the closing entry says how much went out."""
        assert self.access is not None
        self.access.count(instances=1, bytes=self.size)


@dataclass(frozen=True, slots=True)
class Selection:
    """The instances that somebody may have, of those that were asked for."""

    kinds: Mapping[Kind, int]  # how many of each
    _ids: Sequence[int]  # of instances, in their order
    _objects: Objects
    _limits: Limits
    _enter: Callable[[int], Access]
    _leave: Callable[[Access], None]
    _corrected: Mapping[int, Corrected]  # by study: those that somebody corrected

    @property
    def count(self) -> int:
        return sum(self.kinds.values())

    def deliveries(
        self, wanted: Callable[[Kind], bool], among: frozenset[Kind] | None = None
    ) -> Generator[Delivery, None, None]:
        """Every instance (of the kinds `among`), opened where it is `wanted`. RecordUnavailable ends it:
        nothing more is shown.

        Blocks; for one thread at a time. Close it when it is not taken to its end.
        """
        entered: dict[int, Access] = {}  # left at the end: what is on its way still counts
        try:
            for located, opener in self._located():
                kind, study_id = _kind(located), located.sealed.study_id
                if among is not None and kind not in among:
                    continue
                if not wanted(kind):
                    yield _delivery(located)
                    continue
                if study_id not in entered:
                    entered[study_id] = self._enter(study_id)
                yield from self._opened(located, opener, entered[study_id])
        finally:
            for access in entered.values():
                self._leave(access)

    def _located(self) -> Iterator[tuple[Located, Callable[[], BlobReader]]]:
        for start in range(0, len(self._ids), _PAGE):
            yield from self._objects.page(self._ids[start : start + _PAGE])

    def _opened(
        self, located: Located, opener: Callable[[], BlobReader], access: Access
    ) -> Iterator[Delivery]:
        """One object that cannot be read does not keep the others back: damage inside of one that was begun
        would end the association."""
        with ExitStack() as stack:
            try:
                reader = stack.enter_context(opener())
                if located.sealed.size in _READ_TWICE:
                    deque(reader.chunks(), maxlen=0)
                chunks = self._data_set(located, reader)
            except LeadglassError as error:
                yield _delivery(located, error=error)
            else:
                yield _delivery(located, chunks=chunks, access=access)

    def _data_set(self, located: Located, reader: BlobReader) -> Iterator[bytes]:
        kept = source(reader, self._limits)
        corrected = self._corrected.get(located.sealed.study_id)
        if corrected is None:
            return kept.chunks(kept.offset)
        syntax = transfer_syntax(located.sealed.transfer_syntax_uid)
        return corrected.delivered(kept, syntax, self._limits).chunks


class Selector:
    """Asks the index and the policy what a retrieval may take."""

    def __init__(
        self, doorkeeper: Doorkeeper, ledger: Ledger, objects: Objects, limits: Limits, system: str
    ) -> None:
        self._doorkeeper = doorkeeper
        self._ledger = ledger
        self._objects = objects
        self._limits = limits
        self._system = system

    def select(
        self,
        who: Principal,
        action: Action,
        keys: Keys,
        context: Context,
        *,
        receiver: Principal | None = None,
        to: str = "",
    ) -> Selection:
        """What of `keys` may leave under `action`; foreign and absent are alike left out.

        Denied when `who` may do this nowhere, and when `receiver`, to whom it would go instead, may not have
        one of the studies. LimitExceeded for more than one retrieval may be about. RecordUnavailable: what is
        here is not told either. On the record, with whom it goes `to` if that is nobody known here.
        """
        self._doorkeeper.narrowed(who, action, context)
        with self._doorkeeper.db.read() as connection:
            found = selection.studies(connection, keys, limit=MOST_STUDIES + 1)
        if len(found) > MOST_STUDIES:
            raise LimitExceeded(f"A retrieval is about {MOST_STUDIES} studies at most.")
        studies = self._allowed(who, action, found, keys, context)
        if receiver is not None:
            self._require_receiver(who, action, receiver, studies, context)
        kinds, ids = self._numbered(keys, studies)
        by_id = {study.id: study for study in studies}
        to = receiver.name if receiver is not None else to
        self._ledger.announce(who, action, studies, context, to)
        return Selection(
            kinds,
            ids,
            self._objects,
            self._limits,
            lambda study_id: self._ledger.enter(who, action, by_id[study_id], context, to),
            lambda access: self._ledger.leave(access, context.now),
            self._corrections(studies),
        )

    def _corrections(self, studies: list[StudyRow]) -> dict[int, Corrected]:
        corrected = [study.id for study in studies if study.corrected]
        if not corrected:
            return {}
        with self._doorkeeper.db.read() as connection:
            return corrections(connection, corrected, self._system)

    def _allowed(
        self, who: Principal, action: Action, found: list[StudyRow], keys: Keys, context: Context
    ) -> list[StudyRow]:
        """Those that `decide` allows. One entry for all that is foreign or absent, whichever it is."""
        decisions = [(study, decide(who, action, Resource(study.department_id), context)) for study in found]
        allowed = [study for study, decision in decisions if decision.allowed]
        refused = [(study, decision) for study, decision in decisions if not decision.allowed]
        lacking = set(keys.study_uids) - {study.study_instance_uid for study in allowed}
        if refused or lacking or not allowed:
            self._record_refusal(who, action, refused, context)
        return allowed

    def _record_refusal(
        self, who: Principal, action: Action, refused: list[tuple[StudyRow, Decision]], context: Context
    ) -> None:
        entry = self._doorkeeper.entry(
            who,
            action,
            context,
            outcome="denied",
            reason=refused[0][1].reason.value if refused else "absent",
            **self._doorkeeper.about([study for study, _ in refused]),
        )
        self._doorkeeper.record(entry, context.now)

    def _require_receiver(
        self,
        who: Principal,
        action: Action,
        receiver: Principal,
        studies: list[StudyRow],
        context: Context,
    ) -> None:
        refused = [study for study in studies if study.department_id not in receiver.departments]
        if refused:
            entry = self._doorkeeper.entry(
                who,
                action,
                context,
                outcome="denied",
                reason="receiver-not-entitled",
                detail={"to": receiver.name},
                **self._doorkeeper.about(refused),
            )
            self._doorkeeper.record(entry, context.now)
            raise Denied("The destination has no right to these studies.", code="receiver")

    def _numbered(self, keys: Keys, studies: list[StudyRow]) -> tuple[Counter[Kind], Sequence[int]]:
        ids = array("q")
        kinds: Counter[Kind] = Counter()
        with self._doorkeeper.db.read() as connection:
            rows = selection.numbered(connection, keys, [study.id for study in studies]) if studies else ()
            for number, row in enumerate(rows, 1):
                if number > MOST_INSTANCES:
                    raise LimitExceeded(f"A retrieval is about {MOST_INSTANCES} instances at most.")
                ids.append(row.id)
                kinds[row.sop_class_uid, row.transfer_syntax_uid] += 1
        return kinds, ids


def _kind(located: Located) -> Kind:
    return located.sop_class_uid, located.sealed.transfer_syntax_uid


def _delivery(
    located: Located,
    *,
    chunks: Iterator[bytes] | None = None,
    error: LeadglassError | None = None,
    access: Access | None = None,
) -> Delivery:
    return Delivery(_kind(located), located.sop_instance_uid, located.sealed.size, chunks, error, access)
