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

# Every sealed object that was destroyed on purpose. What a back-up brings back that stands here is to be
# destroyed again: see leadglass.store.shreds.
shreds = sa.Table(
    "shreds",
    metadata,
    sa.Column("blob", sa.String(32), primary_key=True),
    sa.Column("entry", sa.BigInteger, nullable=False, index=True),  # on the record: who and why
    sa.Column("at", sa.BigInteger, nullable=False),  # ms since the epoch, UTC
)
