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
_ONCE = ("sop_instance_uid", "digest", "reason")
_before = sa.table("kept_aside_before", *map(sa.column, _KEPT))
_kept = sa.table("kept_aside", *map(sa.column, _KEPT))
_after = sa.table("kept_aside_after", *map(sa.column, (*_KEPT, "own_key")))


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("kept_aside", "study_id", nullable=True)
        op.add_column(
            "kept_aside", sa.Column("own_key", sa.Boolean, nullable=False, server_default=sa.false())
        )
        _know_once(_ONCE, (*_ONCE, "department_id"))
        return
    op.drop_index("ix_kept_aside_study_id", "kept_aside")
    op.rename_table("kept_aside", "kept_aside_before")
    _table(
        sa.Column("study_id", sa.Integer),
        sa.Column("own_key", sa.Boolean, nullable=False, server_default=sa.false()),
        unique=(*_ONCE, "department_id"),
    )
    op.execute(_kept.insert().from_select(_KEPT, sa.select(*_before.c)))
    op.drop_table("kept_aside_before")


def downgrade() -> None:
    """Rows that the older schema has no place for go: their objects become orphans, which `check` finds."""
    if op.get_bind().dialect.name == "postgresql":
        other = sa.table("kept_aside", *map(sa.column, _KEPT)).alias()
        first = sa.select(sa.func.min(other.c.id)).group_by(*(other.c[name] for name in _ONCE))
        op.execute("DELETE FROM kept_aside WHERE own_key")
        op.execute(_kept.delete().where(_kept.c.id.not_in(first)))
        op.drop_column("kept_aside", "own_key")
        op.alter_column("kept_aside", "study_id", nullable=False)
        _know_once((*_ONCE, "department_id"), _ONCE)
        return
    op.drop_index("ix_kept_aside_study_id", "kept_aside")
    op.rename_table("kept_aside", "kept_aside_after")
    _table(sa.Column("study_id", sa.Integer, nullable=False), unique=_ONCE)
    first = sa.select(sa.func.min(_after.c.id)).group_by(*(_after.c[name] for name in _ONCE))
    rows = sa.select(*(_after.c[name] for name in _KEPT))
    op.execute(
        _kept.insert().from_select(
            _KEPT, rows.where(_after.c.own_key == sa.literal(0), _after.c.id.in_(first))
        )
    )
    op.drop_table("kept_aside_after")


def _know_once(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    op.drop_constraint("uq_kept_aside_" + "_".join(before), "kept_aside")
    op.create_unique_constraint("uq_kept_aside_" + "_".join(after), "kept_aside", after)


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
