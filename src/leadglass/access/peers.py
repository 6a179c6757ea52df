"""Known AEs: a title bound to a certificate, or at the receive-only listener to addresses; or a destination.

An AE is removed, never deleted: the record refers to it for as long as it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from leadglass.access.actions import GRANTS
from leadglass.access.addresses import admits
from leadglass.access.certificates import Certificate, fingerprint
from leadglass.access.plans import Plan, joined
from leadglass.access.principal import Kind, Principal, Role, Via
from leadglass.access.schema import Reader, aes
from leadglass.db.engine import Transaction
from leadglass.errors import Conflict, NotFound, Violation

_KNOWN = aes.c.removed.is_(None)
_BY_TITLE = sa.select(aes).where(aes.c.title == sa.bindparam("sought"), _KNOWN)
_ALL = sa.select(aes).where(_KNOWN).order_by(aes.c.title)
_EVER = sa.select(aes.c.id).where(aes.c.title == sa.bindparam("sought")).order_by(aes.c.id.desc())
_HAS_RECEIVE_ONLY = sa.select(aes.c.id).where(aes.c.receive_only, _KNOWN).limit(1)
_CERTIFICATES = sa.select(aes.c.certificate).where(aes.c.certificate.is_not(None), _KNOWN).order_by(aes.c.id)
_INSERT = aes.insert().returning(aes.c.id)
_THIS = aes.update().where(aes.c.id == sa.bindparam("sought"))
_REMOVE = _THIS.values(removed=sa.bindparam("since"))
_CERTIFY = _THIS.values(
    certificate=sa.bindparam("pem"), fingerprint=sa.bindparam("digest"), expires=sa.bindparam("until")
)


@dataclass(frozen=True, slots=True)
class Ae:
    """A known AE. It listens itself at `host` and `port`, in TLS if `tls`; or not at all: "" and None."""

    id: int
    title: str
    department_id: int
    receive_only: bool
    addresses: tuple[str, ...]
    allow: frozenset[str]
    host: str
    port: int | None
    tls: bool
    reason: str
    certificate: str | None = field(repr=False)  # PEM
    fingerprint: bytes | None = field(repr=False)
    expires: int | None  # when the certificate does, ms
    created: int

    @property
    def principal(self) -> Principal:
        return Principal(
            kind=Kind.AE,
            id=self.id,
            user_id=None,
            name=self.title,
            display_name=self.title,
            role=Role.APPLICATION_ENTITY,
            departments=frozenset({self.department_id}),
            credential=f"{Kind.AE}:{self.id}",
            actions=frozenset(GRANTS[word] for word in self.allow if word in GRANTS),
        )


@dataclass(frozen=True, slots=True)
class Known:
    """An AE whose identity is established, and what it may do."""

    ae: Ae
    principal: Principal


def add_ae(tx: Transaction, made: Plan, department_id: int, certificate: Certificate | None, now: int) -> int:
    """Returns the new id; Conflict when the title is taken. Violation when the certificate does not serve."""
    if find_ae(tx, made.title):
        raise Conflict(
            "There is an AE of this title already. Remove it first, or renew its certificate.",
            code="ae-exists",
        )
    if certificate is not None:
        _check_serves(made.allow, certificate)
    row = {
        "title": made.title,
        "department_id": department_id,
        "receive_only": made.receive_only,
        "addresses": ",".join(made.addresses),
        "allow": joined(made.allow),
        "host": made.host,
        "port": made.port,
        "tls": made.tls,
        "reason": made.reason,
        "certificate": certificate.pem if certificate else None,
        "fingerprint": certificate.fingerprint if certificate else None,
        "expires": certificate.expires if certificate else None,
        "created": now,
    }
    return int(tx.execute(_INSERT, row).scalar_one())


def set_certificate(tx: Transaction, ae: Ae, certificate: Certificate) -> None:
    """The old certificate is refused from the next association on."""
    _check_serves(ae.allow, certificate)
    values = {"pem": certificate.pem, "digest": certificate.fingerprint, "until": certificate.expires}
    tx.execute(_CERTIFY, {"sought": ae.id, **values})


def remove_ae(tx: Transaction, ae: Ae, now: int) -> None:
    """Refused from the next association on."""
    tx.execute(_REMOVE, {"sought": ae.id, "since": now})


def find_ae(conn: Reader, title: str) -> Ae | None:
    """By title, exactly: the letter case of an AE title counts (PS3.5 6.2)."""
    row = conn.execute(_BY_TITLE, {"sought": title.strip(" ")}).first()
    return None if row is None else _ae(row)


def require_ae(conn: Reader, title: str) -> Ae:
    ae = find_ae(conn, title)
    if ae is None:
        raise NotFound("There is no AE of this title.", code="no-ae")
    return ae


def list_aes(conn: Reader) -> list[Ae]:
    """All of them by title, without the removed."""
    return [_ae(row) for row in conn.execute(_ALL)]


def numbers_of(conn: Reader, title: str) -> list[int]:
    """Every AE that ever had the title, the newest first: the record knows them by number."""
    return list(conn.execute(_EVER, {"sought": title.strip(" ")}).scalars())


def has_receive_only(conn: Reader) -> bool:
    return conn.execute(_HAS_RECEIVE_ONLY).first() is not None


def certificates(conn: Reader) -> list[str]:
    """Those of all AEs (PEM)."""
    return list(conn.execute(_CERTIFICATES).scalars())


# Who is it?


def identify(
    conn: Reader, calling: str, address: str, certificate: bytes | None, *, via: Via, now: int
) -> Known | None:
    """The AE that calls, or None for everybody else, whatever else they are.

    `certificate` is the DER of what the TLS handshake verified and found the private key behind.
    """
    ae = find_ae(conn, calling)
    vouches = _VOUCHES.get(via)
    if ae is None or vouches is None or not vouches(ae, address, certificate, now):
        return None
    return Known(ae, ae.principal)


def _by_certificate(ae: Ae, address: str, certificate: bytes | None, now: int) -> bool:
    if ae.receive_only or certificate is None or ae.fingerprint is None or ae.expires is None:
        return False
    return now < ae.expires and compare_digest(ae.fingerprint, fingerprint(certificate))


def _by_address(ae: Ae, address: str, certificate: bytes | None, now: int) -> bool:
    return ae.receive_only and admits(ae.addresses, address)


_VOUCHES: Final = MappingProxyType({Via.DIMSE: _by_certificate, Via.RECEIVE: _by_address})


def _check_serves(allow: frozenset[str], certificate: Certificate) -> None:
    if allow and not certificate.for_client:
        raise Violation(
            "This certificate is for servers only (its extended key usage says so), and the AE is to call "
            "with it. Get one for clients, or add the AE with --allow none as a destination.",
            code="certificate-use",
        )


def _ae(row: Any) -> Ae:
    return Ae(
        id=row.id,
        title=row.title,
        department_id=row.department_id,
        receive_only=row.receive_only,
        addresses=tuple(row.addresses.split(",")) if row.addresses else (),
        allow=frozenset(row.allow.split(",")) - {""},
        host=row.host,
        port=row.port,
        tls=row.tls,
        reason=row.reason,
        certificate=row.certificate,
        fingerprint=row.fingerprint,
        expires=row.expires,
        created=row.created,
    )
