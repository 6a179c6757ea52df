"""The old PACS beside the demo: a process without home or keys that ends with this one, however that ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from leadglass.errors import Unavailable, Violation

OldPacsOption = Annotated[
    str,
    typer.Option(
        "--old-pacs",
        metavar="HOST:PORT",
        help="Where the old PACS listens that answers every stranger; on this machine only.",
    ),
]
END: Final = 5  # s until it is killed that should have ended with its pipe
_ENVIRON: Final = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@contextmanager
def bound(address: str) -> Iterator[socket.socket]:
    """A socket that listens at `address`: whether it can is known before anything else is done.

    Violation for anything but loopback, Unavailable when the port is taken; both say what to do.
    """
    from leadglass.config import is_loopback, split_address

    try:
        host, port = split_address(address)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--old-pacs") from None
    if not is_loopback(host):
        raise Violation(
            f"The old PACS answers every stranger, so it listens on 127.0.0.1 and not on {host}.",
            code="not-loopback",
        )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise Unavailable(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            "Choose another for the old PACS with --old-pacs HOST:PORT.",
            code="address",
        ) from None
    with listener:
        yield listener


@dataclass(frozen=True, slots=True)
class OldPacs:
    """It runs; `address` is HOST:PORT."""

    address: str
    process: subprocess.Popen[str]

    def wait_until_ready(self) -> None:
        """Until it answers. Unavailable when it never will."""
        assert self.process.stdout is not None
        if not self.process.stdout.readline().startswith("ready"):
            raise Unavailable("The old PACS did not start.", code="old-pacs")


@contextmanager
def running(listener: socket.socket, created: int, knows: Sequence[str]) -> Iterator[OldPacs]:
    """`created`: ms, what its days are counted back from. `knows`: TITLE@HOST:PORT of C-MOVE destinations."""
    command = [sys.executable, "-m", "leadglass.demo.old_pacs", "--created", str(created)]
    command += ["--descriptor", str(listener.fileno())]
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [*command, *(word for one in knows for word in ("--knows", one))],
        stdin=subprocess.PIPE,  # never written to: that it ends is what is said by it
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name in _ENVIRON if (value := os.environ.get(name)) is not None},
        pass_fds=(listener.fileno(),),
        cwd="/",
        start_new_session=True,  # a Ctrl-C is for the demo, which then ends it
    )
    assert process.stdin is not None and process.stdout is not None
    host, port = listener.getsockname()[:2]
    listener.close()  # its own is enough: when it has ended, nobody listens
    try:
        yield OldPacs(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", process)
    finally:
        process.stdin.close()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
