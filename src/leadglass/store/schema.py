"""Study keys: deleting a row, with the back-ups that hold it, is the crypto-shred of its study."""

from __future__ import annotations

import sqlalchemy as sa

from leadglass.db.engine import metadata

study_keys = sa.Table(
    "study_keys",
    metadata,
    sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), primary_key=True, autoincrement=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),  # AES-KWP under the home's study-key-wrapping key
    sa.Column("created", sa.BigInteger, nullable=False),  # ms since the epoch, UTC
)
