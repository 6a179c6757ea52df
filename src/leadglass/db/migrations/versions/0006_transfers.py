"""Migrations from other archives, between their runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "migrations",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("department_id", sa.Integer, nullable=False),
        sa.Column("first", sa.String(10), nullable=False),
        sa.Column("last", sa.String(10), nullable=False),
        sa.Column("listing", sa.Text, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.BigInteger),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name="fk_migrations_department_id"),
        sa.PrimaryKeyConstraint("id", name="pk_migrations"),
    )
    uid = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.create_table(
        "migration_studies",
        sa.Column("migration_id", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("study_instance_uid", uid, nullable=False),
        sa.Column("expected", sa.Integer),
        sa.Column("held", sa.Integer),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("reason", sa.String(200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["migration_id"], ["migrations.id"], name="fk_migration_studies_migration_id"
        ),
        sa.PrimaryKeyConstraint("migration_id", "place", name="pk_migration_studies"),
        sa.UniqueConstraint(
            "migration_id", "study_instance_uid", name="uq_migration_studies_migration_id_study_instance_uid"
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("migration_studies")
    op.drop_table("migrations")
