from __future__ import annotations

import pytest
from observed import associate, dcmqrscp_open, orthanc_web, system

from leadglass.scan.checks import CHECKS
from leadglass.scan.doors import doors
from leadglass.scan.fingerprint import MARKS, Identity, Kind, Provenance, identify
from leadglass.scan.remedies import MADE_WITH, REMEDIES, TOPICS, Topic, remedies
from leadglass.scan.wording import Language


def identity(program: str, provenance: Provenance = Provenance.RUN) -> Identity:
    return Identity(program, Kind.PRODUCT, "", provenance, "test", 0)


@pytest.mark.parametrize("key", REMEDIES, ids=lambda key: f"{key[0]}-{key[1]}")
def test_every_remedy_has_both_languages_and_a_source(key: tuple[str, Topic]) -> None:
    remedy = REMEDIES[key]
    assert remedy.en != remedy.de
    assert remedy.source
    for language in Language:
        assert remedy.text(language).endswith(".")
        assert "{" not in remedy.text(language) and "  " not in remedy.text(language)
    for word in (
        "Dicom",
        "dcmAccepted",
        "RemoteAE",
        "require_",
        "--",
        "AuthenticationEnabled",
        "AETable",
        "secure=all",
        "dicomTLS",
    ):
        assert (word in remedy.en) == (word in remedy.de)


def test_remedies_are_for_programs_that_can_be_known() -> None:
    known = {mark.program for mark in MARKS if mark.provenance is not Provenance.UNVERIFIED}
    assert {program for program, _ in REMEDIES} <= known
    assert set(TOPICS) <= set(CHECKS)


def test_a_check_without_a_topic_has_no_remedy() -> None:
    assert remedies("D01", [identity("orthanc")], Language.EN) == ()


def test_orthanc_is_told_its_own_options() -> None:
    ((name, text),) = remedies("W03", identify(doors([system()])[0]), Language.EN)
    assert name == "Orthanc"
    assert '"RemoteAccessAllowed"' in text and '"AuthenticationEnabled"' in text


def test_a_toolkit_may_be_in_a_product_and_is_said_so() -> None:
    (door,) = doors(dcmqrscp_open())
    assert [name for name, _ in remedies("D06", identify(door), Language.DE)] == ["DCMTK", "Orthanc?"]


def test_a_product_that_is_known_at_the_host_is_not_asked_for() -> None:
    everything = [each for door in doors([*dcmqrscp_open(), *orthanc_web()]) for each in identify(door)]
    assert sorted(name for name, _ in remedies("D06", everything, Language.DE)) == ["DCMTK", "Orthanc"]


def test_nothing_rests_on_an_unverified_identity() -> None:
    assert remedies("D06", [identity("orthanc", Provenance.UNVERIFIED)], Language.EN) == ()
    assert remedies("D06", [], Language.EN) == ()
    (door,) = doors([associate(implementation_class_uid="1.2.840.113619.6.1")])
    assert remedies("D03", identify(door), Language.EN) == ()


def test_what_is_made_with_a_toolkit_has_remedies() -> None:
    for products in MADE_WITH.values():
        assert all((product, Topic.QUERY) in REMEDIES for product in products)
