"""What a stranger met at the server's own listeners."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "listeners",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("looked", sa.BigInteger, nullable=False),
        sa.Column("met", sa.String(8), nullable=False),
        sa.Column("saw", sa.String(64), nullable=False),
        sa.Column("checks", sa.String(200), nullable=False),
        sa.Column("shut", sa.BigInteger),
        sa.PrimaryKeyConstraint("name", name="pk_listeners"),
    )


def downgrade() -> None:
    op.drop_table("listeners")
