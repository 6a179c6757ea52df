from __future__ import annotations

import pytest

from leadglass.errors import Violation
from leadglass.scan.inside.dcmqrscp import read
from leadglass.scan.inside.prediction import Cause, Knows, Prediction
from leadglass.scan.observation import Level

CONFIGURATION = """# of DCMTK
NetworkTCPPort  = {port}
MaxPDUSize      = 16384

HostTable BEGIN
ct1  = (CT1, ct1.example, 104)
HostTable END

VendorTable BEGIN
VendorTable END

AETable BEGIN
{rows}
AETable END
"""


def predicted(*rows: str, port: object = 11112) -> Prediction:
    return read({"dcmqrscp.cfg": CONFIGURATION.format(port=port, rows="\n".join(rows)).encode()})


def test_who_knows_a_title_that_any_may_call_may_do_anything() -> None:
    found = predicted("ARCHIVE  /var/db  RW  (200, 1024mb)  ANY")
    (door,) = found.doors
    assert found.program == "dcmtk" and found.unread == ()
    assert (door.kind, door.port, door.titles) == ("dicom", 11112, ("ARCHIVE",))
    assert door.level is Level.CLOSED and door.level_named is Level.ANSWERS
    assert [each.check for each in door.expected] == ["D04", "D03", "D06", "D08", "D09", "T01"]
    assert {each.knows for each in door.expected} == {Knows.TITLE}
    assert {each.cause for each in door.expected} == {Cause("dcmqrscp.cfg", 13, "AETable ARCHIVE", "ANY")}


@pytest.mark.parametrize(("access", "stores"), [("R", False), ("W", True), ("RW", True)])
def test_access_says_who_stores_and_not_who_asks(access: str, stores: bool) -> None:
    (door,) = predicted(f"KHNORD  /var/db  {access}  (200, 1024mb)  any").doors
    checks = [each.check for each in door.expected]
    assert "D06" in checks and ("D09" in checks) == stores and "D04" not in checks


def test_peers_that_are_listed_keep_strangers_out() -> None:
    (door,) = predicted(
        "ARCHIVE /var/db RW (200, 1024mb) ct1", "X /var/x RW (9, 9mb) (A, b, 104), (C, d, 1)"
    ).doors
    assert door.level_named is Level.CLOSED and door.expected == ()
    assert door.titles == ("ARCHIVE", "X")


def test_an_empty_table_lets_nobody_in() -> None:
    (door,) = predicted().doors
    assert door.titles == () and door.level_named is Level.CLOSED


@pytest.mark.parametrize("port", ["x", 0, 70000, 999999])
def test_a_port_that_is_none_is_the_default(port: object) -> None:
    assert predicted(port=port).doors[0].port == 104


def test_rows_that_are_not_understood_are_named() -> None:
    found = predicted("ARCHIVE /var/db RW", "# a comment", "B /b R (1, 1mb) ANY # it is", "  ")
    assert found.unread == ("dcmqrscp.cfg:13",)
    assert found.doors[0].titles == ("B",)


def test_a_host_table_lists_nobody_who_may_be_called() -> None:
    assert predicted().doors[0].expected == ()


def test_without_tables_it_is_none() -> None:
    with pytest.raises(Violation):
        read({"dcmqrscp.cfg": b"NetworkTCPPort = 104\n"})
