"""demo: from nothing to a signed-in doctor, and again."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from typing import Any

import pytest

from leadglass.cli import demo_images
from leadglass.cli.demo_people import PEOPLE, VISITS

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """What the demo imports, one data set per image, read by pydicom."""
    import pydicom

    found = {}
    for source in demo_images.sources(1_800_000_000_000):
        with source.open() as stream:
            found.setdefault(source.name, pydicom.dcmread(io.BytesIO(stream.read()), stop_before_pixels=True))
    return found


def test_every_image_belongs_to_somebody_made_up(made: dict[str, Any]) -> None:
    assert len(made) == demo_images.expected()
    known = {person.patient_id: person for person in PEOPLE}
    for dataset in made.values():
        person = known[dataset.PatientID]
        assert (str(dataset.PatientName), dataset.PatientBirthDate) == (person.name, person.born)
        assert dataset.StudyDate <= "20270115"
        assert dataset.PatientBirthDate < dataset.StudyDate


def test_nothing_of_the_originals_says_whose_they_were(made: dict[str, Any]) -> None:
    names = {person.name for person in PEOPLE} | {visit.referrer for visit in VISITS}
    for dataset in made.values():
        for element in dataset.iterall():
            assert not element.tag.is_private
            if element.VR == "PN":
                assert str(element.value) in names
        top = {element.keyword for element in dataset}
        assert not top & demo_images._TAKEN_OUT - {"InstitutionName", "IssuerOfPatientID"}
        assert dataset.InstitutionName == "Leadglass Demo Clinic"
        assert "SourceApplicationEntityTitle" not in dataset.file_meta


def test_the_list_looks_like_one() -> None:
    assert len(PEOPLE) >= 20
    assert len(VISITS) >= 30
    assert {visit.person for visit in VISITS} == {person.number for person in PEOPLE}
    assert {key for visit in VISITS for key in visit.images} == set(demo_images.IMAGES)
    assert [visit.days for visit in VISITS] == sorted(visit.days for visit in VISITS)
    assert max(visit.days for visit in VISITS) < 730
    for person in PEOPLE:
        assert all(len(group) <= 64 for group in person.name.split("="))


def test_the_same_demo_has_the_same_bytes() -> None:
    first, again = (next(iter(demo_images.sources(1_800_000_000_000))) for _ in range(2))
    assert first.open().read(1 << 24) == again.open().read(1 << 24)


class Browser:
    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> str:
        return str(self._opener.open(self._url + path, timeout=60).read().decode())

    def sign_in(self, name: str, password: str) -> str:
        form = urllib.parse.urlencode({"name": name, "password": password}).encode()
        request = urllib.request.Request(f"{self._url}/sign-in", form, {"Origin": self._url})
        return str(self._opener.open(request, timeout=60).read().decode())


def welcomed(process: Any) -> tuple[str, dict[str, str]]:
    """Address and passwords, as they are printed."""
    url = re.search(r"http://localhost:\d+", process.until("Leadglass "))
    assert url is not None
    process.until("Sign in as")
    process.line()
    rows = [process.line().split() for _ in range(3)]
    process.until("Ctrl-C")
    return url[0], {row[0]: row[1] for row in rows}


@pytest.mark.slow
def test_the_first_five_minutes(place: Any, start: Run, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start("demo", "--http", "127.0.0.1:0")
    url, passwords = welcomed(first)
    assert set(passwords) == {"dr.roth", "pacsadmin", "auditor"}
    doctor = Browser(url)
    doctor.sign_in("dr.roth", passwords["dr.roth"])
    assert "Schröder" in doctor.get("/studies")
    keeper = Browser(url)
    keeper.sign_in("pacsadmin", passwords["pacsadmin"])
    assert "DEMO-0001" in keeper.get("/aside")
    ended = first.stop(signal.SIGINT)
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert not place.root.exists()  # $LEADGLASS_HOME is another home

    second = start("demo", "--http", "127.0.0.1:0")
    url, fresh = welcomed(second)
    assert set(fresh.values()).isdisjoint(passwords.values())
    doctor = Browser(url)
    doctor.sign_in("dr.roth", fresh["dr.roth"])
    assert "Schröder" in doctor.get("/studies")
    monkeypatch.setenv("LEADGLASS_HOME", str(place.user / ".local" / "share" / "leadglass" / "demo"))
    status = run("status", "--json").json
    assert (status["served"], status["studies"], status["kept_aside"]) == (True, len(VISITS), 1)
    assert status["instances"] == demo_images.expected()
    lines = run("log", "show", "--patient", "DEMO-0007", "--json").json
    assert {line["action"] for line in lines} >= {"object.store"}
    assert run("check", "--deep").code == 0
    token = run("token", "create", "--user", "dr.roth", "--days", "1").out.strip()
    request = urllib.request.Request(
        f"{url}/dicom-web/studies?limit=2", headers={"Authorization": f"Bearer {token}"}
    )
    assert len(json.load(urllib.request.urlopen(request, timeout=60))) == 2
    assert second.stop(signal.SIGTERM).code == 0


@pytest.mark.slow
def test_an_interrupted_set_up_goes_on(
    place: Any, start: Run, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = place.user / ".local" / "share" / "leadglass" / "demo"
    process = start("demo", "--http", "127.0.0.1:0")
    while not (root / "objects").exists() or not any((root / "objects").iterdir()):
        os.sched_yield()
    process.stop(signal.SIGKILL)
    again = start("demo", "--http", "127.0.0.1:0")
    welcomed(again)
    again.stop()
    monkeypatch.setenv("LEADGLASS_HOME", str(root))
    report = run("check", "--deep", "--collect-orphans", "--json").json
    assert report["ok"]
    assert report["objects"] == demo_images.expected() + 1
