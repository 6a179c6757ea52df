"""What is said of a configuration against what the program does that is set so. The stranger is DCMTK's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from interop_programs import dcmtk, free_port, listening, orthanc, program, run

from leadglass.scan.inside.prediction import Door
from leadglass.scan.inside.reading import predict
from leadglass.scan.observation import Level

STRANGER = "LGSCANSTRANGER"
NOBODY = "LGSCANNOBODY"  # an AE title that no server has
NO_STUDY = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.31337")
STRICT = {f"DicomAlwaysAllow{name}": False for name in ("Echo", "Store", "Find", "Get", "Move")}


def level(port: int, title: str) -> Level:
    """How far somebody gets who calls `title`."""
    who = ("-v", "-aet", STRANGER, "-aec", title)
    find = run(dcmtk("findscu"), *who, "-S", *NO_STUDY, "127.0.0.1", port)
    if "Final Find Response (Success)" in find:
        return Level.ANSWERS
    echo = run(dcmtk("echoscu"), *who, "127.0.0.1", port)
    if "Received Echo Response (Success)" in echo:
        return Level.ECHOES
    return Level.ASSOCIATES if "Association Accepted" in echo else Level.CLOSED


def dicom_door(config: Path) -> Door:
    (door,) = (each for each in predict({config.name: config.read_bytes()}).doors if each.kind == "dicom")
    return door


def as_predicted(door: Door) -> None:
    assert level(door.port, NOBODY) is door.level
    assert max(level(door.port, title) for title in (NOBODY, *door.titles)) is door.level_named


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (STRICT, (Level.CLOSED, Level.CLOSED)),
        (STRICT | {"DicomAlwaysAllowEcho": True}, (Level.ECHOES, Level.ECHOES)),
        (STRICT | {"DicomAlwaysAllowStore": True}, (Level.ASSOCIATES, Level.ASSOCIATES)),
        (STRICT | {"DicomAlwaysAllowGet": True}, (Level.ASSOCIATES, Level.ASSOCIATES)),
        ({}, (Level.ANSWERS, Level.ANSWERS)),
        ({"DicomCheckCalledAet": True}, (Level.CLOSED, Level.ANSWERS)),
        (STRICT | {"DicomCheckCalledAet": True}, (Level.CLOSED, Level.CLOSED)),
    ],
    ids=("strict", "echo", "store", "get", "open", "called", "both"),
)
def test_orthanc_lets_strangers_in_as_it_is_set(
    tmp_path: Path, settings: dict[str, Any], expected: tuple[Level, Level]
) -> None:
    with orthanc(tmp_path, {}, **settings):
        door = dicom_door(tmp_path / "orthanc.json")
        assert (door.level, door.level_named) == expected
        as_predicted(door)


@pytest.mark.parametrize(
    ("settings", "status", "default_user", "expected"),
    [
        ({"AuthenticationEnabled": False}, 200, 200, ["W03"]),
        ({"AuthenticationEnabled": True}, 401, 200, ["W04"]),
        ({"AuthenticationEnabled": True, "RegisteredUsers": {"anna": "b"}}, 401, 401, []),
    ],
    ids=("open", "default", "users"),
)
def test_orthanc_asks_who_it_is_as_it_is_set(
    tmp_path: Path, settings: dict[str, Any], status: int, default_user: int, expected: list[str]
) -> None:
    with orthanc(tmp_path, {}, RemoteAccessAllowed=True, **settings) as server:
        address = f"http://127.0.0.1:{server.http}"
        config = tmp_path / "orthanc.json"
        (web,) = (each for each in predict({"c": config.read_bytes()}).doors if each.kind == "web")
        assert [each.check for each in web.expected] == expected
        assert got(f"{address}/system", {}) == status
        assert got(f"{address}/system", {"Authorization": "Basic b3J0aGFuYzpvcnRoYW5j"}) == default_user


def got(address: str, headers: dict[str, str]) -> int:
    try:
        with urlopen(Request(address, headers=headers), timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_orthanc_takes_the_comments_that_are_taken_here(tmp_path: Path) -> None:
    config, port = tmp_path / "orthanc.json", free_port()
    settings = {"DicomPort": port, "DicomAet": "KHNORD", "HttpServerEnabled": False, "Plugins": []} | {
        key: str(tmp_path / "storage") for key in ("StorageDirectory", "IndexDirectory")
    }
    body = json.dumps(settings)[1:-1]
    config.write_text(f'// one\n{{ /* two\n */ {body}, // three\n "DicomCheckCalledAet": true, }}\n')
    with listening(program("Orthanc", "orthanc"), config, port=port, cwd=tmp_path):
        door = dicom_door(config)
        assert (door.port, door.titles, door.level_named) == (port, ("KHNORD",), Level.ECHOES)
        as_predicted(door)


@pytest.mark.parametrize(
    ("access", "peers", "expected"),
    [
        ("RW", "ANY", Level.ANSWERS),
        ("W", "ANY", Level.ANSWERS),
        ("R", "ANY", Level.ANSWERS),
        ("RW", "ct1", Level.CLOSED),
        ("RW", "(CT1, 127.0.0.1, 104)", Level.CLOSED),
    ],
)
def test_dcmqrscp_lets_strangers_in_as_it_is_set(
    tmp_path: Path, access: str, peers: str, expected: Level
) -> None:
    config, port = tmp_path / "dcmqrscp.cfg", free_port()
    (tmp_path / "store").mkdir()
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\nct1 = (CT1, 127.0.0.1, 104)\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nKHNORD {tmp_path / 'store'} {access} (200, 1024mb) {peers}\nAETable END\n"
    )
    with listening(dcmtk("dcmqrscp"), "-d", "-c", config, port=port, cwd=tmp_path):
        door = dicom_door(config)
        assert door.level_named is expected and door.titles == ("KHNORD",)
        as_predicted(door)
