"""What auditors ask of the record in words: a person, an accession number, an outcome, days.

A page is found newest first and goes on below a number, so that entries written meanwhile shift nothing. The
outcome stands in the sealed bodies alone: a page looks through so many of them and says where it stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Final

import sqlalchemy as sa

from leadglass.access import peers, tokens, users
from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.trail import RecordLine, line_of
from leadglass.dicom.dictionary import is_valid_uid
from leadglass.errors import Tampered, Violation
from leadglass.index import lookup
from leadglass.record import reader
from leadglass.record.entry import OUTCOMES
from leadglass.record.reader import Recorded

MOST_READ: Final = 5_000  # entries for one page
BATCH: Final = 500
MOST_STUDIES: Final = 20  # of one accession number
MOST_ACTORS: Final = 50  # a person, and what acts for them
_ACTOR: Final = re.compile(r"(?:user|token|operator|ae|jwt):\d{1,15}|system|nobody", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """All that are given must hold. `person`: a user, an AE, or an actor as the record writes it; `study`: a
    UID or an accession number. Times in ms, since ≤ t < until."""

    person: str = ""
    patient: str = ""
    study: str = ""
    action: str = ""
    outcome: str = ""
    since: int | None = None
    until: int | None = None

    @property
    def names(self) -> str:
        """Which filters there are: what the record may say of a question without its values."""
        return ",".join(each.name for each in fields(self) if getattr(self, each.name) not in ("", None))


@dataclass(frozen=True, slots=True)
class Answer:
    """`older`: page on below this number, None when there is nothing older. `stopped`: it was not read to the
    end of a page, for that much was looked through in vain."""

    lines: tuple[RecordLine, ...]
    older: int | None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The signed head of the record as it is stored. `sound`: we signed it, and it says what is stored."""

    size: int
    root: str
    sound: bool


class Inquiry:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def ask(self, who: Principal, context: Context, asked: Asked, *, below: int | None, limit: int) -> Answer:
        """On the record before it is shown. A Violation says which question makes no sense."""
        self._doorkeeper.require(who, Action.RECORD_READ, context)
        with self._doorkeeper.db.read() as connection:
            actors, studies = _actors(connection, asked.person), _studies(connection, asked.study)
            answer = _page(connection, asked, tuple(product(actors, studies)), below, limit)
        entry = self._doorkeeper.entry(
            who,
            Action.RECORD_READ,
            context,
            patients=(asked.patient,) if asked.patient else (),
            studies=tuple(uid for uid in studies if uid),
            detail={"filters": asked.names},
        )
        self._doorkeeper.record(entry, context.now)
        return answer

    def head(self) -> Head:
        """Is the head of the record one that we signed? The whole is verified by `Upkeep.verify_record`."""
        with self._doorkeeper.db.read() as connection:
            try:
                found = self._doorkeeper.log.signed_head(connection)
            except Tampered:
                return Head(0, "", sound=False)
        return Head(found.size, found.root.hex(), sound=True)


def _actors(connection: sa.Connection, person: str) -> tuple[str | None, ...]:
    """Everything that acted for this person or device; (None,) for everybody."""
    if not person:
        return (None,)
    if _ACTOR.fullmatch(person):
        return (person,)
    user = users.find_user(connection, person)
    if user is not None:
        own = (token.id for token in reversed(tokens.list_tokens(connection)) if token.user_id == user.id)
        found = (f"user:{user.id}", f"jwt:{user.id}", *(f"token:{number}" for number in own))
    else:
        numbers = peers.numbers_of(connection, person) if len(person) <= 16 else []
        found = tuple(f"ae:{number}" for number in numbers)
    if not found:
        raise Violation("There is no user or device of this name.", code="no-person")
    if len(found) > MOST_ACTORS:
        raise Violation(
            f"Too many tokens to look for: ask for {found[0]}, or for one token.", code="no-person"
        )
    return found


def _studies(connection: sa.Connection, study: str) -> tuple[str | None, ...]:
    """UIDs; (None,) for every study. What looks like a UID is one: the record knows studies that are gone."""
    if not study:
        return (None,)
    found = lookup.uids_of_accession(connection, study, MOST_STUDIES + 1)
    if len(found) > MOST_STUDIES:
        raise Violation("Too many studies have this accession number: give a UID.", code="no-study")
    if not found and not is_valid_uid(study):
        raise Violation("No study here has this accession number.", code="no-study")
    return tuple(found) or (study,)


def _page(
    connection: sa.Connection,
    asked: Asked,
    keys: Sequence[tuple[str | None, str | None]],
    below: int | None,
    limit: int,
) -> Answer:
    if asked.outcome and asked.outcome not in OUTCOMES:
        raise Violation("There is no such outcome.", code="no-outcome")
    lines: list[RecordLine] = []
    read = 0
    while read < MOST_READ:
        wanted = BATCH if asked.outcome else limit + 1
        batch = _batch(connection, asked, keys, below, wanted)
        for item in batch:
            if len(lines) == limit:
                return Answer(tuple(lines), lines[-1].seq)
            if not asked.outcome or item.outcome == asked.outcome:
                lines.append(line_of(item))
        if len(batch) < wanted:
            return Answer(tuple(lines), None)
        below, read = batch[-1].seq, read + len(batch)
    return Answer(tuple(lines), below, stopped=True)


def _batch(
    connection: sa.Connection,
    asked: Asked,
    keys: Sequence[tuple[str | None, str | None]],
    below: int | None,
    limit: int,
) -> list[Recorded]:
    """The newest under any of the keys: each is an index's range, and together they are put in order."""
    found = {item.seq: item for key in keys for item in _of(connection, asked, key, below, limit)}
    return [found[seq] for seq in sorted(found, reverse=True)[:limit]]


def _of(
    connection: sa.Connection, asked: Asked, key: tuple[str | None, str | None], below: int | None, limit: int
) -> Iterator[Recorded]:
    yield from reader.entries(
        connection,
        patient=asked.patient or None,
        study=key[1],
        actor=key[0],
        action=asked.action or None,
        since=asked.since,
        until=asked.until,
        below=below,
        limit=limit,
        outcome=asked.outcome or None,
    )
