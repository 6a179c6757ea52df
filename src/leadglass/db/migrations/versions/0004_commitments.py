"""Storage commitment results that are still to be reported."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "commitments",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("ae_id", sa.Integer, nullable=False),
        sa.Column("transaction_uid", sa.String(64), nullable=False),
        sa.Column("requested", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["ae_id"], ["aes.id"], name="fk_commitments_ae_id"),
        sa.PrimaryKeyConstraint("id", name="pk_commitments"),
        sa.UniqueConstraint("ae_id", "transaction_uid", name="uq_commitments_ae_id_transaction_uid"),
    )
    op.create_index("ix_commitments_due", "commitments", ["due"])
    op.create_table(
        "commitment_items",
        sa.Column("commitment_id", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("sop_class_uid", sa.String(64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False),
        sa.Column("failure", sa.Integer),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitments.id"], name="fk_commitment_items_commitment_id"
        ),
        sa.PrimaryKeyConstraint("commitment_id", "place", name="pk_commitment_items"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("commitment_items")
    op.drop_table("commitments")
