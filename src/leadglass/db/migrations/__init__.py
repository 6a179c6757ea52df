"""The schema's history: Alembic's revisions, run by the program itself.

Alembic is only imported when there is something to do: a start asks one query.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from leadglass.db.engine import migration_engine, not_opened
from leadglass.db.reserve import release_to_open
from leadglass.db.turnstile import Turnstile
from leadglass.errors import HomeNewer, StorageFailed, StorageFull, Unavailable

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class History:
    """The revisions of one kind of database, oldest first, and the folder here that has them."""

    folder: str
    revisions: tuple[str, ...]

    @property
    def head(self) -> str:
        return self.revisions[-1]

    @property
    def scripts(self) -> Path:
        return _HERE / self.folder


# A test compares them with the folders.
ARCHIVE: Final = History("versions", ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009"))
REGISTER: Final = History("register", ("0001",))

_HAS_VERSION = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
_VERSION = "SELECT version_num FROM alembic_version"


def current(path: Path, key: bytes) -> str | None:
    """The revision of the database at `path`, None for an empty one.

    KeyWrong when `key` does not open it, StorageFailed when the disk does not let it.
    """
    engine = migration_engine(path, key)
    try:
        with engine.connect() as connection:
            if not connection.exec_driver_sql(_HAS_VERSION).scalar_one():
                return None
            return connection.exec_driver_sql(_VERSION).scalar_one_or_none()
    except sa.exc.DatabaseError as error:
        raise not_opened(error.orig) from error
    finally:
        engine.dispose()


def upgrade(path: Path, key: bytes, history: History = ARCHIVE) -> None:
    """Bring the database at `path` to this version's schema.

    HomeNewer, and nothing touched, when a later version of the program has been here. On a full disk the
    space kept back for the record lets it open: SQLite needs some for the index of its log.
    """
    try:
        revision = current(path, key)
    except StorageFailed:
        if not release_to_open(path.parent):
            raise
        revision = current(path, key)
    if revision == history.head:
        return
    if revision is not None and revision not in history.revisions:
        raise HomeNewer(
            "This database was written by a later version of Leadglass. Install that version. "
            "Nothing was touched."
        )
    migrate(path, key, history.head, history)


def migrate(path: Path, key: bytes, target: str, history: History = ARCHIVE) -> None:
    """Go up to the revision `target`, or down to "base". One transaction, no other writer at work."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("version_locations", str(history.scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    turnstile = Turnstile(path.parent)
    engine = migration_engine(path, key)
    try:
        with turnstile.passed(), engine.connect() as connection:
            config.attributes["connection"] = connection
            (command.downgrade if target == "base" else command.upgrade)(config, target)
    except sa.exc.DatabaseError as error:
        if "full" in str(error.orig):
            raise StorageFull("The disk is full, so the database could not be set up.") from error
        raise Unavailable("The database could not be brought to this version's form.") from error
    finally:
        engine.dispose()
        turnstile.close()
