"""What leaves this machine, read by pydicom and by our own parser."""

from __future__ import annotations

from io import BytesIO

import pydicom
import pytest

from leadglass.dimse.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, VERIFICATION
from leadglass.scan.asks import Ask
from leadglass.scan.requests import (
    IMPOSSIBLE_DAY,
    OFFERS,
    UNKNOWN_SERVICE,
    Keys,
    no_procedure,
    no_study,
    offers,
    studies,
    verification,
)
from leadglass.ul.pdu import AssociateRQ

SYNTAXES = {"1.2.840.10008.1.2": True, "1.2.840.10008.1.2.1": False}


def read(keys: Keys, syntax: str) -> pydicom.Dataset:
    return pydicom.filereader.read_dataset(BytesIO(keys.encode(syntax)), SYNTAXES[syntax], True)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_study(syntax: str) -> None:
    found = read(no_study(STUDY_ROOT_FIND, "NOBODY"), syntax)
    assert {e.keyword: e.value for e in found} == {
        "StudyDate": IMPOSSIBLE_DAY,
        "QueryRetrieveLevel": "STUDY",
        "StudyInstanceUID": "",
    }
    assert read(no_study(PATIENT_ROOT_FIND, "NOBODY"), syntax).PatientID == "NOBODY"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_procedure(syntax: str) -> None:
    (step,) = read(no_procedure("NOBODY"), syntax).ScheduledProcedureStepSequence
    assert step.ScheduledStationAETitle == "NOBODY"
    assert step.ScheduledProcedureStepStartDate == IMPOSSIBLE_DAY


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_studies(syntax: str) -> None:
    found = read(studies(Ask(modality="MR").keys(), ("NumberOfStudyRelatedInstances",)), syntax)
    assert found.ModalitiesInStudy == "MR" and found.NumberOfStudyRelatedInstances is None
    sequence = read(studies({}, ("OtherPatientIDsSequence",)), syntax)
    assert len(sequence.OtherPatientIDsSequence) == 0


def test_names_of_keys_fit_into_an_observation() -> None:
    assert no_procedure("X").names == (
        "scheduledprocedurestepstartdate", "scheduledstationaetitle", "studyinstanceuid",
    )  # fmt: skip


def test_association_requests() -> None:
    request = AssociateRQ.decode(verification("CALLED", "CALLING", 1 << 18).encode()[6:])
    assert (request.called, request.calling) == ("CALLED", "CALLING")
    assert [context.abstract_syntax for context in request.contexts] == [VERIFICATION]
    assert request.user_information.maximum_length == 1 << 18
    offered = AssociateRQ.decode(offers("CALLED", "CALLING", 1 << 18).encode()[6:])
    assert [context.abstract_syntax for context in offered.contexts] == [*OFFERS, UNKNOWN_SERVICE]
    assert {context.transfer_syntaxes for context in offered.contexts} == {
        ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
    }


@pytest.mark.parametrize(("uid", "name"), OFFERS.items())
def test_services_bear_the_standards_names(uid: str, name: str) -> None:
    assert pydicom.uid.UID(uid).name.removesuffix(" SOP Class") == name
