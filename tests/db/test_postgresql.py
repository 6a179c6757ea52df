"""What is PostgreSQL's own: who writes when, what a lost server means, and which servers will do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from leadglass.db import migrations
from leadglass.db.engine import Transaction
from leadglass.db.postgresql import ServerDatabase
from leadglass.errors import StorageFailed, StorageFull, Unavailable

pytestmark = pytest.mark.postgresql

NAME = "ROENTGEN^ANNA"
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'it is so' USING ERRCODE = '{}'; END $$"


@pytest.fixture(autouse=True)
def _only_here(kind: str) -> None:
    """The mark chooses by this."""


def run(statement: str) -> Callable[[Transaction], None]:
    return lambda tx: tx.execute(sa.text(statement)) and None


@contextmanager
def connected(server: Any) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else's connection to the same database."""
    with server.connect("bare0") as connection:
        yield connection


@contextmanager
def setting(server: Any, name: str, value: str) -> Iterator[None]:
    """As whoever runs the server could have it for this database."""
    with connected(server) as connection:
        connection.execute(f"ALTER DATABASE bare0 SET {name} = {value}")
    try:
        yield
    finally:
        with connected(server) as connection:
            connection.execute(f"ALTER DATABASE bare0 RESET {name}")


def end_connections(server: Any, but: int = 0) -> None:
    with connected(server) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = 'bare0' AND pid NOT IN (pg_backend_pid(), %s)",
            [but],
        )


# Who writes when


def test_a_writer_waits_for_the_other_s_transaction_and_sees_it(make: Any) -> None:
    first, second = make(), make()
    with first.held():
        late = second.db.write(lambda tx: tx.execute(sa.text("SELECT count(*) FROM notes")).scalar_one())
        assert not late.done()
        queued = first.write("before")
    assert queued.result(30) == "before"
    assert late.result(30) in (0, 1)
    assert (
        second.db.write(lambda tx: tx.execute(sa.text("SELECT count(*) FROM notes")).scalar_one()).result(30)
        == 1
    )


def test_what_is_read_under_the_lock_is_what_was_committed_before(make: Any) -> None:
    """Many add one to what they have read; under a state from before the wait, some would be lost."""
    desks = [make() for _ in range(3)]
    desks[0].db.write(run("CREATE TABLE counter (n integer)")).result(30)
    desks[0].db.write(run("INSERT INTO counter VALUES (0)")).result(30)

    def count(tx: Transaction) -> None:
        seen = tx.execute(sa.text("SELECT n FROM counter")).scalar_one()
        tx.execute(sa.text("UPDATE counter SET n = :n"), {"n": seen + 1})

    for future in [desk.db.write(count) for _ in range(40) for desk in desks]:
        future.result(60)
    with desks[0].db.read() as connection:
        assert connection.execute(sa.text("SELECT n FROM counter")).scalar_one() == 120


def test_a_writer_that_dies_on_the_floor_frees_it(make: Any, server: Any) -> None:
    first, second = make(), make()
    with first.held() as held:
        waiting = second.write("goes on")
        end_connections(server, but=waiting_backend(server))
        assert waiting.result(30) == "goes on"
    assert isinstance(held.future.exception(30), Unavailable)
    assert first.write("and the first again").result(30)


def waiting_backend(server: Any) -> int:
    """Whoever waits for the lock of writers, as soon as somebody does."""
    with connected(server) as connection:
        for _ in range(1000):
            row = connection.execute(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ).fetchone()
            if row:
                return int(row[0])
            connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody waits")


# What errors mean


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("53100", StorageFull),
        ("58030", StorageFailed),
        ("XX001", StorageFailed),
        ("40001", Unavailable),
        ("40P01", Unavailable),
        ("55P03", Unavailable),
        ("53200", Unavailable),
        ("57014", Unavailable),
    ],
)
def test_an_error_of_the_server_s_is_told_as_ours(desk: Any, state: str, error: type[Exception]) -> None:
    failing = desk.db.write(run(RAISE.format(state)))
    assert type(failing.exception(30)) is error
    assert desk.write("goes on").result(30) == "goes on"


def test_an_error_of_the_statement_s_own_is_the_unit_s(desk: Any) -> None:
    assert isinstance(desk.db.write(run("SELECT 1 / 0")).exception(30), sa.exc.DataError)


@pytest.mark.parametrize(
    ("state", "error"), [("53100", StorageFull), ("40001", Unavailable), ("23514", sa.exc.IntegrityError)]
)
def test_a_commit_that_the_server_refuses_left_nothing(desk: Any, state: str, error: type[Exception]) -> None:
    """What is checked at the end of the transaction fails in COMMIT itself."""
    desk.db.write(
        run(
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.text = 'no' THEN "
            f"RAISE EXCEPTION 'it is so' USING ERRCODE = '{state}'; END IF; RETURN NULL; END $$"
        )
    ).result(30)
    trigger = (
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    )
    desk.db.write(run(f"{trigger} EXECUTE FUNCTION refuse()")).result(30)
    with desk.held():
        good, bad = desk.write("yes"), desk.write("no")
    assert good.result(30) == "yes"
    assert type(bad.exception(30)) is error
    assert desk.write("goes on").result(30)
    assert desk.notes_elsewhere() == ["yes", "goes on"]


@pytest.mark.parametrize("committed", [False, True])
def test_a_server_lost_during_commit_leaves_it_open_what_became_of_it(
    desk: Any, server: Any, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """Nobody is told success, and nothing is tried again: it may be there. The writer goes on."""
    desk.write("safe").result(30)
    dialect = desk.writing.dialect
    real = dialect.do_commit

    def lost(connection: Any) -> None:
        if committed:
            connection.commit()
        end_connections(server)
        connection.dbapi_connection.execute("SELECT 1")  # as COMMIT would meet it
        raise AssertionError("the server is still there")

    monkeypatch.setattr(dialect, "do_commit", lost)
    with desk.held():
        group = [desk.write("one"), desk.write("two")]
    for future in group:
        assert isinstance(future.exception(30), StorageFailed)
    monkeypatch.setattr(dialect, "do_commit", real)
    assert desk.write("three").result(30) == "three"
    assert desk.notes_elsewhere() == ["safe", *["one", "two"] * committed, "three"]


def test_a_server_lost_before_commit_has_taken_nothing(desk: Any, server: Any) -> None:
    def unit(tx: Transaction) -> None:
        desk.note("gone")(tx)
        end_connections(server)
        desk.note("too late")(tx)

    assert isinstance(desk.db.write(unit).exception(30), Unavailable)
    assert desk.write("goes on").result(30)
    assert desk.notes() == ["goes on"]


def test_a_unit_that_goes_on_after_an_error_does_not_pass_for_committed(desk: Any) -> None:
    """COMMIT would be a ROLLBACK, and say so to nobody."""

    def unit(tx: Transaction) -> str:
        desk.note("lost")(tx)
        with pytest.raises(sa.exc.DataError):
            tx.execute(sa.text("SELECT 1 / 0"))
        return "done"

    assert isinstance(desk.db.write(unit).exception(30), sa.exc.InternalError)
    assert desk.write("goes on").result(30)
    assert desk.notes_elsewhere() == ["goes on"]


def test_readers_of_a_server_that_went_away_are_told_and_come_again(desk: Any, server: Any) -> None:
    desk.write("there").result(30)
    assert desk.notes() == ["there"]
    end_connections(server)
    with pytest.raises(Unavailable):
        desk.notes()
    assert desk.notes() == ["there"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT CAST(:value AS integer)",  # invalid input syntax for type integer: "…"
        "INSERT INTO notes (text) SELECT :value FROM generate_series(1, 2)",  # Key (text)=(…) already exists
        "SELECT CAST(:value || chr(0) AS text)",
    ],
)
def test_the_server_s_words_hold_no_value(desk: Any, statement: str) -> None:
    error: BaseException | None = desk.db.write(
        lambda tx: tx.execute(sa.text(statement), {"value": NAME})
    ).exception(30)
    assert error is not None
    while error is not None:
        assert NAME not in str(error)
        assert NAME not in repr(error)
        error = error.__cause__


# Which servers will do


def test_without_synchronous_commit_nothing_is_committed(bare: Any, make: Any, server: Any) -> None:
    desk = make()
    desk.write("durable").result(30)
    with setting(server, "synchronous_commit", "off"):
        end_connections(server)
        assert isinstance(desk.write("meets a closed connection").exception(30), Unavailable)
        with pytest.raises(StorageFailed, match="synchronous_commit is off"):
            desk.write("one").result(30)
        with pytest.raises(StorageFailed, match="synchronous_commit is off"):
            bare.open()
        with pytest.raises(StorageFailed):
            migrations.upgrade(bare)
    end_connections(server)
    assert isinstance(desk.write("meets a closed connection").exception(30), Unavailable)
    assert desk.write("durable again").result(30)
    assert desk.notes_elsewhere() == ["durable", "durable again"]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_kind_does_not_open(server: Any, encoding: str) -> None:
    with connected(server) as connection:
        connection.execute(f"CREATE DATABASE other ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        try:
            with pytest.raises(StorageFailed, match="CREATE DATABASE"):
                server.site("other").open()
        finally:
            connection.execute("DROP DATABASE other")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    site = ServerDatabase("postgresql://nobody:SECRET@127.0.0.1:9/none")
    for ask in (site.exists, site.open, lambda: migrations.current(site)):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert "SECRET" not in str(caught.value.__cause__)
    assert "SECRET" not in repr(site)


def test_it_is_there_when_it_has_a_table(bare: Any) -> None:
    assert not bare.exists()
    migrations.upgrade(bare)
    assert bare.exists()


def test_readers_and_writers_are_as_they_have_to_be(desk: Any) -> None:
    asked = sa.text(
        "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    )
    with desk.db.read() as connection:
        assert connection.execute(asked).one() == ("repeatable read", "on")
    assert desk.db.write(lambda tx: tuple(tx.execute(asked).one())).result(30) == ("read committed", "off")


def test_schema_changes_wait_for_the_writer(bare: Any, make: Any) -> None:
    desk = make()
    with desk.held():
        change = threading.Thread(target=migrations.upgrade, args=(bare,))
        change.start()
        change.join(0.2)
        assert change.is_alive()
    change.join(60)
    assert not change.is_alive()
    assert migrations.current(bare) == migrations.ARCHIVE.head
