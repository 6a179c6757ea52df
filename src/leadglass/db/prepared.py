"""Statements that every received object needs, compiled once and handed to the driver as they are.

SQLAlchemy looks a statement up, and builds a context and a result around it, each time it is executed: 40 µs
where SQLite itself needs 4. A dozen of them stood in the way of each object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

import sqlalchemy as sa

Parameters = Mapping[str, Any]


class Prepared:
    """A statement of SQLAlchemy Core for the methods of `Transaction` that take one.

    `columns`: of an insert, those that are given. Values have to be what a driver takes and gives as it is:
    text, whole numbers, bytes, None.
    """

    __slots__ = ("_columns", "_fixed", "_pick", "statement", "text")

    def __init__(
        self, statement: sa.Select[Any] | sa.UpdateBase, columns: Sequence[str] | None = None
    ) -> None:
        self.statement = statement
        self.text = ""
        self._columns = columns
        self._pick: Callable[[Parameters], Sequence[Any]] = _picker(())
        self._fixed: Parameters = {}  # what the statement itself says

    def compile(self, dialect: sa.Dialect) -> None:
        """For SQLite, once: there is one dialect of it in the program."""
        columns = list(self._columns) if self._columns is not None else None
        statement = self.statement
        if isinstance(statement, sa.Insert):
            statement = statement.inline()  # a column's default is part of it
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
        names = compiled.positiontup or ()
        self._fixed = {name: compiled.params[name] for name in names if not compiled.binds[name].required}
        self._pick = _picker(names)
        self.text = compiled.string

    def values(self, parameters: Parameters) -> Sequence[Any]:
        """In the order in which the text wants them."""
        if self._fixed:
            parameters = {**self._fixed, **parameters}
        return self._pick(parameters)


def _picker(names: Sequence[str]) -> Callable[[Parameters], Sequence[Any]]:
    """Takes the values of these names, in their order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda parameters: [parameters[name] for name in names]


class Executor(Protocol):
    """One connection inside of a transaction."""

    def fetch(self, prepared: Prepared, parameters: Parameters) -> Sequence[Sequence[Any]]: ...
    def insert(self, prepared: Prepared, values: Parameters) -> int: ...
    def change(self, prepared: Prepared, parameters: Parameters | Sequence[Parameters]) -> int: ...


def executor(connection: sa.Connection) -> Executor:
    return Direct(connection) if connection.dialect.name == "sqlite" else Usual(connection)


class Direct:
    """Past SQLAlchemy to SQLite's driver. Errors come out as SQLAlchemy's, without a parameter in them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._dialect = connection.dialect
        self._driver: Any = connection.connection.dbapi_connection
        self._errors = connection.dialect.loaded_dbapi.Error

    def fetch(self, prepared: Prepared, parameters: Parameters) -> Sequence[Sequence[Any]]:
        rows: list[tuple[Any, ...]] = self._one(prepared, parameters).fetchall()
        return rows

    def insert(self, prepared: Prepared, values: Parameters) -> int:
        return int(self._one(prepared, values).lastrowid)

    def change(self, prepared: Prepared, parameters: Parameters | Sequence[Parameters]) -> int:
        if isinstance(parameters, (dict, Mapping)):  # dict first: to ask an abstract class costs 1 µs
            return int(self._one(prepared, parameters).rowcount)
        if not prepared.text:
            prepared.compile(self._dialect)
        values = [*map(prepared.values, parameters)]
        return int(self._executed(self._dialect.do_executemany, prepared.text, values).rowcount)

    def _one(self, prepared: Prepared, parameters: Parameters) -> Any:
        if not prepared.text:
            prepared.compile(self._dialect)
        return self._executed(self._dialect.do_execute, prepared.text, prepared.values(parameters))

    def _executed(self, execute: Callable[..., None], text: str, values: Sequence[Any]) -> Any:
        """The driver's cursor, by the same two calls of the dialect that SQLAlchemy would make."""
        try:
            cursor = self._driver.cursor()
            execute(cursor, text, values)
        except self._errors as error:
            raise sa.exc.DBAPIError.instance(
                text, None, error, self._errors, hide_parameters=True, dialect=self._dialect
            ) from error
        return cursor


class Usual:
    """As SQLAlchemy does it, for PostgreSQL."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def fetch(self, prepared: Prepared, parameters: Parameters) -> Sequence[Sequence[Any]]:
        return self._connection.execute(prepared.statement, dict(parameters)).all()

    def insert(self, prepared: Prepared, values: Parameters) -> int:
        done = self._connection.execute(prepared.statement, dict(values))
        return int(done.inserted_primary_key[0])  # type: ignore[index]

    def change(self, prepared: Prepared, parameters: Parameters | Sequence[Parameters]) -> int:
        given = dict(parameters) if isinstance(parameters, Mapping) else [dict(each) for each in parameters]
        return self._connection.execute(prepared.statement, given).rowcount
