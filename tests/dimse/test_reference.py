from __future__ import annotations

import pytest

from leadglass.dimse.reference import STATUS_HEAD, STORAGE_HEAD, status_rows, storage_rows
from leadglass.dimse.sop_classes import STORAGE
from leadglass.dimse.status import STATUSES, Service


@pytest.mark.parametrize("service", Service)
def test_every_status_has_a_row(service: Service) -> None:
    rows = status_rows(service)
    assert {row[0].strip("`") for row in rows} == {row.codes for row in STATUSES[service]}
    assert rows == sorted(rows, key=lambda row: row[0].replace("x", "0"))
    assert {len(row) for row in rows} == {len(STATUS_HEAD)}


def test_every_storage_class_has_a_row() -> None:
    rows = storage_rows()
    assert len(rows) == len(STORAGE)
    assert {len(row) for row in rows} == {len(STORAGE_HEAD)}
    assert ("CT Image Storage", "`1.2.840.10008.5.1.4.1.1.2`", "") in rows
    assert ("Hanging Protocol Storage", "`1.2.840.10008.5.1.4.38.1`", "belongs to no patient") in rows
    assert ("Ultrasound Image Storage", "`1.2.840.10008.5.1.4.1.1.6`", "retired") in rows


def test_no_cell_breaks_a_table() -> None:
    rows = [row for service in Service for row in status_rows(service)] + storage_rows()
    assert not [cell for row in rows for cell in row if "|" in cell or "\n" in cell]
