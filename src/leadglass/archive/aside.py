"""What was kept aside, and earlier versions: listed, looked at and decided on by who puts images in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from leadglass.access.policy import Action, Narrowing
from leadglass.access.principal import Context, Principal
from leadglass.archive.decisions import Decided, Decisions, checked_reason
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.exhibit import Exhibit, Exhibits
from leadglass.archive.outcome import sentence
from leadglass.archive.search import Page
from leadglass.archive.standing import CHANGED, Decision, Standings
from leadglass.errors import Conflict, LeadglassError, RecordUnavailable
from leadglass.index import asides, versions
from leadglass.index.fitting import Clash
from leadglass.index.rows import AsideRow, Sealed, SourceRow, StudyRow, VersionRow
from leadglass.store.blobs import BlobReader

MOST_AT_ONCE: Final = 200  # that one request decides on
_VERSIONS: Final = "aside.versions"


@dataclass(frozen=True, slots=True)
class AsideLine:
    row: AsideRow
    sentence: str


@dataclass(frozen=True, slots=True)
class Extent:
    """All that is kept aside for one reason, of one source. `token` is another one when more has come."""

    count: int
    size: int
    token: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of many: decided on, refused (each with why), and how many are left to go on with."""

    decided: tuple[Decided, ...]
    refused: tuple[tuple[int, str], ...]
    left: int


@dataclass(frozen=True, slots=True)
class Version:
    """A version on its way out: a Part 10 file. Close the reader."""

    row: VersionRow
    reader: BlobReader


class Aside:
    """`limit` is what each source may be kept aside in one department, in bytes."""

    def __init__(
        self, doorkeeper: Doorkeeper, standings: Standings, decisions: Decisions, *, limit: int
    ) -> None:
        self.limit = limit
        self._doorkeeper = doorkeeper
        self._standings = standings
        self._decisions = decisions
        self._exhibits = Exhibits(doorkeeper, standings)

    # --- looking ------------------------------------------------------------------------------------------

    def page(
        self,
        who: Principal,
        context: Context,
        *,
        limit: int = 50,
        offset: int = 0,
        reason: str = "",
        source: str = "",
    ) -> Page[AsideLine]:
        """Newest first, of the departments whose images `who` puts in order; of one reason or source."""
        narrowing = self._doorkeeper.narrowed(who, Action.ASIDE_REVIEW, context)
        with self._doorkeeper.db.read() as connection:
            rows, more = asides.page(
                connection,
                everything=narrowing.everything,
                departments=narrowing.departments,
                limit=limit,
                offset=offset,
                reason=reason,
                source=source,
            )
        self._record(who, Action.ASIDE_REVIEW, context, [row.study for row in rows])
        return Page(tuple(map(_line, rows)), more)

    def _record(
        self, who: Principal, action: str, context: Context, studies: Sequence[StudyRow | None]
    ) -> None:
        """A page of a list, on the record with its studies before it is returned. None: of no study."""
        about = self._doorkeeper.about(list({row.id: row for row in studies if row is not None}.values()))
        entry = self._doorkeeper.entry(who, action, context, counts={"rows": len(studies)}, **about)
        self._doorkeeper.record(entry, context.now)

    def sources(self, who: Principal, context: Context) -> list[SourceRow]:
        """Where what is kept aside came from, and how much of the limit it takes. No patient is in it."""
        narrowing = self._doorkeeper.narrowed(who, Action.ASIDE_REVIEW, context)
        with self._doorkeeper.db.read() as connection:
            return asides.sources(
                connection, everything=narrowing.everything, departments=narrowing.departments
            )

    def show(self, who: Principal, aside_id: int, context: Context) -> Exhibit:
        """One of them beside what is here: on the record before it is returned. NotFound."""
        kept = self._decisions.require(who, Action.ASIDE_REVIEW, self._standings.kept(aside_id), context)
        return self._exhibits.of(who, kept, context)

    # --- deciding -----------------------------------------------------------------------------------------

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
        """See Decisions."""
        return self._decisions.decide(who, aside_id, decision, why, context, to=to, seen=seen)

    def extent(self, who: Principal, reason: str, source: str, context: Context) -> Extent:
        """How much `decide_all` would be about."""
        narrowing = self._doorkeeper.narrowed(who, Action.ASIDE_DECIDE, context)
        return self._extent(narrowing, reason, source)

    def decide_all(
        self,
        who: Principal,
        decision: Decision,
        why: str,
        context: Context,
        *,
        reason: str,
        source: str,
        to: int | None = None,
        seen: str | None = None,
        after: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Settled:
        """The same for all of one reason and source, the oldest first, MOST_AT_ONCE of them: each by itself,
        and with an entry of its own. Conflict when more has come since `seen`. `after`: one that is left out,
        with all before it."""
        why = checked_reason(why)
        narrowing = self._doorkeeper.narrowed(who, Action.ASIDE_DECIDE, context)
        before = self._extent(narrowing, reason, source)
        if seen is not None and seen != before.token:
            raise Conflict(CHANGED, code="changed")
        with self._doorkeeper.db.read() as connection:
            chosen = asides.ids(
                connection,
                everything=narrowing.everything,
                departments=narrowing.departments,
                reason=reason,
                source=source,
                after=after,
                limit=MOST_AT_ONCE + 1,
            )
        decided: list[Decided] = []
        refused: list[tuple[int, str]] = []
        for number, aside_id in enumerate(chosen[:MOST_AT_ONCE], 1):
            try:
                decided.append(self.decide(who, aside_id, decision, why, context, to=to))
            except RecordUnavailable:
                raise
            except LeadglassError as error:
                refused.append((aside_id, str(error)))
            if progress is not None:
                progress(number, before.count)
        left = before.count - number if len(chosen) > MOST_AT_ONCE else 0
        return Settled(tuple(decided), tuple(refused), left)

    def _extent(self, narrowing: Narrowing, reason: str, source: str) -> Extent:
        with self._doorkeeper.db.read() as connection:
            count, size, newest = asides.extent(
                connection,
                everything=narrowing.everything,
                departments=narrowing.departments,
                reason=reason,
                source=source,
            )
        return Extent(count, size, f"{count}-{newest}")

    # --- earlier versions ---------------------------------------------------------------------------------

    def versions(
        self, who: Principal, context: Context, *, limit: int = 50, offset: int = 0
    ) -> Page[VersionRow]:
        """The newest first."""
        narrowing = self._doorkeeper.narrowed(who, Action.ASIDE_REVIEW, context)
        with self._doorkeeper.db.read() as connection:
            rows, more = versions.page(
                connection,
                everything=narrowing.everything,
                departments=narrowing.departments,
                limit=limit,
                offset=offset,
            )
        self._record(who, _VERSIONS, context, [row.study for row in rows])
        return Page(tuple(rows), more)

    def version_row(self, who: Principal, version_id: int, context: Context) -> tuple[VersionRow, str]:
        """One of them, and the token that `put_back` takes. NotFound."""
        row, sealed = self._found(who, version_id, context)
        self._record(who, _VERSIONS, context, [row.study])
        return row, sealed.blob

    def _found(self, who: Principal, version_id: int, context: Context) -> tuple[VersionRow, Sealed]:
        with self._doorkeeper.db.read() as connection:
            found = versions.find(connection, version_id)
        study = found[0].study if found is not None else None
        self._doorkeeper.require_study(who, Action.ASIDE_REVIEW, context, study)
        assert found is not None
        return found

    def version(self, who: Principal, version_id: int, context: Context) -> Version:
        """The bytes of a version, as they were received. NotFound, Tampered."""
        row, sealed = self._found(who, version_id, context)
        entry = self._doorkeeper.entry(
            who,
            "aside.retrieve",
            context,
            department=row.study.department_id,
            counts={"instances": 1, "bytes": row.size},
            detail={"instance": row.facts.sop_instance_uid, "version": row.id},
            **self._doorkeeper.about([row.study]),
        )
        reader = self._standings.open(sealed)
        try:
            self._doorkeeper.record(entry, context.now)
        except BaseException:
            reader.close()
            raise
        return Version(row, reader)

    def put_back(
        self, who: Principal, version_id: int, why: str, context: Context, *, seen: str | None = None
    ) -> VersionRow:
        """See Decisions."""
        return self._decisions.put_back(who, version_id, why, context, seen=seen)


def version_chunks(version: Version) -> Iterator[bytes]:
    """Its bytes; closed when they have been taken, or given up."""
    with version.reader as reader:
        yield from reader.chunks()


def _line(row: AsideRow) -> AsideLine:
    """Of a contradiction with what the reader may not see, no more is said than that there is one."""
    return AsideLine(row, sentence(Clash(row.reason), whole=row.study is not None))
