"""A stranger with pynetdicom: associates under made-up titles and says what came of it."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from estate.starting import Playing
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    CTImageStorage,
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.pdu import AssociateRQ

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
STUDY, PATIENT = StudyRootQueryRetrieveInformationModelFind, PatientRootQueryRetrieveInformationModelFind
WORKLIST, ECHO, CT = ModalityWorklistInformationFind, Verification, CTImageStorage


IMPLICIT = "1.2.840.10008.1.2"
QUIET = 1.0  # seconds without a byte after which there is none to come


def request(*classes: str) -> bytes:
    """An A-ASSOCIATE-RQ, for a bare socket."""
    contexts = tuple(ProposedContext(2 * n + 1, uid, (IMPLICIT,)) for n, uid in enumerate(classes))
    return AssociateRQ("ANY", "STRANGER", contexts, UserInformation(16_384, "1.2.3")).encode()


REQUEST = request(ECHO)


def at(zoo: Playing, kind: str) -> tuple[str, int]:
    address, port = zoo.port(kind)
    return address, port["port"]


def heard(address: str, port: int, most: int, asks: bytes = REQUEST) -> tuple[bytes, bool]:
    """What comes before `most` bytes, its end or a while of nothing; and whether that was the end."""
    got = bytearray()
    with socket.create_connection((address, port), timeout=QUIET) as connection:
        try:
            connection.sendall(asks)
            while len(got) < most:
                chunk = connection.recv(most - len(got))
                if not chunk:
                    return bytes(got), True
                got += chunk
        except TimeoutError:
            pass
        except ConnectionError:
            return bytes(got), True
    return bytes(got), False


@contextmanager
def associated(
    address: str,
    port: int,
    *classes: str,
    called: str = "ANY-SCP",
    calling: str = "STRANGER",
    tls: ssl.SSLContext | None = None,
) -> Iterator[Association]:
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 20
    for each in classes:
        ae.add_requested_context(each)
    found = ae.associate(address, port, ae_title=called, tls_args=(tls, None) if tls else None)
    try:
        yield found
    finally:
        if found.is_established:
            found.release()


def identifier(level: str, keys: Mapping[str, str]) -> Dataset:
    asked = Dataset()
    if level:
        asked.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


def find(
    found: Association, model: str = STUDY, level: str = "STUDY", **keys: str
) -> tuple[list[Dataset], int | None]:
    """The matches, and the final status; None when there came none."""
    asked = identifier(level, {"StudyInstanceUID": "", **keys} if level == "STUDY" else keys)
    matches: list[Dataset] = []
    for status, match in found.send_c_find(asked, model):
        code: Any = status.get("Status")
        if code not in (0xFF00, 0xFF01):
            return matches, code
        matches.append(match)
    return matches, None


def answers(found: Association, **keys: str) -> bool:
    """Whether there is an answer to a query, with matches or without; no more than the first is waited for."""
    for status, _ in found.send_c_find(identifier("STUDY", {"StudyInstanceUID": "", **keys}), STUDY):
        code: Any = status.get("Status")
        if code in (0xFF00, 0xFF01):
            found.abort()
        return code in (0, 0xFF00, 0xFF01)
    return False
