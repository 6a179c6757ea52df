"""Homes that hold a great many made-up instances: rows and entries on the record, as ingest leaves them; no objects.

Rows are written straight into the tables, a hundred instances to a study of one series; entries by the record's
own writer, and published.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from common import ROOT
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from search import CACHE_KIB, CHECKPOINT_PAGES, NOW, fill

from leadglass.compose import Opened, open_home
from leadglass.db.engine import Transaction
from leadglass.db.sqlcipher import SealedFile
from leadglass.home import open_master, read_home
from leadglass.index import schema
from leadglass.record.entry import Entry
from leadglass.store.keys import Keyring
from leadglass.store.schema import study_keys

PER_STUDY = 100
BATCH = 10_000


def engine_of(root: Path, env: dict[str, str]) -> sa.Engine:
    place = read_home(root)
    return SealedFile(place.database, Keyring.from_master(open_master(place, env)).database_key).engine()


def with_studies(root: Path, env: dict[str, str], studies: int) -> None:
    """Write the rows of that many made-up studies straight into the home's tables."""
    engine = engine_of(root, env)
    try:
        fill(engine, studies)
    finally:
        engine.dispose()


def with_instances(root: Path, env: dict[str, str], instances: int) -> None:
    """The rows of that many instances, a multiple of a hundred, and an entry for each."""
    with_studies(root, env, instances // PER_STUDY)
    engine = engine_of(root, env)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            studies = range(1, instances // PER_STUDY + 1)
            connection.execute(sa.insert(schema.series), [_series(number) for number in studies])
            connection.execute(sa.insert(study_keys), [_key(number) for number in studies])
            connection.execute(sa.update(schema.studies).values(instance_count=PER_STUDY))
            for numbers in _batches(instances):
                connection.execute(sa.insert(schema.instances), [_instance(number) for number in numbers])
    finally:
        engine.dispose()
    with open_home(root, env, lambda: NOW) as opened:
        for numbers in _batches(instances):
            opened.services.db.write(partial(_record, opened, numbers)).result()
        opened.publish()


def _batches(count: int) -> Iterator[range]:
    for first in range(1, count + 1, BATCH):
        yield range(first, min(first + BATCH, count + 1))


def _series(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "series_instance_uid": f"{ROOT}.{number}.1",
        "study_id": number,
        "modality": "CT",
        "number": 1,
        "instance_count": PER_STUDY,
    }


def _key(number: int) -> dict[str, Any]:
    return {"study_id": number, "wrapped": os.urandom(40), "created": NOW}


def _uid(number: int) -> str:
    return f"{ROOT}.{_study(number)}.1.{number}"


def _study(number: int) -> int:
    return (number - 1) // PER_STUDY + 1


def _instance(number: int) -> dict[str, Any]:
    return {
        "sop_instance_uid": _uid(number),
        "series_id": _study(number),
        "sop_class_uid": CTImageStorage,
        "number": (number - 1) % PER_STUDY + 1,
        "rows": 512,
        "columns": 512,
        "bits_allocated": 16,
        "received": NOW,
        "blob": os.urandom(16).hex(),
        "wrapped_key": os.urandom(40),
        "size": 530_000,
        "digest": os.urandom(32),
        "transfer_syntax_uid": ExplicitVRLittleEndian,
    }


def _record(opened: Opened, numbers: range, tx: Transaction) -> None:
    log = opened.services.doorkeeper.log
    for number in numbers:
        entry = Entry(
            actor="ae:1",
            actor_name="BENCH",
            role="device",
            action="object.store",
            via="receive",
            address="192.0.2.7",
            department=1,
            patients=(f"P{_study(number) // 3:07d}",),
            studies=(f"{ROOT}.{_study(number)}",),
            counts={"bytes": 530_000},
            detail={"instance": _uid(number), "source": "a benchmark"},
        )
        log.append(tx, entry, NOW)
