"""Attempts at ports: what the network says, also when we come to hear of it late."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvloop

from leadglass.scan import dial
from leadglass.scan.dial import knock, round_trip
from leadglass.scan.observation import Outcome


@pytest.fixture
def full() -> Iterator[socket.socket]:
    """A listener that takes nobody any more: whoever comes waits."""
    with ExitStack() as held:
        listening = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        held.enter_context(socket.create_connection(listening.getsockname()))
        yield listening


def under_way(there: socket.socket) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    assert sock.connect_ex(there.getsockname()) == errno.EINPROGRESS
    return sock


async def in_no_time(sock: socket.socket) -> int:
    return await dial._in_progress(sock, 0)


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_what_has_come_about_counts_though_its_time_is_over(run: object) -> None:
    """A timer is looked at before what has arrived: a busy loop would find everybody silent."""
    with socket.create_server(("127.0.0.1", 0)) as listening, under_way(listening) as sock:
        assert run(in_no_time(sock)) == 0  # type: ignore[operator]


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_what_has_not_is_silence(run: object, full: socket.socket) -> None:
    with under_way(full) as sock:
        assert run(in_no_time(sock)) == errno.ETIMEDOUT  # type: ignore[operator]


def test_a_knock_is_one_attempt_and_no_byte() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address, port = listening.getsockname()
        assert uvloop.run(knock(address, port, 5)) is Outcome.OPEN
        came, _ = listening.accept()
        with came, pytest.raises(ConnectionResetError):
            came.recv(1)
    assert uvloop.run(knock(address, port, 5)) is Outcome.REFUSED


def test_nobody_answers(full: socket.socket) -> None:
    assert uvloop.run(knock(*full.getsockname(), 0.05)) is Outcome.SILENT


def test_the_kernel_knows_how_far_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with socket.create_connection(listening.getsockname()) as sock:
            assert 0 < round_trip(sock) < 1_000_000
        assert round_trip(sock) == 0  # closed
