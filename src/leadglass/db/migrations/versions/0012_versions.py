"""What was kept aside is decided on: versions of an instance, and what each source takes up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_kept_aside_source", "kept_aside", ["department_id", "source", "size"])
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("instance_uid", _uid(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("sop_instance_uid", _uid(), nullable=False),
        sa.Column("sop_class_uid", _uid(), nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("rows", sa.Integer),
        sa.Column("columns", sa.Integer),
        sa.Column("bits_allocated", sa.Integer),
        sa.Column("frames", sa.Integer, nullable=False, server_default="1"),
        sa.Column("source", sa.String(200), nullable=False, server_default=""),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("blob", sa.String(32), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("transfer_syntax_uid", _uid(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_versions_series_id"),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.UniqueConstraint("blob", name="uq_versions_blob"),
    )
    op.create_index("ix_versions_series_id", "versions", ["series_id"])
    op.create_index("ix_versions_instance_uid", "versions", ["instance_uid"])
    op.create_index("ix_versions_sop_instance_uid", "versions", ["sop_instance_uid"])


def downgrade() -> None:
    """What was replaced or received otherwise becomes orphans, which `check` finds."""
    op.drop_table("versions")
    op.drop_index("ix_kept_aside_source", "kept_aside")


def _uid() -> sa.types.TypeEngine[str]:
    """Text that compares by code point everywhere."""
    return sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
