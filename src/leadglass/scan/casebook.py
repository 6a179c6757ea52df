"""Cases and warnings in the register: what is being done about what was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from leadglass.db.engine import Database, Transaction
from leadglass.errors import NotFound
from leadglass.scan import schema
from leadglass.scan.checks import Severity
from leadglass.scan.followup import Case, CaseState

_c = schema.cases.c
_KEY = (_c.address, _c.port, _c.check)
_insert = sa.insert(schema.cases)
_delete = sa.delete(schema.cases).where(*(column == sa.bindparam(f"the_{column.name}") for column in _KEY))


class Way(StrEnum):
    """How somebody was told."""

    MAIL = "mail"
    PHONE = "phone"
    POST = "post"
    MEETING = "meeting"
    CERT = "cert"  # through the CERT, when the owner cannot be reached


@dataclass(frozen=True, slots=True)
class Warned:
    """One owner told once. `person`: by whom; `at`: ms since the epoch, UTC."""

    survey: int
    at: int
    owner: str
    contact: str
    way: Way
    person: str
    addresses: tuple[str, ...]


class Casebook:
    """`write` calls resolve once what they wrote survives a power cut."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def cases(self) -> list[Case]:
        """All of them, the most urgent first."""
        with self._db.read() as connection:
            rows = connection.execute(sa.select(schema.cases).order_by(_c.due, *_KEY)).all()
        return [_case(row) for row in rows]

    def save(self, cases: Iterable[Case]) -> None:
        rows = [asdict(case) | {"severity": int(case.severity), "state": case.state.value} for case in cases]
        if rows:
            self._db.write(lambda tx: _put(tx, rows)).result()

    def change(self, address: str, port: int, check: str, decided: Callable[[Case], Case]) -> list[Case]:
        """What a person decides about one case, or about all of a port (`check` ''). NotFound for none."""
        where = [_c.address == address, _c.port == port]
        if check:
            where.append(_c.check == check)

        def unit(tx: Transaction) -> list[Case]:
            rows = tx.execute(sa.select(schema.cases).where(*where)).all()
            changed = [decided(_case(row)) for row in rows]
            _put(tx, [asdict(c) | {"severity": int(c.severity), "state": c.state.value} for c in changed])
            return changed

        found: list[Case] = self._db.write(unit).result()
        if not found:
            raise NotFound("There is no such case. See them with: leadglass scan cases", code="no-case")
        return found

    def warn(self, warned: Warned) -> None:
        values = {
            "survey_id": warned.survey, "at": warned.at, "owner": warned.owner[:200],
            "contact": warned.contact[:200], "way": warned.way.value, "person": warned.person[:100],
            "addresses": json.dumps(warned.addresses),
        }  # fmt: skip
        self._db.write(lambda tx: _done(tx.execute(sa.insert(schema.warnings), values))).result()

    def warnings(self) -> list[Warned]:
        """Oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(sa.select(schema.warnings).order_by(schema.warnings.c.id)).all()
        return [
            Warned(
                r.survey_id, r.at, r.owner, r.contact, Way(r.way), r.person, tuple(json.loads(r.addresses))
            )
            for r in rows
        ]


def _put(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    if rows:
        tx.execute(_delete, [{f"the_{column.name}": row[column.name] for column in _KEY} for row in rows])
        tx.execute(_insert, rows)


def _case(row: Any) -> Case:
    members = row._asdict()
    return Case(**members | {"severity": Severity(row.severity), "state": CaseState(row.state)})


def _done(_: object) -> None:
    """A unit that has nothing to tell."""
