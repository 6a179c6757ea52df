"""Statuses: the rule of PS3.7 Annex C for every code, and each service's table against pynetdicom's."""

from __future__ import annotations

from itertools import combinations

import pynetdicom.status
import pytest

from leadglass.dimse.status import (
    CANCEL,
    PENDING,
    PENDING_WITH_WARNING,
    STATUSES,
    SUCCESS,
    Category,
    Service,
    Status,
    category,
    meaning,
    sentence,
)

ROWS = [(service, row) for service in Service for row in STATUSES[service]]
THEIRS = {
    Service.GENERAL: pynetdicom.status.GENERAL_STATUS,
    Service.STORAGE: pynetdicom.status.STORAGE_SERVICE_CLASS_STATUS,
    Service.FIND: pynetdicom.status.QR_FIND_SERVICE_CLASS_STATUS,
    Service.MOVE: pynetdicom.status.QR_MOVE_SERVICE_CLASS_STATUS,
    Service.GET: pynetdicom.status.QR_GET_SERVICE_CLASS_STATUS,
    Service.COMMITMENT: pynetdicom.status.STORAGE_COMMITMENT_SERVICE_CLASS_STATUS,
}
# What it does not know: a status in use, and one that came after PS3.4 of 2022.
ONLY_OURS = {
    Service.GENERAL: {0x0001, 0xFF00},
    Service.STORAGE: {0x0001, 0xFF00, *range(0xA800, 0xA900)},
    Service.FIND: {0x0001},
    Service.MOVE: {0x0001},
    Service.GET: {0x0001},
    Service.COMMITMENT: {0x0001, 0xFF00},
}


def by_the_standard(code: int) -> Category:
    """PS3.7 Annex C: 0000 | 0001, Bxxx, 0107, 0116 | Axxx, Cxxx, 01xx, 02xx | FE00 | FF00, FF01."""
    if code in {0x0001, 0x0107, 0x0116} or 0xB000 <= code <= 0xBFFF:
        return Category.WARNING
    others = {
        0: Category.SUCCESS,
        0xFE00: Category.CANCEL,
        0xFF00: Category.PENDING,
        0xFF01: Category.PENDING,
    }
    return others.get(code, Category.FAILURE)


def test_the_category_of_every_code() -> None:
    assert [category(code) for code in range(0x10000)] == [by_the_standard(code) for code in range(0x10000)]


@pytest.mark.parametrize("service", Service)
def test_every_code_means_something(service: Service) -> None:
    """Whatever a peer sends: the row has it, in the category of the Standard, with a sentence for people."""
    for code in range(0x10000):
        row = meaning(service, code)
        assert row.first <= code <= row.last
        assert row.category is by_the_standard(code)
        assert row.sentence.endswith(".") and row.sentence[0].isupper()


@pytest.mark.parametrize("service", THEIRS)
def test_what_pynetdicom_lists_is_listed(service: Service) -> None:
    listed = {code for code in range(0x10000) if meaning(service, code).name != "Unknown"}
    assert listed == set(THEIRS[service]) | ONLY_OURS[service]
    for code, (kind, _) in THEIRS[service].items():
        assert meaning(service, code).category == kind.lower()


@pytest.mark.parametrize(("service", "row"), ROWS, ids=lambda v: getattr(v, "codes", v))
def test_a_row(service: Service, row: Status) -> None:
    assert row.first <= row.last
    assert {category(code) for code in range(row.first, row.last + 1)} == {row.category}
    assert row.name and row.source
    assert len(row.sentence) < 100
    assert meaning(service, row.first) is row


@pytest.mark.parametrize("service", Service)
def test_no_code_is_in_two_rows(service: Service) -> None:
    for one, other in combinations(STATUSES[service], 2):
        assert one.last < other.first or other.last < one.first


@pytest.mark.parametrize(
    ("service", "code", "words"),
    [
        (Service.STORAGE, 0xA700, "no room"),
        (Service.STORAGE, 0xA7FF, "no room"),
        (Service.STORAGE, 0xA901, "not the kind of object"),
        (Service.STORAGE, 0xC123, "cannot read"),
        (Service.STORAGE, 0xB006, "left some elements out"),
        (Service.STORAGE, 0x0124, "does not allow"),
        (Service.FIND, 0xA900, "keys do not fit"),
        (Service.FIND, 0xC001, "failed while"),
        (Service.MOVE, 0xA801, "AE title"),
        (Service.MOVE, 0xB000, "could not be sent"),
        (Service.GET, 0xB000, "could not be received"),
        (Service.GET, 0x0122, "does not take that kind"),
        (Service.COMMITMENT, 0x0110, "failed"),
        (Service.COMMITMENT_FAILURE, 0x0112, "does not have the object"),
        (Service.COMMITMENT_FAILURE, 0x0131, "already been made"),
        (Service.FIND, 0xB777, "with a warning"),
        (Service.MOVE, 0x1234, "refused or failed"),
    ],
)
def test_what_people_are_told(service: Service, code: int, words: str) -> None:
    assert words in sentence(service, code)


def test_failure_reasons_are_those_of_the_standard() -> None:
    """PS3.3 C.14.1.1 enumerates them; statuses of messages are not among them."""
    reasons = {row.first for row in STATUSES[Service.COMMITMENT_FAILURE]}
    assert reasons == {0x0110, 0x0112, 0x0119, 0x0122, 0x0131, 0x0213}
    assert meaning(Service.COMMITMENT_FAILURE, 0x0124).name == "Unknown"
    assert meaning(Service.COMMITMENT, 0x0131).name == "Unknown"


def test_codes_as_the_standard_writes_them() -> None:
    codes = {row.codes for row in STATUSES[Service.STORAGE]}
    assert codes == {"0000", "A7xx", "A8xx", "A9xx", "B000", "B006", "B007", "Cxxx"}


def test_names_of_codes() -> None:
    assert (SUCCESS, CANCEL, PENDING, PENDING_WITH_WARNING) == (0x0000, 0xFE00, 0xFF00, 0xFF01)
