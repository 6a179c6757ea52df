"""python ignores_date.py PORT: keeps what it is sent, and answers every C-FIND with all of it, whatever the keys.

Such servers exist: a query for a day on which there was nothing tells them nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification

STUDIES: dict[str, str] = {}  # Study Instance UID → patient's ID


def take(event: Any) -> int:
    STUDIES[event.dataset.StudyInstanceUID] = event.dataset.PatientID
    return 0


def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
    for uid, patient in STUDIES.items():
        answer = Dataset()
        answer.QueryRetrieveLevel = "STUDY"
        answer.StudyInstanceUID = uid
        if "PatientID" in event.identifier:
            answer.PatientID = patient
        yield 0xFF00, answer


def main() -> None:
    ae = AE(ae_title="ARCHIVE")
    ae.supported_contexts = StoragePresentationContexts
    ae.add_supported_context(Verification)
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    ae.start_server(
        ("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, take), (evt.EVT_C_FIND, find)]
    )


if __name__ == "__main__":
    main()
