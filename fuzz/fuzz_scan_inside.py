"""Fuzz the readers of other products' configurations: a prediction comes out, or a Violation.

The first byte of an input chooses the name of the file, which is how Conquest's are told apart. Besides the
contract on exceptions: what is said of a configuration is printable, and of known checks.
"""

from __future__ import annotations

import fuzz_dataset
import seeded

from leadglass.errors import Violation
from leadglass.scan.checks import CHECKS
from leadglass.scan.inside.prediction import Prediction
from leadglass.scan.inside.reading import predict

NAMES = ("a.json", "dicom.ini", "dgatesop.lst", "acrnema.map", "dcmqrscp.cfg", "a.ldif")
INI = b"[sscscp]\nMicroPACS = sscscp\nMyACRNema = CONQUESTSRV1\nTCPPort = 5678\n"
ORTHANC = b"""{ // one
"DicomAet": "ORTHANC", "DicomPort": 4242, "DicomCheckCalledAet": true, "DicomAlwaysAllowFind": true,
"DicomTlsEnabled": true, "DicomTlsRemoteCertificateRequired": false, "RemoteAccessAllowed": true,
/* two */ "AuthenticationEnabled": false, "DicomWeb": {"Enable": true}, "RegisteredUsers": {"a": "b"},}"""
DEVICE = b"""{"dicomDeviceName": "a", "dicomNetworkConnection": [
{"dicomPort": 104, "dicomTLSCipherSuite": ["A"],
"dcmNetworkConnection": {"dcmTLSNeedClientAuth": false, "dcmProtocol": "DICOM"}}], "dicomNetworkAE": [
{"dicomAETitle": "*", "dicomAssociationAcceptor": true, "dicomTransferCapability": [
{"dicomSOPClass": "1.2.840.10008.5.1.4.1.1.2", "dicomTransferRole": "SCP"}],
"dicomNetworkConnectionReference": ["/dicomNetworkConnection/0"],
"dcmNetworkAE": {"dcmAcceptedCallingAETitle": []}}],
"dcmDevice": {"dcmWebApp": [{"dcmWebAppName": "a", "dcmWebServiceClass": ["QIDO_RS"]}]}}"""
LDIF = b"""version: 1

dn: dicomDeviceName=a,dc=b
objectClass: dicomDevice

dn: cn=c,dicomDeviceName=a,dc=b
objectClass: dicomNetworkConnection
dicomPort: 104
dcmProtocol:: RElDT00=

dn: dicomAETitle=X,
 dicomDeviceName=a,dc=b
objectClass: dicomNetworkAE
dicomAETitle: X
dicomAssociationAcceptor: TRUE
dicomNetworkConnectionReference: cn=c,dicomDeviceName=a,dc=b
"""
DCMQRSCP = b"""NetworkTCPPort = 104
HostTable BEGIN
HostTable END
AETable BEGIN
PACS /db RW (200, 1024mb) ANY
CT /db R (1, 1mb) (A, b, 104)
AETable END
"""
SOPS = b"#None none none\nCT 1.2.840.10008.5.1.4.1.1.2 sop\nme PACS LocalAE\n"
MAP = b"/* comment */\nV* * 1234 un\nCT 10.0.0.1 104 ul\n"
SEEDS = (ORTHANC, DEVICE, LDIF, DCMQRSCP, INI, SOPS, MAP)


def one_input(data: bytes) -> None:
    if not data:
        return
    name = NAMES[data[0] % len(NAMES)]
    files = {name: data[1:]}
    if name.endswith((".lst", ".map")):
        files["dicom.ini"] = INI
    try:
        found = predict(files)
    except Violation:
        return
    fit_for_a_report(found)


def fit_for_a_report(found: Prediction) -> None:
    for door in found.doors:
        assert 0 < door.port < 65536 and door.level <= door.level_named
        assert all(title.isprintable() and len(title) <= 16 for title in door.titles)
        for each in door.expected:
            assert each.check in CHECKS
            assert each.cause.option.isprintable() and each.cause.value.isprintable()


def corpus() -> list[bytes]:
    """A configuration of each product."""
    return [bytes([number]) + seed for number in range(len(NAMES)) for seed in SEEDS]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, fuzz_dataset.TOKENS)
