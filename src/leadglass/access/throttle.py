"""The pause that follows many wrong passwords in a row, for a name that exists and one that does not alike.

Ten are free: people mistype. From then on each failure doubles the pause, from a second to five minutes.
While it lasts no password is right and nothing is counted, so hammering does not lengthen it.
A guesser is left with some 300 tries a day on one name, against the 2^80 of a generated password.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from leadglass.access.schema import Reader, sign_in_failures
from leadglass.db.engine import Transaction

FREE_FAILURES = 10
FIRST_PAUSE = 1_000  # ms
LONGEST_PAUSE = 300_000
FORGOTTEN_AFTER = 24 * 3_600_000  # ms without another failure
MOST_NAMES = 10_000  # rows: made-up names must not fill the disk
_NAME_READ = 256  # characters of a name that count; a longer one is nobody's

_columns = sign_in_failures.c
_ONE = sa.select(_columns["count"].label("failures"), _columns.last).where(
    _columns.name_digest == sa.bindparam("sought")
)
_ROWS = sa.select(sa.func.count()).select_from(sign_in_failures)
_INSERT = sign_in_failures.insert()
_UPDATE = (
    sign_in_failures.update()
    .where(_columns.name_digest == sa.bindparam("sought"))
    .values({"count": sa.bindparam("failures"), "last": sa.bindparam("at")})
)
_DELETE = sign_in_failures.delete().where(_columns.name_digest == sa.bindparam("sought"))
_FORGET = sign_in_failures.delete().where(_columns.last <= sa.bindparam("until"))
# The fewest failures go first: names made up to push a guessed one out are themselves pushed out before it.
_LEAST = sa.select(_columns.name_digest).order_by(_columns["count"], _columns.last).limit(1)


@dataclass(frozen=True, slots=True)
class Failures:
    """Wrong passwords in a row for one name, and when the last one was (ms)."""

    count: int
    last: int


NONE: Final = Failures(0, 0)


def pause(count: int) -> int:
    """Milliseconds to wait after the `count`th failure in a row."""
    if count < FREE_FAILURES:
        return 0
    doublings = min(count - FREE_FAILURES, LONGEST_PAUSE.bit_length())  # no giant powers from a long row
    return min(FIRST_PAUSE << doublings, LONGEST_PAUSE)


def is_paused(failures: Failures, now: int) -> bool:
    """A last failure further ahead than any pause is the doing of a clock that was set back: it must not
    shut a name out for years."""
    return failures.last - LONGEST_PAUSE <= now < failures.last + pause(failures.count)


def is_forgotten(failures: Failures, now: int) -> bool:
    return now >= failures.last + FORGOTTEN_AFTER


def counted(failures: Failures, now: int) -> Failures:
    """After one more failure."""
    return Failures(1 if is_forgotten(failures, now) else failures.count + 1, now)


def name_digest(name: str) -> bytes:
    """What a tried name is counted under; any text at all may have been typed into the field."""
    return hashlib.sha256(name[:_NAME_READ].strip().casefold().encode("utf-8", "surrogatepass")).digest()


def read_failures(conn: Reader, digest: bytes) -> Failures:
    row = conn.execute(_ONE, {"sought": digest}).first()
    return NONE if row is None else Failures(row.failures, row.last)


def note_failure(tx: Transaction, digest: bytes, now: int) -> Failures:
    """Count one more. The table stays within MOST_NAMES rows and FORGOTTEN_AFTER."""
    before = read_failures(tx, digest)
    after = counted(before, now)
    if before is NONE:
        _make_room(tx, now)
        tx.execute(_INSERT, {"name_digest": digest, "count": after.count, "last": after.last})
    else:
        tx.execute(_UPDATE, {"sought": digest, "failures": after.count, "at": after.last})
    return after


def clear_failures(tx: Transaction, digest: bytes) -> None:
    tx.execute(_DELETE, {"sought": digest})


def _make_room(tx: Transaction, now: int) -> None:
    tx.execute(_FORGET, {"until": now - FORGOTTEN_AFTER})
    if tx.execute(_ROWS).scalar_one() >= MOST_NAMES:
        tx.execute(_DELETE, {"sought": tx.execute(_LEAST).scalar_one()})
