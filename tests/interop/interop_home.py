"""A home whose own DICOM listeners stand in this process, so that a test can look at all that it keeps."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leadglass.access.plans import plan
from leadglass.access.principal import Context, Via, operator
from leadglass.compose import Opened, found_home, open_home
from leadglass.dicom_doors import open_doors
from leadglass.index import lookup

OPERATOR = operator(1000, "op")
TITLE, SCANNER, STATION = "LEADGLASS", "PEER", "STATION"
LOOPBACK = "127.0.0.1:0"


@dataclass
class Home:
    """`plain` and `tls` are the ports of its listeners."""

    opened: Opened
    plain: int = 0
    tls: int = 0
    identities: dict[str, Any] = field(default_factory=dict)
    folder: Path = Path()

    def add(self, text: str, **how: Any) -> None:
        """An AE, as `leadglass ae add` would."""
        made = self.opened.services.peers.add(OPERATOR, plan(text, **how), context())
        self.identities[made.ae.title] = made.issued

    def tls_context(self, title: str, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> ssl.SSLContext:
        """What the AE `title` calls with, or listens with when it is to authenticate clients."""
        issued = self.identities[title]
        made = ssl.create_default_context(purpose, cadata=issued.authority)
        made.verify_mode = ssl.CERT_REQUIRED
        own = self.folder / f"{title}.pem"
        own.write_text(issued.certificate + issued.key)
        made.load_cert_chain(own)
        return made

    def kept_aside(self) -> list[bytes]:
        """The Part 10 file of everything that waits for the administrator, oldest first."""
        examiner, db = self.opened.services.upkeep.examiner, self.opened.services.db
        found = []
        with db.read() as connection:
            holdings = lookup.holdings(connection, "kept_aside", after=0, limit=1000)
        for holding in holdings:
            with db.read() as connection:
                key = examiner._keys.of(connection, holding.sealed.study_id)
            with examiner._objects.open_sealed(holding.sealed, key) as reader:
                found.append(b"".join(reader.chunks()))
        return found

    def check(self) -> Any:
        """`leadglass check --deep`."""
        return self.opened.services.upkeep.check(OPERATOR, context(), deep=True)


def context() -> Context:
    return Context("", Via.COMMAND, clock())


def clock() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def home(folder: Path) -> Iterator[Home]:
    """A new one that knows a scanner without TLS and a station that may ask, fetch and have things sent."""
    environ = {
        "HOME": str(folder),
        "LEADGLASS_MASTER_KEY_FILE": str(folder / "master.key"),
        "LEADGLASS_STORAGE_RESERVE_MIB": "1",
    }
    root = folder / "home"
    dicom = {"receive_address": LOOPBACK, "tls_address": LOOPBACK, "processes": 1}
    found_home(root, environ, clock())
    with open_home(root, environ, clock, dicom=dicom) as opened:
        made = Home(opened, folder=folder)
        made.add(f"{SCANNER}@127.0.0.1", certified=False, receive_only=True)
        made.add(STATION, certified=True, allow="find,get,move")
        with open_doors(opened, clock) as doors, running(doors):
            ports = {name: int(address.rpartition(":")[2]) for name, address in doors.addresses().items()}
            made.plain, made.tls = ports[Via.RECEIVE.value], ports[Via.DIMSE.value]
            yield made


@contextmanager
def running(doors: Any) -> Iterator[None]:
    """In an event loop of its own thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> None:
        doors.start()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(60)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(doors.stop(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
