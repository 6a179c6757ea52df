"""The file format: preamble, File Meta Information, data set."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pydicom
import pytest

from leadglass.dicom.dataset import Limits
from leadglass.dicom.dictionary import EXPLICIT_VR_LITTLE_ENDIAN
from leadglass.dicom.part10 import Part10Parser, neutral_preamble, write_file_meta
from leadglass.errors import LimitExceeded, MalformedDataSet, NotDicom, Violation

CT = "1.2.840.10008.5.1.4.1.1.2"
INSTANCE = "1.2.826.0.1.3680043.2.1125.1"


def meta(**changes: str) -> bytes:
    chosen = {
        "sop_class_uid": CT,
        "sop_instance_uid": INSTANCE,
        "transfer_syntax_uid": EXPLICIT_VR_LITTLE_ENDIAN.uid,
        "implementation_class_uid": "1.2.826.0.1.3680043.2.1125.9",
        "implementation_version": "LEADGLASS",
        **changes,
    }
    return write_file_meta(**chosen)


def parse(data: bytes, chunk: int | None = None, limits: Limits | None = None) -> Part10Parser:
    parser = Part10Parser(limits)
    for at in range(0, len(data), chunk or len(data) or 1):
        parser.feed(data[at : at + (chunk or len(data))])
    parser.close()
    return parser


@pytest.mark.parametrize("chunk", [None, 1, 131, 133])
def test_what_is_written_is_read(chunk: int | None, build: SimpleNamespace) -> None:
    head = meta(source_ae_title="SCANNER")
    parser = parse(head + build.explicit(0x00080060, "CS", b"CT"), chunk)
    assert parser.transfer_syntax == EXPLICIT_VR_LITTLE_ENDIAN
    assert parser.dataset_offset == len(head)
    assert (parser.sop_class_uid, parser.sop_instance_uid) == (CT, INSTANCE)
    assert parser.dataset is not None
    assert parser.dataset.elements[0x00080060].value == b"CT"
    assert parser.header_complete


def test_pydicom_reads_what_is_written(build: SimpleNamespace) -> None:
    data = meta(source_ae_title="SCANNER") + build.explicit(0x00080060, "CS", b"CT")
    ds = pydicom.dcmread(io.BytesIO(data))
    assert ds.file_meta.MediaStorageSOPInstanceUID == INSTANCE
    assert ds.file_meta.SourceApplicationEntityTitle == "SCANNER"
    assert ds.file_meta.FileMetaInformationGroupLength == len(data) - 10 - 144
    assert ds.Modality == "CT"


def test_pixel_offset_counts_from_the_data_set(build: SimpleNamespace) -> None:
    rows = build.explicit(0x00280010, "US", b"\2\0")
    parser = parse(meta() + rows + build.explicit(0x7FE00010, "OW", b"\0\0"))
    assert parser.dataset is not None
    assert parser.dataset.pixel_data_offset == len(rows)


@pytest.mark.parametrize(
    "data", [b"", b"DICM", bytes(131), bytes(128) + b"DICX", b"MZ" + bytes(500), b"%PDF-1.7\n" * 40]
)
def test_not_dicom(data: bytes) -> None:
    with pytest.raises(NotDicom):
        parse(data)


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"\2\0\2\0",
        b"\2\0\x10\0UI\xff\xff" + b"1" * 10,
        b"\2\0\2\1OB\0\0\xff\xff\xff\xff",
        b"\2\0\x10\0\0\0\0\0",
        b"\x08\0\x60\0CS\2\0CT",
        b"\2\0\x10\0UI\2\x001\0\2\0\x10\0UI\2\x001\0",
    ],
    ids=["nothing", "cut", "cut value", "undefined length", "no VR", "no transfer syntax", "twice"],
)
def test_damaged_meta(tail: bytes) -> None:
    with pytest.raises(MalformedDataSet):
        parse(bytes(128) + b"DICM" + tail)


def test_long_meta() -> None:
    data = bytes(128) + b"DICM" + b"\2\0\2\1OB\0\0" + (4000).to_bytes(4, "little") + bytes(4000)
    with pytest.raises(LimitExceeded):
        parse(data, limits=Limits(meta_bytes=1000))
    with pytest.raises(LimitExceeded):
        parse(bytes(128) + b"DICM" + b"\2\0\2\1OB\0\0\xfe\xff\xff\xff")


def test_group_length_may_be_missing_or_wrong(build: SimpleNamespace) -> None:
    body = build.explicit(0x00080060, "CS", b"CT")
    whole = meta()
    without = whole[:132] + whole[144:]
    wrong = whole[:140] + b"\xff\0\0\0" + whole[144:]
    for head in (without, wrong):
        assert parse(head + body).sop_instance_uid == INSTANCE


def test_every_prefix_of_the_meta_is_refused() -> None:
    head = meta()
    for end in range(len(head) + 1):
        with pytest.raises(Violation):
            parse(head[:end])


@pytest.mark.parametrize("start", [b"MZ\x90\0", b"\x7fELF", b"#!/b", b"<htm", bytes(4), b"II*", b"MM*\0"])
def test_preamble_is_zeroed(start: bytes) -> None:
    first = start.ljust(128, b"x") + b"DICM"
    assert neutral_preamble(first) == bytes(128) + b"DICM"


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0*"])
def test_tiff_preamble_stays(start: bytes) -> None:
    first = start.ljust(128, b"x") + b"DICM"
    assert neutral_preamble(first) == first
