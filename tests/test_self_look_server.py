"""`leadglass serve` with a mistake in it: it looks at itself, and both of its processes shut what answers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leadglass.access.principal import Context, Role, Via
from leadglass.archive.listeners import Look, Met
from leadglass.compose import open_home
from leadglass.home import clock

from .test_self_look_doors import FIND, OPERATOR, SUCCESS, WAIT, House, ask, run, store

MAIN = "from leadglass.cli.main import main; main()"
ANY_STATION = """
import ssl
from leadglass import dicom_doors
from leadglass.access import peers
identify, context = peers.identify, dicom_doors.server_context
def anybody(conn, calling, *who, **how):
    station = peers.require_ae(conn, "STATION")
    return identify(conn, calling, *who, **how) or peers.Known(station, station.principal)
def trusting(*identity):
    made = context(*identity)
    made.verify_mode = ssl.CERT_OPTIONAL
    return made
peers.identify, dicom_doors.server_context = anybody, trusting
"""
ANY_DOCTOR = """
from leadglass.access.principal import Kind, Principal, Role
from leadglass.web.gate import Gate
voucher = Gate._voucher
def anybody(self, request, session):
    doctor = Principal(Kind.USER, 1, 1, "dr.roth", "", Role.RADIOLOGIST, frozenset({1}), "session:1")
    vouch = voucher(self, request, session)
    return lambda now: vouch(now) or doctor
Gate._voucher = anybody
"""


class Server:
    """`leadglass serve` with a mistake in it, or none."""

    def __init__(self, mistake: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", mistake + MAIN, "serve", "--http", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ) | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self.errors: list[str] = []
        self._came = threading.Condition()
        self._reading = threading.Thread(target=self._read)
        self._reading.start()
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(1 + len(arguments) // 2)]
        self.http, *self.dicom = (int(line.split("   ")[0].rpartition(":")[2]) for line in lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._came:
                self.errors.append(line)
                self._came.notify_all()

    def says(self, *parts: str) -> str:
        """The first line with all of them, once it is there."""

        def said() -> str | None:
            return next((line for line in self.errors if all(part in line for part in parts)), None)

        with self._came:
            assert self._came.wait_for(lambda: said() is not None, WAIT), "".join(self.errors)
            return said() or ""

    def get(self, path: str, token: str = "", **headers: str) -> tuple[int, str]:
        url = f"http://localhost:{self.http}{path}"
        given = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=given), timeout=WAIT) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT)
        self._reading.join(WAIT)


@contextmanager
def serving(mistake: str, *arguments: str) -> Iterator[Server]:
    server = Server(mistake, *arguments)
    try:
        yield server
    finally:
        server.end()


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < ends
        threading.Event().wait(0.02)


def command(*words: str) -> tuple[str, str]:
    ran = subprocess.run([sys.executable, "-c", MAIN, *words], capture_output=True, text=True, check=True)
    return ran.stdout, ran.stderr


def is_shut(home: Any, via: Via) -> bool:
    """As another process on the home sees it."""
    with open_home(home.root, os.environ, clock) as beside:
        return beside.services.listeners.is_shut(via)


@pytest.mark.slow
def test_the_web_shows_strangers_a_list_and_from_then_on_nobody(home: Any) -> None:
    with open_home(home.root, os.environ, clock) as opened:
        accounts, context = opened.services.accounts, Context("", Via.COMMAND, clock())
        tokens = {}
        for role in (Role.RADIOLOGIST, Role.SYSTEM_ADMINISTRATOR):
            accounts.add_user(OPERATOR, role.value, role, context, password="lusab-babad-gutih-tugad-mohis")
            tokens[role] = accounts.create_token(OPERATOR, role.value, context)
    doctor, admin = tokens.values()
    shut = 'leadglass_listener_shut{listener="http"} 1.0'

    with serving(ANY_DOCTOR) as server:
        server.says("[error]", "STRANGERS ARE ANSWERED", "listener=http", "W01")
        until(lambda: shut in server.get("/metrics", admin)[1])
        for token in (doctor, ""):
            code, said = server.get("/dicom-web/studies", token)
            assert (code, json.loads(said)["code"]) == (503, "listener-shut")
        assert "looked at itself" in server.get("/studies")[1]
        assert server.get("/healthz")[0] == 200
    told, warned = command("status")
    assert re.search(r"Web listener +answers strangers \(W01", told)
    assert "! Web listener: answers strangers (W01" in warned
    assert json.loads(command("status", "--json")[0])["listeners"][0]["shut"] > 0
    assert "listener.shut" in command("log", "show", "--json")[0]

    with serving("") as server:
        server.says("strangers are refused", "listener=http")
        until(lambda: not is_shut(home, Via.WEB))
        assert server.get("/dicom-web/studies", doctor)[0] == 204
        assert server.get("/dicom-web/studies")[0] == 401


def attended(process: int, port: int) -> int:
    """How many connections to `port` the process holds."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    there = {row[9] for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == "01"}
    held = 0
    for name in os.listdir(f"/proc/{process}/fd"):
        try:
            held += os.readlink(f"/proc/{process}/fd/{name}")[8:-1] in there
        except OSError:
            continue
    return held


def deputy_of(server: Server) -> int | None:
    """The second process, once there is one."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    for child in children:
        if b"leadglass.dicom_deputy" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


@pytest.mark.slow
def test_the_second_process_refuses_what_the_first_one_found(home: Any, dicom: Any) -> None:
    """Its own code is as it should be; it is shut because the listener is."""
    with open_home(home.root, os.environ, clock) as opened:
        house = House(opened, dicom)

    async def two_stations(server: Server) -> list[int]:
        """One after the other, until the second process attends to one of them."""
        house.addresses = {"dimse": f"127.0.0.1:{server.dicom[0]}"}
        found = []
        async with asyncio.timeout(WAIT):
            while True:
                async with house.station(FIND) as first, house.station(FIND) as second:
                    deputy = deputy_of(server)
                    if deputy is None or not attended(deputy, server.dicom[0]):
                        continue
                    for link in (first, second):
                        found.append(await ask(link, FIND, house.identifier()))
                        assert await store(link, "1.2.3.1.1", dicom.data_set()) == SUCCESS
                    return found

    with serving(ANY_STATION, "--dicom-tls", "127.0.0.1:0") as server:
        server.says("[error]", "STRANGERS ARE ANSWERED", "listener=dimse")
        until(lambda: is_shut(home, Via.DIMSE))
        assert run(two_stations(server)) == [-1, -1]
        assert deputy_of(server) is not None
    with serving("", "--dicom-tls", "127.0.0.1:0") as server:
        server.says("strangers are refused", "listener=dimse")
        until(lambda: not is_shut(home, Via.DIMSE))
        assert run(two_stations(server)) == [SUCCESS, SUCCESS]
        with open_home(home.root, os.environ, clock) as beside:
            look = Look("dimse", "127.0.0.1:2762", clock(), Met.ANSWERS, "answers")
            beside.services.listeners.note([look])
        until(lambda: -1 in run(two_stations(server)))  # the second process learns it while it runs
