"""The archive's own small certificate authority, and the certificate its DICOM listener shows.

Both keys are at rest only as wrapped by whoever holds the home's master key. The authority is never replaced
by itself: a clock that is wrong for a moment must not cut off everyone who trusts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import sqlalchemy as sa

from leadglass.access.certificates import (
    DAY,
    LIFETIME,
    Pair,
    archive_names,
    found_authority,
    issue_to_archive,
    load_pair,
    names_of,
)
from leadglass.access.schema import Reader, tls_identities
from leadglass.db.engine import Transaction
from leadglass.errors import Unavailable

AUTHORITY: Final = "authority"
SERVER: Final = "server"
RENEWED_BEFORE: Final = 90 * DAY  # what is left of the listener's certificate when it is made anew
_LAST_DAYS: Final = 30 * DAY  # what is left of the authority when a person's next act makes a new one

Wrap = Callable[[str, bytes], bytes]  # (label, secret) → wrapped, and the way back

_FIND = sa.select(tls_identities).where(tls_identities.c.name == sa.bindparam("sought"))
_FORGET = tls_identities.delete().where(tls_identities.c.name == sa.bindparam("sought"))
_ADD = tls_identities.insert()


def load(conn: Reader, name: str, unwrap: Wrap) -> Pair | None:
    """The authority or the listener's pair, if there is one. Tampered when its key does not unwrap."""
    row = conn.execute(_FIND, {"sought": name}).first()
    return None if row is None else load_pair(row.certificate, unwrap(_label(name), row.wrapped))


def certificate(conn: Reader, name: str) -> str | None:
    """Its certificate alone (PEM)."""
    row = conn.execute(_FIND, {"sought": name}).first()
    return None if row is None else row.certificate


def store(tx: Transaction, name: str, pair: Pair, wrap: Wrap, now: int) -> None:
    """Keep it instead of what was there."""
    tx.execute(_FORGET, {"sought": name})
    row = {"name": name, "certificate": pair.certificate_pem, "wrapped": wrap(_label(name), pair.key_der)}
    tx.execute(_ADD, row | {"created": now})


def new_authority(known: Pair | None, now: int) -> Pair | None:
    """The authority to make at a person's act: the first one, or one for an old one about to end.

    One that begins in the future was made by a clock that was wrong.
    """
    if known is not None and known.begins <= now < known.expires - _LAST_DAYS:
        return None
    return found_authority(now)


def new_server(known: Pair | None, authority: Pair, names: Iterable[str], now: int) -> Pair | None:
    """The listener's pair to make: the first, or one for other names, by a new authority, for an old one."""
    if now >= authority.expires:
        raise Unavailable(
            "The archive's certificate authority has expired. Issuing a certificate makes a new one: "
            "leadglass ae renew AE_TITLE --issue-certificate DIR",
            code="authority-expired",
        )
    wanted = archive_names(names)
    if known is not None and names_of(known) == wanted and _lasts(known, authority, now):
        return None
    return issue_to_archive(authority, wanted, now)


def _lasts(known: Pair, authority: Pair, now: int) -> bool:
    if known.certificate.issuer != authority.certificate.subject or now < known.begins:
        return False
    could_last = min(now + LIFETIME, authority.expires)  # a new one, cut off where the authority ends
    return known.expires - now > RENEWED_BEFORE or could_last - known.expires < DAY


def _label(name: str) -> str:
    return f"tls {name} key"
