"""DCMTK's programs: as those who call us, and as those who are called by our commands.

Debian's dcmqrscp speaks no TLS, and of storage commitment DCMTK has nothing; getscu and movescu have a file of
their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from interop_archive import SCANNER, STATION, TITLE, VIEWER, Archive
from interop_images import REAL, Images, data_set_of, real
from interop_programs import Said, dcmqrscp, dcmtk, free_port, run, storescp
from pydicom.uid import UID

HOST = "localhost"


def secured(folder: Path) -> list[object]:
    """DCMTK's options for TLS."""
    return ["+tls", folder / "key.pem", folder / "certificate.pem", "+cf", folder / "ca.pem"]


def called(archive: Archive, name: str, door: str, *words: object, calling: str = "") -> Said:
    """One of DCMTK's programs against one of our listeners."""
    calling = calling or (SCANNER if door == "plain" else STATION)
    command: list[object] = [dcmtk(name), "-v", "-aet", calling, "-aec", TITLE]
    if door == "tls":
        command += secured(archive.identities[calling])
    port = archive.plain if door == "plain" else archive.tls
    options = [word for word in words if not isinstance(word, Path)]
    return run(*command, *options, HOST, port, *(word for word in words if isinstance(word, Path)))


def answers(folder: Path) -> list[pydicom.Dataset]:
    """What `findscu -X` wrote."""
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


BOTH = pytest.mark.parametrize("door", ["plain", "tls"])


# --- they call us ----------------------------------------------------------------------------------------------


@BOTH
def test_echoscu(archive: Archive, door: str) -> None:
    assert called(archive, "echoscu", door).status == 0


@BOTH
def test_storescu(archive: Archive, images: Images, door: str) -> None:
    sent = images.slices(3)
    said = called(archive, "storescu", door, *(each.path for each in sent))
    assert said.status == 0, said.text
    assert said.text.count("Status: Success") + said.text.count("(Success)") >= 3
    for each in sent:
        assert data_set_of(archive.file(each.instance)) == each.data_set


def test_storescu_again_is_no_failure(archive: Archive, images: Images) -> None:
    """The same object twice: it is there, and that is what the scanner wants to hear."""
    sent = images.slices(1)
    for _ in range(2):
        assert called(archive, "storescu", "plain", sent[0].path).status == 0


def test_dcmsend_in_the_syntax_of_each_file(archive: Archive) -> None:
    sent = [real(name) for name in REAL]
    command = [dcmtk("dcmsend"), "-v", "-dn", "-aet", SCANNER, "-aec", TITLE, HOST, archive.plain]
    said = run(*command, *(each.path for each in sent))
    assert said.status == 0, said.text
    for each in sent:
        ours, theirs = archive.dataset(each.instance), pydicom.dcmread(each.path)
        if UID(each.syntax).is_encapsulated:
            assert ours.file_meta.TransferSyntaxUID == each.syntax
        assert bare(ours) == bare(theirs), each.path.name


def bare(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """What DCMTK does not write in its own way: group lengths, pixels of other machines, padding."""
    kept = dataset[0x00080005:0x7FE00000]
    for tag in [element.tag for element in kept if element.tag.element == 0 or element.VR == "OW"]:
        del kept[tag]
    return kept


def test_the_receive_only_listener_shows_nothing(archive: Archive, images: Images) -> None:
    called(archive, "storescu", "plain", *(each.path for each in images.slices(1)))
    asked = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={images.study}"]
    for name, more in (("findscu", []), ("getscu", []), ("movescu", ["-aem", SCANNER])):
        said = called(archive, name, "plain", *more, *asked)
        assert said.status != 0, f"{name}: {said.text}"
        assert "No Acceptable Presentation Contexts" in said or "Abstract Syntax Not Supported" in said


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (["-aet", "STRANGER", "-aec", TITLE], "Calling AE Title Not Recognized"),
        (["-aet", SCANNER, "-aec", "ELSEWHERE"], "Called AE Title Not Recognized"),
        (["-aet", STATION, "-aec", TITLE], "Calling AE Title Not Recognized"),  # it has a certificate to show
    ],
)
def test_who_is_not_known_hears_why(archive: Archive, who: list[str], reason: str) -> None:
    said = run(dcmtk("echoscu"), *who, HOST, archive.plain)
    assert said.status != 0
    assert reason in said


def test_a_certificate_is_good_for_its_own_title_only(archive: Archive) -> None:
    said = run(
        dcmtk("echoscu"),
        "-aet",
        STATION,
        "-aec",
        TITLE,
        *secured(archive.identities[VIEWER]),
        HOST,
        archive.tls,
    )
    assert said.status != 0
    assert "Calling AE Title Not Recognized" in said


def test_no_certificate_no_association(archive: Archive) -> None:
    ca = archive.identities[STATION] / "ca.pem"
    said = run(dcmtk("echoscu"), "-aet", STATION, "-aec", TITLE, "+tla", "+cf", ca, HOST, archive.tls)
    assert said.status != 0


def test_plaintext_at_the_door_for_certificates_is_no_association(archive: Archive) -> None:
    said = run(dcmtk("echoscu"), "-to", 5, "-ta", 5, "-aet", STATION, "-aec", TITLE, HOST, archive.tls)
    assert said.status != 0


LEVELS = [
    ("-P", "PATIENT", ["PatientID={patient}", "PatientName"], "PatientName", "MÜLLER^ANNA"),
    ("-S", "STUDY", ["StudyInstanceUID={study}", "StudyDescription"], "StudyDescription", "Thorax"),
    ("-S", "STUDY", ["PatientName=müller*", "StudyInstanceUID={study}"], "StudyInstanceUID", "{study}"),
    ("-S", "STUDY", ["StudyDate=20260101-20260201", "PatientID={patient}"], "StudyDate", "20260131"),
    ("-S", "SERIES", ["StudyInstanceUID={study}", "Modality"], "Modality", "CT"),
    ("-P", "STUDY", ["PatientID={patient}", "StudyID"], "StudyID", "7"),
]


@pytest.mark.parametrize(("root", "level", "keys", "shown", "value"), LEVELS)
def test_findscu(
    archive: Archive,
    images: Images,
    tmp_path: Path,
    root: str,
    level: str,
    keys: list[str],
    shown: str,
    value: str,
) -> None:
    called(archive, "storescu", "tls", *(each.path for each in images.slices(2)))
    names = {"patient": images.patient, "study": images.study}
    asked: list[object] = ["-X", "-od", str(tmp_path), root, "-k", "SpecificCharacterSet=ISO_IR 100"]
    asked += ["-k", f"QueryRetrieveLevel={level}"]
    for key in keys:
        asked += ["-k", key.format(**names).encode("latin-1").decode("utf-8", "surrogateescape")]
    said = called(archive, "findscu", "tls", *asked)
    assert said.status == 0, said.text
    (found,) = answers(tmp_path)
    assert str(found[shown].value) == value.format(**names)


def test_findscu_at_the_level_of_images(archive: Archive, images: Images, tmp_path: Path) -> None:
    sent = images.slices(3)
    called(archive, "storescu", "tls", *(each.path for each in sent))
    keys = [
        "QueryRetrieveLevel=IMAGE",
        f"StudyInstanceUID={images.study}",
        f"SeriesInstanceUID={images.study}.1",
    ]
    asked = [word for key in (*keys, "SOPInstanceUID", "InstanceNumber") for word in ("-k", key)]
    assert called(archive, "findscu", "tls", "-X", "-od", str(tmp_path), "-S", *asked).status == 0
    assert {found.SOPInstanceUID for found in answers(tmp_path)} == {each.instance for each in sent}


def test_findscu_cancels(archive: Archive, images: Images) -> None:
    called(archive, "storescu", "tls", *(each.path for each in images.slices(5)))
    asked = ["-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={images.study}"]
    asked += ["-k", f"SeriesInstanceUID={images.study}.1", "-k", "SOPInstanceUID"]
    said = called(archive, "findscu", "tls", "-d", "-S", "--cancel", "1", *asked)
    assert said.status == 0, said.text


# --- we call them ----------------------------------------------------------------------------------------------


def test_echo_to_storescp(archive: Archive, tmp_path: Path) -> None:
    with storescp(tmp_path / "in") as peer:
        assert archive.command("echo", f"ANY@127.0.0.1:{peer.port}").status == 0


def test_send_to_storescp_as_it_is(archive: Archive, images: Images, tmp_path: Path) -> None:
    sent = images.slices(3)
    with storescp(tmp_path / "in") as peer:
        said = archive.command("send", f"ANY@127.0.0.1:{peer.port}", images.folder)
        assert said.status == 0, said.text
    assert kept(tmp_path / "in") == {each.data_set for each in sent}


def kept(folder: Path) -> set[bytes]:
    return {data_set_of(path.read_bytes()) for path in folder.iterdir()}


def test_send_over_tls_to_storescp(archive: Archive, images: Images, tmp_path: Path) -> None:
    """A known AE that shows the certificate which the archive's own authority gave it."""
    sent, port = images.slices(2), free_port()
    own = archive.introduce(f"STORESCP@localhost:{port}")
    with storescp(tmp_path / "in", *secured(own), "-rc", port=port):
        assert archive.command("echo", "STORESCP").status == 0
        said = archive.command("send", "STORESCP", images.folder)
        assert said.status == 0, said.text
    assert kept(tmp_path / "in") == {each.data_set for each in sent}


@pytest.fixture
def other(tmp_path: Path, images: Images) -> Any:
    """A dcmqrscp with three images in it."""
    with dcmqrscp(tmp_path / "qr") as peer:
        stored = [each.path for each in images.slices(3)]
        assert run(dcmtk("storescu"), "-aec", "QRSCP", HOST, peer.port, *stored).status == 0
        yield peer


def test_find_at_dcmqrscp(archive: Archive, images: Images, other: Any) -> None:
    found = archive.answer("find", f"QRSCP@127.0.0.1:{other.port}", "--patient", images.patient)
    assert images.study in str(found)


def test_retrieve_from_dcmqrscp(archive: Archive, images: Images, other: Any) -> None:
    """By C-GET, into the archive."""
    said = archive.command("retrieve", f"QRSCP@127.0.0.1:{other.port}", "--study", images.study)
    assert said.status == 0, said.text
    for each in images.slices(3):
        assert archive.dataset(each.instance) == pydicom.dcmread(each.path)


def test_send_to_dcmqrscp(archive: Archive, images: Images, tmp_path: Path) -> None:
    with dcmqrscp(tmp_path / "qr") as peer:
        images.slices(2)
        said = archive.command("send", f"QRSCP@127.0.0.1:{peer.port}", images.folder)
        assert said.status == 0, said.text
        found = archive.answer("find", f"QRSCP@127.0.0.1:{peer.port}", "--study", images.study)
        assert images.study in str(found)
