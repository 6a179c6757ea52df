"""Short read transactions from a pool of connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from leadglass.errors import StorageFailed, Unavailable


@contextmanager
def reading(
    engine: sa.Engine, fault: Callable[[sa.exc.DBAPIError], Unavailable | None]
) -> Iterator[sa.Connection]:
    """A connection inside of a transaction. Unavailable when all are in use, or the database is not there;
    StorageFailed when it is damaged."""
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    except sa.exc.TimeoutError as error:
        raise Unavailable("Too many questions at once. Try again in a moment.") from error
    except sa.exc.DBAPIError as error:
        found = fault(error)
        if isinstance(found, StorageFailed):
            raise found from error
        raise Unavailable("The index cannot be read right now.") from error
