"""leadglass connect: for a workstation that knows no TLS, a way to an archive that wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leadglass.cli import show
from leadglass.cli.reach import pem, run, warn_of_key
from leadglass.errors import Unreachable, Violation

if TYPE_CHECKING:
    import ssl

    from leadglass.transfer.target import Target


def connect(
    ae: Annotated[
        str,
        typer.Argument(
            metavar="AET@HOST:PORT", help="The archive, by the name in its certificate.", show_default=False
        ),
    ],
    *,
    certificate: Annotated[
        Path,
        typer.Option(
            "--certificate", metavar="FILE", help="This machine's certificate, PEM.", show_default=False
        ),
    ],
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="Its private key, PEM.", show_default=False)
    ],
    ca: Annotated[
        Path, typer.Option("--ca", metavar="FILE", help="The archive's authority, PEM.", show_default=False)
    ],
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="HOST:PORT", help="Where the workstation calls; on loopback only."),
    ] = "127.0.0.1:11104",
) -> None:
    """Carry DICOM from this machine's loopback to an archive over mutual TLS, until Ctrl-C. Needs no home."""
    from leadglass.config import split_address
    from leadglass.transfer.target import parse_target

    try:
        target = parse_target(ae)
        if target.is_named:
            raise Violation("Write where the archive listens: AET@HOST:PORT.")
    except Violation as error:
        raise typer.BadParameter(str(error), param_hint="AE") from None
    try:
        host, port = split_address(listen)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--listen") from None
    warn_of_key(key)

    def context() -> ssl.SSLContext:
        """Read anew for each connection: a renewed certificate is used without a restart."""
        from leadglass.net.tls import client_context

        return client_context(pem(certificate), pem(key), [pem(ca)])

    context()  # what is wrong with the files is no news for later
    run(_carry(target, host, port, context))


async def _carry(target: Target, host: str, port: int, context: Callable[[], ssl.SSLContext]) -> None:
    from leadglass.net.tunnel import Tunnel

    tunnel = Tunnel(target.host, target.port, context, lambda sentence: show.note(sentence, style="yellow"))
    here = await tunnel.listen(host, port)
    try:
        try:
            await tunnel.probe()
        except Unreachable as error:
            show.note(f"{error} It is tried again for every connection.", style="yellow")
        shown = f"[{host}]:{here}" if ":" in host else f"{host}:{here}"
        show.line(f"{target.title} at {shown}   Ctrl-C stops it")
        await asyncio.get_running_loop().create_future()
    finally:
        await tunnel.close()
