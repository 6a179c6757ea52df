"""Which of these objects are here already? So that whoever goes on with an upload need not send them again.

It is asked by SOP Instance UID and SHA-256 of the data set: by what an object is, not by what a file was
called or when it was begun. So nothing has to be remembered of an upload, and any browser can go on with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.errors import LimitExceeded
from leadglass.index import lookup

MOST: Final = 400  # of one question


class Here(IntEnum):
    """What is said of each: `SAME` needs no sending, `OTHER` could be the same in another encoding."""

    ABSENT = 0  # or another department's: one answer for both
    OTHER = 1
    SAME = 2


class Already:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def which(
        self, who: Principal, department_id: int, asked: Sequence[tuple[str, bytes]], context: Context
    ) -> list[Here]:
        """For each SOP Instance UID and digest ("" where it is not known yet), within one department.

        Denied for who may not put images in there; LimitExceeded for too many. On the record, with counts.
        """
        if len(asked) > MOST:
            raise LimitExceeded("Too many at once.", code="too-many")
        self._doorkeeper.require(who, Action.OBJECT_INGEST, context, department_id)
        with self._doorkeeper.db.read() as connection:
            known = lookup.digests(connection, [uid for uid, _ in asked], department_id)
        found = [_here(known.get(uid), digest) for uid, digest in asked]
        counts = {"asked": len(asked), "instances": sum(one is not Here.ABSENT for one in found)}
        entry = self._doorkeeper.entry(
            who, "object.compare", context, department=department_id, counts=counts
        )
        self._doorkeeper.record(entry, context.now)
        return found


def _here(known: bytes | None, digest: bytes) -> Here:
    if known is None:
        return Here.ABSENT
    return Here.SAME if known == digest else Here.OTHER
