"""DCMTK's programs against the demo's old PACS, as strangers under made-up titles."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from interop_images import Images
from interop_programs import Said, dcmtk, run

sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
import demo_process


@pytest.fixture(scope="module")
def old() -> Iterator[demo_process.OldPacs]:
    with demo_process.old_pacs() as made:
        yield made


def called(old: demo_process.OldPacs, name: str, *words: object, files: tuple[Path, ...] = ()) -> Said:
    said = run(
        dcmtk(name), "-v", "-aet", "STRANGER", "-aec", "WHATEVER", *words, "127.0.0.1", old.port, *files
    )
    assert said.status == 0, said.text
    return said


def keys(**asked: str) -> list[str]:
    return [
        word
        for keyword, value in asked.items()
        for word in ("-k", f"{keyword}={value}" if value else keyword)
    ]


def found(said: Said) -> int:
    assert "Received Final Find Response (Success)" in said
    return len(re.findall(r"Find Response: \d+ \(Pending\)", said.text))


def test_echoscu(old: demo_process.OldPacs) -> None:
    assert "Received Echo Response (Success)" in called(old, "echoscu")


@pytest.mark.parametrize(
    ("root", "level", "asked", "many"),
    [
        ("-S", "STUDY", {"StudyInstanceUID": ""}, 60),
        ("-P", "PATIENT", {"PatientID": ""}, 21),
        ("-S", "STUDY", {"PatientID": "DEMO-0007", "StudyDate": ""}, 3),
        ("-S", "STUDY", {"PatientName": "brandt*"}, 4),
        ("-S", "STUDY", {"StudyDate": "18000101"}, 0),
        ("-P", "SERIES", {"PatientID": "DEMO-0002", "Modality": "US"}, 3),
        ("-P", "IMAGE", {"PatientID": "DEMO-0007"}, 3),
    ],
)
def test_findscu(old: demo_process.OldPacs, root: str, level: str, asked: dict[str, str], many: int) -> None:
    assert found(called(old, "findscu", root, *keys(QueryRetrieveLevel=level, **asked))) == many


def test_findscu_shows_who_it_is(old: demo_process.OldPacs) -> None:
    wanted = keys(QueryRetrieveLevel="STUDY", PatientID="DEMO-0001", PatientName="", PatientBirthDate="")
    said = called(old, "findscu", "-S", *wanted)
    assert "[Brandt^Johanna^Marie]" in said and "[19580314]" in said


def test_getscu(old: demo_process.OldPacs, tmp_path: Path) -> None:
    wanted = keys(QueryRetrieveLevel="PATIENT", PatientID="DEMO-0007")
    said = called(old, "getscu", "-P", "-od", tmp_path, *wanted)
    assert re.search(r"Number of Completed Suboperations : 3\n", said.text)
    got = [pydicom.dcmread(path) for path in tmp_path.iterdir()]
    assert {each.PatientID for each in got} == {"DEMO-0007"}
    assert all(each.pixel_array.size for each in got)


def test_storescu_and_it_is_there(old: demo_process.OldPacs, images: Images) -> None:
    called(old, "storescu", files=tuple(each.path for each in images.slices(2)))
    wanted = keys(QueryRetrieveLevel="IMAGE", StudyInstanceUID=images.study, SOPInstanceUID="")
    assert found(called(old, "findscu", "-S", *wanted)) == 2
