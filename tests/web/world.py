"""A real home with people, tokens and made-up images in two departments, behind the real web service."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from starlette.applications import Starlette

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that httpx2 should be installed
    from starlette.testclient import TestClient

from leadglass.access.principal import Context, Principal, Role, Via, operator
from leadglass.archive.queries import portal_query
from leadglass.archive.services import Services
from leadglass.compose import found_home, open_home
from leadglass.db import migrations
from leadglass.db.sqlcipher import SealedFile
from leadglass.scan.estate import Estate
from leadglass.scan.register import Register
from leadglass.web.app import create_app
from leadglass.web.settings import WebSettings

OPERATOR = operator(1000, "op")
URL = "http://localhost:8080"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
CT, SC = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"
OWN, FOREIGN = "Radiology", "Cardiology"
PEOPLE = {
    Role.RADIOLOGIST: "dr.roth",
    Role.TECHNOLOGIST: "tech",
    Role.PACS_ADMINISTRATOR: "pacsadmin",
    Role.AUDITOR: "auditor",
    Role.SYSTEM_ADMINISTRATOR: "sysadmin",
}
PASSWORD = "lusab-babad-gutih-tugad-mohis"


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return self.now


def pixels(size: int = 64, shift: int = 0) -> np.ndarray[Any, Any]:
    """A bright disc on a gradient, int16."""
    y, x = np.mgrid[:size, :size]
    disc = (x - size / 2 - shift) ** 2 + (y - size / 2) ** 2 < (size / 3) ** 2
    return (x * 4 + disc * 400 - 200).astype(np.int16)


def made_up(image: np.ndarray[Any, Any] | None = None, **values: Any) -> bytes:
    """A Part 10 file of an invented CT image; `values` by keyword, StudyInstanceUID and so on included."""
    image = pixels() if image is None else image
    ds = Dataset()
    given = {
        "SOPClassUID": CT,
        "SOPInstanceUID": "1.2.3.1.1.1",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.1",
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": "ROTH^ANNA",
        "PatientID": "LG-0001",
        "PatientBirthDate": "19520301",
        "PatientSex": "F",
        "StudyDate": "20260131",
        "StudyTime": "134501",
        "AccessionNumber": "A-17",
        "StudyDescription": "Chest",
        "SeriesDescription": "Axial",
        "Modality": "CT",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
        "WindowCenter": 40,
        "WindowWidth": 400,
    }
    for keyword, value in {**given, **values}.items():
        setattr(ds, keyword, value)
    ds.Rows, ds.Columns = image.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 1
    ds.PixelData = image.tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


@dataclass(slots=True)
class World:
    services: Services
    clock: Clock
    root: Path
    settings: WebSettings = field(default_factory=lambda: WebSettings(public_url=URL))
    tokens: dict[Role, str] = field(default_factory=dict)
    departments: dict[str, int] = field(default_factory=dict)

    def context(self, via: Via = Via.COMMAND) -> Context:
        return Context("", via, self.clock())

    def app(self, settings: WebSettings | None = None) -> Starlette:
        estate = Estate(self.register, (self.root / "register.db").exists, self.clock)
        return create_app(self.services, estate, settings or self.settings, self.clock)

    @contextmanager
    def register(self) -> Iterator[Register]:
        """A register of surveys of its own, made when it is first opened."""
        path, key = self.root / "register.db", bytes(range(32))
        migrations.upgrade(SealedFile(path, key), migrations.REGISTER)
        register = Register(SealedFile(path, key).open(readers=2))
        try:
            yield register
        finally:
            register.close()

    def people(self) -> None:
        for department in (OWN, FOREIGN):
            self.departments[department] = self.services.accounts.department(
                OPERATOR, department, self.context()
            )
        for role, name in PEOPLE.items():
            self.services.accounts.add_user(
                OPERATOR, name, role, self.context(), department=OWN, password=PASSWORD
            )
            self.tokens[role] = self.services.accounts.create_token(OPERATOR, name, self.context())

    def take_in(self, file: bytes, department: str = OWN) -> Any:
        incoming = self.services.ingest.open(OPERATOR, self.departments[department], "test", self.context())
        for at in range(0, len(file), 65536):
            incoming.write(file[at : at + 65536])
        return incoming.finish().result()

    def principal(self, role: Role) -> Principal:
        found = self.services.accounts.resolve_token(self.tokens[role], self.clock())
        assert found is not None
        return found

    def study_id(self, accession: str, role: Role = Role.RADIOLOGIST) -> int:
        query = portal_query(accession=accession)
        page = self.services.search.studies(self.principal(role), query, self.context(Via.WEB))
        return page.rows[0].id

    def client(self, role: Role | None = None, app: Starlette | None = None, url: str = URL) -> TestClient:
        """A browser; signed in when a role is given."""
        client = TestClient(
            app or self.app(), base_url=url, follow_redirects=False, raise_server_exceptions=False
        )
        if role is not None:
            answer = sign_in(client, PEOPLE[role])
            assert answer.status_code == 303, answer.text
        return client


def sign_in(client: TestClient, name: str, password: str = PASSWORD, **fields: str) -> Any:
    return client.post("/sign-in", data={"name": name, "password": password, **fields}, headers=SAME_ORIGIN)


def environ(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "LEADGLASS_MASTER_KEY_FILE": str(folder / "master.key")}


@contextmanager
def new_world(folder: Path) -> Iterator[World]:
    """A fresh home in `folder` without anybody in it."""
    clock, root = Clock(), folder / "home"
    found_home(root, environ(folder), clock())
    with open_home(root, environ(folder), clock, storage={"reserve_mib": 1}) as opened:
        yield World(opened.services, clock, root)
