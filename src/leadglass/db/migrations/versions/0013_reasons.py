"""What was kept aside for one reason is found without reading all that was kept aside."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_kept_aside_reason", "kept_aside", ["department_id", "reason", "size"])


def downgrade() -> None:
    op.drop_index("ix_kept_aside_reason", "kept_aside")
