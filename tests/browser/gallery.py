"""A home that looks like work: real images of pydicom-data under made-up patients, a CT of ellipsoids."""

from __future__ import annotations

import io
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import data_store  # of pydicom-data
import numpy as np
import pydicom
import uvicorn

from leadglass.access.principal import Role, Via
from leadglass.archive.standing import Decision
from leadglass.web.settings import WebSettings

REAL = (  # file, name, id, born, sex, date, time, study, series, modality
    ("RG1_UNCR", "OKAFOR^CHIDI", "DEMO-0002", "19871104", "M", "20260130", "091205", "Chest PA", "PA upright", "CR"),
    ("RG3_UNCR", "LINDQVIST^MAJA", "DEMO-0003", "20120519", "F", "20260129", "163010", "Lower leg, left", "AP", "CR"),
    ("MR2_UNCR", "DA SILVA^JOÃO PEDRO", "DEMO-0004", "19690722", "M", "20260128", "110042", "MR shoulder", "PD fat sat coronal", "MR"),
    ("US1_UNCR", "HADDAD^LEILA", "DEMO-0005", "19940212", "F", "20260128", "083000", "Abdomen", "Liver", "US"),
    ("color3d_jpeg_baseline", "NGUYEN^THI HOA", "DEMO-0006", "19581230", "F", "20260127", "145900", "Echocardiography", "PLAX", "US"),
    ("JPEG2000_UNC", "PETROV^IVAN", "DEMO-0007", "19490903", "M", "20260126", "102000", "Whole body bone", "Anterior", "NM"),
    ("mlut_18", "VAN DER MEER-OOSTERHUIS^WILHELMINA JOHANNA CORNELIA^MARIA^PROF.", "DEMO-0008-WITH-A-LONG-IDENTIFIER", "19770815", "F", "20260125", "200000", "A description as long as some departments like to write them, with everything in it", "Secondary capture", "OT"),
    ("OBXXXX1A_2frame", "YAMADA^TAROU=山田^太郎=やまだ^たろう", "DEMO-0009", "20251201", "M", "20260124", "071500", "Neonatal head", "Sagittal", "US"),
)  # fmt: skip
STUDY, SERIES = "1.2.826.0.1.3680043.10.1", "1.2.826.0.1.3680043.10.2"


def real(number: int, row: tuple[str, ...]) -> bytes:
    file, name, patient, born, sex, date, time, study, series, modality = row
    path = Path(data_store.__file__).parent / "data" / f"{file}.dcm"
    ds = pydicom.dcmread(path)
    ds.SpecificCharacterSet = "ISO_IR 192"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.StudyDescription = study
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = name, patient, born, sex
    ds.StudyDate, ds.StudyTime, ds.SeriesDescription = date, time, series
    ds.Modality, ds.AccessionNumber, ds.ReferringPhysicianName = (
        modality,
        f"A{2600 + number}",
        "BERG^LENA^^DR.",
    )
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{STUDY}.{number}", f"{SERIES}.{number}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{SERIES}.{number}.1"
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one description is longer than the Standard allows, as in real life
        ds.save_as(out)
    return out.getvalue()


def slice_of(z: float, size: int = 256) -> np.ndarray[Any, Any]:
    """One axial slice of an invented chest in Hounsfield units; z from -1 to 1."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    image = np.full((size, size), -1000.0)

    def organ(cx: float, cy: float, rx: float, ry: float, rz: float, value: float) -> None:
        image[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + (z / rz) ** 2 < 1] = value

    organ(0, 0, 0.88, 0.64, 3, -90)
    organ(0, 0, 0.82, 0.58, 3, 45)
    for side in (-1, 1):
        organ(side * 0.4, -0.05, 0.33, 0.45, 1.1, -830)
        organ(side * 0.52, 0.15, 0.02, 0.02, 0.9, 30)
        organ(side * 0.35, -0.2, 0.03, 0.025, 0.7, 25)
    organ(0.12, -0.1, 0.26, 0.24, 0.7, 60)
    organ(0.1, -0.1, 0.14, 0.13, 0.4, 150)
    organ(0, 0.4, 0.13, 0.11, 3, 600)
    organ(0, 0.4, 0.09, 0.07, 3, 250)
    organ(-0.45, 0.1, 0.06, 0.06, 0.12, 20)
    noise = np.random.default_rng(int((z + 1) * 1000)).normal(0, 12, image.shape)
    return np.asarray(image + noise).astype(np.int16)


def fill(world: Any, made_up: Any, *, slices: int = 48, more: int = 60) -> None:
    """The studies above, `more` small ones behind them, and two objects that are kept aside."""
    for number in range(more):
        world.take_in(
            made_up(
                np.full((16, 16), number, np.int16), StudyInstanceUID=f"{STUDY}.9.{number}", SeriesInstanceUID=f"{SERIES}.9.{number}",
                SOPInstanceUID=f"{SERIES}.9.{number}.1", PatientName=f"PATIENT^{chr(65 + number % 26)}. {number}",
                PatientID=f"DEMO-1{number:03}", StudyDate=f"2025{1 + number % 12:02}{1 + number % 28:02}",
                StudyDescription="Knee", AccessionNumber=f"K{number}",
            )
        )  # fmt: skip
    for number, row in enumerate(REAL, 2):
        world.take_in(real(number, row))
    common = {
        "StudyInstanceUID": f"{STUDY}.1",
        "PatientID": "DEMO-0001",
        "AccessionNumber": "A2601",
        "StudyDescription": "CT chest",
    }
    for series, (name, step) in enumerate((("Axial 5 mm", 1), ("Lung 1 mm", 2)), 1):
        for number in range(0, slices, step):
            world.take_in(
                made_up(
                    slice_of(2 * number / slices - 1), SeriesInstanceUID=f"{SERIES}.1.{series}", SeriesNumber=series,
                    SOPInstanceUID=f"{SERIES}.1.{series}.{number + 1}", InstanceNumber=number + 1, SeriesDescription=name,
                    ReferringPhysicianName="BERG^LENA^^DR.", **common,
                )
            )  # fmt: skip
    for change in ({"PatientName": "ROTH^ANNE"}, {"StudyDescription": "Again"}):
        clash = {**common, "SeriesInstanceUID": f"{SERIES}.1.1", "SOPInstanceUID": f"{SERIES}.1.1.1"}
        world.take_in(made_up(slice_of(0), **{**clash, **change}))
    knee = {
        "StudyInstanceUID": f"{STUDY}.9.0",
        "SeriesInstanceUID": f"{SERIES}.9.0",
        "PatientID": "DEMO-1000",
    }
    knee |= {"PatientName": "PATIENT^A. 0", "SOPInstanceUID": f"{SERIES}.9.0.1", "AccessionNumber": "K0"}
    world.take_in(made_up(np.zeros((16, 16), np.int16), **knee, StudyDescription="Once more"))
    world.services.aside.decide(
        world.principal(Role.PACS_ADMINISTRATOR),
        3,
        Decision.STORE,
        "Made for a picture",
        world.context(Via.WEB),
    )


EXTREMES = (  # name, patient ID, description
    ("Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenh", "X" * 64, "W" * 64),
    ("عبد الرحمن^محمد بن عبد الله", "رقم-٠١٢٣", "تصوير الصدر"),
    ("WANG^XIAODONG=王^小东王小东王小东王小东王小东王小东王小东王小东", "病人编号", "胸部计算机断层扫描胸部计算机断层扫描胸部计算机断层扫描"),
    ("Z\u0351\u036b\u0343\u036a\u0302a\u0308\u0301l\u0334\u0327g\u0321\u0340o\u031b\u0345^<b>&\"'", "<i>1</i>", "e\u0301" * 32),
)  # fmt: skip


def extremes(world: Any, made_up: Any, *, series: int = 200) -> None:
    """Studies of people whose names try a page, and one of very many series, accession X0."""
    tiny = np.zeros((8, 8), np.int16)
    for number, (name, patient, description) in enumerate(EXTREMES):
        for one in range(series if number == 0 else 1):
            world.take_in(
                made_up(
                    tiny, StudyInstanceUID=f"{STUDY}.8.{number}", SeriesInstanceUID=f"{SERIES}.8.{number}.{one}",
                    SOPInstanceUID=f"{SERIES}.8.{number}.{one}.1", PatientName=name, PatientID=patient, StudyDate="20250101",
                    StudyDescription=description, SeriesDescription=description[: 1 + one % 64], SeriesNumber=one + 1,
                    AccessionNumber=f"X{number}", ReferringPhysicianName=name,
                )
            )  # fmt: skip


@contextmanager
def served(world: Any) -> Iterator[str]:
    """The web service of `world` behind a real uvicorn on loopback; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://localhost:{listening.getsockname()[1]}"
        app = world.app(WebSettings(public_url=address))
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join(20)
