"""A home with two departments, people of every role in the first, and a way to take objects in and look around."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.access.principal import Context, Kind, Principal, Role, Via, operator
from leadglass.archive.ingest import Outcome
from leadglass.compose import Opened
from leadglass.db.engine import Site, Transaction
from leadglass.errors import StorageFull
from leadglass.record import reader
from leadglass.record.reader import Recorded

sys.path[:0] = [str(Path(__file__).parent)]  # its helpers

NOW = 1_800_000_000_000
OPERATOR = operator(1000, "op")


class Clinic:
    """`own` and `foreign` are the departments; `people` belong to `own`, `stranger` is a doctor of `foreign`."""

    def __init__(self, opened: Opened, site_of: Callable[..., Site], dicom: Any) -> None:
        self.opened = opened
        self.services = opened.services
        self.site_of = site_of
        self.root = opened.home.root
        self.dicom = dicom
        self.now = NOW
        accounts = self.services.accounts
        self.own = accounts.department(OPERATOR, "Radiology", self.context(Via.COMMAND))
        self.foreign = accounts.department(OPERATOR, "Cardiology", self.context(Via.COMMAND))
        roles = [role for role in Role if role not in (Role.OPERATOR, Role.APPLICATION_ENTITY)]
        self.people = {role: self.person(number, role, self.own) for number, role in enumerate(roles, 10)}
        self.doctor = self.people[Role.RADIOLOGIST]
        self.stranger = self.person(99, Role.RADIOLOGIST, self.foreign)

    @staticmethod
    def person(number: int, role: Role, *departments: int) -> Principal:
        name = f"{role.value}-{number}"
        return Principal(
            Kind.USER, number, number, name, name, role, frozenset(departments), f"session:{number}"
        )

    def context(self, via: Via = Via.WEB) -> Context:
        return Context("192.0.2.7" if via is not Via.COMMAND else "", via, self.now)

    def ingest(
        self,
        pieces: Iterable[bytes],
        *,
        department: int | None = None,
        who: Principal = OPERATOR,
        source: str = "import",
        **options: Any,
    ) -> Outcome:
        via = Via.COMMAND if who.kind is Kind.OPERATOR else Via.WEB
        incoming = self.services.ingest.open(
            who, department or self.own, source, self.context(via), **options
        )
        with incoming:
            for piece in pieces:
                incoming.write(piece)
            return incoming.finish().result(30)

    def take_in(self, number: int = 1, *, department: int | None = None, **what: Any) -> Outcome:
        return self.ingest([self.dicom.file(number, **what)], department=department)

    def entries(self, action: str | None = None, **asked: Any) -> list[Recorded]:
        """Oldest first."""
        with self.services.db.read() as connection:
            return reader.entries(connection, action=action, limit=1000, **asked)[::-1]

    def record_size(self) -> int:
        with self.services.db.read() as connection:
            return int(
                connection.execute(sa.text("SELECT coalesce(max(size), 0) FROM log_head")).scalar_one()
            )

    def blobs(self) -> list[Path]:
        return sorted(path for path in (self.root / "objects").rglob("*") if path.is_file())

    def scalar(self, sql: str) -> Any:
        with self.services.db.read() as connection:
            return connection.execute(sa.text(sql)).scalar()

    def sql(self, sql: str, **values: Any) -> None:
        """What somebody with the database key could do."""
        self.services.db.write(lambda tx: tx.execute(sa.text(sql), values)).result(30)

    def retrieved(self, who: Principal, study: str = "1.2.3") -> list[bytes]:
        objects = self.services.retrieve.objects(who, self.context(), study_uid=study)
        return [b"".join(one.chunks) for one in objects]


@pytest.fixture
def site_of(
    kind: str, request: pytest.FixtureRequest, sealed_site: Callable[..., Site]
) -> Callable[..., Site]:
    if kind == "sqlcipher":
        return sealed_site
    site: Site = request.getfixturevalue("server").fresh()
    return lambda home, keyring: site


@pytest.fixture
def clinic(opened: Opened, site_of: Callable[..., Site], dicom: Any) -> Clinic:
    return Clinic(opened, site_of, dicom)


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch, clinic: Clinic) -> Callable[[], None]:
    """From then on nothing more can be put on the record."""

    def silence() -> None:
        log = clinic.services.doorkeeper.log

        def full(tx: Transaction, *_: object) -> int:
            raise StorageFull("The disk is full.")

        monkeypatch.setattr(log, "append", full)

    return silence


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Nothing that is opened in the test stays open. Pools have their connections before."""
    before = open_files()
    yield
    assert open_files() == before


def open_files() -> list[str]:
    """What is open, but for the database's own pool and log, which come and go with load."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
        if "/objects/" in target:
            found.append(target)
    return sorted(found)
