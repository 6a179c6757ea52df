from __future__ import annotations

import json
from typing import Any

import pytest

from leadglass.errors import Violation
from leadglass.scan.inside.orthanc import read
from leadglass.scan.inside.prediction import Cause, Door, Knows, Prediction
from leadglass.scan.observation import Level

NOBODY = {
    "DicomAlwaysAllowEcho": False,
    "DicomAlwaysAllowStore": False,
}
REMOTE = {"RemoteAccessAllowed": True}


def predicted(**options: Any) -> Prediction:
    return read({"orthanc.json": json.dumps(options, indent=1).encode()})


def door(kind: str, **options: Any) -> Door:
    (found,) = (each for each in predicted(**options).doors if each.kind == kind)
    return found


def checks(found: Door) -> list[str]:
    return [each.check for each in found.expected]


def test_its_defaults_let_any_ae_in_over_dicom_and_nobody_over_the_web() -> None:
    found = predicted()
    assert found.program == "orthanc" and found.unread == ()
    dicom, web = found.doors
    assert (dicom.kind, dicom.port, dicom.titles) == ("dicom", 4242, ("ORTHANC",))
    assert dicom.level is Level.ECHOES and dicom.level_named is Level.ECHOES
    assert checks(dicom) == ["D02", "D03", "D08", "D09", "D11", "T01"]
    assert all(each.knows is Knows.NOTHING and each.certain for each in dicom.expected)
    assert dicom.expected[0].cause == Cause("orthanc.json", 0, "DicomCheckCalledAet", "false")
    assert (web.kind, web.port, web.level, web.expected) == ("web", 8042, Level.CLOSED, ())


def test_comments_of_its_own_sample_are_taken_and_lines_are_told() -> None:
    text = b"""{
  // The DICOM port
  "DicomPort" : 104,
  /* Whether everybody
     may ask */
  "DicomAlwaysAllowFind" : true,
}
"""
    dicom = read({"orthanc.json": text}).doors[0]
    assert dicom.port == 104 and dicom.level is Level.ANSWERS
    (d06,) = (each for each in dicom.expected if each.check == "D06")
    assert d06.cause == Cause("orthanc.json", 6, "DicomAlwaysAllowFind", "true") and d06.certain


def test_with_all_that_is_always_allowed_off_strangers_are_turned_away() -> None:
    dicom = door("dicom", **NOBODY)
    assert dicom.level is dicom.level_named is Level.CLOSED and dicom.expected == ()


@pytest.mark.parametrize("kept", ["Echo", "Store", "Find", "FindWorklist", "Get", "Move"])
def test_one_that_is_on_lets_everybody_associate(kept: str) -> None:
    dicom = door("dicom", **NOBODY | {f"DicomAlwaysAllow{kept}": True})
    levels = {"Echo": Level.ECHOES, "Find": Level.ANSWERS, "FindWorklist": Level.ANSWERS}
    assert dicom.level is levels.get(kept, Level.ASSOCIATES)
    assert {"D02", "D03", "D08", "D09", "D11"} <= set(checks(dicom))
    (d03,) = (each for each in dicom.expected if each.check == "D03")
    assert d03.cause.option == f"DicomAlwaysAllow{kept}"
    assert ("D06" in checks(dicom)) == (kept == "Find")


def test_retrieving_and_storing_are_laid_to_the_option_that_allows_them() -> None:
    dicom = door("dicom", DicomAlwaysAllowMove=True)
    causes = {each.check: each.cause.option for each in dicom.expected}
    assert causes["D08"] == "DicomAlwaysAllowMove" and causes["D09"] == "DicomAlwaysAllowStore"
    causes = {each.check: each.cause.option for each in door("dicom").expected}
    assert causes["D08"] == "DicomAlwaysAllowEcho"  # agreed to, though not done


def test_a_worklist_depends_on_a_plug_in() -> None:
    (d10,) = (e for e in door("dicom", DicomAlwaysAllowFindWorklist=True).expected if e.check == "D10")
    assert not d10.certain


def test_a_called_title_that_is_checked_has_to_be_known() -> None:
    dicom = door("dicom", DicomCheckCalledAet=True, DicomAlwaysAllowFind=True, DicomAet="KHNORD_PACS7")
    assert dicom.level is Level.CLOSED and dicom.level_named is Level.ANSWERS
    assert {each.knows for each in dicom.expected} == {Knows.TITLE}
    assert "D02" not in checks(dicom) and "D04" not in checks(dicom)


def test_a_title_that_everybody_tries_is_no_secret() -> None:
    dicom = door("dicom", DicomCheckCalledAet=True)
    assert checks(dicom)[0] == "D04"
    assert dicom.expected[0].cause == Cause("orthanc.json", 0, "DicomAet", "ORTHANC")


def test_tls_with_certificates_keeps_strangers_out() -> None:
    assert door("dicom", DicomTlsEnabled=True).level is Level.CLOSED
    dicom = door("dicom", DicomTlsEnabled=True, DicomTlsRemoteCertificateRequired=False)
    assert dicom.level is Level.ECHOES
    assert "T03" in checks(dicom) and "T01" not in checks(dicom)


def test_a_server_that_is_off_is_no_door() -> None:
    assert predicted(DicomServerEnabled=False, HttpServerEnabled=False).doors == ()


def test_open_web_shows_everything() -> None:
    web = door("web", AuthenticationEnabled=False, HttpPort=80, **REMOTE)
    assert web.port == 80 and web.level is Level.ANSWERS
    assert checks(web) == ["W03"]
    assert web.expected[0].cause == Cause("orthanc.json", 2, "AuthenticationEnabled", "false")


def test_dicomweb_is_open_with_it_if_the_plug_in_is_there() -> None:
    web = door("web", AuthenticationEnabled=False, DicomWeb={"Enable": True}, **REMOTE)
    assert [(each.check, each.certain) for each in web.expected] == [("W03", True), ("W01", False)]
    assert checks(door("web", AuthenticationEnabled=False, DicomWeb={"Enable": False}, **REMOTE)) == ["W03"]


@pytest.mark.parametrize("asked", [{}, {"AuthenticationEnabled": True}], ids=("left", "on"))
@pytest.mark.parametrize(
    ("users", "expected"),
    [
        ({}, ["W04"]),
        ({"RegisteredUsers": {}}, ["W04"]),
        ({"RegisteredUsers": {"orthanc": "orthanc"}}, ["W04"]),
        ({"RegisteredUsers": {"orthanc": "Zx9!secret"}}, []),
        ({"RegisteredUsers": {"anna": "orthanc"}}, []),
    ],
    ids=("none", "empty", "default", "changed", "other"),
)
def test_a_password_that_everybody_knows(
    asked: dict[str, bool], users: dict[str, Any], expected: list[str]
) -> None:
    web = door("web", **REMOTE, **asked, **users)
    assert web.level is Level.CLOSED and checks(web) == expected


def test_no_password_and_no_user_comes_out() -> None:
    options = {"RegisteredUsers": {"anna.roth": "Zx9!secret", "orthanc": "orthanc"}, "HttpPort": "Zx9!secret"}
    said = repr(predicted(**REMOTE, **options))
    assert "secret" not in said and "anna" not in said


def test_a_title_is_shown_as_it_can_be_printed() -> None:
    assert door("dicom", DicomAet="A\x1b[31m" + "B" * 40).titles == ("A?[31mBBBBBBBBBB",)


def test_of_several_files_the_last_holds() -> None:
    files = {
        "a.json": b'{"DicomPort": 104, "RemoteAccessAllowed": true}',
        "b.json": b'{\n"DicomPort": 11112, "AuthenticationEnabled": false}',
    }
    dicom, web = read(files).doors
    assert dicom.port == 11112 and web.expected[0].cause == Cause(
        "b.json", 2, "AuthenticationEnabled", "false"
    )


def test_what_the_environment_sets_is_not_known() -> None:
    found = predicted(
        DicomAet="${TITLE}", DicomCheckCalledAet=True, HttpPort="${PORT}", DicomAlwaysAllowEcho="yes"
    )
    dicom = found.doors[0]
    assert dicom.titles == ("ORTHANC",)
    assert next((each.check, each.certain) for each in dicom.expected) == ("D04", False)
    assert found.unread == (
        "orthanc.json:2 DicomAet",
        "orthanc.json:5 DicomAlwaysAllowEcho",
        "orthanc.json:4 HttpPort",
    )


@pytest.mark.parametrize("content", [b"[]", b"1", b'"a"', b"true"])
def test_what_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(Violation):
        read({"orthanc.json": content})
    with pytest.raises(Violation):
        read({})
