from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadglass.errors import LimitExceeded, Violation
from leadglass.scan.checks import CHECKS
from leadglass.scan.fingerprint import NAMES
from leadglass.scan.inside.prediction import MOST_BYTES, Prediction
from leadglass.scan.inside.reading import predict

ORTHANC = b'// a comment\n{"RemoteAccessAllowed": true, "AuthenticationEnabled": false, "DicomWeb": {}}'
DCMQRSCP = b"NetworkTCPPort = 104\nAETable BEGIN\nPACS /db RW (9, 9mb) ANY\nAETable END\n"
CONQUEST = b"[sscscp]\nMicroPACS = sscscp\nTCPPort = 5678\n"
LDIF = b"""version: 1

dn: dicomDeviceName=a,dc=b
objectClass: dicomDevice

dn: cn=dicom,dicomDeviceName=a,dc=b
objectClass: dicomNetworkConnection
dicomPort: 11112

dn: dicomAETitle=X,dicomDeviceName=a,dc=b
objectClass: dicomNetworkAE
dicomAETitle: X
dicomAssociationAcceptor: TRUE
dicomNetworkConnectionReference: cn=dicom,dicomDeviceName=a,dc=b
"""
JSON = b"""{"dicomDeviceName": "a", "dicomNetworkConnection": [{"cn": "dicom", "dicomPort": 11112}],
"dicomNetworkAE": [{"dicomAETitle": "X", "dicomAssociationAcceptor": true,
"dicomNetworkConnectionReference": ["/dicomNetworkConnection/0"]}]}"""
SAMPLES = {
    "orthanc": ORTHANC, "dcmtk": DCMQRSCP, "conquest": CONQUEST, "dcm4chee": LDIF, "dcm4chee-json": JSON,
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n"], ids=("plain", "mark", "blank"))
def test_whose_it_is_stands_in_it(name: str, before: bytes) -> None:
    found = predict({"config.txt" if name != "conquest" else "x.INI": before + SAMPLES[name]})
    assert found.program == name.removesuffix("-json") and found.program in NAMES
    assert found.doors and all(each.check in CHECKS for door in found.doors for each in door.expected)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"[1, 2]", b"<xml/>", b"\0" * 100], ids=repr)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(Violation) as caught:
        predict({"file": content})
    assert caught.value.code == "configuration"


def test_no_file_is_refused() -> None:
    with pytest.raises(Violation):
        predict({})


def test_files_are_bounded_together() -> None:
    half = b" " * (MOST_BYTES // 2)
    with pytest.raises(LimitExceeded):
        predict({"a": half, "b": half + b" "})


@pytest.mark.parametrize(
    "content",
    [b"\n" * MOST_BYTES, b" " * MOST_BYTES, b"AETable" + b"\t" * (MOST_BYTES - 7)],
    ids=("\\n", "_", "\\t"),
)
def test_what_is_long_and_empty_is_refused_at_once(content: bytes) -> None:
    with pytest.raises(Violation):
        predict({"file": content})


@settings(deadline=None)  # of no machine that is busy
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 8), st.binary(max_size=4)), max_size=6),
    st.sampled_from(("a.ini", "a.lst", "a.map", "a.cfg")),
)
def test_of_damaged_ones_come_predictions_or_violations(
    name: str, damage: list[tuple[int, int, bytes]], file: str
) -> None:
    content = bytearray(SAMPLES[name])
    for at, gone, new in damage:
        content[at : at + gone] = new
    with suppress(Violation):
        assert isinstance(predict({file: bytes(content)}), Prediction)
