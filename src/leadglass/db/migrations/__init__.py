"""The schema's history: Alembic's revisions, run by the program itself.

Alembic is only imported when there is something to do: a start asks one query.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from leadglass.db.engine import Site
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
ARCHIVE: Final = History("versions", tuple(f"{number:04}" for number in range(1, 14)))
REGISTER: Final = History("register", ("0001",))

_VERSION = "SELECT version_num FROM alembic_version"


def current(site: Site) -> str | None:
    """The revision of a database, None for an empty one. What `site.open` raises when it does not open."""
    with site.looking() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.exec_driver_sql(_VERSION).scalar_one_or_none()


def upgrade(site: Site, history: History = ARCHIVE) -> None:
    """Bring a database to this version's schema.

    HomeNewer, and nothing touched, when a later version of the program has been here. On a full disk the
    space kept back for the record lets it open.
    """
    try:
        revision = current(site)
    except StorageFailed:
        if not site.make_room():
            raise
        revision = current(site)
    if revision == history.head:
        return
    if revision is not None and revision not in history.revisions:
        raise HomeNewer(
            "This database was written by a later version of Leadglass. Install that version. "
            "Nothing was touched."
        )
    migrate(site, history.head, history)


def migrate(site: Site, target: str, history: History = ARCHIVE) -> None:
    """Go up or down to the revision `target`; below all of them is "base". One transaction, no other writer
    at work."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("version_locations", str(history.scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    try:
        with site.changing() as connection:
            config.attributes["connection"] = connection
            (command.downgrade if _is_below(connection, target, history) else command.upgrade)(config, target)
    except sa.exc.DBAPIError as error:
        if isinstance(site.fault(error), StorageFull):
            raise StorageFull("The disk is full, so the database could not be set up.") from error
        raise Unavailable("The database could not be brought to this version's form.") from error


def _is_below(connection: sa.Connection, target: str, history: History) -> bool:
    if target == "base":
        return True
    if not sa.inspect(connection).has_table("alembic_version"):
        return False
    revision = connection.exec_driver_sql(_VERSION).scalar_one_or_none()
    return revision in history.revisions[history.revisions.index(target) :]
