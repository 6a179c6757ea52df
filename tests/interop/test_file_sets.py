"""Zips are file-sets to others too: pydicom's FileSet finds every object, DCMTK's dcmdump has nothing to say."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from interop_home import OPERATOR, Home, clock, context, home
from interop_programs import dcmtk, run
from pydicom.fileset import FileSet
from pydicom_files import CORPUS

from leadglass.access.principal import Context, Kind, Principal, Role, Via
from leadglass.archive.export_folder import ExportFolder
from leadglass.dicom.elements import Limits

# One of each kind of record, and a few that are awkward: no Patient ID, other character sets, other syntaxes.
FILES = {
    "CT_small.dcm": "IMAGE",
    "MR_small.dcm": "IMAGE",
    "JPEG2000.dcm": "IMAGE",
    "image_dfl.dcm": "IMAGE",
    "ExplVR_BigEnd.dcm": "IMAGE",
    "chrH31.dcm": "IMAGE",
    "rtplan.dcm": "RT PLAN",
    "rtdose.dcm": "RT DOSE",
    "test-SR.dcm": "SR DOCUMENT",
    "waveform_ecg.dcm": "WAVEFORM",
}


@pytest.fixture(scope="module")
def filled(_cheap: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("file-sets")) as made:
        services = made.opened.services
        department = services.accounts.department(OPERATOR, None, context())
        paths = {path.name: path for path in CORPUS.values()}
        for name in FILES:
            with services.ingest.open(OPERATOR, department, "import", context()) as incoming:
                incoming.write(paths[name].read_bytes())
                assert incoming.finish().result(30).kind.value == "stored", name
        yield made


def zips(made: Home) -> dict[int, bytes]:
    services = made.opened.services
    department = services.accounts.department(OPERATOR, None, context())
    doctor = Principal(Kind.USER, 1, 1, "d", "D", Role.RADIOLOGIST, frozenset({department}), "session:1")
    with services.db.read() as connection:
        studies = connection.execute(sa.text("SELECT id FROM studies")).scalars().all()
    at = Context("", Via.WEB, clock())
    return {study: b"".join(services.retrieve.zipped(doctor, study, at)) for study in studies}


def file_set(folder: Path) -> FileSet:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # pydicom warns of what a DICOMDIR should not be
        return FileSet(pydicom.dcmread(folder / "DICOMDIR"))


def require_as_the_files_say(found: FileSet, folder: Path) -> list[str]:
    """Every record names a file that is there, and what it says of it the file says; its type, per file."""
    kinds = []
    for instance in found:
        path = Path(instance.path)
        assert folder in path.parents
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = pydicom.dcmread(path, stop_before_pixels=True)
            assert instance.SOPInstanceUID == ds.SOPInstanceUID
            for node in (instance.node, *instance.node.ancestors):
                require_same_values(node._record, ds)
        kinds.append(instance.node.record_type)
    return kinds


def require_same_values(record: Any, ds: pydicom.Dataset) -> None:
    for element in record:
        if element.tag.group != 4 and element.keyword != "SpecificCharacterSet" and element.keyword in ds:
            own = ds[element.keyword].value
            same = element.value == own or (not element.value and not own)
            assert same or (element.keyword == "PatientID" and not own), element.keyword


def test_each_zip_is_a_file_set(filled: Home, tmp_path: Path) -> None:
    dcmdump = dcmtk("dcmdump")
    kinds = []
    for study, content in zips(filled).items():
        folder = tmp_path / str(study)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        kinds += require_as_the_files_say(file_set(folder), folder)
        said = run(dcmdump, folder / "DICOMDIR")
        assert (said.status, said.err) == (0, "")
    assert sorted(kinds) == sorted(FILES.values())


def test_an_export_is_one_too_also_without_what_is_damaged(filled: Home, tmp_path: Path) -> None:
    opened, folder = filled.opened, tmp_path / "out"

    def exported() -> Any:
        with closing(ExportFolder(folder, opened.home.id, Limits())) as held:
            export = opened.services.export
            scope = export.scope(OPERATOR, context(), None)
            return export.run(OPERATOR, context, scope, held, lambda _: None)

    with opened.services.db.read() as connection:
        blob = connection.execute(sa.text("SELECT blob FROM instances ORDER BY id")).scalars().first()
    victim = opened.home.objects / blob[:2] / blob
    sound = victim.read_bytes()
    victim.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    try:
        assert (exported().failures, len(file_set(folder))) == (1, len(FILES) - 1)
    finally:
        victim.write_bytes(sound)
    assert exported().clean
    assert sorted(require_as_the_files_say(file_set(folder), folder)) == sorted(FILES.values())
    said = run(dcmtk("dcmdump"), folder / "DICOMDIR")
    assert (said.status, said.err) == (0, "")
