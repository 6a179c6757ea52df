"""Known AEs and the archive's own certificates; each change with its entry in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leadglass.access import authority, peers, tokens
from leadglass.access.authority import AUTHORITY, SERVER
from leadglass.access.certificates import (
    Certificate,
    Pair,
    found_authority,
    is_of,
    issue_to_ae,
    issued,
    names_of,
    read_certificate,
)
from leadglass.access.peers import Ae, Known
from leadglass.access.plans import Plan, joined
from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal, Via
from leadglass.archive.accounts import Accounts
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.db.engine import Transaction
from leadglass.errors import NotFound
from leadglass.record.entry import format_time
from leadglass.record.log import Entry
from leadglass.store.keys import Keyring

if TYPE_CHECKING:
    from leadglass.access.assertions import Issuer

__all__ = ["Added", "Ae", "Issued", "Known", "Peers"]


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate the archive made for an AE, in PEM. The key is nowhere else: it is shown this once."""

    certificate: str
    key: str = field(repr=False)
    authority: str


@dataclass(frozen=True, slots=True)
class Added:
    ae: Ae
    issued: Issued | None


class Peers:
    """The AEs of one home."""

    def __init__(
        self,
        doorkeeper: Doorkeeper,
        accounts: Accounts,
        keyring: Keyring,
        issuer: Callable[[], Issuer | None],
        require_loadable: Callable[[str], None],
    ) -> None:
        """`issuer` is whose tokens count besides our own; asked anew each time, for its keys change.
        `require_loadable` raises a Violation for a certificate (PEM) that the listener could not trust."""
        self._doorkeeper = doorkeeper
        self._accounts = accounts
        self._keyring = keyring
        self._issuer = issuer
        self._require_loadable = require_loadable

    # Who is it?

    def identify(
        self, calling: str, address: str, certificate: bytes | None, via: Via, now: int
    ) -> Known | None:
        """The AE that calls, by the certificate (DER) it proved to hold, or at the receive-only listener by
        its address. None for everybody else.
        """
        with self._doorkeeper.db.read() as connection:
            return peers.identify(connection, calling, address, certificate, via=via, now=now)

    def resolve_user(self, passcode: str, now: int) -> Principal | None:
        """The user behind an API token, which alone counts inside an association; a password never does."""
        with self._doorkeeper.db.read() as connection:
            return tokens.resolve_token(connection, passcode, now)

    def resolve_assertion(self, token: str, now: int) -> Principal | None:
        """The user behind a JSON Web Token of the identity provider that the settings name, if they do.
        Unavailable when its keys cannot be read.
        """
        from leadglass.access.assertions import resolve_assertion

        issuer = self._issuer()
        if issuer is None:
            return None
        with self._doorkeeper.db.read() as connection:
            return resolve_assertion(connection, token, issuer, now)

    def find(self, title: str) -> Ae | None:
        """The AE of that title."""
        with self._doorkeeper.db.read() as connection:
            return peers.find_ae(connection, title)

    def destination(self, title: str) -> Ae | None:
        """The AE of that title if it listens and may be sent objects, which a receive-only one may not."""
        ae = self.find(title)
        return None if ae is None or ae.receive_only or ae.port is None else ae

    def has_receive_only(self) -> bool:
        with self._doorkeeper.db.read() as connection:
            return peers.has_receive_only(connection)

    def numbers_of(self, title: str) -> list[int]:
        """Every AE that ever had the title, the newest first: the record knows them by number."""
        with self._doorkeeper.db.read() as connection:
            return peers.numbers_of(connection, title)

    # The archive's own certificates

    def trusted(self) -> tuple[str, ...]:
        """Certificates (PEM) that one presented by an AE leads to: our own authority's, and what was brought
        along or made by an earlier authority. Which AE it is, `identify` says.
        """
        with self._doorkeeper.db.read() as connection:
            own = authority.certificate(connection, AUTHORITY)
            registered = peers.certificates(connection)
        if own is None:
            return tuple(dict.fromkeys(registered))
        brought = (pem for pem in registered if not is_of(pem, own))
        return tuple(dict.fromkeys((own, *brought)))

    def server_identity(self, names: Iterable[str], now: int) -> tuple[str, str]:
        """Certificate and key (PEM) of the DICOM listener, which also calls with them. They are made on first
        need, for other names, and before the old ones expire; otherwise the same again.
        """
        names = tuple(names)
        with self._doorkeeper.db.read() as connection:
            own, known = self._own(connection)
        if own is None or authority.new_server(known, own, names, now) is not None:
            own, known = self._doorkeeper.db.write(lambda tx: self._made(tx, names, now)).result()
        assert known is not None
        return known.certificate_pem, known.key_pem

    def calling_identity(self, now: int) -> tuple[str, str]:
        """The same certificate and key for a command, which does not know what names the listener wants: who
        calls is known by the certificate itself.
        """
        with self._doorkeeper.db.read() as connection:
            own, known = self._own(connection)
        if own is None or known is None:
            return self.server_identity((), now)
        return self.server_identity(names_of(known), now)

    def authority_certificate(self, actor: Principal, context: Context) -> str:
        """The authority's certificate (PEM), which whoever calls the archive has to trust."""
        self._doorkeeper.require(actor, Action.AE_MANAGE, context)

        def unit(tx: Transaction) -> str:
            return self._authority_in(tx, actor, context).certificate_pem

        return self._doorkeeper.db.write(unit).result()  # type: ignore[no-any-return]

    # Looking after them

    def list_aes(self, actor: Principal, context: Context) -> list[Ae]:
        self._doorkeeper.require(actor, Action.AE_MANAGE, context)
        with self._doorkeeper.db.read() as connection:
            return peers.list_aes(connection)

    def add(
        self,
        actor: Principal,
        plan: Plan,
        context: Context,
        *,
        department: str | None = None,
        certificate: bytes | None = None,
    ) -> Added:
        """What a plan says, with the `certificate` (PEM or DER) the AE has; if it is to have one and has
        none, the archive's authority issues it.
        """
        self._doorkeeper.require(actor, Action.AE_MANAGE, context)
        brought = self._brought(certificate, context.now)

        def unit(tx: Transaction) -> Added:
            belongs = self._accounts.department_in(tx, department, actor, context)
            made, registered = None, brought
            if plan.certified and brought is None:
                made, registered = self._issue(tx, plan.title, plan.host, actor, context)
            peers.add_ae(tx, plan, belongs, registered, context.now)
            ae = peers.require_ae(tx, plan.title)
            self._append(tx, self._about(actor, "ae.add", context, ae, **_as_added(ae)), context.now)
            if registered is not None:
                entry = self._about(actor, "ae.certificate", context, ae, **_as_certified(registered, made))
                self._append(tx, entry, context.now)
            return Added(ae, made)

        return self._doorkeeper.db.write(unit).result()  # type: ignore[no-any-return]

    def renew(
        self, actor: Principal, title: str, context: Context, *, certificate: bytes | None = None
    ) -> Added:
        """Another certificate, brought along or issued; the one before is refused from then on."""
        self._doorkeeper.require(actor, Action.AE_MANAGE, context)
        brought = self._brought(certificate, context.now)

        def unit(tx: Transaction) -> Added:
            ae = peers.require_ae(tx, title)
            if ae.certificate is None:
                raise NotFound("This AE has no certificate that could be renewed.", code="no-certificate")
            made, registered = None, brought
            if registered is None:
                made, registered = self._issue(tx, ae.title, ae.host, actor, context)
            peers.set_certificate(tx, ae, registered)
            entry = self._about(actor, "ae.certificate", context, ae, **_as_certified(registered, made))
            self._append(tx, entry, context.now)
            return Added(peers.require_ae(tx, title), made)

        return self._doorkeeper.db.write(unit).result()  # type: ignore[no-any-return]

    def remove(self, actor: Principal, title: str, context: Context) -> None:
        """Refused from the next association on. NotFound when there is none."""
        self._doorkeeper.require(actor, Action.AE_MANAGE, context)

        def unit(tx: Transaction) -> None:
            ae = peers.require_ae(tx, title)
            peers.remove_ae(tx, ae, context.now)
            self._append(tx, self._about(actor, "ae.remove", context, ae), context.now)

        self._doorkeeper.db.write(unit).result()

    def _brought(self, certificate: bytes | None, now: int) -> Certificate | None:
        """What somebody has already. The listener loads all that are registered: one that it could not load
        would keep it from starting."""
        if certificate is None:
            return None
        found = read_certificate(certificate, now)
        self._require_loadable(found.pem)
        return found

    def _issue(
        self, tx: Transaction, title: str, host: str, actor: Principal, context: Context
    ) -> tuple[Issued, Certificate]:
        own = self._authority_in(tx, actor, context)
        pair = issue_to_ae(own, title, host, context.now)
        return Issued(pair.certificate_pem, pair.key_pem, own.certificate_pem), issued(pair)

    def _authority_in(self, tx: Transaction, actor: Principal, context: Context) -> Pair:
        """The authority, which a person's act also makes and replaces."""
        known = authority.load(tx, AUTHORITY, self._keyring.unwrap_secret)
        made = authority.new_authority(known, context.now)
        if made is None:
            assert known is not None
            return known
        authority.store(tx, AUTHORITY, made, self._keyring.wrap_secret, context.now)
        entry = self._doorkeeper.entry(actor, "tls.authority", context, detail=_as_made(made))
        self._append(tx, entry, context.now)
        return made

    def _made(self, tx: Transaction, names: tuple[str, ...], now: int) -> tuple[Pair, Pair | None]:
        """Both of the archive's own pairs, unless another process was faster."""
        own, known = self._own(tx)
        if own is None:
            own = self._keep(tx, AUTHORITY, found_authority(now), now)
        made = authority.new_server(known, own, names, now)
        return own, known if made is None else self._keep(tx, SERVER, made, now)

    def _keep(self, tx: Transaction, name: str, pair: Pair, now: int) -> Pair:
        authority.store(tx, name, pair, self._keyring.wrap_secret, now)
        entry = Entry("system", "", "", f"tls.{name}", via=Via.COMMAND.value, detail=_as_made(pair))
        self._append(tx, entry, now)
        return pair

    def _own(self, conn: Any) -> tuple[Pair | None, Pair | None]:
        unwrap = self._keyring.unwrap_secret
        return authority.load(conn, AUTHORITY, unwrap), authority.load(conn, SERVER, unwrap)

    def _append(self, tx: Transaction, entry: Entry, now: int) -> None:
        self._doorkeeper.log.append(tx, entry, now)

    def _about(self, actor: Principal, action: str, context: Context, ae: Ae, **detail: str) -> Entry:
        """What was done to the AE; what there is nothing to say of is left out."""
        said = {"ae": ae.title, "number": ae.id, **{name: value for name, value in detail.items() if value}}
        return self._doorkeeper.entry(actor, action, context, department=ae.department_id, detail=said)


def _as_added(ae: Ae) -> dict[str, str]:
    return {
        "allow": joined(ae.allow),
        "from": ",".join(ae.addresses),
        "to": "" if ae.port is None else f"{ae.host} {ae.port} {'tls' if ae.tls else 'plain'}",
        "reason": ae.reason,
    }


def _as_certified(certificate: Certificate, made: Issued | None) -> dict[str, str]:
    return {
        "sha256": certificate.fingerprint.hex(),
        "expires": format_time(certificate.expires),
        "made": "here" if made else "elsewhere",
    }


def _as_made(pair: Pair) -> dict[str, str]:
    certificate = issued(pair)
    return {"sha256": certificate.fingerprint.hex(), "expires": format_time(certificate.expires)}
