"""leadglass ae: add, list, renew, remove, authority."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.work import AsOption, HomeOption, JsonOption, Work, at_home

if TYPE_CHECKING:
    from leadglass.access.plans import Plan
    from leadglass.archive.peers import Ae, Issued

app = typer.Typer(
    help="Known AEs, the machines that speak DICOM: add, list, renew, remove.", no_args_is_help=True
)

Title = Annotated[str, typer.Argument(metavar="AE_TITLE", help="Its AE title.", show_default=False)]
IssueOption = Annotated[
    Path | None,
    typer.Option(
        "--issue-certificate",
        metavar="DIR",
        help="Make a certificate and its key, and write both into this folder.",
        show_default=False,
    ),
]
CertificateOption = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        metavar="FILE",
        help="Register the certificate the AE already has (PEM or DER).",
        show_default=False,
    ),
]
Where = Annotated[
    str,
    typer.Argument(
        metavar="AE_TITLE[@HOST[:PORT]]",
        help="Its title, and where it calls from (receive-only) or listens.",
        show_default=False,
    ),
]
ReceiveOnlyOption = Annotated[
    bool,
    typer.Option("--receive-only", help="It knows no TLS: known by HOST, and only takes part in storing."),
]
AllowOption = Annotated[
    str | None,
    typer.Option(
        "--allow",
        metavar="WORDS",
        help="Of store, find, get, move, commitment, private; or none. Else store.",
        show_default=False,
    ),
]
PlainOption = Annotated[
    bool, typer.Option("--plain", help="At HOST:PORT it listens without TLS though it has a certificate.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why it has to do without TLS.", show_default=False)
]
DepartmentOption = Annotated[
    str | None,
    typer.Option("--department", metavar="D", help="Whose images it deals in; else the default one."),
]


@app.command("add")
def add(
    where: Where,
    *,
    receive_only: ReceiveOnlyOption = False,
    issue_certificate: IssueOption = None,
    certificate: CertificateOption = None,
    allow: AllowOption = None,
    plain: PlainOption = False,
    reason: ReasonOption = "",
    department: DepartmentOption = None,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Let a machine in. Nothing but storing is allowed to it unless --allow says so."""
    _one_of(issue_certificate, certificate)
    plan = _plan(
        where,
        certified=issue_certificate is not None or certificate is not None,
        receive_only=receive_only,
        allow=allow,
        plain=plain,
        reason=reason,
    )
    brought = _read(certificate)
    with at_home(home, as_user) as work:
        with _folder(issue_certificate, plan.title) as folder:
            added = work.services.peers.add(
                work.who, plan, work.context(), department=department, certificate=brought
            )
            files = folder.write(added.issued) if folder and added.issued else {}
        names, title = _departments(work), work.opened.settings.dicom.title
    if json:
        show.as_json(_as_json(added.ae, names) | {"files": files})
        return
    show.note(f"AE {added.ae.title} added.")
    _say_files(files)
    for sentence in _next_steps(added.ae, title, files):
        show.note(sentence)


@app.command("list")
def list_aes(home: HomeOption = None, as_user: AsOption = None, json: JsonOption = False) -> None:
    """List all AEs."""
    with at_home(home, as_user) as work:
        context = work.context()
        aes = work.services.peers.list_aes(work.who, context)
        names = _departments(work)
    if json:
        show.as_json([_as_json(ae, names) for ae in aes])
    elif aes:
        columns = ("AE title", "Known by", "May", "Department", "Listens at", "Certificate")
        show.table(columns, [_as_row(ae, names, context.now) for ae in aes], whole=frozenset({0, 4, 5}))
    else:
        show.note("No AE is known, so nobody comes in by DICOM. Add one: leadglass ae add AE_TITLE …")


@app.command("renew")
def renew(
    title: Title,
    *,
    issue_certificate: IssueOption = None,
    certificate: CertificateOption = None,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Give an AE another certificate. The one before is refused from then on."""
    _one_of(issue_certificate, certificate)
    if issue_certificate is None and certificate is None:
        raise typer.BadParameter("Say which certificate: --issue-certificate DIR or --certificate FILE.")
    brought = _read(certificate)
    with at_home(home, as_user) as work:
        with _folder(issue_certificate, title) as folder:
            added = work.services.peers.renew(work.who, title, work.context(), certificate=brought)
            files = folder.write(added.issued) if folder and added.issued else {}
        names = _departments(work)
    if json:
        show.as_json(_as_json(added.ae, names) | {"files": files})
        return
    show.note(f"AE {added.ae.title} has another certificate, good until {_day(added.ae.expires)}.")
    _say_files(files)


@app.command("remove")
def remove(title: Title, home: HomeOption = None, as_user: AsOption = None, json: JsonOption = False) -> None:
    """Let a machine in no more. What it sent stays."""
    with at_home(home, as_user) as work:
        work.services.peers.remove(work.who, title, work.context())
    if json:
        show.as_json({"title": title.strip(" "), "removed": True})
    else:
        show.note(f"AE {title} is removed and refused from now on.")


@app.command("authority")
def authority(home: HomeOption = None, as_user: AsOption = None, json: JsonOption = False) -> None:
    """Print the certificate of the archive's own authority, which whoever calls the archive has to trust."""
    with at_home(home, as_user) as work:
        pem = work.services.peers.authority_certificate(work.who, work.context())
    if json:
        show.as_json({"certificate": pem})
    else:
        show.line(pem.rstrip("\n"))


# What is asked for


def _one_of(issue: Path | None, certificate: Path | None) -> None:
    if issue is not None and certificate is not None:
        raise typer.BadParameter("Either --issue-certificate or --certificate, not both.")


def _plan(where: str, **options: Any) -> Plan:
    """Wrong use when the options do not fit together."""
    from leadglass.access.plans import plan
    from leadglass.errors import Violation

    try:
        return plan(where, **options)
    except Violation as error:
        raise typer.BadParameter(str(error)) from None


def _read(path: Path | None) -> bytes | None:
    from leadglass.access.certificates import LARGEST_FILE

    if path is None:
        return None
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)


# What is handed out


class _Folder:
    """Where a certificate and its key go: files that were not there before, for their owner alone."""

    def __init__(self, path: Path, title: str) -> None:
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", title.strip(" "))  # a title may hold dots and slashes
        self._title = title
        self._files = {
            "certificate": path / f"{stem}.crt.pem",
            "key": path / f"{stem}.key.pem",
            "authority": path / f"{stem}.ca.pem",
        }

    def reserve(self) -> None:
        """Before anything is kept in the home: a key that cannot be written would be lost."""
        made: list[Path] = []
        for path in self._files.values():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                _forget(made)
                show.complain(f"{path} is there already. Choose another folder, or put it away.")
                raise typer.Exit(1) from None
            made.append(path)

    def write(self, issued: Issued) -> dict[str, str]:
        """What was written where."""
        try:
            for name, path in self._files.items():
                path.write_text(getattr(issued, name), encoding="ascii")
        except OSError as error:
            show.complain(
                f"{error.strerror}: {error.filename}. The AE is known now, but its key is lost. Make it "
                f"another: leadglass ae renew {self._title} --issue-certificate DIR"
            )
            raise typer.Exit(1) from None
        return {name: str(path) for name, path in self._files.items()}

    def release(self) -> None:
        _forget(list(self._files.values()))


@contextmanager
def _folder(path: Path | None, title: str) -> Iterator[_Folder | None]:
    """The folder, ready; left as it was found when nothing is handed out after all."""
    if path is None:
        yield None
        return
    folder = _Folder(path, title)
    folder.reserve()
    try:
        yield folder
    except BaseException:
        folder.release()
        raise


def _forget(paths: list[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


# What is said


def _departments(work: Work) -> dict[int, str]:
    return {department.id: department.name for department in work.services.accounts.departments()}


def _as_json(ae: Ae, departments: dict[int, str]) -> dict[str, Any]:
    return {
        "title": ae.title,
        "receive_only": ae.receive_only,
        "addresses": list(ae.addresses),
        "allow": _words(ae),
        "department": departments[ae.department_id],
        "host": ae.host or None,
        "port": ae.port,
        "tls": ae.tls,
        "reason": ae.reason or None,
        "certificate_sha256": ae.fingerprint.hex() if ae.fingerprint else None,
        "certificate_expires": show.moment(ae.expires) or None,
        "created": show.moment(ae.created),
    }


def _as_row(ae: Ae, departments: dict[int, str], now: int) -> tuple[str, ...]:
    if ae.expires is None:
        certificate = ""
    else:
        certificate = f"{'expired' if now >= ae.expires else 'until'} {_day(ae.expires)}"
    known_by = (
        "its certificate" if ae.certificate and ae.allow else ", ".join(ae.addresses) or "a destination"
    )
    listens = "" if ae.port is None else f"{_address(ae)} {'TLS' if ae.tls else 'plain'}"
    return ae.title, known_by, ", ".join(_words(ae)), departments[ae.department_id], listens, certificate


def _words(ae: Ae) -> list[str]:
    from leadglass.access.plans import joined

    return [word for word in joined(ae.allow).split(",") if word]


def _address(ae: Ae) -> str:
    return f"[{ae.host}]:{ae.port}" if ":" in ae.host else f"{ae.host}:{ae.port}"


def _day(milliseconds: int | None) -> str:
    return show.minute(milliseconds)[:10]


def _say_files(files: dict[str, str]) -> None:
    if not files:
        return
    show.note(f"Certificate {files['certificate']}")
    show.note(f"Key         {files['key']}   there is no other copy: move it to the machine, then delete it")
    show.note(f"Authority   {files['authority']}   what the machine has to trust")


def _next_steps(ae: Ae, called: str, files: dict[str, str]) -> Iterator[str]:
    """How the machine is set up. `called` is the archive's own title."""
    words = ", ".join(_words(ae))
    if not words:
        yield f"It may do nothing here. It can be sent images: leadglass send {ae.title} …"
        return
    if ae.receive_only:
        yield f"Allowed from {', '.join(ae.addresses)}, in plaintext: {words}."
        door, protection = "--dicom HOST:PORT, or dicom.receive_address", "no TLS"
    else:
        yield f"Allowed with its certificate: {words}."
        door = "--dicom-tls HOST:PORT, or dicom.tls_address"
        trust = "these files" if files else "its certificate, trusting what leadglass ae authority prints"
        protection = f"TLS 1.2 or 1.3 with {trust}"
    yield f"Its listener: leadglass serve {door} in config.toml."
    yield f"On the machine: called AE title {called}, that host and port, {protection}."
    if not ae.receive_only:
        yield "If it knows no TLS, run leadglass connect beside it."
