"""What of watched folders is dealt with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watched_files",
        sa.Column("folder", sa.LargeBinary(16), nullable=False),
        sa.Column("file", sa.LargeBinary(16), nullable=False),
        sa.Column("mark", sa.LargeBinary(16), nullable=False),
        sa.PrimaryKeyConstraint("folder", "file", name="pk_watched_files"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("watched_files")
