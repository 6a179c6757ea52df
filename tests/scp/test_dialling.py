"""An AE is called over mutual TLS, and nobody else is taken for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from leadglass.access.plans import plan
from leadglass.access.principal import Via
from leadglass.dimse.command import Command, Field
from leadglass.dimse.sop_classes import VERIFICATION
from leadglass.errors import LeadglassError, Refused, Unreachable
from leadglass.net.acceptor import alone
from leadglass.net.attendant import Admission, Manners
from leadglass.net.tls import server_context
from leadglass.scp.dialling import Dialler
from leadglass.scp.verification import verify
from leadglass.ul.items import ProposedContext
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import AssociateRQ

from .conftest import DEADLINES, EXPLICIT, OPERATOR, ours, run

REQUEST = AssociateRQ("WS", "LEADGLASS", (ProposedContext(1, VERIFICATION, (EXPLICIT,)),), ours())


@asynccontextmanager
async def workstation(tls: Any = None) -> AsyncIterator[tuple[int, list[bytes | None]]]:
    """A DICOM listener, and the certificates that callers showed it."""
    shown: list[bytes | None] = []

    async def admit(request: AssociateRQ, peer: Any) -> Admission:
        shown.append(peer.certificate)
        return Admission(negotiate(request, {VERIFICATION: Service()}, ours()), None)

    acceptor = alone(
        Manners(deadlines=DEADLINES), admit, {Field.C_ECHO_RQ: verify}, None if tls is None else lambda: tls
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.get_running_loop().create_task(acceptor.serve(listening))
        try:
            yield listening.getsockname()[1], shown
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def dialler(house: Any) -> Dialler:
    return Dialler(house.services.peers, house.workers, lambda: house.now, DEADLINES)


def certified(house: Any, title: str, port: int) -> Any:
    made = plan(f"{title}@127.0.0.1:{port}", certified=True)
    return house.services.peers.add(OPERATOR, made, house.context(Via.COMMAND), department="Radiology")


@pytest.fixture
def clocked(house: Any) -> Any:
    """OpenSSL goes by the machine's clock."""
    from leadglass.home import clock

    house.now = clock()
    return house


def called(house: Any, holder: str, by: str = "WS") -> list[bytes | None]:
    """Call WS where somebody listens with the certificate of `holder`."""

    async def whole() -> list[bytes | None]:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            somewhere = unused.getsockname()[1]
        pairs = {title: certified(house, title, somewhere) for title in ("WS", "OTHER")}
        issued = pairs[holder].issued
        tls = server_context(issued.certificate, issued.key, [issued.authority])
        async with workstation(tls) as (port, shown):
            ae = pairs[by].ae
            moved = type(ae)(**{name: getattr(ae, name) for name in ae.__slots__} | {"port": port})
            link = await dialler(house)(moved, REQUEST)
            request = Command(Field.C_ECHO_RQ, message_id=1, affected_sop_class_uid=VERIFICATION)
            assert (await link.request(1, request)).command.status == 0
            await link.release()
            return shown

    return run(whole())  # type: ignore[no-any-return]


def test_both_sides_show_their_certificates(clocked: Any) -> None:
    [shown] = called(clocked, "WS")
    assert shown is not None


def test_another_ae_of_ours_is_not_taken_for_it(clocked: Any) -> None:
    with pytest.raises(Refused) as caught:
        called(clocked, "OTHER")
    assert caught.value.code == "certificate"


def test_nobody_without_tls_is_taken_for_it(clocked: Any) -> None:
    async def whole() -> None:
        async with workstation() as (port, _):
            await dialler(clocked)(certified(clocked, "WS", port).ae, REQUEST)

    with pytest.raises(LeadglassError):
        run(whole())


def test_a_destination_that_is_known_without_tls(house: Any) -> None:
    async def whole() -> list[bytes | None]:
        async with workstation() as (port, shown):
            link = await dialler(house)(house.add_ae(f"WS@127.0.0.1:{port}"), REQUEST)
            await link.release()
            return shown

    assert run(whole()) == [None]


def test_one_that_listens_nowhere(house: Any) -> None:
    async def whole() -> None:
        await dialler(house)(house.ae(), REQUEST)

    with pytest.raises(Unreachable) as caught:
        run(whole())
    assert caught.value.code == "no-address"
