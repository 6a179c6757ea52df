from __future__ import annotations

import re
from itertools import pairwise

import pytest

from leadglass.scan.checks import Severity
from leadglass.scan.fingerprint import MARKS, Identity, Kind, Provenance
from leadglass.scan.vulnerabilities import FLAWS, Flaw, affects, flaws, severity, version


def identity(
    program: str, told: str, kind: Kind = Kind.PRODUCT, provenance: Provenance = Provenance.RUN
) -> Identity:
    return Identity(program, kind, told, provenance, "test", 0)


def ids(*found: Flaw) -> set[str]:
    return {flaw.cve for flaw in found}


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.cve)
def test_every_row_has_a_source_and_one_range_of_a_program_that_can_be_known(flaw: Flaw) -> None:
    assert re.fullmatch(r"CVE-\d{4}-\d{4,}", flaw.cve)
    assert flaw.source.startswith(("CVE record", "CSAF"))
    assert bool(flaw.fixed) != bool(flaw.last)
    assert flaw.program in {mark.program for mark in MARKS if mark.provenance is not Provenance.UNVERIFIED}


def test_no_row_twice() -> None:
    assert len(ids(*FLAWS)) == len(FLAWS)


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.cve)
def test_the_ends_of_every_range(flaw: Flaw) -> None:
    end = flaw.fixed or flaw.last
    assert affects(flaw, end) == bool(flaw.last)
    assert affects(flaw, end + ".1") is False
    *head, tail = end.split(".")
    before = ".".join([*head, str(int(tail) - 1)]) if int(tail) else None
    assert before is None or affects(flaw, before)
    assert affects(flaw, "99") is False
    assert affects(flaw, "0.9") == (flaw.since == "0")


@pytest.mark.parametrize(
    "told", ["", "mainline", "1.12.10-rc1", "1..2", "1.", "v1.2", "1 2", "9" * 30, "1" + ".1" * 9, "１.2"]
)
def test_what_is_no_plain_version_lies_in_no_range(told: str) -> None:
    assert version(told) is None
    assert not [flaw for flaw in FLAWS if affects(flaw, told)]


def test_versions_are_ordered_by_number_and_not_by_letter() -> None:
    ordered = ["0", "1.0", "1.0.1", "1.2", "1.9.7", "1.10", "1.12.9", "1.12.10", "2", "7.2.8.810", "10.0"]
    for less, more in pairwise(ordered):
        assert version(less) < version(more)  # type: ignore[operator]
    assert version("3.7.0") == version("3.7") == version("3.7.0.0")


def test_known_servers() -> None:
    assert ids(*flaws(identity("orthanc", "1.10.1"))) == {
        "CVE-2023-33466",
        *(f"CVE-2026-{n}" for n in range(5437, 5446)),
    }
    assert "CVE-2025-0896" in ids(*flaws(identity("orthanc", "1.5.7")))
    assert flaws(identity("orthanc", "1.12.11")) == ()
    assert ids(*flaws(identity("dcmtk", "3.6.7"))) == {
        "CVE-2024-34508", "CVE-2024-34509", "CVE-2026-50254", "CVE-2026-35505", "CVE-2026-52868", "CVE-2026-44628",
    }  # fmt: skip
    assert ids(*flaws(identity("pynetdicom", "3.0.3"))) == {"CVE-2026-56445"}
    assert flaws(identity("pynetdicom", "3.0.4")) == flaws(identity("pynetdicom", "0.9.0")) == ()


def test_what_was_left_out_stays_out() -> None:
    """Flaws of clients and of reading files concern no server that a scan sees."""
    assert not {"CVE-2022-2120", "CVE-2026-50003", "CVE-2024-23912", "CVE-2026-32711"} & ids(*FLAWS)


def test_nothing_rests_on_an_unverified_identity() -> None:
    assert flaws(identity("orthanc", "1.10.1", provenance=Provenance.UNVERIFIED)) == ()
    assert flaws(identity("orthanc", "")) == ()


@pytest.mark.parametrize(
    ("kind", "worst", "expected"),
    [
        (Kind.PRODUCT, Severity.CRITICAL, Severity.HIGH),
        (Kind.PRODUCT, Severity.HIGH, Severity.HIGH),
        (Kind.PRODUCT, None, Severity.MEDIUM),
        (Kind.TOOLKIT, Severity.CRITICAL, Severity.MEDIUM),
        (Kind.TOOLKIT, None, Severity.MEDIUM),
    ],
)
def test_a_version_alone_is_never_critical(kind: Kind, worst: Severity | None, expected: Severity) -> None:
    row = Flaw("CVE-2000-0001", "orthanc", "", "CVE record", worst, last="1")
    assert severity(identity("orthanc", "1", kind), [row]) is expected
