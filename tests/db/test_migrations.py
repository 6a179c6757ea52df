"""The schema's history against the tables the packages define."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

import leadglass.access.schema
import leadglass.index.commitments
import leadglass.index.schema
import leadglass.index.transfers
import leadglass.index.upkeep
import leadglass.record.schema
import leadglass.store.schema  # noqa: F401 - each import adds its tables to `metadata`
from leadglass.db import migrations
from leadglass.db.engine import metadata, migration_engine
from leadglass.errors import HomeNewer, KeyWrong, StorageFull, Unavailable

KEY = bytes(range(32))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


def in_database(path: Path, work: Callable[[sa.Connection], object]) -> object:
    engine = migration_engine(path, KEY)
    try:
        with engine.begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


def tables(path: Path) -> set[str]:
    names = in_database(path, lambda connection: sa.inspect(connection).get_table_names())
    assert isinstance(names, list)
    return set(names)


def test_the_migrated_schema_is_the_one_the_packages_define(database: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrations.upgrade(database, KEY)

    def differences(connection: sa.Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert in_database(database, differences) == []


def test_the_comparison_sees_a_missing_column_and_index(database: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrations.upgrade(database, KEY)

    def spoilt(connection: sa.Connection) -> object:
        connection.exec_driver_sql("DROP INDEX ix_studies_name_key")
        connection.exec_driver_sql("ALTER TABLE series DROP COLUMN laterality")
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert len(in_database(database, spoilt)) == 2  # type: ignore[arg-type]


def test_what_alembic_does_not_compare_is_as_defined(database: Path) -> None:
    """Primary keys in their order, WITHOUT ROWID, defaults, names of constraints: the statements, but for white space."""
    migrations.upgrade(database, KEY)

    def stored(connection: sa.Connection) -> dict[str, set[str]]:
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all()
        return {name: _clauses(sql) for name, sql in found if name != "alembic_version"}

    fresh = database.with_name("fresh.db")
    in_database(fresh, metadata.create_all)
    assert in_database(database, stored) == in_database(fresh, stored)


def _clauses(statement: str) -> set[str]:
    """SQLite writes an added column behind the last one, on its line."""
    lines = re.sub(r", (?=[a-z_]+ [A-Z])", ",\n", statement.replace("\t", "")).splitlines()
    return {line.strip().rstrip(",") for line in lines if line.strip()}


def test_downgrade_leaves_nothing_and_upgrade_brings_everything_back(database: Path) -> None:
    migrations.upgrade(database, KEY)
    full = tables(database)
    migrations.migrate(database, KEY, "base")
    assert tables(database) == {"alembic_version"}
    migrations.upgrade(database, KEY)
    assert tables(database) == full == set(metadata.tables) | {"alembic_version"}


def test_what_is_already_there_is_found_by_the_new_keys(database: Path) -> None:
    """SOP classes of a study are gathered from its instances, and names folded as they are for new studies."""
    from leadglass.index.names import name_key

    names = ("", "B\u00c4R^J\u00f6rg^^Dr.^", "Stra\u00dfe^Otto", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce")
    migrations.migrate(database, KEY, "0002")

    def fill(connection: sa.Connection) -> None:
        run = connection.exec_driver_sql
        run("INSERT INTO departments (id, name, created) VALUES (1, 'A', 0)")
        run("INSERT INTO patients (id, created) VALUES (1, 0)")
        for study, name in enumerate(names):
            values = (study, f"1.{study}", name)
            run("INSERT INTO studies (id, study_instance_uid, patient, department_id, referring_physician, received)"
                " VALUES (?, ?, 1, 1, ?, 0)", values)  # fmt: skip
            run(
                "INSERT INTO series (id, series_instance_uid, study_id) VALUES (?, ?, ?)",
                (study, f"2.{study}", study),
            )
        for number, (series, sop_class) in enumerate([(1, "9.9"), (1, "9.1"), (1, "9.9"), (2, "8")]):
            run("INSERT INTO instances (sop_instance_uid, series_id, sop_class_uid, received, blob, wrapped_key, size,"
                " digest, transfer_syntax_uid) VALUES (?, ?, ?, 0, ?, x'00', 1, x'00', '1.2')",
                (f"3.{number}", series, sop_class, str(number)))  # fmt: skip

    in_database(database, fill)
    migrations.upgrade(database, KEY)
    read = "SELECT sop_classes, referring_key FROM studies ORDER BY id"
    found = in_database(database, lambda c: c.exec_driver_sql(read).all())
    assert [tuple(row) for row in found] == [  # type: ignore[attr-defined]
        (classes, name_key(name)) for classes, name in zip(("", "9.1\\9.9", "8", ""), names, strict=True)
    ]


def test_a_second_upgrade_does_nothing_and_needs_no_alembic(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations.upgrade(database, KEY)
    monkeypatch.setattr(migrations, "migrate", None)
    migrations.upgrade(database, KEY)
    assert migrations.current(database, KEY) == migrations.ARCHIVE.head


def test_a_database_of_a_later_version_is_not_touched(database: Path) -> None:
    migrations.upgrade(database, KEY)
    in_database(database, lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    before = database.read_bytes()
    with pytest.raises(HomeNewer, match="later version"):
        migrations.upgrade(database, KEY)
    assert database.read_bytes() == before


def test_another_key_is_refused(database: Path) -> None:
    migrations.upgrade(database, KEY)
    with pytest.raises(KeyWrong):
        migrations.upgrade(database, bytes(32))


def test_what_was_kept_aside_before_stays_under_its_study_s_key(database: Path) -> None:
    """And back again, but for what the older schema has no place for."""
    migrations.migrate(database, KEY, "0004")

    def fill(connection: sa.Connection) -> None:
        run = connection.exec_driver_sql
        run("INSERT INTO departments (id, name, created) VALUES (1, 'A', 0)")
        run("INSERT INTO patients (id, patient_id, issuer, anchor, created) VALUES (1, '', '', '', 0)")
        run(
            "INSERT INTO studies (id, study_instance_uid, patient, department_id, received) "
            "VALUES (7, '1.2', 1, 1, 0)"
        )
        run(f"INSERT INTO kept_aside VALUES (3, 'other-content', 7, 1, '1.2.3', 'x', 5, {_sealed('a')})")

    in_database(database, fill)
    migrations.upgrade(database, KEY)
    kept = (
        "SELECT id, study_id, department_id, sop_instance_uid, source, received, blob, size FROM kept_aside"
    )
    before = [(3, 7, 1, "1.2.3", "x", 5, "a", 9)]
    assert in_database(database, lambda c: list(map(tuple, c.exec_driver_sql(kept)))) == before
    assert in_database(database, lambda c: c.exec_driver_sql("SELECT own_key FROM kept_aside").scalar()) == 0
    new = f"INSERT INTO kept_aside VALUES (4, 'unreadable', NULL, 1, 1, '', 'x', 5, {_sealed('b')})"
    in_database(database, lambda c: c.exec_driver_sql(new))
    back_to(database, "0004")
    assert in_database(database, lambda c: list(map(tuple, c.exec_driver_sql(kept)))) == before


def _sealed(blob: str) -> str:
    return f"'{blob}', x'00', 9, x'{blob.encode().hex()}', '1.2.840.10008.1.2'"


def back_to(database: Path, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", os.path.dirname(migrations.__file__))

    def down(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    engine = migration_engine(database, KEY)
    try:
        with engine.connect() as connection:
            down(connection)
    finally:
        engine.dispose()


def test_a_revision_that_fails_leaves_the_database_as_it_was(database: Path) -> None:
    """`kept_aside` is there already, so the revision fails half way; not one of its tables stays."""
    in_database(database, lambda c: c.exec_driver_sql("CREATE TABLE kept_aside (id INTEGER)"))
    with pytest.raises(Unavailable):
        migrations.upgrade(database, KEY)
    assert tables(database) == {"kept_aside"}


def test_a_full_disk_is_called_that(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_database(database, lambda c: c.exec_driver_sql("CREATE TABLE other (id INTEGER)"))
    engine = migration_engine(database, KEY)
    sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA max_page_count = 4"))
    monkeypatch.setattr(migrations, "migration_engine", lambda *_: engine)
    with pytest.raises(StorageFull):
        migrations.migrate(database, KEY, migrations.ARCHIVE.head)


def test_the_list_of_revisions_is_that_of_the_files() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", os.path.dirname(migrations.__file__))
    scripts = ScriptDirectory.from_config(config)
    oldest_first = tuple(reversed([script.revision for script in scripts.walk_revisions()]))
    assert oldest_first == migrations.ARCHIVE.revisions
    assert scripts.get_current_head() == migrations.ARCHIVE.head
