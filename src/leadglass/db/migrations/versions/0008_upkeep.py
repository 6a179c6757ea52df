"""Deletion and upkeep: numbers and names that are gone, lost objects, rounds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _string(length: int) -> sa.types.TypeEngine[str]:
    """Text that compares by code point everywhere."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "numbers",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("highest", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_numbers"),
    )
    op.create_table(
        "shreds",
        sa.Column("blob", sa.String(32), nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("blob", name="pk_shreds"),
    )
    op.create_index("ix_shreds_entry", "shreds", ["entry"])
    _lost()
    op.create_table(
        "damage",
        sa.Column("blob", sa.String(32), nullable=False),
        sa.Column("why", sa.String(8), nullable=False),
        sa.Column("found", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("blob", name="pk_damage"),
    )
    op.create_table(
        "rounds",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.BigInteger),
        sa.Column("kind", sa.String(16), nullable=False, server_default=""),
        sa.Column("after", sa.Integer, nullable=False, server_default="0"),
        sa.Column("objects", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("name", name="pk_rounds"),
    )


def _lost() -> None:
    op.create_table(
        "lost",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("why", sa.String(8), nullable=False),
        sa.Column("noticed", sa.BigInteger, nullable=False),
        sa.Column("sop_instance_uid", _string(64), nullable=False),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("sop_class_uid", _string(64), nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("rows", sa.Integer),
        sa.Column("columns", sa.Integer),
        sa.Column("bits_allocated", sa.Integer),
        sa.Column("frames", sa.Integer, nullable=False, server_default="1"),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("blob", sa.String(32), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("transfer_syntax_uid", _string(64), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_lost_series_id"),
        sa.PrimaryKeyConstraint("id", name="pk_lost"),
        sa.UniqueConstraint("blob", name="uq_lost_blob"),
    )
    op.create_index("ix_lost_sop_instance_uid", "lost", ["sop_instance_uid"])
    op.create_index("ix_lost_series_id", "lost", ["series_id"])


def downgrade() -> None:
    for table in ("rounds", "damage", "lost", "shreds", "numbers"):
        op.drop_table(table)
