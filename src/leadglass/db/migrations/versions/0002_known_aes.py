"""Known AEs, and the certificates of the archive itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "aes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("title", sa.String(16), nullable=False),
        sa.Column("department_id", sa.Integer, nullable=False),
        sa.Column("receive_only", sa.Boolean, nullable=False),
        sa.Column("addresses", sa.Text, nullable=False),
        sa.Column("allow", sa.String(64), nullable=False),
        sa.Column("host", sa.String(253), nullable=False),
        sa.Column("port", sa.Integer),
        sa.Column("tls", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("certificate", sa.Text),
        sa.Column("fingerprint", sa.LargeBinary(32)),
        sa.Column("expires", sa.BigInteger),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("removed", sa.BigInteger),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name="fk_aes_department_id"),
        sa.PrimaryKeyConstraint("id", name="pk_aes"),
    )
    op.create_index(
        "uq_aes_title",
        "aes",
        ["title"],
        unique=True,
        sqlite_where=sa.text("removed IS NULL"),
        postgresql_where=sa.text("removed IS NULL"),
    )
    op.create_table(
        "tls_identities",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("certificate", sa.Text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tls_identities"),
    )


def downgrade() -> None:
    op.drop_table("tls_identities")
    op.drop_table("aes")
