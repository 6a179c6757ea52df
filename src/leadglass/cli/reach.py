"""How a command reaches another application entity: its options, the home it needs, and what it warns of."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from leadglass.cli import show
from leadglass.cli.work import Work, at_home, root_of
from leadglass.errors import NotFound, Violation

if TYPE_CHECKING:
    import ssl

    from leadglass.transfer.target import Endpoint, Target

T = TypeVar("T")

AeArgument = Annotated[
    str,
    typer.Argument(
        metavar="AE", help="Whom to call: AET@host:port, or the name of a known AE.", show_default=False
    ),
]
CallingOption = Annotated[
    str | None,
    typer.Option("--calling", metavar="AET", help="The AE title to call by; else the archive's own."),
]
TlsOption = Annotated[
    bool, typer.Option("--tls", help="Speak TLS. A known AE says by itself whether it does.")
]
CertificateOption = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="Our certificate, PEM; else the home's own."),
]
KeyOption = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Its private key, PEM.")]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--ca", metavar="FILE", help="Who vouches for the other side, PEM; else what the home trusts."
    ),
]
PlaintextOption = Annotated[
    bool, typer.Option("--plaintext", help="Do without TLS although it is another machine.")
]


@dataclass(frozen=True, slots=True)
class Reach:
    """What the options of a command say about the other side."""

    target: Target
    calling: str | None
    tls: bool
    certificate: Path | None
    key: Path | None
    ca: Path | None
    plaintext: bool

    @property
    def wants_tls(self) -> bool:
        return self.tls or any(file is not None for file in (self.certificate, self.key, self.ca))


def reach(
    ae: str,
    *,
    calling: str | None,
    tls: bool,
    certificate: Path | None,
    key: Path | None,
    ca: Path | None,
    plaintext: bool,
) -> Reach:
    """The options, checked; wrong use when they do not go together."""
    from leadglass.transfer.target import parse_target, title_of

    try:
        target = parse_target(ae)
        calling = None if calling is None else title_of(calling)
    except Violation as error:
        raise typer.BadParameter(str(error), param_hint="AE") from None
    if (certificate is None) != (key is None):
        raise typer.BadParameter("A certificate and its key go together.", param_hint="--certificate")
    made = Reach(target, calling, tls, certificate, key, ca, plaintext)
    if made.wants_tls and (plaintext or target.is_named):
        sentence = "A known AE" if target.is_named else "--plaintext"
        raise typer.BadParameter(f"{sentence} leaves no choice about TLS.", param_hint="--tls")
    return made


@contextmanager
def reached(
    options: Reach, home: Path | None, as_user: str | None = None, *, at_home_anyway: bool = False
) -> Iterator[tuple[Endpoint, Work | None]]:
    """The endpoint, and the home if one is needed: for a known AE, for a certificate, for what is done."""
    needed = at_home_anyway or home is not None or options.target.is_named
    if not needed and options.wants_tls and options.certificate is None:
        needed = (root_of(home) / "home.json").exists()
    if not needed:
        yield _endpoint(options, None), None
        return
    with at_home(home, as_user) as work:
        yield _endpoint(options, work), work


def _endpoint(options: Reach, work: Work | None) -> Endpoint:
    from leadglass.transfer.target import CALLING, Endpoint, protected

    calling = options.calling or (work.opened.settings.dicom.title if work else CALLING)
    if options.target.is_named:
        assert work is not None
        endpoint = _known(options.target.title, calling, work)
    else:
        endpoint = Endpoint(options.target, calling, _ad_hoc_tls(options, work))
    warning = protected(endpoint.target, endpoint.tls, plaintext=options.plaintext)
    if warning:
        show.note(warning, style="yellow")
    return endpoint


def _known(title: str, calling: str, work: Work) -> Endpoint:
    from leadglass.net.tls import client_context
    from leadglass.transfer.target import Endpoint, Target

    peers = work.services.peers
    ae = peers.find(title)
    if ae is None:
        raise NotFound(
            f"This archive knows no AE {title}. Write {title}@host:port, or have it added: leadglass ae add "
            f"{title}@HOST:PORT",
            code="unknown-ae",
        )
    if ae.port is None:
        raise NotFound(
            f"{title} is known, but not where it listens. Write {title}@host:port, or remove it and add it "
            f"again as {title}@HOST:PORT.",
            code="unknown-ae",
        )
    target = Target(ae.title, ae.host, ae.port)
    if not ae.tls:
        return Endpoint(target, calling, is_known=True)
    context = client_context(*peers.calling_identity(work.context().now), peers.trusted())
    context.check_hostname = False  # the certificate itself is compared, whatever name its host has
    return Endpoint(target, calling, context, ae.fingerprint, is_known=True)


def _ad_hoc_tls(options: Reach, work: Work | None) -> ssl.SSLContext | None:
    from leadglass.net.tls import client_context

    if not options.wants_tls:
        return None
    certificate: str | None = None
    key: str | None = None
    if options.certificate is not None and options.key is not None:
        certificate, key = pem(options.certificate), pem(options.key)
    elif work is not None:
        certificate, key = work.services.peers.calling_identity(work.context().now)
    if options.ca is not None:
        return client_context(certificate, key, [pem(options.ca)])
    context = client_context(certificate, key, work.services.peers.trusted() if work is not None else ())
    context.load_default_certs()
    return context


def pem(path: Path) -> str:
    """The text of a PEM file. Violation when it is none."""
    with path.open("rb") as file:
        text = file.read(1 << 20)
    if b"-----BEGIN " not in text or not text.isascii():
        raise Violation(f"{path} is no PEM file.", code="pem")
    return text.decode("ascii")


def run(work: Coroutine[Any, Any, T]) -> T:
    """On the event loop that the server runs on as well."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def warn_of_key(path: Path) -> None:
    """A private key that others may read is not private."""
    if path.stat().st_mode & 0o077 and os.name == "posix":
        show.note(f"{path} can be read by others: chmod 600 {path}", style="yellow")
