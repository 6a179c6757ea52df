"""A dcm4chee-arc device, exported as LDIF or as JSON.

Attributes as in its schemas: without dcmAcceptedCallingAETitle any caller is accepted; without
dicomTLSCipherSuite there is no TLS; dcmTLSNeedClientAuth is on where it is absent. A called AE title that no
AE has is rejected, unless one AE is called `*` (dcm4che, Device.getApplicationEntity).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from leadglass.dimse import sop_classes
from leadglass.scan.inside.jsonc import Located, parse
from leadglass.scan.inside.ldif import Record, normal, records
from leadglass.scan.inside.prediction import (
    BYTE_ORDER_MARK,
    WELL_KNOWN,
    Cause,
    Door,
    Expected,
    Knows,
    Prediction,
    nothing,
    port_of,
    shown,
)
from leadglass.scan.observation import Level

_ANY_TITLE: Final = "*"
_WORKLIST: Final = "1.2.840.10008.5.1.4.31"
_FINDS: Final = frozenset({sop_classes.PATIENT_ROOT_FIND, sop_classes.STUDY_ROOT_FIND})
_RETRIEVES: Final = frozenset(
    {
        sop_classes.PATIENT_ROOT_GET,
        sop_classes.STUDY_ROOT_GET,
        sop_classes.PATIENT_ROOT_MOVE,
        sop_classes.STUDY_ROOT_MOVE,
    }
)
_OTHERS: Final = frozenset({sop_classes.STORAGE_COMMITMENT_PUSH, "1.2.840.10008.3.1.2.3.3"})


@dataclass(frozen=True, slots=True)
class _Connection:
    """`ciphers`: whether it has TLS."""

    name: str
    port: int | None
    protocol: str
    ciphers: bool
    asks_certificate: bool
    installed: bool
    cause: Cause  # what it says of its protocol


@dataclass(frozen=True, slots=True)
class _Entity:
    titles: tuple[str, ...]  # its own, and others under which it answers too
    accepts: bool
    callers: tuple[str, ...]
    connections: tuple[str, ...]
    serves: frozenset[str]  # SOP classes as SCP
    cause: Cause  # what it says of callers


@dataclass(frozen=True, slots=True)
class _WebApplication:
    cause: Cause
    signs_in: bool
    searches: bool


@dataclass(frozen=True, slots=True)
class _Device:
    connections: tuple[_Connection, ...]
    entities: tuple[_Entity, ...]
    web: tuple[_WebApplication, ...]


def read(files: Mapping[str, bytes]) -> Prediction:
    """Each file a device, or an export of several."""
    devices = [device for name, content in files.items() for device in _devices(name, content)]
    if not any(device.entities for device in devices):
        raise nothing("There is no device with an AE in it.")
    doors = tuple(door for device in devices for door in _doors(device))
    return Prediction("dcm4chee", doors)


def _devices(name: str, content: bytes) -> Iterator[_Device]:
    if content.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] in (b"{", b"["):
        root = parse(name, content)
        yield from (_from_json(name, each) for each in (root.items or [root]))
    else:
        yield from _from_ldif(name, list(records(name, content)))


# --- JSON -------------------------------------------------------------------------------------------------


def _from_json(name: str, device: Located) -> _Device:
    connections = device.member("dicomNetworkConnection")
    entities = device.member("dicomNetworkAE")
    extension = device.member("dcmDevice")
    web = extension.member("dcmWebApp") if extension else None
    return _Device(
        tuple(
            _json_connection(name, f"/dicomNetworkConnection/{n}", each)
            for n, each in enumerate(_items(connections))
        ),
        tuple(_json_entity(name, each) for each in _items(entities)),
        tuple(_json_web(name, each) for each in _items(web)),
    )


def _items(found: Located | None) -> list[Located]:
    return found.items if found else []


def _flag(found: Located | None, otherwise: bool) -> bool:
    return found.value if found is not None and isinstance(found.value, bool) else otherwise


def _texts(found: Located | None) -> tuple[str, ...]:
    return tuple(each.text for each in _items(found))


def _json_connection(name: str, pointer: str, each: Located) -> _Connection:
    port, more = each.member("dicomPort"), each.member("dcmNetworkConnection")
    protocol = more.member("dcmProtocol") if more else None
    spoken = protocol.text if protocol else "DICOM"
    return _Connection(
        pointer,
        port_of(port.value) if port else None,
        spoken,
        bool(_items(each.member("dicomTLSCipherSuite"))),
        _flag(more.member("dcmTLSNeedClientAuth") if more else None, True),
        _flag(each.member("dicomInstalled"), True),
        Cause(name, protocol.line if protocol else 0, "dcmProtocol", shown(spoken)),
    )


def _json_entity(name: str, each: Located) -> _Entity:
    title, more = each.member("dicomAETitle"), each.member("dcmNetworkAE")
    callers = more.member("dcmAcceptedCallingAETitle") if more else None
    others = _texts(more.member("dcmOtherAETitle")) if more else ()
    capabilities = _items(each.member("dicomTransferCapability"))
    return _Entity(
        _titles(title.text if title else "", others),
        _flag(each.member("dicomAssociationAcceptor"), False) and _flag(each.member("dicomInstalled"), True),
        _texts(callers),
        _texts(each.member("dicomNetworkConnectionReference")),
        frozenset(
            sop.text
            for capability in capabilities
            if (role := capability.member("dicomTransferRole")) and role.text == "SCP"
            if (sop := capability.member("dicomSOPClass"))
        ),
        _about_callers(name, callers.line if callers else 0, _texts(callers)),
    )


def _json_web(name: str, each: Located) -> _WebApplication:
    label = each.member("dcmWebAppName")
    return _WebApplication(
        Cause(name, each.line, f"dcmWebApp {shown(label.text if label else '')}", "no dcmKeycloakClientID"),
        each.member("dcmKeycloakClientID") is not None,
        "QIDO_RS" in _texts(each.member("dcmWebServiceClass")),
    )


# --- LDIF -------------------------------------------------------------------------------------------------


def _from_ldif(name: str, all_records: list[Record]) -> Iterator[_Device]:
    children: dict[str, list[Record]] = {}
    for record in all_records:
        children.setdefault(record.parent, []).append(record)
    for device in all_records:
        if device.dn.startswith("dicomdevicename="):
            mine = children.get(device.dn, [])
            yield _Device(
                tuple(_ldif_connection(name, each) for each in mine if _is(each, "dicomNetworkConnection")),
                tuple(
                    _ldif_entity(name, each, children.get(each.dn, []))
                    for each in mine
                    if _is(each, "dicomNetworkAE")
                ),
                tuple(_ldif_web(name, each) for each in mine if _is(each, "dcmWebApp")),
            )


def _is(record: Record, kind: str) -> bool:
    return kind.lower() in (each.lower() for each in record.all("objectClass"))


def _on(record: Record, name: str, otherwise: bool) -> bool:
    return {"true": True, "false": False}.get(record.first(name).lower(), otherwise)


def _ldif_connection(name: str, each: Record) -> _Connection:
    spoken = each.first("dcmProtocol") or "DICOM"
    return _Connection(
        each.dn,
        port_of(each.first("dicomPort")),
        spoken,
        bool(each.all("dicomTLSCipherSuite")),
        _on(each, "dcmTLSNeedClientAuth", True),
        _on(each, "dicomInstalled", True),
        Cause(name, each.line_of("dcmProtocol"), "dcmProtocol", shown(spoken)),
    )


def _ldif_entity(name: str, each: Record, capabilities: Iterable[Record]) -> _Entity:
    callers = tuple(each.all("dcmAcceptedCallingAETitle"))
    return _Entity(
        _titles(each.first("dicomAETitle"), each.all("dcmOtherAETitle")),
        _on(each, "dicomAssociationAcceptor", False) and _on(each, "dicomInstalled", True),
        callers,
        tuple(map(normal, each.all("dicomNetworkConnectionReference"))),
        frozenset(
            capability.first("dicomSOPClass")
            for capability in capabilities
            if capability.first("dicomTransferRole") == "SCP"
        ),
        _about_callers(name, each.line_of("dcmAcceptedCallingAETitle"), callers),
    )


def _ldif_web(name: str, each: Record) -> _WebApplication:
    label = shown(each.first("dcmWebAppName"))
    return _WebApplication(
        Cause(name, each.line, f"dcmWebApp {label}", "no dcmKeycloakClientID"),
        bool(each.first("dcmKeycloakClientID")),
        "QIDO_RS" in each.all("dcmWebServiceClass"),
    )


# --- doors ------------------------------------------------------------------------------------------------


def _titles(own: str, others: Iterable[str]) -> tuple[str, ...]:
    return tuple(shown(title, 16) for title in (own, *others))


def _about_callers(name: str, line: int, callers: tuple[str, ...]) -> Cause:
    return Cause(name, line, "dcmAcceptedCallingAETitle", f"{len(callers)} listed" if callers else "-")


def _doors(device: _Device) -> Iterator[Door]:
    for connection in device.connections:
        if connection.port is None or not connection.installed:
            continue
        if connection.protocol == "HL7":
            reachable = Expected("N01", Knows.NOTHING, connection.cause, certain=False)
            yield Door("hl7", connection.port, (), Level.CLOSED, Level.CLOSED, (reachable,))
        elif connection.protocol == "DICOM":
            mine = [e for e in device.entities if e.accepts and connection.name in e.connections]
            if mine:
                yield _door(connection, connection.port, mine)
    yield from _web_doors(device)


def _door(connection: _Connection, port: int, entities: list[_Entity]) -> Door:
    titles = tuple(title for entity in entities for title in entity.titles)
    if connection.ciphers and connection.asks_certificate:
        return Door("dicom", port, titles, Level.CLOSED, Level.CLOSED, ())
    open_ones = [entity for entity in entities if not entity.callers]
    levels = {title: _level(entity) for entity in open_ones for title in entity.titles}
    expected = tuple(each for entity in open_ones for each in _granted(entity, connection))
    named = max(levels.values(), default=Level.CLOSED)
    return Door("dicom", port, titles, levels.get(_ANY_TITLE, Level.CLOSED), named, expected)


def _level(entity: _Entity) -> Level:
    """An export may leave the transfer capabilities out: an archive answers queries."""
    asked = entity.serves & (_FINDS | {_WORKLIST})
    return Level.ANSWERS if asked or not entity.serves else Level.ECHOES


def _granted(entity: _Entity, connection: _Connection) -> Iterator[Expected]:
    knows = Knows.NOTHING if _ANY_TITLE in entity.titles else Knows.TITLE
    told = bool(entity.serves)

    def expect(check: str, certain: bool = True) -> Expected:
        return Expected(check, knows, entity.cause, certain)

    if knows is Knows.NOTHING:
        yield expect("D02")
    elif not WELL_KNOWN.isdisjoint(entity.titles):
        yield expect("D04")
    yield expect("D03")
    for check, serves in _SERVICES.items():
        if not told or any(map(serves, entity.serves)):
            yield expect(check, told)
    yield expect("T03" if connection.ciphers else "T01")


_SERVICES: Final = {
    "D06": _FINDS.__contains__,
    "D08": _RETRIEVES.__contains__,
    "D09": sop_classes.is_storage,
    "D10": _WORKLIST.__eq__,
    "D11": _OTHERS.__contains__,
}


def _web_doors(device: _Device) -> Iterator[Door]:
    """The files do not tell on which port WildFly listens (8080 unless it was changed), nor whether the
    secured build is deployed."""
    open_ones = [each for each in device.web if not each.signs_in and each.searches]
    if open_ones:
        expected = Expected("W01", Knows.NOTHING, open_ones[0].cause, certain=False)
        yield Door("web", _WILDFLY, (), Level.CLOSED, Level.CLOSED, (expected,))


_WILDFLY: Final = 8080
