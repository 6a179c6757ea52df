from __future__ import annotations

import json
from typing import Any

import pytest

from leadglass.dimse import sop_classes
from leadglass.errors import Violation
from leadglass.scan.inside.dcm4chee import read
from leadglass.scan.inside.prediction import Cause, Door, Expected, Knows
from leadglass.scan.observation import Level

CT = "1.2.840.10008.5.1.4.1.1.2"
WORKLIST = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
AES = "TLS_RSA_WITH_AES_128_CBC_SHA"


def connection(cn: str, port: int | None, *, ciphers: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {"cn": cn, "port": port, "ciphers": ciphers, **more}


def entity(title: str, *connections: int, callers: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {"title": title, "connections": connections, "callers": callers, **more}


def as_json(
    connections: list[dict[str, Any]], entities: list[dict[str, Any]], web: list[dict[str, Any]]
) -> bytes:
    device = {
        "dicomDeviceName": "dcm4chee-arc",
        "dicomNetworkConnection": [
            {
                "cn": each["cn"],
                "dicomHostname": "archive",
                **({"dicomPort": each["port"]} if each["port"] else {}),
                **({"dicomTLSCipherSuite": list(each["ciphers"])} if each["ciphers"] else {}),
                **({"dicomInstalled": each["installed"]} if "installed" in each else {}),
                "dcmNetworkConnection": {
                    **({"dcmProtocol": each["protocol"]} if "protocol" in each else {}),
                    **({"dcmTLSNeedClientAuth": each["need"]} if "need" in each else {}),
                },
            }
            for each in connections
        ],
        "dicomNetworkAE": [
            {
                "dicomAETitle": each["title"],
                "dicomAssociationAcceptor": each.get("accepts", True),
                "dicomNetworkConnectionReference": [
                    f"/dicomNetworkConnection/{number}" for number in each["connections"]
                ],
                "dicomTransferCapability": [
                    {"dicomSOPClass": uid, "dicomTransferRole": role} for uid, role in each.get("serves", ())
                ],
                "dcmNetworkAE": {
                    "dcmAcceptedCallingAETitle": list(each["callers"]),
                    "dcmOtherAETitle": list(each.get("others", ())),
                },
            }
            for each in entities
        ],
        "dcmDevice": {
            "dcmWebApp": [
                {
                    "dcmWebAppName": each["name"],
                    "dcmWebServiceClass": each["serves"],
                    **({"dcmKeycloakClientID": each["client"]} if each.get("client") else {}),
                }
                for each in web
            ]
        },
    }
    return json.dumps(device, indent=2).encode()


def as_ldif(
    connections: list[dict[str, Any]], entities: list[dict[str, Any]], web: list[dict[str, Any]]
) -> bytes:
    top = "dicomDeviceName=dcm4chee-arc,cn=Devices, cn=DICOM Configuration,dc=dcm4che,dc=org"
    records = ["version: 1", f"dn: {top}\nobjectClass: dicomDevice\ndicomDeviceName: dcm4chee-arc"]
    for each in connections:
        lines = [
            f"dn: cn={each['cn']},{top}",
            "objectClass: dicomNetworkConnection",
            "objectClass: dcmNetworkConnection",
            *([f"dicomPort: {each['port']}"] if each["port"] else []),
            *(f"dicomTLSCipherSuite: {cipher}" for cipher in each["ciphers"]),
            *([f"dicomInstalled: {str(each['installed']).upper()}"] if "installed" in each else []),
            *([f"dcmProtocol: {each['protocol']}"] if "protocol" in each else []),
            *([f"dcmTLSNeedClientAuth: {str(each['need']).upper()}"] if "need" in each else []),
        ]
        records.append("\n".join(lines))
    for each in entities:
        own = f"dicomAETitle={each['title']},{top}"
        lines = [
            f"dn: {own}",
            "objectClass: dicomNetworkAE",
            "objectClass: dcmNetworkAE",
            f"dicomAETitle: {each['title']}",
            f"dicomAssociationAcceptor: {str(each.get('accepts', True)).upper()}",
            *(
                f"dicomNetworkConnectionReference: cn={connections[n]['cn']}, {top}"
                for n in each["connections"]
            ),
            *(f"dcmAcceptedCallingAETitle: {title}" for title in each["callers"]),
            *(f"dcmOtherAETitle: {title}" for title in each.get("others", ())),
        ]
        records.append("\n".join(lines))
        records += [
            f"dn: cn=tc{n},{own}\nobjectClass: dicomTransferCapability\n"
            f"dicomSOPClass: {uid}\ndicomTransferRole: {role}"
            for n, (uid, role) in enumerate(each.get("serves", ()))
        ]
    for each in web:
        lines = [
            f"dn: dcmWebAppName={each['name']},{top}",
            "objectClass: dcmWebApp",
            f"dcmWebAppName: {each['name']}",
            *(f"dcmWebServiceClass: {word}" for word in each["serves"]),
            *([f"dcmKeycloakClientID: {each['client']}"] if each.get("client") else []),
        ]
        records.append("\n".join(lines))
    return ("\n\n".join(records) + "\n").encode()


WRITERS = pytest.mark.parametrize("writer", [as_json, as_ldif], ids=("json", "ldif"))


def doors(writer: Any, *parts: dict[str, Any], web: tuple[dict[str, Any], ...] = ()) -> tuple[Door, ...]:
    connections = [part for part in parts if "cn" in part]
    entities = [part for part in parts if "title" in part]
    prediction = read({"device": writer(connections, entities, list(web))})
    assert prediction.program == "dcm4chee" and prediction.unread == ()
    return prediction.doors


def door(writer: Any, *parts: dict[str, Any]) -> Door:
    (found,) = doors(writer, *parts)
    return found


def of(found: Door, check: str) -> Expected:
    (each,) = (each for each in found.expected if each.check == check)
    return each


def checks(found: Door) -> list[str]:
    return [each.check for each in found.expected]


@WRITERS
def test_who_knows_the_title_of_an_ae_without_callers_may_ask(writer: Any) -> None:
    serves = (
        (sop_classes.STUDY_ROOT_FIND, "SCP"),
        (sop_classes.STUDY_ROOT_MOVE, "SCP"),
        (CT, "SCP"),
        (WORKLIST, "SCP"),
        (MPPS, "SCP"),
    )
    found = door(writer, connection("dicom", 11112), entity("DCM4CHEE", 0, serves=serves))
    assert (found.kind, found.port, found.titles) == ("dicom", 11112, ("DCM4CHEE",))
    assert found.level is Level.CLOSED and found.level_named is Level.ANSWERS
    assert checks(found) == ["D04", "D03", "D06", "D08", "D09", "D10", "D11", "T01"]
    assert all(each.knows is Knows.TITLE and each.certain for each in found.expected)
    cause = of(found, "D06").cause
    assert (cause.file, cause.option, cause.value) == ("device", "dcmAcceptedCallingAETitle", "-")


@WRITERS
def test_callers_that_are_listed_keep_strangers_out(writer: Any) -> None:
    found = door(writer, connection("dicom", 104), entity("DCM4CHEE", 0, callers=("CT1", "MR1")))
    assert found.level_named is Level.CLOSED and found.expected == ()


@WRITERS
def test_one_open_ae_among_closed_ones_opens_the_port(writer: Any) -> None:
    found = door(
        writer,
        connection("dicom", 104),
        entity("DCM4CHEE", 0, callers=("CT1",)),
        entity("KHNORD_TEST", 0, serves=((sop_classes.STUDY_ROOT_FIND, "SCP"),)),
    )
    assert found.titles == ("DCM4CHEE", "KHNORD_TEST")
    assert found.level_named is Level.ANSWERS and checks(found) == ["D03", "D06", "T01"]


@WRITERS
def test_an_ae_for_any_title_asks_for_no_knowledge(writer: Any) -> None:
    found = door(writer, connection("dicom", 104), entity("*", 0))
    assert found.level is Level.ANSWERS and checks(found)[0] == "D02"
    assert {each.knows for each in found.expected} == {Knows.NOTHING}


@WRITERS
def test_other_titles_count(writer: Any) -> None:
    found = door(writer, connection("dicom", 104), entity("KHNORD", 0, others=("PACS", "X")))
    assert found.titles == ("KHNORD", "PACS", "X") and "D04" in checks(found)


@WRITERS
def test_what_an_ae_serves_is_uncertain_where_it_is_not_told(writer: Any) -> None:
    found = door(writer, connection("dicom", 104), entity("KHNORD", 0))
    assert found.level_named is Level.ANSWERS
    assert of(found, "D03").certain and not of(found, "D06").certain


@WRITERS
def test_what_it_asks_of_others_it_does_not_serve(writer: Any) -> None:
    serves = ((sop_classes.STUDY_ROOT_FIND, "SCU"), (CT, "SCP"))
    found = door(writer, connection("dicom", 104), entity("KHNORD", 0, serves=serves))
    assert found.level_named is Level.ECHOES and checks(found) == ["D03", "D09", "T01"]


@WRITERS
def test_tls_asks_for_certificates_unless_it_is_told_not_to(writer: Any) -> None:
    found = doors(
        writer,
        connection("a", 2762, ciphers=(AES,)),
        connection("b", 2763, ciphers=(AES,), need=True),
        connection("c", 2764, ciphers=(AES,), need=False),
        connection("d", 104, need=True),
        entity("KHNORD", 0, 1, 2, 3),
    )
    assert [(each.port, each.level_named) for each in found] == [
        (2762, Level.CLOSED),
        (2763, Level.CLOSED),
        (2764, Level.ANSWERS),
        (104, Level.ANSWERS),
    ]
    assert checks(found[2])[-1] == "T03" and checks(found[3])[-1] == "T01"


@WRITERS
def test_what_is_not_there_or_does_not_accept_is_no_door(writer: Any) -> None:
    found = doors(
        writer,
        connection("client", None),
        connection("off", 105, installed=False),
        connection("unused", 106),
        connection("out", 107),
        connection("http", 8443, protocol="HTTP"),
        entity("KHNORD", 0, 1, 4),
        entity("SENDER", 3, accepts=False),
    )
    assert found == ()


@WRITERS
def test_hl7_is_reachable_if_nothing_keeps_it_apart(writer: Any) -> None:
    hl7, _ = doors(
        writer, connection("hl7", 2575, protocol="HL7"), connection("dicom", 104), entity("KHNORD", 1)
    )
    assert (hl7.kind, hl7.port, checks(hl7)) == ("hl7", 2575, ["N01"])
    cause = hl7.expected[0].cause
    assert cause.line > 0 and (cause.option, cause.value) == ("dcmProtocol", "HL7")
    assert not hl7.expected[0].certain


@WRITERS
def test_a_web_application_without_a_sign_in(writer: Any) -> None:
    parts = connection("dicom", 104), entity("KHNORD", 0)
    rs = {"name": "KHNORD", "serves": ["QIDO_RS", "WADO_RS"]}
    _, web = doors(writer, *parts, web=(rs,))
    assert (web.kind, web.port, checks(web), web.expected[0].certain) == ("web", 8080, ["W01"], False)
    assert web.expected[0].cause.option == "dcmWebApp KHNORD" and web.expected[0].cause.line > 0
    for other in (rs | {"client": "dcm4chee-arc-rs"}, rs | {"serves": ["WADO_URI"]}):
        assert len(doors(writer, *parts, web=(other,))) == 1


def test_lines_of_callers_are_told() -> None:
    ldif = as_ldif([connection("dicom", 104)], [entity("KHNORD", 0)], [])
    (found,) = read({"d.ldif": ldif}).doors
    assert of(found, "D03").cause == Cause("d.ldif", 0, "dcmAcceptedCallingAETitle", "-")


def test_several_devices_in_one_export() -> None:
    one = as_json([connection("dicom", 104)], [entity("A", 0)], [])
    two = as_json([connection("dicom", 105)], [entity("B", 0)], [])
    found = read({"devices.json": b"[" + one + b"," + two + b"]"})
    assert [each.port for each in found.doors] == [104, 105]


@pytest.mark.parametrize("content", [b"{}", b"[]", b"[1]", b"dn: cn=a\nx: 1\n", b""], ids=repr)
def test_without_an_ae_it_is_none(content: bytes) -> None:
    with pytest.raises(Violation):
        read({"device": content})
