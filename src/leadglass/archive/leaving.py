"""Objects on their way out, and those that cannot be delivered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from leadglass.errors import LeadglassError, NotFound, StorageFailed, Tampered, Violation
from leadglass.index.rows import InstanceRow

# What may be wrong with one object alone: the others are none the worse for it.
UNREADABLE: Final = (Tampered, StorageFailed, NotFound, Violation)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A Part 10 file on its way out. Every chunk is authenticated; Tampered ends the iteration."""

    row: InstanceRow
    size: int
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that is not delivered, and why."""

    row: InstanceRow
    error: LeadglassError


# In words for whoever is missing it; any other error's own sentence will do.
_PLAIN: Final = {
    "object-missing": "Missing on the archive's disk.",
    "tampered": "Damaged on the archive's disk.",
    "not-found": "Deleted meanwhile.",
}
_NO_IDENTITY: Final = "It cannot be given the identity that its study was corrected to."


def why_not(error: LeadglassError) -> str:
    if isinstance(error, Violation):
        return _NO_IDENTITY
    return _PLAIN.get(error.code, str(error))
