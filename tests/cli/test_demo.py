"""demo: from nothing to a signed-in doctor, and again; and the old PACS beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from typing import Any

import psutil
import pytest

from leadglass.demo.images import expected
from leadglass.demo.people import VISITS

Run = Callable[..., Any]
ANYWHERE = ("--http", "127.0.0.1:0", "--dicom", "127.0.0.1:0", "--old-pacs", "127.0.0.1:0")


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
    assert "open to anyone" in process.until("Old PACS")
    url = re.search(r"http://localhost:\d+", process.until("Leadglass, same images"))
    assert url is not None
    process.until("Sign in as")
    process.line()
    rows = [process.line().split() for _ in range(3)]
    process.until("Ctrl-C")
    return url[0], {row[0]: row[1] for row in rows}


@pytest.mark.slow
def test_the_first_five_minutes(place: Any, start: Run, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start("demo", *ANYWHERE)
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

    second = start("demo", *ANYWHERE)
    url, fresh = welcomed(second)
    assert set(fresh.values()).isdisjoint(passwords.values())
    doctor = Browser(url)
    doctor.sign_in("dr.roth", fresh["dr.roth"])
    assert "Schröder" in doctor.get("/studies")
    monkeypatch.setenv("LEADGLASS_HOME", str(place.user / ".local" / "share" / "leadglass" / "demo"))
    status = run("status", "--json").json
    assert (status["served"], status["studies"], status["kept_aside"]) == (True, len(VISITS), 1)
    assert status["instances"] == expected()
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
    process = start("demo", *ANYWHERE)
    while not (root / "objects").exists() or not any((root / "objects").iterdir()):
        os.sched_yield()
    process.stop(signal.SIGKILL)
    again = start("demo", *ANYWHERE)
    welcomed(again)
    again.stop()
    monkeypatch.setenv("LEADGLASS_HOME", str(root))
    report = run("check", "--deep", "--collect-orphans", "--json").json
    assert report["ok"]
    assert report["objects"] == expected() + 1


def children(process: Any) -> list[psutil.Process]:
    return [
        one for one in psutil.Process(process.pid).children() if "leadglass.demo.old_pacs" in one.cmdline()
    ]


def old_pacs_of(process: Any) -> str:
    found = re.search(r"dicom (127\.0\.0\.1:\d+)", process.until("Old PACS, open to anyone"))
    assert found is not None
    return found[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_old_pacs_ends_with_the_demo(place: Any, start: Run, number: int) -> None:
    process = start("demo", *ANYWHERE)
    host, port = old_pacs_of(process).split(":")
    process.until("Ctrl-C")
    (beside,) = children(process)
    assert not {name for name in beside.environ() if name.startswith(("LEADGLASS_", "HOME", "XDG_"))}
    socket.create_connection((host, int(port)), timeout=10).close()
    process.stop(number)
    beside.wait(30)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=10)


def test_the_old_pacs_needs_a_port_that_is_free(place: Any, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("demo", "--old-pacs", address)
    assert ended.code == 1
    assert "Choose another for the old PACS with --old-pacs HOST:PORT." in ended.err
    assert not (place.user / ".local").exists()  # nothing was set up


@pytest.mark.parametrize(
    ("address", "code", "says"),
    [
        ("0.0.0.0:4242", 1, "answers every stranger, so it listens on 127.0.0.1"),
        ("192.0.2.1:4242", 1, "answers every stranger, so it listens on 127.0.0.1"),
        ("4242", 2, "An address is HOST:PORT"),
    ],
)
def test_the_old_pacs_listens_on_this_machine_only(
    place: Any, run: Run, address: str, code: int, says: str
) -> None:
    ended = run("demo", "--old-pacs", address)
    assert ended.code == code
    assert says in " ".join(ended.err.split())
