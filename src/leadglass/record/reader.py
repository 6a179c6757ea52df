"""Reading the record: pages for people, newest first, and rows in order for export and verification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from leadglass.db.hints import by_index
from leadglass.errors import Tampered, Violation
from leadglass.record.entry import MAX_NUMBER, Entry, commitment_of, decode_body
from leadglass.record.schema import log_entries, log_subjects

BATCH = 512
MAX_PAGE = 1000

_ENTRY = "record-entry"

_COLUMNS = ("seq", "time", "opens", "salt", "body", "commitment")
_ROWS = (
    sa.select(*(log_entries.c[name] for name in _COLUMNS))
    .where(log_entries.c.seq >= sa.bindparam("start"))
    .order_by(log_entries.c.seq)
    .limit(sa.bindparam("batch"))
)
_BY_TIME = "ix_log_entries_time"
_FEW = sa.select(sa.func.count()).select_from(
    sa.select(log_subjects.c.seq)
    .where(log_subjects.c.kind == sa.bindparam("kind"), log_subjects.c.value == sa.bindparam("value"))
    .limit(1000)
    .subquery()
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `log_entries` as it is stored, not checked."""

    seq: int
    time: int
    opens: int | None
    salt: bytes | None
    body: bytes | None
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """One access as the record shows it: its opening or only entry, and the one that closed it.

    `entry` is None when its body has expired.
    """

    seq: int
    time: int
    entry: Entry | None
    closed: int | None = None  # when, ms UTC
    closing: Entry | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """What was delivered; a lower bound when `at_least`."""
        shown = self.closing or self.entry
        return shown.counts if shown else {}

    @property
    def outcome(self) -> str:
        shown = self.closing or self.entry
        return shown.outcome if shown else ""

    @property
    def at_least(self) -> bool:
        """An access that never said how it ended: still going on, or cut off by a crash."""
        return self.entry is not None and self.entry.phase == "open" and self.closing is None


def entries(
    connection: sa.Connection,
    *,
    patient: str | None = None,
    study: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    since: int | None = None,
    until: int | None = None,
    below: int | None = None,
    limit: int = 100,
    outcome: str | None = None,
) -> list[Recorded]:
    """A page of accesses, newest first, with `since` ≤ time < `until` (ms, UTC) and a number under `below`.
    Those that did not end with `outcome` come without their entry.

    Every body is checked against its commitment: Tampered names the first that does not match.
    """
    given = {"patient": patient, "study": study, "actor": actor, "action": action}
    wanted = {kind: value for kind, value in given.items() if value is not None}
    between = _between(connection, since, until)
    if between is None:
        return []
    statement = _page(_narrowest_first(connection, wanted), between, below)
    # A clock may have been put back, so each is asked for its time too; in a form that no index serves, or
    # SQLite would read and sort all of a range for the newest of it.
    if since is not None:
        statement = statement.where(log_entries.c.time + 0 >= since)
    if until is not None:
        statement = statement.where(log_entries.c.time + 0 < until)
    return [_recorded(row, outcome) for row in connection.execute(statement.limit(min(limit, MAX_PAGE)))]


def rows(connection: sa.Connection, start: int = 0, batch: int = BATCH) -> Iterator[list[Row]]:
    """All rows from number `start` on in order of their numbers, in lists of at most `batch`."""
    while found := connection.execute(_ROWS, {"start": start, "batch": batch}).all():
        yield [_stored(row) for row in found]
        start = found[-1].seq + 1


def open_row(row: Row) -> Entry | None:
    """The entry of a row, checked by its commitment; None when expired, Tampered when altered."""
    if row.salt is None and row.body is None:
        return None
    try:
        seq, time, entry = decode_body(_committed(row))
        if (seq, time, entry.opens) != (row.seq, row.time, row.opens):
            raise Violation("Its row and its body disagree on number, time or the entry it closes.")
    except Violation as error:
        raise Tampered(f"Entry {row.seq} of the access record was altered. {error}", code=_ENTRY) from error
    return entry


def _committed(row: Row) -> bytes:
    """The body of a row as it was committed to; a Violation when it is another."""
    if row.salt is None or row.body is None or commitment_of(row.salt, row.body) != row.commitment:
        raise Violation("Its body does not match its commitment.")
    return row.body


def _says(row: Row, outcome: str) -> bool:
    """Can it be of that outcome? Bodies are canonical (`encode_body`), so most are told by their bytes, at a
    tenth of what reading them takes. Altered bodies are for `open_row` to tell of."""
    try:
        return b'"outcome":"%b"' % outcome.encode() in _committed(row)
    except Violation:
        return True


def _stored(columns: Sequence[Any]) -> Row:
    """SQLite stores any type anywhere: in place of what is no bytes come empty ones, which match nothing."""
    seq, time, opens, salt, body, commitment = columns
    return Row(seq, time, opens, _blob(salt), _blob(body), _blob(commitment) or b"")


def _blob(value: object) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else b""


def _between(connection: sa.Connection, since: int | None, until: int | None) -> tuple[int, int] | None:
    """The first and the last number of what was recorded in that time; None: nothing was."""
    seq, time = log_entries.c.seq, log_entries.c.time
    first: int | None = 0
    last: int | None = MAX_NUMBER
    if since is not None:
        statement = sa.select(sa.func.min(seq)).where(time >= since)
        first = connection.execute(by_index(statement, log_entries, _BY_TIME)).scalar()
    if until is not None:
        statement = sa.select(sa.func.max(seq)).where(time < until)
        last = connection.execute(by_index(statement, log_entries, _BY_TIME)).scalar()
    return None if first is None or last is None else (first, last)


def _narrowest_first(connection: sa.Connection, wanted: dict[str, str]) -> dict[str, str]:
    """What the fewest entries have drives the search: a planner without statistics takes any."""
    if len(wanted) < 2:
        return wanted
    counts: dict[str, int] = {
        kind: connection.execute(_FEW, {"kind": kind, "value": value}).scalar_one()
        for kind, value in wanted.items()
    }
    return dict(sorted(wanted.items(), key=lambda each: counts[each[0]]))


def _page(wanted: dict[str, str], between: tuple[int, int], below: int | None) -> sa.Select[Any]:
    """Opening and single entries with their closing ones, found through `log_subjects` by what is wanted."""
    closing = log_entries.alias("closing")
    source = log_entries.outerjoin(closing, closing.c.opens == log_entries.c.seq)
    order: sa.ColumnElement[int] = log_entries.c.seq
    conditions: list[sa.ColumnElement[bool]] = []
    for number, (kind, value) in enumerate(wanted.items()):
        subject = log_subjects.alias(kind)
        source = source.join(subject, subject.c.seq == log_entries.c.seq)
        conditions += [subject.c.kind == kind, subject.c.value == value]
        order = order if number else subject.c.seq
    if not wanted:
        # Closing entries have no subjects; without one they must be left out by hand. In a form no index
        # serves, or SQLite would prefer "opens IS NULL", true of most entries, to the index on time.
        conditions.append(sa.func.coalesce(log_entries.c.opens, -1) < 0)
    first, last = between
    if first > 0:
        conditions.append(order >= first)
    if below is not None or last < MAX_NUMBER:
        conditions.append(order < min(last + 1, MAX_NUMBER if below is None else below))
    columns = [table.c[name] for table in (log_entries, closing) for name in _COLUMNS]
    return sa.select(*columns).select_from(source).where(*conditions).order_by(order.desc())


def _recorded(row: sa.Row[Any], outcome: str | None = None) -> Recorded:
    mine, other = _stored(row[: len(_COLUMNS)]), _stored(row[len(_COLUMNS) :])
    if outcome is not None and not _says(mine if row[len(_COLUMNS)] is None else other, outcome):
        return Recorded(mine.seq, mine.time, None)
    entry = open_row(mine)
    if row[len(_COLUMNS)] is None:
        return Recorded(mine.seq, mine.time, entry)
    return Recorded(mine.seq, mine.time, entry, closed=other.time, closing=open_row(other))
