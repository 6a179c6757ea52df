"""Tables of upkeep: lost objects, what reading found damaged, its rounds, and what came in per day."""

from __future__ import annotations

import sqlalchemy as sa

from leadglass.db.engine import metadata
from leadglass.db.numbers import unused
from leadglass.index.schema import instance_columns

# Instances whose object is missing or altered: taken out of `instances`, so that nobody is shown what is not
# there, and listed until the same object comes again or is found again.
lost = sa.Table(
    "lost",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, default=unused("lost")),
    sa.Column("why", sa.String(8), nullable=False),  # missing, altered
    sa.Column("noticed", sa.BigInteger, nullable=False),  # ms since the epoch, UTC
    *instance_columns(),
    sa.Index("ix_lost_sop_instance_uid", "sop_instance_uid"),
    sa.Index("ix_lost_series_id", "series_id"),
)

# What a scrub or a check could not read as it was stored, until it can or the object is gone.
damage = sa.Table(
    "damage",
    metadata,
    sa.Column("blob", sa.String(32), primary_key=True),
    sa.Column("why", sa.String(8), nullable=False),
    sa.Column("found", sa.BigInteger, nullable=False),
)

# The scrub and the checks: where the one that is under way stands, and when the last one ended.
rounds = sa.Table(
    "rounds",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("started", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.BigInteger),  # of the last whole one
    sa.Column("kind", sa.String(16), nullable=False, server_default=""),  # of lookup.HOLDINGS
    sa.Column("after", sa.Integer, nullable=False, server_default="0"),  # number of the last object read
    sa.Column("objects", sa.BigInteger, nullable=False, server_default="0"),  # read in this round
    sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
)
