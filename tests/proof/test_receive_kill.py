"""kill -9 of a server at random moments of C-STORE over four associations, and of its second process too."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from fault_home import Site, aftermath

from leadglass.access.plans import plan
from leadglass.access.principal import Context, Via, operator
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID
from leadglass.dicom.part10 import Part10Parser
from leadglass.dimse.command import Command, Field
from leadglass.errors import LeadglassError
from leadglass.net.requestor import connect
from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.pdu import AssociateRQ

pytestmark = pytest.mark.slow

LEADGLASS = (sys.executable, "-c", "from leadglass.cli.main import main; main()")
ASSOCIATIONS = 4


class Sender:
    """What is acknowledged with 0x0000 is in `acknowledged`, from the moment that it is."""

    def __init__(self, port: int, objects: dict[str, bytes]) -> None:
        self.port = port
        self.left = list(objects.items())
        self.acknowledged: set[str] = set()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    async def _all(self) -> None:
        await asyncio.gather(*(self._one() for _ in range(ASSOCIATIONS)))

    async def _one(self) -> None:
        try:
            await self._association()
        except LeadglassError:
            return  # the server was killed: that is what this is about

    async def _association(self) -> None:
        while self.left:
            uid, file = self.left.pop()
            parser = Part10Parser()
            parser.feed(file)
            assert parser.transfer_syntax is not None
            context = ProposedContext(1, parser.sop_class_uid, (parser.transfer_syntax.uid,))
            ours = UserInformation(1 << 16, IMPLEMENTATION_CLASS_UID)
            link = await connect("127.0.0.1", self.port, AssociateRQ("LEADGLASS", "CT1", (context,), ours))
            command = Command(
                Field.C_STORE_RQ,
                message_id=1,
                affected_sop_class_uid=parser.sop_class_uid,
                affected_sop_instance_uid=uid,
                priority=0,
                has_dataset=True,
            )
            answer = await link.request(1, command, data_set(file))
            if answer.command.status == 0:
                self.acknowledged.add(uid)
            await link.release()


@pytest.fixture(scope="module")
def known(founded: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A home that knows the sender."""
    site = founded.copy_to(tmp_path_factory.mktemp("known") / "site")
    with site.open() as opened:
        context = Context("", Via.COMMAND, 1)
        made = plan("CT1@127.0.0.1", certified=False, receive_only=True)
        opened.services.peers.add(operator(1000, "op"), made, context)
    return site


def serving(site: Site) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*LEADGLASS, "serve", "--home", str(site.root), "--http", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--dicom", f"127.0.0.1:{port}"],
        env={"PATH": "/usr/bin:/bin", "LEADGLASS_STORAGE_RESERVE_MIB": "1", **site.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    for _ in range(2):  # the portal's address, then the listener's
        assert process.stdout.readline(), "the server did not start"
    return process, port


def kill(process: subprocess.Popen[bytes]) -> int:
    """The server, and the second process that it has started."""
    children = psutil.Process(process.pid).children()
    process.kill()
    for child in children:
        child.kill()
    psutil.wait_procs(children, timeout=30)
    return process.wait()


def test_no_kill_loses_what_was_acknowledged(
    cycles: int, chance: random.Random, known: Site, objects: dict[str, bytes], tmp_path: Path
) -> None:
    found: Counter[str] = Counter()
    for cycle in range(cycles):
        site = known.copy_to(tmp_path / str(cycle))
        process, port = serving(site)
        try:
            time.sleep(chance.choice((0, 0, 2)))  # with the second process and before it is there
            sender = Sender(port, objects)
            sender.thread.start()
            least, until = chance.randrange(len(objects)), time.monotonic() + 60
            while len(sender.acknowledged) < least and time.monotonic() < until:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.01))
        finally:
            status = kill(process)
        sender.thread.join(60)
        aftermath(site, objects, sender.acknowledged, of=data_set)
        found["killed"] += status == -signal.SIGKILL
        found["amid"] += 0 < len(sender.acknowledged) < len(objects)
        found["acknowledged"] += len(sender.acknowledged)
        shutil.rmtree(site.folder)
    print(f"{cycles} cycles: {dict(found)}")
    assert found["killed"] == cycles
    assert found["acknowledged"] > 0


def data_set(file: bytes) -> bytes:
    """Without the File Meta Information, which is the receiver's own."""
    parser = Part10Parser()
    parser.feed(file)
    return file[parser.dataset_offset :]
