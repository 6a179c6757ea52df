from __future__ import annotations

import pytest

from leadglass.errors import LimitExceeded, Violation
from leadglass.scan.inside.conquest import read
from leadglass.scan.inside.prediction import MOST_BYTES, Cause, Door, Expected, Knows
from leadglass.scan.observation import Level

INI = b"""# This file contains configuration information for the DICOM server
[sscscp]
MicroPACS                = sscscp
MyACRNema                = CONQUESTSRV1
TCPPort                  = 11113
EnableReadAheadThread = 1
"""
SOPS = b"""#None              none                                    none
CTImageStorage     1.2.840.10008.5.1.4.1.1.2               sop
LittleEndianImplicit 1.2.840.10008.1.2                     transfer
"""
MAP = b"""/* **************************************************************
/*                                                           *
/* ACRNEMA.MAP             * here "*" * 1234 un
************************************************************** */
CONQUESTSRV1            127.0.0.1       5678            un
V*                      *               1234            un
W*                      10.0.0.*        666             un
"""


def door(**files: bytes) -> Door:
    named = {f"/opt/{name.replace('_', '.')}": content for name, content in files.items()}
    (found,) = read(named).doors
    return found


def of(found: Door, check: str) -> Expected:
    (each,) = (each for each in found.expected if each.check == check)
    return each


def test_without_lists_anybody_may_do_anything() -> None:
    found = door(dicom_ini=INI, dgatesop_lst=SOPS, acrnema_map=MAP)
    assert (found.port, found.titles) == (11113, ("CONQUESTSRV1",))
    assert found.level is found.level_named is Level.ANSWERS
    assert [each.check for each in found.expected] == ["D02", "D03", "D06", "D09", "T01", "D08"]
    assert all(each.certain and each.knows is Knows.NOTHING for each in found.expected)
    assert of(found, "D06").cause == Cause("/opt/dgatesop.lst", 0, "RemoteAE", "-")
    assert of(found, "D02").cause == Cause("/opt/dgatesop.lst", 0, "LocalAE", "-")
    assert of(found, "D08").cause == Cause("/opt/acrnema.map", 6, "V*", "*")


def test_without_a_wildcard_retrieving_is_laid_to_the_list() -> None:
    found = door(
        dicom_ini=INI, dgatesop_lst=SOPS, acrnema_map=MAP.replace(b"V* ", b"V1 ").replace(b" * ", b" h ")
    )
    assert of(found, "D08").cause.option == "RemoteAE"


def test_callers_that_are_listed_keep_strangers_out() -> None:
    found = door(dicom_ini=INI, dgatesop_lst=SOPS + b"ct1 CT1 RemoteAE\n")
    assert found.level is found.level_named is Level.CLOSED and found.expected == ()


def test_titles_that_are_listed_have_to_be_known() -> None:
    found = door(dicom_ini=INI, dgatesop_lst=SOPS + b"me CONQUESTSRV1 localae\n")
    assert found.level is Level.CLOSED and found.level_named is Level.ANSWERS
    assert {each.knows for each in found.expected} == {Knows.TITLE}
    assert of(found, "D04").cause == Cause("/opt/dicom.ini", 4, "MyACRNema", "CONQUESTSRV1")
    other = door(
        dicom_ini=INI.replace(b"CONQUESTSRV1", b"KHNORD"), dgatesop_lst=SOPS + b"me KHNORD LocalAE\n"
    )
    assert "D04" not in [each.check for each in other.expected]


def test_a_line_that_is_commented_out_lists_nobody() -> None:
    assert door(dicom_ini=INI, dgatesop_lst=SOPS + b"#ct1 CT1 RemoteAE\n").level is Level.ANSWERS


def test_without_its_list_nothing_is_certain() -> None:
    assert not any(each.certain for each in door(dicom_ini=INI).expected)


def test_a_comment_without_end_hides_the_rest() -> None:
    found = door(dicom_ini=INI, dgatesop_lst=SOPS, acrnema_map=b"/* all of it\nV* * 1234 un\n")
    assert of(found, "D08").cause.option == "RemoteAE"


def test_settings_of_other_sections_are_not_its() -> None:
    found = door(dicom_ini=b"[other]\nTCPPort = 1\n" + INI.replace(b"11113", b"") + b"[lua]\nTCPPort = 2\n")
    assert found.port == 5678


def test_other_files_are_named() -> None:
    found = read({"dicom.ini": INI, "dicom.sql": b"*Patient\n"})
    assert found.program == "conquest" and found.unread == ("dicom.sql",)


def test_names_of_windows_are_read() -> None:
    (found,) = read({"C:\\dicom\\DICOM.INI": INI}).doors
    assert found.port == 11113


def test_without_dicom_ini_it_is_none() -> None:
    with pytest.raises(Violation):
        read({"acrnema.map": MAP})
    with pytest.raises(LimitExceeded):
        read({"dicom.ini": b"x" * (MOST_BYTES + 1)})
