"""Changes of patients' identities, and indexes that tell one person under two IDs and two under one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_IDENTITY = (("patient_name", 400), ("patient_id", 64), ("issuer", 64), ("birth_date", 8), ("sex", 16))


def _string(length: int) -> sa.types.TypeEngine[str]:
    """Text that compares by code point everywhere."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, _string(length), server_default="", nullable=False)


def upgrade() -> None:
    op.add_column("studies", sa.Column("corrected", sa.Integer, nullable=False, server_default="0"))
    op.drop_index("ix_studies_patient_id", "studies")
    op.drop_index("ix_studies_birth_date", "studies")
    op.create_index(
        "ix_studies_patient_id",
        "studies",
        ["patient_id", "issuer", "name_key", "birth_date", "department_id"],
    )
    op.create_index(
        "ix_studies_birth_date",
        "studies",
        ["birth_date", "name_key", "patient_id", "issuer", "department_id"],
    )
    op.create_table(
        "identity_changes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
        _text("from_patient_id", 64),
        _text("from_issuer", 64),
        *(sa.Column(name, _string(length)) for name, length in _IDENTITY),
        sa.Column("undone", sa.BigInteger),
        sa.Column("undone_by", sa.String(200), nullable=False, server_default=""),
        sa.Column("undone_reason", sa.String(400), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_identity_changes"),
    )
    op.create_index("ix_identity_changes_from", "identity_changes", ["from_patient_id", "from_issuer"])
    op.create_index("ix_identity_changes_to", "identity_changes", ["patient_id", "issuer"])
    _create_departments()
    _create_studies()
    op.create_table(
        "identity_dismissals",
        sa.Column("proposal", sa.LargeBinary(32), nullable=False),
        sa.Column("dismissed", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.PrimaryKeyConstraint("proposal", name="pk_identity_dismissals"),
    )


def _create_departments() -> None:
    op.create_table(
        "identity_departments",
        sa.Column("change_id", sa.Integer, nullable=False),
        sa.Column("department_id", sa.Integer, nullable=False),
        sa.Column("source", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["identity_changes.id"], name="fk_identity_departments_change_id"
        ),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name="fk_identity_departments_department_id"
        ),
        sa.PrimaryKeyConstraint("change_id", "department_id", name="pk_identity_departments"),
        sqlite_with_rowid=False,
    )


def _create_studies() -> None:
    op.create_table(
        "identity_studies",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("change_id", sa.Integer, nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        *(_text(name, length) for name, length in _IDENTITY),
        sa.Column("came", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("joined", sa.Integer, nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(["change_id"], ["identity_changes.id"], name="fk_identity_studies_change_id"),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name="fk_identity_studies_study_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_identity_studies"),
    )
    op.create_index("ix_identity_studies_change_id", "identity_studies", ["change_id"])
    op.create_index("ix_identity_studies_study_id", "identity_studies", ["study_id"])


def downgrade() -> None:
    """Studies still show what was changed, and are delivered as they came: the older schema knows no more."""
    for table in ("identity_dismissals", "identity_studies", "identity_departments", "identity_changes"):
        op.drop_table(table)
    op.drop_index("ix_studies_patient_id", "studies")
    op.drop_index("ix_studies_birth_date", "studies")
    op.create_index("ix_studies_patient_id", "studies", ["patient_id"])
    op.create_index("ix_studies_birth_date", "studies", ["birth_date"])
    op.drop_column("studies", "corrected")
