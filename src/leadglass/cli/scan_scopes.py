"""leadglass scan init, sign, trust: a scope from the empty form to the one that a survey keeps to."""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from leadglass.cli import show
from leadglass.errors import Conflict, Denied, Unreachable, Violation

if TYPE_CHECKING:
    from leadglass.note import Signer, VerifierKey
    from leadglass.scan.plan import Plan
    from leadglass.scan.scope import Scope
    from leadglass.scan.targets import Entry

_KEY_FILE: Final = "scan-authority.key"
_TRUSTED_FILE: Final = "scan-authorities"
_NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,100}", re.ASCII)
_KEY: Final = re.compile(r"leadglass scan authority 1\nname ([^\s+]{1,100})\nseed ([0-9a-f]{64})\n", re.ASCII)
_LONGEST: Final = 64 << 10  # bytes of key, signature and trust files

ScopeArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The scope file.")]


@dataclass(frozen=True, slots=True)
class Ready:
    """A scope that may be used now, its text, where it lay, and what it comes to. `told`: sentences for
    whoever runs it."""

    scope: Scope
    text: str
    folder: Path
    plan: Plan
    told: tuple[str, ...] = ()


# --- commands -----------------------------------------------------------------------------------------------


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("scope.toml"),
) -> None:
    """Write a scope to fill in: who authorises a survey, of what, when, how far and how fast."""
    from leadglass.scan.scope_text import template

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template(datetime.now(UTC).date()))
    except FileExistsError:
        raise Conflict(f"{path} is there already; nothing was changed.") from None
    show.note(f"Fill in {path}, then: leadglass scan --scope {path}")
    show.note("Networks that the internet reaches need a signature before that: leadglass scan sign")


def sign(
    path: ScopeArgument,
    *,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Whose key it is, when one has to be made: it.head@hospital"
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The signing key; else one in your configuration folder."),
    ] = None,
) -> None:
    """Say with your key that a scope may be used. An altered scope has to be signed anew."""
    from leadglass.home import clock
    from leadglass.scan.authority import SUFFIX, read_trusted
    from leadglass.scan.authority import sign as signed
    from leadglass.scan.scope import read_scope

    content = content_of(path)
    read_scope(content, clock())  # nobody signs what could not be used
    signer = _signer(key or _config(_KEY_FILE), name)
    path.with_name(path.name + SUFFIX).write_text(signed(content, signer, clock()), encoding="utf-8")
    if signer.key not in read_trusted(_text(_config(_TRUSTED_FILE))):
        _trust(signer.key)
        show.note("Your key is trusted on this machine. On another one that is to use the scope:")
        show.note(f"  leadglass scan trust {signer.key.encode()}")
    show.note(f"Signed: {path}{SUFFIX}")


def trust(key: Annotated[str, typer.Argument(metavar="KEY", help="A key as `scan sign` prints it.")]) -> None:
    """Let scopes count that are signed with this key."""
    from leadglass.note import VerifierKey
    from leadglass.scan.authority import read_trusted

    found = VerifierKey.decode(key.strip())
    if found in read_trusted(_text(_config(_TRUSTED_FILE))):
        show.note(f"{found.name} is trusted already.")
        return
    _trust(found)
    show.note(f"Scopes signed by {found.name} count from now on.")


# --- what a survey keeps to ---------------------------------------------------------------------------------


def from_file(path: Path, now: int) -> Ready:
    """The scope in a file, with its signature where it needs one."""
    from leadglass.scan.scope import read_scope

    content = content_of(path)
    scope = read_scope(content, now)
    told = (_signature(path, content),) if scope.needs_signature else ()
    return _ready(scope, content.decode("utf-8"), path.parent, told)


def from_targets(targets: Iterable[str], now: int) -> Ready:
    """A scope that was laid down for all of these, else one of our own for addresses that are private."""
    from leadglass.scan_home import scopes_folder

    found = named_targets(targets)
    for path in sorted(scopes_folder(os.environ).glob("*.toml")):
        if (ready := _laid_down(path, found, now)) is not None:
            return ready
    return _own(found, now)


def named_targets(targets: Iterable[str]) -> list[tuple[str, tuple[int, ...] | None]]:
    """Every address of every host that is named, with its ports."""
    from leadglass.scan.scope import named_host

    named = [named_host(text) for text in targets]
    return [(address, host.ports) for host in named for address in _addresses(host.host)]


def _laid_down(path: Path, found: list[tuple[str, tuple[int, ...] | None]], now: int) -> Ready | None:
    """The scope in that file, narrowed to these targets; None unless it names every one of them itself."""
    from leadglass.scan.addresses import AddressSet
    from leadglass.scan.plan import plan

    try:
        whole = from_file(path, now)
    except (Violation, Denied):
        return None
    known = {address: set(ports) for address, ports in whole.plan.singles}
    if not all(address in known and ports and set(ports) <= known[address] for address, ports in found):
        return None
    narrowed = plan(AddressSet(), whole.plan.ports, found, whole.scope.do_not_probe)
    return Ready(whole.scope, whole.text, whole.folder, narrowed, (f"Scope: {path}", *whole.told))


def _own(found: list[tuple[str, tuple[int, ...] | None]], now: int) -> Ready:
    from leadglass.scan.addresses import is_private
    from leadglass.scan.scope import Named, read_scope
    from leadglass.scan.scope_text import local_scope

    for address, _ in found:
        if not is_private(address):
            raise Denied(
                f"{address} is reached from the internet. That takes a scope that says who authorises it: "
                "leadglass scan init",
                code="scope-public",
            )
    text = local_scope((Named(address, ports) for address, ports in found), _contact(), now)
    return _ready(read_scope(text.encode(), now), text, Path(), ())


def _ready(scope: Scope, text: str, folder: Path, told: tuple[str, ...]) -> Ready:
    """Names looked up, lists read: once, so that what is asked is what is shown."""
    from leadglass.scan.plan import plan
    from leadglass.scan.results import require_owners

    require_owners(scope, folder)
    hosts: list[tuple[str, tuple[int, ...] | None]] = []
    for named in scope.hosts:
        for address in _addresses(named.host):
            if address not in scope.authorised:
                where = named.host if named.host == address else f"{named.host} ({address})"
                raise Violation(f"{where} is to be surveyed and not authorised.", code="scope-outside")
            hosts.append((address, named.ports))
    titles: dict[str, tuple[str, ...]] = {}
    for address, entry in _listed(scope, folder):
        hosts.append((address, None if entry.port is None else (entry.port,)))
        if entry.title:
            titles[address] = (*titles.get(address, ()), entry.title)
    whole = plan(scope.ranges, scope.ports, hosts, scope.do_not_probe, titles)
    return Ready(scope, text, folder.absolute(), whole, told)


def _listed(scope: Scope, folder: Path) -> Iterator[tuple[str, Entry]]:
    """Hosts of the lists that the scope names, by address. What a list has and nobody authorised is left out:
    lists come from tools that know no scope."""
    from leadglass.scan.targets import read_list

    for name, kind in scope.lists:
        for entry in read_list(content_of(folder / name), kind):
            for address in _addresses(entry.host):
                if address in scope.authorised:
                    yield address, entry


def _addresses(host: str) -> list[str]:
    """All addresses of a host, each once."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise Unreachable(f"There is no host {host}.", code="unreachable") from None
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _contact() -> str:
    from leadglass.cli.work import this_operator

    return re.sub(r"[^A-Za-z0-9._@-]", "-", f"{this_operator().name}@{socket.gethostname()}")


# --- files --------------------------------------------------------------------------------------------------


def _signature(path: Path, content: bytes) -> str:
    from leadglass.scan.authority import SUFFIX, read_trusted, verify

    signature = path.with_name(path.name + SUFFIX)
    if not signature.exists():
        raise Denied(
            f"{path} holds addresses that the internet reaches, so it has to be signed: "
            f"leadglass scan sign {path}",
            code="scope-signature",
        )
    signed = verify(content, content_of(signature), read_trusted(_text(_config(_TRUSTED_FILE))))
    return f"Signed by {signed.name}, {signed.at}"


def content_of(path: Path) -> bytes:
    """A file that somebody named; see `scan.results.read_file`."""
    from leadglass.scan.results import read_file

    return read_file(path)


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST)
    except FileNotFoundError:
        return ""


def _config(name: str) -> Path:
    from leadglass.home import config_folder

    return config_folder(os.environ) / name


def _trust(key: VerifierKey) -> None:
    path = _config(_TRUSTED_FILE)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{key.encode()}\n")


def _signer(path: Path, name: str | None) -> Signer:
    """The key in the file; made now, under that name, when there is none."""
    from leadglass.note import Signer

    if not path.exists():
        if name is None or not _NAME.fullmatch(name):
            raise typer.BadParameter(
                "There is no signing key yet: say whose it is to be, like it.head@hospital.",
                param_hint="--name",
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        seed = secrets.token_bytes(32)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"leadglass scan authority 1\nname {name}\nseed {seed.hex()}\n")
        show.note(f"A signing key was made for {name}: {path}")
        return Signer.from_seed(name, seed)
    if path.stat().st_mode & 0o077:
        raise Denied(f"Other users can read {path}. If nobody has, close it with: chmod 600", code="key-open")
    found = _KEY.fullmatch(_text(path))
    if found is None:
        raise Violation(f"{path} is no signing key, or it is damaged.", code="key-form")
    return Signer.from_seed(found[1], bytes.fromhex(found[2]))
