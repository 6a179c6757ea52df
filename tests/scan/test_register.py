"""The register: what is written once stays, and what was not written is asked again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import sqlcipher3.dbapi2 as sqlcipher

from leadglass.db import migrations
from leadglass.db.sqlcipher import SealedFile
from leadglass.errors import KeyMissing, KeyWrong, NotFound, StorageFull, Tampered
from leadglass.scan import schema
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.register import Done, Judgement, Register, Tally
from leadglass.scan_home import open_register, register_folder

KEY = bytes(range(32))
NOW = 1_800_000_000_000


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    path = tmp_path / "register.db"
    migrations.upgrade(SealedFile(path, KEY), migrations.REGISTER)
    made = Register(SealedFile(path, KEY).open(readers=2))
    yield made
    made.close()


def seen(address: str, port: int = 104, **said: object) -> Observation:
    return Observation("associate", address, port, NOW, 5, Outcome.ACCEPTED, {"called": "A"}, said)  # type: ignore[arg-type]


def test_the_migrated_schema_is_the_one_that_is_defined(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    path = tmp_path / "register.db"
    migrations.upgrade(SealedFile(path, KEY), migrations.REGISTER)
    engine = SealedFile(path, KEY).engine()
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        connection.exec_driver_sql("ALTER TABLE surveys DROP COLUMN vantage")
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) != []
    engine.dispose()
    migrations.migrate(SealedFile(path, KEY), "base", migrations.REGISTER)
    engine = SealedFile(path, KEY).engine()
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_a_survey_and_what_it_saw(register: Register) -> None:
    survey = register.begin("text", {"ports": [1]}, 2, "here", NOW)
    two = [seen("10.0.0.2"), seen("10.0.0.2", 105, accepted=("1.2",))]
    again = [Done("10.0.0.10", [seen("10.0.0.10")], NOW), Done("10.0.0.2", [seen("10.0.0.2")], NOW)]
    register.write_hosts(survey.id, [Done("10.0.0.2", two, NOW), *again]).result()
    register.write_hosts(survey.id, again).result()
    register.block_done(survey.id, 1, Tally(3, 2, 1)).result()
    assert register.survey() == register.survey(survey.id) == survey
    assert register.blocks_done(survey.id) == {1}
    assert register.hosts_done(survey.id) == {"10.0.0.2", "10.0.0.10"}
    assert register.tally(survey.id) == Tally(3, 2, 1)
    found = dict(register.observations(survey.id))
    assert found["10.0.0.2"] == [seen("10.0.0.2"), seen("10.0.0.2", 105, accepted=("1.2",))]
    register.finish(survey.id, NOW + 1)
    assert register.surveys()[0].finished == NOW + 1


def test_a_host_is_written_once_whether_it_comes_again_at_once_or_later(register: Register) -> None:
    survey = register.begin("text", {}, 1, "here", NOW)
    later = register.begin("text", {}, 1, "here", NOW)
    for port, wait in ((104, False), (105, True), (106, True)):
        done = register.write_hosts(survey.id, [Done("10.0.0.1", [seen("10.0.0.1", port)], NOW)])
        if wait:
            done.result()
    register.write_hosts(later.id, [Done("10.0.0.1", [seen("10.0.0.1", 107)], NOW)]).result()
    assert dict(register.observations(survey.id)) == {"10.0.0.1": [seen("10.0.0.1", 104)]}
    assert dict(register.observations(later.id)) == {"10.0.0.1": [seen("10.0.0.1", 107)]}


def test_a_block_is_not_done_when_one_of_its_hosts_was_not_written(register: Register) -> None:
    """Whoever goes on would never ask it again. They are one transaction, or one after the other."""

    def full(*given: Any) -> None:
        if "INSERT INTO observations" in given[2]:
            raise sa.exc.OperationalError("", {}, sqlcipher.OperationalError("database or disk is full"))

    survey = register.begin("text", {}, 1, "here", NOW)
    sa.event.listen(register._db._writer._engine, "before_cursor_execute", full)
    begun, go = threading.Event(), threading.Event()
    register._db.write(lambda _: (begun.set(), go.wait(30)))
    assert begun.wait(30)
    hosts = [register.write_hosts(survey.id, [Done("10.0.0.1", [seen("10.0.0.1")], NOW)])]
    block = register.block_done(survey.id, 1, Tally(), hosts)
    go.set()
    assert isinstance(hosts[0].exception(30), StorageFull)
    assert isinstance(block.exception(30), StorageFull)
    assert isinstance(register.block_done(survey.id, 1, Tally(), hosts).exception(30), StorageFull)
    assert register.blocks_done(survey.id) == set()


def test_many_hosts_are_read_page_by_page(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = register.begin("text", {}, 1, "here", NOW)
    addresses = [f"10.0.{n // 200}.{n % 200}" for n in range(450)]
    for address in addresses:
        last = register.write_hosts(survey.id, [Done(address, [seen(address)], NOW)])
    last.result()
    assert sorted(address for address, _ in register.observations(survey.id)) == sorted(addresses)


def test_what_people_overruled_holds_until_its_end(register: Register) -> None:
    register.overrule(Judgement("honeypot 10.0.0.1", NOW, NOW + 10, "root", "it is ours"))
    register.overrule(Judgement("honeypot 10.0.0.1", NOW, NOW + 20, "root", "it is ours, really"))
    assert register.overruled(NOW + 15)["honeypot 10.0.0.1"].reason == "it is ours, really"
    assert register.overruled(NOW + 20) == {}


def test_a_seed_is_made_once(register: Register) -> None:
    first = register.seed("closure", lambda: bytes(32), NOW)
    assert register.seed("closure", lambda: bytes([1]) * 32, NOW) == first == bytes(32)


def test_no_survey(register: Register) -> None:
    with pytest.raises(NotFound):
        register.survey()


def test_a_register_is_made_at_its_first_use(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "LEADGLASS_MASTER_KEY_FILE": str(tmp_path / "a home's.key")}
    with open_register(environ) as register:
        register.begin("text", {}, 1, "here", NOW)
    with open_register(environ) as register:
        assert register.survey().vantage == "here"
    folder = register_folder(environ)
    assert not (tmp_path / "a home's.key").exists()
    assert b"here" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    [key] = (tmp_path / ".config" / "leadglass").iterdir()
    text = key.read_text()
    key.unlink()
    with pytest.raises(KeyMissing), open_register(environ):
        pass
    key.write_text(text.replace("key ", "key f", 1))
    key.chmod(0o600)
    with pytest.raises(KeyWrong), open_register(environ):
        pass
    (folder / "register.json").write_text("{}")
    with pytest.raises(Tampered), open_register(environ):
        pass
