from __future__ import annotations

import pytest
import sqlalchemy as sa

import leadglass.index.schema  # noqa: F401 (study_keys refers to its studies)
from leadglass.db.engine import metadata
from leadglass.store import keys
from leadglass.store.schema import study_keys

RING = keys.Keyring.from_master(bytes(range(32)))


@pytest.fixture
def connection():
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine, tables=[study_keys])
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_a_wrapped_study_key_comes_back_from_its_row(connection):
    study_key = keys.new_key()
    row = {"study_id": 7, "wrapped": RING.wrap_study_key(study_key), "created": 2**41}
    connection.execute(sa.insert(study_keys), row)
    assert RING.unwrap_study_key(connection.scalar(sa.select(study_keys.c.wrapped))) == study_key


def test_a_study_has_one_key(connection):
    row = {"study_id": 7, "wrapped": bytes(40), "created": 0}
    connection.execute(sa.insert(study_keys), row)
    with pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.insert(study_keys), row)


def test_it_refers_to_a_study_of_the_same_type():
    (reference,) = study_keys.c.study_id.foreign_keys
    assert reference.column.table.name == "studies"
    assert isinstance(study_keys.c.study_id.type, type(reference.column.type))
