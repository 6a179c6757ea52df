"""Ports: which profile holds which, and what is tried first at each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from leadglass.errors import Violation


class Purpose(StrEnum):
    """What is usually found there, and so is tried first. Who answers something else is asked in that."""

    DICOM = "dicom"
    DICOM_TLS = "dicom-tls"
    WEB = "web"
    WEB_TLS = "web-tls"
    CONNECT = "connect"  # whether it is open, and not a byte more


_DICOM: Final = (104, 11112, 4242, 5678, 2345, 4006, 6666, 8888, 1104)
_DICOM_TLS: Final = (2761, 2762)
_WEB: Final = (80, 3000, 8000, 8042, 8043, 8080)
_WEB_TLS: Final = (443, 8443)
_HL7: Final = (2575, 6661)
_DATABASES: Final = (5432, 3306, 1433, 27017, 389)

PURPOSES: Final[Mapping[int, Purpose]] = {
    **dict.fromkeys(_DICOM, Purpose.DICOM),
    **dict.fromkeys(_DICOM_TLS, Purpose.DICOM_TLS),
    **dict.fromkeys(_WEB, Purpose.WEB),
    **dict.fromkeys(_WEB_TLS, Purpose.WEB_TLS),
    **dict.fromkeys(_HL7 + _DATABASES, Purpose.CONNECT),
}

PROFILES: Final[Mapping[str, tuple[int, ...]]] = {
    "dicom": _DICOM + _DICOM_TLS,
    "web": _WEB + _WEB_TLS,
    "usual": _DICOM + _DICOM_TLS + _WEB + _WEB_TLS,
    "wide": _DICOM + _DICOM_TLS + _WEB + _WEB_TLS + _HL7 + _DATABASES,
}
MOST_PORTS: Final = 64


def purpose(port: int) -> Purpose:
    """A port nobody has a name for is taken for DICOM: its first answer tells what else it is."""
    return PURPOSES.get(port, Purpose.DICOM)


def port_of(value: object) -> int:
    """A port's number. Violation for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    if type(value) is not int or not 0 < value < 65536:
        raise Violation("A port is a number from 1 to 65535.", code="port")
    return value


def ports_of(value: object) -> tuple[int, ...]:
    """The name of a profile, or a list of ports; each port once, in the order given."""
    if isinstance(value, str) and value in PROFILES:
        return PROFILES[value]
    if not isinstance(value, list) or not value:
        names = ", ".join(PROFILES)
        raise Violation(f"Ports are one of {names}, or a list of numbers such as [104, 11112].", code="ports")
    found = tuple(dict.fromkeys(port_of(each) for each in value))
    if len(found) > MOST_PORTS:
        raise Violation(
            f"At most {MOST_PORTS} ports: a scan of all ports is another tool's work.", code="ports"
        )
    return found
