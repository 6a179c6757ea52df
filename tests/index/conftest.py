"""The index on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest
import sqlalchemy as sa

import leadglass.access.schema
import leadglass.store.schema  # noqa: F401 - study_keys refers to studies
from leadglass.access.schema import departments
from leadglass.db.engine import Transaction, metadata
from leadglass.db.numbers import numbers
from leadglass.db.sqlcipher import SealedFile
from leadglass.index import records, schema
from leadglass.index import upkeep_schema as upkeep
from leadglass.index.facts import ObjectFacts
from leadglass.index.fitting import Misfit
from leadglass.index.records import Place
from leadglass.index.rows import Sealed

NOW = 1_760_000_000_000
DEPARTMENTS = (1, 2, 3)
TABLES = [
    departments, schema.patients, schema.studies, schema.study_words, schema.study_modalities,
    schema.series, schema.series_requests, schema.instances, schema.kept_aside, numbers,
    upkeep.lost, upkeep.damage, upkeep.rounds,
    schema.identity_changes, schema.identity_departments, schema.identity_studies, schema.identity_dismissals,
    schema.arrivals, schema.sending_days,
]  # fmt: skip


class Index:
    """The tables of one database. `fresh()` gives a transaction in which they are empty and which leaves none."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @contextmanager
    def fresh(self) -> Iterator[Shelf]:
        with self.engine.connect() as connection, connection.begin() as begun:
            yield Shelf(Transaction(connection))
            begun.rollback()


class Shelf:
    """What a test puts into the index, and how it looks at it."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.connection = tx.connection

    def add(self, facts: ObjectFacts, department: int = 1) -> Place | Misfit:
        """As ingest does for one object, but for its bytes."""
        place = records.place(self.tx, facts, department, NOW)
        if isinstance(place, Place):
            records.add_instance(self.tx, facts, place.series_id, self.sealed(facts, place.study_id), NOW)
        return place

    @staticmethod
    def sealed(facts: ObjectFacts, study_id: int, content: str = "") -> Sealed:
        digest = sha256(f"{facts.sop_instance_uid} {content}".encode()).digest()
        return Sealed(study_id, digest.hex()[:32], bytes(40), 1000, digest, "1.2.840.10008.1.2.1")

    def seal(self) -> Shelf:
        """What the writer does before it commits."""
        self.tx.seal()
        self.tx.state.clear()
        return self

    def rows(self, table: sa.Table, *columns: str) -> list[tuple[Any, ...]]:
        chosen = [table.c[name] for name in columns]
        return [tuple(row) for row in self.connection.execute(sa.select(*chosen).order_by(*chosen))]


def _furnished(engine: sa.Engine) -> Index:
    metadata.create_all(engine, tables=TABLES)
    with engine.begin() as connection:
        rows = [{"id": number, "name": f"Department {number}", "created": NOW} for number in DEPARTMENTS]
        connection.execute(sa.insert(departments), rows)
    return Index(engine)


@pytest.fixture(scope="session")
def sqlcipher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    engine = SealedFile(tmp_path_factory.mktemp("index") / "index.db", bytes(range(32))).engine()
    yield _furnished(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def postgresql(server: Any) -> Iterator[Index]:
    engine = server.bare(number=1).engine()
    yield _furnished(engine)
    engine.dispose()


@pytest.fixture
def index(kind: str, request: pytest.FixtureRequest) -> Index:
    return request.getfixturevalue(kind)  # type: ignore[no-any-return]


@pytest.fixture
def shelf(index: Index) -> Iterator[Shelf]:
    with index.fresh() as shelf:
        yield shelf


@pytest.fixture(scope="session")
def facts() -> Callable[..., ObjectFacts]:
    """Facts of one object; a number makes it the n-th image of its series."""

    def make(number: int = 1, **changes: Any) -> ObjectFacts:
        study = changes.get("study_instance_uid", "1.2.3")
        series = changes.get("series_instance_uid", f"{study}.1")
        given = {
            "sop_instance_uid": f"{series}.{number}",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
            "study_instance_uid": study,
            "series_instance_uid": series,
            "patient_id": "P-1",
            "patient_name": "ROTH^ANNA",
            "modality": "CT",
            "study_date": "20260131",
            "instance_number": number,
        }
        return ObjectFacts(**(given | changes))

    return make
