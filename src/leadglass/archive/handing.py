"""Handing over: what was kept aside goes onto another department's list, whose administrator decides on it.

Whoever hands over chooses a department that there is, and learns nothing of what it holds: what the object is
to it is found out in the transaction, kept there, and changes neither the answer nor what is refused. Over
there, what one source of a department handed over has the limit of any source. To undo it the other
department hands it back, which is the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from leadglass.access.departments import Department
from leadglass.archive.objects import StudyKeys
from leadglass.archive.placing import Room
from leadglass.archive.standing import Standing
from leadglass.db.engine import Transaction
from leadglass.errors import Conflict
from leadglass.index import asides, fitting
from leadglass.index.fitting import FAULTS, Clash, Misfit
from leadglass.index.rows import NO_STUDY, KeptRow

MOST_SOURCE: Final = 200  # characters
NO_ROOM_THERE: Final = (
    "As much waits there already as may be handed over. Hand this over when they have decided on some of it."
)


def hand_over(
    tx: Transaction, standing: Standing, to: Department, *, object_key: bytes, keys: StudyKeys, room: Room
) -> bool:
    """From one list onto the other. Conflict when there is no room. False when the very same waits there
    already: nothing names its bytes any more then."""
    kept = standing.kept
    source = source_there(kept.source, standing.department.name, to.name)
    _require_room(tx, kept, to.id, source, room)
    found = fitting_there(tx, standing, to.id)
    asides.remove(tx, kept)
    if asides.is_kept(tx, kept.sop_instance_uid, found.clash, kept.sealed.digest, to.id):
        return False
    wrapped = keys.wrap(tx, NO_STUDY, object_key)
    asides.keep(
        tx,
        kept.sop_instance_uid,
        found.clash,
        replace(kept.sealed, study_id=NO_STUDY, wrapped_key=wrapped),
        study_id=found.study_id,
        department_id=to.id,
        source=source,
        now=kept.received,
    )
    return True


def source_there(source: str, here: str, there: str) -> str:
    """What comes back is from where it first came."""
    back = f"handed over by {there}: "
    if source.startswith(back):
        return source[len(back) :]
    return f"handed over by {here}: {source}"[:MOST_SOURCE]


def fitting_there(tx: Transaction, standing: Standing, department_id: int) -> Misfit:
    """What it is to that department: a fault of its own stays one; else what it contradicts, or nothing."""
    claims = standing.claims
    if standing.clash in FAULTS:
        return Misfit(standing.clash, None)
    if (known := fitting.find(tx, claims.sop_instance_uid)) is not None:
        own = known.department_id == department_id
        return Misfit(Clash.OTHER_CONTENT if own else Clash.OTHER_DEPARTMENT, known.study_id)
    if (forbids := fitting.misfit_in(tx, claims, department_id)) is not None:
        return forbids
    study = fitting.find_study(tx, claims.study_instance_uid)
    return Misfit(Clash.HANDED_OVER, study.id if study is not None else None)


def _require_room(tx: Transaction, kept: KeptRow, department_id: int, source: str, room: Room) -> None:
    """By what was handed over alone: that it may be of no study there counts whether it is or not."""
    more = max(kept.sealed.size, asides.LEAST)
    fits = asides.bytes_of_source(tx, department_id, source) + more <= room.source
    if fits and kept.study_id is not None:
        fits = asides.homeless_bytes(tx) + more <= room.homeless
    if not fits:
        raise Conflict(NO_ROOM_THERE, code="no-room-there")
