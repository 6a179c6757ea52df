"""What is kept aside may have no study, has a key of its own, and is each department's for itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEPT = (
    *("id", "reason", "study_id", "department_id", "sop_instance_uid", "source", "received"),
    *("blob", "wrapped_key", "size", "digest", "transfer_syntax_uid"),
)
_before = sa.table("kept_aside_before", *map(sa.column, _KEPT))
_kept = sa.table("kept_aside", *map(sa.column, _KEPT))
_after = sa.table("kept_aside_after", *map(sa.column, (*_KEPT, "own_key")))


def upgrade() -> None:
    op.drop_index("ix_kept_aside_study_id", "kept_aside")
    op.rename_table("kept_aside", "kept_aside_before")
    _table(
        sa.Column("study_id", sa.Integer),
        sa.Column("own_key", sa.Boolean, nullable=False, server_default=sa.false()),
        unique=("sop_instance_uid", "digest", "reason", "department_id"),
    )
    op.execute(_kept.insert().from_select(_KEPT, sa.select(*_before.c)))
    op.drop_table("kept_aside_before")


def downgrade() -> None:
    """Rows that the older schema has no place for go: their objects become orphans, which `check` finds."""
    op.drop_index("ix_kept_aside_study_id", "kept_aside")
    op.rename_table("kept_aside", "kept_aside_after")
    _table(sa.Column("study_id", sa.Integer, nullable=False), unique=("sop_instance_uid", "digest", "reason"))
    first = sa.select(sa.func.min(_after.c.id)).group_by(
        _after.c.sop_instance_uid, _after.c.digest, _after.c.reason
    )
    rows = sa.select(*(_after.c[name] for name in _KEPT))
    op.execute(
        _kept.insert().from_select(
            _KEPT, rows.where(_after.c.own_key == sa.literal(0), _after.c.id.in_(first))
        )
    )
    op.drop_table("kept_aside_after")


def _table(*study: sa.Column[object], unique: tuple[str, ...]) -> None:
    op.create_table(
        "kept_aside",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        *study,
        sa.Column("department_id", sa.Integer, nullable=False),
        sa.Column("sop_instance_uid", _string(64), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("blob", sa.String(32), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("transfer_syntax_uid", _string(64), nullable=False),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name="fk_kept_aside_department_id"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_kept_aside_study_id"),
        sa.PrimaryKeyConstraint("id", name="pk_kept_aside"),
        sa.UniqueConstraint("blob", name="uq_kept_aside_blob"),
        sa.UniqueConstraint(*unique, name="uq_kept_aside_" + "_".join(unique)),
    )
    op.create_index("ix_kept_aside_study_id", "kept_aside", ["study_id"])


def _string(length: int) -> sa.types.TypeEngine[str]:
    """Text that compares by code point everywhere."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
