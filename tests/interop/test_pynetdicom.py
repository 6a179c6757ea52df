"""pynetdicom, both ways, plain and TLS. Its library speaks TLS, its programs storescp and qrscp do not."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import interop_archive
import pydicom
import pytest
from interop_archive import SCANNER, STATION, TITLE, Archive
from interop_images import REAL, Image, Images, data_set_of, real
from interop_programs import (
    WAIT,
    Running,
    dcmtk,
    free_port,
    pynetdicom_qrscp,
    pynetdicom_storescp,
    run,
)
from pacs import FIND, GET, LITTLE, MOVE, Pacs
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)

SUCCESS, PENDING = 0x0000, 0xFF00
PLAIN_PEER, TLS_PEER = "PYPLAIN", "PYTLS"
BOTH = pytest.mark.parametrize("door", ["plain", "tls"])


def secured(folder: Path, purpose: ssl.Purpose) -> ssl.SSLContext:
    """With what an AE was issued; both sides have to show a certificate."""
    context = ssl.create_default_context(purpose, cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Where its SCPs listen that the archive knows."""
    return {PLAIN_PEER: free_port(), TLS_PEER: free_port()}


@pytest.fixture(scope="module")
def archive(
    _cheap: None, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Archive]:
    known: list[tuple[str, dict[str, Any]]] = [
        (f"{PLAIN_PEER}@127.0.0.1:{ports[PLAIN_PEER]}", {"certified": False}),
        (f"{TLS_PEER}@localhost:{ports[TLS_PEER]}", {"certified": True}),
        ("QRSCP", {"certified": False, "receive_only": True}),
    ]
    with interop_archive.archive(tmp_path_factory.mktemp("archive"), *known) as made:
        yield made


# --- it calls us -----------------------------------------------------------------------------------------------


@contextmanager
def associated(
    archive: Archive, door: str, *classes: Any, calling: str = "", **how: Any
) -> Iterator[Association]:
    """A scanner at the receive-only listener, or a station with a certificate."""
    calling = calling or (SCANNER if door == "plain" else STATION)
    ae = AE(ae_title=calling)
    for sop_class in classes:
        ae.add_requested_context(sop_class, LITTLE)
    if door == "tls":
        how["tls_args"] = secured(archive.identities[calling], ssl.Purpose.SERVER_AUTH), "localhost"
    port = archive.plain if door == "plain" else archive.tls
    association = ae.associate("localhost", port, ae_title=TITLE, **how)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def stored(archive: Archive, door: str, sent: list[Image]) -> None:
    with associated(archive, door, CTImageStorage) as association:
        for each in sent:
            assert association.send_c_store(each.path).Status == SUCCESS


@BOTH
def test_it_echoes(archive: Archive, door: str) -> None:
    with associated(archive, door, Verification) as association:
        assert association.send_c_echo().Status == SUCCESS


@BOTH
def test_it_stores(archive: Archive, images: Images, door: str) -> None:
    sent = images.slices(3)
    stored(archive, door, sent)
    for each in sent:
        assert data_set_of(archive.file(each.instance)) == each.data_set


def test_it_stores_in_the_syntax_of_each_file(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's own bytes, under the names that its File Meta Information has: rtplan.dcm's are wrong."""
    monkeypatch.setattr("pynetdicom._config.STORE_SEND_CHUNKED_DATASET", True)
    sent = [real(name) for name in REAL if name != "rtplan.dcm"]
    ae = AE(ae_title=SCANNER)
    for each in sent:
        ae.add_requested_context(each.sop_class, each.syntax)
    association = ae.associate("localhost", archive.plain, ae_title=TITLE)
    assert association.is_established
    for each in sent:
        assert association.send_c_store(each.path).Status == SUCCESS, each.path.name
    association.release()
    for each in sent:
        assert data_set_of(archive.file(each.instance)) == each.data_set, each.path.name


def keys(level: str, **more: str) -> Dataset:
    asked = Dataset()
    asked.SpecificCharacterSet = "ISO_IR 192"
    asked.QueryRetrieveLevel = level
    for keyword, value in more.items():
        setattr(asked, keyword, value)
    return asked


@pytest.mark.parametrize("root", FIND, ids=["study root", "patient root"])
@pytest.mark.parametrize(
    ("level", "unique", "count"), [("STUDY", "Study", 1), ("SERIES", "Series", 1), ("IMAGE", "SOP", 3)]
)
def test_it_finds(archive: Archive, images: Images, root: Any, level: str, unique: str, count: int) -> None:
    stored(archive, "plain", images.slices(3))
    asked = keys(level, PatientID=images.patient, StudyInstanceUID=images.study)
    if level == "IMAGE":
        asked.SeriesInstanceUID = f"{images.study}.1"
    setattr(asked, f"{unique}InstanceUID", asked.get(f"{unique}InstanceUID", ""))
    with associated(archive, "tls", root) as association:
        *found, (last, _) = association.send_c_find(asked, root)
    assert [status.Status for status, _ in found] == [PENDING] * count
    assert last.Status == SUCCESS
    values = {answer[f"{unique}InstanceUID"].value for _, answer in found}
    assert len(values) == count
    assert all(value.startswith(images.study) for value in values)


class Taking:
    """A storage SCP: the data sets that it got, byte for byte."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def __call__(self, event: Any) -> int:
        self.got.append(event.encoded_dataset(include_meta=False))
        return SUCCESS

    @property
    def handlers(self) -> list[Any]:
        return [(evt.EVT_C_STORE, self)]


def as_sent(sent: list[Image]) -> list[bytes]:
    return sorted(each.data_set for each in sent)


@pytest.mark.parametrize("root", GET, ids=["study root", "patient root"])
def test_it_gets(archive: Archive, images: Images, root: Any) -> None:
    sent, taking = images.slices(3), Taking()
    stored(archive, "plain", sent)
    how = {"ext_neg": [build_role(CTImageStorage, scp_role=True)], "evt_handlers": taking.handlers}
    asked = keys("STUDY", PatientID=images.patient, StudyInstanceUID=images.study)
    with associated(archive, "tls", root, CTImageStorage, **how) as association:
        *_, (last, _) = association.send_c_get(asked, root)
    assert (last.Status, last.NumberOfCompletedSuboperations) == (SUCCESS, 3)
    assert sorted(taking.got) == as_sent(sent)


@pytest.mark.parametrize("root", MOVE, ids=["study root", "patient root"])
@pytest.mark.parametrize("to", [PLAIN_PEER, TLS_PEER])
def test_it_has_images_moved_to_its_own_scp(
    archive: Archive, images: Images, ports: dict[str, int], to: str, root: Any
) -> None:
    sent, taking, how = images.slices(3), Taking(), {}
    stored(archive, "plain", sent)
    if to == TLS_PEER:
        how["ssl_context"] = secured(archive.identities[to], ssl.Purpose.CLIENT_AUTH)
    ae = AE(ae_title=to)
    ae.add_supported_context(CTImageStorage, LITTLE)
    server = ae.start_server(("127.0.0.1", ports[to]), block=False, evt_handlers=taking.handlers, **how)
    try:
        asked = keys("STUDY", PatientID=images.patient, StudyInstanceUID=images.study)
        with associated(archive, "tls", root) as association:
            *_, (last, _) = association.send_c_move(asked, to, root)
    finally:
        server.shutdown()
    assert (last.Status, last.NumberOfCompletedSuboperations) == (SUCCESS, 3)
    assert sorted(taking.got) == as_sent(sent)


@BOTH
def test_it_is_committed_to_what_is_here(archive: Archive, images: Images, door: str) -> None:
    """On the association that asks."""
    here, never = images.slices(2)
    stored(archive, door, [here])
    reports: list[tuple[int, Dataset]] = []
    answered = threading.Event()

    def on_report(event: Any) -> tuple[int, None]:
        reports.append((event.event_type, event.event_information))
        return SUCCESS, None

    def on_sent(event: Any) -> None:
        if reports and isinstance(event.pdu, P_DATA_TF):
            answered.set()  # it must not release the association before

    asked = Dataset()
    asked.TransactionUID = generate_uid()
    asked.ReferencedSOPSequence = [reference(here), reference(never)]
    how = {"evt_handlers": [(evt.EVT_N_EVENT_REPORT, on_report), (evt.EVT_PDU_SENT, on_sent)]}
    with associated(archive, door, StorageCommitmentPushModel, **how) as association:
        status, _ = association.send_n_action(
            asked, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        assert status.Status == SUCCESS
        assert answered.wait(WAIT)
    ((kind, report),) = reports
    assert (kind, report.TransactionUID) == (2, asked.TransactionUID)
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [here.instance]
    assert [item.ReferencedSOPInstanceUID for item in report.FailedSOPSequence] == [never.instance]


def reference(image: Image) -> Dataset:
    made = Dataset()
    made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = image.sop_class, image.instance
    return made


def test_the_receive_only_listener_shows_it_nothing(archive: Archive) -> None:
    with associated(archive, "plain", Verification, *FIND, *GET, *MOVE) as association:
        accepted = [context.abstract_syntax for context in association.accepted_contexts]
    assert accepted == [Verification]


@pytest.mark.parametrize(("calling", "called"), [("STRANGER", TITLE), (SCANNER, "ELSEWHERE")])
def test_who_is_not_known_hears_why(archive: Archive, calling: str, called: str) -> None:
    ae = AE(ae_title=calling)
    ae.add_requested_context(Verification)
    association = ae.associate("localhost", archive.plain, ae_title=called)
    assert association.is_rejected
    reason = association.acceptor.primitive.diagnostic  # PS3.8 Table 9-21
    assert reason == (3 if calling == "STRANGER" else 7)


# --- we call it ------------------------------------------------------------------------------------------------


def test_storescp(archive: Archive, images: Images, tmp_path: Path) -> None:
    sent = images.slices(3)
    with pynetdicom_storescp(tmp_path / "in") as peer:
        there = f"ANY@127.0.0.1:{peer.port}"
        archive.answer("echo", there)
        assert archive.answer("send", there, images.folder)["sent"] == 3
    got = sorted(data_set_of(path.read_bytes()) for path in (tmp_path / "in").iterdir())
    assert got == as_sent(sent)


@pytest.fixture(scope="module")
def qrscp(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pynetdicom_qrscp(tmp_path_factory.mktemp("qrscp"), (TITLE, archive.plain)) as made:
        yield made


@pytest.mark.parametrize("way", ["C-GET", "C-MOVE"])
def test_qrscp(archive: Archive, images: Images, qrscp: Running, way: str) -> None:
    """By elements: it decodes what it keeps, and encodes what it sends."""
    sent, there = images.slices(3), f"QRSCP@127.0.0.1:{qrscp.port}"
    assert archive.answer("send", there, images.folder)["sent"] == 3
    found = archive.answer("find", there, "--study", images.study)
    assert {row["0020000D"]["Value"][0] for row in found} == {images.study}
    archive.answer("retrieve", there, "--study", images.study, *(["--move"] if way == "C-MOVE" else []))
    for each in sent:
        assert archive.dataset(each.instance) == pydicom.dcmread(each.path)


def test_migrate_from_qrscp(archive: Archive, images: Images, qrscp: Running) -> None:
    sent = images.slices(3)
    assert run(dcmtk("storescu"), "localhost", qrscp.port, *(each.path for each in sent)).status == 0
    assert archive.answer("migrate", f"QRSCP@127.0.0.1:{qrscp.port}")["complete"]
    for each in sent:
        assert archive.dataset(each.instance) == pydicom.dcmread(each.path)


def test_our_commands_call_it_over_tls(
    archive: Archive, images: Images, ports: dict[str, int], tmp_path: Path
) -> None:
    """An archive of its library, which sends what it holds as it was encoded."""
    held, given = images.slice(1), images.slice(2)
    to_send = tmp_path / "one.dcm"
    given.path.rename(to_send)
    context = secured(archive.identities[TLS_PEER], ssl.Purpose.CLIENT_AUTH)
    peer = Pacs([pydicom.dcmread(held.path)], title=TLS_PEER)
    with peer.running(port=ports[TLS_PEER], ssl_context=context):
        assert archive.answer("echo", TLS_PEER)["tls"]
        assert archive.answer("send", TLS_PEER, to_send)["sent"] == 1
        (row,) = archive.answer("find", TLS_PEER, "--patient", images.patient)
        assert row["0020000D"]["Value"] == [images.study]
        archive.answer("retrieve", TLS_PEER, "--study", images.study)
        assert archive.answer("migrate", TLS_PEER)["complete"]
    assert archive.dataset(held.instance) == pydicom.dcmread(held.path)
    (received,) = peer.received
    assert received == pydicom.dcmread(to_send)
