"""How a record that was put back stands to a checkpoint that somebody has kept from before."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from leadglass.errors import Tampered
from leadglass.note import VerifierKey
from leadglass.record.checkpoint import open_checkpoint
from leadglass.record.merkle import Frontier, leaf_hash
from leadglass.record.reader import rows


@dataclass(frozen=True, slots=True)
class Continuity:
    """`kept`: entries that the checkpoint was signed for; `held`: entries there are now."""

    kept: int
    held: int

    @property
    def lost(self) -> int:
        """Entries that are known to be lost."""
        return max(0, self.kept - self.held)


def compare(connection: sa.Connection, signed: bytes, key: VerifierKey, held: int) -> Continuity:
    """Tampered or Violation for a checkpoint that is not genuine, or that was signed for other entries."""
    kept = open_checkpoint(signed, key, key.name)
    if kept.size <= held and _root_at(connection, kept.size) != kept.root:
        raise Tampered(
            f"The first {kept.size} entries of this back-up are not those that the checkpoint was signed "
            "for: it is of another history.",
            code="record-other-history",
        )
    return Continuity(kept.size, held)


def _root_at(connection: sa.Connection, size: int) -> bytes:
    frontier = Frontier()
    for batch in rows(connection):
        leaves = [leaf_hash(row.commitment) for row in batch if row.seq < size]
        frontier = frontier.extend(leaves)
        if len(leaves) < len(batch):
            break
    return frontier.root()
