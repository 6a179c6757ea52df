"""What a unit of work sees of the write transaction it runs in."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import sqlalchemy as sa

from leadglass.db.prepared import Parameters, Prepared, executor

Unit = Callable[["Transaction"], Any]


class Transaction:
    """One attempt of a group of units. Dies with the attempt, and so does `state`.

    `state` holds what units of one group share (the record's buffered entries). Actions given to
    `before_commit` run once each, in the order they were first registered, when all units have run.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.state: dict[Hashable, Any] = {}
        self._executor = executor(connection)
        self._final: dict[Hashable, Callable[[Transaction], None]] = {}

    def execute(
        self, statement: sa.Executable, parameters: dict[str, Any] | Sequence[dict[str, Any]] | None = None
    ) -> sa.CursorResult[Any]:
        return self.connection.execute(statement, parameters)

    def fetch(self, prepared: Prepared, parameters: Parameters) -> Sequence[Sequence[Any]]:
        """All rows that a select finds."""
        return self._executor.fetch(prepared, parameters)

    def insert(self, prepared: Prepared, values: Parameters) -> int:
        """Insert one row; the number it was given."""
        return self._executor.insert(prepared, values)

    def change(self, prepared: Prepared, parameters: Parameters | Sequence[Parameters]) -> int:
        """Update, delete, or insert many rows; how many they were."""
        return self._executor.change(prepared, parameters)

    def before_commit(self, key: Hashable, action: Callable[[Transaction], None]) -> None:
        self._final.setdefault(key, action)

    def seal(self) -> None:
        """Run what must happen last. An action may register further ones."""
        while self._final:
            actions, self._final = self._final, {}
            for action in actions.values():
                action(self)
