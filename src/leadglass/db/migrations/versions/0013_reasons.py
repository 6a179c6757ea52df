"""What was kept aside for one reason, or of no study, is counted without reading all that was kept aside."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_kept_aside_reason", "kept_aside", ["department_id", "reason", "size"])
    op.drop_index("ix_kept_aside_study_id", "kept_aside")
    op.create_index("ix_kept_aside_study_id", "kept_aside", ["study_id", "size"])


def downgrade() -> None:
    op.drop_index("ix_kept_aside_study_id", "kept_aside")
    op.create_index("ix_kept_aside_study_id", "kept_aside", ["study_id"])
    op.drop_index("ix_kept_aside_reason", "kept_aside")
