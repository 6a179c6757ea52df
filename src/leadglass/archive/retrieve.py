"""Where C-GET, WADO-RS, the study page and the quick look meet: one way out for everything kept.

Each call asks the policy, then has the access on the record, and only then returns anything to iterate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
import structlog

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.corrected import Corrected, corrections
from leadglass.archive.doorkeeper import ABSENT, Doorkeeper
from leadglass.archive.leaving import UNREADABLE, StoredObject, Unreadable
from leadglass.archive.ledger import Access, Ledger
from leadglass.archive.objects import Objects, source
from leadglass.archive.selection import Keys, Selection, Selector
from leadglass.archive.zipped import MOST_INSTANCES, zipped
from leadglass.dicom.dataset import DatasetParser, Limits
from leadglass.dicom.dictionary import transfer_syntax
from leadglass.dicom.json import dumps
from leadglass.dicom.part10 import Part10Parser
from leadglass.errors import LeadglassError, LimitExceeded, NotFound
from leadglass.index import lookup, upkeep
from leadglass.index.matching import Level, Match, Query, Single
from leadglass.index.rows import InstanceRow, SeriesRow, StudyRow
from leadglass.store.blobs import BlobReader

__all__ = ["Exported", "Retrieve", "StoredObject", "StudyView", "Unreadable"]

_BATCH = 500
HELD: Final = 8 << 20  # bytes of an object that are held until all of them are known to be sound


@dataclass(frozen=True, slots=True)
class StudyView:
    study: StudyRow
    series: tuple[SeriesRow, ...]
    lost: int = 0  # images of it that are lost on this archive's disk and not shown


@dataclass(frozen=True, slots=True)
class Exported:
    """An object that may leave for good. `digest`: SHA-256 over its data set as received; None when it leaves
    with another identity than that. `opened` may be asked in any thread; it raises what is UNREADABLE."""

    row: InstanceRow
    digest: bytes | None
    opened: Callable[[], AbstractContextManager[StoredObject]]


@dataclass(frozen=True, slots=True)
class _Selected:
    """What may be served to whom: decided, and on the record."""

    who: Principal
    study: StudyRow
    context: Context
    pages: Iterator[list[InstanceRow]]
    action: Action
    corrected: Corrected | None

    def rows(self) -> Iterator[InstanceRow]:
        return (row for page in self.pages for row in page)


class Retrieve:
    def __init__(
        self, doorkeeper: Doorkeeper, ledger: Ledger, objects: Objects, limits: Limits, system: str
    ) -> None:
        """`system`: as what this archive names itself where it modifies objects."""
        self._doorkeeper = doorkeeper
        self._ledger = ledger
        self._objects = objects
        self._limits = limits
        self._system = system
        self._selector = Selector(doorkeeper, ledger, objects, limits, system)

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
        """What a C-GET, a C-MOVE to `receiver` or a send `to` somebody takes out. Denied, LimitExceeded; see
        Selector."""
        return self._selector.select(who, action, keys, context, receiver=receiver, to=to)

    def view(self, who: Principal, study_id: int, context: Context) -> StudyView:
        """A study and its series, for the study page. NotFound when foreign or absent."""
        with self._doorkeeper.db.read() as connection:
            study = lookup.study(connection, study_id)
        study = self._doorkeeper.require_study(who, Action.STUDY_VIEW, context, study)
        self._enter(who, Action.STUDY_VIEW, study, context)
        pages = self._pages(Query(Level.SERIES, study_id=study.id), study)
        shown = tuple(row for page in pages for row in page)
        with self._doorkeeper.db.read() as connection:
            return StudyView(study, shown, upkeep.lost_of(connection, study.id))

    def series_instances(self, who: Principal, series_id: int, context: Context) -> tuple[InstanceRow, ...]:
        """The images of a series in their order. NotFound when foreign or absent."""
        first = Query(Level.INSTANCE, series_id=series_id, limit=1)
        with self._doorkeeper.db.read() as connection:
            found, _ = lookup.page(connection, first, everything=True, departments=frozenset())
        study: StudyRow | None = found[0].series.study if found else None
        study = self._doorkeeper.require_study(who, Action.STUDY_VIEW, context, study)
        self._enter(who, Action.STUDY_VIEW, study, context)
        pages = self._pages(Query(Level.INSTANCE, series_id=series_id), study)
        return tuple(row for page in pages for row in page)

    def metadata(
        self,
        who: Principal,
        context: Context,
        *,
        study_uid: str,
        series_uid: str | None = None,
        instance_uid: str | None = None,
    ) -> Iterator[bytes]:
        """One DICOM JSON object (PS3.18 F.2) per instance, without its pixel data."""
        return self._metadata(self._selected(who, context, (study_uid, series_uid, instance_uid)))

    def objects(
        self,
        who: Principal,
        context: Context,
        *,
        study_uid: str,
        series_uid: str | None = None,
        instance_uid: str | None = None,
    ) -> Iterator[StoredObject]:
        """Part 10 files: byte by byte as they came, but of a corrected study with the identity that it shows.
        Take each one's chunks before asking for the next."""
        return self._stored(self._selected(who, context, (study_uid, series_uid, instance_uid)))

    def received(
        self,
        who: Principal,
        context: Context,
        *,
        study_uid: str,
        series_uid: str | None = None,
        instance_uid: str | None = None,
    ) -> Iterator[StoredObject]:
        """Part 10 files as they came, whatever was corrected since: for those who may have that."""
        uids = study_uid, series_uid, instance_uid
        return self._stored(self._selected(who, context, uids, Action.STUDY_RECEIVED))

    def zipped(self, who: Principal, study_id: int, context: Context) -> Iterator[bytes]:
        """The study as a zip with a DICOMDIR, in pieces. NotFound when foreign or absent; LimitExceeded.

        What cannot be read it names in a text of its own; Tampered or StorageFailed when that is everything.
        """
        with self._doorkeeper.db.read() as connection:
            study = lookup.study(connection, study_id)
            lost = upkeep.lost_of(connection, study_id)
        selected = self._of_study(who, context, study, ())
        if selected.study.instance_count > MOST_INSTANCES:
            raise LimitExceeded("The study has more images than one zip is made of.", code="zip-members")
        return zipped(self._sound(selected), self._limits, context.now, lost)

    def exported(self, who: Principal, study_id: int, context: Context) -> Iterator[Exported]:
        """Every object of a study, for `leadglass export`. NotFound."""
        with self._doorkeeper.db.read() as connection:
            study = lookup.study(connection, study_id)
        selected = self._of_study(who, context, study, (), Action.STUDY_EXPORT)
        for rows in selected.pages:
            located = self._objects.page([row.id for row in rows])
            openers = {one.sop_instance_uid: (one.sealed.digest, opener) for one, opener in located}
            for row in rows:
                digest, opener = openers.get(row.sop_instance_uid, (None, None))
                as_received = digest if selected.corrected is None else None
                yield Exported(row, as_received, partial(self._leaving, selected, row, opener))

    @contextmanager
    def _leaving(
        self, selected: _Selected, row: InstanceRow, opener: Callable[[], BlobReader] | None
    ) -> Iterator[StoredObject]:
        """Counted when all of it was taken."""
        with self._serving(selected) as access, ExitStack() as stack:
            try:
                one = self._delivered(row, selected.corrected, stack, opener)
                yield one
            except UNREADABLE:
                access.count(unreadable=1)
                raise
            access.count(instances=1, bytes=one.size)

    def _selected(
        self,
        who: Principal,
        context: Context,
        uids: tuple[str, str | None, str | None],
        action: Action = Action.STUDY_RETRIEVE,
    ) -> _Selected:
        study_uid, series_uid, instance_uid = uids
        match: list[tuple[str, Match]] = []
        if series_uid is not None:
            match.append(("SeriesInstanceUID", Single(series_uid)))
        if instance_uid is not None:
            match.append(("SOPInstanceUID", Single(instance_uid)))
        with self._doorkeeper.db.read() as connection:
            study = _study_of(connection, study_uid)
        return self._of_study(who, context, study, match, action)

    def _of_study(
        self,
        who: Principal,
        context: Context,
        study: StudyRow | None,
        match: Sequence[tuple[str, Match]],
        action: Action = Action.STUDY_RETRIEVE,
    ) -> _Selected:
        study = self._doorkeeper.require_study(who, action, context, study)
        pages = self._pages(Query(Level.INSTANCE, tuple(match), study_id=study.id), study)
        first = next(pages, None)
        if first is None:
            self._doorkeeper.require_study(who, action, context, None)
            raise NotFound(ABSENT)
        self._enter(who, action, study, context)
        corrected = (
            self._corrected(study) if study.corrected and action is not Action.STUDY_RECEIVED else None
        )
        return _Selected(who, study, context, _chained(first, pages), action, corrected)

    def _corrected(self, study: StudyRow) -> Corrected | None:
        with self._doorkeeper.db.read() as connection:
            return corrections(connection, (study.id,), self._system).get(study.id)

    def _enter(self, who: Principal, action: Action, study: StudyRow, context: Context) -> None:
        """Have the access on the record before anything is returned; serving joins it later."""
        self._ledger.leave(self._ledger.enter(who, action, study, context), context.now)

    @contextmanager
    def _serving(self, selected: _Selected) -> Iterator[Access]:
        """Entered by the iteration itself: an iterator that nobody starts must not hold the access open."""
        access = self._ledger.enter(selected.who, selected.action, selected.study, selected.context)
        try:
            yield access
        finally:
            self._ledger.leave(access, selected.context.now)

    def _pages(self, query: Query, study: StudyRow) -> Iterator[list[Any]]:
        """The rows of a study in pages, each read in a transaction of its own."""
        department = frozenset({study.department_id})
        offset, more = 0, True
        while more:
            with self._doorkeeper.db.read() as connection:
                page = replace(query, limit=_BATCH, offset=offset)
                rows, more = lookup.page(connection, page, everything=False, departments=department)
            if rows:
                yield rows
            offset += _BATCH

    def _metadata(self, selected: _Selected) -> Iterator[bytes]:
        with self._serving(selected) as access:
            for row in selected.rows():
                document = self._document(row, selected.corrected)
                access.count(headers=1)
                yield document

    def _document(self, row: InstanceRow, corrected: Corrected | None) -> bytes:
        if corrected is not None:
            return self._corrected_document(row, corrected)
        with self._objects.open(row.id) as reader:
            parser = Part10Parser(self._limits)
            for chunk in reader.chunks():
                parser.feed(chunk)
                if parser.header_complete:
                    break
            else:
                parser.close()
        assert parser.dataset is not None
        return dumps(parser.dataset.elements)

    def _corrected_document(self, row: InstanceRow, corrected: Corrected) -> bytes:
        """Out of what is delivered, so that both say the same."""
        syntax = transfer_syntax(row.transfer_syntax_uid)
        parser = DatasetParser(syntax, self._limits)
        with self._objects.open(row.id) as reader:
            kept = source(reader, self._limits)
            for chunk in corrected.delivered(kept, syntax, self._limits).chunks:
                parser.feed(chunk)
                if parser.header_complete:
                    break
            else:
                parser.close()
        return dumps(parser.elements)

    def _stored(self, selected: _Selected) -> Generator[StoredObject, None, None]:
        with self._serving(selected) as access:
            for row in selected.rows():
                with ExitStack() as stack:
                    one = self._delivered(row, selected.corrected, stack)
                    access.count(instances=1, bytes=one.size)
                    yield one

    def _sound(self, selected: _Selected) -> Generator[StoredObject | Unreadable, None, None]:
        """Each object once every byte of it is known to be sound; of the others why they are not."""
        noted: set[str] = set()
        with self._serving(selected) as access:
            for row in selected.rows():
                with ExitStack() as stack:
                    try:
                        one = self._authenticated(row, selected.corrected, stack)
                    except UNREADABLE as error:
                        access.count(unreadable=1)
                        _note(error, noted)
                        yield Unreadable(row, error)
                    else:
                        access.count(instances=1, bytes=one.size)
                        yield one

    def _authenticated(self, row: InstanceRow, corrected: Corrected | None, stack: ExitStack) -> StoredObject:
        """A small one is held meanwhile, a larger one read twice."""
        if row.size > HELD:
            with self._objects.open(row.id) as reader:
                deque(reader.chunks(), maxlen=0)
            return self._delivered(row, corrected, stack)
        one = self._delivered(row, corrected, stack)
        return replace(one, chunks=iter(list(one.chunks)))

    def _delivered(
        self,
        row: InstanceRow,
        corrected: Corrected | None,
        stack: ExitStack,
        opener: Callable[[], BlobReader] | None = None,
    ) -> StoredObject:
        """Its size is told before its bytes: where only the end of them tells it, they are made twice. All
        that is opened is closed with the stack; `opener` where it was located before."""
        reader = stack.enter_context(opener() if opener is not None else self._objects.open(row.id))
        if corrected is None:
            return StoredObject(row, row.size, reader.chunks())
        syntax = transfer_syntax(row.transfer_syntax_uid)
        kept = source(reader, self._limits)
        made = corrected.delivered(kept, syntax, self._limits, envelope=True)
        if made.growth is None:
            size = sum(map(len, made.chunks))
            made = corrected.delivered(kept, syntax, self._limits, envelope=True)
        else:
            size = row.size + made.growth
        return StoredObject(row, size, made.chunks)


def _note(error: LeadglassError, noted: set[str]) -> None:
    """One line for each way in which objects of one study cannot be read, however many they are."""
    if error.code not in noted:
        noted.add(error.code)
        structlog.get_logger("leadglass.archive").error("objects not delivered", code=error.code)


def _study_of(connection: sa.Connection, study_uid: str) -> StudyRow | None:
    query = Query(Level.STUDY, (("StudyInstanceUID", Single(study_uid)),), limit=1)
    rows, _ = lookup.page(connection, query, everything=True, departments=frozenset())
    return rows[0] if rows else None


def _chained(first: list[InstanceRow], rest: Iterator[list[InstanceRow]]) -> Iterator[list[InstanceRow]]:
    yield first
    yield from rest
