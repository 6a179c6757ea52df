"""The register of surveys: what was asked, what was seen, what people decided. Sealed, and of its own.

A survey's work list is a plan (addresses and ports) in numbered blocks. A block or a host is in here once it
is done, so a survey that was killed goes on with what is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from leadglass.db.engine import Database, Transaction
from leadglass.errors import NotFound
from leadglass.scan import schema
from leadglass.scan.casebook import Casebook
from leadglass.scan.observation import METHOD, Observation

_PAGE: Final = 200  # hosts whose observations are read at once
_o = schema.observations.c


@dataclass(frozen=True, slots=True)
class Tally:
    """Ports of one block, or of a survey, at which nobody answered."""

    refused: int = 0
    silent: int = 0
    unreachable: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.refused + other.refused, self.silent + other.silent, self.unreachable + other.unreachable
        )


class Kind(StrEnum):
    SURVEY = "survey"
    RETEST = "retest"  # of ports that an earlier survey found open; no part of any trend


@dataclass(frozen=True, slots=True)
class Survey:
    """One survey. `scope`: the file's text, `folder`: where it lay; `plan`: what `scan.plan` made of it."""

    id: int
    started: int
    finished: int | None
    kind: Kind
    method: int
    vantage: str
    scope: str
    folder: str
    plan: dict[str, Any]
    blocks: int
    summary: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a person overruled, why, and until when."""

    key: str
    at: int
    until: int
    person: str
    reason: str


_insert_observations = sa.insert(schema.observations)
_insert_host = sa.insert(schema.hosts)
_insert_block = sa.insert(schema.blocks)
_hosts_from = (
    sa.select(schema.hosts.c.address)
    .where(schema.hosts.c.survey_id == bindparam("survey"), schema.hosts.c.address > bindparam("after"))
    .order_by(schema.hosts.c.address)
    .limit(_PAGE)
)
_of_hosts = (
    sa.select(schema.observations)
    .where(_o.survey_id == bindparam("survey"), _o.address.in_(bindparam("addresses", expanding=True)))
    .order_by(_o.address, _o.id)
)


_known_hosts = sa.select(schema.hosts.c.address).where(
    schema.hosts.c.survey_id == bindparam("survey"),
    schema.hosts.c.address.in_(bindparam("addresses", expanding=True)),
)


class Done(NamedTuple):
    """All that was seen at one host, and when that was, in ms since the epoch, UTC."""

    address: str
    seen: Sequence[Observation]
    finished: int


class Register:
    """`write` calls resolve once what they wrote survives a power cut."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.casebook = Casebook(db)

    # --- a survey -----------------------------------------------------------------------------------------

    def begin(
        self,
        scope: str,
        plan: dict[str, Any],
        blocks: int,
        vantage: str,
        now: int,
        *,
        kind: Kind = Kind.SURVEY,
        folder: str = "",
    ) -> Survey:
        vantage = vantage[:100]
        values = {
            "started": now, "kind": kind.value, "method": METHOD, "vantage": vantage, "scope": scope,
            "folder": folder, "plan": json.dumps(plan), "blocks": blocks,
        }  # fmt: skip
        made: Future[int] = self._db.write(lambda tx: _inserted(tx, sa.insert(schema.surveys), values))
        return Survey(made.result(), now, None, kind, METHOD, vantage, scope, folder, plan, blocks)

    def block_done(
        self, survey: int, number: int, tally: Tally, hosts: Collection[Future[None]] = ()
    ) -> Future[None]:
        """`hosts`: what `write_hosts` gave for those of the block. It is not done without one of them."""
        row = {
            "survey_id": survey, "number": number,
            "refused": tally.refused, "silent": tally.silent, "unreachable": tally.unreachable,
        }  # fmt: skip

        def unit(tx: Transaction) -> None:
            # Those that are not done yet are of this transaction: the writer keeps to the order.
            for host in hosts:
                if host.done():
                    host.result()
            tx.execute(_insert_block, row)

        return self._db.write(unit)

    def write_hosts(self, survey: int, hosts: Iterable[Done]) -> Future[None]:
        """Each once: what comes again changes nothing. Several at a time: to write them one by one cost as
        much as asking them."""
        first: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
        for address, seen, finished in hosts:
            host = {"survey_id": survey, "address": address, "finished": finished}
            first.setdefault(address, (host, [_row(survey, each) for each in seen]))

        def unit(tx: Transaction) -> None:
            asked = {"survey": survey, "addresses": list(first)}
            new = first.keys() - tx.execute(_known_hosts, asked).scalars()
            if new:
                tx.execute(_insert_host, [first[address][0] for address in new])
            if rows := [row for address in new for row in first[address][1]]:
                tx.execute(_insert_observations, rows)

        return self._db.write(unit)

    def finish(self, survey: int, now: int) -> None:
        statement = sa.update(schema.surveys).where(schema.surveys.c.id == survey).values(finished=now)
        self._db.write(lambda tx: _done(tx.execute(statement))).result()

    def summarise(self, survey: int, summary: dict[str, Any]) -> None:
        """What it came to, in a few numbers: a trend reads hundreds of surveys and no observation."""
        values = {"summary": json.dumps(summary)}
        statement = sa.update(schema.surveys).where(schema.surveys.c.id == survey).values(values)
        self._db.write(lambda tx: _done(tx.execute(statement))).result()

    # --- surveys so far -----------------------------------------------------------------------------------

    def survey(self, number: int | None = None) -> Survey:
        """That survey or retest, or the last survey. NotFound when there is none."""
        query = sa.select(schema.surveys).order_by(schema.surveys.c.id.desc()).limit(1)
        if number is not None:
            query = query.where(schema.surveys.c.id == number)
        else:
            query = query.where(schema.surveys.c.kind == Kind.SURVEY.value)
        with self._db.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("There is no such survey in the register.", code="no-survey")
        return _survey(row)

    def surveys(self, most: int = 1000) -> list[Survey]:
        """Newest first."""
        query = sa.select(schema.surveys).order_by(schema.surveys.c.id.desc()).limit(most)
        with self._db.read() as connection:
            return [_survey(row) for row in connection.execute(query)]

    def blocks_done(self, survey: int) -> set[int]:
        query = sa.select(schema.blocks.c.number).where(schema.blocks.c.survey_id == survey)
        with self._db.read() as connection:
            return set(connection.execute(query).scalars())

    def hosts_done(self, survey: int) -> set[str]:
        query = sa.select(schema.hosts.c.address).where(schema.hosts.c.survey_id == survey)
        with self._db.read() as connection:
            return set(connection.execute(query).scalars())

    def tally(self, survey: int) -> Tally:
        columns = (schema.blocks.c.refused, schema.blocks.c.silent, schema.blocks.c.unreachable)
        query = sa.select(*(sa.func.coalesce(sa.func.sum(column), 0) for column in columns))
        with self._db.read() as connection:
            row = connection.execute(query.where(schema.blocks.c.survey_id == survey)).one()
        return Tally(*map(int, row))

    def observations(self, survey: int) -> Iterator[tuple[str, list[Observation]]]:
        """Host by host, in the order of their text; no transaction stays open in between."""
        after = ""
        while True:
            with self._db.read() as connection:
                found = connection.execute(_hosts_from, {"survey": survey, "after": after})
                addresses = list(found.scalars())
                rows = connection.execute(_of_hosts, {"survey": survey, "addresses": addresses}).all()
            if not addresses:
                return
            after = addresses[-1]
            for address, seen in groupby(map(_observation, rows), key=lambda each: each.address):
                yield address, list(seen)

    # --- what people decided ------------------------------------------------------------------------------

    def overrule(self, judgement: Judgement) -> None:
        values = {name: getattr(judgement, name) for name in ("key", "at", "until", "person", "reason")}

        def unit(tx: Transaction) -> None:
            tx.execute(sa.delete(schema.judgements).where(schema.judgements.c.key == judgement.key))
            tx.execute(sa.insert(schema.judgements), values)

        self._db.write(unit).result()

    def overruled(self, now: int) -> dict[str, Judgement]:
        """What holds at `now`, by key."""
        query = sa.select(schema.judgements).where(schema.judgements.c.until > now)
        with self._db.read() as connection:
            return {row.key: Judgement(*tuple(row)) for row in connection.execute(query)}

    # --- its keys -----------------------------------------------------------------------------------------

    def seed(self, purpose: str, make: Callable[[], bytes], now: int) -> bytes:
        """The 32-byte seed of a signing key; made when there is none yet."""
        query = sa.select(schema.keys.c.seed).where(schema.keys.c.purpose == purpose)

        def unit(tx: Transaction) -> bytes:
            known: bytes | None = tx.execute(query).scalar()
            if known is None:
                known = make()
                tx.execute(sa.insert(schema.keys), {"purpose": purpose, "seed": known, "created": now})
            return known

        return bytes(self._db.write(unit).result())

    def close(self) -> None:
        self._db.close()


def _row(survey: int, seen: Observation) -> dict[str, Any]:
    members = seen.to_json()
    return members | {
        "survey_id": survey,
        "sent": orjson.dumps(members["sent"]).decode(),
        "said": orjson.dumps(members["said"]).decode(),
    }


def _observation(row: Any) -> Observation:
    members = row._asdict()
    return Observation.from_json(
        members | {"sent": orjson.loads(members["sent"]), "said": orjson.loads(members["said"])}
    )


def _survey(row: Any) -> Survey:
    return Survey(
        row.id,
        row.started,
        row.finished,
        Kind(row.kind),
        row.method,
        row.vantage,
        row.scope,
        row.folder,
        json.loads(row.plan),
        row.blocks,
        json.loads(row.summary) if row.summary else None,
    )


def _inserted(tx: Transaction, statement: sa.Insert, values: dict[str, Any]) -> int:
    return int(tx.execute(statement, values).inserted_primary_key[0])  # type: ignore[index]


def _done(_: object) -> None:
    """A unit that has nothing to tell."""
