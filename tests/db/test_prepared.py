"""Statements handed straight to the driver: the same rows, numbers and errors as the usual way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.db.prepared import Direct, Executor, Prepared, Usual
from leadglass.db.prepared import executor as chosen

CUPS = sa.Table(
    "cups",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(20), unique=True, nullable=False),
    sa.Column("content", sa.LargeBinary),
    sa.Column("sips", sa.Integer, nullable=False, server_default="0"),
)
ADD = Prepared(sa.insert(CUPS), ["content", "name"])
FIND = Prepared(
    sa.select(CUPS.c.id, CUPS.c.name, CUPS.c.content, CUPS.c.sips)
    .where(CUPS.c.name >= sa.bindparam("first"), CUPS.c.sips < 5)
    .order_by(CUPS.c.id)
)
SIP = Prepared(
    sa.update(CUPS)
    .where(CUPS.c.name == sa.bindparam("which"))
    .values(sips=CUPS.c.sips + sa.bindparam("more"))
)


@pytest.fixture
def connection(bare: Any) -> Iterator[sa.Connection]:
    engine = bare.engine()
    with engine.connect() as connection, connection.begin() as begun:
        CUPS.create(connection)
        yield connection
        begun.rollback()
    engine.dispose()


@pytest.fixture(params=[pytest.param(Direct, marks=pytest.mark.sqlcipher), Usual])
def executor(request: pytest.FixtureRequest, connection: sa.Connection) -> Executor:
    made: Executor = request.param(connection)
    return made


def test_each_database_goes_its_way(kind: str, connection: sa.Connection) -> None:
    assert type(chosen(connection)) is {"sqlcipher": Direct, "postgresql": Usual}[kind]


def test_rows_and_numbers_are_the_same_either_way(executor: Executor) -> None:
    assert executor.insert(ADD, {"name": "a", "content": b"\0tea"}) == 1
    assert executor.insert(ADD, {"content": None, "name": "b"}) == 2
    assert executor.change(SIP, {"more": 2, "which": "b"}) == 1
    assert executor.change(SIP, {"more": 2, "which": "c"}) == 0
    assert executor.change(SIP, [{"which": "a", "more": 1}, {"which": "b", "more": 1}]) == 2
    rows = executor.fetch(FIND, {"first": "a"})
    assert [tuple(row) for row in rows] == [(1, "a", b"\0tea", 1), (2, "b", None, 3)]
    assert [tuple(row) for row in executor.fetch(FIND, {"first": "b"})] == [(2, "b", None, 3)]
    assert not executor.fetch(FIND, {"first": "c"})


def test_what_the_statement_says_itself_counts(executor: Executor) -> None:
    executor.insert(ADD, {"name": "a", "content": None})
    executor.change(SIP, {"which": "a", "more": 5})
    assert not executor.fetch(FIND, {"first": "a"})


def test_errors_are_sqlalchemy_s_and_hold_no_value(executor: Executor) -> None:
    executor.insert(ADD, {"name": "Roth^Anna", "content": None})
    with pytest.raises(sa.exc.IntegrityError) as caught:
        executor.insert(ADD, {"name": "Roth^Anna", "content": None})
    assert "Roth" not in str(caught.value)


@pytest.mark.sqlcipher
def test_a_parameter_that_is_missing_is_an_error(connection: sa.Connection) -> None:
    with pytest.raises(KeyError):
        Direct(connection).fetch(FIND, {})
