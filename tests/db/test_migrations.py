"""The schema's history against the tables the packages define, on both databases."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

import leadglass.access.schema
import leadglass.index.commitments
import leadglass.index.schema
import leadglass.index.transfers
import leadglass.index.upkeep_schema
import leadglass.index.watched
import leadglass.record.schema
import leadglass.store.schema  # noqa: F401 - each import adds its tables to `metadata`
from leadglass.db import migrations
from leadglass.db.engine import metadata
from leadglass.db.sqlcipher import SealedFile
from leadglass.errors import HomeNewer, KeyWrong, StorageFull, Unavailable

from .conftest import Site

# Numbers that rows get are left out: a sequence may be there that nobody asks any more.
_CATALOG = (
    """SELECT table_name, column_name, data_type, character_maximum_length, collation_name, is_nullable,
       CASE WHEN NOT starts_with(column_default, 'nextval(') THEN column_default END
       FROM information_schema.columns WHERE table_schema = 'public'""",
    """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
       WHERE connamespace = 'public'::regnamespace""",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
)


def in_database(site: Site, work: Callable[[sa.Connection], Any]) -> Any:
    engine = site.engine()
    try:
        with engine.begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


def tables(site: Site) -> set[str]:
    return set(in_database(site, lambda connection: sa.inspect(connection).get_table_names()))


def differences(connection: sa.Connection) -> list[Any]:
    """Between the database and the packages' tables, as Alembic sees them."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    return compare_metadata(MigrationContext.configure(connection), metadata)


def catalog(connection: sa.Connection) -> list[set[Any]]:
    return [set(map(tuple, connection.exec_driver_sql(query))) for query in _CATALOG]


def described(site: Site) -> Any:
    """Every table as it can be read back, whatever the order of its columns."""
    return in_database(site, reflected if isinstance(site, SealedFile) else catalog)


def reflected(connection: sa.Connection) -> dict[str, Any]:
    inspector = sa.inspect(connection)
    return {name: _table(inspector, name) for name in inspector.get_table_names()}


def _table(inspector: Any, name: str) -> dict[str, Any]:
    kinds = ("pk_constraint", "columns", "foreign_keys", "unique_constraints", "indexes", "check_constraints")
    return {kind: _plain(getattr(inspector, f"get_{kind}")(name)) for kind in kinds}


def _plain(value: Any) -> Any:
    """Text, for types and conditions are equal to nothing but themselves."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return sorted(str(_plain(each)) for each in value) if isinstance(value, list) else str(value)


def test_every_revision_goes_up_and_down_and_up_again(bare: Site) -> None:
    """Whatever a revision does, its way back leads to what was there before it."""
    revisions = ("base", *migrations.ARCHIVE.revisions)
    seen = {}
    for revision in revisions[1:]:
        migrations.migrate(bare, revision)
        seen[revision] = described(bare)
    assert in_database(bare, differences) == []
    for revision in reversed(revisions[1:-1]):
        migrations.migrate(bare, revision)
        assert described(bare) == seen[revision], revision
    migrations.migrate(bare, "base")
    assert tables(bare) == {"alembic_version"}
    migrations.upgrade(bare)
    assert described(bare) == seen[revisions[-1]]
    assert tables(bare) == set(metadata.tables) | {"alembic_version"}


def test_the_comparison_sees_a_missing_column_and_index(bare: Site) -> None:
    migrations.upgrade(bare)

    def spoilt(connection: sa.Connection) -> object:
        connection.exec_driver_sql("DROP INDEX ix_studies_name_key")
        connection.exec_driver_sql("ALTER TABLE series DROP COLUMN laterality")
        return differences(connection)

    assert len(in_database(bare, spoilt)) == 2


@pytest.mark.postgresql
def test_postgresql_has_the_tables_as_the_packages_define_them(bare: Site) -> None:
    """Collations, defaults, conditions of indexes, names of constraints: all that its catalog says of them."""

    def anew(connection: sa.Connection) -> None:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
        metadata.create_all(connection)

    migrations.upgrade(bare)
    migrated = in_database(bare, catalog)
    in_database(bare, anew)
    defined = in_database(bare, catalog)
    for was, should in zip(migrated, defined, strict=True):
        assert {row for row in was if row[0] != "alembic_version"} == should


@pytest.mark.sqlcipher
def test_what_alembic_does_not_compare_is_as_defined(bare: Site) -> None:
    """Primary keys in their order, WITHOUT ROWID, defaults, names of constraints: the statements, but for white space."""
    migrations.upgrade(bare)

    def stored(connection: sa.Connection) -> dict[str, set[str]]:
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all()
        return {name: _clauses(sql) for name, sql in found if name != "alembic_version"}

    assert isinstance(bare, SealedFile)
    fresh = SealedFile(bare.path.with_name("fresh.db"), bare.key)
    in_database(fresh, metadata.create_all)
    assert in_database(bare, stored) == in_database(fresh, stored)


def _clauses(statement: str) -> set[str]:
    """SQLite writes an added column behind the last one, on its line."""
    lines = re.sub(r", (?=[a-z_]+ [A-Z])", ",\n", statement.replace("\t", "")).splitlines()
    return {line.strip().rstrip(",") for line in lines if line.strip()}


def test_what_is_already_there_is_found_by_the_new_keys(bare: Site) -> None:
    """SOP classes of a study are gathered from its instances, and names folded as they are for new studies."""
    from leadglass.index.names import name_key

    names = ("", "B\u00c4R^J\u00f6rg^^Dr.^", "Stra\u00dfe^Otto", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce")
    migrations.migrate(bare, "0002")

    def fill(connection: sa.Connection) -> None:
        def run(statement: str, **values: Any) -> None:
            connection.execute(sa.text(statement), values)

        run("INSERT INTO departments (id, name, created) VALUES (1, 'A', 0)")
        run("INSERT INTO patients (id, created) VALUES (1, 0)")
        for study, name in enumerate(names):
            run("INSERT INTO studies (id, study_instance_uid, patient, department_id, referring_physician, received)"
                " VALUES (:id, :uid, 1, 1, :name, 0)", id=study, uid=f"1.{study}", name=name)  # fmt: skip
            run("INSERT INTO series (id, series_instance_uid, study_id) VALUES (:id, :uid, :id)",
                id=study, uid=f"2.{study}")  # fmt: skip
        for number, (series, sop_class) in enumerate([(1, "9.9"), (1, "9.1"), (1, "9.9"), (2, "8")]):
            run("INSERT INTO instances (sop_instance_uid, series_id, sop_class_uid, received, blob, wrapped_key, size,"
                " digest, transfer_syntax_uid) VALUES (:uid, :series, :kind, 0, :blob, :key, 1, :key, '1.2')",
                uid=f"3.{number}", series=series, kind=sop_class, blob=str(number), key=b"\0")  # fmt: skip

    in_database(bare, fill)
    migrations.upgrade(bare)
    read = "SELECT sop_classes, referring_key FROM studies ORDER BY id"
    found = in_database(bare, lambda c: c.exec_driver_sql(read).all())
    assert [tuple(row) for row in found] == [  # type: ignore[attr-defined]
        (classes, name_key(name)) for classes, name in zip(("", "9.1\\9.9", "8", ""), names, strict=True)
    ]


def test_a_second_upgrade_does_nothing_and_needs_no_alembic(
    bare: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations.upgrade(bare)
    monkeypatch.setattr(migrations, "migrate", None)
    migrations.upgrade(bare)
    assert migrations.current(bare) == migrations.ARCHIVE.head


def test_a_database_of_a_later_version_is_not_touched(bare: Site) -> None:
    migrations.upgrade(bare)
    in_database(bare, lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    before = described(bare), bare.path.read_bytes() if isinstance(bare, SealedFile) else b""
    with pytest.raises(HomeNewer, match="later version"):
        migrations.upgrade(bare)
    assert before == (described(bare), bare.path.read_bytes() if isinstance(bare, SealedFile) else b"")
    assert migrations.current(bare) == "9999"


@pytest.mark.sqlcipher
def test_another_key_is_refused(bare: Site) -> None:
    migrations.upgrade(bare)
    with pytest.raises(KeyWrong):
        migrations.upgrade(SealedFile(bare.path, bytes(32)))


def test_what_was_kept_aside_before_stays_under_its_study_s_key(bare: Site) -> None:
    """And back again, but for what the older schema has no place for."""
    migrations.migrate(bare, "0004")

    def fill(connection: sa.Connection) -> None:
        run = connection.exec_driver_sql
        run("INSERT INTO departments (id, name, created) VALUES (1, 'A', 0)")
        run("INSERT INTO patients (id, patient_id, issuer, anchor, created) VALUES (1, '', '', '', 0)")
        run(
            "INSERT INTO studies (id, study_instance_uid, patient, department_id, received) "
            "VALUES (7, '1.2', 1, 1, 0)"
        )
        keep(connection, id=3, reason="other-content", study_id=7, sop_instance_uid="1.2.3", blob="a")

    in_database(bare, fill)
    migrations.upgrade(bare)
    kept = (
        "SELECT id, study_id, department_id, sop_instance_uid, source, received, blob, size FROM kept_aside"
    )
    before = [(3, 7, 1, "1.2.3", "x", 5, "a", 9)]
    assert in_database(bare, lambda c: list(map(tuple, c.exec_driver_sql(kept)))) == before
    assert in_database(bare, lambda c: c.exec_driver_sql("SELECT own_key FROM kept_aside").scalar()) == 0
    aside = {"id": 4, "reason": "unreadable", "study_id": None, "sop_instance_uid": "", "blob": "b"}
    in_database(bare, lambda c: keep(c, own_key=True, **aside))
    migrations.migrate(bare, "0004")
    assert in_database(bare, lambda c: list(map(tuple, c.exec_driver_sql(kept)))) == before


def keep(connection: sa.Connection, **columns: Any) -> None:
    columns |= {"department_id": 1, "source": "x", "received": 5, "size": 9, "wrapped_key": b"\0"}
    columns |= {"digest": columns["blob"].encode(), "transfer_syntax_uid": "1.2.840.10008.1.2"}
    table = sa.table("kept_aside", *map(sa.column, columns))
    connection.execute(sa.insert(table), columns)


def test_a_revision_that_fails_leaves_the_database_as_it_was(bare: Site) -> None:
    """`kept_aside` is there already, so the revision fails half way; not one of its tables stays."""
    in_database(bare, lambda c: c.exec_driver_sql("CREATE TABLE kept_aside (id INTEGER)"))
    with pytest.raises(Unavailable):
        migrations.upgrade(bare)
    assert tables(bare) == {"kept_aside"}


@pytest.mark.sqlcipher
def test_a_full_disk_is_called_that(bare: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    in_database(bare, lambda c: c.exec_driver_sql("CREATE TABLE other (id INTEGER)"))
    engine = bare.engine()
    sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA max_page_count = 4"))
    monkeypatch.setattr(SealedFile, "engine", lambda _: engine)
    with pytest.raises(StorageFull):
        migrations.migrate(bare, migrations.ARCHIVE.head)


def test_the_list_of_revisions_is_that_of_the_files() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", os.path.dirname(migrations.__file__))
    scripts = ScriptDirectory.from_config(config)
    oldest_first = tuple(reversed([script.revision for script in scripts.walk_revisions()]))
    assert oldest_first == migrations.ARCHIVE.revisions
    assert scripts.get_current_head() == migrations.ARCHIVE.head
